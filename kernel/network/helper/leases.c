#include "kernel/network/helper/leases.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Taken, and not open yet: nobody's to take. */
#define TAKEN UINT64_MAX

static bool same_address(const struct corral_address *a, const struct corral_address *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

void corral_leases_done(struct corral_leases *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->list[i].name);
	free(l->list);
	*l = (struct corral_leases) { .list = NULL };
}

struct corral_lease *corral_leases_find(const struct corral_leases *l,
                                        const struct corral_address *a, unsigned int set)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->list[i].set == set && same_address(&l->list[i].address, a))
			return &l->list[i];
	return NULL;
}

static struct corral_lease *place_find(struct corral_leases *l, uint64_t now_ms, int *ret_error)
{
	struct corral_lease *oldest = NULL;

	if (l->n == l->size && l->size < CORRAL_FILTER_LEASES_MAX) {
		size_t size = l->size ? l->size * 2 : 32;
		struct corral_lease *grown = realloc(l->list, size * sizeof(*grown));

		if (!grown) {
			*ret_error = -ENOMEM;
			return NULL;
		}
		l->list = grown;
		l->size = size;
	}
	if (l->n < l->size) {
		l->list[l->n] = (struct corral_lease) { .name = NULL };
		return &l->list[l->n++];
	}
	for (size_t i = 0; i < l->n; i++)
		if (l->list[i].until_ms <= now_ms &&
		    (!oldest || l->list[i].until_ms < oldest->until_ms))
			oldest = &l->list[i];
	if (!oldest)
		*ret_error = -ENOSPC;
	return oldest;
}

int corral_leases_take(struct corral_leases *l, const struct corral_address *a, unsigned int set,
                       const char *name, uint64_t now_ms)
{
	char *copy = strdup(name);
	struct corral_lease *place;
	int r = -ENOMEM;

	place = copy ? place_find(l, now_ms, &r) : NULL;
	if (!place) {
		free(copy);
		return r;
	}
	free(place->name);
	*place = (struct corral_lease) { *a, (uint8_t)set, TAKEN, copy };
	return 0;
}

void corral_leases_settle(struct corral_leases *l, const struct corral_address *a, unsigned int set,
                          uint64_t until_ms)
{
	struct corral_lease *one = corral_leases_find(l, a, set);

	if (!one)
		return;
	if (one->until_ms == TAKEN || one->until_ms < until_ms)
		one->until_ms = until_ms;
}

const char *corral_leases_name(const struct corral_leases *l, const struct corral_address *a)
{
	for (size_t i = l->n; i > 0; i--)
		if (same_address(&l->list[i - 1].address, a))
			return l->list[i - 1].name;
	return NULL;
}
