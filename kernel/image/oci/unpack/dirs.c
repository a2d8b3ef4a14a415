#include "kernel/image/oci/unpack/dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"

int dirs_add_take(struct dirs *d, const char *path, struct meta *m, struct corral_error *err)
{
	struct dirs_item *i;

	if (d->n == d->size) {
		size_t size = d->size ? d->size * 2 : 256;

		i = realloc(d->items, size * sizeof(*i));
		if (!i) {
			if (m)
				meta_done(m);
			return corral_error_set(err, ENOMEM, "out of memory");
		}
		d->items = i;
		d->size = size;
	}
	i = &d->items[d->n];
	*i = (struct dirs_item) { .path = strdup(path), .implied = !m, .order = d->n };
	if (m) {
		i->meta = *m;
		*m = (struct meta) { 0 };
	} else {
		i->meta.mode = 0755;
	}
	d->n++;
	return i->path ? 0 : corral_error_set(err, ENOMEM, "out of memory");
}

/* Beneath before above, and what came last before what came first. */
static int compare(const void *a, const void *b)
{
	const struct dirs_item *x = a, *y = b;
	int r = strcmp(y->path, x->path);

	return r ? r : (x->order < y->order) - (x->order > y->order);
}

static int apply(const struct dirs_item *i, const struct place *p, bool squash,
                 struct report *report, struct corral_error *err)
{
	corral_autofd int fd = place_directory(p, i->path, O_RDONLY);
	char shown[128];
	int r;

	/* Something else has taken its place since. */
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return 0;
	if (fd < 0)
		return corral_error_sys(err, -fd, "open directory '%s'",
		                        name_shown(i->path, shown));
	r = meta_apply(&i->meta, fd, squash, err);
	if (r < 0)
		return corral_error_wrap(err, r, "directory '%s'", name_shown(i->path, shown));
	if (i->implied)
		report_add(report, CORRAL_REPORT_IMPLIED, i->path);
	return 0;
}

int dirs_finish(struct dirs *d, const struct place *p, bool squash, struct report *report,
                struct corral_error *err)
{
	if (d->n)
		qsort(d->items, d->n, sizeof(*d->items), compare);
	for (size_t i = 0; i < d->n; i++) {
		int r;

		if (i && strcmp(d->items[i].path, d->items[i - 1].path) == 0)
			continue;
		r = apply(&d->items[i], p, squash, report, err);
		if (r < 0)
			return r;
	}
	return 0;
}

void dirs_done(struct dirs *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->items[i].path);
		meta_done(&d->items[i].meta);
	}
	free(d->items);
	*d = (struct dirs) { 0 };
}
