/* A store in a directory of its own, with layers and images made by hand. Include after <cmocka.h>.
 */
#ifndef CORRAL_TESTS_UNIT_IMAGE_STORE_SUPPORT_H
#define CORRAL_TESTS_UNIT_IMAGE_STORE_SUPPORT_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/store_state.h"
#include "kernel/layers/layers.h"
#include "tests/support.h"

struct place {
	char root[64];
	struct corral_image_store *store;
	struct corral_error err;
};

#define OK(p, call)                                                                    \
	do {                                                                           \
		(p)->err.code = 0;                                                     \
		if ((call) < 0)                                                        \
			fail_msg("%s: %s", #call, (p)->err.code ? (p)->err.text : ""); \
	} while (0)

static inline void place_open(struct place *p)
{
	OK(p, corral_image_store_open(p->root, true, &p->store, &p->err));
	if (p->store)
		p->store->unsynced = true;
}

static inline void place_make(struct place *p)
{
	memset(p, 0, sizeof(*p));
	/* In memory, as a disk takes its time for so many small files. */
	(void)snprintf(p->root, sizeof(p->root), "%s/corral-images-test-XXXXXX",
	               access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(p->root));
	place_open(p);
}

static inline void place_close(struct place *p)
{
	corral_image_store_close(p->store);
	p->store = NULL;
}

static inline void place_remove(struct place *p)
{
	char *name = strrchr(p->root, '/');
	int above;

	place_close(p);
	if (!name)
		return;
	*name = '\0';
	above = open(p->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(above >= 0);
	OK(p, corral_layer_remove(above, name + 1, &p->err));
	(void)close(above);
}

/* A file beneath a directory, with the text that it is to hold. */
static inline void text_put(int dir_fd, const char *path, const char *text, mode_t mode)
{
	int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

/*
 * The tree of a layer, one word for each entry: "usr/" is a directory, "usr/a=text" a file,
 * "usr/b->a" a link, "usr/c==usr/a" one more name of a file; "-usr/a" takes away, "~usr" all that
 * is in a directory, and "?usr" says that the archive had no entry of it.
 */
static inline void tree_fill(int layer_fd, const char *const *words)
{
	char gone[4096];
	size_t n = 0;
	int tree, fd;

	assert_int_equal(mkdirat(layer_fd, "tree", 0755), 0);
	tree = openat(layer_fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(tree >= 0);
	for (; *words; words++) {
		char word[256], *at;
		size_t len;

		(void)snprintf(word, sizeof(word), "%s", *words);
		len = strlen(word);
		if (word[0] == '?') {
			n += (size_t)snprintf(gone + n, sizeof(gone) - n, "I%s", word + 1) + 1;
		} else if (word[0] == '~') {
			n += (size_t)snprintf(gone + n, sizeof(gone) - n, "O%s", word + 1) + 1;
		} else if (word[0] == '-') {
			n += (size_t)snprintf(gone + n, sizeof(gone) - n, "D%s", word + 1) + 1;
		} else if (word[len - 1] == '/') {
			word[len - 1] = '\0';
			assert_int_equal(mkdirat(tree, word, 0755), 0);
		} else if ((at = strstr(word, "->"))) {
			*at = '\0';
			assert_int_equal(symlinkat(at + 2, tree, word), 0);
		} else if ((at = strstr(word, "=="))) {
			*at = '\0';
			assert_int_equal(linkat(tree, at + 2, tree, word, 0), 0);
		} else {
			at = strchr(word, '=');
			assert_non_null(at);
			*at = '\0';
			text_put(tree, word, at + 1, 0644);
		}
	}
	(void)close(tree);
	fd = openat(layer_fd, "gone", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, gone, n), n);
	(void)close(fd);
}

/* "sha256:..." of a text, which stands for a layer's archive. */
static inline const char *digest_of(const char *text, char ret[80])
{
	char hex[STORE_HEX_SIZE];

	store_hash(text, strlen(text), hex);
	(void)snprintf(ret, 80, "sha256:%s", hex);
	return ret;
}

static inline void layer_make(struct place *p, const char *name, const char *const *words)
{
	struct corral_image_layer_making *m = NULL;
	char id[80];
	int fd;

	OK(p, corral_image_layer_begin(p->store, digest_of(name, id), NULL, &m, &p->err));
	if (!m)
		return;
	fd = open(corral_image_layer_making_path(m), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	tree_fill(fd, words);
	(void)close(fd);
	OK(p, corral_image_layer_commit_take(m, id, &p->err));
}

static inline void blob_make(struct place *p, const char *text, char ret[80])
{
	struct corral_image_blob *b = NULL;
	uint64_t size = 0;

	OK(p, corral_image_blob_begin(p->store, digest_of(text, ret), NULL, &b, &size, &p->err));
	if (!b)
		return;
	assert_int_equal(ftruncate(corral_image_blob_fd(b), 0), 0);
	assert_int_equal(pwrite(corral_image_blob_fd(b), text, strlen(text), 0), strlen(text));
	OK(p, corral_image_blob_commit_take(b, &p->err));
}

static inline char **texts_of(const char *const *words, size_t *ret_n)
{
	char **texts;
	size_t n = 0;

	while (words[n])
		n++;
	texts = calloc(n + 1, sizeof(*texts));
	assert_non_null(texts);
	for (size_t i = 0; i < n; i++)
		texts[i] = strdup(words[i]);
	*ret_n = n;
	return texts;
}

/* Of layers that are there, by their names; what says which image it is to be. */
static inline struct corral_image *image_of(struct place *p, const char *what,
                                            const char *const *layers)
{
	struct corral_image *i = calloc(1, sizeof(*i));
	char text[512], digest[80];

	assert_non_null(i);
	(void)snprintf(text, sizeof(text), "manifest of %s", what);
	blob_make(p, text, digest);
	i->id = strdup(digest);
	(void)snprintf(text, sizeof(text), "{\"what\": \"%s\"}", what);
	blob_make(p, text, digest);
	i->config_id = strdup(digest);
	i->layers = texts_of(layers, &i->n_layers);
	i->blobs = calloc(i->n_layers + 1, sizeof(*i->blobs));
	assert_non_null(i->blobs);
	for (size_t k = 0; k < i->n_layers; k++) {
		char name[256];

		(void)snprintf(name, sizeof(name), "%s", i->layers[k]);
		free(i->layers[k]);
		i->layers[k] = strdup(digest_of(name, digest));
		(void)snprintf(text, sizeof(text), "blob of %s", name);
		blob_make(p, text, digest);
		i->blobs[k] = strdup(digest);
	}
	return i;
}

static inline void image_make(struct place *p, const char *name, const char *what,
                              const char *const *layers)
{
	struct corral_image *i = image_of(p, what, layers);

	OK(p, corral_image_commit(p->store, i, name, NULL, &p->err));
	corral_image_free(i);
}

#define WORDS(...) ((const char *const[]) { __VA_ARGS__, NULL })

static inline unsigned int entries(struct place *p, enum store_dir dir)
{
	struct store_list list = { 0 };
	unsigned int n;

	OK(p, store_list(p->store, dir, NULL, &list, &p->err));
	n = (unsigned int)list.n;
	store_list_done(&list);
	return n;
}

#endif
