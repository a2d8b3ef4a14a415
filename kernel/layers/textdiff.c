/*
 * Myers, "An O(ND) Difference Algorithm and Its Variations" (1986): the shortest way through the
 * grid of both texts' lines, found by how far one comes on each diagonal with d edits, for d = 0,
 * 1, 2 and so on. Each round's reach is kept, so that the way can be followed back.
 */
#include "kernel/layers/textdiff.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/fnv.h"
#include "kernel/base/utf8.h"

#define AROUND 3

struct line {
	const char *text;
	size_t len; /* with its newline, if it has one */
	uint64_t hash;
};

struct side {
	struct line *lines;
	size_t n;
	bool *edited; /* removed, or added */
};

bool corral_textdiff_is_text(const char *data, size_t len)
{
	return !len || (!memchr(data, '\0', len) && corral_utf8_valid(data, len));
}

/* Equal lines have equal ones, and others are told apart by their text. */
static uint64_t hash_of(const char *text, size_t len)
{
	return corral_fnv(CORRAL_FNV_BEGIN, text, len);
}

static void side_done(struct side *s)
{
	free(s->lines);
	free(s->edited);
}

static int side_init(struct side *s, const char *text, size_t len)
{
	const char *end = text + len;

	memset(s, 0, sizeof(*s));
	for (const char *p = text; p < end; s->n++) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));

		p = newline ? newline + 1 : end;
	}
	s->lines = calloc(s->n + 1, sizeof(*s->lines));
	s->edited = calloc(s->n + 1, sizeof(*s->edited));
	if (!s->lines || !s->edited)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((newline ? newline + 1 : end) - text);

		s->lines[i] = (struct line) { text, n, hash_of(text, n) };
		text += n;
	}
	return 0;
}

static bool same(const struct line *a, const struct line *b)
{
	return a->hash == b->hash && a->len == b->len && !memcmp(a->text, b->text, a->len);
}

/* Lines first to last (not included) of both sides, which begin and end differently. */
struct grid {
	struct side *a, *b;
	size_t first_a, first_b;
	int32_t n, m;
};

/* The reach on diagonal k (from -d to d) after d edits. */
static int32_t *reach(int32_t *v, int32_t d, int32_t k)
{
	/* Round d has 2d + 1 places, behind those of all rounds before. */
	return &v[(size_t)d * (size_t)d + (size_t)(k + d)];
}

static int32_t step(const struct grid *g, int32_t *v, int32_t d, int32_t k)
{
	int32_t x, y;

	if (d == 0)
		x = 0;
	else if (k == -d || (k != d && *reach(v, d - 1, k - 1) < *reach(v, d - 1, k + 1)))
		x = *reach(v, d - 1, k + 1);
	else
		x = *reach(v, d - 1, k - 1) + 1;
	y = x - k;
	while (x < g->n && y >= 0 && y < g->m &&
	       same(&g->a->lines[g->first_a + (size_t)x], &g->b->lines[g->first_b + (size_t)y])) {
		x++;
		y++;
	}
	return x;
}

static void replace_all(const struct grid *g)
{
	memset(g->a->edited + g->first_a, true, (size_t)g->n);
	memset(g->b->edited + g->first_b, true, (size_t)g->m);
}

/* From the end, diagonal by diagonal, back to the beginning. */
static void follow_back(const struct grid *g, int32_t *v, int32_t d)
{
	int32_t x = g->n, y = g->m;

	for (; d > 0; d--) {
		int32_t k = x - y;
		bool down =
		        k == -d || (k != d && *reach(v, d - 1, k - 1) < *reach(v, d - 1, k + 1));

		k += down ? 1 : -1;
		x = *reach(v, d - 1, k);
		y = x - k;
		if (down)
			g->b->edited[g->first_b + (size_t)y] = true;
		else
			g->a->edited[g->first_a + (size_t)x] = true;
	}
}

static int search(const struct grid *g)
{
	int32_t max = CORRAL_TEXTDIFF_EDITS_MAX;
	corral_autofree int32_t *v = NULL;
	size_t size = 0;

	if (!g->n || !g->m) {
		replace_all(g);
		return 0;
	}
	for (int32_t d = 0; d <= max; d++) {
		size_t need = (size_t)(d + 1) * (size_t)(d + 1);

		if (need > size) {
			int32_t *more = reallocarray(v, size = need * 2, sizeof(*v));

			if (!more)
				return -ENOMEM;
			v = more;
		}
		for (int32_t k = -d; k <= d; k += 2) {
			int32_t x = *reach(v, d, k) = step(g, v, d, k);

			if (x >= g->n && x - k >= g->m) {
				follow_back(g, v, d);
				return 0;
			}
		}
	}
	replace_all(g);
	return 0;
}

static int mark_edits(struct side *a, struct side *b)
{
	size_t head = 0, tail = 0;
	struct grid g;

	while (head < a->n && head < b->n && same(&a->lines[head], &b->lines[head]))
		head++;
	while (tail < a->n - head && tail < b->n - head &&
	       same(&a->lines[a->n - 1 - tail], &b->lines[b->n - 1 - tail]))
		tail++;
	if (a->n > INT32_MAX / 4 || b->n > INT32_MAX / 4)
		return -ENOMEM;
	g = (struct grid) {
		a, b, head, head, (int32_t)(a->n - head - tail), (int32_t)(b->n - head - tail)
	};
	return search(&g);
}

static void line_put(struct corral_buf *out, char sign, const struct line *l)
{
	corral_buf_add(out, &sign, 1);
	corral_buf_add(out, l->text, l->len);
	if (!l->len || l->text[l->len - 1] != '\n')
		corral_buf_str(out, "\n\\ No newline at end of file\n");
}

/* "12,3"; a line alone has no count, and none at all is told by the line before. */
static void range_put(struct corral_buf *out, size_t first, size_t n)
{
	if (n == 1)
		corral_buf_fmt(out, "%zu", first + 1);
	else
		corral_buf_fmt(out, "%zu,%zu", n ? first + 1 : first, n);
}

/* Where both sides are: everything before has been told or is the same. */
struct place {
	size_t a, b;
};

static bool edited_at(const struct side *a, const struct side *b, struct place p)
{
	return (p.a < a->n && a->edited[p.a]) || (p.b < b->n && b->edited[p.b]);
}

/* The end of the hunk that begins with an edit at p: no further one within twice the lines around
 * it. */
static struct place hunk_end(const struct side *a, const struct side *b, struct place p)
{
	struct place end = p;
	size_t quiet = 0;

	while (p.a < a->n || p.b < b->n) {
		if (!edited_at(a, b, p)) {
			if (++quiet > (size_t)2 * AROUND)
				break;
			p.a++;
			p.b++;
			continue;
		}
		quiet = 0;
		while (p.a < a->n && a->edited[p.a])
			p.a++;
		while (p.b < b->n && b->edited[p.b])
			p.b++;
		end = p;
	}
	return end;
}

static void hunk_put(struct corral_buf *out, const struct side *a, const struct side *b,
                     struct place from, struct place to)
{
	size_t before = from.a < AROUND ? from.a : AROUND,
	       after = a->n - to.a < AROUND ? a->n - to.a : AROUND;

	from.a -= before;
	from.b -= before;
	to.a += after;
	to.b += after;
	corral_buf_str(out, "@@ -");
	range_put(out, from.a, to.a - from.a);
	corral_buf_str(out, " +");
	range_put(out, from.b, to.b - from.b);
	corral_buf_str(out, " @@\n");
	while (from.a < to.a || from.b < to.b) {
		if (from.a < to.a && a->edited[from.a]) {
			line_put(out, '-', &a->lines[from.a++]);
		} else if (from.b < to.b && b->edited[from.b]) {
			line_put(out, '+', &b->lines[from.b++]);
		} else {
			line_put(out, ' ', &a->lines[from.a++]);
			from.b++;
		}
	}
}

int corral_textdiff(const char *before, size_t before_len, const char *after, size_t after_len,
                    struct corral_buf *out)
{
	corral_auto(side_done) struct side a = { 0 };
	corral_auto(side_done) struct side b = { 0 };
	struct place p = { 0, 0 };
	int r = side_init(&a, before, before_len);

	if (r == 0)
		r = side_init(&b, after, after_len);
	if (r == 0)
		r = mark_edits(&a, &b);
	while (r == 0 && (p.a < a.n || p.b < b.n)) {
		struct place end;

		if (!edited_at(&a, &b, p)) {
			p.a++;
			p.b++;
			continue;
		}
		end = hunk_end(&a, &b, p);
		hunk_put(out, &a, &b, p, end);
		p = end;
	}
	return r < 0 ? r : out->failed ? -ENOMEM : 0;
}
