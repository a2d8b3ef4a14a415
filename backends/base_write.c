/*
 * Writing: a temporary file beside the target, which grows by one command after the other and is
 * renamed over the target by the last. A small file takes one command for all of it. Where the
 * directory takes no new names, the temporary file is somewhere else and the target is overwritten.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "backends/base_shell.h"
#include "kernel/base/base64.h"
#include "kernel/files/client.h"
#include "kernel/files/content.h"

#define BASE64_PIECE 36864u /* 48 KiB of text */
#define OCTAL_PIECE  12288u
#define TRIES        5

struct writer {
	struct corral_base *s;
	const char *path;
	unsigned int mode;
	const char *only_id; /* of the content that may be replaced, or NULL */
	uint64_t deadline_nsec;
	bool begun;
	uint64_t size; /* so far */
	struct corral_buf temp, target;
	char rights[16];
};

/* t: what the links lead to; m: its rights; k: the temporary file. */
static const char begin_script[] =
        "t=$p;i=0\n"
        "while [ -L \"$t\" ];do i=$((i+1));[ $i -gt 40 ]&&no ELOOP\n"
        "l=$(ls -ld \"$t\";echo .);l=${l%??};l=${l#*\"$t -> \"}\n"
        "case $l in (/*) t=$l;;(*) t=${t%/*}/$l;;esac;done\n"
        "d=${t%/*};[ \"$d\" ]||d=/\n"
        "[ -d \"$t\" ]&&no EISDIR\n"
        "w=;if [ -e \"$t\" ];then [ -f \"$t\" ]||no EINVAL;[ -w \"$t\" ]||no EACCES\n"
        "w=w;m=$(stat -c %a \"$t\")&&{ m=000$m;m=${m#\"${m%???}\"};}||{\n"
        "l=$(ls -ld \"$t\");m=;for c in 2-4 5-7 8-10;do\n"
        "b=$(printf %s \"$l\"|cut -c$c);n=0\n"
        "case $b in (r*) n=4;;esac;case $b in (?w?) n=$((n+2));;esac\n"
        "case $b in (??[xst]) n=$((n+1));;esac;m=$m$n;done;}\n"
        "else [ -d \"$d\" ]||e=$(mkdir -p \"$d\" 2>&1)||no D \"$e\";fi\n"
        "k=$d/$x\n"
        "e=$({ umask 077;set -C;:>\"$k\";} 2>&1)||{ [ \"$w\" ]||no M \"$e\"\n"
        "for d in \"$TMPDIR\" /tmp /var/tmp /dev/shm;do k=$d/$x\n"
        "[ \"$d\" ]&&(umask 077;set -C;:>\"$k\")&&break;k=;done\n"
        "[ \"$k\" ]||no M \"$e\";}\n";

static const char end_script[] =
        "n=$(wc -c <\"$k\");[ $((n)) -eq $N ]||{ rm -f \"$k\";no EIO 'bytes were lost';}\n"
        "if [ \"$I\" ];then\n"
        "s=$(stat -L -c %s \"$t\")||s=$(wc -c <\"$t\");s=$((s))\n"
        "i=$(ls -Ldi \"$t\");i=${i#\"${i%%[0-9]*}\"};i=${i%%[!0-9]*}\n"
        "c=$(cksum <\"$t\");c=${c%% *}\n"
        "[ \"$i-$c-$s\" = \"$I\" ]||{ rm -f \"$k\";no EAGAIN;};fi\n"
        "[ -d \"$t\" ]&&{ rm -f \"$k\";no EISDIR;}\n"
        "e=$(chmod \"$m\" \"$k\" 2>&1)||{ rm -f \"$k\";no M \"$e\";}\n"
        "if [ \"${k%/*}\" = \"${t%/*}\" ];then e=$(mv -f \"$k\" \"$t\" 2>&1)||{\n"
        "[ -f \"$t\" ]&&cat <\"$k\" >\"$t\"||{ rm -f \"$k\";no M \"$e\";};rm -f \"$k\";}\n"
        "else e=$({ cat <\"$k\" >\"$t\";} 2>&1)||{ rm -f \"$k\";no M \"$e\";};rm -f \"$k\";fi\n";

/* Appends the data to the temporary file. */
static void add_data(struct corral_buf *script, const char *data, size_t len, bool octal)
{
	if (!len)
		return;
	if (octal) {
		corral_buf_str(script, "e=$({ printf '");
		for (size_t i = 0; i < len; i++)
			corral_buf_fmt(script, "\\%03o", (unsigned char)data[i]);
		corral_buf_str(script, "' >>\"$k\";} 2>&1)");
	} else {
		corral_buf_str(script, "e=$({ printf %s '");
		corral_base64_encode(script, data, len);
		corral_buf_str(script, "'|base64 -d >>\"$k\";} 2>&1)");
	}
	corral_buf_str(script, "||{ rm -f \"$k\";no M \"$e\";}\n");
}

static int write_fail(const struct writer *w, const struct corral_base_answer *a,
                      struct corral_error *err)
{
	if (a->code == EAGAIN)
		return -EAGAIN;
	if (a->word == 'D' && (a->code == ENOTDIR || a->code == EEXIST))
		return corral_error_set(err, ENOTDIR, "'%s': Not a directory", w->path);
	return corral_base_fail(a, w->path, err);
}

/* "RIGHTS temp.target": what the further commands need to know. */
static int begun(struct writer *w, const struct corral_base_answer *a, struct corral_error *err)
{
	size_t len = strcspn(a->text.data, " ");
	const char *names = a->text.data + len, *dot = strchr(names, '.');
	int r;

	if (!dot || len >= sizeof(w->rights))
		return corral_error_set(err, EIO, "the shell gave no answer");
	(void)snprintf(w->rights, sizeof(w->rights), "%.*s", (int)len, a->text.data);
	r = corral_base_decode(a, names, (size_t)(dot - names), &w->temp, err);
	if (r == 0)
		r = corral_base_decode(a, dot + 1, strlen(dot + 1), &w->target, err);
	w->begun = r == 0;
	return r;
}

static int command(struct writer *w, const char *data, size_t len, bool last, bool octal,
                   struct corral_base_answer *a, struct corral_error *err)
{
	corral_autobuf struct corral_buf script = CORRAL_BUF_INIT;
	bool first = !w->begun;
	uint64_t number = 0;

	if (first) {
		(void)!getrandom(&number, sizeof(number), GRND_NONBLOCK);
		corral_base_let(&script, "p", w->path);
		/* "=rw" is what the umask leaves of it. */
		corral_buf_fmt(&script, "x=.corral-%016llx.tmp;m=", (unsigned long long)number);
		if (w->mode)
			corral_buf_fmt(&script, "%03o\n", w->mode & 0777);
		else
			corral_buf_str(&script, "=rw\n");
		if (!octal && len)
			corral_buf_str(&script, "command -v base64 >/dev/null||no BASE64\n");
		corral_buf_str(&script, begin_script);
	} else {
		corral_base_let(&script, "k", w->temp.data);
		corral_base_let(&script, "t", w->target.data);
		corral_buf_fmt(&script, "m=%s\n", w->rights);
	}
	add_data(&script, data, len, octal);
	if (last)
		corral_buf_fmt(&script, "N=%llu;I=%s\n%s", (unsigned long long)w->size + len,
		               w->only_id ? w->only_id : "", end_script);
	corral_buf_str(&script, "printf =\n");
	if (first && !last)
		corral_buf_str(
		        &script,
		        "printf '%s ' $m;printf %s \"$k\"|enc;printf .;printf %s \"$t\"|enc\n");
	return corral_base_ask(w->s, &script, w->deadline_nsec, a, err);
}

static int send_piece(struct writer *w, const char *data, size_t len, bool last, bool octal,
                      struct corral_error *err)
{
	corral_auto(corral_base_answer_done) struct corral_base_answer a = { 0 };
	int r = command(w, data, len, last, octal, &a, err);

	if (r < 0)
		return r;
	if (a.code)
		return a.code == ENOEXEC && !octal ? -ENOEXEC : write_fail(w, &a, err);
	w->size += len;
	return w->begun || last ? 0 : begun(w, &a, err);
}

static int send(struct writer *w, const char *data, size_t len, bool last, struct corral_error *err)
{
	int r = -ENOEXEC;

	if (!atomic_load(&w->s->no_base64))
		r = send_piece(w, data, len, last, false, err);
	/* The first command finds out that there is no base64. */
	if (r != -ENOEXEC)
		return r;
	atomic_store(&w->s->no_base64, true);
	do {
		size_t n = len < OCTAL_PIECE ? len : OCTAL_PIECE;

		r = send_piece(w, data, n, last && n == len, true, err);
		data += n;
		len -= n;
	} while (r == 0 && len);
	return r;
}

/* After a failure of ours; those of the script have done so already. */
static void forget(struct writer *w)
{
	corral_auto(corral_base_answer_done) struct corral_base_answer a = { 0 };
	corral_autobuf struct corral_buf script = CORRAL_BUF_INIT;

	corral_base_let(&script, "k", w->temp.data);
	corral_buf_str(&script, "rm -f \"$k\";printf =\n");
	(void)corral_base_ask(w->s, &script, corral_base_deadline(CORRAL_FILES_TIMEOUT_MS), &a,
	                      NULL);
}

static int write_all(struct writer *w, const struct corral_files_source *source,
                     struct corral_error *err)
{
	corral_autofree char *data = malloc(BASE64_PIECE);
	bool last = false;
	int r = data ? 0 : files_fail(err, ENOMEM, "");

	while (r == 0 && !last) {
		size_t len = 0;
		long got = 1;

		while (len < BASE64_PIECE && got > 0) {
			got = source->get(source->ctx, data + len, BASE64_PIECE - len, err);
			len += got > 0 ? (size_t)got : 0;
		}
		if (got < 0) {
			r = (int)got;
			break;
		}
		last = got == 0;
		r = send(w, data, len, last, err);
	}
	if (r < 0 && w->begun)
		forget(w);
	corral_buf_done(&w->temp);
	corral_buf_done(&w->target);
	return r;
}

int corral_base_write_stream(struct corral_backend *b, const char *path, unsigned int mode,
                             bool known, const struct corral_files_source *source,
                             struct corral_error *err)
{
	struct writer w = { .s = to_base(b), .path = path, .mode = mode };
	int r = corral_base_check(path, err);

	if (r < 0)
		return r;
	if (corral_base_is_root(path, true) || path[strlen(path) - 1] == '/')
		return files_fail(err, EISDIR, path);
	/* What is not at hand takes the time that its source takes. */
	w.deadline_nsec = known ? corral_base_deadline(CORRAL_FILES_COPY_TIMEOUT_MS) : UINT64_MAX;
	return write_all(&w, source, err);
}

static long buf_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct corral_buf *rest = ctx;
	size_t n = rest->len < size ? rest->len : size;

	(void)err;
	if (n)
		memcpy(data, rest->data, n);
	rest->data += n;
	rest->len -= n;
	return (long)n;
}

static int edit_once(struct corral_base *s, const char *path, const struct corral_files_edit *edit,
                     uint64_t deadline_nsec, uint64_t *ret_occurrences, struct corral_error *err)
{
	corral_autobuf struct corral_buf old = CORRAL_BUF_INIT;
	corral_autobuf struct corral_buf new = CORRAL_BUF_INIT;
	char id[CORRAL_BASE_ID_SIZE];
	struct writer w = { .s = s, .path = path, .only_id = id, .deadline_nsec = deadline_nsec };
	struct corral_buf rest;
	const struct corral_files_source source = { buf_get, &rest };
	uint64_t n = 0;
	int r = corral_base_whole(s, path, CORRAL_FILES_EDIT_MAX, deadline_nsec, &old, id, err);

	if (r < 0)
		return r;
	r = files_text_edit(old.data ? old.data : "", old.len, path, edit, &new, &n, err);
	if (r == -ENOMSG || r == -ENOTUNIQ)
		*ret_occurrences = n;
	if (r < 0)
		return r;
	rest = new;
	r = write_all(&w, &source, err);
	if (r == 0)
		*ret_occurrences = edit->replace_all ? n : 1;
	return r;
}

int corral_base_edit(struct corral_backend *b, const char *path,
                     const struct corral_files_edit *edit, uint64_t *ret_occurrences,
                     struct corral_error *err)
{
	uint64_t deadline = corral_base_deadline(CORRAL_FILES_COPY_TIMEOUT_MS);
	int r = -EAGAIN;

	/* Somebody else wrote it meanwhile: that is what is to be edited. */
	for (int i = 0; r == -EAGAIN && i < TRIES; i++)
		r = edit_once(to_base(b), path, edit, deadline, ret_occurrences, err);
	return r == -EAGAIN ? corral_error_set(err, EIO, "'%s' changed while it was edited", path)
	                    : r;
}
