/* corral image save. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/oci/archive.h"
#include "kernel/image/reference.h"
#include "tools/images/commands.h"
#include "tools/images/oci/bars.h"
#include "tools/images/place.h"

struct saving {
	struct corral_image_store *store;
	struct corral_image **images;
	size_t n;
};

static void saving_done(struct saving *s)
{
	for (size_t i = 0; s->images && i < s->n; i++)
		corral_image_free(s->images[i]);
	free(s->images);
	corral_image_store_close(s->store);
}

/* Of its names the one that was asked for; by digest all of them. */
static int names_trim(struct corral_image *i, const char *operand, struct corral_error *err)
{
	corral_autofree char *full = NULL;

	if (corral_image_reference_full(operand, &full, NULL) < 0)
		return 0;
	for (size_t k = 0; k < i->n_names; k++) {
		if (strcmp(i->names[k], full) != 0)
			continue;
		for (size_t n = 0; n < i->n_names; n++)
			free(i->names[n]);
		i->names[0] = corral_take_ptr(&full);
		i->n_names = 1;
		return i->names[0] ? 0 : corral_error_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

static int find(struct saving *s, const struct corral_call *call, struct corral_error *err)
{
	int r = corral_images_open(&s->store, err);

	s->images = calloc(call->n_operands + 1, sizeof(*s->images));
	if (!s->images)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; r == 0 && i < call->n_operands; i++) {
		r = corral_image_find(s->store, call->operands[i], &s->images[i], err);
		s->n += r == 0;
		if (r == 0)
			r = names_trim(s->images[i], call->operands[i], err);
	}
	return r;
}

static int format_of(const char *text, enum corral_image_format *ret, struct corral_error *err)
{
	*ret = CORRAL_IMAGE_DOCKER_ARCHIVE;
	if (!text || strcmp(text, "docker") == 0)
		return 0;
	*ret = CORRAL_IMAGE_OCI_ARCHIVE;
	return strcmp(text, "oci") == 0
	               ? 0
	               : corral_error_set(err, EINVAL,
	                                  "--format: '%.50s' is not one of docker, oci", text);
}

/* A file gets its name when all of it is there. */
static int save_to(const struct saving *s, const char *path, enum corral_image_format format,
                   const struct corral_progress *progress, struct corral_error *err)
{
	corral_autofree char *partial = NULL;
	corral_autofd int fd = -1;
	struct stat st;
	mode_t mask;
	int r;

	/* What is there and no file, as /dev/null and named pipes, is written to as it is. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		fd = open(path, O_WRONLY | O_CLOEXEC);
		return fd < 0 ? corral_error_sys(err, errno, "'%s'", path)
		              : corral_image_save(s->store,
		                                  (const struct corral_image *const *)s->images,
		                                  s->n, format, fd, progress, err);
	}
	if (asprintf(&partial, "%s.XXXXXX", path) < 0) {
		partial = NULL;
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	fd = mkostemp(partial, O_CLOEXEC);
	if (fd < 0)
		return corral_error_sys(err, errno, "create '%s'", path);
	r = corral_image_save(s->store, (const struct corral_image *const *)s->images, s->n, format,
	                      fd, progress, err);
	mask = umask(0);
	(void)umask(mask);
	if (r == 0 && (fchmod(fd, 0666 & ~mask) < 0 || rename(partial, path) < 0))
		r = corral_error_sys(err, errno, "write '%s'", path);
	if (r < 0)
		(void)unlink(partial);
	return r;
}

int corral_images_cmd_save(struct corral_call *call, struct corral_error *err)
{
	corral_auto(saving_done) struct saving s = { 0 };
	const char *path = call->options.output;
	enum corral_image_format format = CORRAL_IMAGE_DOCKER_ARCHIVE;
	struct corral_bars bars;
	int r = format_of(call->options.format, &format, err);

	if (path && strcmp(path, "-") == 0)
		path = NULL;
	if (r == 0 && !path && isatty(STDOUT_FILENO))
		r = corral_error_set(err, EINVAL,
		                     "an archive is nothing for a terminal: --output FILE, or send "
		                     "it somewhere");
	if (r == 0)
		r = find(&s, call, err);
	if (r < 0)
		return r;
	corral_bars_init(&bars, call->options.quiet);
	corral_bars_interruptible();
	r = path ? save_to(&s, path, format, &bars.progress, err)
	         : corral_image_save(s.store, (const struct corral_image *const *)s.images, s.n,
	                             format, STDOUT_FILENO, &bars.progress, err);
	return corral_bars_end(&bars, r, err);
}
