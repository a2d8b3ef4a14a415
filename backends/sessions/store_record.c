/*
 * Records of sessions, as callers see them. Most sessions have one of a few runtimes, whose text is
 * read once for all of a list.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/sessions/store_state.h"
#include "kernel/base/cleanup.h"

void corral_session_record_done(struct corral_session_record *r)
{
	corral_runtime_free(r->runtime);
	free(r->reason);
	free(r->fault);
	memset(r, 0, sizeof(*r));
}

void corral_session_records_free(struct corral_session_record *records, size_t n)
{
	for (size_t i = 0; i < n; i++)
		corral_session_record_done(&records[i]);
	free(records);
}

/* Runtimes that were read already, by their numbers in the registry. */
struct known {
	struct corral_runtime **items;
	int64_t *numbers;
	size_t n;
};

static void known_done(struct known *k)
{
	for (size_t i = 0; i < k->n; i++)
		corral_runtime_free(k->items[i]);
	free(k->items);
	free(k->numbers);
}

static int known_add(struct known *k, int64_t number, const char *text, struct corral_error *err)
{
	struct corral_runtime **items = reallocarray(k->items, k->n + 1, sizeof(*items));
	int64_t *numbers;
	int r;

	if (items)
		k->items = items;
	numbers = reallocarray(k->numbers, k->n + 1, sizeof(*numbers));
	if (numbers)
		k->numbers = numbers;
	if (!items || !numbers)
		return corral_error_set(err, ENOMEM, "out of memory");
	r = corral_runtime_parse(text, strlen(text), &k->items[k->n], err);
	if (r == 0)
		k->numbers[k->n++] = number;
	return r;
}

static int known_get(struct known *k, int64_t number, const char *text, struct corral_runtime **ret,
                     struct corral_error *err)
{
	size_t i = 0;
	int r;

	while (i < k->n && k->numbers[i] != number)
		i++;
	r = i < k->n ? 0 : known_add(k, number, text, err);
	if (r == 0)
		*ret = corral_runtime_share(k->items[i]);
	return r;
}

/* What this corral does not understand is another's, or a hand's: one session's trouble. */
static int fault_set(struct corral_session_record *to, int r, const struct corral_error *why,
                     struct corral_error *err)
{
	if (r == 0)
		return 0;
	if (r == -ENOMEM || asprintf(&to->fault,
	                             "Session '%s': what registry.db says of its runtime cannot be "
	                             "read: %s",
	                             to->id, why->text) < 0) {
		to->fault = NULL;
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

static int isolation_of(const char *name, enum corral_isolation *ret, struct corral_error *err)
{
	static const enum corral_isolation all[] = { CORRAL_ISOLATION_NATIVE,
		                                     CORRAL_ISOLATION_DOCKER };

	for (size_t i = 0; i < CORRAL_COUNT(all); i++) {
		if (strcmp(name, corral_isolation_name(all[i])) == 0) {
			*ret = all[i];
			return 0;
		}
	}
	return corral_error_set(err, EIO, "unknown isolation '%s' in registry.db", name);
}

/* The row that question has come to. *ret_layer: the topmost. */
static int record_fill(struct registry *g, enum registry_question q, struct known *k,
                       struct corral_session_record *ret, int64_t *ret_layer,
                       struct corral_error *err)
{
	struct corral_error why = { 0 };
	int r;

	(void)snprintf(ret->id, sizeof(ret->id), "%s", registry_text(g, q, 0));
	(void)snprintf(ret->tenant, sizeof(ret->tenant), "%s", registry_text(g, q, 1));
	ret->history = registry_number(g, q, 6) != 0;
	ret->closed = registry_number(g, q, 7) != 0;
	ret->created_ms = registry_number(g, q, 8);
	ret->active_ms = registry_number(g, q, 9);
	ret->n_layers = (unsigned int)registry_number(g, q, 10);
	ret->data = (uint64_t)registry_number(g, q, 11);
	*ret_layer = registry_number(g, q, 12);
	ret->reason = strdup(registry_text(g, q, 5));
	if (!ret->reason)
		return corral_error_set(err, ENOMEM, "out of memory");
	r = isolation_of(registry_text(g, q, 4), &ret->isolation, &why);
	if (r == 0)
		r = known_get(k, registry_number(g, q, 2), registry_text(g, q, 3), &ret->runtime,
		              &why);
	return fault_set(ret, r, &why, err);
}

/* Layers on a disk are none of the store's own. */
static void disk_look(const struct corral_session_store *s, struct corral_session_record *r,
                      int64_t layer)
{
	if (r->runtime && store_has_disk(r->runtime))
		r->running = store_disk_is_running(s, r->id, layer);
}

int corral_session_store_find_any(struct corral_session_store *s, const char *id,
                                  struct corral_session_record *ret, struct corral_error *err)
{
	const enum registry_question q = REGISTRY_SESSION_GET;
	corral_auto(corral_session_record_done) struct corral_session_record record = { 0 };
	corral_auto(known_done) struct known known = { 0 };
	int64_t layer = 0;
	int r = corral_session_id_check(id, err);

	if (r == 0)
		r = registry_begin(s->registry, REGISTRY_READ, err);
	if (r < 0)
		return r;
	r = registry_ask(s->registry, q, REGISTRY_VALUES(REGISTRY_T(id)), err);
	if (r == 0)
		r = registry_next(s->registry, q, err);
	if (r == 0)
		r = corral_error_set(err, ENOENT, "No such session: %s", id);
	if (r > 0)
		r = record_fill(s->registry, q, &known, &record, &layer, err);
	registry_stop(s->registry, q);
	registry_rollback(s->registry);
	if (r < 0)
		return r;
	store_layers_locked(s, &layer, 1, &record.running);
	disk_look(s, &record, layer);
	*ret = record;
	memset(&record, 0, sizeof(record));
	return 0;
}

int corral_session_store_find(struct corral_session_store *s, const char *id,
                              struct corral_session_record *ret, struct corral_error *err)
{
	int r = corral_session_store_find_any(s, id, ret, err);

	if (r == 0 && ret->fault) {
		r = corral_error_set(err, EIO, "%s", ret->fault);
		corral_session_record_done(ret);
	}
	return r;
}

struct list {
	struct corral_session_record *records;
	int64_t *layers;
	size_t n, size;
};

static void list_done(struct list *l)
{
	corral_session_records_free(l->records, l->n);
	free(l->layers);
}

static int list_grow(struct list *l, struct corral_error *err)
{
	size_t size = l->size ? 2 * l->size : 64;
	struct corral_session_record *records;
	int64_t *layers;

	if (l->n < l->size)
		return 0;
	records = reallocarray(l->records, size, sizeof(*records));
	if (records)
		l->records = records;
	layers = reallocarray(l->layers, size, sizeof(*layers));
	if (layers)
		l->layers = layers;
	if (!records || !layers)
		return corral_error_set(err, ENOMEM, "out of memory");
	l->size = size;
	return 0;
}

static int list_fill(struct corral_session_store *s, struct list *l, struct corral_error *err)
{
	const enum registry_question q = REGISTRY_SESSION_LIST;
	corral_auto(known_done) struct known known = { 0 };
	int r = registry_ask(s->registry, q, NULL, err);

	while (r == 0 && (r = registry_next(s->registry, q, err)) > 0) {
		r = list_grow(l, err);
		if (r < 0)
			break;
		memset(&l->records[l->n], 0, sizeof(l->records[l->n]));
		l->n++;
		r = record_fill(s->registry, q, &known, &l->records[l->n - 1], &l->layers[l->n - 1],
		                err);
	}
	registry_stop(s->registry, q);
	return r;
}

int corral_session_store_list(struct corral_session_store *s, struct corral_session_record **ret,
                              size_t *ret_n, struct corral_error *err)
{
	corral_auto(list_done) struct list list = { 0 };
	corral_autofree bool *locked = NULL;
	int r = registry_begin(s->registry, REGISTRY_READ, err);

	if (r < 0)
		return r;
	r = list_fill(s, &list, err);
	registry_rollback(s->registry);
	if (r < 0)
		return r;
	locked = calloc(list.n + 1, sizeof(*locked));
	if (!locked)
		return corral_error_set(err, ENOMEM, "out of memory");
	store_layers_locked(s, list.layers, list.n, locked);
	for (size_t i = 0; i < list.n; i++)
		list.records[i].running = locked[i];
	for (size_t i = 0; i < list.n; i++)
		disk_look(s, &list.records[i], list.layers[i]);
	*ret_n = list.n;
	list.n = 0;
	*ret = corral_take_ptr(&list.records);
	return 0;
}

void store_ids_done(struct store_ids *n)
{
	free(n->items);
}

int store_ids_get(struct corral_session_store *s, struct store_ids *ret, struct corral_error *err)
{
	const enum registry_question q = REGISTRY_SESSION_IDS;
	int r = registry_ask(s->registry, q, NULL, err);

	while (r == 0 && (r = registry_next(s->registry, q, err)) > 0) {
		if (ret->n == ret->size) {
			size_t size = ret->size ? 2 * ret->size : 64;
			void *more = reallocarray(ret->items, size, sizeof(*ret->items));

			if (!more) {
				r = corral_error_set(err, ENOMEM, "out of memory");
				break;
			}
			ret->items = more;
			ret->size = size;
		}
		(void)snprintf(ret->items[ret->n++], sizeof(*ret->items), "%s",
		               registry_text(s->registry, q, 0));
		r = 0;
	}
	registry_stop(s->registry, q);
	return r;
}
