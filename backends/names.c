#include "backends/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/guard.h"
#include "kernel/base/cleanup.h"

const char *corral_backend_op_name(enum corral_backend_op op)
{
	switch (op) {
	case CORRAL_BACKEND_OP_READ:
		return "read";
	case CORRAL_BACKEND_OP_WRITE:
		return "write";
	case CORRAL_BACKEND_OP_EDIT:
		return "edit";
	case CORRAL_BACKEND_OP_LS:
		return "ls";
	case CORRAL_BACKEND_OP_GLOB:
		return "glob";
	case CORRAL_BACKEND_OP_GREP:
		return "grep";
	case CORRAL_BACKEND_OP_EXECUTE:
		return "execute";
	}
	return "?";
}

int corral_names_virtual(const char *path, char ret[CORRAL_FILES_PATH_MAX],
                         struct corral_error *err)
{
	size_t n = 0;

	while (*(path += strspn(path, "/"))) {
		size_t len = strcspn(path, "/");

		if (len == 2 && !strncmp(path, "..", 2))
			return corral_error_set(err, EINVAL, "Path cannot contain '..'");
		if (len > 255 || n + len + 2 > CORRAL_FILES_PATH_MAX)
			return corral_error_sys(err, ENAMETOOLONG, "'%.100s...'", path);
		if (len != 1 || path[0] != '.') {
			ret[n++] = '/';
			memcpy(ret + n, path, len);
			n += len;
		}
		path += len;
	}
	if (!n)
		ret[n++] = '/';
	ret[n] = '\0';
	return 0;
}

const char *corral_names_below(const char *dir, const char *path)
{
	size_t len = strlen(dir);

	if (len == 1 && dir[0] == '/')
		return path[0] == '/' ? path + 1 : NULL;
	if (strncmp(dir, path, len) != 0 || (path[len] && path[len] != '/'))
		return NULL;
	return path + len + (path[len] == '/');
}

int corral_names_join(const char *dir, const char *rest, char ret[CORRAL_FILES_PATH_MAX])
{
	size_t len = strlen(dir);
	bool slash = len && dir[len - 1] != '/' && *rest;
	int n = snprintf(ret, CORRAL_FILES_PATH_MAX, "%s%s%s", dir, slash ? "/" : "", rest);

	return n < 0 || n >= CORRAL_FILES_PATH_MAX ? -ENAMETOOLONG : 0;
}

/* The path under its other name, in b; NULL when it does not begin with `from`. */
static const char *renamed(const char *path, const char *from, const char *to, struct corral_buf *b)
{
	const char *rest = *from                    ? corral_names_below(from, path)
	                   : strncmp(path, "./", 2) ? path
	                                            : path + 2;

	if (!rest)
		return NULL;
	b->len = 0;
	corral_buf_str(b, to);
	if (*rest && b->len && b->data[b->len - 1] != '/')
		corral_buf_str(b, "/");
	corral_buf_str(b, rest);
	return b->failed ? NULL : b->data;
}

struct names {
	const char *from, *to;
	struct corral_buf b;
};

static int row_renamed(void *ctx, const char *path, const char **ret_path, size_t *ret_len)
{
	struct names *n = ctx;

	*ret_path = renamed(path, n->from, n->to, &n->b);
	*ret_len = n->b.len;
	return n->b.failed ? -ENOMEM : 0;
}

int corral_names_rows(struct corral_files_rows *rows, const char *from, const char *to)
{
	struct names n = { from, to, CORRAL_BUF_INIT };
	int r = corral_files_rows_rename(rows, row_renamed, &n);

	corral_buf_done(&n.b);
	return r;
}

int corral_names_matches(struct corral_files_matches *found, const char *from, const char *to)
{
	corral_auto(corral_files_matches_done) struct corral_files_matches out = { 0 };
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_files_matches old;
	int r = 0;

	out.truncated = found->truncated;
	out.incomplete = found->incomplete;
	for (size_t i = 0; r == 0 && i < found->n; i++) {
		const struct corral_files_match *m = &found->matches[i];
		const char *path = renamed(m->path, from, to, &b);

		if (path)
			r = corral_files_matches_add(&out, path, b.len, m->line_number, m->line,
			                             m->line_len, m->cut);
		else if (b.failed)
			r = -ENOMEM;
	}
	if (r < 0 && r != -EFBIG)
		return r;
	old = *found;
	*found = out;
	out = old;
	return 0;
}

void corral_names_error(struct corral_error *err, const char *sent, const char *written)
{
	char text[CORRAL_ERROR_TEXT_SIZE], quoted[CORRAL_FILES_PATH_MAX + 3];
	const char *at;
	int n;

	if (!err || !strcmp(sent, written))
		return;
	n = snprintf(quoted, sizeof(quoted), "'%s'", sent);
	at = strstr(err->text, quoted);
	if (!at)
		return;
	(void)snprintf(text, sizeof(text), "%.*s'%s'%s", (int)(at - err->text), err->text, written,
	               at + n);
	memcpy(err->text, text, sizeof(text));
}
