/*
 * Files are read in pieces of whole lines, and a piece is searched as one subject: that is several
 * times faster than line by line, as most lines have no match. A match that runs over a line's end
 * is tried again on its line alone, and expressions that can tell a line's end from a subject's
 * (look-around, \A, atomic groups) are matched line by line from the start; so the answers are
 * those of a search by lines.
 *
 * Every match is bounded by PCRE2's match limit (and its heap limit without JIT): what costs more
 * is passed over, first with the piece searched line by line, then the line.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "kernel/files/search.h"

#include <errno.h>
#include <fcntl.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/files/internal.h"

#define PIECE_SIZE    (128u << 10)
#define LINE_HOLD_MAX (1u << 20) /* a longer line is searched in parts */
#define MATCH_LIMIT   200000u    /* some milliseconds */
#define HEAP_LIMIT_KB 20000u
#define COSTLY_MAX    64 /* lines passed over before the search is given up */
#define JIT_STACK_MAX (512u << 10)

struct files_pattern {
	pcre2_code *code;
	bool by_line;
};

struct files_searcher {
	const struct files_pattern *pattern;
	pcre2_match_data *data;
	pcre2_match_context *limits;
	pcre2_jit_stack *stack;
	char *buf;
	size_t size;
	unsigned int costly;
};

/* Whether the text may see the end of its subject otherwise than as the end of a line. */
static bool needs_lines(const char *p)
{
	for (; *p; p++) {
		if (*p == '\\' && p[1]) {
			p++;
			if (strchr("AzZGKQRXC", *p) || (*p >= '1' && *p <= '9') || *p == 'g' ||
			    *p == 'k')
				return true;
		} else if (*p == '(' && p[1] == '*') {
			return true;
		} else if (!strncmp(p, "(?i)", 4) || !strncmp(p, "(?i:", 4)) {
			p += 3;
		} else if (*p == '(' && p[1] == '?' && p[2] != ':') {
			return true;
		} else if (strchr("*+?}", *p) && p[1] == '+') {
			return true;
		}
	}
	return false;
}

/*
 * Whether bytes do as well as characters: plain ASCII, and nothing that counts or classifies
 * characters. Such a search need not look at the encoding at all.
 */
static bool bytes_will_do(const char *p, bool ignore_case)
{
	if (ignore_case)
		return false;
	for (; *p; p++) {
		const char *after = p + 1;

		if ((unsigned char)*p >= 0x80)
			return false;
		if (*p == '\\') {
			p++;
			if (!*p || (*p >= '0' && *p <= '9') ||
			    (*p >= 'a' && *p <= 'z' && *p != 't') || (*p >= 'A' && *p <= 'Z'))
				return false;
		} else if (*p == '(' && *after == '?') {
			return false;
		} else if (*p == '[') {
			bool negated = *after == '^';

			after += negated;
			if (*after == ']')
				after++;
			for (; *after && *after != ']'; after++) {
				if (*after == '\\' || *after == '[' ||
				    (unsigned char)*after >= 0x80)
					return false;
			}
			if (!*after || (negated && after[1] != '*' && after[1] != '+'))
				return false;
			p = after;
		} else if (*p == '.' && *after != '*' && *after != '+') {
			return false;
		}
	}
	return true;
}

/*
 * Whether the machine code that PCRE2 makes can be trusted: that of 10.42 takes other characters
 * than the interpreter for classes of Unicode that join [:print:] or [:graph:] with further ones,
 * as [[:print:][:space:]] does. Guarded by tests/unit/files/test_grep.c and tests/diff.
 */
static bool jit_is_right(const char *text, uint32_t options)
{
	return !(options & PCRE2_UCP) || (!strstr(text, "print:]") && !strstr(text, "graph:]"));
}

int files_pattern_new(const char *text, bool ignore_case, struct files_pattern **ret,
                      struct corral_error *err)
{
	uint32_t options = PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
	pcre2_compile_context *context;
	struct files_pattern *p;
	unsigned char message[200];
	size_t offset;
	int code;

	if (strlen(text) > CORRAL_FILES_PATTERN_MAX)
		return corral_error_set(err, EINVAL, "Invalid regex pattern: longer than %d bytes",
		                        CORRAL_FILES_PATTERN_MAX);
	if (ignore_case)
		options |= PCRE2_CASELESS;
	if (!bytes_will_do(text, ignore_case))
		options |= PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF;
	if (!corral_utf8_valid(text, strlen(text)))
		options &= ~(uint32_t)(PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF);
	p = calloc(1, sizeof(*p));
	context = pcre2_compile_context_create(NULL);
	if (!p || !context) {
		free(p);
		pcre2_compile_context_free(context);
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	/* "$" is also before the "\r" of a "\r\n". */
	(void)pcre2_set_newline(context,
	                        strchr(text, '$') ? PCRE2_NEWLINE_ANYCRLF : PCRE2_NEWLINE_LF);
	p->code = pcre2_compile((PCRE2_SPTR)text, strlen(text), options, &code, &offset, context);
	pcre2_compile_context_free(context);
	if (!p->code) {
		(void)pcre2_get_error_message(code, message, sizeof(message));
		free(p);
		return corral_error_set(err, EINVAL, "Invalid regex pattern: %s at position %zu",
		                        (const char *)message, offset);
	}
	/* Where the system grants no executable memory, the interpreter does the same, slower. */
	if (jit_is_right(text, options))
		(void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
	p->by_line = needs_lines(text);
	*ret = p;
	return 0;
}

void files_pattern_free(struct files_pattern *p)
{
	if (!p)
		return;
	pcre2_code_free(p->code);
	free(p);
}

struct files_searcher *files_searcher_new(const struct files_pattern *p)
{
	struct files_searcher *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->pattern = p;
	s->size = PIECE_SIZE;
	s->buf = malloc(s->size);
	s->data = pcre2_match_data_create(1, NULL);
	s->limits = pcre2_match_context_create(NULL);
	s->stack = pcre2_jit_stack_create(32u << 10, JIT_STACK_MAX, NULL);
	if (!s->buf || !s->data || !s->limits) {
		files_searcher_free(s);
		return NULL;
	}
	(void)pcre2_set_match_limit(s->limits, MATCH_LIMIT);
	(void)pcre2_set_heap_limit(s->limits, HEAP_LIMIT_KB);
	if (s->stack)
		pcre2_jit_stack_assign(s->limits, NULL, s->stack);
	return s;
}

void files_searcher_free(struct files_searcher *s)
{
	if (!s)
		return;
	pcre2_match_data_free(s->data);
	pcre2_match_context_free(s->limits);
	pcre2_jit_stack_free(s->stack);
	free(s->buf);
	free(s);
}

/* One call's state: where in the file the piece begins, and what came of it. */
struct search {
	struct files_searcher *s;
	const struct corral_files_stop *stop;
	struct corral_files_matches *ret;
	const char *path;
	size_t path_len;
	uint64_t left;        /* matches that may still be added */
	uint64_t line_number; /* of counted */
	const char *counted;  /* newlines before it are in line_number */
	uint64_t reported;    /* a line that was searched in parts has one match */
};

/* Where the subject's first match begins and ends; 0 none, 1 found, -E2BIG too expensive. */
static int match(struct files_searcher *s, const char *subject, size_t len, size_t from,
                 size_t *ret_start, size_t *ret_end)
{
	int r = pcre2_match(s->pattern->code, (PCRE2_SPTR)subject, len, from, 0, s->data,
	                    s->limits);
	size_t *v;

	if (r >= 0) {
		v = pcre2_get_ovector_pointer(s->data);
		*ret_start = v[0];
		*ret_end = v[1];
		return 1;
	}
	switch (r) {
	case PCRE2_ERROR_MATCHLIMIT:
	case PCRE2_ERROR_DEPTHLIMIT:
	case PCRE2_ERROR_HEAPLIMIT:
	case PCRE2_ERROR_JIT_STACKLIMIT:
		return -E2BIG;
	case PCRE2_ERROR_NOMEMORY:
		return -ENOMEM;
	default:
		return 0;
	}
}

/* Counts the lines up to the beginning of one, or to the piece's end. */
static void count_lines(struct search *w, const char *end)
{
	const char *at = w->counted;

	while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
		w->line_number++;
		at++;
	}
	w->counted = end;
}

static int add_line(struct search *w, const char *line, size_t len)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	bool cut;
	int r;

	count_lines(w, line);
	if (w->reported == w->line_number)
		return 0;
	w->reported = w->line_number;
	if (len && line[len - 1] == '\r')
		len--;
	cut = len > CORRAL_FILES_LINE_MAX;
	if (cut) {
		len = CORRAL_FILES_LINE_MAX;
		/* Not in the middle of a character. */
		while (len > CORRAL_FILES_LINE_MAX - 4 && ((unsigned char)line[len] & 0xc0) == 0x80)
			len--;
	}
	if (!corral_utf8_valid(line, len)) {
		corral_utf8_add(&text, line, len);
		if (text.failed)
			return -ENOMEM;
		line = text.data;
		len = text.len;
	}
	r = corral_files_matches_add(w->ret, w->path, w->path_len, w->line_number, line, len, cut);
	if (r == -EFBIG)
		w->left = 0;
	else if (r == 0)
		w->left--;
	return r == -EFBIG ? 0 : r;
}

/* One line as a subject of its own; 1 when it matched. */
static int try_line(struct search *w, const char *line, size_t len)
{
	size_t start, end;
	int r = match(w->s, line, len, 0, &start, &end);

	if (r == -E2BIG) {
		w->ret->incomplete = true;
		return ++w->s->costly > COSTLY_MAX ? r : files_stopped(w->stop, NULL);
	}
	if (r <= 0)
		return r;
	r = add_line(w, line, len);
	return r < 0 ? r : 1;
}

static int by_lines(struct search *w, const char *at, const char *end)
{
	for (unsigned int n = 0; at < end && w->left; n++) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		int r;

		if (!stop)
			stop = end;
		r = try_line(w, at, (size_t)(stop - at));
		if (r >= 0 && n % 64 == 63)
			r = files_stopped(w->stop, NULL);
		if (r < 0)
			return r;
		at = stop + 1;
	}
	return 0;
}

/* A piece of whole lines. */
static int search_piece(struct search *w, const char *piece, const char *end)
{
	const char *at = piece;
	int r;

	if (w->s->pattern->by_line)
		return by_lines(w, at, end);
	while (at < end && w->left) {
		const char *line, *stop;
		size_t from, to;

		r = match(w->s, piece, (size_t)(end - piece), (size_t)(at - piece), &from, &to);
		if (r == -E2BIG)
			return by_lines(w, at, end);
		if (r <= 0)
			return r;
		/* An empty match behind the last line's end is in no line. */
		if (piece + from >= end && end > piece && end[-1] == '\n')
			return 0;
		line = memrchr(piece, '\n', from);
		line = line ? line + 1 : piece;
		if (line < at)
			line = at;
		stop = memchr(piece + from, '\n', (size_t)(end - piece) - from);
		if (!stop)
			stop = end;
		if (piece + to > stop)
			r = try_line(w, line, (size_t)(stop - line));
		else
			r = add_line(w, line, (size_t)(stop - line));
		if (r < 0)
			return r;
		at = stop + 1;
		r = files_stopped(w->stop, NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Room for more of a line that did not end: until LINE_HOLD_MAX. */
static int grow(struct files_searcher *s)
{
	size_t want = s->size + PIECE_SIZE;
	char *more = want > LINE_HOLD_MAX + PIECE_SIZE ? NULL : realloc(s->buf, want);

	if (!more)
		return -ENOMEM;
	s->buf = more;
	s->size = want;
	return 0;
}

/* The hole of a sparse file: nothing there that a person looks for. True when it goes to the end.
 */
static bool skip_hole(int fd)
{
	off_t here = lseek(fd, 0, SEEK_CUR), data = lseek(fd, here, SEEK_DATA);

	if (data < 0 && errno == ENXIO)
		return true;
	if (data < 0)
		(void)lseek(fd, here, SEEK_SET);
	return false;
}

static uint64_t matches_max(const struct corral_files_grep *grep)
{
	return grep->max_matches && grep->max_matches < CORRAL_FILES_MATCHES_MAX
	               ? grep->max_matches
	               : CORRAL_FILES_MATCHES_MAX;
}

uint64_t files_matches_wanted(const struct corral_files_grep *grep)
{
	return matches_max(grep) + 1;
}

void files_matches_cut(const struct corral_files_grep *grep, struct corral_files_matches *found)
{
	if (found->n <= matches_max(grep))
		return;
	found->n = matches_max(grep);
	found->truncated = true;
}

int files_search(struct files_searcher *s, struct files_content *c, const char *path,
                 size_t path_len, uint64_t max, const struct corral_files_stop *stop,
                 struct corral_files_matches *ret)
{
	struct search w = { .s = s,
		            .stop = stop,
		            .ret = ret,
		            .path = path,
		            .path_len = path_len,
		            .left = max,
		            .line_number = 1 };
	size_t have = 0;
	bool first = true, end = false;
	int r = 0;

	while (r == 0 && !end && w.left) {
		long got = files_content_read(c, s->buf + have, s->size - have);
		const char *last;
		size_t ready;

		if (got < 0)
			return (int)got;
		end = got == 0;
		if (first && memchr(s->buf, '\0',
		                    got < CORRAL_FILES_SNIFF ? (size_t)got : CORRAL_FILES_SNIFF))
			return 0;
		first = false;
		if (c->fd >= 0 && got == (long)s->size && files_all_zero(s->buf, s->size) &&
		    skip_hole(c->fd))
			return 0;
		have += (size_t)got;
		last = end || !have ? NULL : memrchr(s->buf, '\n', have);
		ready = last ? (size_t)(last + 1 - s->buf) : 0;
		if (end || (!last && have >= LINE_HOLD_MAX))
			ready = have;
		if (!ready) {
			if (have == s->size)
				r = grow(s);
			continue;
		}
		w.counted = s->buf;
		r = search_piece(&w, s->buf, s->buf + ready);
		if (r == 0)
			r = files_stopped(stop, NULL);
		count_lines(&w, s->buf + ready);
		memmove(s->buf, s->buf + ready, have - ready);
		have -= ready;
	}
	return r;
}
