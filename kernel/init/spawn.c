/*
 * The two places that C cannot say: where the program starts, and a child on a stack of its own.
 */
#include "kernel/init/init.h"

#if defined(__x86_64__)
__asm__(".section .text._start,\"ax\",@progbits\n"
        ".global _start\n"
        "_start:\n"
        "	xor %ebp, %ebp\n"
        "	mov %rsp, %rdi\n"
        "	and $-16, %rsp\n"
        "	call init_main\n"
        "	hlt\n"
        ".section .text.spawn_shared,\"ax\",@progbits\n"
        ".global spawn_shared\n"
        "spawn_shared:\n" /* rdi fn, rsi arg, rdx stack, rcx flags, r8 tid to clear */
        "	and $-16, %rdx\n"
        "	sub $16, %rdx\n"
        "	mov %rdi, 0(%rdx)\n"
        "	mov %rsi, 8(%rdx)\n"
        "	mov %rcx, %rdi\n"
        "	mov %rdx, %rsi\n"
        "	xor %edx, %edx\n"
        "	mov %r8, %r10\n"
        "	xor %r8d, %r8d\n"
        "	mov $56, %eax\n" /* clone */
        "	syscall\n"
        "	test %rax, %rax\n"
        "	jnz 1f\n"
        "	xor %ebp, %ebp\n"
        "	pop %rax\n"
        "	pop %rdi\n"
        "	call *%rax\n"
        "	mov $127, %edi\n"
        "	mov $231, %eax\n" /* exit_group */
        "	syscall\n"
        "	hlt\n"
        "1:	ret\n"
        ".text\n");
#elif defined(__aarch64__)
__asm__(".section .text._start,\"ax\",@progbits\n"
        ".global _start\n"
        "_start:\n"
        "	mov x29, #0\n"
        "	mov x0, sp\n"
        "	bl init_main\n"
        "	brk #1\n"
        ".section .text.spawn_shared,\"ax\",@progbits\n"
        ".global spawn_shared\n"
        "spawn_shared:\n"
        "	and x2, x2, #-16\n"
        "	stp x0, x1, [x2, #-16]!\n"
        "	mov x0, x3\n"
        "	mov x1, x2\n"
        "	mov x2, #0\n"
        "	mov x3, #0\n"   /* x4 is the tid to clear already */
        "	mov x8, #220\n" /* clone */
        "	svc #0\n"
        "	cbnz x0, 1f\n"
        "	mov x29, #0\n"
        "	ldp x1, x0, [sp], #16\n"
        "	blr x1\n"
        "	mov x0, #127\n"
        "	mov x8, #94\n" /* exit_group */
        "	svc #0\n"
        "	brk #1\n"
        "1:	ret\n"
        ".text\n");
#endif

_Noreturn void die(int status)
{
	for (;;)
		(void)sys1(__NR_exit_group, status);
}
