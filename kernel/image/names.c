/*
 * Names of images: links in names/, called by a digest of the name, as one may be longer than a
 * file's name can be. Where they lead: "sha256:HEX NAME". To make one is one rename(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/reference.h"
#include "kernel/image/store_state.h"

void store_names_done(struct store_names *names)
{
	for (size_t i = 0; i < names->n; i++) {
		free(names->items[i].name);
		free(names->items[i].hex);
		free(names->items[i].file);
	}
	free(names->items);
	*names = (struct store_names) { NULL, 0 };
}

/* 0 with what it means, or -errno; what somebody else put there is -EBADMSG. */
static int name_read(const struct corral_image_store *s, const char *file, char ret_hex[],
                     char *ret_name, size_t size)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(s->dirs[STORE_NAMES], file, text, sizeof(text) - 1);

	if (n < 0)
		return errno == EINVAL ? -EBADMSG : -errno;
	text[n] = '\0';
	if (n < 7 + STORE_HEX + 2 || text[7 + STORE_HEX] != ' ')
		return -EBADMSG;
	text[7 + STORE_HEX] = '\0';
	if (!store_hex(text))
		return -EBADMSG;
	memcpy(ret_hex, text + 7, STORE_HEX_SIZE);
	(void)snprintf(ret_name, size, "%s", text + 7 + STORE_HEX + 1);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct store_name *)a)->name, ((const struct store_name *)b)->name);
}

int store_names_read(struct corral_image_store *s, struct store_names *ret,
                     struct corral_error *err)
{
	struct store_names names = { NULL, 0 };
	struct store_list list = { 0 };
	int r = store_list(s, STORE_NAMES, NULL, &list, err);

	if (r < 0)
		return r;
	names.items = calloc(list.n + 1, sizeof(*names.items));
	if (!names.items)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		char hex[STORE_HEX_SIZE], name[PATH_MAX];
		struct store_name *item = &names.items[names.n];

		/* One that went meanwhile, or is none, hides no others. */
		if (name_read(s, list.v[i], hex, name, sizeof(name)) < 0)
			continue;
		item->name = strdup(name);
		item->hex = strdup(hex);
		item->file = strdup(list.v[i]);
		names.n++;
		if (!item->name || !item->hex || !item->file)
			r = -ENOMEM;
	}
	store_list_done(&list);
	if (r < 0) {
		store_names_done(&names);
		return corral_error_set(err, ENOMEM, "read names: out of memory");
	}
	if (names.n)
		qsort(names.items, names.n, sizeof(*names.items), by_name);
	*ret = names;
	return 0;
}

int store_names_give(const struct store_names *names, struct corral_image *i,
                     struct corral_error *err)
{
	const char *hex = store_hex(i->id);

	for (size_t k = 0; k < i->n_names; k++)
		free(i->names[k]);
	free(i->names);
	i->n_names = 0;
	i->names = calloc(names->n + 1, sizeof(*i->names));
	if (!i->names)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (size_t k = 0; k < names->n; k++) {
		if (strcmp(names->items[k].hex, hex) != 0)
			continue;
		i->names[i->n_names] = strdup(names->items[k].name);
		if (!i->names[i->n_names])
			return corral_error_set(err, ENOMEM, "out of memory");
		i->n_names++;
	}
	return 0;
}

int store_names_clean(struct corral_image_store *s, struct corral_error *err)
{
	corral_auto(store_names_done) struct store_names names = { NULL, 0 };
	int r = store_names_read(s, &names, err);

	for (size_t k = 0; r == 0 && k < names.n; k++) {
		if (store_is_there(s, STORE_IMAGES, names.items[k].hex))
			continue;
		if (unlinkat(s->dirs[STORE_NAMES], names.items[k].file, 0) < 0 && errno != ENOENT)
			r = corral_error_sys(err, errno, "take the name '%.200s' away",
			                     names.items[k].name);
	}
	return r;
}

int store_name_put(struct corral_image_store *s, const char *name, const char *hex,
                   struct corral_error *err)
{
	corral_autofree char *target = NULL;
	char file[STORE_HEX_SIZE], partial[STORE_NAME_MAX];

	if (asprintf(&target, "sha256:%s %s", hex, name) < 0) {
		target = NULL;
		return corral_error_set(err, ENOMEM, "name '%.200s': out of memory", name);
	}
	store_hash(name, strlen(name), file);
	store_name_new(STORE_LOOSE_PREFIX, partial);
	if (symlinkat(target, s->dirs[STORE_PARTIAL], partial) < 0)
		return corral_error_sys(err, errno, "name '%.200s'", name);
	return store_name_it(s, partial, STORE_NAMES, file, err);
}

/* What it means now. -ENOENT. */
static int name_image(struct corral_image_store *s, const char *full, struct corral_image **ret)
{
	char file[STORE_HEX_SIZE], hex[STORE_HEX_SIZE], name[PATH_MAX];
	int r;

	store_hash(full, strlen(full), file);
	r = name_read(s, file, hex, name, sizeof(name));
	if (r == 0 && strcmp(name, full) != 0)
		r = -ENOENT;
	return r < 0 ? r : store_image_read(s, hex, ret, NULL);
}

/* Such as could be the beginning of a digest, by which people call images as well. */
static int digits_refuse(const char *full, struct corral_error *err)
{
	static const char usual[] = "docker.io/library/";
	const char *name = full + sizeof(usual) - 1;
	size_t n;

	if (strncmp(full, usual, sizeof(usual) - 1) != 0)
		return 0;
	n = strspn(name, "0123456789abcdef");
	if (n < 6 || n > STORE_HEX || (name[n] && !strchr(":@", name[n])))
		return 0;
	return corral_error_set(err, EINVAL,
	                        "'%.100s' would be taken for the digits of an image: choose a name "
	                        "with other letters, or with a '/'",
	                        name);
}

int store_name_check(struct corral_image_store *s, const char *full, const char *built_for,
                     struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *before = NULL;
	int r = digits_refuse(full, err);

	if (r < 0)
		return r;
	if ((built_for && *built_for) || name_image(s, full, &before) < 0 || !*before->built_for)
		return 0;
	return corral_error_set(err, EPERM,
	                        "'%.150s' is what corral built for runtime '%.60s', and no other "
	                        "image's name: choose another",
	                        full, before->built_for);
}

int corral_image_name_may_be(struct corral_image_store *s, const char *name,
                             struct corral_error *err)
{
	corral_autofree char *full = NULL;
	int r = corral_image_reference_full(name, &full, err);

	return r < 0 ? r : store_name_check(s, full, NULL, err);
}

int corral_image_name_before(struct corral_image_store *s, const char *name, const char *id,
                             char **ret, struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *before = NULL;
	corral_autofree char *full = NULL;
	int r = corral_image_reference_full(name, &full, err);

	*ret = NULL;
	if (r < 0)
		return r;
	if (name_image(s, full, &before) == 0 && strcmp(before->id, id) != 0)
		*ret = corral_take_ptr(&before->id);
	return 0;
}

int corral_image_tag(struct corral_image_store *s, const struct corral_image *i, const char *name,
                     struct corral_error *err)
{
	corral_autofree char *full = NULL;
	corral_autofd int lock_fd = -1;
	const char *hex = store_hex(i->id);
	int r = corral_image_reference_full(name, &full, err);

	if (r == 0)
		r = store_lock(s, "lock", LOCK_EX, &lock_fd, err);
	if (r < 0)
		return r;
	if (!hex || !store_is_there(s, STORE_IMAGES, hex))
		return corral_error_set(err, ENOENT, "image %.19s... is no longer in '%.200s'",
		                        i->id, s->path);
	r = store_name_check(s, full, i->built_for, err);
	return r < 0 ? r : store_name_put(s, full, hex, err);
}

/* ---- find ---- */

static bool is_prefix(const char *text)
{
	size_t n = strlen(text);

	return n >= 6 && n < STORE_HEX && strspn(text, "0123456789abcdef") == n;
}

static int find_prefix(struct corral_image_store *s, const char *text, char ret_hex[],
                       struct corral_error *err)
{
	struct store_list list = { 0 };
	int r = store_list(s, STORE_IMAGES, store_is_hex, &list, err);
	size_t found = 0;

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		if (strncmp(list.v[i], text, strlen(text)) != 0)
			continue;
		found++;
		(void)snprintf(ret_hex, STORE_HEX_SIZE, "%s", list.v[i]);
	}
	store_list_done(&list);
	if (r < 0)
		return r;
	if (found > 1)
		return corral_error_set(err, ENOTUNIQ,
		                        "'%s' is the beginning of %zu images' digests: write more",
		                        text, found);
	return found ? 0 : -ENOENT;
}

/* By its full name, or where that has a digest, by that. */
static int find_name(struct corral_image_store *s, const char *full, char ret_hex[])
{
	char file[STORE_HEX_SIZE], name[PATH_MAX];
	const char *at = strchr(full, '@'), *hex;
	int r;

	store_hash(full, strlen(full), file);
	r = name_read(s, file, ret_hex, name, sizeof(name));
	if (r == 0 && strcmp(name, full) == 0)
		return 0;
	hex = at ? store_hex(at + 1) : NULL;
	if (!hex || !store_is_there(s, STORE_IMAGES, hex))
		return -ENOENT;
	(void)snprintf(ret_hex, STORE_HEX_SIZE, "%s", hex);
	return 0;
}

static int not_found(const struct corral_image_store *s, const char *name, const char *full,
                     struct corral_error *err)
{
	if (full && strcmp(name, full) != 0)
		return corral_error_set(err, ENOENT,
		                        "there is no image '%.100s' (%.150s) in '%.150s'", name,
		                        full, s->path);
	return corral_error_set(err, ENOENT, "there is no image '%.150s' in '%.150s'", name,
	                        s->path);
}

/* A name of before such were refused may be the digits of another image. */
static int not_both(struct corral_image_store *s, const char *name, const char *full,
                    const char *hex, struct corral_error *err)
{
	char other[STORE_HEX_SIZE];
	int r = find_prefix(s, name, other, NULL);

	if (r == -ENOENT || (r == 0 && strcmp(hex, other) == 0))
		return 0;
	return corral_error_set(err, ENOTUNIQ,
	                        "'%s' is ambiguous: a name (%.150s), and the beginning of another "
	                        "image's digest (sha256:%s)",
	                        name, full, name);
}

static int hex_find(struct corral_image_store *s, const char *name, char ret_hex[],
                    struct corral_error *err)
{
	const char *hex = store_hex(name) ? store_hex(name) : store_is_hex(name) ? name : NULL;
	const char *part = strncmp(name, "sha256:", 7) == 0 ? name + 7 : NULL;
	corral_autofree char *full = NULL;
	struct corral_error bad = { 0 };
	int r;

	if (!hex && part && is_prefix(part)) {
		r = find_prefix(s, part, ret_hex, err);
		return r == -ENOENT ? not_found(s, name, NULL, err) : r;
	}
	if (hex) {
		(void)snprintf(ret_hex, STORE_HEX_SIZE, "%s", hex);
		return store_is_there(s, STORE_IMAGES, hex) ? 0 : not_found(s, name, NULL, err);
	}
	r = corral_image_reference_full(name, &full, &bad);
	if (r < 0)
		return corral_error_set(err, bad.code, "%s", bad.text);
	r = find_name(s, full, ret_hex);
	if (is_prefix(name))
		r = r < 0 ? find_prefix(s, name, ret_hex, err)
		          : not_both(s, name, full, ret_hex, err);
	return r == -ENOENT ? not_found(s, name, full, err) : r;
}

int corral_image_find(struct corral_image_store *s, const char *name, struct corral_image **ret,
                      struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	corral_auto(store_names_done) struct store_names names = { NULL, 0 };
	char hex[STORE_HEX_SIZE] = "";
	int r = hex_find(s, name, hex, err);

	if (r == 0)
		r = store_image_read(s, hex, &i, err);
	if (r == 0)
		r = store_names_read(s, &names, err);
	if (r == 0)
		r = store_names_give(&names, i, err);
	if (r < 0)
		return r;
	*ret = corral_take_ptr(&i);
	return 0;
}

int store_image_read(struct corral_image_store *s, const char *hex, struct corral_image **ret,
                     struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	int r = store_file_read(s->dirs[STORE_IMAGES], hex, 16u << 20, &text);

	if (r < 0)
		return corral_error_sys(err, -r, "image %.12s... in '%.200s'", hex, s->path);
	r = store_image_parse(text.data ? text.data : "", text.len, &i, err);
	if (r == 0 && strcmp(i->id + 7, hex) != 0)
		r = corral_error_set(err, EBADMSG, "it says that it is another");
	if (r < 0)
		return corral_error_wrap(err, r, "image %.12s... in '%.200s'", hex, s->path);
	*ret = corral_take_ptr(&i);
	return 0;
}

/* ---- list ---- */

static int by_name_and_age(const void *a, const void *b)
{
	const struct corral_image *x = *(struct corral_image *const *)a,
	                          *y = *(struct corral_image *const *)b;
	int by;

	if (!x->n_names != !y->n_names)
		return x->n_names ? -1 : 1;
	by = x->n_names ? strcmp(x->names[0], y->names[0]) : 0;
	if (by)
		return by;
	if (x->stored_ms != y->stored_ms)
		return x->stored_ms > y->stored_ms ? -1 : 1;
	return strcmp(x->id, y->id);
}

int corral_images_list(struct corral_image_store *s, struct corral_images *ret, size_t *ret_broken,
                       struct corral_error *err)
{
	corral_auto(store_names_done) struct store_names names = { NULL, 0 };
	corral_auto(store_list_done) struct store_list list = { 0 };
	corral_auto(corral_images_done) struct corral_images images = { NULL, 0 };
	size_t broken = 0;
	int r = store_names_read(s, &names, err);

	if (r == 0)
		r = store_list(s, STORE_IMAGES, NULL, &list, err);
	if (r < 0)
		return r;
	images.items = calloc(list.n + 1, sizeof(struct corral_image *));
	if (!images.items)
		return corral_error_set(err, ENOMEM, "list images: out of memory");
	for (size_t i = 0; i < list.n; i++) {
		struct corral_image *image = NULL;

		r = store_is_hex(list.v[i]) ? store_image_read(s, list.v[i], &image, err)
		                            : -EBADMSG;
		if (r == -ENOMEM)
			return r;
		/* It may have gone just now. */
		if (r < 0) {
			broken += r != -ENOENT;
			continue;
		}
		images.items[images.n++] = image;
		r = store_names_give(&names, image, err);
		if (r < 0)
			return r;
	}
	if (images.n)
		qsort(images.items, images.n, sizeof(struct corral_image *), by_name_and_age);
	if (ret_broken)
		*ret_broken = broken;
	*ret = images;
	memset(&images, 0, sizeof(images));
	return 0;
}

void corral_images_done(struct corral_images *i)
{
	for (size_t k = 0; k < i->n; k++)
		corral_image_free(i->items[k]);
	free(i->items);
	*i = (struct corral_images) { NULL, 0 };
}
