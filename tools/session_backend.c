#include "tools/session_backend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base.h"
#include "backends/local.h"
#include "kernel/base/cleanup.h"
#include "tools/exitcode.h"
#include "tools/session_shells.h"

struct session {
	struct corral_session_shells shells; /* with the sandbox's id; the first member */
	struct corral_backend *runner; /* of corral exec, which dies with its command and the other
	                                  way round */
};

static size_t count(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* corral exec -e K=V ... -w DIR ID -- COMMAND: the array alone is the caller's. */
static char **exec_argv(const struct session *s, const struct corral_execute *x)
{
	size_t n = 0, n_env = count(x->env), n_argv = count(x->argv);
	char **argv = calloc(n_argv + 2 * n_env + 10, sizeof(*argv));

	if (!argv)
		return NULL;
	argv[n++] = (char *)(uintptr_t) "/proc/self/exe";
	argv[n++] = (char *)(uintptr_t) "exec";
	for (size_t i = 0; i < n_env; i++) {
		argv[n++] = (char *)(uintptr_t) "--env";
		argv[n++] = x->env[i];
	}
	if (x->guest_dir) {
		argv[n++] = (char *)(uintptr_t) "--workdir";
		argv[n++] = (char *)(uintptr_t)x->guest_dir;
	}
	if (x->stdin_data)
		argv[n++] = (char *)(uintptr_t) "--stdin";
	argv[n++] = (char *)(uintptr_t)s->shells.id;
	argv[n++] = (char *)(uintptr_t) "--";
	if (x->argv) {
		memcpy(argv + n, x->argv, n_argv * sizeof(*argv));
	} else {
		argv[n++] = (char *)(uintptr_t) "/bin/sh";
		argv[n++] = (char *)(uintptr_t) "-c";
		argv[n] = (char *)(uintptr_t)x->command;
	}
	return argv;
}

static int session_execute(void *ctx, const struct corral_execute *x, struct corral_executed *ret,
                           struct corral_error *err)
{
	const struct session *s = ctx;
	corral_autofree char **argv = exec_argv(s, x);
	struct corral_execute own = *x;
	int r;

	if (!argv)
		return corral_error_sys(err, ENOMEM, "execute");
	own.command = NULL;
	own.argv = argv;
	own.env = NULL;
	own.guest_dir = NULL;
	r = corral_backend_execute(s->runner, &own, ret, err);
	/* Its own failure, with one line that says why. */
	if (r == 0 && ret->exit_code == CORRAL_EXIT_FAILED && ret->out.len &&
	    !strncmp(ret->out.data, "corral: sandbox ", 16))
		return corral_error_set(err, EPIPE, "%.*s", (int)strcspn(ret->out.data + 8, "\n"),
		                        ret->out.data + 8);
	return r;
}

static int session_stop(void *ctx, const char *run_id, struct corral_error *err)
{
	return corral_backend_stop(((struct session *)ctx)->runner, run_id, err);
}

static void session_close(void *ctx)
{
	struct session *s = ctx;

	corral_backend_close(s->runner);
	corral_session_shells_done(&s->shells);
	free(s);
}

static int find(const char *word, struct session *s, struct corral_error *err)
{
	struct corral_sandboxes dir = { .dir_fd = -1 };
	struct corral_record record = { .words = NULL };
	int r = corral_sandboxes_open(&dir, err);

	if (r == 0)
		r = corral_sandboxes_find(&dir, word, &record, err);
	if (r == 0)
		(void)snprintf(s->shells.id, sizeof(s->shells.id), "%s", record.id);
	corral_record_done(&record);
	corral_sandboxes_close(&dir);
	return r;
}

int corral_session_backend_new(const char *word, struct corral_backend **ret,
                               struct corral_error *err)
{
	/* Its control group would be one more around a program that waits. */
	const struct corral_local_options local = { .root_dir = "/", .no_cgroup = true };
	struct session *s = calloc(1, sizeof(*s));
	const struct corral_base_options base = {
		.execute = session_execute,
		.stop = session_stop,
		.background = &corral_session_background,
		.close = session_close,
		.ctx = s,
	};
	int r;

	if (!s)
		return corral_error_sys(err, ENOMEM, "session");
	corral_session_shells_init(&s->shells);
	r = find(word, s, err);
	if (r == 0)
		r = corral_local_backend_new(&local, &s->runner, err);
	if (r == 0)
		r = corral_base_sandbox_new(&base, ret, err);
	if (r < 0)
		session_close(s);
	return r;
}
