/* A temporary tree, a view on it, and short ways to fill and look at it. */
#ifndef CORRAL_TESTS_UNIT_FILES_SUPPORT_H
#define CORRAL_TESTS_UNIT_FILES_SUPPORT_H

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

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/files/files.h"

struct tree {
	char path[64];
	int fd;
	struct corral_files *open; /* unconfined */
	struct corral_files *confined;
	struct corral_files *walked; /* confined, without openat2 */
	struct corral_error err;
};

static inline void tree_file(const struct tree *t, const char *path, const void *data, size_t len)
{
	int fd = openat(t->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	(void)close(fd);
}

static inline void tree_text(const struct tree *t, const char *path, const char *text)
{
	tree_file(t, path, text, strlen(text));
}

static inline void tree_dir(const struct tree *t, const char *path)
{
	assert_int_equal(mkdirat(t->fd, path, 0755), 0);
}

/* Directories, whose names end with a slash, and files with that text in them; NULL at the end. */
static inline void tree_put_all(const struct tree *t, const char *text, const char *const *names)
{
	for (; *names; names++) {
		if ((*names)[strlen(*names) - 1] == '/')
			tree_dir(t, *names);
		else
			tree_text(t, *names, text);
	}
}
#define tree_make(t, text, ...) \
	tree_put_all((t), (text), (const char *const[]) { __VA_ARGS__, NULL })

/* The file as large as that, with a hole at its end. */
static inline void tree_grow(const struct tree *t, const char *path, off_t size)
{
	corral_autofd int fd = openat(t->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
}

static inline void tree_link(const struct tree *t, const char *target, const char *path)
{
	assert_int_equal(symlinkat(target, t->fd, path), 0);
}

/* What the file holds; the caller frees. */
static inline char *tree_content(const struct tree *t, const char *path, size_t *ret_len)
{
	corral_autofd int fd = openat(t->fd, path, O_RDONLY | O_CLOEXEC);
	struct corral_buf b = CORRAL_BUF_INIT;

	assert_true(fd >= 0);
	assert_int_equal(corral_buf_read_fd(&b, fd, 256u << 20), 0);
	if (ret_len)
		*ret_len = b.len;
	return corral_buf_take(&b);
}

static inline void assert_content(const struct tree *t, const char *path, const char *text)
{
	char *content = tree_content(t, path, NULL);

	assert_string_equal(content, text);
	free(content);
}

static inline int tree_setup(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	(void)snprintf(t->path, sizeof(t->path), "/tmp/corral-files-XXXXXX");
	assert_non_null(mkdtemp(t->path));
	t->fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(corral_files_open(t->fd, 0, &t->open, NULL), 0);
	assert_int_equal(corral_files_open(t->fd, CORRAL_FILES_CONFINED, &t->confined, NULL), 0);
	assert_int_equal(corral_files_open(t->fd, CORRAL_FILES_CONFINED | CORRAL_FILES_NO_OPENAT2,
	                                   &t->walked, NULL),
	                 0);
	*state = t;
	return 0;
}

static inline int tree_wipe(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int tree_teardown(void **state)
{
	struct tree *t = *state;

	corral_files_close(t->open);
	corral_files_close(t->confined);
	corral_files_close(t->walked);
	(void)close(t->fd);
	(void)nftw(t->path, tree_wipe, 32, FTW_DEPTH | FTW_PHYS);
	free(t);
	return 0;
}

/* Root goes on as somebody who has no rights, until be_oneself(); skips where it cannot. */
static inline void be_nobody(void)
{
	if (geteuid() == 0 && seteuid(65534) < 0)
		skip();
}

static inline void be_oneself(void)
{
	assert_int_equal(seteuid(getuid()), 0);
}

/* Skips where the file system has no files without a name. */
static inline void need_unnamed_files(const struct tree *t)
{
	corral_autofd int fd = openat(t->fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0)
		skip();
}

/* The text without its NUL. */
static inline void tree_put(char *at, const char *text)
{
	while (*text)
		*at++ = *text++;
}

/* A source of memory, and a sink into a buffer. */
struct tree_memory {
	const char *data;
	size_t len, at;
	size_t step; /* at most so much at once; 0: all */
};

static inline long tree_memory_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct tree_memory *m = ctx;
	size_t len = m->len - m->at;

	(void)err;
	if (len > size)
		len = size;
	if (m->step && len > m->step)
		len = m->step;
	if (len)
		memcpy(data, m->data + m->at, len);
	m->at += len;
	return (long)len;
}

static inline int tree_buf_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	(void)err;
	assert_true(len > 0 && len <= CORRAL_FILES_CHUNK);
	corral_buf_add(ctx, data, len);
	return 0;
}

static inline int tree_write(struct tree *t, const struct corral_files *f, const char *path,
                             const void *data, size_t len)
{
	struct tree_memory m = { data, len, 0, 0 };
	struct corral_files_source source = { tree_memory_get, &m };

	return corral_files_write(f, path, 0, NULL, &source, NULL, &t->err);
}

#define tree_test(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

#endif
