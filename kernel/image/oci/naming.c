#include "kernel/image/oci/naming.h"

#include <stdlib.h>

#include "kernel/base/cleanup.h"

int corral_naming_commit(struct corral_image_store *s, struct corral_image *i, const char *name,
                         bool is_there, struct corral_image_bounds *bounds,
                         const struct corral_progress *progress, struct corral_error *err)
{
	corral_autofree char *before = NULL;
	int r = corral_image_name_before(s, name, i->id, &before, err);

	if (r == 0)
		r = is_there ? corral_image_tag(s, i, name, err)
		             : corral_image_commit(s, i, name, bounds, err);
	if (r == 0 && before)
		(void)corral_progress_say(progress, "%s pointed to %s before", name, before);
	return r;
}
