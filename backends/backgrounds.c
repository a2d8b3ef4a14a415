/*
 * An entry has its own lock, held while its process is spoken to, which may take as long as a
 * kill does; the list's is held for moments only. Whoever finds an entry busy says what was true
 * before.
 */
#include "backends/backgrounds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"

struct corral_background_entry {
	struct corral_background_entry *next;
	unsigned int refs; /* under the list's lock */
	pthread_mutex_t lock;
	char shell_id[CORRAL_SHELL_ID_SIZE];
	char *command;
	void *process;
	int pid, exit_code;
	bool ended;
};

void corral_backgrounds_init(struct corral_backgrounds *l, const struct corral_background_ops *ops)
{
	l->ops = ops;
	l->first = NULL;
	(void)pthread_mutex_init(&l->lock, NULL);
}

static void entry_free(const struct corral_background_ops *ops, struct corral_background_entry *g)
{
	if (g->process)
		ops->close(g->process);
	(void)pthread_mutex_destroy(&g->lock);
	free(g->command);
	free(g);
}

static void release(struct corral_backgrounds *l, struct corral_background_entry *g)
{
	bool last;

	(void)pthread_mutex_lock(&l->lock);
	last = --g->refs == 0;
	(void)pthread_mutex_unlock(&l->lock);
	if (last)
		entry_free(l->ops, g);
}

static struct corral_background_entry *acquire(struct corral_backgrounds *l, const char *shell_id)
{
	struct corral_background_entry *g;

	(void)pthread_mutex_lock(&l->lock);
	g = l->first;
	while (g && strcmp(g->shell_id, shell_id) != 0)
		g = g->next;
	if (g)
		g->refs++;
	(void)pthread_mutex_unlock(&l->lock);
	return g;
}

void corral_backgrounds_kill_all(struct corral_backgrounds *l)
{
	struct corral_background_entry *list;

	(void)pthread_mutex_lock(&l->lock);
	list = l->first;
	l->first = NULL;
	(void)pthread_mutex_unlock(&l->lock);
	while (list) {
		struct corral_background_entry *next = list->next;

		(void)pthread_mutex_lock(&list->lock);
		l->ops->kill(list->process);
		(void)pthread_mutex_unlock(&list->lock);
		release(l, list);
		list = next;
	}
}

void corral_backgrounds_done(struct corral_backgrounds *l)
{
	corral_backgrounds_kill_all(l);
	(void)pthread_mutex_destroy(&l->lock);
}

/* With the entry's lock held: notices an end. */
static void look(const struct corral_backgrounds *l, struct corral_background_entry *g)
{
	if (!g->ended)
		g->ended = l->ops->ended(g->process, &g->exit_code) == 1;
}

static void describe(const struct corral_background_entry *g, struct corral_background *ret)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->shell_id, g->shell_id, sizeof(ret->shell_id));
	ret->pid = g->pid;
	ret->running = !g->ended;
	ret->has_exit_code = g->ended;
	ret->exit_code = g->ended ? g->exit_code : 0;
}

int corral_backgrounds_start(struct corral_backgrounds *l, void *place, const char *command,
                             unsigned int number, struct corral_background *ret,
                             struct corral_error *err)
{
	struct corral_background_entry *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return corral_error_set(err, ENOMEM, "background: out of memory");
	g->refs = 1;
	(void)pthread_mutex_init(&g->lock, NULL);
	(void)snprintf(g->shell_id, sizeof(g->shell_id), "bg_%u", number);
	g->command = strdup(command);
	r = g->command ? l->ops->start(place, command, g->shell_id, &g->process, &g->pid, err)
	               : corral_error_set(err, ENOMEM, "background: out of memory");
	if (r < 0) {
		entry_free(l->ops, g);
		return r;
	}
	look(l, g);
	describe(g, ret);
	(void)pthread_mutex_lock(&l->lock);
	g->next = l->first;
	l->first = g;
	(void)pthread_mutex_unlock(&l->lock);
	return 0;
}

int corral_background_unknown(const char *shell_id, struct corral_error *err)
{
	return corral_error_set(err, ESRCH, "No such background shell: %s", shell_id);
}

int corral_backgrounds_read(struct corral_backgrounds *l, const char *shell_id,
                            struct corral_buf *out, struct corral_buf *err_out,
                            struct corral_background *ret, struct corral_error *err)
{
	struct corral_background_entry *g = acquire(l, shell_id);
	int r;

	if (!g)
		return corral_background_unknown(shell_id, err);
	(void)pthread_mutex_lock(&g->lock);
	/* First whether it has ended, then what it wrote: nothing can come between. */
	look(l, g);
	describe(g, ret);
	r = l->ops->read(g->process, 0, out, err);
	if (r == 0)
		r = l->ops->read(g->process, 1, err_out, err);
	(void)pthread_mutex_unlock(&g->lock);
	release(l, g);
	return r;
}

int corral_backgrounds_kill(struct corral_backgrounds *l, const char *shell_id)
{
	struct corral_background_entry *g = acquire(l, shell_id);
	int r;

	if (!g)
		return 0;
	(void)pthread_mutex_lock(&g->lock);
	look(l, g);
	r = !g->ended;
	if (r)
		l->ops->kill(g->process);
	look(l, g);
	(void)pthread_mutex_unlock(&g->lock);
	release(l, g);
	return r;
}

/* With the list's lock held. */
static void copy(struct corral_backgrounds *l, struct corral_background_list *ret)
{
	size_t i = ret->n;
	char *at = ret->text;

	/* The newest is first in our list, and last in theirs. */
	for (struct corral_background_entry *g = l->first; g; g = g->next) {
		size_t len = strlen(g->command) + 1;

		if (pthread_mutex_trylock(&g->lock) == 0) {
			look(l, g);
			(void)pthread_mutex_unlock(&g->lock);
		}
		describe(g, &ret->items[--i]);
		memcpy(at, g->command, len);
		ret->items[i].command = at;
		at += len;
	}
}

int corral_backgrounds_list(struct corral_backgrounds *l, struct corral_background_list *ret,
                            struct corral_error *err)
{
	size_t count = 0, text = 0;

	(void)pthread_mutex_lock(&l->lock);
	for (const struct corral_background_entry *g = l->first; g; g = g->next) {
		count++;
		text += strlen(g->command) + 1;
	}
	ret->n = count;
	ret->items = count ? calloc(count, sizeof(*ret->items)) : NULL;
	ret->text = count ? malloc(text) : NULL;
	if (!count || (ret->items && ret->text))
		copy(l, ret);
	(void)pthread_mutex_unlock(&l->lock);
	if (!count || (ret->items && ret->text))
		return 0;
	corral_background_list_done(ret);
	return corral_error_set(err, ENOMEM, "background: out of memory");
}
