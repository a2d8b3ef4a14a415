/* corral image pull. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/oci/registry.h"
#include "tools/images/commands.h"
#include "tools/images/oci/maker.h"
#include "tools/images/oci/registries.h"
#include "tools/images/words.h"
#include "tools/json_print.h"
#include "tools/summary.h"

/* A variable that is empty says nothing. */
static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* The first of several that says something. */
static const char *variable_of(const char *const *names)
{
	const char *value = NULL;

	for (; *names && !value; names++)
		value = variable(*names);
	return value;
}

/* The folder of the user's Docker configuration; NULL: there is none. */
static char *docker_config(void)
{
	const char *dir = variable("DOCKER_CONFIG"), *home = variable("HOME");
	char *path = NULL;

	if (dir)
		return strdup(dir);
	return home && asprintf(&path, "%s/.docker", home) >= 0 ? path : NULL;
}

static int print(const struct corral_image *i, const char *name, bool is_quiet,
                 struct corral_error *err)
{
	char id[CORRAL_IMAGES_ID_SIZE], platform[64], bytes[32];
	int n;

	corral_images_short_id(i->id, id);
	corral_images_platform(i, platform, sizeof(platform));
	corral_human_bytes(i->size_bytes, bytes, sizeof(bytes));
	n = is_quiet ? printf("%s\n", i->id)
	             : printf("%s  sha256:%s  %s  %s\n", name, id, platform, bytes);
	if (n < 0 || fflush(stdout) != 0)
		return corral_error_sys(err, errno, "standard output");
	return 0;
}

static int pull(struct corral_call *call, struct corral_images_maker *m,
                const struct corral_pull_options *o, json_t *all, struct corral_error *err)
{
	const struct corral_options *options = &call->options;
	int r = 0;

	for (size_t k = 0; r == 0 && k < call->n_operands; k++) {
		corral_auto(corral_image_freep) struct corral_image *i = NULL;

		r = corral_image_pull(m->store, call->operands[k], o, &i, err);
		corral_bars_clear(&m->bars);
		if (r < 0)
			return r;
		if (!options->json)
			r = print(i, call->operands[k], options->quiet, err);
		else if (json_array_append_new(all, corral_images_json(i)) < 0)
			r = corral_error_set(err, ENOMEM, "out of memory");
	}
	return r;
}

int corral_images_cmd_pull(struct corral_call *call, struct corral_error *err)
{
	/* As curl takes them. */
	static const char *const proxy[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
		                             NULL };
	static const char *const no_proxy[] = { "no_proxy", "NO_PROXY", NULL };
	corral_auto(corral_images_registries_done) struct corral_images_registries registries = {
		.mirrors = NULL
	};
	corral_auto(corral_images_maker_done) struct corral_images_maker m = { .store = NULL };
	corral_autofree char *config = docker_config();
	struct corral_pull_options o = { .platform = call->options.platform,
		                         .config_dir = config,
		                         .proxy = variable_of(proxy),
		                         .no_proxy = variable_of(no_proxy),
		                         .parallel = (unsigned int)call->options.parallel,
		                         .always = true };
	json_t *all = json_array();
	int r;

	r = corral_images_registries_add(&registries, call->options.mirrors, call->options.insecure,
	                                 err);
	if (r == 0)
		r = corral_images_registries_load(&registries, err);
	if (r == 0)
		r = corral_images_maker_init(&m, call->options.quiet || call->options.json, err);
	if (r == 0) {
		o.mirrors = (const char *const *)registries.mirrors;
		o.insecure = (const char *const *)registries.insecure;
		o.unpack = m.unpack;
		r = pull(call, &m, &o, all, err);
	}
	/* Those that came before one that did not are there all the same. */
	if (call->options.json && (r == 0 || json_array_size(all)))
		(void)corral_json_print(json_incref(all), r < 0 ? NULL : err);
	json_decref(all);
	return corral_images_maker_end(&m, r, err);
}
