#include "kernel/image/oci/unpack/stream.h"

#include <archive.h>
#include <errno.h>

/* As much as a pipe holds at most for ordinary users. */
#define BLOCK_SIZE (1u << 20)

int stream_error(struct archive *a, struct corral_error *err)
{
	const char *text = archive_error_string(a);
	int code = archive_errno(a);

	if (code != ENOMEM && code != EIO && code != ENOSPC)
		code = EBADMSG;
	return corral_error_set(err, code, "%s", text ? text : "no archive");
}

void stream_closep(struct archive **a)
{
	if (*a)
		(void)archive_read_free(*a);
}

static int open_fd(struct archive *a, int fd, struct archive **ret, struct corral_error *err)
{
	int r;

	if (archive_read_open_fd(a, fd, BLOCK_SIZE) != ARCHIVE_OK) {
		r = stream_error(a, err);
		(void)archive_read_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

int stream_open_tar(int fd, struct archive **ret, struct corral_error *err)
{
	struct archive *a = archive_read_new();

	if (!a || archive_read_support_format_tar(a) != ARCHIVE_OK) {
		(void)archive_read_free(a);
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	return open_fd(a, fd, ret, err);
}

int stream_open_compressed(int fd, struct archive **ret, struct corral_error *err)
{
	struct archive *a = archive_read_new();

	/* One that would start a program instead answers ARCHIVE_WARN. */
	if (!a || archive_read_support_filter_gzip(a) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(a) != ARCHIVE_OK ||
	    archive_read_support_filter_xz(a) != ARCHIVE_OK ||
	    archive_read_support_filter_bzip2(a) != ARCHIVE_OK ||
	    archive_read_support_format_raw(a) != ARCHIVE_OK ||
	    archive_read_support_format_empty(a) != ARCHIVE_OK) {
		(void)archive_read_free(a);
		return corral_error_set(err, ENOMEM, "libarchive lacks a way to decompress");
	}
	return open_fd(a, fd, ret, err);
}
