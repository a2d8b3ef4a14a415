/*
 * What a session's sandbox is made from.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "backends/sessions/store_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/image/apply.h"

static int layers_get(struct corral_session_store *s, int64_t top, struct store_numbers *ret,
                      struct corral_error *err)
{
	int r = registry_begin(s->registry, REGISTRY_READ, err);

	if (r < 0)
		return r;
	r = store_layer_chain(s, top, ret, err);
	registry_rollback(s->registry);
	return r;
}

/* On a disk, paths go by its root, which the configuration has. */
static char here[] = ".";
static const struct store_place beneath = { .path = here };

static int disk_put(const struct store_session *session, struct corral_config *c,
                    struct corral_error *err)
{
	c->disk_fd = fcntl(session->disk.root_fd, F_DUPFD_CLOEXEC, 3);
	c->has_disk = c->disk_fd >= 0;
	return c->has_disk ? 0 : corral_error_sys(err, errno, "hold the disk");
}

static int config_put(const struct store_session *session, struct corral_config *c,
                      const struct store_numbers *layers, struct corral_error *err)
{
	const struct store_place *at = session->has_disk ? &beneath : store_place_of(session);
	int r = 0;

	c->keep_work_dir = true;
	for (size_t i = 0; r == 0 && i < layers->n; i++) {
		corral_autofree char *path = store_layer_path(at, layers->items[i], "");

		if (!path)
			return corral_error_set(err, ENOMEM, "out of memory");
		r = i ? corral_config_add_layer(c, path, err)
		      : corral_config_set_text(&c->keep, path, err);
	}
	return r;
}

/* With the session's layers beneath each other. */
static int layered(struct store_session *session, struct corral_config *c, struct corral_error *err)
{
	store_autonumbers struct store_numbers layers = { 0 };
	struct corral_session_store *s = session->store;
	bool few = session->depth <= CORRAL_LAYERS_MAX;
	int r = 0;

	/* What cannot be merged is no reason not to run, as long as there are not too many. */
	if (session->depth > CORRAL_SESSION_LAYERS_MERGE)
		r = store_session_merge(session, NULL, few ? NULL : err);
	if (r == 0 || few)
		r = layers_get(s, session->layer, &layers, err);
	return r < 0 ? r : config_put(session, c, &layers, err);
}

static int workspace_of(const struct store_session *session, char **ret, struct corral_error *err)
{
	char *path;

	if (session->depth > 1)
		return corral_error_set(err, EBUSY,
		                        "Session '%s': its files are those of %u layers: only a "
		                        "native sandbox puts them together",
		                        session->id, session->depth);
	path = store_layer_path(session->has_disk ? &beneath : store_place_of(session),
	                        session->layer, "u2");
	if (!path)
		return corral_error_set(err, ENOMEM, "out of memory");
	*ret = path;
	return 0;
}

int corral_session_store_config(struct corral_session_store *s, const char *id,
                                struct corral_config **ret, struct corral_error *err)
{
	store_autosession struct store_session session = { 0 };
	corral_auto(corral_config_freep) struct corral_config *c = NULL;
	corral_autofree char *workspace = NULL;
	int r = store_session_open(s, id, &session, err);

	if (r == 0)
		r = corral_runtime_config(session.runtime, &c, err);
	if (r == 0)
		r = store_image_apply(&session, c, err);
	if (r == 0)
		r = corral_rootfs_account_apply(c, err);
	if (r == 0 && session.has_disk) {
		store_disk_tidy(&session);
		r = disk_put(&session, c, err);
	}
	if (r != 0)
		return r;
	if (session.runtime->scope == CORRAL_SCOPE_CALL) {
		r = workspace_of(&session, &workspace, err);
		if (r == 0)
			r = corral_config_set_text(&c->workspace, workspace, err);
	} else {
		r = layered(&session, c, err);
	}
	if (r < 0)
		return r;
	*ret = corral_take_ptr(&c);
	return 0;
}

int corral_session_store_workspace(struct corral_session_store *s, const char *id, char **ret,
                                   struct corral_error *err)
{
	store_autosession struct store_session session = { 0 };
	int r = store_session_open(s, id, &session, err);

	if (r == 0 && session.has_disk)
		r = corral_error_set(err, EBUSY,
		                     "Session '%s': its files are on a disk of its own: only a "
		                     "native sandbox has them",
		                     id);
	return r < 0 ? r : workspace_of(&session, ret, err);
}
