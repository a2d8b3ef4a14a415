#include "kernel/files/result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/files/internal.h"

void corral_files_rows_done(struct corral_files_rows *r)
{
	files_arena_free(r->arena);
	free(r->rows);
	memset(r, 0, sizeof(*r));
}

void corral_files_matches_done(struct corral_files_matches *m)
{
	files_arena_free(m->arena);
	free(m->matches);
	memset(m, 0, sizeof(*m));
}

/* Room for one more of the array's elements. */
static int grow(void *array, size_t element, size_t n, size_t *size)
{
	void *now, *more;
	size_t want = *size ? *size * 2 : 16;

	if (n < *size)
		return 0;
	memcpy(&now, array, sizeof(now));
	more = realloc(now, want * element);
	if (!more)
		return -ENOMEM;
	memcpy(array, &more, sizeof(more));
	*size = want;
	return 0;
}

int corral_files_rows_add(struct corral_files_rows *r, const char *path, size_t path_len,
                          const struct corral_files_stat *stat)
{
	struct corral_files_row *row;
	const char *slash;
	char *copy;

	if (!r->arena)
		r->arena = files_arena_new();
	if (!r->arena || grow(&r->rows, sizeof(*r->rows), r->n, &r->size) < 0)
		return -ENOMEM;
	if (r->n >= CORRAL_FILES_ROWS_MAX ||
	    files_arena_used(r->arena) + path_len > CORRAL_FILES_RESULT_MAX) {
		r->truncated = true;
		return -EFBIG;
	}
	copy = files_arena_dup(r->arena, path, path_len);
	if (!copy)
		return -ENOMEM;
	row = &r->rows[r->n++];
	slash = strrchr(copy, '/');
	row->path = copy;
	row->name = slash ? slash + 1 : copy;
	row->stat = *stat;
	return 0;
}

int corral_files_matches_add(struct corral_files_matches *m, const char *path, size_t path_len,
                             uint64_t line_number, const char *line, size_t line_len, bool cut)
{
	struct corral_files_match *match;
	const char *same = NULL;
	char *copy;

	if (!m->arena)
		m->arena = files_arena_new();
	if (!m->arena || grow(&m->matches, sizeof(*m->matches), m->n, &m->size) < 0)
		return -ENOMEM;
	if (files_arena_used(m->arena) + path_len + line_len > CORRAL_FILES_RESULT_MAX) {
		m->truncated = true;
		return -EFBIG;
	}
	/* One file's matches come together, and share its path. */
	if (m->n)
		same = m->matches[m->n - 1].path;
	if (!same || strncmp(same, path, path_len) != 0 || same[path_len])
		same = files_arena_dup(m->arena, path, path_len);
	copy = files_arena_dup(m->arena, line, line_len);
	if (!copy || !same)
		return -ENOMEM;
	match = &m->matches[m->n++];
	match->path = same;
	match->line_number = line_number;
	match->line = copy;
	match->line_len = line_len;
	match->cut = cut;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	const struct corral_files_row *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int dirs_then_path(const void *a, const void *b)
{
	const struct corral_files_row *x = a, *y = b;
	int x_file = x->stat.type != CORRAL_FILES_DIRECTORY;
	int y_file = y->stat.type != CORRAL_FILES_DIRECTORY;

	return x_file != y_file ? x_file - y_file : strcmp(x->path, y->path);
}

void corral_files_rows_sort(struct corral_files_rows *r, bool dirs_first)
{
	if (r->n)
		qsort(r->rows, r->n, sizeof(*r->rows), dirs_first ? dirs_then_path : by_path);
}

char *corral_files_edit_text(const struct corral_files_edit *edit, uint64_t occurrences)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	corral_buf_str(&b, "String '");
	corral_buf_add(&b, edit->old_text, edit->old_len);
	if (!occurrences)
		corral_buf_str(&b, "' not found in file");
	else
		corral_buf_fmt(
		        &b,
		        "' found %llu times. Use replace_all=True to replace all, or provide "
		        "more context.",
		        (unsigned long long)occurrences);
	return corral_buf_take(&b);
}
