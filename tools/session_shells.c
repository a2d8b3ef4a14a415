#include "tools/session_shells.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "tools/shells.h"

#define READ_MAX ((size_t)16 << 20) /* of one stream in one read; the rest comes with the next */

/* The sandbox, looked up anew each time: it may have ended. */
struct found {
	struct corral_sandboxes dir;
	struct corral_record record;
};

void corral_session_shells_init(struct corral_session_shells *s)
{
	(void)pthread_mutex_init(&s->lock, NULL);
}

void corral_session_shells_done(struct corral_session_shells *s)
{
	(void)pthread_mutex_destroy(&s->lock);
}

static int find(const struct corral_session_shells *s, struct found *f, struct corral_error *err)
{
	int r;

	*f = (struct found) { .dir.dir_fd = -1 };
	r = corral_sandboxes_open(&f->dir, err);
	return r < 0 ? r : corral_sandboxes_find(&f->dir, s->id, &f->record, err);
}

static void found_done(struct found *f)
{
	corral_record_done(&f->record);
	corral_sandboxes_close(&f->dir);
}

static int start(void *ctx, const char *command, struct corral_background *ret,
                 struct corral_error *err)
{
	struct found f;
	int r = find(ctx, &f, err);

	if (r == 0)
		r = corral_shells_start(&f.dir, &f.record, command, ret, err);
	found_done(&f);
	return r;
}

/* Where the reading of it stands; a place of its own, or that of the one read longest ago. Under
 * the lock. */
static struct corral_session_reading *reading(struct corral_session_shells *s, const char *shell_id)
{
	struct corral_session_reading *oldest = &s->readings[0];

	for (size_t i = 0; i < CORRAL_SESSION_SHELLS_MAX; i++) {
		struct corral_session_reading *at = &s->readings[i];

		if (!strcmp(at->shell_id, shell_id)) {
			oldest = at;
			break;
		}
		if (at->used_at < oldest->used_at)
			oldest = at;
	}
	if (strcmp(oldest->shell_id, shell_id) != 0) {
		memset(oldest, 0, sizeof(*oldest));
		(void)snprintf(oldest->shell_id, sizeof(oldest->shell_id), "%s", shell_id);
	}
	oldest->used_at = ++s->reads;
	return oldest;
}

static int read_new(void *ctx, const char *shell_id, struct corral_buf *out,
                    struct corral_buf *err_out, struct corral_background *ret,
                    struct corral_error *err)
{
	struct corral_shell_files files = { { -1, -1 }, { 0, 0 } };
	struct corral_session_shells *s = ctx;
	struct corral_session_reading *at;
	struct found f;
	int r = find(s, &f, err);

	if (r == 0)
		r = corral_shells_open(&f.dir, &f.record, shell_id, ret, &files, err);
	found_done(&f);
	if (r == 0) {
		pthread_mutex_lock(&s->lock);
		at = reading(s, ret->shell_id);
		r = corral_shell_read(&files, 0, &at->at[0], READ_MAX, out, err);
		if (r == 0)
			r = corral_shell_read(&files, 1, &at->at[1], READ_MAX, err_out, err);
		pthread_mutex_unlock(&s->lock);
	}
	corral_fd_closep(&files.fds[0]);
	corral_fd_closep(&files.fds[1]);
	return r;
}

static int kill_one(void *ctx, const char *shell_id, struct corral_error *err)
{
	struct found f;
	int r = find(ctx, &f, err);

	if (r == 0)
		r = corral_shells_kill(&f.dir, &f.record, shell_id, err);
	found_done(&f);
	return r;
}

static int list(void *ctx, struct corral_background_list *ret, struct corral_error *err)
{
	struct found f;
	int r = find(ctx, &f, err);

	if (r == 0)
		r = corral_shells_list(&f.dir, &f.record, ret, err);
	found_done(&f);
	return r;
}

static int kill_all(void *ctx, struct corral_error *err)
{
	struct corral_background_list all = { 0 };
	struct found f;
	int r = find(ctx, &f, err);

	if (r == 0)
		r = corral_shells_list(&f.dir, &f.record, &all, err);
	for (size_t i = 0; r >= 0 && i < all.n; i++)
		r = corral_shells_kill(&f.dir, &f.record, all.items[i].shell_id, err);
	corral_background_list_done(&all);
	found_done(&f);
	return r < 0 ? r : 0;
}

const struct corral_base_background corral_session_background = {
	.start = start,
	.read = read_new,
	.kill = kill_one,
	.list = list,
	.kill_all = kill_all,
};
