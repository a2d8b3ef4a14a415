/*
 * corral sandbox cp.
 *
 * Theory of operation: the side that gives pushes into a pipe, in a thread of its own; the side
 * that takes pulls out of it. A tree goes through as an archive, a file as its bytes. A giver that
 * fails leaves a mark before it closes the pipe, so that half a file is not taken for a whole one.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tools/message.h"
#include "tools/place.h"
#include "tools/sandbox_commands.h"
#include "tools/write_all.h"

/* What could not be copied was left out; the rest is there. */
#define EXIT_SKIPPED 1

struct end {
	const struct corral_place *place; /* NULL: standard input or output, a tree's archive */
	const char *path;
};

struct copy {
	struct end from, to;
	bool is_tree;
	unsigned int mode;
	int pipe[2];
	atomic_bool broken; /* the giver failed */
	int gave;
	struct corral_error gave_err;
	struct corral_files_copied given, taken;
};

static int fd_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	int r = corral_write_all(*(const int *)ctx, data, len);

	/* When the taker has given up, its reason is the one that is told. */
	return r < 0 ? corral_error_sys(err, -r, "write") : 0;
}

static long fd_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	ssize_t n;

	do {
		n = read(*(const int *)ctx, data, size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? corral_error_sys(err, errno, "read") : n;
}

static long pipe_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct copy *c = ctx;
	long n = fd_get(&c->pipe[0], data, size, err);

	if (n == 0 && atomic_load(&c->broken))
		return corral_error_set(err, ECANCELED, "the other side failed");
	return n;
}

static void *give(void *ctx)
{
	struct copy *c = ctx;
	const struct corral_files_sink sink = { fd_put, &c->pipe[1] };

	c->gave = corral_place_give(c->from.place, c->from.path, c->is_tree, &sink, &c->given,
	                            &c->gave_err);
	atomic_store(&c->broken, c->gave < 0);
	corral_fd_closep(&c->pipe[1]);
	return NULL;
}

static int carry(struct copy *c, struct corral_error *err)
{
	const struct corral_files_source source = { pipe_get, c };
	struct corral_error took_err = { 0 };
	pthread_t thread;
	int took, r;

	if (pipe2(c->pipe, O_CLOEXEC) < 0)
		return corral_error_sys(err, errno, "pipe");
	r = pthread_create(&thread, NULL, give, c);
	if (r) {
		corral_fd_closep(&c->pipe[0]);
		corral_fd_closep(&c->pipe[1]);
		return corral_error_sys(err, r, "start a thread");
	}
	took = corral_place_take(c->to.place, c->to.path, c->is_tree, c->mode, &source, &c->taken,
	                         &took_err);
	/* A giver that still gives hears of it now. */
	corral_fd_closep(&c->pipe[0]);
	(void)pthread_join(thread, NULL);
	if (c->gave < 0 && (took == -ECANCELED || took >= 0))
		return corral_error_set(err, c->gave_err.code, "%s", c->gave_err.text);
	return took < 0 ? corral_error_set(err, took_err.code, "%s", took_err.text) : 0;
}

/* "SANDBOX:PATH", as docker cp has it: a path of the host with a colon is written ./a:b. */
static const char *guest_path_of(const char *operand)
{
	size_t len = strcspn(operand, ":/");

	return len && operand[len] == ':' ? operand + len + 1 : NULL;
}

/* The last part without slashes behind it; "" for what has no name of its own: ".", "..", "/". */
static char *name_of(const char *path)
{
	size_t end = strlen(path), start;
	char *name;

	while (end && path[end - 1] == '/')
		end--;
	start = end;
	while (start && path[start - 1] != '/')
		start--;
	name = strndup(path + start, end - start);
	if (name && (!strcmp(name, ".") || !strcmp(name, "..")))
		name[0] = '\0';
	return name;
}

/* As with cp(1): a misspelt path is no wish for directories. */
static int parent_check(struct copy *c, struct corral_error *err)
{
	corral_autofree char *parent = strdup(c->to.path);
	struct corral_files_stat st;
	char *slash;
	size_t len;

	if (!parent)
		return corral_error_sys(err, ENOMEM, "copy");
	for (len = strlen(parent); len > 1 && parent[len - 1] == '/'; len--)
		parent[len - 1] = '\0';
	slash = strrchr(parent, '/');
	if (!slash || slash == parent)
		return 0;
	*slash = '\0';
	if (corral_place_stat(c->to.place, parent, &st, NULL) < 0)
		return corral_error_set(err, ENOENT, "there is no directory '%s': make it first",
		                        parent);
	return 0;
}

/* Where it goes: into a directory that is there, unless the content alone is meant; else to the
 * path itself. */
static int target_make(struct copy *c, char **ret, struct corral_error *err)
{
	const char *path = c->to.path;
	size_t len = strlen(path);
	corral_autofree char *name = name_of(c->from.path);
	struct corral_files_stat st;
	struct corral_error stat_err = { 0 };
	int r = corral_place_stat(c->to.place, path, &st, &stat_err);

	*ret = NULL;
	if (!name)
		return corral_error_sys(err, ENOMEM, "copy");
	if (r < 0 && r != -ENOENT)
		return corral_error_set(err, stat_err.code, "%s", stat_err.text);
	if (r == 0 && st.type != CORRAL_FILES_DIRECTORY && c->is_tree)
		return corral_error_set(err, ENOTDIR, "'%s' is a file, and '%s' a directory", path,
		                        c->from.path);
	if (r == -ENOENT) {
		r = parent_check(c, err);
		if (r < 0)
			return r;
		r = -ENOENT;
	}
	if (r == -ENOENT && !c->is_tree && len && path[len - 1] == '/')
		return corral_error_set(err, ENOENT, "there is no directory '%s'", path);
	if (r == 0 && st.type == CORRAL_FILES_DIRECTORY && *name) {
		if (asprintf(ret, "%s%s%s", path, len && path[len - 1] != '/' ? "/" : "", name) < 0)
			*ret = NULL;
	} else {
		*ret = strdup(path);
	}
	return *ret ? 0 : corral_error_sys(err, ENOMEM, "copy");
}

/* Both sides are files. */
static int copy_files(struct copy *c, struct corral_error *err)
{
	corral_autofree char *target = NULL;
	struct corral_files_stat st;
	int r = corral_place_stat(c->from.place, c->from.path, &st, err);

	if (r < 0)
		return r;
	if (st.type != CORRAL_FILES_DIRECTORY && st.type != CORRAL_FILES_REGULAR)
		return corral_error_set(err, EINVAL, "'%s' is neither a file nor a directory",
		                        c->from.path);
	c->is_tree = st.type == CORRAL_FILES_DIRECTORY;
	c->mode = st.mode & 0777;
	r = target_make(c, &target, err);
	if (r < 0)
		return r;
	c->to.path = target;
	return carry(c, err);
}

static int copy(struct copy *c, struct corral_error *err)
{
	int in_fd = STDIN_FILENO, out_fd = STDOUT_FILENO;
	const struct corral_files_source source = { fd_get, &in_fd };
	const struct corral_files_sink sink = { fd_put, &out_fd };

	if (c->from.place && c->to.place)
		return copy_files(c, err);
	if (c->from.place)
		return corral_place_give(c->from.place, c->from.path, true, &sink, &c->given, err);
	return corral_place_take(c->to.place, c->to.path, true, 0, &source, &c->taken, err);
}

bool corral_cp_is_out(const struct corral_call *call)
{
	return guest_path_of(call->operands[0]) != NULL;
}

int corral_cp(struct corral_call *call,
              int (*guest_open)(struct corral_call *call, const char *word, bool out,
                                struct corral_place *guest, struct corral_error *err),
              struct corral_error *err)
{
	const char *paths[] = { guest_path_of(call->operands[0]),
		                guest_path_of(call->operands[1]) };
	struct corral_place guest = { .holder_fd = -1 }, local = { .holder_fd = -1 };
	struct copy c = { .pipe = { -1, -1 } };
	bool out = paths[0] != NULL;
	const char *own = call->operands[out ? 1 : 0], *operand = call->operands[out ? 0 : 1];
	corral_autofree char *word = NULL;
	struct corral_files_stat source;
	uint64_t skipped;
	int r;

	if (!paths[0] == !paths[1])
		return corral_error_set(
		        err, EINVAL,
		        "cp: one of the two has to be in a sandbox, and one outside: "
		        "corral %s%s",
		        corral_option_command_name(call->command->option), call->command->operands);
	(void)signal(SIGPIPE, SIG_IGN);
	word = strndup(operand, strcspn(operand, ":"));
	r = word ? 0 : corral_error_sys(err, ENOMEM, "cp");
	if (r == 0 && strcmp(own, "-") != 0)
		r = corral_place_open_local(&local, err);
	/* Before a session is made for it. */
	if (r == 0 && local.local && !out)
		r = corral_place_stat(&local, own, &source, err);
	if (r == 0)
		r = guest_open(call, word, out, &guest, err);
	c.from = (struct end) { out ? &guest : local.local ? &local : NULL, out ? paths[0] : own };
	c.to = (struct end) { !out ? &guest : local.local ? &local : NULL, out ? own : paths[1] };
	if (r == 0)
		r = copy(&c, err);
	corral_place_close(&guest);
	corral_place_close(&local);
	if (r < 0)
		return r;
	skipped = c.given.skipped + c.taken.skipped;
	if (skipped)
		corral_say("cp: %llu left out: not to be read, or a socket or device",
		           (unsigned long long)skipped);
	return skipped ? EXIT_SKIPPED : 0;
}

static int sandbox_open(struct corral_call *call, const char *word, bool out,
                        struct corral_place *guest, struct corral_error *err)
{
	struct corral_record record = { .words = NULL };
	int r = corral_sandboxes_find(&call->sandboxes, word, &record, err);

	(void)out;
	if (r == 0)
		r = corral_place_open_guest(guest, &call->sandboxes, &record, err);
	corral_record_done(&record);
	return r;
}

int corral_sandbox_cp(struct corral_call *call, struct corral_error *err)
{
	return corral_cp(call, sandbox_open, err);
}
