/* Memory that is given back at once: blocks that never move, so that pointers into them stay good.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/files/internal.h"

#define BLOCK_SIZE (64u << 10)

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(16) char data[];
};

struct corral_files_arena {
	struct block *first;
	size_t used;
	size_t block_size; /* grows: a small result costs little */
};

struct corral_files_arena *files_arena_new(void)
{
	return calloc(1, sizeof(struct corral_files_arena));
}

void files_arena_free(struct corral_files_arena *a)
{
	if (!a)
		return;
	while (a->first) {
		struct block *next = a->first->next;

		free(a->first);
		a->first = next;
	}
	free(a);
}

void *files_arena_alloc(struct corral_files_arena *a, size_t size)
{
	struct block *b = a->first;
	void *p;

	size = (size + 15) & ~(size_t)15;
	if (!b || b->size - b->used < size) {
		size_t want = a->block_size ? a->block_size : 1024;

		a->block_size = want < BLOCK_SIZE ? want * 2 : want;
		if (want < size)
			want = size;
		b = malloc(sizeof(*b) + want);
		if (!b)
			return NULL;
		b->size = want;
		b->used = 0;
		b->next = a->first;
		a->first = b;
	}
	p = b->data + b->used;
	b->used += size;
	a->used += size;
	return p;
}

char *files_arena_dup(struct corral_files_arena *a, const char *data, size_t len)
{
	char *p = files_arena_alloc(a, len + 1);

	if (!p)
		return NULL;
	if (len)
		memcpy(p, data, len);
	p[len] = '\0';
	return p;
}

void files_arena_take(struct corral_files_arena *a, struct corral_files_arena *b)
{
	struct block **last = &b->first;

	while (*last)
		last = &(*last)->next;
	*last = a->first;
	a->first = b->first;
	a->used += b->used;
	b->first = NULL;
	files_arena_free(b);
}

size_t files_arena_used(const struct corral_files_arena *a)
{
	return a->used;
}
