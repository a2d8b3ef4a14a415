/*
 * What an agent has seen of files, so that it does not edit what has changed meanwhile.
 */
#include <sha256.h>
#include <stdlib.h>
#include <string.h>

#include "backends/console_state.h"

static uint32_t spread(const char *path)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *path; path++)
		h = (h ^ (uint8_t)*path) * 16777619u;
	return h;
}

pthread_mutex_t *console_file_lock(struct corral_console_toolset *t, const char *path)
{
	return &t->files[spread(path) % CONSOLE_LOCKS];
}

static void hash_of(const void *data, size_t len, uint8_t ret[CONSOLE_HASH_SIZE])
{
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	SHA256Update(&ctx, data ? data : (const void *)"", len);
	SHA256Final(ret, &ctx);
}

/* Where it is, or where it may be put: within eight places of its own. Under the lock. */
static struct console_seen *place(struct corral_console_toolset *t, const char *path,
                                  bool *ret_there)
{
	uint32_t first = spread(path);
	struct console_seen *oldest = NULL;

	for (uint32_t i = 0; i < 8; i++) {
		struct console_seen *s = &t->seen[(first + i) % CONSOLE_SEEN_MAX];

		*ret_there = s->path && !strcmp(s->path, path);
		if (*ret_there)
			return s;
		if (!oldest || !s->path || (oldest->path && s->turn < oldest->turn))
			oldest = s;
	}
	return oldest;
}

void console_seen_note(struct corral_console_toolset *t, const char *path, const void *data,
                       size_t len)
{
	uint8_t hash[CONSOLE_HASH_SIZE];
	struct console_seen *s;
	bool there;

	hash_of(data, len, hash);
	pthread_mutex_lock(&t->lock);
	if (!t->seen)
		t->seen = calloc(CONSOLE_SEEN_MAX, sizeof(*t->seen));
	if (t->seen) {
		s = place(t, path, &there);
		if (!there) {
			free(s->path);
			s->path = strdup(path); /* without memory it is not remembered */
		}
		memcpy(s->hash, hash, sizeof(hash));
		s->turn = ++t->turn;
	}
	pthread_mutex_unlock(&t->lock);
}

bool console_seen_has(struct corral_console_toolset *t, const char *path)
{
	bool there = false;

	pthread_mutex_lock(&t->lock);
	if (t->seen)
		(void)place(t, path, &there);
	pthread_mutex_unlock(&t->lock);
	return there;
}

bool console_seen_differs(struct corral_console_toolset *t, const char *path, const void *data,
                          size_t len)
{
	uint8_t hash[CONSOLE_HASH_SIZE];
	const struct console_seen *s;
	bool there = false;

	hash_of(data, len, hash);
	pthread_mutex_lock(&t->lock);
	if (t->seen) {
		s = place(t, path, &there);
		there = there && memcmp(s->hash, hash, sizeof(hash)) != 0;
	}
	pthread_mutex_unlock(&t->lock);
	return there;
}

void console_seen_done(struct corral_console_toolset *t)
{
	for (size_t i = 0; t->seen && i < CONSOLE_SEEN_MAX; i++)
		free(t->seen[i].path);
	free(t->seen);
	t->seen = NULL;
}
