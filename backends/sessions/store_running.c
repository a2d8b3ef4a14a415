/*
 * Which layers are locked. Trying each takes microseconds, which is much for thousands of them; all
 * locks of this host are told by one short file. It is believed where it tells all of them (not in
 * a PID namespace, which shows those of its own processes), by the numbers that directories have
 * here (seen by one that is locked), and when it says the same twice, as it is given page by page
 * and may change between; where it is not, each is tried.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/sessions/store_state.h"
#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

#define FEW        64 /* are tried one by one */
#define LOCKS_SIZE 65536
#define LOCKS_MAX  2048
/* The inode of the first PID namespace: PROC_PID_INIT_INO of linux/proc_ns.h. */
#define PID_NAMESPACE_FIRST 0xeffffffcu

/* By opening it: whoever wants the lock meanwhile waits for it (kernel/keep.h). */
static int layer_try(const struct corral_session_store *s, int64_t layer, bool *ret)
{
	char name[24];
	int fd;

	store_layer_name(layer, name);
	fd = openat(s->layers_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	*ret = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;
	return fd;
}

static bool layer_is_locked(const struct corral_session_store *s, int64_t layer)
{
	bool locked;
	int fd = layer_try(s, layer, &locked);

	if (fd >= 0)
		(void)close(fd);
	return locked;
}

struct locked {
	uint64_t inodes[LOCKS_MAX];
	size_t n_inodes;
	int64_t layers[LOCKS_MAX]; /* that may be: another file system has such an inode, too */
	size_t n_layers;
};

static int locks_text(struct corral_buf *ret)
{
	corral_autofd int fd = open("/proc/locks", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : corral_buf_read_fd(ret, fd, LOCKS_SIZE);
}

/* "1: FLOCK  ADVISORY  WRITE 1234 fe:01:5678 0 EOF", the inode in decimal. */
static int locks_read(struct locked *ret)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT, again = CORRAL_BUF_INIT;
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) < 0 || st.st_ino != PID_NAMESPACE_FIRST ||
	    locks_text(&text) < 0 || locks_text(&again) < 0 || text.len != again.len || !text.len ||
	    memcmp(text.data, again.data, text.len) != 0)
		return -ENODATA;
	for (char *rest = text.data, *line; (line = strsep(&rest, "\n")) != NULL;) {
		unsigned long long inode;

		if (ret->n_inodes == LOCKS_MAX)
			return -ENODATA;
		if (sscanf(line, "%*u: %*s %*s %*s %*d %*x:%*x:%llu", &inode) == 1)
			ret->inodes[ret->n_inodes++] = inode;
	}
	return 0;
}

static int layers_match(const struct corral_session_store *s, struct locked *l)
{
	int fd = openat(s->layers_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			(void)close(fd);
		return -ENODATA;
	}
	while ((entry = readdir(dir))) {
		size_t i = 0;

		while (i < l->n_inodes && l->inodes[i] != entry->d_ino)
			i++;
		if (i < l->n_inodes && l->n_layers < LOCKS_MAX)
			l->layers[l->n_layers++] = strtoll(entry->d_name, NULL, 10);
	}
	(void)closedir(dir);
	return 0;
}

static bool is_among(const struct locked *l, int64_t layer)
{
	for (size_t i = 0; i < l->n_layers; i++)
		if (l->layers[i] == layer)
			return true;
	return false;
}

void store_layers_locked(const struct corral_session_store *s, const int64_t *layers, size_t n,
                         bool *ret)
{
	corral_autofree struct locked *l = calloc(1, sizeof(*l));
	corral_autofd int first_fd = -1;
	bool known = false;

	if (n > FEW && l) {
		/* Locked by us, or by another. */
		first_fd = layer_try(s, layers[0], &ret[0]);
		known = first_fd >= 0 && locks_read(l) == 0 && layers_match(s, l) == 0 &&
		        is_among(l, layers[0]);
	}
	for (size_t i = known ? 1 : 0; i < n; i++)
		ret[i] = (!known || is_among(l, layers[i])) && layer_is_locked(s, layers[i]);
}
