#include "tools/config_texts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

#define CONFIG_SIZE_MAX ((size_t)1 << 20)

struct corral_config_text {
	const char *path; /* argv's */
	struct corral_buf text;
};

static bool is_stdin(const char *path)
{
	return !strcmp(path, "-");
}

static int text_parse(const struct corral_config_text *t, struct corral_config *c,
                      struct corral_error *err)
{
	int r = corral_config_parse(c, t->text.data ? t->text.data : "", t->text.len, err);

	return r < 0 ? corral_error_wrap(err, r, "%.*s", 200, is_stdin(t->path) ? "stdin" : t->path)
	             : 0;
}

static int text_read(struct corral_config_texts *t, const char *path, struct corral_buf *ret,
                     struct corral_error *err)
{
	corral_autofd int opened =
	        is_stdin(path) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int fd = is_stdin(path) ? STDIN_FILENO : opened, r;
	struct stat st;

	if (!*path)
		return corral_error_set(err, EINVAL, "empty where a file's name is expected");
	if (fd < 0)
		return corral_error_sys(err, errno, "'%.*s'", 200, path);
	t->gone |= is_stdin(path) || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode);
	r = corral_buf_read_fd(ret, fd, CONFIG_SIZE_MAX);
	if (r == -EFBIG)
		return corral_error_set(err, EFBIG, "'%.*s' is larger than 1M", 200, path);
	return r < 0 ? corral_error_sys(err, -r, "read '%.*s'", 200, path) : 0;
}

int corral_config_texts_add(struct corral_config_texts *t, const char *path,
                            struct corral_config *c, struct corral_error *err)
{
	struct corral_config_text *grown = realloc(t->items, (t->n + 1) * sizeof(*grown)), *item;
	int r;

	if (!grown)
		return corral_error_sys(err, ENOMEM, "configuration");
	t->items = grown;
	item = &grown[t->n++];
	*item = (struct corral_config_text) { path, CORRAL_BUF_INIT };
	r = text_read(t, path, &item->text, err);
	return r < 0 ? r : text_parse(item, c, err);
}

static bool is_replaced(const struct corral_config *c, size_t i, size_t n_before)
{
	for (size_t k = n_before; k < c->n_mounts; k++)
		if (!strcmp(c->mounts[i].guest_path, c->mounts[k].guest_path))
			return true;
	return false;
}

static void mounts_replace(struct corral_config *c, size_t n_before)
{
	/* From the end on, so that what moves up has been looked at. */
	for (size_t i = n_before; i-- > 0;) {
		if (!is_replaced(c, i, n_before))
			continue;
		free(c->mounts[i].host_path);
		free(c->mounts[i].guest_path);
		memmove(&c->mounts[i], &c->mounts[i + 1], (--c->n_mounts - i) * sizeof(*c->mounts));
		n_before--;
	}
}

int corral_config_texts_apply(const struct corral_config_texts *t, struct corral_config *c,
                              struct corral_error *err)
{
	size_t n_before = c->n_mounts;
	int r = 0;

	for (size_t i = 0; i < t->n && r == 0; i++)
		r = text_parse(&t->items[i], c, err);
	if (r == 0)
		mounts_replace(c, n_before);
	return r;
}

void corral_config_texts_done(struct corral_config_texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		corral_buf_done(&t->items[i].text);
	free(t->items);
	*t = (struct corral_config_texts) { NULL, 0, false };
}
