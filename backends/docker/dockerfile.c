#include "backends/docker/dockerfile.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/image/reference.h"
#include "kernel/base/cleanup.h"
#include "policy/runtime_build.h"

/* RUN with exactly these words. */
static int run_add(struct corral_buf *b, char *const *argv, struct corral_error *err)
{
	json_t *words = json_array();
	char *text = NULL;
	bool good = words != NULL;

	for (; good && *argv; argv++)
		good = json_array_append_new(words, json_string(*argv)) == 0;
	if (good)
		text = json_dumps(words, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(words);
	if (!text)
		return corral_error_set(err, EINVAL, "a command that is no UTF-8");
	corral_buf_fmt(b, "RUN %s\n", text);
	free(text);
	return 0;
}

/* Within double quotes the builder gives a meaning to these three alone. */
static void work_dir_add(struct corral_buf *b, const char *path)
{
	corral_buf_str(b, "WORKDIR \"");
	for (; *path; path++)
		corral_buf_fmt(b, strchr("\"\\$", *path) ? "\\%c" : "%c", *path);
	corral_buf_str(b, "\"\n");
}

static void account_add(struct corral_buf *b, const struct corral_runtime *r)
{
	corral_buf_str(b, "ENV");
	for (const char *const *v = corral_runtime_account_env; *v; v++)
		corral_buf_fmt(b, " %s", *v);
	corral_buf_fmt(b, " PATH=%s:${PATH:-%s}\nUSER %u:%u\n", CORRAL_RUNTIME_ACCOUNT_PATH,
	               CORRAL_RUNTIME_DEFAULT_PATH, r->run_as_uid, r->run_as_uid);
}

static int base_check(const struct corral_runtime *r, struct corral_error *err)
{
	struct corral_image_reference reference;
	int result;

	if (!r->base_image)
		return corral_error_set(err, EINVAL, "there is no base_image to build on");
	result = corral_image_reference_init(&reference, r->base_image, err);
	if (result < 0)
		return corral_error_wrap(err, result, "base_image");
	corral_image_reference_done(&reference);
	return 0;
}

static int steps_add(struct corral_buf *b, const struct corral_runtime *r,
                     const struct corral_runtime_steps *steps, struct corral_error *err)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < steps->n; i++) {
		const struct corral_runtime_step *step = &steps->items[i];

		if (step->in_work_dir)
			work_dir_add(b, r->work_dir);
		if (step->as_root)
			corral_buf_str(b, "USER 0:0\n");
		result = run_add(b, step->argv, err);
	}
	return result;
}

int corral_docker_dockerfile_add(struct corral_buf *b, const struct corral_runtime *r,
                                 struct corral_error *err)
{
	corral_auto(corral_runtime_steps_done) struct corral_runtime_steps steps =
	        CORRAL_RUNTIME_STEPS_INIT;
	int result = base_check(r, err);

	if (result == 0)
		result = corral_runtime_steps(r, false, &steps, err);
	if (result < 0)
		return result;
	corral_buf_fmt(b, "FROM %s\n", r->base_image);
	result = steps_add(b, r, &steps, err);
	if (result < 0)
		return result;
	if (r->has_run_as_uid)
		account_add(b, r);
	work_dir_add(b, r->work_dir);
	return b->failed ? corral_error_set(err, ENOMEM, "out of memory") : 0;
}
