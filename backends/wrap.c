/* Every operation handed on to the backend within. */
#include "backends/wrap_ops.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/base/clock.h"

static int begin(struct corral_wrap *w, struct corral_wrap_call *call, struct corral_error *err)
{
	int r;

	call->began_nsec = corral_now_nsec();
	call->found = UINT64_MAX;
	r = w->before ? w->before(w, call, err) : 0;
	call->refused = r < 0;
	return r;
}

static int end(struct corral_wrap *w, const struct corral_wrap_call *call, int r,
               struct corral_error *err)
{
	if (w->after)
		w->after(w, call, r, err);
	return r;
}

/* The body of an op: `inner` is evaluated when nothing came before it. */
#define HAND_ON(b, name, first, second, inner_call)                                         \
	struct corral_wrap *w = to_wrap(b);                                                 \
	struct corral_wrap_call call = { .op = (name), .what = (first), .also = (second) }; \
	int r = begin(w, &call, err);                                                       \
                                                                                            \
	if (r == 0)                                                                         \
		r = (inner_call);                                                           \
	return end(w, &call, r, err)

/* The same, with a number of things found. */
#define HAND_ON_COUNTED(b, name, first, second, inner_call)                                 \
	struct corral_wrap *w = to_wrap(b);                                                 \
	struct corral_wrap_call call = { .op = (name), .what = (first), .also = (second) }; \
	int r = begin(w, &call, err);                                                       \
                                                                                            \
	if (r == 0)                                                                         \
		r = (inner_call);                                                           \
	if (r == 0)                                                                         \
		call.found = ret->n;                                                        \
	return end(w, &call, r, err)

static bool wrap_exists(struct corral_backend *b, const char *path)
{
	struct corral_wrap *w = to_wrap(b);
	struct corral_wrap_call call = { .op = "exists", .what = path };
	int r = begin(w, &call, NULL);

	if (r == 0)
		r = corral_backend_exists(w->inner, path);
	return end(w, &call, r, NULL) > 0;
}

static int wrap_stat(struct corral_backend *b, const char *path, unsigned int flags,
                     struct corral_files_stat *ret, struct corral_error *err)
{
	HAND_ON(b, "stat", path, NULL, corral_backend_stat(w->inner, path, flags, ret, err));
}

static int wrap_ls(struct corral_backend *b, const char *path, struct corral_files_rows *ret,
                   struct corral_error *err)
{
	HAND_ON_COUNTED(b, "ls", path, NULL, corral_backend_ls(w->inner, path, ret, err));
}

static int wrap_read(struct corral_backend *b, const char *path, uint64_t offset, uint64_t limit,
                     struct corral_buf *ret, struct corral_error *err)
{
	HAND_ON(b, "read", path, NULL,
	        corral_backend_read(w->inner, path, offset, limit, ret, err));
}

static int wrap_edit(struct corral_backend *b, const char *path,
                     const struct corral_files_edit *edit, uint64_t *ret_occurrences,
                     struct corral_error *err)
{
	HAND_ON(b, "edit", path, NULL,
	        corral_backend_edit(w->inner, path, edit, ret_occurrences, err));
}

static int wrap_glob(struct corral_backend *b, const char *pattern, const char *path,
                     unsigned int flags, struct corral_files_rows *ret, struct corral_error *err)
{
	HAND_ON_COUNTED(b, "glob", pattern, path,
	                corral_backend_glob(w->inner, pattern, path, flags, ret, err));
}

static int wrap_grep(struct corral_backend *b, const struct corral_files_grep *grep,
                     struct corral_files_matches *ret, struct corral_error *err)
{
	HAND_ON_COUNTED(b, "grep", grep->pattern, grep->path,
	                corral_backend_grep(w->inner, grep, ret, err));
}

static int wrap_mkdir(struct corral_backend *b, const char *path, struct corral_error *err)
{
	HAND_ON(b, "mkdir", path, NULL, corral_backend_mkdir(w->inner, path, err));
}

static int wrap_remove(struct corral_backend *b, const char *path, unsigned int flags,
                       struct corral_error *err)
{
	HAND_ON(b, "remove", path, NULL, corral_backend_remove(w->inner, path, flags, err));
}

static int wrap_rename(struct corral_backend *b, const char *path, const char *new_path,
                       unsigned int flags, struct corral_error *err)
{
	HAND_ON(b, "rename", path, new_path,
	        corral_backend_rename(w->inner, path, new_path, flags, err));
}

static int wrap_read_stream(struct corral_backend *b, const char *path, uint64_t offset,
                            uint64_t length, uint64_t max, const struct corral_files_sink *sink,
                            struct corral_error *err)
{
	HAND_ON(b, "read_bytes", path, NULL,
	        corral_backend_read_for(w->inner, path, offset, length, max, sink, err));
}

static int wrap_write_stream(struct corral_backend *b, const char *path, unsigned int mode,
                             bool known, const struct corral_files_source *source,
                             struct corral_error *err)
{
	HAND_ON(b, "write", path, NULL,
	        corral_backend_write_for(w->inner, path, mode, known, source, err));
}

static int wrap_tar_out(struct corral_backend *b, const char *path,
                        const struct corral_files_sink *sink, struct corral_files_copied *ret,
                        struct corral_error *err)
{
	HAND_ON(b, "tar_out", path, NULL, corral_backend_tar_out(w->inner, path, sink, ret, err));
}

static int wrap_tar_in(struct corral_backend *b, const char *path,
                       const struct corral_files_source *source, struct corral_files_copied *ret,
                       struct corral_error *err)
{
	HAND_ON(b, "tar_in", path, NULL, corral_backend_tar_in(w->inner, path, source, ret, err));
}

static int wrap_execute(struct corral_backend *b, const struct corral_execute *x,
                        struct corral_executed *ret, struct corral_error *err)
{
	HAND_ON(b, "execute", x->command ? x->command : x->argv[0], NULL,
	        corral_backend_execute(w->inner, x, ret, err));
}

static int wrap_stop(struct corral_backend *b, const char *run_id, struct corral_error *err)
{
	HAND_ON(b, "stop", run_id, NULL, corral_backend_stop(w->inner, run_id, err));
}

static int wrap_background_start(struct corral_backend *b, const char *command,
                                 struct corral_background *ret, struct corral_error *err)
{
	HAND_ON(b, "background_start", command, NULL,
	        corral_backend_background_start(w->inner, command, ret, err));
}

static int wrap_background_read(struct corral_backend *b, const char *shell_id,
                                struct corral_buf *out, struct corral_buf *err_out,
                                struct corral_background *ret, struct corral_error *err)
{
	HAND_ON(b, "background_read", shell_id, NULL,
	        corral_backend_background_read(w->inner, shell_id, out, err_out, ret, err));
}

static int wrap_background_kill(struct corral_backend *b, const char *shell_id,
                                struct corral_error *err)
{
	HAND_ON(b, "background_kill", shell_id, NULL,
	        corral_backend_background_kill(w->inner, shell_id, err));
}

static int wrap_background_list(struct corral_backend *b, struct corral_background_list *ret,
                                struct corral_error *err)
{
	HAND_ON_COUNTED(b, "background_list", "", NULL,
	                corral_backend_background_list(w->inner, ret, err));
}

static int wrap_background_kill_all(struct corral_backend *b, struct corral_error *err)
{
	HAND_ON(b, "background_kill_all", "", NULL,
	        corral_backend_background_kill_all(w->inner, err));
}

static int wrap_terminal_open(struct corral_backend *b, const struct corral_terminal_options *o,
                              struct corral_terminal **ret, struct corral_error *err)
{
	HAND_ON(b, "terminal_open", "", NULL, corral_backend_terminal_open(w->inner, o, ret, err));
}

static int wrap_start(struct corral_backend *b, struct corral_error *err)
{
	HAND_ON(b, "start", "", NULL, corral_backend_start(w->inner, err));
}

static int wrap_end(struct corral_backend *b, struct corral_error *err)
{
	HAND_ON(b, "end", "", NULL, corral_backend_end(w->inner, err));
}

static int wrap_pause(struct corral_backend *b, bool paused, struct corral_error *err)
{
	HAND_ON(b, "pause", paused ? "on" : "off", NULL,
	        corral_backend_pause(w->inner, paused, err));
}

static int wrap_usage(struct corral_backend *b, struct corral_usage *ret, struct corral_error *err)
{
	HAND_ON(b, "usage", "", NULL, corral_backend_usage(w->inner, ret, err));
}

static bool wrap_is_alive(struct corral_backend *b)
{
	return corral_backend_is_alive(to_wrap(b)->inner);
}

static const char *wrap_root_path(const struct corral_backend *b)
{
	return corral_backend_root_path(((const struct corral_wrap *)b)->inner);
}

static void wrap_close(struct corral_backend *b)
{
	free(to_wrap(b));
}

static const struct corral_backend_ops wrap_ops = {
	.close = wrap_close,
	.root_path = wrap_root_path,
	.exists = wrap_exists,
	.stat = wrap_stat,
	.ls = wrap_ls,
	.read = wrap_read,
	.edit = wrap_edit,
	.glob = wrap_glob,
	.grep = wrap_grep,
	.mkdir = wrap_mkdir,
	.remove = wrap_remove,
	.rename = wrap_rename,
	.read_stream = wrap_read_stream,
	.write_stream = wrap_write_stream,
	.tar_out = wrap_tar_out,
	.tar_in = wrap_tar_in,
	.execute = wrap_execute,
	.stop = wrap_stop,
	.background_start = wrap_background_start,
	.background_read = wrap_background_read,
	.background_kill = wrap_background_kill,
	.background_list = wrap_background_list,
	.background_kill_all = wrap_background_kill_all,
	.terminal_open = wrap_terminal_open,
	.start = wrap_start,
	.is_alive = wrap_is_alive,
	.end = wrap_end,
	.pause = wrap_pause,
	.usage = wrap_usage,
};

int corral_wrap_init(struct corral_wrap *w, struct corral_backend *inner, struct corral_error *err)
{
	w->ops = wrap_ops;
	w->ops.kind = inner->ops->kind;
	w->ops.caps = inner->ops->caps;
	w->inner = inner;
	return corral_backend_init(&w->base, &w->ops, corral_backend_id(inner), err);
}
