/*
 * kernel/image/store.h: what is in a store, what keeps it there, and what goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/wait.h>

#include "kernel/base/buf.h"
#include "kernel/base/clock.h"
#include "tests/unit/image/store_support.h"

static int make(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	place_make(p);
	layer_make(p, "base", WORDS("usr/", "usr/a=1", "usr/b=2"));
	layer_make(p, "top", WORDS("usr/", "usr/c=3", "-usr/b"));
	*state = p;
	return 0;
}

static int unmake(void **state)
{
	place_remove(*state);
	free(*state);
	return 0;
}

static struct corral_image *find(struct place *p, const char *name)
{
	struct corral_image *i = NULL;

	OK(p, corral_image_find(p->store, name, &i, &p->err));
	return i;
}

static void names_are(struct place *p, const char *name, const char *wanted)
{
	corral_auto(corral_image_freep) struct corral_image *i = find(p, name);
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;

	for (size_t k = 0; k < i->n_names; k++)
		corral_buf_fmt(&text, "%s%s", k ? " " : "", i->names[k]);
	assert_string_equal(text.data ? text.data : "", wanted);
}

static void missing(struct place *p, const char *name)
{
	struct corral_image *i = NULL;

	assert_int_equal(corral_image_find(p->store, name, &i, &p->err), -ENOENT);
}

static void removed(struct place *p, const char *name, size_t n_names, size_t n_ids)
{
	struct corral_image_removal gone = { 0 };

	OK(p, corral_image_remove(p->store, name, &gone, &p->err));
	assert_int_equal(gone.n_names, n_names);
	assert_int_equal(gone.n_ids, n_ids);
	corral_image_removal_done(&gone);
}

static void pruned(struct place *p, struct corral_image_prune_options o, size_t n_names,
                   size_t n_ids)
{
	struct corral_image_removal gone = { 0 };

	OK(p, corral_image_prune(p->store, &o, &gone, &p->err));
	assert_int_equal(gone.n_names, n_names);
	assert_int_equal(gone.n_ids, n_ids);
	corral_image_removal_done(&gone);
}

static void holds(struct place *p, unsigned int images, unsigned int roots, unsigned int layers,
                  unsigned int blobs)
{
	assert_int_equal(entries(p, STORE_IMAGES), images);
	assert_int_equal(entries(p, STORE_ROOTS), roots);
	assert_int_equal(entries(p, STORE_LAYERS), layers);
	assert_int_equal(entries(p, STORE_BLOBS), blobs);
	assert_int_equal(entries(p, STORE_PARTIAL), 0);
}

/* --- the store itself --- */

static void store_is_its_users_alone(void **state)
{
	struct place *p = *state;
	struct corral_image_store *s = NULL;
	struct stat st;
	char path[128];

	assert_int_equal(stat(p->root, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(chmod(p->root, 0755), 0);
	assert_int_equal(corral_image_store_open(p->root, true, &s, &p->err), -EPERM);
	assert_non_null(strstr(p->err.text, "chmod 700"));
	assert_int_equal(chmod(p->root, 01777), 0);
	assert_int_equal(corral_image_store_open(p->root, true, &s, &p->err), -EPERM);
	assert_non_null(strstr(p->err.text, "a directory of your own"));
	assert_int_equal(chmod(p->root, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(p->root, 1, 1), 0);
		assert_int_equal(corral_image_store_open(p->root, true, &s, &p->err), -EPERM);
		assert_int_equal(chown(p->root, 0, 0), 0);
	}
	(void)snprintf(path, sizeof(path), "%s/none", p->root);
	assert_int_equal(corral_image_store_open(path, false, &s, &p->err), -ENOENT);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(corral_image_store_open("relative", true, &s, &p->err), -EINVAL);
	/* With those above it. */
	(void)snprintf(path, sizeof(path), "%s/a/b/", p->root);
	OK(p, corral_image_store_open(path, true, &s, &p->err));
	corral_image_store_close(s);
	(void)snprintf(path, sizeof(path), "%s/a", p->root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

/* --- images --- */

static void image_comes_back_as_it_was(void **state)
{
	struct place *p = *state;
	corral_auto(corral_image_freep) struct corral_image *i = image_of(p, "i",
	                                                                  WORDS("base", "top")),
	                                                    *back = NULL;

	i->created_ms = 12345;
	i->os = strdup("linux");
	i->arch = strdup("arm64");
	i->variant = strdup("v8");
	i->env = texts_of(WORDS("A=1", "B=\xc3\xa9 \" \\ \n"), &i->n_env);
	i->user = strdup("daemon:staff");
	i->work_dir = strdup("/srv");
	i->entrypoint = texts_of(WORDS("/bin/sh", "-c"), &i->n_entrypoint);
	i->command = texts_of(WORDS("echo", ""), &i->n_command);
	i->ports = texts_of(WORDS("80/tcp"), &i->n_ports);
	i->labels = texts_of(WORDS("l=v"), &i->n_labels);
	i->stop_signal = strdup("SIGQUIT");
	OK(p, corral_image_commit(p->store, i, "i:1", NULL, &p->err));
	assert_true(i->stored_ms > 0);
	assert_int_equal(i->n_names, 1);
	back = find(p, "i:1");
	assert_string_equal(back->id, i->id);
	assert_string_equal(back->names[0], "docker.io/library/i:1");
	assert_string_equal(back->root_id, i->root_id);
	assert_string_equal(back->config_id, i->config_id);
	assert_int_equal(back->n_layers, 2);
	assert_string_equal(back->layers[1], i->layers[1]);
	assert_string_equal(back->blobs[1], i->blobs[1]);
	assert_true(back->layer_bytes[0] > 0);
	assert_int_equal(back->size_bytes, back->layer_bytes[0] + back->layer_bytes[1]);
	assert_int_equal(back->created_ms, 12345);
	assert_int_equal(back->stored_ms, i->stored_ms);
	assert_string_equal(back->variant, "v8");
	assert_int_equal(back->n_env, 2);
	assert_string_equal(back->env[1], i->env[1]);
	assert_string_equal(back->user, "daemon:staff");
	assert_string_equal(back->entrypoint[1], "-c");
	assert_string_equal(back->command[1], "");
	assert_string_equal(back->ports[0], "80/tcp");
	assert_string_equal(back->labels[0], "l=v");
	assert_string_equal(back->stop_signal, "SIGQUIT");
	assert_string_equal(back->built_for, "");
	holds(p, 1, 1, 2, 4);
}

static void image_needs_its_parts(void **state)
{
	struct place *p = *state;
	corral_auto(
	        corral_image_freep) struct corral_image *none = image_of(p, "none",
	                                                                 WORDS("base", "never")),
	                                                *bare = image_of(p, "bare", WORDS("base"));

	assert_int_equal(corral_image_commit(p->store, none, "none", NULL, &p->err), -ENOENT);
	assert_non_null(strstr(p->err.text, "is not there"));
	bare->id[10] = bare->id[10] == 'a' ? 'b' : 'a';
	assert_int_equal(corral_image_commit(p->store, bare, "bare", NULL, &p->err), -ENOENT);
	assert_non_null(strstr(p->err.text, "manifest"));
	/* One that was built here has no manifest of its own. */
	bare->built_for = strdup("go");
	OK(p, corral_image_commit(p->store, bare, "bare", NULL, &p->err));
	holds(p, 1, 1, 2, 6);
}

static void root_is_there_and_same_for_same_layers(void **state)
{
	struct place *p = *state;
	corral_auto(corral_image_freep) struct corral_image *a = NULL, *b = NULL;
	corral_autofree char *root = NULL;
	corral_autofd int fd = -1;
	char path[256];

	image_make(p, "a", "a", WORDS("base", "top"));
	image_make(p, "b", "b", WORDS("base", "top"));
	image_make(p, "c", "c", WORDS("base"));
	a = find(p, "a");
	b = find(p, "b");
	assert_string_equal(a->root_id, b->root_id);
	holds(p, 3, 2, 2, 8);
	OK(p, corral_image_use(p->store, a, &root, &fd, &p->err));
	(void)snprintf(path, sizeof(path), "%s/usr/c", root);
	assert_int_equal(access(path, F_OK), 0);
	(void)snprintf(path, sizeof(path), "%s/usr/b", root);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void image_without_layers_is_an_empty_root(void **state)
{
	struct place *p = *state;
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	corral_autofree char *root = NULL;
	corral_autofd int fd = -1;
	struct stat st;

	image_make(p, "scratch", "scratch", (const char *const[]) { NULL });
	i = find(p, "scratch");
	OK(p, corral_image_use(p->store, i, &root, &fd, &p->err));
	assert_int_equal(stat(root, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void found_by_names_and_digests(void **state)
{
	struct place *p = *state;
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	struct corral_image *none = NULL;
	char text[256];

	image_make(p, "alpine:3.20", "alpine", WORDS("base"));
	image_make(p,
	           "reg.example:5000/a/b@sha256:"
	           "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	           "pinned", WORDS("top"));
	i = find(p, "alpine:3.20");
	names_are(p, "docker.io/library/alpine:3.20", "docker.io/library/alpine:3.20");
	names_are(p, "index.docker.io/alpine:3.20", "docker.io/library/alpine:3.20");
	names_are(p, i->id, "docker.io/library/alpine:3.20");
	names_are(p, i->id + 7, "docker.io/library/alpine:3.20");
	(void)snprintf(text, sizeof(text), "%.6s", i->id + 7);
	names_are(p, text, "docker.io/library/alpine:3.20");
	/* A name with the digest of what there is, though nobody called it so. */
	(void)snprintf(text, sizeof(text), "other@%s", i->id);
	names_are(p, text, "docker.io/library/alpine:3.20");
	names_are(p,
	          "reg.example:5000/a/b:9@sha256:"
	          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	          "reg.example:5000/a/b@sha256:"
	          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	missing(p, "alpine");
	(void)snprintf(text, sizeof(text),
	               "there is no image 'alpine' (docker.io/library/alpine:latest) in '%s'",
	               p->root);
	assert_string_equal(p->err.text, text);
	(void)snprintf(text, sizeof(text), "%.5s", i->id + 7);
	missing(p, text);
	assert_int_equal(corral_image_find(p->store, "No Name", &none, &p->err), -EINVAL);
}

static void beginning_of_several_digests_is_none(void **state)
{
	struct place *p = *state;
	struct corral_image *none = NULL;
	char hex[2][STORE_HEX_SIZE];

	for (int k = 0; k < 2; k++) {
		memset(hex[k], 'a', STORE_HEX);
		hex[k][STORE_HEX - 1] = (char)('0' + k);
		hex[k][STORE_HEX] = '\0';
		text_put(p->store->dirs[STORE_IMAGES], hex[k], "{}", 0600);
	}
	assert_int_equal(corral_image_find(p->store, "aaaaaaaa", &none, &p->err), -ENOTUNIQ);
	assert_non_null(strstr(p->err.text, "2 images"));
}

/* Such a name takes an image's short digest. One from before that was refused still means its
 * image, unless another has these digits. */
static void name_of_digits_is_refused_and_never_wins_silently(void **state)
{
	struct place *p = *state;
	corral_auto(corral_image_freep) struct corral_image *i = NULL, *none = NULL;
	char hex[STORE_HEX_SIZE];

	image_make(p, "x:1", "i", WORDS("base"));
	i = find(p, "x:1");
	assert_int_equal(corral_image_tag(p->store, i, "deadbeef", &p->err), -EINVAL);
	assert_non_null(strstr(p->err.text, "taken for the digits of an image"));
	assert_int_equal(corral_image_tag(p->store, i, "deadbeef:2", &p->err), -EINVAL);
	assert_int_equal(corral_image_name_may_be(p->store, "deadbeef", &p->err), -EINVAL);
	OK(p, corral_image_name_may_be(p->store, "a/deadbeef", &p->err));
	OK(p, corral_image_name_may_be(p->store, "deadb", &p->err));
	OK(p, corral_image_name_may_be(p->store, "deadbeef-x", &p->err));
	OK(p, store_name_put(p->store, "docker.io/library/deadbeef:latest", i->id + 7, &p->err));
	names_are(p, "deadbeef", "docker.io/library/deadbeef:latest docker.io/library/x:1");
	(void)snprintf(hex, sizeof(hex), "deadbeef%s", i->id + 7 + 8);
	text_put(p->store->dirs[STORE_IMAGES], hex, "{}", 0600);
	assert_int_equal(corral_image_find(p->store, "deadbeef", &none, &p->err), -ENOTUNIQ);
	assert_non_null(strstr(p->err.text, "is ambiguous"));
}

static void name_of_any_length_is_kept(void **state)
{
	struct place *p = *state;
	char name[400], full[512];

	memset(name, 'n', 240);
	name[240] = ':';
	memset(name + 241, 't', 128);
	name[369] = '\0';
	image_make(p, name, "long", WORDS("base"));
	(void)snprintf(full, sizeof(full), "docker.io/library/%s", name);
	names_are(p, name, full);
}

static void name_goes_to_another_image(void **state)
{
	struct place *p = *state;
	corral_auto(corral_image_freep) struct corral_image *old = NULL, *new = NULL;

	image_make(p, "x:1", "old", WORDS("base"));
	old = find(p, "x:1");
	OK(p, corral_image_tag(p->store, old, "y", &p->err));
	names_are(p, old->id, "docker.io/library/x:1 docker.io/library/y:latest");
	image_make(p, "x:1", "new", WORDS("base", "top"));
	new = find(p, "x:1");
	assert_string_not_equal(new->id, old->id);
	names_are(p, old->id, "docker.io/library/y:latest");
	assert_int_equal(corral_image_tag(p->store, old,
	                                  "sha256:" /* no name */
	                                  "0123456789abcdef0123456789abcdef"
	                                  "0123456789abcdef0123456789abcdef",
	                                  &p->err),
	                 -EINVAL);
	removed(p, old->id, 1, 1);
	assert_int_equal(corral_image_tag(p->store, old, "z", &p->err), -ENOENT);
}

static void list_is_sorted_and_tells_of_broken_ones(void **state)
{
	struct place *p = *state;
	struct corral_images images = { NULL, 0 };
	char hex[STORE_HEX_SIZE];
	size_t broken = 0;

	image_make(p, "b", "b", WORDS("base"));
	image_make(p, "a", "a", WORDS("base"));
	image_make(p, NULL, "none", WORDS("base"));
	memset(hex, 'f', STORE_HEX);
	hex[STORE_HEX] = '\0';
	text_put(p->store->dirs[STORE_IMAGES], hex, "{\"format\": 1", 0600);
	text_put(p->store->dirs[STORE_IMAGES], "no-image", "?", 0600);
	OK(p, corral_images_list(p->store, &images, &broken, &p->err));
	assert_int_equal(images.n, 3);
	assert_string_equal(images.items[0]->names[0], "docker.io/library/a:latest");
	assert_string_equal(images.items[1]->names[0], "docker.io/library/b:latest");
	assert_int_equal(images.items[2]->n_names, 0);
	assert_int_equal(broken, 2);
	corral_images_done(&images);
	/* As long as one may need them, nothing that images are made of goes. */
	removed(p, "a", 1, 1);
	assert_int_equal(entries(p, STORE_BLOBS), 7);
	/* One that will never be read goes with the next. */
	pruned(p, (struct corral_image_prune_options) { .all = false }, 0, 2);
	assert_int_equal(entries(p, STORE_IMAGES), 2);
}

static void newer_format_is_let_be(void **state)
{
	struct place *p = *state;
	struct corral_image *i = NULL;
	char hex[STORE_HEX_SIZE];

	memset(hex, 'f', STORE_HEX);
	hex[STORE_HEX] = '\0';
	text_put(p->store->dirs[STORE_IMAGES], hex, "{\"format\": 2}", 0600);
	assert_int_equal(corral_image_find(p->store, hex, &i, &p->err), -EOPNOTSUPP);
	assert_non_null(strstr(p->err.text, "newer corral"));
	pruned(p, (struct corral_image_prune_options) { .all = true }, 0, 0);
	assert_int_equal(entries(p, STORE_IMAGES), 1);
	assert_int_equal(entries(p, STORE_LAYERS), 2);
}

/* --- going --- */

static void last_name_takes_the_image_along(void **state)
{
	struct place *p = *state;
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	struct corral_image_removal gone = { 0 };

	image_make(p, "x", "x", WORDS("base", "top"));
	image_make(p, "z", "z", WORDS("base"));
	i = find(p, "x");
	OK(p, corral_image_tag(p->store, i, "y", &p->err));
	removed(p, "x", 1, 0);
	missing(p, "x");
	names_are(p, "y", "docker.io/library/y:latest");
	OK(p, corral_image_remove(p->store, "y", &gone, &p->err));
	assert_int_equal(gone.n_ids, 1);
	assert_string_equal(gone.ids[0], i->id);
	assert_true(gone.bytes > 0);
	corral_image_removal_done(&gone);
	/* What z needs stays. */
	holds(p, 1, 1, 1, 3);
	assert_int_equal(corral_image_remove(p->store, "y", &gone, &p->err), -ENOENT);
	removed(p, "z", 1, 1);
	holds(p, 0, 0, 0, 0);
}

static void digest_takes_all_names_along(void **state)
{
	struct place *p = *state;
	corral_auto(corral_image_freep) struct corral_image *i = NULL;

	image_make(p, "x", "x", WORDS("base", "top"));
	i = find(p, "x");
	OK(p, corral_image_tag(p->store, i, "y", &p->err));
	i->id[20] = '\0';
	removed(p, i->id + 7, 2, 1);
	holds(p, 0, 0, 0, 0);
	assert_int_equal(entries(p, STORE_NAMES), 0);
}

static void image_in_use_stays(void **state)
{
	struct place *p = *state;
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	struct corral_image_removal gone = { 0 };
	corral_autofree char *root = NULL;
	corral_autofd int fd = -1, other = -1;

	image_make(p, "x", "x", WORDS("base", "top"));
	i = find(p, "x");
	OK(p, corral_image_use(p->store, i, &root, &fd, &p->err));
	/* Handed to another process, it is the same. */
	other = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	corral_fd_closep(&fd);
	assert_int_equal(corral_image_remove(p->store, "x", &gone, &p->err), -EBUSY);
	assert_non_null(strstr(p->err.text, "a sandbox runs on it"));
	pruned(p, (struct corral_image_prune_options) { .all = true }, 0, 0);
	holds(p, 1, 1, 2, 4);
	/* One name of several may go. */
	OK(p, corral_image_tag(p->store, i, "y", &p->err));
	removed(p, "x", 1, 0);
	corral_fd_closep(&other);
	removed(p, "y", 1, 1);
	holds(p, 0, 0, 0, 0);
	assert_int_equal(corral_image_use(p->store, i, &root, &fd, &p->err), -ENOENT);
}

/* What runs needs the root, and not the image that it was found by. */
static void root_of_two_images_outlives_one(void **state)
{
	struct place *p = *state;
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	corral_autofree char *root = NULL;
	corral_autofd int fd = -1;

	image_make(p, "x", "x", WORDS("base"));
	image_make(p, "y", "y", WORDS("base"));
	i = find(p, "x");
	OK(p, corral_image_use(p->store, i, &root, &fd, &p->err));
	removed(p, "x", 1, 1);
	assert_int_equal(access(root, F_OK), 0);
	assert_int_equal(entries(p, STORE_ROOTS), 1);
}

static void pinned_image_stays_as_long_as_its_keeper(void **state)
{
	struct place *p = *state;
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	struct corral_image_removal gone = { 0 };
	char keeper[2][128];

	image_make(p, "x", "x", WORDS("base", "top"));
	i = find(p, "x");
	for (int k = 0; k < 2; k++) {
		(void)snprintf(keeper[k], sizeof(keeper[k]), "%s/keeper%d", p->root, k);
		assert_int_equal(mkdir(keeper[k], 0700), 0);
		OK(p, corral_image_pin(p->store, i, keeper[k], &p->err));
	}
	OK(p, corral_image_pin(p->store, i, keeper[0], &p->err));
	assert_int_equal(corral_image_pin(p->store, i, "relative", &p->err), -EINVAL);
	assert_int_equal(corral_image_remove(p->store, "x", &gone, &p->err), -EBUSY);
	assert_non_null(strstr(p->err.text, keeper[0]) ?: strstr(p->err.text, keeper[1]));
	pruned(p, (struct corral_image_prune_options) { .all = true }, 0, 0);
	OK(p, corral_image_unpin(p->store, keeper[0], &p->err));
	assert_int_equal(corral_image_remove(p->store, "x", &gone, &p->err), -EBUSY);
	assert_non_null(strstr(p->err.text, keeper[1]));
	assert_int_equal(rmdir(keeper[1]), 0);
	pruned(p, (struct corral_image_prune_options) { .all = true }, 1, 1);
	assert_int_equal(entries(p, STORE_PINS), 0);
	assert_int_equal(corral_image_pin(p->store, i, keeper[0], &p->err), -ENOENT);
}

static void prune_takes_what_nobody_wants(void **state)
{
	struct place *p = *state;
	struct corral_image_blob *b = NULL;
	uint64_t size = 0;
	char id[80];

	image_make(p, "x", "x", WORDS("base"));
	image_make(p, NULL, "none", WORDS("base", "top"));
	layer_make(p, "alone", WORDS("a=1"));
	blob_make(p, "alone", id);
	/* Broken off. */
	OK(p,
	   corral_image_blob_begin(p->store, digest_of("partial", id), NULL, &b, &size, &p->err));
	corral_image_blob_abandon(b, true);
	assert_int_equal(symlinkat("x", p->store->dirs[STORE_PARTIAL], "new-x"), 0);
	assert_int_equal(mkdirat(p->store->dirs[STORE_PARTIAL], "layer-new-x", 0700), 0);
	pruned(p, (struct corral_image_prune_options) { .dry_run = true }, 0, 1);
	assert_int_equal(entries(p, STORE_IMAGES), 2);
	assert_int_equal(entries(p, STORE_LAYERS), 3);
	pruned(p, (struct corral_image_prune_options) { .unused_ms = 3600000 }, 0, 0);
	assert_int_equal(entries(p, STORE_IMAGES), 2);
	holds(p, 2, 2, 2, 6);
	pruned(p, (struct corral_image_prune_options) { .all = false }, 0, 1);
	holds(p, 1, 1, 1, 3);
	pruned(p, (struct corral_image_prune_options) { .all = true }, 1, 1);
	holds(p, 0, 0, 0, 0);
}

/* As builds have them: locked by who uses it. */
static int cache_make(const struct place *p, const char *name, size_t size)
{
	char path[300], file[320];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/cache", p->store->path);
	(void)mkdir(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/cache/%s", p->store->path, name);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(file, sizeof(file), "%s/tarball", path);
	f = fopen(file, "we");
	assert_non_null(f);
	while (size--)
		assert_int_equal(fputc('x', f), 'x');
	assert_int_equal(fclose(f), 0);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void caches_are_pruned(struct place *p, struct corral_image_prune_options o, size_t gone,
                              size_t used, bool has_bytes)
{
	struct corral_image_removal r = { 0 };

	OK(p, corral_image_prune(p->store, &o, &r, &p->err));
	assert_int_equal(r.n_caches, gone);
	assert_int_equal(r.n_caches_used, used);
	assert_int_equal(r.caches_bytes >= 100000, has_bytes);
	corral_image_removal_done(&r);
}

static void caches_of_builds_go_where_no_build_uses_them(void **state)
{
	struct place *p = *state;
	const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	char path[300];
	int one, two;

	caches_are_pruned(p, (struct corral_image_prune_options) { .caches = true }, 0, 0, false);
	one = cache_make(p, "a-0", 100000);
	two = cache_make(p, "a-1", 10);
	(void)snprintf(path, sizeof(path), "%s/cache/link", p->store->path);
	assert_int_equal(symlink("/", path), 0);
	assert_int_equal(futimens(two, old), 0);
	assert_int_equal(flock(one, LOCK_EX), 0);
	caches_are_pruned(p, (struct corral_image_prune_options) { .all = true }, 0, 0, false);
	caches_are_pruned(p,
	                  (struct corral_image_prune_options) { .caches = true, .dry_run = true },
	                  1, 1, false);
	caches_are_pruned(p, (struct corral_image_prune_options) { .caches = true }, 1, 1, false);
	assert_int_equal(flock(one, LOCK_UN), 0);
	caches_are_pruned(p,
	                  (struct corral_image_prune_options) { .caches = true,
	                                                        .unused_ms = 3600000 },
	                  0, 0, false);
	caches_are_pruned(p, (struct corral_image_prune_options) { .caches = true }, 1, 0, true);
	(void)close(one);
	(void)close(two);
}

/* --- the making --- */

static void blob_is_gone_on_with(void **state)
{
	struct place *p = *state;
	struct corral_image_blob *b = NULL;
	corral_autofd int fd = -1;
	uint64_t size = 99;
	char id[80], text[8] = "";
	struct stat st;

	assert_int_equal(corral_image_blob_begin(p->store, "sha256:x", NULL, &b, &size, &p->err),
	                 -EINVAL);
	OK(p, corral_image_blob_begin(p->store, digest_of("abcdef", id), NULL, &b, &size, &p->err));
	assert_int_equal(size, 0);
	assert_int_equal(write(corral_image_blob_fd(b), "abc", 3), 3);
	corral_image_blob_abandon(b, true);
	assert_int_equal(corral_image_blob_open(p->store, id, &fd, &p->err), -ENOENT);
	OK(p, corral_image_blob_begin(p->store, id, NULL, &b, &size, &p->err));
	assert_int_equal(size, 3);
	assert_int_equal(pwrite(corral_image_blob_fd(b), "def", 3, 3), 3);
	OK(p, corral_image_blob_commit_take(b, &p->err));
	b = (void *)p;
	OK(p, corral_image_blob_begin(p->store, id, NULL, &b, &size, &p->err));
	assert_null(b);
	OK(p, corral_image_blob_open(p->store, id, &fd, &p->err));
	assert_int_equal(read(fd, text, sizeof(text)), 6);
	assert_string_equal(text, "abcdef");
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	/* One that is given up leaves nothing. */
	OK(p, corral_image_blob_begin(p->store, digest_of("other", id), NULL, &b, &size, &p->err));
	corral_image_blob_abandon(b, false);
	assert_int_equal(entries(p, STORE_PARTIAL), 0);
}

struct second {
	struct place *p;
	const char *id;
	int result;
	bool there;
};

static void *second_blob(void *ctx)
{
	struct second *s = ctx;
	struct corral_image_blob *b = NULL;
	uint64_t size = 0;

	s->result = corral_image_blob_begin(s->p->store, s->id, NULL, &b, &size, NULL);
	s->there = !b;
	corral_image_blob_abandon(b, true);
	return NULL;
}

static void *second_layer(void *ctx)
{
	struct second *s = ctx;
	struct corral_image_layer_making *m = NULL;

	s->result = corral_image_layer_begin(s->p->store, s->id, NULL, &m, NULL);
	s->there = !m;
	corral_image_layer_abandon(m);
	return NULL;
}

static void second_waits_for_the_first(void **state)
{
	struct place *p = *state;
	char blob_id[80], layer_id[80];
	struct second blob = { .p = p, .id = digest_of("b", blob_id), .result = 1 };
	struct second layer = { .p = p, .id = digest_of("l", layer_id), .result = 1 };
	struct corral_image_layer_making *m = NULL;
	struct corral_image_blob *b = NULL;
	pthread_t threads[2];
	uint64_t size = 0;
	int fd;

	OK(p, corral_image_blob_begin(p->store, blob_id, NULL, &b, &size, &p->err));
	OK(p, corral_image_layer_begin(p->store, layer_id, NULL, &m, &p->err));
	assert_int_equal(pthread_create(&threads[0], NULL, second_blob, &blob), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, second_layer, &layer), 0);
	(void)usleep(100000);
	assert_int_equal(blob.result, 1);
	assert_int_equal(layer.result, 1);
	fd = open(corral_image_layer_making_path(m), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_fill(fd, WORDS("a=1"));
	(void)close(fd);
	OK(p, corral_image_layer_commit_take(m, NULL, &p->err));
	OK(p, corral_image_blob_commit_take(b, &p->err));
	for (int k = 0; k < 2; k++)
		assert_int_equal(pthread_join(threads[k], NULL), 0);
	assert_int_equal(blob.result, 0);
	assert_true(blob.there);
	assert_int_equal(layer.result, 0);
	assert_true(layer.there);
	assert_int_equal(entries(p, STORE_PARTIAL), 0);
}

static void second_begins_its_own_where_the_first_gets_nowhere(void **state)
{
	struct place *p = *state;
	struct corral_image_blob *first = NULL, *second = NULL;
	uint64_t size = 9, before;
	char id[80];

	p->store->stall_ms = 300;
	OK(p, corral_image_blob_begin(p->store, digest_of("b", id), NULL, &first, &size, &p->err));
	assert_int_equal(write(corral_image_blob_fd(first), "x", 1), 1);
	assert_int_equal(corral_image_blob_others(p->store, id), 1);
	before = corral_now_ms();
	OK(p, corral_image_blob_begin(p->store, id, NULL, &second, &size, &p->err));
	assert_true(corral_now_ms() - before >= 300);
	assert_non_null(second);
	assert_int_equal(size, 0);
	/* Nobody would go on with it: it is not left. */
	corral_image_blob_abandon(second, true);
	assert_int_equal(entries(p, STORE_PARTIAL), 1);
	OK(p, corral_image_blob_begin(p->store, id, NULL, &second, &size, &p->err));
	assert_int_equal(write(corral_image_blob_fd(second), "b", 1), 1);
	OK(p, corral_image_blob_commit_take(second, &p->err));
	assert_true(corral_image_blob_is_there(p->store, id));
	/* Whoever comes last does no harm. */
	assert_int_equal(pwrite(corral_image_blob_fd(first), "b", 1, 0), 1);
	OK(p, corral_image_blob_commit_take(first, &p->err));
	assert_int_equal(entries(p, STORE_BLOBS), 1);
	assert_int_equal(entries(p, STORE_PARTIAL), 0);
}

static void layer_begins_empty(void **state)
{
	struct place *p = *state;
	struct corral_image_layer_making *m = NULL;
	char id[80], name[128];
	int fd;

	/* As a killed one leaves it. */
	(void)snprintf(name, sizeof(name), "layer-%s", digest_of("l", id) + 7);
	assert_int_equal(mkdirat(p->store->dirs[STORE_PARTIAL], name, 0700), 0);
	fd = openat(p->store->dirs[STORE_PARTIAL], name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_fill(fd, WORDS("old=1"));
	(void)close(fd);
	OK(p, corral_image_layer_begin(p->store, id, NULL, &m, &p->err));
	fd = open(corral_image_layer_making_path(m), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_fill(fd, WORDS("new=1"));
	(void)close(fd);
	assert_false(corral_image_layer_is_there(p->store, id));
	OK(p, corral_image_layer_commit_take(m, id, &p->err));
	assert_true(corral_image_layer_is_there(p->store, id));
	/* Without a tree it is none; of a digest that is told at the end it is. */
	OK(p, corral_image_layer_begin(p->store, NULL, NULL, &m, &p->err));
	assert_int_equal(corral_image_layer_commit_take(m, digest_of("m", id), &p->err), -ENOENT);
	OK(p, corral_image_layer_begin(p->store, NULL, NULL, &m, &p->err));
	fd = open(corral_image_layer_making_path(m), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_fill(fd, WORDS("new=1"));
	(void)close(fd);
	OK(p, corral_image_layer_commit_take(m, id, &p->err));
	assert_true(corral_image_layer_is_there(p->store, id));
	assert_int_equal(entries(p, STORE_PARTIAL), 0);
}

/* Its files may be empty: the machine went down before the disk had them. */
static void layer_of_another_boot_is_none(void **state)
{
	struct place *p = *state;
	char id[80], path[128];

	(void)snprintf(path, sizeof(path), "%s/unsynced", digest_of("base", id) + 7);
	text_put(p->store->dirs[STORE_LAYERS], path, "11111111-1111-1111-1111-111111111111", 0600);
	assert_false(corral_image_layer_is_there(p->store, id));
	layer_make(p, "base", WORDS("again=1"));
	assert_true(corral_image_layer_is_there(p->store, id));
	(void)snprintf(path, sizeof(path), "%s/tree/again", id + 7);
	assert_int_equal(faccessat(p->store->dirs[STORE_LAYERS], path, F_OK, 0), 0);
	/* Committed, it has no mark any more. */
	image_make(p, "x", "x", WORDS("base"));
	(void)snprintf(path, sizeof(path), "%s/unsynced", id + 7);
	assert_int_equal(faccessat(p->store->dirs[STORE_LAYERS], path, F_OK, 0), -1);
	pruned(p, (struct corral_image_prune_options) { .all = false }, 0, 0);
	assert_int_equal(entries(p, STORE_PARTIAL), 0);
}

static void *end_of_hold(void *ctx)
{
	(void)usleep(200000);
	(void)close(*(int *)ctx);
	return NULL;
}

static void nothing_is_pruned_while_somebody_holds(void **state)
{
	struct place *p = *state;
	pthread_t thread;
	uint64_t before;
	int hold = -1;

	OK(p, corral_image_store_hold(p->store, &hold, &p->err));
	image_make(p, "x", "x", WORDS("base"));
	removed(p, "x", 1, 1);
	/* Of an image that somebody is about to make, perhaps. */
	assert_int_equal(entries(p, STORE_LAYERS), 2);
	assert_int_equal(entries(p, STORE_ROOTS), 0);
	before = corral_now_ms();
	assert_int_equal(pthread_create(&thread, NULL, end_of_hold, &hold), 0);
	pruned(p, (struct corral_image_prune_options) { .all = false }, 0, 0);
	assert_true(corral_now_ms() - before >= 150);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(entries(p, STORE_LAYERS), 0);
}

/* One that takes for ever keeps from pruning what it may need, and nothing else. */
static void prune_leaves_what_those_who_hold_may_need(void **state)
{
	struct place *p = *state;
	struct corral_image_removal gone = { 0 };
	struct corral_image_blob *theirs = NULL, *left = NULL;
	uint64_t size = 0;
	char id[80], other[80];
	int hold = -1;

	image_make(p, "x", "x", WORDS("base"));
	image_make(p, NULL, "none", WORDS("base", "top"));
	OK(p, corral_image_store_hold(p->store, &hold, &p->err));
	OK(p, corral_image_blob_begin(p->store, digest_of("a", id), NULL, &theirs, &size, &p->err));
	OK(p,
	   corral_image_blob_begin(p->store, digest_of("b", other), NULL, &left, &size, &p->err));
	corral_image_blob_abandon(left, true);
	p->store->others_ms = 200;
	OK(p, corral_image_prune(p->store, &(struct corral_image_prune_options) { .all = true },
	                         &gone, &p->err));
	assert_true(gone.is_busy);
	assert_int_equal(gone.n_names, 0);
	assert_int_equal(gone.n_ids, 1);
	corral_image_removal_done(&gone);
	assert_int_equal(entries(p, STORE_IMAGES), 1);
	assert_int_equal(entries(p, STORE_LAYERS), 2);
	assert_int_equal(entries(p, STORE_PARTIAL), 1);
	OK(p, corral_image_blob_commit_take(theirs, &p->err));
	(void)close(hold);
	pruned(p, (struct corral_image_prune_options) { .all = true }, 1, 1);
	holds(p, 0, 0, 0, 0);
}

struct late {
	struct place *p;
	struct corral_image *i;
	int result;
};

static void *late_commit(void *ctx)
{
	struct late *l = ctx;

	l->result = corral_image_commit(l->p->store, l->i, "late", NULL, NULL);
	return NULL;
}

/* Whoever commits finds the root there, and waits for the lock; meanwhile it goes with its last
 * image. */
static void root_that_goes_meanwhile_is_made_again(void **state)
{
	struct place *p = *state;
	struct late late = { .p = p, .result = 1 };
	corral_autofree char *root = NULL;
	corral_autofd int lock_fd = -1, fd = -1;
	pthread_t thread;

	image_make(p, "early", "early", WORDS("base"));
	late.i = image_of(p, "late", WORDS("base"));
	OK(p, store_lock(p->store, "lock", LOCK_EX, &lock_fd, &p->err));
	assert_int_equal(pthread_create(&thread, NULL, late_commit, &late), 0);
	(void)usleep(200000);
	{
		corral_auto(corral_image_freep) struct corral_image *early = find(p, "early");

		OK(p, store_trash(p->store, STORE_ROOTS, early->root_id, &p->err));
	}
	corral_fd_closep(&lock_fd);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(late.result, 0);
	OK(p, corral_image_use(p->store, late.i, &root, &fd, &p->err));
	assert_int_equal(access(root, F_OK), 0);
	corral_image_free(late.i);
}

/* --- several processes --- */

#define RACE_MS 1500

/* Commits and uses an image over and over, and finds its root whole each time. */
static int committer(struct place *p, unsigned int seed)
{
	uint64_t end = corral_now_ms() + RACE_MS;
	char name[32];
	int status = 0;

	(void)snprintf(name, sizeof(name), "i%u", seed % 2);
	for (unsigned int k = 0; status == 0 && corral_now_ms() < end; k++) {
		corral_auto(corral_image_freep) struct corral_image *i = NULL;
		corral_autofree char *root = NULL;
		corral_autofd int fd = -1, hold = -1;
		char path[256];

		if (corral_image_store_hold(p->store, &hold, &p->err) < 0)
			return 10;
		layer_make(p, "base", WORDS("usr/", "usr/a=1"));
		layer_make(p, name, WORDS("usr/", "usr/c=3"));
		i = image_of(p, name, WORDS("base", name));
		if (corral_image_commit(p->store, i, name, NULL, &p->err) < 0)
			return 11;
		corral_fd_closep(&hold);
		/* It may be gone by now; if it is not, it is whole and stays. */
		if (corral_image_use(p->store, i, &root, &fd, &p->err) < 0)
			continue;
		for (int look = 0; look < 3; look++) {
			(void)snprintf(path, sizeof(path), "%s/usr/c", root);
			if (access(path, F_OK) < 0)
				status = 12;
			(void)snprintf(path, sizeof(path), "%s/usr/a", root);
			if (access(path, F_OK) < 0)
				status = 13;
			(void)usleep(1000);
		}
	}
	return status;
}

static int pruner(struct place *p, unsigned int seed)
{
	uint64_t end = corral_now_ms() + RACE_MS;

	while (corral_now_ms() < end) {
		const struct corral_image_prune_options o = { .all = true };
		struct corral_image_removal gone = { 0 };
		int r = seed % 2 ? corral_image_prune(p->store, &o, &gone, &p->err)
		                 : corral_image_remove(p->store, "i0", &gone, &p->err);

		if (r < 0 && r != -EBUSY && r != -ENOENT)
			return 20;
		if (r == 0)
			corral_image_removal_done(&gone);
	}
	return 0;
}

static void commits_and_prunes_at_once_leave_wholes(void **state)
{
	struct place *p = *state;
	pid_t pids[6];

	(void)fflush(NULL);
	for (unsigned int k = 0; k < CORRAL_COUNT(pids); k++) {
		pids[k] = fork();
		assert_true(pids[k] >= 0);
		if (pids[k] == 0) {
			int status;

			p->store = NULL;
			place_open(p);
			status = k < 4 ? committer(p, k) : pruner(p, k);
			if (status)
				(void)fprintf(stderr, "%d: %s\n", status, p->err.text);
			_exit(status);
		}
	}
	for (size_t k = 0; k < CORRAL_COUNT(pids); k++) {
		int status = -1;

		assert_int_equal(waitpid(pids[k], &status, 0), pids[k]);
		assert_int_equal(status, 0);
	}
	{
		struct corral_image_removal gone = { 0 };

		OK(p, corral_image_prune(p->store,
		                         &(struct corral_image_prune_options) { .all = true },
		                         &gone, &p->err));
		corral_image_removal_done(&gone);
	}
	holds(p, 0, 0, 0, 0);
	assert_int_equal(entries(p, STORE_NAMES), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(store_is_its_users_alone),
		TEST(image_comes_back_as_it_was),
		TEST(image_needs_its_parts),
		TEST(root_is_there_and_same_for_same_layers),
		TEST(image_without_layers_is_an_empty_root),
		TEST(found_by_names_and_digests),
		TEST(beginning_of_several_digests_is_none),
		TEST(name_of_digits_is_refused_and_never_wins_silently),
		TEST(name_of_any_length_is_kept),
		TEST(name_goes_to_another_image),
		TEST(list_is_sorted_and_tells_of_broken_ones),
		TEST(newer_format_is_let_be),
		TEST(last_name_takes_the_image_along),
		TEST(digest_takes_all_names_along),
		TEST(image_in_use_stays),
		TEST(root_of_two_images_outlives_one),
		TEST(pinned_image_stays_as_long_as_its_keeper),
		TEST(prune_takes_what_nobody_wants),
		TEST(caches_of_builds_go_where_no_build_uses_them),
		TEST(blob_is_gone_on_with),
		TEST(second_waits_for_the_first),
		TEST(layer_begins_empty),
		TEST(layer_of_another_boot_is_none),
		TEST(nothing_is_pruned_while_somebody_holds),
		TEST(prune_leaves_what_those_who_hold_may_need),
		TEST(second_begins_its_own_where_the_first_gets_nowhere),
		TEST(root_that_goes_meanwhile_is_made_again),
		TEST(commits_and_prunes_at_once_leave_wholes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
