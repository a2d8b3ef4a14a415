/* A store in a directory of its own, and what tests of it say often. */
#ifndef CORRAL_TESTS_UNIT_BACKENDS_SESSIONS_STORE_SUPPORT_H
#define CORRAL_TESTS_UNIT_BACKENDS_SESSIONS_STORE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backends/sessions/store.h"
#include "kernel/base/cleanup.h"
#include "kernel/disk.h"
#include "kernel/layers/layers.h"
#include "policy/config.h"
#include "tests/support.h"

struct place {
	char root[64];
	struct corral_session_store *store;
	struct corral_runtime *runtime;
	struct corral_error err;
	bool on_disk; /* sessions have a disk each */
};

/* Small enough that nothing waits, and large enough for a few. */
#define ON_DISK                                                                     \
	"{\"name\": \"host\", \"disk_backing\": \"image\", \"limits\": {\"disk\": " \
	"\"4M\", \"disk_inodes\": 800}}"

#define OK(p, call)                                               \
	do {                                                      \
		(p)->err.text[0] = '\0';                          \
		if ((call) < 0)                                   \
			fail_msg("%s: %s", #call, (p)->err.text); \
	} while (0)
#define FAILS(p, call, code, part)                                                         \
	do {                                                                               \
		int fails_ = (call);                                                       \
		if (fails_ != -(code) || !strstr((p)->err.text, part))                     \
			fail_msg("%s: %d '%s', not %d '%s'", #call, fails_, (p)->err.text, \
			         -(code), part);                                           \
	} while (0)

static inline void place_make(struct place *p, const char *runtime)
{
	memset(p, 0, sizeof(*p));
	/* In memory where that can be: the disk is waited for often. */
	(void)snprintf(p->root, sizeof(p->root), "%s/corral-store-XXXXXX",
	               access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(p->root));
	OK(p, corral_runtime_parse(runtime, strlen(runtime), &p->runtime, &p->err));
	p->on_disk = p->runtime->disk_backing == CORRAL_DISK_IMAGE;
	OK(p, corral_session_store_open(p->root, &p->store, &p->err));
}

/* A disk stays until the next one is asked for. */
static struct corral_config *session_held;
static inline void session_held_close(void)
{
	corral_config_free(session_held);
	session_held = NULL;
}

static inline void place_close(struct place *p)
{
	corral_session_store_close(p->store);
	p->store = NULL;
}

static inline void place_remove(struct place *p)
{
	char *name = strrchr(p->root, '/');
	int above;

	session_held_close();
	place_close(p);
	corral_runtime_free(p->runtime);
	*name = '\0';
	above = open(p->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*name = '/';
	assert_int_equal(corral_layer_remove(above, name + 1, &p->err), 0);
	(void)close(above);
}

/* Of a closed store: as if nobody had opened it yet. */
static inline void place_empty(struct place *p)
{
	struct corral_runtime *runtime = p->runtime;

	p->runtime = NULL;
	place_remove(p);
	assert_int_equal(mkdir(p->root, 0700), 0);
	p->runtime = runtime;
}

static inline int place_setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	place_make(p, "{\"name\": \"host\"}");
	*state = p;
	return 0;
}

static inline int disk_setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	place_make(p, ON_DISK);
	*state = p;
	return 0;
}

/* False, and skips the test, where there can be none. */
static inline bool disks_are_there(void)
{
	struct corral_error why = { 0 };

	if (corral_test_needs_root("disks of sessions are root's"))
		return false;
	if (corral_disk_possible(&why) == 0)
		return true;
	/* Which kernel it is does the machine no wrong. */
	print_message("skipped: no disks of sessions here: %s\n", why.text);
	skip();
	return false;
}

/* How many loop devices have a file below that directory; waits for those that are on their way
 * out. */
static inline unsigned int loops_of(const char *root)
{
	const struct timespec nap = { .tv_nsec = 20000000 };
	unsigned int n = 0;

	for (int i = 0; i < 100; i++) {
		DIR *d = opendir("/sys/block");
		const struct dirent *e;

		n = 0;
		while (d && (e = readdir(d))) {
			char path[300], file[300] = "";
			int fd;

			(void)snprintf(path, sizeof(path), "/sys/block/%.64s/loop/backing_file",
			               e->d_name);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			if (fd < 0)
				continue;
			n += read(fd, file, sizeof(file) - 1) > 0 &&
			     strncmp(file, root, strlen(root)) == 0;
			(void)close(fd);
		}
		if (d)
			(void)closedir(d);
		if (!n)
			break;
		(void)nanosleep(&nap, NULL);
	}
	return n;
}

static inline int place_teardown(void **state)
{
	place_remove(*state);
	free(*state);
	return 0;
}

static inline void place_reopen(struct place *p)
{
	place_close(p);
	OK(p, corral_session_store_open(p->root, &p->store, &p->err));
}

static inline void session_make(struct place *p, const char *id, bool history)
{
	struct corral_session_order o = { .id = id,
		                          .runtime = p->runtime,
		                          .isolation = CORRAL_ISOLATION_NATIVE,
		                          .history = history };

	OK(p, corral_session_store_create(p->store, &o, NULL, &p->err));
}

/* A path of a configuration, as a policy would have it. */
static inline void config_path(const struct corral_config *c, const char *path, char ret[256])
{
	if (c->has_disk)
		(void)snprintf(ret, 256, "/proc/self/fd/%d/%s", c->disk_fd, path);
	else
		(void)snprintf(ret, 256, "%s", path);
}

/* Of the layer that a sandbox would write to; the caller frees. */
static inline char *session_top(struct place *p, const char *id)
{
	struct corral_config *c = NULL;
	char path[256];

	OK(p, corral_session_store_config(p->store, id, &c, &p->err));
	config_path(c, c->keep, path);
	session_held_close();
	if (c->has_disk)
		session_held = c;
	else
		corral_config_free(c);
	return strdup(path);
}

/* What a sandbox would have written to its work directory; text NULL: removed, as overlayfs does
 * where a layer beneath has it (a whiteout takes root; tests without it remove what is theirs). */
static inline void file_put(struct place *p, const char *id, const char *name, const char *text)
{
	corral_autofree char *top = session_top(p, id);
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/u2/%s", top, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

/* Of the session as a sandbox would see it: the first layer that has it. "" where there is none. */
static inline void file_get(struct place *p, const char *id, const char *name, char ret[64])
{
	struct corral_session_stack k = { 0 };
	ssize_t n = 0;

	OK(p, corral_session_stack_open(p->store, id, &k, &p->err));
	ret[0] = '\0';
	for (size_t i = 0; i < k.stack.n && !ret[0]; i++) {
		char path[256];
		int fd;

		(void)snprintf(path, sizeof(path), "%s/u2/%s", k.paths[i], name);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			continue;
		n = read(fd, ret, 63);
		ret[n < 0 ? 0 : n] = '\0';
		(void)close(fd);
	}
	corral_session_stack_close(&k);
}

#define HAS(p, id, name, text)                   \
	do {                                     \
		char has_[64];                   \
		file_get(p, id, name, has_);     \
		assert_string_equal(has_, text); \
	} while (0)

static inline unsigned int entries(struct place *p, const char *dir)
{
	char path[128];
	const struct dirent *e;
	unsigned int n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/%s", p->root, dir);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

static inline unsigned int session_layers(struct place *p, const char *id)
{
	struct corral_session_record r = { 0 };
	unsigned int n;

	OK(p, corral_session_store_find(p->store, id, &r, &p->err));
	n = r.n_layers;
	corral_session_record_done(&r);
	return n;
}

#endif
