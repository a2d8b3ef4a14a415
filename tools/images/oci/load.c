/* corral image load, corral image import. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/oci/archive.h"
#include "tools/images/commands.h"
#include "tools/images/oci/maker.h"
#include "tools/images/words.h"
#include "tools/json_print.h"
#include "tools/summary.h"

struct told {
	const struct corral_options *options;
	json_t *all;
	struct corral_error *err;
};

static int print(const struct told *t, const struct corral_image *i)
{
	char id[CORRAL_IMAGES_ID_SIZE], platform[64], bytes[32];
	int n;

	if (t->options->json)
		return json_array_append_new(t->all, corral_images_json(i)) < 0
		               ? corral_error_set(t->err, ENOMEM, "out of memory")
		               : 0;
	corral_images_short_id(i->id, id);
	corral_images_platform(i, platform, sizeof(platform));
	corral_human_bytes(i->size_bytes, bytes, sizeof(bytes));
	if (t->options->quiet)
		n = printf("%s\n", i->id);
	else if (i->n_names)
		n = printf("%s  sha256:%s  %s  %s\n", i->names[0], id, platform, bytes);
	else
		n = printf("sha256:%s  %s  %s\n", id, platform, bytes);
	if (n < 0 || fflush(stdout) != 0)
		return corral_error_sys(t->err, errno, "standard output");
	return 0;
}

static int told(void *ctx, const struct corral_image *i)
{
	return print(ctx, i);
}

/* A file, a directory, or standard input: what is typed there is no archive. */
static int source_open(const char *operand, int *ret_fd, struct corral_error *err)
{
	if (operand && strcmp(operand, "-") != 0) {
		*ret_fd = open(operand, O_RDONLY | O_CLOEXEC);
		return *ret_fd < 0 ? corral_error_sys(err, errno, "'%s'", operand) : 0;
	}
	if (isatty(STDIN_FILENO))
		return corral_error_set(err, EINVAL,
		                        "standard input is a terminal: name a file, or send an "
		                        "archive to it");
	*ret_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	return *ret_fd < 0 ? corral_error_sys(err, errno, "standard input") : 0;
}

/* Of several archives in a script, which one it was. */
static int of_source(const char *operand, int r, struct corral_error *err)
{
	if (r >= 0 || r == -ECANCELED || strcmp(operand, "-") == 0)
		return r;
	return corral_error_wrap(err, r, "'%.150s'", operand);
}

int corral_images_cmd_load(struct corral_call *call, struct corral_error *err)
{
	corral_auto(corral_images_maker_done) struct corral_images_maker m = { .store = NULL };
	const struct corral_options *o = &call->options;
	struct told t = { o, json_array(), err };
	corral_autofd int fd = -1;
	int r = source_open(call->n_operands ? call->operands[0] : NULL, &fd, err);

	if (r == 0)
		r = corral_images_maker_init(&m, o, err);
	if (r == 0)
		r = of_source(call->n_operands ? call->operands[0] : "-",
		              corral_image_load(m.store, fd, o->image_name, o->platform, &m.unpack,
		                                told, &t, err),
		              err);
	if (o->json && r == 0)
		r = corral_json_print(json_incref(t.all), err);
	json_decref(t.all);
	return corral_images_maker_end(&m, r, err);
}

/* What options say of how it is to be run, as an image: borrowed texts. */
static void config_of(const struct corral_call *call, struct corral_image *i)
{
	i->env = call->options.config->env;
	i->n_env = call->options.config->n_env;
	i->work_dir = call->options.config->work_dir;
	i->user = (char *)call->options.user;
}

/* Words that no sandbox could take are no reason to copy a root first. Whether a user is in it is
 * known when it is there, and then only to whoever looks. */
static int config_check(const struct corral_image *i, struct corral_error *err)
{
	if (i->work_dir && *i->work_dir && i->work_dir[0] != '/')
		return corral_error_set(err, EINVAL, "--workdir: '%.200s' is not absolute",
		                        i->work_dir);
	for (size_t k = 0; k < i->n_env; k++) {
		size_t len = strcspn(i->env[k], "=");

		if (!len || strcspn(i->env[k], " \t\n") < len)
			return corral_error_set(err, EINVAL,
			                        "--env: '%.200s' does not begin with a name",
			                        i->env[k]);
	}
	return 0;
}

int corral_images_cmd_import(struct corral_call *call, struct corral_error *err)
{
	corral_auto(corral_images_maker_done) struct corral_images_maker m = { .store = NULL };
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	const struct corral_options *o = &call->options;
	struct told t = { o, json_array(), err };
	struct corral_image config = { 0 };
	corral_autofd int fd = -1;
	int r = source_open(call->operands[0], &fd, err);

	config_of(call, &config);
	if (r == 0)
		r = config_check(&config, err);
	if (r == 0)
		r = corral_images_maker_init(&m, o, err);
	if (r == 0)
		r = of_source(call->operands[0],
		              corral_image_import(m.store, fd, call->operands[1], &config,
		                                  &m.unpack, &i, err),
		              err);
	corral_bars_clear(&m.bars);
	if (r == 0)
		r = print(&t, i);
	if (o->json && r == 0)
		r = corral_json_print(json_incref(t.all), err);
	json_decref(t.all);
	return corral_images_maker_end(&m, r, err);
}
