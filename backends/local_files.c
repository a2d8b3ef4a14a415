/* Operations on files beneath the local backend's directories, with the guard's consent. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/local_dirs.h"
#include "backends/names.h"
#include "kernel/base/cleanup.h"
#include "kernel/files/client.h"

static bool local_exists(struct corral_backend *b, const char *path)
{
	struct corral_local_place p;

	return corral_local_find(to_local(b), path, &p, NULL) == 0 &&
	       corral_files_exists(p.dir->files, p.rest);
}

static int local_stat(struct corral_backend *b, const char *path, unsigned int flags,
                      struct corral_files_stat *ret, struct corral_error *err)
{
	struct corral_local_place p;
	int r = corral_local_find(to_local(b), path, &p, err);

	if (r == 0)
		r = corral_local_told(corral_files_stat(p.dir->files, p.rest, flags, ret, err), &p,
		                      err);
	return r;
}

/* The body of an op that asks first. */
#define WITH(b, what, path, timeout_ms, call, err)                                      \
	struct corral_local_place p;                                                    \
	int r = corral_local_ask(to_local(b), (what), (path), (timeout_ms), &p, (err)); \
                                                                                        \
	return r < 0 ? r : corral_local_told((call), &p, (err))

static int local_read(struct corral_backend *b, const char *path, uint64_t offset, uint64_t limit,
                      struct corral_buf *ret, struct corral_error *err)
{
	WITH(b, CORRAL_BACKEND_OP_READ, path, CORRAL_FILES_TIMEOUT_MS,
	     corral_files_read(p.dir->files, p.rest, offset, limit, &p.stop, ret, err), err);
}

static int local_read_stream(struct corral_backend *b, const char *path, uint64_t offset,
                             uint64_t length, uint64_t max, const struct corral_files_sink *sink,
                             struct corral_error *err)
{
	WITH(b, CORRAL_BACKEND_OP_READ, path,
	     max ? CORRAL_FILES_TIMEOUT_MS : CORRAL_FILES_COPY_TIMEOUT_MS,
	     corral_files_read_bytes(p.dir->files, p.rest, offset, length, max, &p.stop, sink, err),
	     err);
}

static int local_edit(struct corral_backend *b, const char *path,
                      const struct corral_files_edit *edit, uint64_t *ret_occurrences,
                      struct corral_error *err)
{
	WITH(b, CORRAL_BACKEND_OP_EDIT, path, CORRAL_FILES_TIMEOUT_MS,
	     corral_files_edit(p.dir->files, p.rest, edit, &p.stop, ret_occurrences, err), err);
}

static int local_write_stream(struct corral_backend *b, const char *path, unsigned int mode,
                              bool known, const struct corral_files_source *source,
                              struct corral_error *err)
{
	WITH(b, CORRAL_BACKEND_OP_WRITE, path,
	     known ? CORRAL_FILES_TIMEOUT_MS : CORRAL_FILES_COPY_TIMEOUT_MS,
	     corral_files_write(p.dir->files, p.rest, mode, &p.stop, source, NULL, err), err);
}

static int local_mkdir(struct corral_backend *b, const char *path, struct corral_error *err)
{
	WITH(b, CORRAL_BACKEND_OP_WRITE, path, CORRAL_FILES_TIMEOUT_MS,
	     corral_files_mkdir(p.dir->files, p.rest, err), err);
}

/* Rows of a directory's view as the machine names them, less those that are not to be seen. */
static int rows_told(struct corral_local *l, const struct corral_local_place *p,
                     struct corral_files_rows *rows, struct corral_error *err)
{
	size_t n = 0;

	if (corral_names_rows(rows, "", p->dir->path) < 0)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < rows->n; i++)
		if (corral_local_shows(l, p->op, rows->rows[i].path, rows->rows[i].stat.is_link))
			rows->rows[n++] = rows->rows[i];
	rows->n = n;
	return 0;
}

static int local_ls(struct corral_backend *b, const char *path, struct corral_files_rows *ret,
                    struct corral_error *err)
{
	corral_auto(corral_files_rows_done) struct corral_files_rows rows = { 0 };
	struct corral_local *l = to_local(b);
	struct corral_local_place p;
	int r = corral_local_ask(l, CORRAL_BACKEND_OP_LS, path, CORRAL_FILES_TIMEOUT_MS, &p, err);

	if (r == 0)
		r = corral_local_told(corral_files_ls(p.dir->files, p.rest, 0, &p.stop, &rows, err),
		                      &p, err);
	if (r == 0)
		r = rows_told(l, &p, &rows, err);
	if (r < 0)
		return r;
	*ret = rows;
	memset(&rows, 0, sizeof(rows));
	return 0;
}

static int local_glob(struct corral_backend *b, const char *pattern, const char *path,
                      unsigned int flags, struct corral_files_rows *ret, struct corral_error *err)
{
	corral_auto(corral_files_rows_done) struct corral_files_rows rows = { 0 };
	struct corral_local *l = to_local(b);
	struct corral_local_place p;
	int r = corral_local_ask(l, CORRAL_BACKEND_OP_GLOB, path, CORRAL_FILES_SEARCH_TIMEOUT_MS,
	                         &p, err);

	if (r == 0)
		r = corral_local_told(corral_files_glob(p.dir->files, pattern, p.rest, flags,
		                                        &p.stop, &rows, err),
		                      &p, err);
	if (r == 0)
		r = rows_told(l, &p, &rows, err);
	if (r < 0)
		return r;
	*ret = rows;
	memset(&rows, 0, sizeof(rows));
	return 0;
}

static int local_grep(struct corral_backend *b, const struct corral_files_grep *grep,
                      struct corral_files_matches *ret, struct corral_error *err)
{
	corral_auto(corral_files_matches_done) struct corral_files_matches found = { 0 };
	struct corral_files_grep ask = *grep;
	struct corral_local_place p;
	int r = corral_local_ask(to_local(b), CORRAL_BACKEND_OP_GREP, grep->path ? grep->path : "",
	                         CORRAL_FILES_SEARCH_TIMEOUT_MS, &p, err);

	if (r < 0)
		return r;
	ask.path = p.rest;
	r = corral_local_told(corral_files_grep(p.dir->files, &ask, &p.stop, &found, err), &p, err);
	if (r == 0 && corral_names_matches(&found, "", p.dir->path) < 0)
		r = corral_error_set(err, ENOMEM, "out of memory");
	if (r < 0)
		return r;
	*ret = found;
	memset(&found, 0, sizeof(found));
	return 0;
}

/* What lies below a directory goes with it: all of it is asked about. */
static int ask_below(const struct corral_local_place *p, struct corral_error *err)
{
	const struct corral_backend_guard *guard = &p->local->guard;
	corral_auto(corral_files_rows_done) struct corral_files_rows rows = { 0 };
	char path[CORRAL_FILES_PATH_MAX];
	struct corral_files_stat st;
	int r;

	if (!guard->check ||
	    corral_files_stat(p->dir->files, p->rest, CORRAL_FILES_NOFOLLOW, &st, NULL) < 0 ||
	    st.type != CORRAL_FILES_DIRECTORY)
		return 0;
	r = corral_files_glob(p->dir->files, "**", p->rest,
	                      CORRAL_FILES_HIDDEN | CORRAL_FILES_NAMES, &p->stop, &rows, err);
	if (r == 0 && (rows.truncated || rows.incomplete))
		r = corral_error_set(err, EACCES, "Permission denied for '%s'", p->rest);
	for (size_t i = 0; r == 0 && i < rows.n; i++) {
		r = corral_names_join(p->dir->path, rows.rows[i].path, path);
		if (r == 0)
			r = guard->check(guard->ctx, CORRAL_BACKEND_OP_WRITE, p->written, path,
			                 err);
		if (r == 0 && p->moves)
			r = guard->check(guard->ctx, CORRAL_BACKEND_OP_READ, p->written, path, err);
	}
	return r;
}

static int local_remove(struct corral_backend *b, const char *path, unsigned int flags,
                        struct corral_error *err)
{
	struct corral_local_place p;
	int r = corral_local_ask(to_local(b), CORRAL_BACKEND_OP_WRITE, path,
	                         CORRAL_FILES_SEARCH_TIMEOUT_MS, &p, err);

	if (r == 0 && (flags & CORRAL_FILES_RECURSIVE))
		r = ask_below(&p, err);
	if (r == 0)
		r = corral_files_remove(p.dir->files, p.rest, flags, &p.stop, err);
	return corral_local_told(r, &p, err);
}

static int local_rename(struct corral_backend *b, const char *path, const char *new_path,
                        unsigned int flags, struct corral_error *err)
{
	const struct corral_backend_guard *guard = &to_local(b)->guard;
	struct corral_local_place p, to;
	int r = corral_local_ask(to_local(b), CORRAL_BACKEND_OP_WRITE, path,
	                         CORRAL_FILES_SEARCH_TIMEOUT_MS, &p, err);

	if (r == 0 && guard->check)
		r = guard->check(guard->ctx, CORRAL_BACKEND_OP_READ, path, p.path, err);
	if (r < 0)
		return r;
	p.moves = true;
	r = corral_local_ask(to_local(b), CORRAL_BACKEND_OP_WRITE, new_path,
	                     CORRAL_FILES_SEARCH_TIMEOUT_MS, &to, err);
	if (r < 0)
		return r;
	if (p.dir != to.dir)
		return corral_error_set(err, EOPNOTSUPP,
		                        "'%s' and '%s' are in different directories", path,
		                        new_path);
	p.other = &to;
	r = ask_below(&p, err);
	if (r == 0)
		r = corral_files_rename(p.dir->files, p.rest, to.rest, flags, &p.stop, err);
	/* The sentence names one of the two. */
	if (r < 0 && err && strstr(err->text, to.rest))
		return corral_local_told(r, &to, err);
	return corral_local_told(r, &p, err);
}

static int local_tar_out(struct corral_backend *b, const char *path,
                         const struct corral_files_sink *sink, struct corral_files_copied *ret,
                         struct corral_error *err)
{
	WITH(b, CORRAL_BACKEND_OP_READ, path, CORRAL_FILES_COPY_TIMEOUT_MS,
	     corral_files_tar_out(p.dir->files, p.rest, &p.stop, sink, ret, err), err);
}

static int local_tar_in(struct corral_backend *b, const char *path,
                        const struct corral_files_source *source, struct corral_files_copied *ret,
                        struct corral_error *err)
{
	WITH(b, CORRAL_BACKEND_OP_WRITE, path, CORRAL_FILES_COPY_TIMEOUT_MS,
	     corral_files_tar_in(p.dir->files, p.rest, &p.stop, source, ret, err), err);
}

void corral_local_files_ops(struct corral_backend_ops *ops)
{
	ops->exists = local_exists;
	ops->stat = local_stat;
	ops->ls = local_ls;
	ops->read = local_read;
	ops->edit = local_edit;
	ops->glob = local_glob;
	ops->grep = local_grep;
	ops->mkdir = local_mkdir;
	ops->remove = local_remove;
	ops->rename = local_rename;
	ops->read_stream = local_read_stream;
	ops->write_stream = local_write_stream;
	ops->tar_out = local_tar_out;
	ops->tar_in = local_tar_in;
}
