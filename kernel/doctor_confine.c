#include "kernel/doctor_confine.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/memfd.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/doctor_enter.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* What the smallest program exits with, so that no other program's success passes for its own. */
#define PROGRAM_STATUS 42

void corral_doctor_try_no_new_privs(const struct corral_doctor_context *ctx,
                                    struct corral_doctor_outcome *out)
{
	(void)ctx;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		corral_doctor_fail(out, "prctl(PR_SET_NO_NEW_PRIVS)");
}

void corral_doctor_try_seccomp(const struct corral_doctor_context *ctx,
                               struct corral_doctor_outcome *out)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { CORRAL_COUNT(filter), filter };

	corral_doctor_try_no_new_privs(ctx, out);
	if (out->code)
		return;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
		corral_doctor_fail(out, "seccomp(SECCOMP_SET_MODE_FILTER)");
		return;
	}
	if (syscall(SYS_getpgid, 0) >= 0 || errno != EDOM) {
		errno = EINVAL;
		corral_doctor_fail(out, "a filter that filters nothing");
	}
}

void corral_doctor_try_listener(const struct corral_doctor_context *ctx,
                                struct corral_doctor_outcome *out)
{
	struct sock_filter filter[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog program = { CORRAL_COUNT(filter), filter };

	corral_doctor_try_no_new_privs(ctx, out);
	if (!out->code && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	                          SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) < 0)
		corral_doctor_fail(out, "seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER)");
}

void corral_doctor_try_landlock(const struct corral_doctor_context *ctx,
                                struct corral_doctor_outcome *out)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_DIR };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int fd;

	if (abi < 0) {
		corral_doctor_fail(out, "landlock_create_ruleset");
		return;
	}
	corral_doctor_try_no_new_privs(ctx, out);
	if (out->code)
		return;
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	if (fd < 0)
		corral_doctor_fail(out, "landlock_create_ruleset");
	else if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		corral_doctor_fail(out, "landlock_restrict_self");
	out->value = abi;
}

#if defined(__x86_64__)
#define PROGRAM_MACHINE EM_X86_64
/* mov $60, %eax; mov $42, %edi; syscall */
static const unsigned char program_code[] = { 0xb8,           60, 0, 0, 0,    0xbf,
	                                      PROGRAM_STATUS, 0,  0, 0, 0x0f, 0x05 };
#elif defined(__aarch64__)
#define PROGRAM_MACHINE EM_AARCH64
/* mov x0, #42; mov x8, #93; svc #0 */
static const unsigned char program_code[] = { 0x40, 0x05, 0x80, 0xd2, 0xa8, 0x0b,
	                                      0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4 };
#else
#define PROGRAM_MACHINE EM_NONE
static const unsigned char program_code[] = { 0 };
#endif

struct program {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	unsigned char code[sizeof(program_code)];
};

/* The smallest program: any other might not be on this host, or be a script. */
static void make_program(struct program *p)
{
	static const Elf64_Addr base = 0x10000;

	memset(p, 0, sizeof(*p));
	memcpy(p->header.e_ident, ELFMAG, SELFMAG);
	p->header.e_ident[EI_CLASS] = ELFCLASS64;
	p->header.e_ident[EI_DATA] = ELFDATA2LSB;
	p->header.e_ident[EI_VERSION] = EV_CURRENT;
	p->header.e_type = ET_EXEC;
	p->header.e_machine = PROGRAM_MACHINE;
	p->header.e_version = EV_CURRENT;
	p->header.e_entry = base + offsetof(struct program, code);
	p->header.e_phoff = offsetof(struct program, segment);
	p->header.e_ehsize = sizeof(p->header);
	p->header.e_phentsize = sizeof(p->segment);
	p->header.e_phnum = 1;
	p->segment.p_type = PT_LOAD;
	p->segment.p_flags = PF_R | PF_X;
	p->segment.p_vaddr = base;
	p->segment.p_paddr = base;
	p->segment.p_filesz = sizeof(*p);
	p->segment.p_memsz = sizeof(*p);
	p->segment.p_align = 4096;
	memcpy(p->code, program_code, sizeof(program_code));
}

void corral_doctor_try_memfd(const struct corral_doctor_context *ctx,
                             struct corral_doctor_outcome *out)
{
	static const unsigned int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	char name[] = "corral-probe", *argv[] = { name, NULL }, *env[] = { NULL };
	struct program program;
	pid_t pid;
	int fd, status;

	(void)ctx;
	if (PROGRAM_MACHINE == EM_NONE)
		return;
	make_program(&program);
	fd = (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd < 0 && errno == EINVAL) /* before 6.3 there is no such flag, and no need of it */
		fd = (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		corral_doctor_fail(out, "memfd_create(MFD_EXEC)");
		return;
	}
	if (write(fd, &program, sizeof(program)) != (ssize_t)sizeof(program) ||
	    fcntl(fd, F_ADD_SEALS, seals) < 0) {
		corral_doctor_fail(out, "fcntl(F_ADD_SEALS)");
		return;
	}
	pid = corral_doctor_fork();
	if (pid == 0) {
		(void)syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH);
		_exit(errno < PROGRAM_STATUS ? errno : 127);
	}
	if (pid < 0) {
		corral_doctor_fail(out, "fork");
		return;
	}
	status = corral_doctor_reap(pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == PROGRAM_STATUS)
		return;
	errno = WIFEXITED(status) && WEXITSTATUS(status) != 127 ? WEXITSTATUS(status) : ENOEXEC;
	corral_doctor_fail(out, "execveat of a sealed memory file");
}
