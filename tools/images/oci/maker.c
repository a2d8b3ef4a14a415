#include "tools/images/oci/maker.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/base/parse.h"
#include "tools/images/place.h"
#include "tools/program.h"

/* Of the environment, where no option (ret is not 0) said so. */
static int variable(const char *name,
                    int (*parse)(const char *text, uint64_t *ret, struct corral_error *err),
                    uint64_t *ret, struct corral_error *err)
{
	const char *text = getenv(name);
	int r = !*ret && text && *text ? parse(text, ret, err) : 0;

	return r < 0 ? corral_error_wrap(err, r, "%s", name) : 0;
}

static int number_parse(const char *text, uint64_t *ret, struct corral_error *err)
{
	return corral_parse_u64(text, INT64_MAX, ret, err);
}

static int limits_say(struct corral_images_maker *m, const struct corral_options *o,
                      struct corral_image_limits *ret, struct corral_error *err)
{
	int r;

	*ret = (struct corral_image_limits) { o->max_size, o->max_files };
	r = variable("CORRAL_IMAGES_MAX_SIZE", corral_parse_bytes, &ret->bytes_max, err);
	if (r == 0)
		r = variable("CORRAL_IMAGES_MAX_FILES", number_parse, &ret->files_max, err);
	return r < 0 ? r : variable("CORRAL_IMAGES_BUILDS", number_parse, &m->builds, err);
}

int corral_images_maker_init(struct corral_images_maker *m, const struct corral_options *o,
                             struct corral_error *err)
{
	bool is_quiet = o->quiet || o->json;
	struct corral_image_limits limits;
	int r;

	memset(m, 0, sizeof(*m));
	corral_bars_init(&m->bars, is_quiet);
	corral_bars_interruptible();
	r = limits_say(m, o, &limits, err);
	if (r == 0)
		r = corral_images_open(&m->store, err);
	if (r == 0)
		r = corral_program_find(CORRAL_PROGRAM_UNPACK, "what unpacks images",
		                        &m->program_path, err);
	if (r == 0)
		r = corral_launcher_open(0, &m->launcher, err);
	m->unpack = (struct corral_unpack_options) { .launcher = m->launcher,
		                                     .program_path = m->program_path,
		                                     .limits = { .image = limits },
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
	return corral_bars_end(&m->bars, r, err);
}
