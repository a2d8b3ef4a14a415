#include "kernel/files/tar_links.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct files_tar_link {
	dev_t dev;
	ino_t ino;
	char *name; /* NULL: a free place */
};

static struct files_tar_link *place(struct files_tar_link *v, size_t size, dev_t dev, ino_t ino)
{
	uint64_t h = ((uint64_t)ino ^ (uint64_t)dev << 32) * 0x9e3779b97f4a7c15ull;
	size_t i = (size_t)(h >> 32) & (size - 1);

	while (v[i].name && (v[i].dev != dev || v[i].ino != ino))
		i = (i + 1) & (size - 1);
	return &v[i];
}

/* Half of it stays free. */
static int grow(struct files_tar_links *l)
{
	size_t size = l->size ? l->size * 2 : 64;
	struct files_tar_link *v = calloc(size, sizeof(*v));

	if (!v)
		return -1;
	for (size_t i = 0; i < l->size; i++)
		if (l->v[i].name)
			*place(v, size, l->v[i].dev, l->v[i].ino) = l->v[i];
	free(l->v);
	l->v = v;
	l->size = size;
	return 0;
}

const char *files_tar_link(struct files_tar_links *l, const struct stat *st, const char *name)
{
	struct files_tar_link *at = l->size ? place(l->v, l->size, st->st_dev, st->st_ino) : NULL;

	if (at && at->name)
		return at->name;
	if (l->n == FILES_TAR_LINKS_MAX || (l->n * 2 >= l->size && grow(l) < 0))
		return NULL;
	at = place(l->v, l->size, st->st_dev, st->st_ino);
	*at = (struct files_tar_link) { st->st_dev, st->st_ino, strdup(name) };
	l->n += at->name != NULL;
	return NULL;
}

void files_tar_links_done(struct files_tar_links *l)
{
	for (size_t i = 0; i < l->size; i++)
		free(l->v[i].name);
	free(l->v);
	*l = (struct files_tar_links) { 0 };
}
