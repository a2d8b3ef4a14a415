#include "backends/docker/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"

#define MARK 0x6c726300u /* "\0crl" */

/* In front of START's texts: the words of argv, those of the environment, then the directory and
 * the two paths, each with a NUL behind it. */
struct order_head {
	uint32_t flags;
	uint16_t rows, cols;
	uint32_t n_argv, n_env;
};

struct kind {
	bool inside; /* who reads it */
	uint32_t min, max;
};

static const struct kind kinds[CORRAL_DOCKER_FRAME_END] = {
	[CORRAL_DOCKER_START] = { true, sizeof(struct order_head) + 4, CORRAL_DOCKER_START_MAX },
	[CORRAL_DOCKER_STDIN] = { true, 1, CORRAL_DOCKER_FRAME_DATA },
	[CORRAL_DOCKER_STDIN_END] = { true, 0, 0 },
	[CORRAL_DOCKER_OUT_CLOSED] = { true, 4, 4 },
	[CORRAL_DOCKER_SIGNAL] = { true, 4, 4 },
	[CORRAL_DOCKER_RESIZE] = { true, 4, 4 },
	[CORRAL_DOCKER_KILL] = { true, 0, 0 },
	[CORRAL_DOCKER_STARTED] = { false, 4, 4 },
	[CORRAL_DOCKER_FAILED] = { false, sizeof(struct corral_docker_failed),
	                           sizeof(struct corral_docker_failed) },
	[CORRAL_DOCKER_STDOUT] = { false, 1, CORRAL_DOCKER_FRAME_DATA },
	[CORRAL_DOCKER_STDERR] = { false, 1, CORRAL_DOCKER_FRAME_DATA },
	[CORRAL_DOCKER_GRANT] = { false, 4, 4 },
	[CORRAL_DOCKER_STDIN_CLOSED] = { false, 0, 0 },
	[CORRAL_DOCKER_EXITED] = { false, sizeof(struct corral_docker_exited),
	                           sizeof(struct corral_docker_exited) },
};

struct corral_docker_frame_head corral_docker_frame_head(enum corral_docker_frame_type type,
                                                         size_t len)
{
	return (struct corral_docker_frame_head) { MARK | (uint32_t)type, (uint32_t)len };
}

void corral_docker_frame_add(struct corral_buf *b, enum corral_docker_frame_type type,
                             const void *data, size_t len)
{
	const struct corral_docker_frame_head head = corral_docker_frame_head(type, len);

	corral_buf_add(b, &head, sizeof(head));
	corral_buf_add(b, data, len);
}

void corral_docker_frame_add_number(struct corral_buf *b, enum corral_docker_frame_type type,
                                    uint32_t number)
{
	corral_docker_frame_add(b, type, &number, sizeof(number));
}

uint32_t corral_docker_frame_number(const void *data)
{
	uint32_t number;

	memcpy(&number, data, sizeof(number));
	return number;
}

void corral_docker_frames_init(struct corral_docker_frames *f, bool inside,
                               int (*put)(void *ctx, enum corral_docker_frame_type type,
                                          const void *data, size_t len),
                               void *ctx)
{
	memset(f, 0, sizeof(*f));
	f->inside = inside;
	f->put = put;
	f->ctx = ctx;
}

void corral_docker_frames_done(struct corral_docker_frames *f)
{
	corral_buf_done(&f->body);
}

/* As soon as a byte of the head is wrong, so that text which is no frame is not waited on. */
static int head_check(struct corral_docker_frames *f)
{
	const uint32_t mark = MARK;
	const struct kind *kind;
	uint32_t type;

	/* Little endian, as all that this runs on: the type comes first. */
	for (size_t i = 1; i < f->n_head && i < sizeof(mark); i++)
		if (((const char *)&f->head)[i] != ((const char *)&mark)[i])
			return -EPROTO;
	if (f->n_head < sizeof(f->head))
		return 0;
	type = f->head.word & 0xffu;
	if (!type || type >= CORRAL_DOCKER_FRAME_END)
		return -EPROTO;
	kind = &kinds[type];
	if (kind->inside != f->inside || f->head.len < kind->min || f->head.len > kind->max)
		return -EPROTO;
	f->left = f->head.len;
	return 0;
}

static int body_feed(struct corral_docker_frames *f, const char *data, size_t len)
{
	const enum corral_docker_frame_type type = f->head.word & 0xffu;
	int r;

	f->left -= (uint32_t)len;
	if (!f->left && !f->body.len) {
		f->n_head = 0;
		return f->put(f->ctx, type, data, len);
	}
	corral_buf_add(&f->body, data, len);
	if (f->body.failed)
		return -ENOMEM;
	if (f->left)
		return 0;
	f->n_head = 0;
	r = f->put(f->ctx, type, f->body.data, f->body.len);
	f->body.len = 0;
	/* What START took is not kept for what follows. */
	if (f->body.size > 4 * CORRAL_DOCKER_FRAME_DATA)
		corral_buf_done(&f->body);
	return r;
}

int corral_docker_frames_feed(struct corral_docker_frames *f, const void *data, size_t len)
{
	const char *p = data;
	int r = 0;

	while (r == 0 && len) {
		size_t n;

		if (f->n_head < sizeof(f->head)) {
			n = sizeof(f->head) - f->n_head;
			n = n < len ? n : len;
			memcpy((char *)&f->head + f->n_head, p, n);
			f->n_head += n;
			r = head_check(f);
			if (r == 0 && f->n_head == sizeof(f->head) && !f->left)
				r = body_feed(f, p, 0);
		} else {
			n = f->left < len ? f->left : len;
			r = body_feed(f, p, n);
		}
		p += n;
		len -= n;
	}
	return r;
}

static size_t count(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static void texts_add(struct corral_buf *b, char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		corral_buf_add(b, list[i], strlen(list[i]) + 1);
}

static void text_add(struct corral_buf *b, const char *text)
{
	corral_buf_add(b, text ? text : "", text ? strlen(text) + 1 : 1);
}

int corral_docker_order_add(struct corral_buf *b, const struct corral_docker_order *o)
{
	struct order_head head = { .flags = o->flags, .rows = o->rows, .cols = o->cols };
	const size_t n_argv = count(o->argv), n_env = count(o->env), at = b->len;
	struct corral_docker_frame_head frame;

	if (n_argv > CORRAL_DOCKER_WORDS_MAX || n_env > CORRAL_DOCKER_WORDS_MAX)
		return -E2BIG;
	head.n_argv = (uint32_t)n_argv;
	head.n_env = (uint32_t)n_env;
	if (o->env)
		head.flags |= CORRAL_DOCKER_ORDER_ENV;
	corral_docker_frame_add(b, CORRAL_DOCKER_START, &head, sizeof(head));
	texts_add(b, o->argv, n_argv);
	texts_add(b, o->env, n_env);
	text_add(b, o->guest_dir);
	text_add(b, o->out_path);
	text_add(b, o->err_path);
	if (b->failed)
		return -ENOMEM;
	if (b->len - at - sizeof(frame) > CORRAL_DOCKER_START_MAX)
		return -E2BIG;
	frame = corral_docker_frame_head(CORRAL_DOCKER_START, b->len - at - sizeof(frame));
	memcpy(b->data + at, &frame, sizeof(frame));
	return 0;
}

/* The next text, or NULL when it has no end. */
static const char *text_take(const char **at, const char *end)
{
	const char *text = *at, *nul = text < end ? memchr(text, '\0', (size_t)(end - text)) : NULL;

	if (nul)
		*at = nul + 1;
	return nul ? text : NULL;
}

static int list_take(const char **at, const char *end, uint32_t n, char *const **ret)
{
	const char **list;

	if (n > CORRAL_DOCKER_WORDS_MAX)
		return -EPROTO;
	list = calloc(n + 1u, sizeof(*list));
	if (!list)
		return -ENOMEM;
	*ret = (char *const *)(uintptr_t)list;
	for (uint32_t i = 0; i < n; i++) {
		list[i] = text_take(at, end);
		if (!list[i])
			return -EPROTO;
	}
	return 0;
}

static int path_take(const char **at, const char *end, const char **ret)
{
	const char *text = text_take(at, end);

	if (!text || (text[0] && text[0] != '/'))
		return -EPROTO;
	*ret = text[0] ? text : NULL;
	return 0;
}

int corral_docker_order_parse(const void *data, size_t len, struct corral_docker_order *ret)
{
	const char *at = data, *end = at + len;
	struct corral_docker_order o = { 0 };
	struct order_head head;
	int r;

	if (len < sizeof(head))
		return -EPROTO;
	memcpy(&head, data, sizeof(head));
	at += sizeof(head);
	o.flags = head.flags;
	o.rows = head.rows;
	o.cols = head.cols;
	if (head.flags & ~(uint32_t)CORRAL_DOCKER_ORDER_ALL || !head.n_argv)
		return -EPROTO;
	r = list_take(&at, end, head.n_argv, &o.argv);
	if (r == 0 && head.flags & CORRAL_DOCKER_ORDER_ENV)
		r = list_take(&at, end, head.n_env, &o.env);
	else if (r == 0 && head.n_env)
		r = -EPROTO;
	if (r == 0)
		r = path_take(&at, end, &o.guest_dir);
	if (r == 0)
		r = path_take(&at, end, &o.out_path);
	if (r == 0)
		r = path_take(&at, end, &o.err_path);
	if (r == 0 && (at != end || (head.flags & CORRAL_DOCKER_ORDER_BACKGROUND && !o.out_path)))
		r = -EPROTO;
	if (r < 0)
		corral_docker_order_done(&o);
	else
		*ret = o;
	return r;
}

void corral_docker_order_done(struct corral_docker_order *o)
{
	free((void *)(uintptr_t)o->argv);
	free((void *)(uintptr_t)o->env);
	o->argv = o->env = NULL;
}
