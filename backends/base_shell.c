/*
 * Theory of operation: one question is one command. It runs the script in a function, whose output
 * becomes a variable; that is printed between marks when it is short enough. A longer one is put
 * into a temporary file of the guest's, from which further commands print it piece by piece, the
 * last of them removing it. What is not between marks is somebody else's, and no answer.
 */
#include "backends/base_shell.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "kernel/base/base64.h"
#include "kernel/base/clock.h"
#include "kernel/base/utf8.h"
#include "kernel/files/client.h"
#include "kernel/files/content.h"

#define ANSWER_MAX (96u << 20)

/* No path in these begins with a dash: they all begin with "./" or "/". */
static const char prelude[] =
        "LC_ALL=C;export LC_ALL;exec 2>/dev/null </dev/null\n"
        "if command -v base64 >/dev/null;then E=b;enc(){ base64;}\n"
        "elif command -v od >/dev/null;then E=x;enc(){ od -An -v -tx1;}\n"
        "else E=n;enc(){ :;};fi\n"
        "no(){ printf '!%s ' \"$1\";printf %s \"$2\"|enc;exit 0;}\n"
        "why(){ e=$(ls -Ld \"$1\" 2>&1)&&e=;no L \"$e\";}\n"
        "reg(){ [ -d \"$1\" ]&&no EISDIR;[ -f \"$1\" ]||{ [ -e \"$1\" ]&&no EINVAL;why \"$1\";}\n"
        "[ -r \"$1\" ]||no EACCES;}\n"
        "R='T=$1;L=;shift;[ \"$1\" = -L ]&&{ L=-L;shift;}\n"
        "if command -v stat >/dev/null;then stat $L -c \"$T%f %u %g %s %Y %n//\" \"$@\"\n"
        "else for p;do l=$(ls -ldn $L \"$p\")&&{ set -f;set -- $l\n"
        "printf \"%s%s %s %s %s 0 %s//\\n\" \"$T\" \"$1\" \"$3\" \"$4\" \"$5\" "
        "\"$p\";};done;fi;:'\n"
        "f(){ :\n";

void corral_base_answer_done(struct corral_base_answer *a)
{
	corral_buf_done(&a->text);
}

uint64_t corral_base_deadline(int64_t ms)
{
	return corral_now_nsec() + (uint64_t)ms * 1000000;
}

int corral_base_check(const char *path, struct corral_error *err)
{
	size_t len = strlen(path);

	if (len >= CORRAL_FILES_PATH_MAX - 2)
		return corral_error_sys(err, ENAMETOOLONG, "'%.100s...'", path);
	while (*path) {
		len = strcspn(path, "/");
		if (len > 255)
			return corral_error_sys(err, ENAMETOOLONG, "'%.100s...'", path);
		path += len + (path[len] == '/');
	}
	return 0;
}

bool corral_base_is_root(const char *path, bool search)
{
	static const char *const roots[] = { "", ".", "./", "/." };

	for (size_t i = 0; i < CORRAL_COUNT(roots); i++)
		if (!strcmp(path, roots[i]))
			return true;
	return search && !strcmp(path, "/");
}

void corral_base_shown(struct corral_buf *out, const char *path, bool root)
{
	size_t len = root ? 0 : strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	corral_buf_add(out, path, len);
	if (len && path[len - 1] != '/')
		corral_buf_str(out, "/");
}

/* As one word of the shell, with a dot behind, which keeps line ends at the end. */
static void quote(struct corral_buf *script, const char *text)
{
	size_t len = strlen(text);

	/* Commands may have to be UTF-8. */
	if (!corral_utf8_valid(text, len)) {
		corral_buf_str(script, "$(printf '");
		for (size_t i = 0; i < len; i++)
			corral_buf_fmt(script, "\\%03o", (unsigned char)text[i]);
		corral_buf_str(script, ".')");
		return;
	}
	corral_buf_str(script, "'");
	for (; *text; text++)
		if (*text == '\'')
			corral_buf_str(script, "'\\''");
		else
			corral_buf_add(script, text, 1);
	corral_buf_str(script, ".'");
}

void corral_base_let(struct corral_buf *script, const char *name, const char *path)
{
	corral_autobuf struct corral_buf whole = CORRAL_BUF_INIT;

	if (corral_base_is_root(path, false))
		path = ".";
	corral_buf_fmt(&whole, "%s%s", path[0] == '/' ? "" : "./", path);
	if (whole.failed) {
		script->failed = true;
		return;
	}
	corral_buf_fmt(script, "%s=", name);
	quote(script, whole.data);
	corral_buf_fmt(script, ";%s=${%s%%.}\n", name, name);
}

/* What POSIX tools say at the end of a line, LC_ALL=C; dash has words of its own. */
static const struct {
	const char *text;
	int code;
} said[] = {
	{ "No such file or directory", ENOENT },
	{ "No such file", ENOENT },
	{ "nonexistent directory", ENOENT },
	{ "Directory nonexistent", ENOENT },
	{ "Permission denied", EACCES },
	{ "Operation not permitted", EPERM },
	{ "Not a directory", ENOTDIR },
	{ "Is a directory", EISDIR },
	{ "Directory not empty", ENOTEMPTY },
	{ "File exists", EEXIST },
	{ "File name too long", ENAMETOOLONG },
	{ "No space left on device", ENOSPC },
	{ "Disk quota exceeded", EDQUOT },
	{ "File too large", EFBIG },
	{ "Read-only file system", EROFS },
	{ "Too many levels of symbolic links", ELOOP },
	{ "Symbolic link loop", ELOOP },
	{ "Device or resource busy", EBUSY },
	{ "Resource busy", EBUSY },
	{ "Text file busy", ETXTBSY },
	{ "Invalid argument", EINVAL },
	{ "Input/output error", EIO },
	{ "I/O error", EIO },
};

static int code_of_text(const struct corral_buf *text)
{
	size_t len = text->len;

	while (len && strchr("\r\n ", text->data[len - 1]))
		len--;
	for (size_t i = 0; i < CORRAL_COUNT(said); i++) {
		size_t n = strlen(said[i].text);

		if (len >= n && !memcmp(text->data + len - n, said[i].text, n))
			return said[i].code;
	}
	return 0;
}

static const struct {
	const char *word;
	int code;
} words[] = {
	{ "EACCES", EACCES }, { "EISDIR", EISDIR },   { "EINVAL", EINVAL },   { "EBUSY", EBUSY },
	{ "EEXIST", EEXIST }, { "ENOTDIR", ENOTDIR }, { "ELOOP", ELOOP },     { "EAGAIN", EAGAIN },
	{ "EIO", EIO },       { "BASE64", ENOEXEC },  { "FIND", EOPNOTSUPP },
};

/* "!WORD text": L what lookup said, M, D and N what a tool said. */
static int failure_parse(struct corral_base_answer *a, struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	const char *word = a->text.data + 1;
	size_t len = strcspn(word, " ");
	const char *rest = word[len] ? word + len + 1 : word + len;
	int r = corral_base_decode(a, rest, strlen(rest), &text, err);

	if (r < 0)
		return r;
	a->word = word[0];
	for (size_t i = 0; i < CORRAL_COUNT(words); i++)
		if (strlen(words[i].word) == len && !memcmp(words[i].word, word, len))
			a->code = words[i].code;
	if (!a->code)
		a->code = code_of_text(&text);
	if (!a->code)
		a->code = a->word == 'L' ? ENOENT : EIO;
	corral_buf_done(&a->text);
	a->text = text;
	memset(&text, 0, sizeof(text));
	return 0;
}

int corral_base_fail(const struct corral_base_answer *a, const char *path, struct corral_error *err)
{
	if (a->code == ENOEXEC || a->code == EOPNOTSUPP)
		return corral_error_set(err, EOPNOTSUPP, "the shell has no %s",
		                        a->code == ENOEXEC ? "base64" : "find");
	if (a->code == EINVAL && !a->text.len)
		return corral_error_set(err, EINVAL, "'%s' is not a regular file", path);
	if (a->code == EIO && a->text.len) {
		corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
		size_t from = a->text.len > 200 ? a->text.len - 200 : 0;

		corral_utf8_add(&text, a->text.data + from, a->text.len - from);
		for (size_t i = 0; i < text.len; i++)
			if ((unsigned char)text.data[i] < ' ')
				text.data[i] = ' ';
		return corral_error_set(err, EIO, "'%s': %s", path, text.data ? text.data : "");
	}
	return files_fail(err, a->code, path);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int hex_decode(const char *text, size_t len, struct corral_buf *ret)
{
	int high = -1;

	for (size_t i = 0; i < len; i++) {
		int digit = hex_digit(text[i]);
		char byte;

		if (strchr(" \r\n\t", text[i]))
			continue;
		if (digit < 0)
			return -EINVAL;
		if (high < 0) {
			high = digit;
			continue;
		}
		byte = (char)(high * 16 + digit);
		corral_buf_add(ret, &byte, 1);
		high = -1;
	}
	return high < 0 ? 0 : -EINVAL;
}

int corral_base_decode(const struct corral_base_answer *a, const char *text, size_t len,
                       struct corral_buf *ret, struct corral_error *err)
{
	int r = a->hex ? hex_decode(text, len, ret) : corral_base64_decode(text, len, ret);

	if (ret->failed)
		return files_fail(err, ENOMEM, "");
	return r < 0 ? corral_error_set(err, EIO, "the shell's answer is no text of bytes") : 0;
}

static int not_whole(const struct corral_executed *e, struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	size_t len = e->out.len < 200 ? e->out.len : 200;

	corral_utf8_add(&text, e->out.data ? e->out.data : "", len);
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] < ' ')
			text.data[i] = ' ';
	return corral_error_set(err, EIO, "the shell gave no whole answer (exit code %d): %s",
	                        e->exit_code, text.data ? text.data : "");
}

/* Runs a command; what is between the marks. kind: E and then ":" or "+". */
static int run(struct corral_base *s, const struct corral_buf *command, uint64_t deadline_nsec,
               struct corral_buf *ret, char kind[2], struct corral_error *err)
{
	struct corral_execute x = { .command = command->data,
		                    .timeout_ms = CORRAL_FILES_TIMEOUT_MS,
		                    .output_bytes = s->text_max + 512 };
	struct corral_executed e = { .exit_code = 1 };
	uint64_t now = corral_now_nsec();
	const char *begin, *end;
	int r;

	if (command->failed)
		return files_fail(err, ENOMEM, "");
	if (now >= deadline_nsec)
		return files_fail(err, ETIMEDOUT, "");
	/* Only a search is one command that takes longer; what carries content has many. */
	if ((deadline_nsec - now) / 1000000 <= CORRAL_FILES_SEARCH_TIMEOUT_MS)
		x.timeout_ms = (int64_t)((deadline_nsec - now) / 1000000) + 1;
	r = s->base.ops->execute(&s->base, &x, &e, err);
	if (r == 0 && (e.timed_out || e.cancelled))
		r = files_fail(err, e.timed_out ? ETIMEDOUT : ECANCELED, "");
	if (r == 0) {
		begin = e.out.data ? strstr(e.out.data, "[corral:") : NULL;
		end = begin ? strstr(begin, ":]") : NULL;
		if (end && end - begin >= 10) {
			kind[0] = begin[8];
			kind[1] = begin[9];
			for (begin += 10; begin < end; begin++)
				if (*begin != '\r')
					corral_buf_add(ret, begin, 1);
			corral_buf_str(ret, "");
			if (ret->failed)
				r = files_fail(err, ENOMEM, "");
		} else {
			r = not_whole(&e, err);
		}
	}
	corral_executed_done(&e);
	return r;
}

static void frame(struct corral_buf *command, const char *value)
{
	corral_buf_fmt(command, "printf '[%%s:%%s:%%s:]\\n' corral $E \"%s\"\n", value);
}

/* The part of a long answer; with the last one the file goes. */
static int piece(struct corral_base *s, const char *file, uint64_t k, bool last,
                 uint64_t deadline_nsec, struct corral_buf *ret, struct corral_error *err)
{
	corral_autobuf struct corral_buf command = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf part = CORRAL_BUF_INIT;
	char kind[2];
	int r;

	corral_buf_str(&command, prelude);
	corral_base_let(&command, "t", file);
	corral_buf_fmt(&command, "dd bs=%zu skip=%llu count=1 <\"$t\"\nprintf .\n}\nv=$(f)\n%s",
	               s->text_max - 1, (unsigned long long)k, last ? "t=\n" : "");
	frame(&command, "$v");
	if (last) {
		corral_base_let(&command, "t", file);
		corral_buf_str(&command, "rm -f \"$t\"\n");
	}
	r = run(s, &command, deadline_nsec, &part, kind, err);
	if (r < 0)
		return r;
	if (!part.len || part.data[part.len - 1] != '.')
		return corral_error_set(err, EIO, "the shell's answer broke off");
	corral_buf_add(ret, part.data, part.len - 1);
	return 0;
}

/* "LENGTH path": of the temporary file in which the answer is. */
static int gather(struct corral_base *s, struct corral_base_answer *a, uint64_t deadline_nsec,
                  struct corral_error *err)
{
	corral_autobuf struct corral_buf file = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	uint64_t len, parts;
	char *end;
	int r;

	errno = 0;
	len = strtoull(a->text.data, &end, 10);
	if (errno || *end != ' ')
		return corral_error_set(err, EIO, "the shell's answer is no text of bytes");
	if (!end[1])
		return corral_error_set(err, ENOSPC,
		                        "No space for a temporary file where the shell runs");
	r = corral_base_decode(a, end, strlen(end), &file, err);
	if (r < 0)
		return r;
	parts = (len + s->text_max - 2) / (s->text_max - 1);
	if (len > ANSWER_MAX)
		r = corral_error_set(err, EFBIG, "the shell's answer is over %u bytes", ANSWER_MAX);
	for (uint64_t k = 0; r == 0 && k < parts; k++)
		r = piece(s, file.data, k, k + 1 == parts, deadline_nsec, &text, err);
	if (r == 0 && text.len != len)
		r = corral_error_set(err, EIO, "the shell's answer broke off");
	if (r < 0) {
		corral_autobuf struct corral_buf command = CORRAL_BUF_INIT;
		corral_autobuf struct corral_buf none = CORRAL_BUF_INIT;
		char kind[2];

		corral_base_let(&command, "t", file.data);
		corral_buf_str(&command, "rm -f \"$t\"\nE=b\n");
		frame(&command, "");
		(void)run(s, &command, corral_base_deadline(CORRAL_FILES_TIMEOUT_MS), &none, kind,
		          NULL);
		return r;
	}
	corral_buf_done(&a->text);
	a->text = text;
	memset(&text, 0, sizeof(text));
	return 0;
}

int corral_base_ask(struct corral_base *s, const struct corral_buf *script, uint64_t deadline_nsec,
                    struct corral_base_answer *ret, struct corral_error *err)
{
	corral_autobuf struct corral_buf command = CORRAL_BUF_INIT;
	uint64_t number = 0;
	char kind[2];
	int r;

	if (script->failed)
		return files_fail(err, ENOMEM, "");
	(void)!getrandom(&number, sizeof(number), GRND_NONBLOCK);
	corral_buf_str(&command, prelude);
	corral_buf_add(&command, script->data, script->len);
	corral_buf_fmt(&command, "}\nv=$(f)\nif [ ${#v} -le %zu ];then ", s->text_max);
	frame(&command, "$v");
	corral_buf_fmt(&command,
	               "else for d in \"$TMPDIR\" /tmp /var/tmp /dev/shm .;do\n"
	               "t=$d/.corral-%016llx.tmp\n"
	               "[ \"$d\" ]&&(umask 077;set -C;:>\"$t\")&&{ "
	               "printf %%s \"$v\" >\"$t\"&&break;rm -f \"$t\";}\nt=\ndone\n"
	               "printf '[%%s:%%s+%%s %%s:]\\n' corral $E ${#v} "
	               "\"$(printf %%s \"$t\"|enc)\"\nfi\n",
	               (unsigned long long)number);
	r = run(s, &command, deadline_nsec, &ret->text, kind, err);
	if (r < 0)
		return r;
	if (kind[0] == 'n')
		return corral_error_set(err, EOPNOTSUPP, "the shell has neither base64 nor od");
	ret->hex = kind[0] == 'x';
	if (kind[1] == '+')
		r = gather(s, ret, deadline_nsec, err);
	if (r < 0)
		return r;
	if (ret->text.len && ret->text.data[0] == '!')
		return failure_parse(ret, err);
	if (!ret->text.len || ret->text.data[0] != '=')
		return corral_error_set(err, EIO, "the shell gave no answer");
	memmove(ret->text.data, ret->text.data + 1, ret->text.len);
	ret->text.len--;
	return 0;
}

/* "-rwxr-xr-x" as ls has it. */
static uint32_t mode_of_text(const char *text, size_t len)
{
	static const struct {
		char letter;
		uint32_t type;
	} types[] = { { '-', S_IFREG },  { 'd', S_IFDIR }, { 'l', S_IFLNK }, { 'p', S_IFIFO },
		      { 's', S_IFSOCK }, { 'c', S_IFCHR }, { 'b', S_IFBLK } };
	uint32_t mode = 0;

	for (size_t i = 0; i < CORRAL_COUNT(types); i++)
		if (text[0] == types[i].letter)
			mode = types[i].type;
	/* "S" and "T": without the right to execute. */
	for (size_t i = 1; i < 10 && i < len; i++)
		if (!strchr("-ST", text[i]))
			mode |= 1u << (9 - i);
	return mode;
}

static enum corral_files_type type_of_mode(uint32_t mode)
{
	if (S_ISREG(mode))
		return CORRAL_FILES_REGULAR;
	if (S_ISDIR(mode))
		return CORRAL_FILES_DIRECTORY;
	return S_ISLNK(mode) ? CORRAL_FILES_LINK : CORRAL_FILES_OTHER;
}

/* "TMODE uid gid size mtime NAME"; what is not so is passed over. */
static bool row_parse(const char *text, size_t len, struct corral_base_row *ret)
{
	uint64_t numbers[4];
	const char *end = text + len, *at = text + 1, *space;
	uint32_t mode;
	char *stop;

	space = len > 1 ? memchr(at, ' ', len - 1) : NULL;
	if (!space)
		return false;
	mode = space - at >= 9 ? mode_of_text(at, (size_t)(space - at))
	                       : (uint32_t)strtoul(at, NULL, 16);
	for (size_t i = 0; i < CORRAL_COUNT(numbers); i++) {
		numbers[i] = strtoull(space + 1, &stop, 10);
		/* A device has two numbers for a size. */
		while (stop < end && *stop != ' ')
			stop++;
		if (stop >= end)
			return false;
		space = stop;
	}
	at = space + 1;
	if (end - at >= 2 && at[0] == '.' && at[1] == '/')
		at += 2;
	if (at >= end)
		return false;
	ret->tag = text[0];
	ret->name = at;
	ret->name_len = (size_t)(end - at);
	memset(&ret->stat, 0, sizeof(ret->stat));
	ret->stat.type = type_of_mode(mode);
	ret->stat.mode = mode & 07777;
	ret->stat.uid = (uint32_t)numbers[0];
	ret->stat.gid = (uint32_t)numbers[1];
	ret->stat.size = S_ISREG(mode) ? numbers[2] : 0;
	ret->stat.mtime_nsec = (int64_t)(numbers[3] < 1ull << 33 ? numbers[3] : 0) * 1000000000;
	ret->stat.is_link = text[0] == 'l';
	return true;
}

bool corral_base_row_next(const struct corral_buf *text, size_t *at, struct corral_base_row *ret)
{
	while (*at < text->len) {
		const char *from = text->data + *at;
		const char *end = memmem(from, text->len - *at, "//\n", 3);

		if (!end)
			return false;
		*at += (size_t)(end - from) + 3;
		if (row_parse(from, (size_t)(end - from), ret))
			return true;
	}
	return false;
}
