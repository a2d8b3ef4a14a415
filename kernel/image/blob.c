/*
 * Blobs of the store: as they came, under their digests. One in the making is a file of partial/,
 * locked by whoever fetches it; whoever wants the same waits for the lock, and looks again. But not
 * for as long as somebody's registry likes: then it gets a file of its own, and whichever is whole
 * first is the blob.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/image/make.h"
#include "kernel/image/store_state.h"

/*
 * Another's is waited for while some of it comes: less than a chunk (registry_blob.c) in this time
 * is too slow for anybody. And no longer than this in any case: a registry that knows the first
 * bound sends as little as that allows.
 */
#define STALL_MS  10000
#define OTHERS_MS 600000

struct corral_image_blob {
	struct corral_image_store *s;
	char hex[STORE_HEX_SIZE], name[STORE_NAME_MAX];
	int fd;
	bool is_second; /* beside another's; nobody goes on with it */
};

static int digest_check(const char *digest, const char **ret_hex, struct corral_error *err)
{
	*ret_hex = store_hex(digest);
	return *ret_hex ? 0
	                : corral_error_set(err, EINVAL, "'%.100s' is no digest (sha256:...)",
	                                   digest);
}

int corral_image_blob_open(struct corral_image_store *s, const char *digest, int *ret_fd,
                           struct corral_error *err)
{
	const char *hex = NULL;
	int r = digest_check(digest, &hex, err), fd;

	if (r < 0)
		return r;
	fd = openat(s->dirs[STORE_BLOBS], hex, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return corral_error_sys(err, errno, "blob %.19s...", digest);
	*ret_fd = fd;
	return 0;
}

bool corral_image_blob_is_there(const struct corral_image_store *s, const char *digest)
{
	const char *hex = store_hex(digest);

	return hex && store_is_there(s, STORE_BLOBS, hex);
}

static void partial_name(const char *hex, char ret[STORE_NAME_MAX])
{
	(void)snprintf(ret, STORE_NAME_MAX, "blob-%s", hex);
}

uint64_t corral_image_blob_others(const struct corral_image_store *s, const char *digest)
{
	const char *hex = store_hex(digest);
	char name[STORE_NAME_MAX];
	struct stat st;

	if (!hex)
		return 0;
	partial_name(hex, name);
	if (fstatat(s->dirs[STORE_PARTIAL], name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return (uint64_t)st.st_size;
}

struct others {
	const struct corral_image_store *s;
	const char *digest;
	const struct corral_image_tick *tick; /* or NULL */
	uint64_t began_ms, moved_ms, size;
};

/* -EAGAIN: not any longer. */
static int others_wait(void *ctx, struct corral_error *err)
{
	struct others *o = ctx;
	uint64_t now = corral_now_ms(), size = corral_image_blob_others(o->s, o->digest);

	if (size != o->size)
		o->moved_ms = now;
	o->size = size;
	if (now - o->moved_ms >= (o->s->stall_ms ? o->s->stall_ms : STALL_MS) ||
	    now - o->began_ms >= (o->s->others_ms ? o->s->others_ms : OTHERS_MS))
		return -EAGAIN;
	return o->tick && o->tick->call ? o->tick->call(o->tick->ctx, err) : 0;
}

static int partial_take(struct corral_image_blob *b, const char *digest,
                        const struct corral_image_tick *tick, struct corral_error *err)
{
	uint64_t now = corral_now_ms();
	struct others o = { b->s, digest, tick, now, now, 0 };
	const struct corral_image_tick wait = { others_wait, &o };
	int r = store_partial_take(b->s, b->name, false, &wait, &b->fd, err);

	if (r != -EAGAIN)
		return r;
	store_name_new("blob-second-", b->name);
	b->is_second = true;
	return store_partial_take(b->s, b->name, false, tick, &b->fd, err);
}

int corral_image_blob_begin(struct corral_image_store *s, const char *digest,
                            const struct corral_image_tick *tick, struct corral_image_blob **ret,
                            uint64_t *ret_size, struct corral_error *err)
{
	struct corral_image_blob *b;
	const char *hex = NULL;
	struct stat st;
	int r = digest_check(digest, &hex, err);

	if (r < 0)
		return r;
	if (store_is_there(s, STORE_BLOBS, hex)) {
		*ret = NULL;
		return 0;
	}
	b = calloc(1, sizeof(*b));
	if (!b)
		return corral_error_set(err, ENOMEM, "blob %.19s...: out of memory", digest);
	b->s = s;
	b->fd = -1;
	(void)snprintf(b->hex, sizeof(b->hex), "%s", hex);
	partial_name(hex, b->name);
	r = partial_take(b, digest, tick, err);
	if (r >= 0 && fstat(b->fd, &st) < 0)
		r = corral_error_sys(err, errno, "look at '%.200s/partial/%s'", s->path, b->name);
	if (r >= 0 && !store_is_there(s, STORE_BLOBS, hex)) {
		*ret_size = (uint64_t)st.st_size;
		*ret = b;
		return 0;
	}
	/* Whoever was first has it. */
	corral_image_blob_abandon(b, r < 0);
	if (r < 0)
		return r;
	*ret = NULL;
	return 0;
}

int corral_image_blob_fd(const struct corral_image_blob *b)
{
	return b->fd;
}

int corral_image_blob_commit_take(struct corral_image_blob *b, struct corral_error *err)
{
	int r = 0;

	if (!b->s->unsynced && fsync(b->fd) < 0)
		r = corral_error_sys(err, errno, "write blob %.12s... to disk", b->hex);
	if (r == 0)
		r = store_name_it(b->s, b->name, STORE_BLOBS, b->hex, err);
	/* Not before: one that was left half made is to be opened again for writing. */
	if (r == 0)
		(void)fchmod(b->fd, 0400);
	corral_image_blob_abandon(b, true);
	return r;
}

void corral_image_blob_abandon(struct corral_image_blob *b, bool keep)
{
	if (!b)
		return;
	if (b->fd >= 0 && (!keep || b->is_second))
		(void)unlinkat(b->s->dirs[STORE_PARTIAL], b->name, 0);
	corral_fd_closep(&b->fd);
	free(b);
}

void corral_image_blob_forget(struct corral_image_store *s, const char *digest)
{
	const char *hex = store_hex(digest);
	char name[STORE_NAME_MAX];
	corral_autofd int fd = -1;

	if (!hex)
		return;
	partial_name(hex, name);
	fd = openat(s->dirs[STORE_PARTIAL], name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)unlinkat(s->dirs[STORE_PARTIAL], name, 0);
}
