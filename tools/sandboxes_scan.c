#include "tools/sandboxes_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "tools/talk.h"

#define RECORD_MAX  ((size_t)64 << 10)
#define RECORDS_MAX 4096u

void corral_record_done(struct corral_record *r)
{
	json_decref(r->words);
	r->words = NULL;
}

void corral_records_free(struct corral_record *records, size_t n)
{
	for (size_t i = 0; i < n; i++)
		corral_record_done(&records[i]);
	free(records);
}

/* "0123456789ab" and "json" of "0123456789ab.json"; any other file is none of ours. */
static const char *split(const char *file, char id[CORRAL_SANDBOX_ID_SIZE])
{
	size_t len = strspn(file, "0123456789abcdef");

	if (len != CORRAL_SANDBOX_ID_SIZE - 1 || file[len] != '.')
		return NULL;
	(void)snprintf(id, CORRAL_SANDBOX_ID_SIZE, "%.*s", CORRAL_SANDBOX_ID_SIZE - 1, file);
	return file + len + 1;
}

static int parse(json_t *words, const char *id, struct corral_record *ret)
{
	const char *name = corral_talk_text(words, "name"), *own = corral_talk_text(words, "id");
	int64_t holder = corral_talk_number(words, "holder_pid", 0),
	        init = corral_talk_number(words, "init_pid", 0);

	if (!own || strcmp(own, id) != 0 || holder < 1 || holder > INT_MAX || init > INT_MAX)
		return -EPROTO;
	if (name && corral_sandbox_name_check(name, NULL) < 0)
		return -EPROTO;
	*ret = (struct corral_record) {
		.created_ms = corral_talk_number(words, "created_ms", 0),
		.holder_pid = (pid_t)holder,
		.init_pid = (pid_t)init,
		.session = corral_talk_text(words, "session"),
		.words = words,
	};
	(void)snprintf(ret->id, sizeof(ret->id), "%s", id);
	(void)snprintf(ret->name, sizeof(ret->name), "%s", name ? name : "");
	return 0;
}

/* 0, or -errno: it is not to be read, which makes it nobody's. */
static int record_read(int fd, const char *id, struct corral_record *ret)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	json_t *words;
	int r = corral_buf_read_fd(&text, fd, RECORD_MAX);

	if (r < 0 || !text.len)
		return r < 0 ? r : -EPROTO;
	words = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	r = words ? parse(words, id, ret) : -EPROTO;
	if (r < 0)
		json_decref(words);
	return r;
}

/* Whether its holder lives, which then has it locked. Several may ask at once. */
static bool is_held(int fd)
{
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK;
	(void)flock(fd, LOCK_UN);
	return false;
}

struct scan {
	const struct corral_sandboxes *s;
	unsigned int flags;
	struct corral_record *records;
	size_t n, size;
	bool stale;
};

static int add(struct scan *scan, const struct corral_record *r)
{
	if (scan->n == scan->size) {
		size_t size = scan->size ? scan->size * 2 : 16;
		struct corral_record *more = reallocarray(scan->records, size, sizeof(*more));

		if (!more)
			return -ENOMEM;
		scan->records = more;
		scan->size = size;
	}
	scan->records[scan->n++] = *r;
	return 0;
}

static int look(struct scan *scan, const char *file)
{
	struct corral_record r = { .words = NULL };
	char id[CORRAL_SANDBOX_ID_SIZE];
	const char *end = split(file, id);
	bool held, is_record = end && !strcmp(end, "json");
	corral_autofd int fd = -1;
	int read = -EPROTO, status = 0;

	if (!end || (!is_record && strcmp(end, "new") != 0))
		return 0;
	/* A FIFO must not make us wait, nor a link lead us away. */
	fd = openat(scan->s->dir_fd, file,
	            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : 0;
	held = is_held(fd);
	scan->stale |= !held;
	if (is_record)
		read = record_read(fd, id, &r);
	if (read == 0 && (scan->flags & (held ? CORRAL_SCAN_LIVE : CORRAL_SCAN_DEAD)) &&
	    scan->n < RECORDS_MAX)
		status = add(scan, &r);
	else
		corral_record_done(&r);
	if (!held && (scan->flags & CORRAL_SCAN_CLEAN))
		corral_sandboxes_remove(scan->s, id);
	return status;
}

static int by_age(const void *left, const void *right)
{
	const struct corral_record *a = left, *b = right;

	if (a->created_ms != b->created_ms)
		return a->created_ms < b->created_ms ? -1 : 1;
	return strcmp(a->id, b->id);
}

int corral_sandboxes_scan(const struct corral_sandboxes *s, unsigned int flags,
                          struct corral_record **ret, size_t *ret_n, bool *ret_stale,
                          struct corral_error *err)
{
	struct scan scan = { .s = s, .flags = flags };
	corral_autofd int fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	int r = 0;

	if (!dir)
		return corral_error_sys(err, errno, "read the directory '%s'", s->path);
	(void)corral_take_fd(&fd);
	while (r == 0 && (entry = readdir(dir)))
		r = look(&scan, entry->d_name);
	(void)closedir(dir);
	if (r < 0) {
		corral_records_free(scan.records, scan.n);
		return corral_error_sys(err, -r, "read the records in '%s'", s->path);
	}
	if (scan.n)
		qsort(scan.records, scan.n, sizeof(*scan.records), by_age);
	if (ret_stale)
		*ret_stale = scan.stale;
	*ret = scan.records;
	*ret_n = scan.n;
	return 0;
}
