/*
 * A pattern becomes a row of elements, and matching keeps the set of elements that the text may
 * have reached so far, as bits: there is no going back, and so no text that takes exponential time.
 */
#include "policy/permission_match.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"
#include "policy/permission.h"

/* Two elements at most for what stands as one character or more; the last says "all matched". */
#define ELEMENTS_MAX (CORRAL_PERMISSION_PATTERN_MAX + 1)
#define WORD_BITS    64u
#define SET_WORDS    ((ELEMENTS_MAX + WORD_BITS - 1) / WORD_BITS)

enum element_kind {
	ELEMENT_CHARACTER,
	ELEMENT_ONE,     /* "?" */
	ELEMENT_CLASS,   /* "[...]" */
	ELEMENT_STAR,    /* "*" */
	ELEMENT_ALL,     /* "**" */
	ELEMENT_DIRS,    /* before "**" and "/": may be skipped together with the next */
	ELEMENT_DIRS_IN, /* within the directories, until a "/" */
	ELEMENT_END,
};

struct range {
	uint32_t low, high;
};

struct element {
	enum element_kind kind;
	bool negated;
	uint32_t character;
	size_t first_range, n_ranges;
};

struct permission_pattern {
	struct element *elements;
	size_t n; /* without the END */
	struct range *ranges;
	size_t n_ranges;
	bool slash; /* "/" is a separator */
};

struct set {
	uint64_t bits[SET_WORDS];
};

static void set_add(struct set *s, size_t i)
{
	s->bits[i / WORD_BITS] |= UINT64_C(1) << i % WORD_BITS;
}

static bool set_has(const struct set *s, size_t i)
{
	return s->bits[i / WORD_BITS] >> i % WORD_BITS & 1;
}

/* The "]" that closes the class whose "[" is at p, or NULL. */
static const char *class_end(const char *p)
{
	p++;
	if (*p == '!' || *p == '^')
		p++;
	if (*p == ']')
		p++;
	return strchr(p, ']');
}

static int class_compile(struct permission_pattern *p, const char *text, const char *end)
{
	struct element *e = &p->elements[p->n++];
	size_t len;

	*e = (struct element) { .kind = ELEMENT_CLASS, .first_range = p->n_ranges };
	text++;
	if (*text == '!' || *text == '^') {
		e->negated = true;
		text++;
	}
	while (text < end) {
		struct range *r = &p->ranges[p->n_ranges++];

		r->low = corral_utf8_character(text, &len);
		text += len;
		r->high = r->low;
		if (text[0] == '-' && text + 1 < end) {
			r->high = corral_utf8_character(text + 1, &len);
			text += 1 + len;
		}
		if (r->high < r->low)
			return -EINVAL;
		e->n_ranges++;
	}
	return 0;
}

static int elements_compile(struct permission_pattern *p, const char *text)
{
	while (*text) {
		struct element *e = &p->elements[p->n];
		const char *end;
		size_t len = 1;

		if (text[0] == '*' && text[1] == '*' && text[2] == '/') {
			e[0].kind = ELEMENT_DIRS;
			e[1].kind = ELEMENT_DIRS_IN;
			p->n += 2;
			len = 3;
		} else if (text[0] == '*' && text[1] == '*') {
			e->kind = ELEMENT_ALL;
			p->n++;
			len = 2;
		} else if (text[0] == '*' || text[0] == '?') {
			e->kind = text[0] == '*' ? ELEMENT_STAR : ELEMENT_ONE;
			p->n++;
		} else if (text[0] == '[' && (end = class_end(text))) {
			if (class_compile(p, text, end) < 0)
				return -EINVAL;
			len = (size_t)(end + 1 - text);
		} else {
			e->kind = ELEMENT_CHARACTER;
			e->character = corral_utf8_character(text, &len);
			p->n++;
		}
		text += len;
	}
	p->elements[p->n].kind = ELEMENT_END;
	return 0;
}

void permission_pattern_free(struct permission_pattern *p)
{
	if (!p)
		return;
	free(p->elements);
	free(p->ranges);
	free(p);
}

static void pattern_freep(struct permission_pattern **p)
{
	permission_pattern_free(*p);
}

int permission_pattern_compile(const char *text, unsigned int flags,
                               struct permission_pattern **ret)
{
	corral_auto(pattern_freep) struct permission_pattern *p = NULL;
	size_t len = strlen(text);

	if (len > CORRAL_PERMISSION_PATTERN_MAX)
		return -E2BIG;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->slash = !(flags & PERMISSION_PATTERN_COMMAND);
	p->elements = calloc(len + 1, sizeof(*p->elements));
	p->ranges = calloc(len + 1, sizeof(*p->ranges));
	if (!p->elements || !p->ranges)
		return -ENOMEM;
	if (elements_compile(p, text) < 0)
		return -EINVAL;
	*ret = corral_take_ptr(&p);
	return 0;
}

static bool class_has(const struct permission_pattern *p, const struct element *e, uint32_t c)
{
	if (e->negated && p->slash && c == '/')
		return false;
	for (size_t i = 0; i < e->n_ranges; i++) {
		const struct range *r = &p->ranges[e->first_range + i];

		if (c >= r->low && c <= r->high)
			return !e->negated;
	}
	return e->negated;
}

/* What may be skipped is passed by: that adds elements further on, which are then looked at too. */
static void set_skip(const struct permission_pattern *p, struct set *s, size_t words)
{
	for (size_t w = 0; w < words; w++) {
		uint64_t seen = 0, left;

		while ((left = s->bits[w] & ~seen)) {
			size_t i = w * WORD_BITS + (size_t)__builtin_ctzll(left);
			enum element_kind kind = p->elements[i].kind;

			seen |= left & -left;
			if (kind == ELEMENT_STAR || kind == ELEMENT_ALL || kind == ELEMENT_DIRS)
				set_add(s, i + 1);
			if (kind == ELEMENT_DIRS)
				set_add(s, i + 2);
		}
	}
}

static void element_step(const struct permission_pattern *p, size_t i, uint32_t c, struct set *next)
{
	const struct element *e = &p->elements[i];
	bool separator = p->slash && c == '/';

	switch (e->kind) {
	case ELEMENT_CHARACTER:
		if (c == e->character)
			set_add(next, i + 1);
		break;
	case ELEMENT_ONE:
		if (!separator)
			set_add(next, i + 1);
		break;
	case ELEMENT_CLASS:
		if (class_has(p, e, c))
			set_add(next, i + 1);
		break;
	case ELEMENT_STAR:
		if (!separator)
			set_add(next, i);
		break;
	case ELEMENT_ALL:
		set_add(next, i);
		break;
	case ELEMENT_DIRS_IN:
		set_add(next, i);
		if (c == '/')
			set_add(next, i + 1);
		break;
	case ELEMENT_DIRS:
	case ELEMENT_END:
		break;
	}
}

/* A newline at the very end may be missing in the pattern. */
static bool match_from(const struct permission_pattern *p, struct set *now, const char *text)
{
	size_t words = p->n / WORD_BITS + 1, len;
	struct set next;

	set_skip(p, now, words);
	for (; *text; text += len) {
		uint32_t c = corral_utf8_character(text, &len);
		uint64_t any = 0;

		if (c == '\n' && !text[1] && set_has(now, p->n))
			return true;
		memset(next.bits, 0, words * sizeof(next.bits[0]));
		for (size_t w = 0; w < words; w++) {
			any |= now->bits[w];
			for (uint64_t bits = now->bits[w]; bits; bits &= bits - 1)
				element_step(p, w * WORD_BITS + (size_t)__builtin_ctzll(bits), c,
				             &next);
		}
		if (!any)
			return false;
		set_skip(p, &next, words);
		memcpy(now->bits, next.bits, words * sizeof(next.bits[0]));
	}
	return set_has(now, p->n);
}

bool permission_pattern_match(const struct permission_pattern *p, const char *text)
{
	struct set start = { { 1 } };

	return match_from(p, &start, text);
}

bool permission_pattern_match_end(const struct permission_pattern *p, const char *text)
{
	struct set start = { { 0 } };

	for (size_t i = 0; i <= p->n; i++)
		set_add(&start, i);
	return match_from(p, &start, text);
}

bool permission_pattern_any(const struct permission_pattern *p)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->elements[i].kind != ELEMENT_ALL &&
		    !(p->elements[i].kind == ELEMENT_STAR && !p->slash))
			return false;
	}
	return p->n > 0;
}
