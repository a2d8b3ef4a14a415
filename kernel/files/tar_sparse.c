#include "kernel/files/tar_sparse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/files/tar.h"

/* Holes of less together are written as the zeros that they are. */
#define HOLES_MIN  (256u << 10)
#define LOOK_MAX   4096u /* extents that we tell of */
#define NUMBER_MAX (INT64_MAX / 10 - 10)

int files_tar_sparse_add(struct files_tar_sparse *s, uint64_t offset, uint64_t len)
{
	if (s->n == FILES_TAR_EXTENTS_MAX)
		return -E2BIG;
	if (s->n == s->room) {
		size_t room = s->room ? s->room * 2 : 16;
		struct files_tar_extent *v = reallocarray(s->v, room, sizeof(*v));

		if (!v)
			return -ENOMEM;
		s->v = v;
		s->room = room;
	}
	s->v[s->n++] = (struct files_tar_extent) { offset, len };
	return 0;
}

/* Decimal digits, up to the end or a comma; *at moves behind that. */
static bool number(const char *text, size_t len, size_t *at, uint64_t *ret)
{
	size_t begin = *at;
	uint64_t value = 0;

	for (; *at < len && text[*at] != ','; ++*at) {
		if (text[*at] < '0' || text[*at] > '9' || value > NUMBER_MAX)
			return false;
		value = value * 10 + (uint64_t)(text[*at] - '0');
	}
	if (*at == begin)
		return false;
	if (*at < len)
		++*at;
	*ret = value;
	return true;
}

/* "offset,length,offset,length", of version 0.1. */
static int list(struct files_tar_sparse *s, const char *text, size_t len)
{
	uint64_t offset, size;
	size_t at = 0;

	while (at < len) {
		int r;

		if (!number(text, len, &at, &offset) || !number(text, len, &at, &size))
			return -EBADMSG;
		r = files_tar_sparse_add(s, offset, size);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is(const char *key, size_t len, const char *name)
{
	return len == strlen(name) && !memcmp(key, name, len);
}

int files_tar_sparse_record(struct files_tar_sparse *s, const char *key, size_t key_len,
                            const char *value, size_t len)
{
	uint64_t n = 0;
	size_t at = 0;

	if (is(key, key_len, "map"))
		return list(s, value, len);
	if (!number(value, len, &at, &n) || at != len)
		return -EBADMSG;
	if (is(key, key_len, "size") || is(key, key_len, "realsize")) {
		s->size = n;
		s->has_size = true;
	} else if (is(key, key_len, "major")) {
		if (n > 1)
			return -EBADMSG;
		s->in_data = n == 1;
	} else if (is(key, key_len, "offset")) {
		s->offset = n;
		s->has_offset = true;
	} else if (is(key, key_len, "numbytes")) {
		if (!s->has_offset)
			return -EBADMSG;
		s->has_offset = false;
		return files_tar_sparse_add(s, s->offset, n);
	}
	/* Of the others, minor and numblocks, the map tells as well. */
	return 0;
}

bool files_tar_sparse_fits(const struct files_tar_sparse *s, uint64_t stored)
{
	uint64_t end = 0, sum = 0;

	if (s->size > INT64_MAX)
		return false;
	for (size_t i = 0; i < s->n; i++) {
		const struct files_tar_extent *e = &s->v[i];

		if (e->offset < end || e->offset > s->size || e->len > s->size - e->offset)
			return false;
		end = e->offset + e->len;
		sum += e->len;
	}
	return sum == stored;
}

int files_tar_sparse_look(struct files_tar_sparse *s, int fd, uint64_t size)
{
	uint64_t at = 0, data = 0;
	int r = 0;

	while (r == 0 && at < size) {
		off_t from = lseek(fd, (off_t)at, SEEK_DATA), to;

		if (from < 0 && errno == ENXIO)
			break;
		to = from < 0 ? -1 : lseek(fd, from, SEEK_HOLE);
		if (to < 0 || s->n == LOOK_MAX) {
			files_tar_sparse_done(s);
			return 0;
		}
		/* It may have grown meanwhile. */
		at = (uint64_t)to < size ? (uint64_t)to : size;
		if ((uint64_t)from >= at)
			break;
		r = files_tar_sparse_add(s, (uint64_t)from, at - (uint64_t)from);
		data += at - (uint64_t)from;
	}
	if (r == 0 && size - data < HOLES_MIN)
		files_tar_sparse_done(s);
	/* What ends with a hole ends with an extent of nothing. */
	else if (r == 0 && (!s->n || s->v[s->n - 1].offset + s->v[s->n - 1].len < size))
		r = files_tar_sparse_add(s, size, 0);
	s->size = size;
	return r;
}

void files_tar_sparse_map(const struct files_tar_sparse *s, struct corral_buf *ret)
{
	static const char zeros[FILES_TAR_BLOCK];

	corral_buf_fmt(ret, "%zu\n", s->n);
	for (size_t i = 0; i < s->n; i++)
		corral_buf_fmt(ret, "%" PRIu64 "\n%" PRIu64 "\n", s->v[i].offset, s->v[i].len);
	corral_buf_add(ret, zeros, files_tar_padding(ret->len));
}

void files_tar_sparse_done(struct files_tar_sparse *s)
{
	free(s->v);
	*s = (struct files_tar_sparse) { 0 };
}
