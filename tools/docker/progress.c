#include "tools/docker/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernel/base/clock.h"
#include "tools/message.h"
#include "tools/summary.h"
#include "tools/write_all.h"

#define REDRAW_MS 100
#define WIDTH_MAX 200

static unsigned int width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 20)
		return 80;
	return size.ws_col < WIDTH_MAX ? size.ws_col : WIDTH_MAX;
}

/* The text is valid UTF-8: none of its letters is cut, and those that take two columns may wrap. */
static size_t cut(const char *text, size_t columns)
{
	size_t at = 0;

	for (size_t n = 0; text[at] && n < columns; n++)
		do
			at++;
		while (((unsigned char)text[at] & 0xc0) == 0x80);
	return at;
}

static void draw(struct corral_docker_teller *t, const char *text, uint64_t current, uint64_t total)
{
	char line[CORRAL_ERROR_TEXT_SIZE + 128], shown[sizeof(line) + 16], now[32], all[32];
	uint64_t at_ms = corral_now_ms();
	int n;

	if (t->drawn && at_ms - t->drawn_ms < REDRAW_MS)
		return;
	corral_human_bytes(current, now, sizeof(now));
	corral_human_bytes(total, all, sizeof(all));
	if (total)
		(void)snprintf(line, sizeof(line), "%s, %s of %s", text, now, all);
	else
		(void)snprintf(line, sizeof(line), "%s", text);
	corral_text_clean(line);
	n = snprintf(shown, sizeof(shown), "\r\033[K%.*s", (int)cut(line, width() - 1), line);
	(void)corral_write_all(STDERR_FILENO, shown, (size_t)n);
	t->drawn = true;
	t->drawn_ms = at_ms;
}

static int tell(void *ctx, const char *text, uint64_t current, uint64_t total)
{
	struct corral_docker_teller *t = ctx;

	if (atomic_load(&t->cancelled))
		return 1;
	if (t->terminal)
		draw(t, text, current, total);
	else if (!current && !total)
		corral_say("%s", text);
	return 0;
}

void corral_docker_teller_init(struct corral_docker_teller *t)
{
	memset(t, 0, sizeof(*t));
	t->progress = (struct corral_docker_progress) { tell, t };
	t->terminal = isatty(STDERR_FILENO);
}

void corral_docker_teller_done(struct corral_docker_teller *t)
{
	if (t->drawn)
		(void)corral_write_all(STDERR_FILENO, "\r\033[K", strlen("\r\033[K"));
	t->drawn = false;
}

void corral_docker_teller_failed(const struct corral_docker_teller *t, struct corral_error *err)
{
	static const char head[] = "Building ";
	char text[CORRAL_ERROR_TEXT_SIZE], *line = text, *end;

	(void)snprintf(text, sizeof(text), "%s", err->text);
	end = strchr(text, '\n');
	if (strncmp(text, head, strlen(head)) != 0 || !end)
		return;
	while (end) {
		*end = '\0';
		/* Not the first. */
		if (t->terminal && line != text)
			corral_say("%s", line);
		line = end + 1;
		end = strchr(line, '\n');
	}
	(void)corral_error_set(err, err->code, "building %s %s", text + strlen(head), line);
}
