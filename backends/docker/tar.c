#include "backends/docker/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <sys/types.h>
#include <time.h>

static la_ssize_t put(struct archive *a, void *ctx, const void *data, size_t len)
{
	(void)a;
	corral_buf_add(ctx, data, len);
	return (la_ssize_t)len;
}

static int entry_write(struct archive *a, const struct corral_docker_entry *e)
{
	struct archive_entry *entry = archive_entry_new();
	int r = ARCHIVE_FATAL;

	if (!entry)
		return r;
	archive_entry_set_pathname(entry, e->name);
	archive_entry_set_filetype(entry, e->data ? AE_IFREG : AE_IFDIR);
	archive_entry_set_perm(entry, e->mode);
	archive_entry_set_uid(entry, e->uid);
	archive_entry_set_gid(entry, e->gid);
	archive_entry_set_size(entry, (la_int64_t)e->len);
	archive_entry_set_mtime(entry, time(NULL), 0);
	r = archive_write_header(a, entry);
	if (r == ARCHIVE_OK && e->len &&
	    archive_write_data(a, e->data, e->len) != (la_ssize_t)e->len)
		r = ARCHIVE_FATAL;
	archive_entry_free(entry);
	return r;
}

int corral_docker_tar(const struct corral_docker_entry *entries, size_t n, struct corral_buf *ret,
                      struct corral_error *err)
{
	struct archive *a = archive_write_new();
	int r = a ? ARCHIVE_OK : ARCHIVE_FATAL;

	if (a) {
		(void)archive_write_set_format_pax_restricted(a);
		r = archive_write_open(a, ret, NULL, put, NULL);
	}
	for (size_t i = 0; r == ARCHIVE_OK && i < n; i++)
		r = entry_write(a, &entries[i]);
	if (r == ARCHIVE_OK)
		r = archive_write_close(a);
	if (a)
		(void)archive_write_free(a);
	return r != ARCHIVE_OK || ret->failed
	               ? corral_error_set(err, ENOMEM, "archive for the engine: out of memory")
	               : 0;
}
