/*
 * Blobs of the store: as they came, under their digests. One in the making is a file of partial/,
 * locked by whoever fetches it; whoever wants the same waits for the lock, and looks again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/make.h"
#include "kernel/image/store_state.h"

struct corral_image_blob {
	struct corral_image_store *s;
	char hex[STORE_HEX_SIZE], name[STORE_NAME_MAX];
	int fd;
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
	(void)snprintf(b->name, sizeof(b->name), "blob-%s", hex);
	r = store_partial_take(s, b->name, false, tick, &b->fd, err);
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
	if (b->fd >= 0 && !keep)
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
	(void)snprintf(name, sizeof(name), "blob-%s", hex);
	fd = openat(s->dirs[STORE_PARTIAL], name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)unlinkat(s->dirs[STORE_PARTIAL], name, 0);
}
