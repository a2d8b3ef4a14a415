/*
 * Images for tests, made by hand: a root of busybox's, in a store of the test's own. Include after
 * <cmocka.h> and tests/support.h.
 */
#ifndef CORRAL_TESTS_REAL_IMAGE_SUPPORT_H
#define CORRAL_TESTS_REAL_IMAGE_SUPPORT_H

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/make.h"
#include "kernel/image/oci/digest.h"
#include "kernel/image/oci/manifest.h"

#define IMAGE_BUSYBOX "/bin/busybox"

/* Static, so that it runs alone. */
static inline bool has_busybox(void)
{
	static const char interpreter[] = "/ld-linux";
	char head[4096] = "";
	int fd = open(IMAGE_BUSYBOX, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, head, sizeof(head));

	if (fd >= 0)
		(void)close(fd);
	return n > 0 && !memmem(head, (size_t)n, interpreter, strlen(interpreter));
}

static inline void image_folder(const char *path)
{
	char part[PATH_MAX];

	for (const char *p = path; *p; p++)
		if (p[1] == '/' || !p[1]) {
			(void)snprintf(part, sizeof(part), "%.*s", (int)(p - path + 1), path);
			if (mkdir(part, 0755) < 0)
				assert_int_equal(errno, EEXIST);
		}
}

static inline void image_file(const char *root, const char *name, const char *text, mode_t mode)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	*strrchr(path, '/') = '\0';
	image_folder(path);
	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

/* How many there are in one of the store's directories. */
static inline size_t image_entries(const char *store, const char *name)
{
	char path[PATH_MAX];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/%s", store, name);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		(void)closedir(d);
	return n;
}

/* /bin/sh and what else test programs call. */
static inline void image_busybox(const char *root)
{
	static const char *const names[] = { "sh",   "cat",   "rm",  "mkdir",    "ls",
		                             "echo", "sleep", "id",  "chown",    "chmod",
		                             "ln",   "grep",  "env", "test",     "touch",
		                             "true", "stat",  "mv",  "readlink", "dd" };
	char path[PATH_MAX];
	struct stat st = { .st_size = 0 };
	int from, to;

	(void)snprintf(path, sizeof(path), "%s/bin", root);
	image_folder(path);
	(void)snprintf(path, sizeof(path), "%s/bin/busybox", root);
	from = open(IMAGE_BUSYBOX, O_RDONLY | O_CLOEXEC);
	to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	assert_true(from >= 0 && to >= 0 && fstat(from, &st) == 0);
	assert_int_equal(sendfile(to, from, NULL, (size_t)st.st_size), st.st_size);
	(void)close(from);
	(void)close(to);
	for (size_t i = 0; i < CORRAL_COUNT(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/bin/%s", root, names[i]);
		assert_int_equal(symlink("busybox", path), 0);
	}
}

static inline void image_blob(struct corral_image_store *s, const char *text,
                              char digest[CORRAL_DIGEST_SIZE])
{
	struct corral_image_blob *b = NULL;
	uint64_t size;

	corral_digest_of(text, strlen(text), digest);
	assert_int_equal(corral_image_blob_begin(s, digest, NULL, &b, &size, NULL), 0);
	if (!b)
		return;
	assert_int_equal(pwrite(corral_image_blob_fd(b), text, strlen(text), 0), strlen(text));
	assert_int_equal(corral_image_blob_commit_take(b, NULL), 0);
}

/*
 * An image of one layer with that configuration ("{...}" of "config"): fill puts its files under
 * root, a path of the host.
 */
static inline void image_make(struct corral_image_store *s, const char *name, const char *config,
                              void (*fill)(const char *root))
{
	struct corral_image *i = calloc(1, sizeof(*i));
	struct corral_image_layer_making *m = NULL;
	struct corral_error err = { 0 };
	char diff_id[CORRAL_DIGEST_SIZE], id[CORRAL_DIGEST_SIZE], config_id[CORRAL_DIGEST_SIZE];
	char tree[512], text[2048];

	assert_non_null(i);
	assert_int_equal(corral_image_layer_begin(s, NULL, NULL, &m, &err), 0);
	(void)snprintf(tree, sizeof(tree), "%s/tree", corral_image_layer_making_path(m));
	assert_int_equal(mkdir(tree, 0755), 0);
	fill(tree);
	image_file(corral_image_layer_making_path(m), "gone", "", 0600);
	corral_digest_of(name, strlen(name), diff_id);
	if (corral_image_layer_commit_take(m, diff_id, &err) < 0)
		fail_msg("%s", err.text);
	(void)snprintf(text, sizeof(text),
	               "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":%s,\"rootfs\":{"
	               "\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
	               config, diff_id);
	image_blob(s, text, config_id);
	if (corral_image_config_parse(text, strlen(text), i, &err) < 0)
		fail_msg("%s", err.text);
	(void)snprintf(text, sizeof(text), "{\"config\":\"%s\"}", config_id);
	image_blob(s, text, id);
	i->id = strdup(id);
	i->config_id = strdup(config_id);
	i->blobs = calloc(2, sizeof(*i->blobs));
	i->blobs[0] = strdup("");
	i->built_for = strdup("");
	if (corral_image_commit(s, i, name, NULL, &err) < 0)
		fail_msg("%s", err.text);
	corral_image_free(i);
}

#endif
