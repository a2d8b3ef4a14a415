#include "kernel/files/glob.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/files/internal.h"

#define STATES_MAX   16384
#define BRACES_DEPTH 64  /* braces within and behind each other */
#define CLASS_MAX    256 /* bytes between brackets */

/* The "]" that closes the class that begins here, or NULL. */
static const char *class_end(const char *p)
{
	const char *begin = p++;

	if (*p == '!' || *p == '^')
		p++;
	if (*p == ']')
		p++;
	for (; *p && *p != ']' && *p != '/' && p - begin < CLASS_MAX; p++) {
		if (*p == '\\' && p[1])
			p++;
	}
	return *p == ']' ? p : NULL;
}

static bool class_has(const char *p, const char *end, uint32_t c)
{
	bool negated = false, found = false;
	size_t len;

	p++;
	if (*p == '!' || *p == '^') {
		negated = true;
		p++;
	}
	while (p < end) {
		uint32_t low, high;

		if (*p == '\\' && p + 1 < end)
			p++;
		low = corral_utf8_character(p, &len);
		p += len;
		high = low;
		if (*p == '-' && p + 1 < end) {
			p++;
			if (*p == '\\' && p + 1 < end)
				p++;
			high = corral_utf8_character(p, &len);
			p += len;
		}
		found |= c >= low && c <= high;
	}
	return found != negated;
}

/* One element of the pattern that is no star against one character; the element's length, 0: no
 * match. */
static size_t element(const char *p, uint32_t c)
{
	const char *end;
	size_t len;

	if (*p == '?') {
		return 1;
	}
	if (*p == '[' && (end = class_end(p)))
		return class_has(p, end, c) ? (size_t)(end + 1 - p) : 0;
	if (*p == '\\' && p[1])
		return corral_utf8_character(p + 1, &len) == c ? len + 1 : 0;
	return corral_utf8_character(p, &len) == c ? len : 0;
}

bool files_glob_name(const struct files_glob_segment *s, const char *name, bool hidden)
{
	const char *p = s->text, *n = name;
	const char *star_p = NULL, *star_n = NULL;
	size_t len, used;

	if (s->literal)
		return !strcmp(p, n);
	if (n[0] == '.' && !hidden && !s->dot)
		return false;
	/* The last star is the only one that can be asked for more: no exponential time. */
	while (*n) {
		uint32_t c = corral_utf8_character(n, &len);

		if (*p == '*') {
			star_p = ++p;
			star_n = n;
			continue;
		}
		used = *p ? element(p, c) : 0;
		if (used) {
			p += used;
			n += len;
			continue;
		}
		if (!star_p)
			return false;
		(void)corral_utf8_character(star_n, &len);
		star_n += len;
		n = star_n;
		p = star_p;
	}
	while (*p == '*')
		p++;
	return !*p;
}

/* One name of the path against a segment; what is ahead of it comes back in *ret_next. */
static bool path_part(const struct files_glob_segment *s, const char *path, bool hidden,
                      const char **ret_next)
{
	size_t len = strcspn(path, "/");
	char name[256];

	if (len >= sizeof(name))
		return false;
	memcpy(name, path, len);
	name[len] = '\0';
	*ret_next = path + len + (path[len] == '/');
	return files_glob_name(s, name, hidden);
}

static bool pattern_path(const struct files_glob_pattern *p, const char *path, bool hidden)
{
	const char *from = NULL, *next;
	size_t i = 0, back = 0;

	while (*path) {
		if (i < p->n && p->segments[i].any_depth) {
			back = ++i;
			from = path;
			continue;
		}
		if (i < p->n && path_part(&p->segments[i], path, hidden, &next)) {
			i++;
			path = next;
			continue;
		}
		/* The last "**" takes one directory more. */
		if (!from || (*from == '.' && !hidden))
			return false;
		from += strcspn(from, "/");
		if (!*from)
			return false;
		path = ++from;
		i = back;
	}
	return i == p->n;
}

bool files_glob_path(const struct files_glob *g, const char *path)
{
	for (size_t i = 0; i < g->n; i++) {
		if (pattern_path(&g->patterns[i], path, g->flags & FILES_GLOB_HIDDEN))
			return true;
	}
	return false;
}

/* An opened brace on the way through a pattern. */
struct brace {
	const char *open;
	bool comma; /* of its own */
};

/* The first brace that has an end and a comma of its own: *ret_end is its "}". NULL: none. One
 * pass. */
static const char *first_brace(const char *pattern, struct brace *open, const char **ret_end)
{
	const char *first = NULL, *end;
	size_t depth = 0;

	for (const char *p = pattern; *p; p++) {
		if (*p == '\\' && p[1]) {
			p++;
		} else if (*p == '[' && (end = class_end(p))) {
			p = end;
		} else if (*p == '{') {
			open[depth++] = (struct brace) { p, false };
		} else if (*p == ',' && depth) {
			open[depth - 1].comma = true;
		} else if (*p == '}' && depth) {
			depth--;
			if (open[depth].comma && (!first || open[depth].open < first)) {
				first = open[depth].open;
				*ret_end = p;
			}
		}
	}
	return first;
}

/* All ways through the braces, the leftmost first. Each level has one brace less, so it ends. */
static int expand(const char *pattern, struct files_glob *g, unsigned int depth)
{
	const char *end, *part, *open = NULL;
	corral_autofree struct brace *stack = NULL;

	if (!(g->flags & FILES_GLOB_NO_BRACES)) {
		stack = calloc(strlen(pattern) + 1, sizeof(*stack));
		if (!stack)
			return -ENOMEM;
		open = first_brace(pattern, stack, &end);
	}
	if (open && depth == BRACES_DEPTH)
		return -E2BIG;
	if (!open) {
		if (g->n == CORRAL_FILES_BRACES_MAX)
			return -E2BIG;
		g->texts[g->n] = strdup(pattern);
		return g->texts[g->n++] ? 0 : -ENOMEM;
	}
	part = open + 1;
	while (part <= end) {
		corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
		const char *p = part, *skip;
		int within = 0, r;

		for (; p < end; p++) {
			if (*p == '\\' && p[1])
				p++;
			else if (*p == '[' && (skip = class_end(p)))
				p = skip;
			else if (*p == '{')
				within++;
			else if (*p == '}')
				within--;
			else if (*p == ',' && !within)
				break;
		}
		corral_buf_add(&b, pattern, (size_t)(open - pattern));
		corral_buf_add(&b, part, (size_t)(p - part));
		corral_buf_str(&b, end + 1);
		if (b.failed)
			return -ENOMEM;
		r = expand(b.data, g, depth + 1);
		if (r < 0)
			return r;
		part = p + 1;
	}
	return 0;
}

/* Cuts the text at its slashes; it stays where it is, and the segments point into it. */
static int cut(char *text, struct files_glob_pattern *p)
{
	size_t most = 2;

	for (const char *c = text; *c; c++)
		most += *c == '/';
	p->segments = calloc(most, sizeof(*p->segments));
	if (!p->segments)
		return -ENOMEM;
	for (char *rest = text, *part; (part = strsep(&rest, "/"));) {
		struct files_glob_segment *s = &p->segments[p->n];

		if (!*part || !strcmp(part, "."))
			continue;
		if (!strcmp(part, ".."))
			return -EINVAL;
		s->text = part;
		s->any_depth = !strcmp(part, "**");
		s->literal = !strpbrk(part, "*?[\\");
		s->dot = part[0] == '.' || (part[0] == '\\' && part[1] == '.');
		if (s->any_depth && p->n && p->segments[p->n - 1].any_depth)
			continue;
		p->n++;
	}
	if (!p->n)
		return -EINVAL;
	if (p->segments[p->n - 1].any_depth)
		p->segments[p->n++] = (struct files_glob_segment) { .text = "*" };
	return 0;
}

void files_glob_free(struct files_glob *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n; i++) {
		free(g->texts[i]);
		if (g->patterns)
			free(g->patterns[i].segments);
	}
	free((void *)g->texts);
	free(g->patterns);
	free(g);
}

static void glob_freep(struct files_glob **g)
{
	files_glob_free(*g);
}

int files_glob_compile(const char *pattern, unsigned int flags, struct files_glob **ret,
                       struct corral_error *err)
{
	corral_auto(glob_freep) struct files_glob *g = NULL;
	int r;

	if (strlen(pattern) > CORRAL_FILES_PATTERN_MAX)
		return corral_error_set(err, E2BIG, "Pattern is longer than %d bytes",
		                        CORRAL_FILES_PATTERN_MAX);
	g = calloc(1, sizeof(*g));
	if (!g)
		return corral_error_set(err, ENOMEM, "out of memory");
	g->flags = flags;
	g->texts = (char **)calloc(flags & FILES_GLOB_NO_BRACES ? 1 : CORRAL_FILES_BRACES_MAX,
	                           sizeof(*g->texts));
	r = g->texts ? expand(pattern, g, 0) : -ENOMEM;
	if (r == 0) {
		g->patterns = calloc(g->n, sizeof(*g->patterns));
		r = g->patterns ? 0 : -ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < g->n; i++) {
		g->patterns[i].first_state = g->n_states;
		r = cut(g->texts[i], &g->patterns[i]);
		g->n_states += g->patterns[i].n + 1;
		if (g->n_states > STATES_MAX)
			r = -E2BIG;
	}
	switch (r) {
	case 0:
		break;
	case -E2BIG:
		return corral_error_set(err, E2BIG, "Pattern '%s' has too many alternatives",
		                        pattern);
	case -EINVAL:
		return corral_error_set(err, EINVAL, "Unacceptable pattern: '%s'", pattern);
	default:
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	*ret = corral_take_ptr(&g);
	return 0;
}
