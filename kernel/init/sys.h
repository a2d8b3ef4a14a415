/*
 * System calls without a libc: guest init must be small, exec in no time and keep little memory.
 * Each returns what the kernel returns, a negative errno on failure.
 */
#ifndef CORRAL_KERNEL_INIT_SYS_H
#define CORRAL_KERNEL_INIT_SYS_H

#include <asm/unistd.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__clang_analyzer__)
/* The analyzer does not read assembly: of a function that it does not know it assumes that it
 * writes through what it is given. */
long sys6(long nr, long a, long b, long c, long d, long e, long f);
#elif defined(__x86_64__)
static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
	                 : "=a"(ret)
	                 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
	                 : "+r"(x0)
	                 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
	                 : "memory");
	return x0;
}
#else
#error "guest init knows x86_64 and aarch64"
#endif

#define SYS_(nr, a, b, c, d, e, f) \
	sys6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define sys0(nr)                SYS_(nr, 0, 0, 0, 0, 0, 0)
#define sys1(nr, a)             SYS_(nr, a, 0, 0, 0, 0, 0)
#define sys2(nr, a, b)          SYS_(nr, a, b, 0, 0, 0, 0)
#define sys3(nr, a, b, c)       SYS_(nr, a, b, c, 0, 0, 0)
#define sys4(nr, a, b, c, d)    SYS_(nr, a, b, c, d, 0, 0)
#define sys5(nr, a, b, c, d, e) SYS_(nr, a, b, c, d, e, 0)

/* Numbers above those of older headers; the same on every architecture. */
#ifndef __NR_open_tree
#define __NR_open_tree  428
#define __NR_move_mount 429
#define __NR_fsopen     430
#define __NR_fsconfig   431
#define __NR_fsmount    432
#endif
#ifndef __NR_openat2
#define __NR_openat2 437
#endif
#ifndef __NR_mount_setattr
#define __NR_mount_setattr 442
#endif
#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444
#define __NR_landlock_add_rule       445
#define __NR_landlock_restrict_self  446
#endif

/*
 * Of what is used all the time, so that it lies together: the linker sorts by alignment, whole
 * pages first. Each page that is touched costs a fault, and is the sandbox's for as long as it
 * lives.
 */
#define HOT _Alignas(64)

/*
 * Maps what is about to be written at once (MADV_POPULATE_WRITE, Linux 5.14; older ones fault page
 * by page): a fault costs 10 to 20 µs under a hypervisor that shadows page tables, and this is one
 * call.
 */
static inline void populate(void *from, size_t size)
{
	uintptr_t start = (uintptr_t)from & ~4095ul,
	          end = ((uintptr_t)from + size + 4095) & ~4095ul;

	(void)sys3(__NR_madvise, start, end - start, 23);
}

/* The compiler may call these by itself. */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
void *memmove(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);

size_t text_len(const char *s);
int text_equal(const char *a, const char *b);
/* Appends text to a bounded buffer; returns the new length, size when it did not fit. */
size_t text_add(char *buf, size_t size, size_t len, const char *s);
size_t text_add_number(char *buf, size_t size, size_t len, uint64_t n);
/* "/proc/self/fd/N" into buf (32 bytes). */
const char *text_fd_path(char *buf, int fd);

uint64_t now_nsec(void);

#endif
