/*
 * Files of a stack for who has no sandbox over it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/layers/view.h"

struct reader {
	const char *guest_path;
	struct view view;
	struct trail trail;
	struct corral_error *err;
};

static void reader_close(struct reader *r)
{
	trail_done(&r->trail);
	view_close(&r->view);
}

static int reader_open(struct reader *r, const struct corral_layer_stack *stack,
                       enum corral_layer_part part)
{
	int result = view_open(stack, part, &r->view, r->err);

	if (result < 0)
		return result;
	/* It is not part of what is seen (view.h). */
	if (r->view.base_is_copied)
		corral_fd_closep(&r->view.fds[r->view.base]);
	result = trail_init(&r->trail, r->view.fds, r->view.n, 0, false, r->err);
	if (result < 0)
		reader_close(r);
	return result;
}

static int no(struct reader *r, int code)
{
	static const struct {
		int code;
		const char *text;
	} words[] = {
		{ ENOENT, "No such file or directory" },
		{ ENOTDIR, "it is no directory" },
		{ ELOOP, "a link, and links are not followed here" },
		{ EISDIR, "it is a directory" },
		{ EINVAL, "it is no regular file, or has '..' in its path" },
	};

	for (size_t i = 0; i < CORRAL_COUNT(words); i++)
		if (words[i].code == code)
			return corral_error_set(r->err, code, "'%.300s': %s", r->guest_path,
			                        words[i].text);
	return corral_error_sys(r->err, code, "'%.300s'", r->guest_path);
}

static int down(struct reader *r, const char *name)
{
	struct found f;
	int result = view_find(&r->trail, trail_mask(&r->trail), name, r->view.trusted, &f);

	if (result < 0)
		return no(r, -result);
	if (!f.there)
		return no(r, ENOENT);
	if (!S_ISDIR(f.st.st_mode))
		return no(r, S_ISLNK(f.st.st_mode) ? ELOOP : ENOTDIR);
	result = trail_down(&r->trail, name, f.mask, r->err);
	/* What cannot be opened is left out there. */
	return result == 0 && !trail_mask(&r->trail) ? no(r, EACCES) : result;
}

/* To where the path's last name is, which is "" for the part itself. */
static int walk(struct reader *r, char last[256])
{
	const char *p = r->guest_path;
	int result = 0;

	last[0] = '\0';
	while (result == 0 && *(p += strspn(p, "/"))) {
		size_t len = strcspn(p, "/");

		if (len > 255)
			return no(r, ENAMETOOLONG);
		if (len == 2 && p[0] == '.' && p[1] == '.')
			return no(r, EINVAL);
		if (len != 1 || p[0] != '.') {
			result = last[0] ? down(r, last) : 0;
			memcpy(last, p, len);
			last[len] = '\0';
		}
		p += len;
	}
	return result;
}

static int entry_add(struct corral_layers_entries *e, size_t *size, const char *name,
                     const struct stat *st)
{
	struct corral_layers_entry *item;

	if (e->n == *size) {
		size_t want = *size ? *size * 2 : 32;

		item = reallocarray(e->items, want, sizeof(*item));
		if (!item)
			return -ENOMEM;
		e->items = item;
		*size = want;
	}
	item = &e->items[e->n];
	*item = (struct corral_layers_entry) {
		.name = strdup(name),
		.mode = st->st_mode,
		.size = (uint64_t)st->st_size,
		.mtime_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000,
	};
	if (!item->name)
		return -ENOMEM;
	e->n++;
	return 0;
}

static int entries_read(struct reader *r, struct corral_layers_entries *e)
{
	uint32_t mask = trail_mask(&r->trail);
	int result = trail_read(&r->trail, mask, r->err);
	const char *name;
	size_t size = 0;

	while (result == 0 && (name = trail_next(&r->trail))) {
		struct found f;

		result = view_find(&r->trail, mask, name, r->view.trusted, &f);
		if (result == 0 && f.there)
			result = entry_add(e, &size, name, &f.st);
		if (result < 0)
			return no(r, -result);
	}
	return result;
}

int corral_layers_list(const struct corral_layer_stack *stack, enum corral_layer_part part,
                       const char *guest_path, struct corral_layers_entries *ret,
                       struct corral_error *err)
{
	struct reader r = { .guest_path = guest_path, .err = err };
	struct corral_layers_entries e = { 0 };
	char last[256];
	int result = reader_open(&r, stack, part);

	if (result < 0)
		return result;
	result = walk(&r, last);
	if (result == 0 && last[0])
		result = down(&r, last);
	if (result == 0)
		result = entries_read(&r, &e);
	reader_close(&r);
	if (result < 0)
		corral_layers_entries_done(&e);
	else
		*ret = e;
	return result;
}

void corral_layers_entries_done(struct corral_layers_entries *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->items[i].name);
	free(e->items);
	memset(e, 0, sizeof(*e));
}

static int file_open(struct reader *r, const char *name, int *ret_fd)
{
	corral_autofd int fd = -1;
	struct found f;
	struct stat st;
	int result = view_find(&r->trail, trail_mask(&r->trail), name, r->view.trusted, &f);

	if (result < 0)
		return no(r, -result);
	if (!f.there)
		return no(r, ENOENT);
	if (!S_ISREG(f.st.st_mode))
		return no(r, S_ISLNK(f.st.st_mode)   ? ELOOP
		             : S_ISDIR(f.st.st_mode) ? EISDIR
		                                     : EINVAL);
	fd = openat(trail_fd(&r->trail, f.tree), name,
	            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return no(r, errno);
	if (!S_ISREG(st.st_mode))
		return no(r, EINVAL);
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

int corral_layers_open_file(const struct corral_layer_stack *stack, enum corral_layer_part part,
                            const char *guest_path, int *ret_fd, struct corral_error *err)
{
	struct reader r = { .guest_path = guest_path, .err = err };
	char last[256];
	int result = reader_open(&r, stack, part);

	if (result < 0)
		return result;
	result = walk(&r, last);
	if (result == 0)
		result = last[0] ? file_open(&r, last, ret_fd) : no(&r, EISDIR);
	reader_close(&r);
	return result;
}
