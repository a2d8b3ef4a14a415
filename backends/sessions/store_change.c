#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/sessions/store_state.h"
#include "kernel/base/cleanup.h"

static int begin(struct store_change *c, struct corral_session_store *s,
                 const struct store_place *place, enum registry_kind kind, struct corral_error *err)
{
	int r = registry_begin(s->registry, kind, err);

	if (r < 0)
		return r;
	c->store = s;
	c->place = place;
	c->begun = true;
	return 0;
}

int store_change_begin(struct store_change *c, struct corral_session_store *s,
                       const struct store_place *place, struct corral_error *err)
{
	return begin(c, s, place, REGISTRY_DURABLE, err);
}

int store_change_begin_light(struct store_change *c, struct corral_session_store *s,
                             const struct store_place *place, struct corral_error *err)
{
	return begin(c, s, place, REGISTRY_WRITE, err);
}

void store_change_note(struct store_change *c, int64_t layer)
{
	if (c->n_layers == c->layers_size) {
		size_t size = c->layers_size ? 2 * c->layers_size : 8;
		int64_t *more = reallocarray(c->layers, size, sizeof(*more));

		if (!more)
			return;
		c->layers = more;
		c->layers_size = size;
	}
	c->layers[c->n_layers++] = layer;
}

int store_change_commit(struct store_change *c, struct corral_error *err)
{
	c->begun = false;
	return registry_commit(c->store->registry, err);
}

/* The registry is asked again, as what was rolled back may have been made anew by another. */
static void tidy(struct store_change *c)
{
	struct corral_session_store *s = c->store;
	struct registry *g = s->registry;
	int64_t found;

	if (registry_begin(g, REGISTRY_WRITE, NULL) < 0)
		return;
	for (size_t i = 0; c->place && i < c->n_layers; i++)
		if (registry_one(g, REGISTRY_LAYER_DEPTH, REGISTRY_VALUES(REGISTRY_N(c->layers[i])),
		                 &found, NULL) == 0)
			(void)store_trash_layer(c->place, c->layers[i]);
	if (c->session[0] &&
	    registry_one(g, REGISTRY_SESSION_EXISTS, REGISTRY_VALUES(REGISTRY_T(c->session)),
	                 &found, NULL) == 0)
		(void)store_trash_put(&s->own, s->sessions_fd, c->session);
	registry_rollback(g);
}

void store_change_end(struct store_change *c)
{
	int saved = errno;

	if (c->begun)
		registry_rollback(c->store->registry);
	if (c->store && (c->n_layers || c->session[0]))
		tidy(c);
	free(c->layers);
	memset(c, 0, sizeof(*c));
	errno = saved;
}
