#include "kernel/image/oci/archive_blob.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/whole.h"

#define COPY_SIZE (256u << 10)

int corral_archive_open(int dir_fd, const char *guest_path, int *ret_fd, struct corral_error *err)
{
	struct open_how how = { .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		                .resolve =
		                        RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
	corral_autofd int fd = (int)syscall(SYS_openat2, dir_fd, guest_path, &how, sizeof(how));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return corral_error_sys(err, errno, "'%.200s' in the archive", guest_path);
	if (!S_ISREG(st.st_mode))
		return corral_error_set(err, EINVAL, "'%.200s' in the archive is no file",
		                        guest_path);
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

int corral_archive_read(int dir_fd, const char *guest_path, size_t max, struct corral_buf *ret,
                        struct corral_error *err)
{
	corral_autofd int fd = -1;
	int r = corral_archive_open(dir_fd, guest_path, &fd, err);

	if (r < 0)
		return r;
	r = corral_buf_read_fd(ret, fd, max);
	return r < 0 ? corral_error_sys(err, -r, "read '%.200s' in the archive", guest_path) : 0;
}

int corral_archive_blob_read(struct corral_image_store *s, const char *digest, size_t max,
                             struct corral_buf *ret, struct corral_error *err)
{
	corral_autofd int fd = -1;
	int r = corral_image_blob_open(s, digest, &fd, err);

	if (r < 0)
		return r;
	r = corral_buf_read_fd(ret, fd, max);
	return r < 0 ? corral_error_sys(err, -r, "read blob %.19s", digest) : 0;
}

/* Copied and hashed at once: what the store gets is what was hashed. */
static int copy(int from, int to, const char *digest, struct corral_image_bounds *bounds,
                struct corral_error *err)
{
	corral_auto(corral_digest_freep) struct corral_digest *d = NULL;
	corral_autofree char *data = malloc(COPY_SIZE);
	char is[CORRAL_DIGEST_SIZE];
	off_t at = 0;
	int r = data ? corral_digest_new(&d, err) : corral_error_set(err, ENOMEM, "out of memory");

	if (r < 0)
		return r;
	if (ftruncate(to, 0) < 0)
		return corral_error_sys(err, errno, "begin a blob");
	for (;;) {
		ssize_t n = pread(from, data, COPY_SIZE, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return corral_error_sys(err, errno, "read the archive");
		if (n == 0)
			break;
		corral_digest_add(d, data, (size_t)n);
		r = corral_whole_write_at(to, data, (size_t)n, at);
		if (r < 0)
			return corral_error_sys(err, -r, "write a blob");
		at += n;
		r = corral_image_bounds_look(bounds, err);
		if (r < 0)
			return r;
	}
	corral_digest_end(d, is);
	if (strcmp(is, digest) != 0)
		return corral_error_set(err, EBADMSG,
		                        "blob %.19s is not what its name says: it is %s", digest,
		                        is);
	return 0;
}

static int look(void *ctx, struct corral_error *err)
{
	return corral_image_bounds_look(ctx, err);
}

static int hash(int fd, struct corral_image_bounds *bounds, char ret[CORRAL_DIGEST_SIZE],
                struct corral_error *err)
{
	const struct corral_image_tick tick = { look, bounds };
	corral_auto(corral_digest_freep) struct corral_digest *d = NULL;
	int r = corral_digest_new(&d, err);

	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = corral_error_sys(err, errno, "read the archive");
	if (r == 0)
		r = corral_digest_add_fd(d, fd, &tick, NULL, err);
	if (r == 0)
		corral_digest_end(d, ret);
	return r;
}

int corral_archive_blob_put(struct corral_image_store *s, int fd, const char *digest,
                            struct corral_image_bounds *bounds, char ret_digest[CORRAL_DIGEST_SIZE],
                            uint64_t *ret_size, struct corral_error *err)
{
	struct corral_image_blob *b = NULL;
	uint64_t had = 0;
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) < 0)
		return corral_error_sys(err, errno, "read the archive");
	/* A file with holes costs nobody but who reads it. */
	r = corral_image_bounds_check(bounds, (uint64_t)st.st_size, 0, err);
	if (r < 0)
		return r;
	if (!digest)
		r = hash(fd, bounds, ret_digest, err);
	else if (digest != ret_digest)
		memcpy(ret_digest, digest, CORRAL_DIGEST_SIZE);
	if (r == 0)
		r = corral_image_blob_begin(s, ret_digest, bounds ? &bounds->tick : NULL, &b, &had,
		                            err);
	if (r < 0)
		return r;
	if (ret_size)
		*ret_size = (uint64_t)st.st_size;
	if (!b)
		return 0;
	r = copy(fd, corral_image_blob_fd(b), ret_digest, bounds, err);
	if (r == 0)
		return corral_image_blob_commit_take(b, err);
	corral_image_blob_abandon(b, false);
	return r;
}

int corral_archive_text_put(struct corral_image_store *s, const char *text, size_t len,
                            char ret_digest[CORRAL_DIGEST_SIZE], struct corral_error *err)
{
	struct corral_image_blob *b = NULL;
	uint64_t had = 0;
	int r;

	corral_digest_of(text, len, ret_digest);
	r = corral_image_blob_begin(s, ret_digest, NULL, &b, &had, err);
	if (r < 0 || !b)
		return r;
	if (ftruncate(corral_image_blob_fd(b), 0) < 0)
		r = -errno;
	if (r == 0)
		r = corral_whole_write_at(corral_image_blob_fd(b), text, len, 0);
	if (r == 0)
		return corral_image_blob_commit_take(b, err);
	corral_image_blob_abandon(b, false);
	return corral_error_sys(err, -r, "write a blob");
}
