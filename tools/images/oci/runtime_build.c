/* corral runtime build, and prewarm, which builds or pulls what is not there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/oci/build.h"
#include "policy/runtime_build.h"
#include "tools/compile.h"
#include "tools/images/oci/maker.h"
#include "tools/images/oci/puller.h"
#include "tools/images/runtimes.h"
#include "tools/images/words.h"
#include "tools/json_print.h"
#include "tools/message.h"
#include "tools/runtimes.h"
#include "tools/summary.h"

struct builder {
	struct corral_images_maker maker;
	struct corral_images_puller puller;
	struct corral_progress progress;
	struct corral_build_options options;
	char *cache_dir;
	bool is_quiet;
};

/* What commands print is shown as it is; layers of a base image are the bars'. */
static int tell(void *ctx, const char *what, const char *doing, uint64_t current, uint64_t total)
{
	struct builder *b = ctx;

	(void)current;
	(void)total;
	if (corral_bars_interrupted())
		return 1;
	if (!b->is_quiet && strcmp(doing, "log") == 0)
		(void)fprintf(stderr, "%s\n", what);
	return 0;
}

static int fetch(void *ctx, const char *name, struct corral_error *err)
{
	struct builder *b = ctx;
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	int r;

	if (!b->is_quiet)
		corral_say("fetching %s", name);
	r = corral_image_pull(b->maker.store, name, &b->puller.options, &i, err);
	corral_bars_clear(&b->maker.bars);
	return r;
}

/* It stays where it is; done() also after a failure. */
static int builder_init(struct builder *b, const struct corral_call *call, struct corral_error *err)
{
	int r;

	memset(b, 0, sizeof(*b));
	b->is_quiet = call->options.quiet || call->options.json;
	r = corral_images_maker_init(&b->maker, &call->options, err);
	if (r == 0)
		r = corral_images_puller_init(&b->puller, &b->maker, NULL, NULL, err);
	b->progress = (struct corral_progress) { tell, b };
	b->cache_dir = corral_cache_dir();
	b->options = (struct corral_build_options) {
		.launcher = b->maker.launcher,
		.network = call->options.build_network,
		.no_cache = call->options.no_cache,
		.slots = b->maker.builds < CORRAL_BUILD_SLOTS_MAX ? (unsigned int)b->maker.builds
		                                                  : CORRAL_BUILD_SLOTS_MAX,
		.limits = b->maker.unpack.limits.image,
		.seccomp_cache_dir = b->cache_dir,
		.progress = &b->progress,
		.fetch = fetch,
		.fetch_ctx = b,
	};
	return r;
}

static void builder_done(struct builder *b)
{
	corral_images_puller_done(&b->puller);
	corral_images_maker_done(&b->maker);
	free(b->cache_dir);
}

static json_t *image_json(const struct corral_runtime *rt, const struct corral_image *i)
{
	json_t *words = i ? corral_images_json(i) : json_object();

	if (words)
		(void)json_object_set_new(words, "runtime", json_string(rt->name));
	return words;
}

static void print(const struct corral_runtime *rt, const struct corral_image *i, bool is_quiet)
{
	char id[CORRAL_IMAGES_ID_SIZE], bytes[32];

	if (!i) {
		if (!is_quiet)
			(void)printf("%s  takes no image\n", rt->name);
		return;
	}
	corral_images_short_id(i->id, id);
	corral_human_bytes(i->size_bytes, bytes, sizeof(bytes));
	if (is_quiet)
		(void)printf("%s\n", i->id);
	else
		(void)printf("%s  sha256:%s  %s\n", rt->name, id, bytes);
}

static int build_one(struct builder *b, const struct corral_runtime *rt, struct corral_image **ret,
                     struct corral_error *err)
{
	if (rt->base_image && !rt->image && !rt->rootfs)
		return corral_runtime_build(b->maker.store, rt, &b->options, ret, err);
	return corral_error_set(err, EINVAL, "runtime '%.60s' has nothing to build: %s%s", rt->name,
	                        rt->rootfs  ? "its root is a directory of this host"
	                        : rt->image ? "it takes an image as it is: corral runtime prewarm "
	                                      "fetches that"
	                                    : "its root is this host's own programs",
	                        rt->n_packages || rt->n_setup_commands
	                                ? "; packages and setup_commands take a base_image alone"
	                                : "");
}

/* *ret stays NULL where there is nothing to fetch. */
static int prewarm_one(struct builder *b, const struct corral_runtime *rt,
                       struct corral_image **ret, struct corral_error *err)
{
	corral_autofree char *name = NULL;
	int r;

	if (rt->base_image && !rt->image && !rt->rootfs)
		return corral_runtime_build(b->maker.store, rt, &b->options, ret, err);
	r = corral_runtime_image_name(rt, &name, err);
	if (r < 0 || !name)
		return r;
	r = corral_image_find(b->maker.store, name, ret, err);
	if (r == -ENOENT)
		r = fetch(b, name, err);
	if (r == 0 && !*ret)
		r = corral_image_find(b->maker.store, name, ret, err);
	return r < 0 ? corral_error_wrap(err, r, "runtime '%.60s'", rt->name) : 0;
}

/* Its last lines were shown as they came; who wanted nothing of it gets them now. */
static void failure_show(const struct builder *b, int r, struct corral_error *err)
{
	struct corral_error whole = *err;
	char *first = strchr(whole.text, '\n'), *last = strrchr(whole.text, '\n');

	if (r != -EIO || !first)
		return;
	*first = '\0';
	*last = '\0';
	if (b->is_quiet && last > first)
		(void)fprintf(stderr, "%s\n", first + 1);
	(void)corral_error_set(err, EIO, "%s %s", whole.text, last + 1);
}

static int each(struct corral_call *call,
                int (*one)(struct builder *b, const struct corral_runtime *rt,
                           struct corral_image **ret, struct corral_error *err),
                struct corral_error *err)
{
	corral_auto(builder_done) struct builder b = { .is_quiet = true };
	json_t *all = json_array();
	int r = builder_init(&b, call, err), status = 0;

	for (size_t k = 0; r == 0 && k < call->n_operands; k++) {
		corral_auto(corral_runtime_freep) struct corral_runtime *rt = NULL;
		corral_auto(corral_image_freep) struct corral_image *i = NULL;

		r = corral_runtimes_find(call->operands[k], &rt, err);
		if (r == 0)
			r = one(&b, rt, &i, err);
		if (r == -ECANCELED)
			break;
		if (r < 0) {
			failure_show(&b, r, err);
			status = corral_complain(err);
			r = 0;
		} else if (call->options.json)
			(void)json_array_append_new(all, image_json(rt, i));
		else
			print(rt, i, call->options.quiet);
	}
	/* Those that came before one that did not are there all the same. */
	if (call->options.json && ((r == 0 && status == 0) || json_array_size(all)))
		(void)corral_json_print(json_incref(all), r < 0 ? NULL : err);
	json_decref(all);
	return corral_images_maker_end(&b.maker, r < 0 ? r : status, err);
}

int corral_runtimes_cmd_build(struct corral_call *call, struct corral_error *err)
{
	return each(call, build_one, err);
}

int corral_runtimes_cmd_prewarm(struct corral_call *call, struct corral_error *err)
{
	return each(call, prewarm_one, err);
}
