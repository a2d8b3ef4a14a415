/* Redirections, and the here-documents among them, whose bodies come lines later. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/permission_shell.h"

static void redirect_add(struct shell *s, struct shell_word *w, bool write)
{
	struct permission_line *l = s->line;
	struct permission_redirect *redirects =
	        shell_grow(l->redirects, l->n_redirects, &l->redirects_size, sizeof(*redirects));

	if (!redirects) {
		s->r = -ENOMEM;
		return;
	}
	l->redirects = redirects;
	redirects[l->n_redirects] =
	        (struct permission_redirect) { .path = { corral_buf_take(&w->text), w->unknown },
		                               .write = write };
	if (redirects[l->n_redirects].path.text)
		l->n_redirects++;
	else
		s->r = -ENOMEM;
}

static char at(const struct shell *s, size_t ahead)
{
	return (char)((size_t)(s->end - s->p) > ahead ? s->p[ahead] : '\0');
}

/* The line at p, without its newline, which is passed by as well. */
static size_t line_read(struct shell *s, const char **ret)
{
	const char *end = memchr(s->p, '\n', (size_t)(s->end - s->p));
	size_t len = (size_t)((end ? end : s->end) - s->p);

	*ret = s->p;
	s->p = end ? end + 1 : s->end;
	return len;
}

static void here_read(struct shell *s, struct shell_here *h)
{
	corral_autobuf struct corral_buf body = CORRAL_BUF_INIT;

	corral_buf_add(&body, "", 0);
	while (s->p < s->end) {
		const char *line;
		size_t len = line_read(s, &line);

		while (h->tabs && len && *line == '\t') {
			line++;
			len--;
		}
		if (len == strlen(h->end) && !memcmp(line, h->end, len))
			break;
		corral_buf_add(&body, line, len);
		corral_buf_add(&body, "\n", 1);
	}
	if (body.failed) {
		s->r = -ENOMEM;
		return;
	}
	if (!h->quoted) {
		if (*s->work < body.len) {
			shell_puzzle(s, "too much nesting");
			return;
		}
		*s->work -= body.len;
		shell_expansions(s, body.data, body.len);
	}
	if (h->run)
		shell_nested(s, body.data, body.len);
}

/* A newline, and behind it the here-documents that began on its line. */
void shell_newline(struct shell *s)
{
	size_t n = s->n_here;

	s->p++;
	s->n_here = 0;
	for (size_t i = 0; i < n; i++) {
		struct shell_here h = s->here[i];

		if (!shell_stopped(s))
			here_read(s, &h);
		free(h.end);
	}
}

/* Those whose bodies never came. */
void shell_here_drop(struct shell *s)
{
	while (s->n_here)
		free(s->here[--s->n_here].end);
}

static void here_begin(struct shell *s, bool tabs)
{
	struct shell_word w = { CORRAL_BUF_INIT, false, false };

	shell_blanks(s);
	shell_word_read(s, &w);
	if (s->n_here == SHELL_HERE_MAX)
		shell_puzzle(s, "too many here-documents");
	if (!shell_stopped(s)) {
		struct shell_here *h = &s->here[s->n_here];

		*h = (struct shell_here) { .end = corral_buf_take(&w.text),
			                   .tabs = tabs,
			                   .quoted = w.quoted };
		if (h->end)
			s->n_here++;
		else
			s->r = -ENOMEM;
	}
	shell_word_done(&w);
}

void shell_redirection(struct shell *s, struct shell_word *here, bool *ret_here)
{
	struct shell_word w = { CORRAL_BUF_INIT, false, false };
	bool write = at(s, 0) != '<', duplicate = false;

	if (at(s, 0) == '&')
		s->p++;
	if (at(s, 0) == '<' && at(s, 1) == '<' && at(s, 2) != '<') {
		bool tabs = at(s, 2) == '-';

		s->p += tabs ? 3 : 2;
		here_begin(s, tabs);
		return;
	}
	if (at(s, 0) == '<' && at(s, 1) == '<') {
		s->p += 3;
		shell_blanks(s);
		shell_word_read(s, &w);
		*ret_here = true;
		here->unknown |= w.unknown;
		if (w.text.len)
			corral_buf_add(&here->text, w.text.data, w.text.len);
		shell_word_done(&w);
		return;
	}
	s->p++;
	if (at(s, 0) == '>' || at(s, 0) == '|') {
		write = true;
		s->p++;
	} else if (at(s, 0) == '&') {
		duplicate = true;
		s->p++;
	}
	shell_blanks(s);
	shell_word_read(s, &w);
	if (duplicate && w.text.len &&
	    strspn(w.text.data, "0123456789-") == w.text.len) { /* ">&2" */
		shell_word_done(&w);
		return;
	}
	if (!shell_stopped(s) && !w.text.len && !w.quoted)
		shell_puzzle(s, "a redirection to nowhere");
	if (!shell_stopped(s))
		redirect_add(s, &w, write);
	shell_word_done(&w);
}
