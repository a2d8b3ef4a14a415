#include "backends/base.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base_shell.h"

#define OUTPUT_MIN 32768
#define MARKS      512 /* around an answer, and what a shell may say before it */

static int base_execute(struct corral_backend *b, const struct corral_execute *x,
                        struct corral_executed *ret, struct corral_error *err)
{
	struct corral_base *s = to_base(b);
	int r;

	if (s->options.one_at_a_time)
		pthread_mutex_lock(&s->lock);
	r = s->options.execute(s->options.ctx, x, ret, err);
	if (s->options.one_at_a_time)
		pthread_mutex_unlock(&s->lock);
	return r;
}

static int base_stop(struct corral_backend *b, const char *run_id, struct corral_error *err)
{
	struct corral_base *s = to_base(b);

	if (!s->options.stop)
		return corral_backend_lacks(b, false, "stop", err);
	return s->options.stop(s->options.ctx, run_id, err);
}

static int base_start(struct corral_backend *b, struct corral_error *err)
{
	(void)b;
	(void)err;
	return 0;
}

static bool base_is_alive(struct corral_backend *b)
{
	(void)b;
	return true;
}

static int base_end(struct corral_backend *b, struct corral_error *err)
{
	struct corral_base *s = to_base(b);

	return s->options.end ? s->options.end(s->options.ctx, err) : 0;
}

static void base_close(struct corral_backend *b)
{
	struct corral_base *s = to_base(b);

	if (s->options.close)
		s->options.close(s->options.ctx);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

static int background_start(struct corral_backend *b, const char *command,
                            struct corral_background *ret, struct corral_error *err)
{
	const struct corral_base_options *o = &to_base(b)->options;

	return o->background->start(o->ctx, command, ret, err);
}

static int background_read(struct corral_backend *b, const char *shell_id, struct corral_buf *out,
                           struct corral_buf *err_out, struct corral_background *ret,
                           struct corral_error *err)
{
	const struct corral_base_options *o = &to_base(b)->options;

	return o->background->read(o->ctx, shell_id, out, err_out, ret, err);
}

static int background_kill(struct corral_backend *b, const char *shell_id, struct corral_error *err)
{
	const struct corral_base_options *o = &to_base(b)->options;

	return o->background->kill(o->ctx, shell_id, err);
}

static int background_list(struct corral_backend *b, struct corral_background_list *ret,
                           struct corral_error *err)
{
	const struct corral_base_options *o = &to_base(b)->options;

	return o->background->list(o->ctx, ret, err);
}

static int background_kill_all(struct corral_backend *b, struct corral_error *err)
{
	const struct corral_base_options *o = &to_base(b)->options;

	return o->background->kill_all(o->ctx, err);
}

/* clang-format off */
#define OPS(can) \
	.kind = "base", .caps = (can), \
	.close = base_close, \
	.exists = corral_base_exists, \
	.stat = corral_base_stat, \
	.ls = corral_base_ls, \
	.read = corral_base_read, \
	.edit = corral_base_edit, \
	.glob = corral_base_glob, \
	.grep = corral_base_grep, \
	.mkdir = corral_base_mkdir, \
	.remove = corral_base_remove, \
	.rename = corral_base_rename, \
	.read_stream = corral_base_read_stream, \
	.write_stream = corral_base_write_stream, \
	.execute = base_execute, \
	.stop = base_stop, \
	.start = base_start, \
	.is_alive = base_is_alive, \
	.end = base_end
/* clang-format on */

static const struct corral_backend_ops base_ops = { OPS(CORRAL_BACKEND_CAN_EXECUTE) };

static const struct corral_backend_ops base_background_ops = {
	OPS(CORRAL_BACKEND_CAN_EXECUTE | CORRAL_BACKEND_CAN_BACKGROUND),
	.background_start = background_start,
	.background_read = background_read,
	.background_kill = background_kill,
	.background_list = background_list,
	.background_kill_all = background_kill_all,
};

int corral_base_sandbox_new(const struct corral_base_options *options, struct corral_backend **ret,
                            struct corral_error *err)
{
	struct corral_base *s;
	uint64_t output;
	int r;

	if (!options || !options->execute)
		return corral_error_set(err, EINVAL, "base backend: no execute");
	output = options->output_bytes ? options->output_bytes : CORRAL_EXECUTE_OUTPUT_BYTES;
	if (output < OUTPUT_MIN)
		return corral_error_set(err, EINVAL, "base backend: output_bytes below %d",
		                        OUTPUT_MIN);
	s = calloc(1, sizeof(*s));
	if (!s)
		return corral_error_set(err, ENOMEM, "base backend: out of memory");
	r = corral_backend_init(&s->base, options->background ? &base_background_ops : &base_ops,
	                        options->id, err);
	if (r < 0) {
		free(s);
		return r;
	}
	s->options = *options;
	s->options.id = NULL;
	s->text_max = (output < 1u << 20 ? (size_t)output : 1u << 20) - MARKS;
	/* As base64 with its line ends, and a header. Other text is longer and comes in parts. */
	s->piece = (s->text_max - 256) / 100 * 73;
	(void)pthread_mutex_init(&s->lock, NULL);
	atomic_init(&s->no_base64, false);
	*ret = &s->base;
	return 0;
}
