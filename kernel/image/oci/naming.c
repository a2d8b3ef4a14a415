#include "kernel/image/oci/naming.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/reference.h"

/* It may have others already: the one that it was given now is the one to tell of. */
static void first_make(struct corral_image *i, const char *name)
{
	corral_autofree char *full = NULL;

	if (corral_image_reference_full(name, &full, NULL) < 0)
		return;
	for (size_t k = 1; k < i->n_names; k++) {
		char *given = i->names[k];

		if (strcmp(given, full) != 0)
			continue;
		memmove(i->names + 1, i->names, k * sizeof(*i->names));
		i->names[0] = given;
		return;
	}
}

int corral_naming_commit(struct corral_image_store *s, struct corral_image *i, const char *name,
                         bool is_there, struct corral_image_bounds *bounds,
                         const struct corral_progress *progress, struct corral_error *err)
{
	corral_autofree char *before = NULL;
	int r = corral_image_name_before(s, name, i->id, &before, err);

	if (r == 0)
		r = is_there ? corral_image_tag(s, i, name, err)
		             : corral_image_commit(s, i, name, bounds, err);
	if (r == 0 && !is_there)
		first_make(i, name);
	if (r == 0 && before)
		(void)corral_progress_say(progress, "%s pointed to %s before", name, before);
	return r;
}
