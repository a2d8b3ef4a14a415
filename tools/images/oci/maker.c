#include "tools/images/oci/maker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/exitcode.h"
#include "tools/images/place.h"
#include "tools/message.h"
#include "tools/program.h"

int corral_images_maker_init(struct corral_images_maker *m, bool is_quiet, struct corral_error *err)
{
	int r;

	memset(m, 0, sizeof(*m));
	corral_bars_init(&m->bars, is_quiet);
	corral_bars_interruptible();
	r = corral_images_open(&m->store, err);
	if (r == 0)
		r = corral_program_find(CORRAL_PROGRAM_UNPACK, "what unpacks images",
		                        &m->program_path, err);
	if (r == 0)
		r = corral_launcher_open(0, &m->launcher, err);
	m->unpack = (struct corral_unpack_options) { .launcher = m->launcher,
		                                     .program_path = m->program_path,
		                                     .progress = &m->bars.progress };
	return r;
}

void corral_images_maker_done(struct corral_images_maker *m)
{
	corral_bars_done(&m->bars);
	corral_launcher_close(m->launcher);
	corral_image_store_close(m->store);
	free(m->program_path);
}

int corral_images_maker_end(struct corral_images_maker *m, int r, const struct corral_error *err)
{
	corral_bars_done(&m->bars);
	if (r != -ECANCELED || !corral_bars_interrupted())
		return r;
	(void)corral_complain(err);
	return CORRAL_EXIT_SIGNAL + corral_bars_interrupted();
}
