/* Trees: find(1) lists them there, the pattern is matched here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base_shell.h"
#include "kernel/files/client.h"
#include "kernel/files/content.h"
#include "kernel/files/glob.h"

int corral_base_find(struct corral_base *s, const char *path, const char *below, const char *what,
                     uint64_t deadline_nsec, struct corral_buf *ret, bool *ret_dir,
                     struct corral_base_answer *answer, struct corral_error *err)
{
	corral_autobuf struct corral_buf script = CORRAL_BUF_INIT;
	int r;

	corral_base_let(&script, "p", path);
	corral_base_let(&script, "q", below);
	/* The status of find comes last, as a row without a name: not 0 when it could not look. */
	corral_buf_fmt(&script,
	               "if [ -d \"$p\" ];then cd \"$p\"||no EACCES\n"
	               "[ -r . ]||no EACCES\n"
	               "command -v find >/dev/null||no FIND\n"
	               "printf '=d'\n"
	               "{ [ ! -d \"$q\" ]||{ cd \"$q\"&&find . %s;};printf 's%%s//\\n' $?;}|enc\n"
	               "elif [ -f \"$p\" ];then printf =f\n"
	               "else [ -e \"$p\" ]&&no EINVAL;why \"$p\";fi\n",
	               what);
	r = corral_base_ask(s, &script, deadline_nsec, answer, err);
	if (r < 0 || answer->code)
		return r;
	*ret_dir = answer->text.data[0] == 'd';
	if (!*ret_dir)
		return 0;
	r = corral_base_decode(answer, answer->text.data + 1, answer->text.len - 1, ret, err);
	if (r == 0 && (ret->len < 5 || memcmp(ret->data + ret->len - 3, "//\n", 3) != 0))
		r = corral_error_set(err, EIO, "the shell's answer broke off");
	return r;
}

/* The names that the pattern begins with, which need no search: "src/lib/" of "src/lib/x*.c". */
static size_t plain_segments(const struct files_glob *g)
{
	const struct files_glob_pattern *p = &g->patterns[0];
	size_t n = 0;

	while (g->n == 1 && n + 1 < p->n && p->segments[n].literal &&
	       strcmp(p->segments[n].text, ".") != 0 && p->segments[n].text[0])
		n++;
	return n;
}

/* What need not be looked at: hidden names, and what is deeper than the pattern. */
static void prune_add(const struct files_glob *g, size_t plain, struct corral_buf *what)
{
	bool deep = false, hidden = g->flags & FILES_GLOB_HIDDEN;
	size_t depth = 0;

	for (size_t i = 0; i < g->n; i++) {
		const struct files_glob_pattern *p = &g->patterns[i];

		depth = p->n - plain > depth ? p->n - plain : depth;
		for (size_t k = plain; k < p->n; k++) {
			deep |= p->segments[k].any_depth;
			hidden |= p->segments[k].dot;
		}
	}
	if (!hidden)
		corral_buf_str(what, "-name '.?*' -prune -o ");
	if (!deep) {
		corral_buf_str(what, "-type d -path './*");
		for (size_t i = 1; i < depth; i++)
			corral_buf_str(what, "/*");
		corral_buf_str(what, "' -prune -o ");
	}
}

static int matches_add(const struct files_glob *g, const struct corral_buf *text, const char *shown,
                       const char *below, struct corral_files_rows *rows)
{
	corral_autobuf struct corral_buf path = CORRAL_BUF_INIT;
	struct corral_base_row row;
	size_t at = 0, base, len;
	int r = 0;

	corral_buf_str(&path, shown);
	base = path.len;
	corral_buf_str(&path, below);
	len = path.len;
	while (r == 0 && corral_base_row_next(text, &at, &row)) {
		if (row.stat.type != CORRAL_FILES_REGULAR)
			continue;
		path.len = len;
		corral_buf_add(&path, row.name, row.name_len);
		if (path.failed)
			return -ENOMEM;
		if (files_glob_path(g, path.data + base))
			r = corral_files_rows_add(rows, path.data, path.len, &row.stat);
	}
	rows->incomplete = text->len < 5 || memcmp(text->data + text->len - 5, "s0//\n", 5) != 0;
	return r == -EFBIG ? 0 : r;
}

static int glob_in(struct corral_base *s, const struct files_glob *g, const char *path,
                   struct corral_files_rows *rows, struct corral_error *err)
{
	corral_auto(corral_base_answer_done) struct corral_base_answer a = { 0 };
	corral_autobuf struct corral_buf what = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf below = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf shown = CORRAL_BUF_INIT;
	bool root = corral_base_is_root(path, true), dir = false;
	size_t plain = plain_segments(g);
	int r;

	for (size_t i = 0; i < plain; i++)
		corral_buf_fmt(&below, "%s/", g->patterns[0].segments[i].text);
	corral_buf_str(&below, "");
	prune_add(g, plain, &what);
	corral_buf_str(&what, "-type f -exec sh -c \"$R\" sh f {} + -o "
	                      "-type l -exec sh -c \"$R\" sh l -L {} +");
	corral_base_shown(&shown, path, root);
	corral_buf_str(&shown, "");
	if (what.failed || below.failed || shown.failed)
		return files_fail(err, ENOMEM, path);
	r = corral_base_find(s, root ? "" : path, below.data, what.data,
	                     corral_base_deadline(CORRAL_FILES_SEARCH_TIMEOUT_MS), &text, &dir, &a,
	                     err);
	if (r < 0)
		return r;
	if (a.code == EINVAL || (!a.code && !dir))
		return files_fail(err, ENOENT, path);
	if (a.code)
		return corral_base_fail(&a, path, err);
	r = matches_add(g, &text, shown.data, below.data, rows);
	return r < 0 ? files_fail(err, -r, path) : 0;
}

int corral_base_glob(struct corral_backend *b, const char *pattern, const char *path,
                     unsigned int flags, struct corral_files_rows *ret, struct corral_error *err)
{
	corral_auto(corral_files_rows_done) struct corral_files_rows rows = { 0 };
	struct files_glob *glob = NULL;
	int r = corral_base_check(path, err);

	if (r == 0)
		r = files_glob_compile(pattern, flags & CORRAL_FILES_HIDDEN ? FILES_GLOB_HIDDEN : 0,
		                       &glob, err);
	if (r < 0)
		return r;
	r = glob_in(to_base(b), glob, path, &rows, err);
	files_glob_free(glob);
	if (r < 0)
		return r;
	corral_files_rows_sort(&rows, false);
	*ret = rows;
	memset(&rows, 0, sizeof(rows));
	return 0;
}
