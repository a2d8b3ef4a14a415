/*
 * Commands that were detached and whose output is kept, so that it can be read while they run and
 * when they have ended.
 *
 * What they write goes into files of memory that they only append to, charged to the sandbox and
 * not to us. Whoever asks gets the files themselves, so no byte passes through here; of each the
 * last part is kept, and what is before it is given back from time to time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tools/holder_state.h"
#include "tools/words.h"

#define KEPT_MAX   ((off_t)4 << 20) /* bytes of one stream */
#define KEPT_BLOCK ((off_t)64 << 10)

/* The guest's descriptor can append and nothing else; ours is another one, which reads. */
static int spool_open(int *ret_read_fd, int *ret_write_fd, struct corral_error *err)
{
	corral_autofd int fd = memfd_create("output", MFD_CLOEXEC);
	char path[40];

	if (fd < 0)
		return corral_error_sys(err, errno, "file for output");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*ret_write_fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (*ret_write_fd < 0)
		return corral_error_sys(err, errno, "file for output");
	/* Nobody opens it anew by way of /proc, to read it or to write over what was written. */
	(void)fchmod(fd, 0);
	*ret_read_fd = corral_take_fd(&fd);
	return 0;
}

void corral_holder_shell_drop(struct corral_holder_shell *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < 2; i++)
		if (s->fds[i] >= 0)
			(void)close(s->fds[i]);
	*s = (struct corral_holder_shell) { .fds = { -1, -1 } };
}

/* A free place, or that of the one which ended first. */
static struct corral_holder_shell *place(struct corral_holder *h)
{
	struct corral_holder_shell *oldest = NULL;

	for (size_t i = 0; i < CORRAL_HOLDER_SHELLS_MAX; i++) {
		struct corral_holder_shell *s = &h->shells[i];

		if (!s->number)
			return s;
		if (!s->running && (!oldest || s->ended_at < oldest->ended_at))
			oldest = s;
	}
	if (oldest)
		corral_holder_shell_drop(oldest);
	return oldest;
}

int corral_holder_shell_begin(struct corral_holder *h, char *const *argv, int stdio[3],
                              struct corral_holder_shell **ret, struct corral_error *err)
{
	struct corral_holder_shell *s = place(h);
	int r = 0;

	if (!s)
		return corral_error_set(err, EAGAIN, "%u detached commands are running already",
		                        CORRAL_HOLDER_SHELLS_MAX);
	*s = (struct corral_holder_shell) { .number = ++h->last_shell,
		                            .running = true,
		                            .fds = { -1, -1 } };
	corral_words_line(argv, s->command, sizeof(s->command));
	/* What leads to a file already needs none of ours. */
	for (int i = 0; i < 2 && r == 0; i++)
		if (stdio[1 + i] < 0)
			r = spool_open(&s->fds[i], &stdio[1 + i], err);
	if (r < 0)
		corral_holder_shell_drop(s);
	else
		*ret = s;
	return r;
}

void corral_holder_shell_ended(struct corral_holder *h, struct corral_holder_shell *s,
                               const struct corral_receipt *r)
{
	if (!s)
		return;
	s->running = false;
	s->ended_at = ++h->shells_ended;
	s->exit_code = r->signal ? -r->signal : r->exit_code;
}

/* Gives back what is before the last part: whether any of them goes on writing. */
bool corral_holder_shells_trim(struct corral_holder *h)
{
	bool any = false;

	for (size_t i = 0; i < CORRAL_HOLDER_SHELLS_MAX; i++) {
		struct corral_holder_shell *s = &h->shells[i];

		any |= s->number && s->running;
		for (size_t k = 0; s->number && k < 2; k++) {
			struct stat st;
			off_t from;

			if (s->fds[k] < 0 || fstat(s->fds[k], &st) < 0)
				continue;
			from = (st.st_size - KEPT_MAX) / KEPT_BLOCK * KEPT_BLOCK;
			if (from <= s->from[k])
				continue;
			if (fallocate(s->fds[k], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			              s->from[k], from - s->from[k]) == 0)
				s->from[k] = from;
		}
	}
	return any;
}

static json_t *describe(const struct corral_holder_shell *s)
{
	return json_pack("{s:o, s:s, s:b, s:i, s:i, s:[I, I]}", "shell_id",
	                 json_sprintf("bg_%u", s->number), "command", s->command, "running",
	                 s->running, "pid", s->pid, "exit_code", s->exit_code, "from",
	                 (json_int_t)s->from[0], (json_int_t)s->from[1]);
}

static int by_number(const void *a, const void *b)
{
	const struct corral_holder_shell *const *x = a, *const *y = b;

	return (*x)->number < (*y)->number ? -1 : (*x)->number > (*y)->number;
}

int corral_holder_shells(struct corral_holder *h, struct corral_holder_client *c,
                         const struct corral_talk *t)
{
	const struct corral_holder_shell *all[CORRAL_HOLDER_SHELLS_MAX] = { NULL };
	json_t *list = json_array();
	size_t n = 0;

	(void)t;
	for (size_t i = 0; i < CORRAL_HOLDER_SHELLS_MAX; i++)
		if (h->shells[i].number)
			all[n++] = &h->shells[i];
	qsort(all, n, sizeof(all[0]), by_number);
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, describe(all[i]));
	return corral_holder_say(c, json_pack("{s:s, s:o}", "type", "shells", "shells", list), NULL,
	                         0);
}

static struct corral_holder_shell *find(struct corral_holder *h, const struct corral_talk *t)
{
	const char *id = corral_talk_text(t->words, "shell_id");
	char own[24];

	for (size_t i = 0; id && i < CORRAL_HOLDER_SHELLS_MAX; i++) {
		(void)snprintf(own, sizeof(own), "bg_%u", h->shells[i].number);
		if (h->shells[i].number && !strcmp(own, id))
			return &h->shells[i];
	}
	return NULL;
}

static int refuse_unknown(struct corral_holder_client *c, const struct corral_talk *t)
{
	const char *id = corral_talk_text(t->words, "shell_id");
	struct corral_error err = { 0 };

	(void)corral_error_set(&err, ESRCH, "No such background shell: %.64s", id ? id : "");
	return corral_holder_refuse(c, &err);
}

/* The files come with the answer, in their order; "files" says which. */
int corral_holder_shell_show(struct corral_holder *h, struct corral_holder_client *c,
                             const struct corral_talk *t)
{
	const struct corral_holder_shell *s = find(h, t);
	int fds[2];
	unsigned int n = 0;
	json_t *words;

	if (!s)
		return refuse_unknown(c, t);
	words = describe(s);
	for (size_t i = 0; i < 2; i++)
		if (s->fds[i] >= 0)
			fds[n++] = s->fds[i];
	(void)json_object_set_new(words, "type", json_string("shell"));
	(void)json_object_set_new(words, "files",
	                          json_pack("[b, b]", s->fds[0] >= 0, s->fds[1] >= 0));
	return corral_holder_say(c, words, fds, n);
}

int corral_holder_shell_kill(struct corral_holder *h, struct corral_holder_client *c,
                             const struct corral_talk *t)
{
	struct corral_holder_shell *s = find(h, t);
	bool running = s && s->running;

	if (!s)
		return refuse_unknown(c, t);
	for (size_t i = 0; running && i < CORRAL_HOLDER_CLIENTS_MAX; i++)
		if (h->clients[i].used && h->clients[i].process && h->clients[i].shell == s) {
			corral_holder_doom(h, &h->clients[i], CORRAL_REASON_KILLED);
			break;
		}
	return corral_holder_say(c, json_pack("{s:s, s:b}", "type", "ok", "killed", running), NULL,
	                         0);
}
