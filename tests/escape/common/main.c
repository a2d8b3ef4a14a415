/* The catalogue's main program and the few things its cases share. */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/escape/escape.h"

/* The linker names the ends of a section that is a valid identifier. */
extern const struct escape_case *const __start_escapes[];
extern const struct escape_case *const __stop_escapes[];

__attribute__((format(printf, 2, 0))) static void say(const char *word, const char *format,
                                                      va_list ap)
{
	printf("%s: ", word);
	vprintf(format, ap);
	printf("\n");
	fflush(stdout);
}

int escaped(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say("escaped", format, ap);
	va_end(ap);
	return ESCAPED;
}

int untried(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say("untried", format, ap);
	va_end(ap);
	return UNTRIED;
}

int escape_refused(const char *what, long result, const int *errnos)
{
	int code = errno;
	char want[128] = "";

	if (result >= 0)
		return escaped("%s worked", what);
	for (const int *e = errnos; *e; e++) {
		if (*e == code)
			return HELD;
		snprintf(want + strlen(want), sizeof(want) - strlen(want), "%s%s",
		         e == errnos ? "" : " or ", strerrorname_np(*e));
	}
	return escaped("%s got past the fence: %s instead of %s", what, strerrorname_np(code),
	               want);
}

int cannot_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r = refused(path, fd, HIDDEN_ERRNOS);

	if (fd >= 0)
		close(fd);
	return r;
}

int cannot_read(const char *path)
{
	char byte;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return refused(path, fd, HIDDEN_ERRNOS);
	n = read(fd, &byte, 1);
	close(fd);
	return n > 0 ? escaped("%s can be read", path) : HELD;
}

ssize_t read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = -1;

	if (fd < 0)
		return -1;
	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	text[len] = 0;
	return n < 0 ? -1 : (ssize_t)len;
}

int in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		fn();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

int child_dies_by(const char *what, int signo, void (*fn)(void))
{
	int status = in_child(fn);

	if (status == -1)
		return untried("%s: no child", what);
	if (WIFSIGNALED(status) && WTERMSIG(status) == signo)
		return HELD;
	return escaped("%s: the process lived (status 0x%x) and should have died by %s", what,
	               (unsigned int)status, sigabbrev_np(signo));
}

int own_terminal(void)
{
	int slave;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		return -1;
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -1;
	/* A group's leader cannot make a session; its child can. Without one TIOCSTI wants a
	   capability. */
	(void)setsid();
	(void)ioctl(slave, TIOCSCTTY, 0);
	return slave;
}

int each_process(int (*fn)(pid_t pid))
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	int r = HELD;

	if (!proc)
		return untried("no /proc");
	while (r == HELD && (d = readdir(proc))) {
		pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);

		if (pid > 0)
			r = fn(pid);
	}
	closedir(proc);
	return r;
}

static const struct escape_case *case_find(const char *name)
{
	for (const struct escape_case *const *c = __start_escapes; c != __stop_escapes; c++)
		if (!strcmp((*c)->name, name))
			return *c;
	return NULL;
}

static bool mode_parse(const char *text, struct escape_run *run)
{
	run->open = !strcmp(text, "--open");
	run->host = !strcmp(text, "--host");
	return run->open || run->host || !strcmp(text, "inside");
}

int main(int argc, char **argv)
{
	const char *name = argc > 0 ? argv[0] : "";
	const struct escape_case *c;
	struct escape_run run = { 0 };

	name = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
	c = case_find(name);
	if (!c || argc < 2 || !mode_parse(argv[1], &run)) {
		fprintf(stderr, "usage: NAME inside|--open|--host [ARG...], run as one of:\n");
		for (const struct escape_case *const *e = __start_escapes; e != __stop_escapes; e++)
			fprintf(stderr, "  %s\n", (*e)->name);
		return UNTRIED;
	}
	run.argc = argc - 2;
	run.argv = argv + 2;
	alarm(60); /* nobody waits for an attack that hangs */
	return c->run(&run);
}
