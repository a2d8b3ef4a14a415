/*
 * What nobody has any more goes, and what was left half done.
 */
#include <errno.h>
#include <string.h>

#include "backends/sessions/store_state.h"
#include "kernel/base/cleanup.h"

static int rows_clean(struct corral_session_store *s, struct store_ids *ret_ids,
                      struct corral_error *err)
{
	int r = registry_begin(s->registry, REGISTRY_DURABLE, err);

	if (r < 0)
		return r;
	r = registry_do(s->registry, REGISTRY_LAYERS_LOST, NULL, err);
	if (r >= 0)
		r = registry_do(s->registry, REGISTRY_RUNTIMES_DROP, NULL, err);
	if (r >= 0)
		r = store_ids_get(s, ret_ids, err);
	if (r >= 0)
		return registry_commit(s->registry, err);
	registry_rollback(s->registry);
	return r;
}

static int session_clean(struct corral_session_store *s, const char *id,
                         struct corral_session_cleaned *told)
{
	store_autosession struct store_session session = { 0 };
	int r = store_session_open_any(s, id, &session, NULL);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (session.has_disk && !session.disk.path)
		return -EIO;
	r = store_merge_remove(&session);
	if (session.has_disk && session.runtime) {
		store_disk_tidy(&session);
		(void)store_trash_empty(&session.disk, 0, told);
	}
	if (r == 0 && session.depth > CORRAL_SESSION_LAYERS_MERGE)
		r = store_session_merge(&session, &told->merged, NULL);
	return r == -EBUSY ? 0 : r;
}

int corral_session_store_clean(struct corral_session_store *s, struct corral_session_cleaned *ret,
                               struct corral_error *err)
{
	corral_auto(store_ids_done) struct store_ids ids = { 0 };
	struct corral_session_cleaned told = { 0 };
	int r = rows_clean(s, &ids, err);

	if (r == 0)
		r = store_strays_put(s, err);
	if (r < 0)
		return corral_error_wrap(err, r, "clean sessions '%s'", s->root);
	for (size_t i = 0; i < ids.n; i++)
		if (session_clean(s, ids.items[i], &told) < 0)
			told.failed++;
	(void)store_trash_empty(&s->own, 0, &told);
	if (ret)
		*ret = told;
	return 0;
}
