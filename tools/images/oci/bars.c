#include "tools/images/oci/bars.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "tools/exitcode.h"
#include "tools/message.h"
#include "tools/summary.h"
#include "tools/write_all.h"

#define REDRAW_MS 100
#define BAR_MAX   40
#define BAR_MIN   8

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	/* Whatever is half done may be left so: the next one goes on with it. */
	if (interrupted)
		_exit(128 + number);
	interrupted = number;
}

void corral_bars_interruptible(void)
{
	static const int taken[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, is;

	(void)sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < CORRAL_COUNT(taken); i++)
		if (sigaction(taken[i], NULL, &is) == 0 && is.sa_handler != SIG_IGN)
			(void)sigaction(taken[i], &action, NULL);
}

int corral_bars_interrupted(void)
{
	return interrupted;
}

/* ---- words ---- */

static const char *doing_text(const char *doing)
{
	static const struct {
		const char *doing, *text;
	} known[] = {
		{ "wait", "waiting" },     { "download", "downloading" },
		{ "unpack", "unpacking" }, { "there", "is there" },
		{ "done", "done" },        { "write", "writing" },
		{ "other", "waiting" },    { "read", "reading" },
	};

	for (size_t i = 0; i < CORRAL_COUNT(known); i++)
		if (strcmp(known[i].doing, doing) == 0)
			return known[i].text;
	return doing;
}

static bool is_at_rest(const struct corral_bar *bar)
{
	return strcmp(bar->doing, "there") == 0 || strcmp(bar->doing, "done") == 0;
}

static void numbers(const struct corral_bar *bar, char *to, size_t size)
{
	char now[32], all[32];

	to[0] = '\0';
	corral_human_bytes(bar->current, now, sizeof(now));
	corral_human_bytes(bar->total, all, sizeof(all));
	if (bar->total && bar->current && !is_at_rest(bar))
		(void)snprintf(to, size, "%s of %s", now, all);
	else if (bar->total || bar->current)
		(void)snprintf(to, size, "%s", bar->total ? all : now);
}

/* "[====>     ]" of that many columns inside. */
static void bar_fill(const struct corral_bar *bar, size_t width, char *to)
{
	double part = bar->current >= bar->total ? 1 : (double)bar->current / (double)bar->total;
	size_t full = (size_t)(part * (double)width);

	to[0] = '[';
	memset(to + 1, '=', full);
	memset(to + 1 + full, ' ', width - full);
	if (full && full < width)
		to[full] = '>';
	to[width + 1] = ']';
	to[width + 2] = '\0';
}

void corral_bar_text(const struct corral_bar *bar, size_t columns, char ret[CORRAL_BAR_BYTES])
{
	char name[sizeof(bar->name)], head[64], tail[80], middle[BAR_MAX + 4] = "";
	size_t used, width;

	(void)snprintf(name, sizeof(name), "%s", bar->name);
	corral_text_clean(name);
	(void)snprintf(head, sizeof(head), "%-12.24s  %-11s", name, doing_text(bar->doing));
	numbers(bar, tail, sizeof(tail));
	/* With its brackets and a blank at either side. */
	used = strlen(head) + strlen(tail) + 4;
	width = columns > used ? columns - used : 0;
	width = width > BAR_MAX ? BAR_MAX : width;
	if (width >= BAR_MIN && bar->total && !is_at_rest(bar))
		bar_fill(bar, width, middle);
	(void)snprintf(ret, CORRAL_BAR_BYTES, "%s%s%s%s%s", head, *middle ? " " : "", middle,
	               *tail ? " " : "", tail);
	if (columns < CORRAL_BAR_BYTES)
		ret[columns] = '\0';
	for (size_t n = strlen(ret); n > 0 && ret[n - 1] == ' '; n--)
		ret[n - 1] = '\0';
}

/* ---- the terminal ---- */

static void dimensions(size_t *columns, size_t *rows)
{
	struct winsize size;

	*columns = 80;
	*rows = 24;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0)
		return;
	if (size.ws_col)
		*columns = size.ws_col;
	if (size.ws_row)
		*rows = size.ws_row;
}

/* To where our first line begins; one that was wider than the terminal is now has become several.
 */
static void erase(struct corral_bars *b, size_t columns, struct corral_buf *out)
{
	size_t up = 0;

	for (size_t i = 0; i < b->n_drawn; i++)
		up += b->drawn[i] ? (b->drawn[i] + columns - 1) / columns : 1;
	if (up)
		corral_buf_fmt(out, "\033[%zuA\r\033[J", up);
	b->n_drawn = 0;
}

static void draw_line(struct corral_bars *b, const char *text, struct corral_buf *out)
{
	corral_buf_fmt(out, "%s\n", text);
	b->drawn[b->n_drawn++] = strlen(text);
}

static void draw(struct corral_bars *b)
{
	corral_autobuf struct corral_buf out = CORRAL_BUF_INIT;
	char text[CORRAL_BAR_BYTES];
	size_t columns, rows, room, hidden = 0, skip;

	dimensions(&columns, &rows);
	erase(b, columns, &out);
	/* A line says what has no room, and one is the cursor's. */
	room = rows > 3 ? rows - 2 : 1;
	skip = b->n > room ? b->n - room : 0;
	for (size_t i = 0; i < b->n; i++) {
		/* What has no size is of no interest when it is done. */
		if (is_at_rest(&b->bars[i]) && !b->bars[i].total)
			continue;
		/* Those at rest give way first, then the last ones. */
		if ((hidden < skip && is_at_rest(&b->bars[i])) || b->n_drawn == room) {
			hidden++;
			continue;
		}
		corral_bar_text(&b->bars[i], columns > 1 ? columns - 1 : 1, text);
		draw_line(b, text, &out);
	}
	if (hidden) {
		(void)snprintf(text, sizeof(text), "%zu more", hidden);
		draw_line(b, text, &out);
	}
	if (!out.failed && out.len)
		(void)corral_write_all(STDERR_FILENO, out.data, out.len);
	b->drawn_ms = corral_now_ms();
}

/* ---- what is told ---- */

static struct corral_bar *bar_of(struct corral_bars *b, const char *what)
{
	struct corral_bar *bar;

	for (size_t i = 0; i < b->n; i++)
		if (strncmp(b->bars[i].name, what, sizeof(b->bars[i].name) - 1) == 0)
			return &b->bars[i];
	if (b->n == CORRAL_BARS_MAX)
		return NULL;
	bar = &b->bars[b->n++];
	(void)snprintf(bar->name, sizeof(bar->name), "%s", what);
	bar->doing = "";
	return bar;
}

static unsigned int percent(const struct corral_bar *bar)
{
	return bar->current < bar->total
	               ? (unsigned int)((double)bar->current / (double)bar->total * 100)
	               : 100;
}

static void say(const struct corral_bar *bar)
{
	char bytes[48] = "";

	if (strcmp(bar->doing, "wait") == 0 || strcmp(bar->name, "manifest") == 0)
		return;
	if (strcmp(bar->doing, "other") == 0) {
		corral_say("%s: another pull of it is at %u %%: waiting", bar->name, percent(bar));
		return;
	}
	if (bar->total && strcmp(bar->doing, "download") == 0) {
		bytes[0] = ' ';
		corral_human_bytes(bar->total, bytes + 1, sizeof(bytes) - 1);
	}
	corral_say("%s: %s%s", bar->name, doing_text(bar->doing), bytes);
}

static int tell(void *ctx, const char *what, const char *doing, uint64_t current, uint64_t total)
{
	struct corral_bars *b = ctx;
	struct corral_bar *bar;
	bool is_new;

	if (interrupted)
		return 1;
	if (b->is_quiet)
		return 0;
	if (strcmp(doing, "log") == 0) {
		corral_bars_done(b);
		corral_say("%s", what);
		return 0;
	}
	bar = bar_of(b, what);
	if (!bar)
		return 0;
	is_new = strcmp(bar->doing, doing) != 0;
	bar->doing = doing;
	bar->current = current;
	bar->total = total;
	if (!b->is_terminal && is_new)
		say(bar);
	else if (b->is_terminal && (is_new || corral_now_ms() - b->drawn_ms >= REDRAW_MS))
		draw(b);
	return 0;
}

void corral_bars_init(struct corral_bars *b, bool is_quiet)
{
	const char *term = getenv("TERM");

	memset(b, 0, sizeof(*b));
	b->progress = (struct corral_progress) { tell, b };
	b->is_quiet = is_quiet;
	b->is_terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

void corral_bars_done(struct corral_bars *b)
{
	corral_autobuf struct corral_buf out = CORRAL_BUF_INIT;
	size_t columns, rows;

	dimensions(&columns, &rows);
	erase(b, columns, &out);
	if (!out.failed && out.len)
		(void)corral_write_all(STDERR_FILENO, out.data, out.len);
}

void corral_bars_clear(struct corral_bars *b)
{
	corral_bars_done(b);
	b->n = 0;
}

int corral_bars_end(struct corral_bars *b, int r, const struct corral_error *err)
{
	corral_bars_done(b);
	if (r != -ECANCELED || !interrupted)
		return r;
	(void)corral_complain(err);
	return CORRAL_EXIT_SIGNAL + interrupted;
}
