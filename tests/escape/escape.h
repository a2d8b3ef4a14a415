/*
 * One known way out of a sandbox is one file beside this one. All of them are linked into one
 * static program, which takes the case's name from argv[0] (each name is a link to it), so that the
 * whole catalogue weighs less than a megabyte in a virtual machine's memory.
 *
 *     NAME inside [ARG...]   the guest tries; the answer must be HELD
 *     NAME --open [ARG...]   the fence has been taken away; the answer must be ESCAPED
 *     NAME --host [ARG...]   the part that a case needs outside, such as a listener; see its hook
 *
 * A case that could harm the host if it worked asks the kernel in a way that gets past the check
 * and no further: reboot(2) with a wrong magic number answers EPERM to those who may not and EINVAL
 * to those who may.
 */
#ifndef CORRAL_TESTS_ESCAPE_H
#define CORRAL_TESTS_ESCAPE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum escape_answer {
	HELD = 0,    /* refused, and in the way the fence refuses */
	ESCAPED = 1, /* got through, or was stopped by something else than the fence */
	UNTRIED = 2, /* could not be tried here */
};

struct escape_run {
	bool open; /* the fence is meant to be gone */
	bool host; /* the case's part outside */
	int argc;  /* what comes after the mode */
	char **argv;
};

struct escape_case {
	const char *name;
	int (*run)(const struct escape_run *run);
};

/* Defines the case, and puts it where the main program finds it: a section of pointers. */
#define ESCAPE(id)                                                        \
	static int escape_##id(const struct escape_run *run);             \
	static const struct escape_case case_##id = { #id, escape_##id }; \
	static const struct escape_case *const entry_##id                 \
	        __attribute__((used, section("escapes"))) = &case_##id;   \
	static int escape_##id(const struct escape_run *run)

/* Leaves the case with the first answer that is not HELD. */
#define CHECK(expr)                     \
	do {                            \
		int answer_ = (expr);   \
		if (answer_ != HELD)    \
			return answer_; \
	} while (0)

/*
 * HELD when result is negative and errno one of those listed. Everything else is ESCAPED: with
 * another errno the call got as far as the kernel's own code, and the fence did not stop it.
 */
#define refused(what, result, ...) \
	escape_refused((what), (result), (const int[]) { __VA_ARGS__, 0 })
int escape_refused(const char *what, long result, const int *errnos);

__attribute__((format(printf, 1, 2))) int escaped(const char *format, ...);
__attribute__((format(printf, 1, 2))) int untried(const char *format, ...);

/* What stands for "there is no such file here, or not for you". */
#define HIDDEN_ERRNOS ENOENT, EACCES, EPERM, ENOTDIR, ENXIO, ENODEV, EROFS
/* open(2) with these flags must fail with one of HIDDEN_ERRNOS. */
int cannot_open(const char *path, int flags);
/* Reading gives nothing: it cannot be opened, cannot be read, or is empty. */
int cannot_read(const char *path);

/* Reads what fits and terminates it. The length, or -1. */
ssize_t read_text(const char *path, char *text, size_t size);

/* Runs fn in a child and returns the status of waitpid(2); -1 when there is none. */
int in_child(void (*fn)(void));
/* HELD when the child dies by that signal. */
int child_dies_by(const char *what, int signo, void (*fn)(void));

/* A new pseudo-terminal that is this process's controlling one: the slave's descriptor, or -1. */
int own_terminal(void);

/* Calls fn for each numeric name in /proc until one is not HELD. */
int each_process(int (*fn)(pid_t pid));

#endif
