/* The file operations of backends in front of a file server: each is one call of its client. */
#include "backends/served.h"

/* The op of the same name of the backend that does it instead; or the client's call. */
#define VISIT(b, err, of_other, of_client)                      \
	do {                                                    \
		struct corral_visit v = { 0 };                  \
		int r_ = (b)->ops->visit_begin((b), &v, (err)); \
                                                                \
		if (r_ < 0)                                     \
			return r_;                              \
		r_ = v.instead ? (of_other) : (of_client);      \
		return (b)->ops->visit_end((b), &v, r_, (err)); \
	} while (0)

static int exists(struct corral_backend *b, const char *path, struct corral_error *err)
{
	VISIT(b, err, v.instead->ops->exists(v.instead, path),
	      corral_files_client_exists(v.client, NULL, path, err));
}

bool corral_served_exists(struct corral_backend *b, const char *path)
{
	return exists(b, path, NULL) == 1;
}

int corral_served_stat(struct corral_backend *b, const char *path, unsigned int flags,
                       struct corral_files_stat *ret, struct corral_error *err)
{
	VISIT(b, err, v.instead->ops->stat(v.instead, path, flags, ret, err),
	      corral_files_client_stat(v.client, NULL, path, flags, ret, err));
}

int corral_served_ls(struct corral_backend *b, const char *path, struct corral_files_rows *ret,
                     struct corral_error *err)
{
	VISIT(b, err, v.instead->ops->ls(v.instead, path, ret, err),
	      corral_files_client_ls(v.client, NULL, path, 0, ret, err));
}

int corral_served_read(struct corral_backend *b, const char *path, uint64_t offset, uint64_t limit,
                       struct corral_buf *ret, struct corral_error *err)
{
	VISIT(b, err, v.instead->ops->read(v.instead, path, offset, limit, ret, err),
	      corral_files_client_read(v.client, NULL, path, offset, limit, ret, err));
}

int corral_served_edit(struct corral_backend *b, const char *path,
                       const struct corral_files_edit *edit, uint64_t *ret_occurrences,
                       struct corral_error *err)
{
	VISIT(b, err, v.instead->ops->edit(v.instead, path, edit, ret_occurrences, err),
	      corral_files_client_edit(v.client, NULL, path, edit, ret_occurrences, err));
}

int corral_served_glob(struct corral_backend *b, const char *pattern, const char *path,
                       unsigned int flags, struct corral_files_rows *ret, struct corral_error *err)
{
	VISIT(b, err, v.instead->ops->glob(v.instead, pattern, path, flags, ret, err),
	      corral_files_client_glob(v.client, NULL, pattern, path, flags, ret, err));
}

int corral_served_grep(struct corral_backend *b, const struct corral_files_grep *grep,
                       struct corral_files_matches *ret, struct corral_error *err)
{
	VISIT(b, err, v.instead->ops->grep(v.instead, grep, ret, err),
	      corral_files_client_grep(v.client, NULL, grep, ret, err));
}

int corral_served_mkdir(struct corral_backend *b, const char *path, struct corral_error *err)
{
	VISIT(b, err, v.instead->ops->mkdir(v.instead, path, err),
	      corral_files_client_mkdir(v.client, NULL, path, err));
}

int corral_served_remove(struct corral_backend *b, const char *path, unsigned int flags,
                         struct corral_error *err)
{
	VISIT(b, err, v.instead->ops->remove(v.instead, path, flags, err),
	      corral_files_client_remove(v.client, NULL, path, flags, err));
}

int corral_served_rename(struct corral_backend *b, const char *path, const char *new_path,
                         unsigned int flags, struct corral_error *err)
{
	VISIT(b, err, v.instead->ops->rename(v.instead, path, new_path, flags, err),
	      corral_files_client_rename(v.client, NULL, path, new_path, flags, err));
}

static const struct corral_files_bounds of_any_size = {
	.timeout_ms = CORRAL_FILES_COPY_TIMEOUT_MS,
};

int corral_served_read_stream(struct corral_backend *b, const char *path, uint64_t offset,
                              uint64_t length, uint64_t max, const struct corral_files_sink *sink,
                              struct corral_error *err)
{
	VISIT(b, err, v.instead->ops->read_stream(v.instead, path, offset, length, max, sink, err),
	      corral_files_client_read_bytes(v.client, max ? NULL : &of_any_size, path, offset,
	                                     length, max, sink, err));
}

int corral_served_write_stream(struct corral_backend *b, const char *path, unsigned int mode,
                               bool known, const struct corral_files_source *source,
                               struct corral_error *err)
{
	VISIT(b, err, v.instead->ops->write_stream(v.instead, path, mode, known, source, err),
	      corral_files_client_write(v.client, known ? NULL : &of_any_size, path, mode, source,
	                                NULL, err));
}

int corral_served_tar_out(struct corral_backend *b, const char *path,
                          const struct corral_files_sink *sink, struct corral_files_copied *ret,
                          struct corral_error *err)
{
	VISIT(b, err, v.instead->ops->tar_out(v.instead, path, sink, ret, err),
	      corral_files_client_tar_out(v.client, NULL, path, sink, ret, err));
}

int corral_served_tar_in(struct corral_backend *b, const char *path,
                         const struct corral_files_source *source, struct corral_files_copied *ret,
                         struct corral_error *err)
{
	VISIT(b, err, v.instead->ops->tar_in(v.instead, path, source, ret, err),
	      corral_files_client_tar_in(v.client, NULL, path, source, ret, err));
}
