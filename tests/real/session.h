/*
 * A person at a terminal: the test holds the master side of one on whose slave side corral runs.
 * Include after tests/real/sandbox_support.h.
 */
#ifndef CORRAL_TESTS_REAL_SESSION_H
#define CORRAL_TESTS_REAL_SESSION_H

#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>

#define SESSION_PATIENCE_MS 20000

struct session {
	pid_t pid;
	int master;
	char text[8192]; /* what has been shown so far */
	size_t len;
};

/* corral with these words, on a terminal of 33 rows and 111 columns. */
static inline void session_start(struct session *s, const char *const *args)
{
	const char *argv[RUN_ARGS_MAX + 1] = { CORRAL_BINARY };
	struct winsize size = { .ws_row = 33, .ws_col = 111 };

	for (size_t n = 1; *args && n < RUN_ARGS_MAX; args++)
		argv[n++] = *args;
	memset(s, 0, sizeof(*s));
	s->pid = forkpty(&s->master, NULL, NULL, &size);
	assert_true(s->pid >= 0);
	if (s->pid == 0) {
		(void)alarm(RUN_DEADLINE_S);
		(void)execv(CORRAL_BINARY, (char *const *)(uintptr_t)argv);
		_exit(99);
	}
}

/* Reads on until part has been shown, or the terminal ends. */
static inline bool session_shows(struct session *s, const char *part)
{
	struct pollfd pfd = { .fd = s->master, .events = POLLIN };
	char piece[sizeof(s->text)];

	while (!strstr(s->text, part)) {
		ssize_t n;

		if (s->len == sizeof(s->text) - 1 || poll(&pfd, 1, SESSION_PATIENCE_MS) <= 0)
			return false;
		n = read(s->master, piece, sizeof(s->text) - 1 - s->len);
		if (n <= 0)
			return false;
		for (ssize_t i = 0; i < n; i++) /* lines end with \r\n on a terminal */
			if (piece[i] != '\r')
				s->text[s->len++] = piece[i];
		s->text[s->len] = '\0';
	}
	return true;
}

#define assert_shows(s, part)                                                        \
	do {                                                                         \
		if (!session_shows((s), (part)))                                     \
			fail_msg("'%s' is not shown: '%.2000s'", (part), (s)->text); \
	} while (0)

static inline void session_type(const struct session *s, const char *keys)
{
	assert_int_equal(write(s->master, keys, strlen(keys)), strlen(keys));
}

static inline int session_end(struct session *s)
{
	int status;

	(void)session_shows(s, "\001 never shown");
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	(void)close(s->master);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif
