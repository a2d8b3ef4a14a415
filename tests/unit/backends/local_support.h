/* A directory with something outside beside it, and a local backend on it. */
#ifndef CORRAL_TESTS_UNIT_BACKENDS_LOCAL_SUPPORT_H
#define CORRAL_TESTS_UNIT_BACKENDS_LOCAL_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/local.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

struct place {
	char top[64];                   /* holds root/, other/ and secret.txt */
	char root[80], other[80];       /* allowed, when a test says so */
	struct corral_backend *b;       /* on root alone */
	struct corral_backend *further; /* on what a test makes */
	int fd;                         /* of root */
	struct corral_error err;
};

static inline void host_text(const char *dir, const char *name, const char *text)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static inline int place_setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct corral_local_options o = { .no_cgroup = true };

	assert_non_null(p);
	(void)snprintf(p->top, sizeof(p->top), "/tmp/corral-local-XXXXXX");
	assert_non_null(mkdtemp(p->top));
	(void)snprintf(p->root, sizeof(p->root), "%s/root", p->top);
	(void)snprintf(p->other, sizeof(p->other), "%s/other", p->top);
	host_text(p->top, "secret.txt", "secret\n");
	o.root_dir = p->root;
	if (corral_local_backend_new(&o, &p->b, &p->err) < 0)
		fail_msg("%s", p->err.text);
	p->fd = open(p->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->fd >= 0);
	*state = p;
	return 0;
}

static inline int wipe_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int place_teardown(void **state)
{
	struct place *p = *state;

	corral_backend_close(p->b);
	corral_backend_close(p->further);
	(void)close(p->fd);
	(void)nftw(p->top, wipe_one, 16, FTW_DEPTH | FTW_PHYS);
	free(p);
	return 0;
}

#define OK(p, call)                                               \
	do {                                                      \
		if ((call) < 0)                                   \
			fail_msg("%s: %s", #call, (p)->err.text); \
	} while (0)

#define FAILS(p, call, number, words)                                         \
	do {                                                                  \
		memset(&(p)->err, 0, sizeof((p)->err));                       \
		assert_int_equal((call), -(number));                          \
		if (!strstr((p)->err.text, (words)))                          \
			fail_msg("'%s' has no '%s'", (p)->err.text, (words)); \
	} while (0)

static inline void put(struct place *p, const char *path, const char *text)
{
	OK(p, corral_backend_write(p->b, path, text, strlen(text), &p->err));
}

static inline void assert_file(struct place *p, struct corral_backend *b, const char *path,
                               const char *text)
{
	struct corral_buf data = CORRAL_BUF_INIT;

	OK(p, corral_backend_read_bytes(b, path, 0, &data, &p->err));
	assert_string_equal(data.data ? data.data : "", text);
	corral_buf_done(&data);
}

#endif
