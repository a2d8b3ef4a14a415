/*
 * Archives made by hand, as nobody well-meaning would, and trees as one line of text. Include after
 * <cmocka.h>.
 */
#ifndef CORRAL_TESTS_OCI_ARCHIVE_SUPPORT_H
#define CORRAL_TESTS_OCI_ARCHIVE_SUPPORT_H

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/image/oci/tar_header.h"
#include "kernel/layers/layers.h"

struct item {
	char type; /* of tar; 0 ends a list */
	const char *name;
	const char *text; /* content, or where a link leads */
	unsigned int mode;
};

static inline void item_add(struct corral_buf *b, const struct item *i)
{
	bool is_file = i->type == '0' && i->text;
	bool is_link = i->type == '1' || i->type == '2';
	struct tar_entry e = { .type = i->type,
		               .path = i->name,
		               .link = is_link ? i->text : NULL,
		               .mode = i->mode          ? i->mode
		                       : i->type == '5' ? 0755
		                                        : 0644,
		               .size = is_file ? strlen(i->text) : 0 };

	tar_header(b, &e);
	if (!is_file)
		return;
	corral_buf_str(b, i->text);
	tar_padding(b, e.size);
}

static inline void archive_make(struct corral_buf *b, const struct item *items)
{
	for (; items->type; items++)
		item_add(b, items);
	tar_end(b);
	assert_false(b->failed);
}

/* From its start. */
static inline int archive_fd(const char *data, size_t len)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t at = 0; at < len;) {
		ssize_t n = write(fd, data + at, len - at);

		assert_true(n > 0);
		at += (size_t)n;
	}
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static inline int tree_select(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static inline void tree_file_add(struct corral_buf *b, int dir_fd, const char *name)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	assert_true(fd >= 0);
	assert_int_equal(corral_buf_read_fd(&text, fd, 1 << 20), 0);
	(void)close(fd);
	corral_buf_fmt(b, "=%s", text.len ? text.data : "");
}

/* "a/ a/f=text l->a p|": sorted. */
static inline void tree_add(struct corral_buf *b, int dir_fd, const char *prefix)
{
	struct dirent **list = NULL;
	int n = scandirat(dir_fd, ".", &list, tree_select, alphasort);

	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		char path[8192], target[4096];
		struct stat st;

		(void)snprintf(path, sizeof(path), "%s%s", prefix, name);
		assert_int_equal(fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
		corral_buf_fmt(b, "%s%s", b->len ? " " : "", path);
		if (S_ISLNK(st.st_mode)) {
			ssize_t len = readlinkat(dir_fd, name, target, sizeof(target));

			assert_true(len > 0);
			corral_buf_fmt(b, "->%.*s", (int)len, target);
		} else if (S_ISDIR(st.st_mode)) {
			int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			corral_buf_str(b, "/");
			(void)strncat(path, "/", sizeof(path) - strlen(path) - 1);
			tree_add(b, fd, path);
			(void)close(fd);
		} else if (S_ISREG(st.st_mode)) {
			tree_file_add(b, dir_fd, name);
		} else {
			corral_buf_str(b, S_ISFIFO(st.st_mode) ? "|" : "?");
		}
		free(list[i]);
	}
	free(list);
}

/* In memory, unless TMPDIR names a place: before Linux 6.3 a tmpfs cannot be id-mapped. */
static inline void scratch_make(char path[64])
{
	const char *dir = getenv("TMPDIR");

	if (!dir || strlen(dir) > 32)
		dir = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void)snprintf(path, 64, "%s/corral-oci-test-XXXXXX", dir);
	assert_non_null(mkdtemp(path));
}

static inline void scratch_remove(char path[64])
{
	char *name = strrchr(path, '/');
	int above;

	*name = '\0';
	above = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(above >= 0);
	assert_int_equal(corral_layer_remove(above, name + 1, NULL), 0);
	(void)close(above);
}

#endif
