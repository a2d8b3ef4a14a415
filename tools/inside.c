#include "tools/inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

struct list {
	struct corral_inside *items;
	size_t n, size;
};

/* The text of a small file of a process, cut where it is longer: its length, or -1. */
static ssize_t file_read(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	corral_autofd int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, size - 1);
	buf[n < 0 ? 0 : n] = '\0';
	return n;
}

static int stat_read(pid_t pid, struct corral_inside *ret)
{
	char text[1024], *rest;
	uint64_t in_user = 0, in_kernel = 0;
	int64_t rss = 0;

	if (file_read(pid, "stat", text, sizeof(text)) <= 0)
		return -ESRCH;
	/* The name may hold anything, parentheses as well. */
	rest = strrchr(text, ')');
	if (!rest ||
	    sscanf(rest + 1,
	           " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
	           " %*d %*d %*d %*d %" SCNu64 " %*d %*u %*u %" SCNd64,
	           &ret->state, &ret->host_parent, &in_user, &in_kernel, &ret->threads, &rss) != 6)
		return -ESRCH;
	ret->host_pid = pid;
	ret->cpu_ticks = in_user + in_kernel;
	ret->rss_bytes = rss > 0 ? (uint64_t)rss * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
	*rest = '\0';
	(void)snprintf(ret->command, sizeof(ret->command), "[%.200s]",
	               strchr(text, '(') ? strchr(text, '(') + 1 : "?");
	return 0;
}

static int all_read(struct list *l, struct corral_error *err)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;

	if (!dir)
		return corral_error_sys(err, errno, "open /proc");
	while ((entry = readdir(dir))) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);

		if (*end || pid <= 0)
			continue;
		if (l->n == l->size) {
			size_t size = l->size ? 2 * l->size : 256;
			struct corral_inside *more = reallocarray(l->items, size, sizeof(*more));

			if (!more) {
				(void)closedir(dir);
				return corral_error_sys(err, ENOMEM, "read /proc");
			}
			l->items = more;
			l->size = size;
		}
		if (stat_read((pid_t)pid, &l->items[l->n]) == 0)
			l->n++;
	}
	(void)closedir(dir);
	return 0;
}

static int by_host_pid(const void *left, const void *right)
{
	const struct corral_inside *a = left, *b = right;

	return (a->host_pid > b->host_pid) - (a->host_pid < b->host_pid);
}

static int by_guest_pid(const void *left, const void *right)
{
	const struct corral_inside *a = left, *b = right;

	return a->guest_pid != b->guest_pid
	               ? (a->guest_pid > b->guest_pid) - (a->guest_pid < b->guest_pid)
	               : by_host_pid(left, right);
}

/* Orphans in a sandbox become init's children: what is in it is what descends from init. */
static bool descends(const struct list *l, const struct corral_inside *p, pid_t init_pid)
{
	for (size_t depth = 0; depth <= l->n; depth++) {
		const struct corral_inside key = { .host_pid = p->host_parent };

		if (p->host_pid == init_pid)
			return true;
		p = l->n ? bsearch(&key, l->items, l->n, sizeof(key), by_host_pid) : NULL;
		if (!p)
			return false;
	}
	return false;
}

/* "Tgid:\t1" and the like: the last of the numbers of a line, or of the first two. */
static long line_number(const char *text, const char *key, bool last)
{
	const char *at = strstr(text, key);
	long n = -1;
	char *end;

	if (!at)
		return -1;
	at += strlen(key);
	while (*at && *at != '\n') {
		long next = strtol(at, &end, 10);

		if (end == at)
			break;
		n = next;
		at = end;
		if (!last)
			break;
	}
	return n;
}

/* An id as the process's own user namespace has it. */
static uint32_t guest_id(pid_t pid, uint64_t host_uid)
{
	char text[4096];
	uint64_t inside, outside, n;
	int used;

	if (file_read(pid, "uid_map", text, sizeof(text)) <= 0)
		return UINT32_MAX;
	for (const char *at = text;
	     sscanf(at, "%" SCNu64 " %" SCNu64 " %" SCNu64 "%n", &inside, &outside, &n, &used) == 3;
	     at += used)
		if (host_uid >= outside && host_uid - outside < n)
			return (uint32_t)(inside + (host_uid - outside));
	return UINT32_MAX;
}

static void details_read(struct corral_inside *p)
{
	char text[4096];
	long uid, guest_pid;
	ssize_t n;

	if (file_read(p->host_pid, "status", text, sizeof(text)) > 0) {
		uid = line_number(text, "\nUid:", false);
		guest_pid = line_number(text, "\nNSpid:", true);
		p->guest_pid = guest_pid > 0 ? (pid_t)guest_pid : 0;
		p->guest_uid = uid < 0 ? UINT32_MAX : guest_id(p->host_pid, (uint64_t)uid);
	}
	n = file_read(p->host_pid, "cmdline", text, sizeof(p->command));
	if (n <= 0)
		return;
	while (n > 0 && !text[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = ' ';
	text[n] = '\0';
	if (n)
		memcpy(p->command, text, (size_t)n + 1);
}

int corral_inside_list(pid_t init_pid, struct corral_inside **ret, size_t *ret_n,
                       struct corral_error *err)
{
	struct list all = { .items = NULL };
	corral_autofree bool *is_inside = NULL;
	size_t n = 0;
	int r = all_read(&all, err);

	if (r == 0 && !all.n)
		r = corral_error_set(err, ESRCH, "/proc shows no process at all");
	if (r == 0) {
		qsort(all.items, all.n, sizeof(*all.items), by_host_pid);
		is_inside = calloc(all.n, sizeof(*is_inside));
		if (!is_inside)
			r = corral_error_sys(err, ENOMEM, "read /proc");
	}
	if (r < 0 || !is_inside) {
		free(all.items);
		return r;
	}
	for (size_t i = 0; i < all.n; i++)
		is_inside[i] = descends(&all, &all.items[i], init_pid);
	for (size_t i = 0; i < all.n && n < CORRAL_INSIDE_MAX; i++)
		if (is_inside[i])
			all.items[n++] = all.items[i];
	for (size_t i = 0; i < n; i++) {
		all.items[i].guest_pid = 0;
		all.items[i].guest_uid = UINT32_MAX;
		details_read(&all.items[i]);
	}
	if (n)
		qsort(all.items, n, sizeof(*all.items), by_guest_pid);
	*ret = all.items;
	*ret_n = n;
	return 0;
}
