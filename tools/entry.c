/*
 * Where the program starts. A start writes to some fifty pages one by one, and each is a fault of
 * its own: 0.25 µs on bare metal, but 10 to 20 µs where a hypervisor shadows page tables and others
 * keep it busy. So its data and the next pages of its stack are mapped by two calls before anything
 * else happens (MADV_POPULATE_WRITE, madvise(2); Linux 5.14, older ones refuse and fault as ever).
 * Not its code: a fault maps sixteen pages of that, two dozen are enough, and to map all thousand
 * took longer, a twentieth of `corral run`. Calls only, since the program has not been relocated
 * yet: no data, no function, no library.
 */
#include "tools/entry.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
__asm__(".section .text.corral_entry,\"ax\",@progbits\n"
        ".global corral_entry\n"
        ".hidden __init_array_start\n"
        ".hidden _end\n"
        "corral_entry:\n"
        "	mov %rdx, %r12\n" /* what _start is given (System V ABI, 3.4.1); kept over a system
                                     call */
        "	lea __init_array_start(%rip), %rdi\n"
        "	and $-4096, %rdi\n"
        "	lea _end(%rip), %rsi\n"
        "	sub %rdi, %rsi\n"
        "	mov $23, %edx\n" /* MADV_POPULATE_WRITE */
        "	mov $28, %eax\n"
        "	syscall\n"
        "	mov %rsp, %rdi\n"
        "	and $-4096, %rdi\n"
        "	mov $0xc000, %esi\n"
        "	sub %rsi, %rdi\n"
        "	mov $23, %edx\n"
        "	mov $28, %eax\n"
        "	syscall\n"
        "	mov %r12, %rdx\n"
        "	jmp _start\n"
        ".text\n");
#endif

void corral_entry_heap(void)
{
	enum { PAGE = 4096, ENOUGH = 28 * PAGE };
	char *first = malloc(1), *end = sbrk(0);
	uintptr_t start = ((uintptr_t)first + PAGE - 1) & ~(uintptr_t)(PAGE - 1);

	/* Not so where malloc() has taken its memory from elsewhere (mmap(2)), as sanitizers do. */
	if (first && (uintptr_t)end > start && (uintptr_t)end - start >= ENOUGH &&
	    (uintptr_t)end - start <= 4 * (uintptr_t)ENOUGH)
		(void)madvise((char *)start, ENOUGH, MADV_POPULATE_WRITE);
	free(first);
}
