/* Names: what is there, made, removed, moved. */
#include <errno.h>
#include <string.h>

#include "backends/base_shell.h"
#include "kernel/files/client.h"
#include "kernel/files/content.h"

#define EXISTS_MS 5000

static uint64_t soon(void)
{
	return corral_base_deadline(CORRAL_FILES_TIMEOUT_MS);
}

/* Runs what has no more to say than whether it failed. */
static int done(struct corral_base *s, const struct corral_buf *script,
                struct corral_base_answer *a, struct corral_error *err)
{
	int r = corral_base_ask(s, script, soon(), a, err);

	return r < 0 ? r : -a->code;
}

bool corral_base_exists(struct corral_backend *b, const char *path)
{
	corral_auto(corral_base_answer_done) struct corral_base_answer a = { 0 };
	corral_autobuf struct corral_buf script = CORRAL_BUF_INIT;

	if (corral_base_check(path, NULL) < 0)
		return false;
	corral_base_let(&script, "p", path);
	corral_buf_str(&script, "printf =;[ -f \"$p\" ]&&printf 1\n");
	return corral_base_ask(to_base(b), &script, corral_base_deadline(EXISTS_MS), &a, NULL) ==
	               0 &&
	       !a.code && a.text.len == 1;
}

int corral_base_stat(struct corral_backend *b, const char *path, unsigned int flags,
                     struct corral_files_stat *ret, struct corral_error *err)
{
	corral_auto(corral_base_answer_done) struct corral_base_answer a = { 0 };
	corral_autobuf struct corral_buf script = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	struct corral_base_row row;
	size_t at = 0;
	int r = corral_base_check(path, err);

	if (r < 0)
		return r;
	corral_base_let(&script, "p", path);
	corral_buf_str(&script, flags & CORRAL_FILES_NOFOLLOW
	                                ? "F=;[ -e \"$p\" ]||[ -L \"$p\" ]||why \"$p\"\n"
	                                : "F=-L;[ -e \"$p\" ]||why \"$p\"\n");
	corral_buf_str(&script, "T=f;[ -L \"$p\" ]&&T=l\n"
	                        "printf =;sh -c \"$R\" sh $T $F \"$p\"|enc\n");
	r = corral_base_ask(to_base(b), &script, soon(), &a, err);
	if (r < 0)
		return r;
	if (a.code)
		return corral_base_fail(&a, path, err);
	r = corral_base_decode(&a, a.text.data, a.text.len, &text, err);
	if (r < 0)
		return r;
	if (!corral_base_row_next(&text, &at, &row))
		return files_fail(err, ENOENT, path);
	*ret = row.stat;
	return 0;
}

/* "d rows" of a directory's entries, "f row" of another thing's. */
static int rows_parse(const struct corral_base_answer *a, const char *path,
                      struct corral_files_rows *rows, struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf name = CORRAL_BUF_INIT;
	bool dir = a->text.len && a->text.data[0] == 'd';
	struct corral_base_row row;
	size_t at = 0, base;
	int r;

	if (a->text.len < 2)
		return corral_error_set(err, EIO, "the shell gave no answer");
	r = corral_base_decode(a, a->text.data + 2, a->text.len - 2, &text, err);
	if (r < 0)
		return r;
	if (dir)
		corral_base_shown(&name, path, corral_base_is_root(path, false));
	else
		corral_buf_str(&name, path);
	base = name.len;
	while (r == 0 && corral_base_row_next(&text, &at, &row)) {
		name.len = base;
		if (dir)
			corral_buf_add(&name, row.name, row.name_len);
		r = name.failed ? -ENOMEM
		                : corral_files_rows_add(rows, name.data, name.len, &row.stat);
	}
	return r < 0 && r != -EFBIG ? files_fail(err, -r, path) : 0;
}

static const char ls_script[] = "if [ -d \"$p\" ];then cd \"$p\"||no EACCES\n"
                                "[ -r . ]||no EACCES\n"
                                "printf '=d '\n"
                                "{ set --;for e in ./* ./.[!.]* ./..?*;do\n"
                                "if [ -L \"$e\" ];then [ -e \"$e\" ]&&sh -c \"$R\" sh l -L \"$e\"\n"
                                "elif [ -e \"$e\" ];then set -- \"$@\" \"$e\"\n"
                                "[ $# -ge 100 ]&&{ sh -c \"$R\" sh f \"$@\";set --;}\n"
                                "fi;done\n"
                                "[ $# -gt 0 ]&&sh -c \"$R\" sh f \"$@\"\n"
                                "}|enc\n"
                                "elif [ -e \"$p\" ];then T=f;[ -L \"$p\" ]&&T=l\n"
                                "printf '=f ';sh -c \"$R\" sh $T -L \"$p\"|enc\n"
                                "else why \"$p\";fi\n";

int corral_base_ls(struct corral_backend *b, const char *path, struct corral_files_rows *ret,
                   struct corral_error *err)
{
	corral_auto(corral_files_rows_done) struct corral_files_rows rows = { 0 };
	corral_auto(corral_base_answer_done) struct corral_base_answer a = { 0 };
	corral_autobuf struct corral_buf script = CORRAL_BUF_INIT;
	int r = corral_base_check(path, err);

	if (r < 0)
		return r;
	corral_base_let(&script, "p", path);
	corral_buf_str(&script, ls_script);
	r = corral_base_ask(to_base(b), &script, soon(), &a, err);
	if (r < 0)
		return r;
	if (a.code)
		return corral_base_fail(&a, path, err);
	r = rows_parse(&a, path, &rows, err);
	if (r < 0)
		return r;
	corral_files_rows_sort(&rows, true);
	*ret = rows;
	memset(&rows, 0, sizeof(rows));
	return 0;
}

int corral_base_mkdir(struct corral_backend *b, const char *path, struct corral_error *err)
{
	corral_auto(corral_base_answer_done) struct corral_base_answer a = { 0 };
	corral_autobuf struct corral_buf script = CORRAL_BUF_INIT;
	int r = corral_base_check(path, err);

	if (r < 0)
		return r;
	corral_base_let(&script, "p", path);
	corral_buf_str(&script,
	               "[ -d \"$p\" ]||e=$(mkdir -p \"$p\" 2>&1)||no M \"$e\"\nprintf =\n");
	r = done(to_base(b), &script, &a, err);
	if (a.code == ENOTDIR || a.code == EEXIST)
		return corral_error_set(err, ENOTDIR, "'%s': a file is in the way", path);
	return a.code ? corral_base_fail(&a, path, err) : r;
}

int corral_base_remove(struct corral_backend *b, const char *path, unsigned int flags,
                       struct corral_error *err)
{
	corral_auto(corral_base_answer_done) struct corral_base_answer a = { 0 };
	corral_autobuf struct corral_buf script = CORRAL_BUF_INIT;
	int r = corral_base_check(path, err);

	if (r < 0)
		return r;
	corral_base_let(&script, "p", path);
	corral_buf_fmt(&script,
	               "[ -e \"$p\" ]||[ -L \"$p\" ]||why \"$p\"\n"
	               "if [ -d \"$p\" ]&&[ ! -L \"$p\" ];then\n"
	               "h=$(pwd -P);q=$(cd \"$p\"&&pwd -P);[ \"$q\" = \"$h\" ]&&no EBUSY\n"
	               "[ \"$q\" = / ]&&no EBUSY\n"
	               "e=$(%s \"$p\" 2>&1)||no M \"$e\"\n"
	               "else e=$(rm -f \"$p\" 2>&1)||no M \"$e\";fi\nprintf =\n",
	               flags & CORRAL_FILES_RECURSIVE ? "rm -rf" : "rmdir");
	r = done(to_base(b), &script, &a, err);
	if (a.code == EBUSY && !a.text.len)
		return corral_error_set(err, EBUSY, "'%s' is the root and stays", path);
	return a.code ? corral_base_fail(&a, path, err) : r;
}

/* As rename(2) has it, which mv(1) has not: nothing is moved into a directory. N: of the new path.
 */
static const char rename_script[] =
        "[ -e \"$p\" ]||[ -L \"$p\" ]||why \"$p\"\n"
        "d=${n%/*};[ \"$d\" ]||d=/\n"
        "[ -d \"$d\" ]||e=$(mkdir -p \"$d\" 2>&1)||no N \"$e\"\n"
        "S=;[ -d \"$p\" ]&&[ ! -L \"$p\" ]&&S=d\n"
        "if [ -L \"$n\" ];then [ \"$X\" ]&&no EEXIST;[ \"$S\" ]&&no ENOTDIR\n"
        "[ -d \"$n\" ]&&[ \"$p\" != \"$n\" ]&&rm -f \"$n\"\n"
        "elif [ -d \"$n\" ];then [ \"$X\" ]&&no EEXIST;[ \"$S\" ]||no EISDIR\n"
        "[ \"$(cd \"$p\"&&pwd -P)\" = \"$(cd \"$n\"&&pwd -P)\" ]&&{ printf =;exit;}\n"
        "e=$(rmdir \"$n\" 2>&1)||no N \"$e\"\n"
        "elif [ -e \"$n\" ];then [ \"$X\" ]&&no EEXIST;[ \"$S\" ]&&no ENOTDIR\n"
        "fi\n"
        "[ \"$p\" = \"$n\" ]||e=$(mv -f \"$p\" \"$n\" 2>&1)||no M \"$e\"\n"
        "printf =\n";

int corral_base_rename(struct corral_backend *b, const char *path, const char *new_path,
                       unsigned int flags, struct corral_error *err)
{
	corral_auto(corral_base_answer_done) struct corral_base_answer a = { 0 };
	corral_autobuf struct corral_buf script = CORRAL_BUF_INIT;
	char to[CORRAL_FILES_PATH_MAX];
	size_t len = strlen(new_path);
	int r = corral_base_check(path, err);

	if (r == 0)
		r = corral_base_check(new_path, err);
	if (r < 0)
		return r;
	while (len > 1 && new_path[len - 1] == '/')
		len--;
	memcpy(to, new_path, len);
	to[len] = '\0';
	corral_base_let(&script, "p", path);
	corral_base_let(&script, "n", to);
	corral_buf_fmt(&script, "X=%s\n%s", flags & CORRAL_FILES_NOREPLACE ? "x" : "",
	               rename_script);
	r = done(to_base(b), &script, &a, err);
	if (a.code)
		return corral_base_fail(&a,
		                        a.word == 'N' || a.code == EEXIST || a.code == EISDIR
		                                ? new_path
		                                : path,
		                        err);
	return r;
}
