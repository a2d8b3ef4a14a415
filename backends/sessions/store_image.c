/*
 * The image that a session runs on: chosen when the session is made, and kept by a pin of the
 * session's directory as long as that is there. What its name means later is no matter.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/sessions/manager_state.h"
#include "backends/sessions/store_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/image/apply.h"

void corral_session_store_set_images(struct corral_session_store *s,
                                     struct corral_image_store *images)
{
	s->images = images;
}

struct corral_image_store *store_images(const struct corral_session_store *s)
{
	return s->images;
}

static char *keeper_of(const struct corral_session_store *s, const char *id)
{
	char *path;

	return asprintf(&path, "%s/sessions/%s", s->root, id) < 0 ? NULL : path;
}

/* In a session's directory, a link that leads to "sha256:HEX": what it runs on is known also where
 * the pin is not any more. */
#define NOTE "image"

/* "" where nothing was noted, as in sessions of before. */
static void note_read(const struct corral_session_store *s, const char *id, char *ret, size_t size)
{
	char path[CORRAL_SESSION_ID_SIZE + 8];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/" NOTE, id);
	n = readlinkat(s->sessions_fd, path, ret, size - 1);
	ret[n > 0 ? n : 0] = '\0';
}

/* Of the image that was noted before nothing is changed. */
static int note_write(const struct corral_session_store *s, const char *id, const char *image_id,
                      struct corral_error *err)
{
	char path[CORRAL_SESSION_ID_SIZE + 8];

	(void)snprintf(path, sizeof(path), "%s/" NOTE, id);
	if (symlinkat(image_id, s->sessions_fd, path) < 0 && errno != EEXIST)
		return corral_error_sys(err, errno, "write 'sessions/%s'", path);
	return 0;
}

/* The pin is lost, as when somebody pruned images while the sessions were elsewhere: the same image
 * as before, and no other that has its name by now. */
static int find_again(struct corral_session_store *s, const char *id,
                      const struct corral_runtime *rt, struct corral_image **ret,
                      struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *image = NULL;
	char noted[128];
	int r;

	note_read(s, id, noted, sizeof(noted));
	if (s->images && *noted && corral_image_find(s->images, noted, ret, NULL) == 0)
		return 0;
	r = corral_image_of_runtime(s->images, rt, &image, err);
	if (r < 0)
		return r;
	if (image && *noted && strcmp(noted, image->id) != 0)
		return corral_error_set(err, ESTALE,
		                        "its image %.19s... is no longer in the store, and what "
		                        "its runtime names is another by now, %.19s...: fetch the "
		                        "former again, or remove '%.200s/sessions/%s/" NOTE
		                        "' to go on with the latter",
		                        noted, image->id, s->root, id);
	*ret = corral_take_ptr(&image);
	return 0;
}

int store_image_keep(struct corral_session_store *s, const char *id,
                     const struct corral_runtime *rt, struct corral_image **ret,
                     struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *image = NULL;
	corral_autofree char *keeper = keeper_of(s, id);
	int r;

	if (!keeper)
		return corral_error_set(err, ENOMEM, "out of memory");
	r = s->images ? corral_image_pinned(s->images, keeper, &image, NULL) : -ENOENT;
	if (r < 0)
		r = find_again(s, id, rt, &image, err);
	if (r == 0 && image)
		r = corral_image_pin(s->images, image, keeper, err);
	if (r == 0 && image)
		r = note_write(s, id, image->id, err);
	if (r < 0)
		return corral_error_wrap(err, r, "Session '%s'", id);
	if (ret)
		*ret = corral_take_ptr(&image);
	return 0;
}

int store_image_begin(struct corral_session_store *s, const char *id,
                      const struct corral_runtime *rt, struct corral_error *err)
{
	corral_autofree char *keeper = keeper_of(s, id);

	if (!keeper)
		return corral_error_set(err, ENOMEM, "out of memory");
	/* One of that name that is gone had its own. */
	if (s->images)
		(void)corral_image_unpin(s->images, keeper, NULL);
	return store_image_keep(s, id, rt, NULL, err);
}

int store_image_keep_too(struct corral_session_store *s, const char *id, const char *of,
                         struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *image = NULL;
	corral_autofree char *keeper = keeper_of(s, id), *other = keeper_of(s, of);
	char noted[128];
	int r;

	if (!keeper || !other)
		return corral_error_set(err, ENOMEM, "out of memory");
	if (!s->images)
		return 0;
	(void)corral_image_unpin(s->images, keeper, NULL);
	if (corral_image_pinned(s->images, other, &image, NULL) < 0) {
		note_read(s, of, noted, sizeof(noted));
		return *noted ? note_write(s, id, noted, err) : 0;
	}
	r = corral_image_pin(s->images, image, keeper, err);
	return r == 0 ? note_write(s, id, image->id, err) : r;
}

int store_image_apply(struct store_session *e, struct corral_config *c, struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *image = NULL;
	int r;

	if (!c->image)
		return 0;
	r = store_image_keep(e->store, e->id, e->runtime, &image, err);
	if (r == 0)
		r = corral_config_set_text(&c->image, image->id, err);
	if (r == 0)
		r = corral_image_apply(e->store->images, c, err);
	/* Sessions alone keep what lies over it. */
	return r < 0 ? r : corral_image_directory(c->rootfs, c->work_dir, &c->work_dir_base, err);
}

int store_image_root(const struct store_session *e, char **ret_path, int *ret_fd,
                     struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *image = NULL;
	int r = store_image_keep(e->store, e->id, e->runtime, &image, err);

	/* That of a container is the engine's. */
	if (r == -ENOENT)
		return 0;
	if (r < 0 || !image)
		return r;
	return corral_image_use(e->store->images, image, ret_path, ret_fd, err);
}
