/*
 * What the commands that make images share: the store, sandboxes to unpack in, how it goes on.
 */
#ifndef CORRAL_TOOLS_IMAGES_OCI_MAKER_H
#define CORRAL_TOOLS_IMAGES_OCI_MAKER_H

#include "kernel/image/oci/unpack.h"
#include "tools/images/oci/bars.h"
#include "tools/options.h"

#define CORRAL_PROGRAM_UNPACK "corral-unpack"

struct corral_images_maker {
	struct corral_image_store *store; /* made when there is none */
	struct corral_launcher *launcher;
	char *program_path;
	struct corral_bars bars;
	struct corral_unpack_options unpack; /* of all these */
	uint64_t builds;                     /* at once: CORRAL_IMAGES_BUILDS; 0: as usual */
};

/* What an image may have: as the options say, else CORRAL_IMAGES_MAX_SIZE and
 * CORRAL_IMAGES_MAX_FILES. m stays where it is; it is given to done() also after a failure. */
int corral_images_maker_init(struct corral_images_maker *m, const struct corral_options *o,
                             struct corral_error *err);
void corral_images_maker_done(struct corral_images_maker *m);
/* Of what a command came to: the exit status where an interrupt ended it, else r. */
int corral_images_maker_end(struct corral_images_maker *m, int r, const struct corral_error *err);

#endif
