#include "tools/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

/* For all of them together. */
#define ALL_MS 2000

int corral_ask_error(const struct corral_talk *t, struct corral_error *err)
{
	const char *type = corral_talk_text(t->words, "type"),
	           *text = corral_talk_text(t->words, "text");
	int64_t code = corral_talk_number(t->words, "code", 0);

	if (type && strcmp(type, "error") != 0)
		return 0;
	return corral_error_set(
	        err, code > 0 && code < 4096 ? (int)code : EPROTO, "%s",
	        text ? text : "the sandbox's holder gave no answer that can be understood");
}

int corral_ask(const struct corral_sandboxes *s, const struct corral_record *r, const char *op,
               struct corral_talk *ret, struct corral_error *err)
{
	return corral_ask_words(s, r, json_pack("{s:s}", "op", op), ret, err);
}

int corral_ask_words(const struct corral_sandboxes *s, const struct corral_record *r, json_t *words,
                     struct corral_talk *ret, struct corral_error *err)
{
	struct corral_talk t = { .words = NULL };
	corral_autofd int fd = -1;
	int status;

	status = corral_sandboxes_connect(s, r, &fd, err);
	if (status < 0) {
		json_decref(words);
		return status;
	}
	status = corral_talk_send(fd, words, NULL, 0, err);
	if (status < 0)
		return status;
	status = corral_talk_await(fd, CORRAL_ASK_MS, &t, err);
	if (status == 0)
		return corral_record_ended(r, err);
	if (status == -ETIMEDOUT)
		return corral_record_silent(r, err);
	if (status > 0)
		status = corral_ask_error(&t, err);
	if (status < 0) {
		corral_talk_done(&t);
		return corral_error_wrap(err, status, "sandbox %s", r->id);
	}
	*ret = t;
	return 0;
}

void corral_ask_all(const struct corral_sandboxes *s, const struct corral_record *records, size_t n,
                    const char *op, json_t **answers)
{
	corral_autofree int *fds = calloc(n ? n : 1, sizeof(*fds));
	uint64_t until = corral_now_ms() + ALL_MS;

	for (size_t i = 0; i < n; i++)
		answers[i] = NULL;
	if (!fds)
		return;
	for (size_t i = 0; i < n; i++) {
		fds[i] = -1;
		if (corral_sandboxes_connect(s, &records[i], &fds[i], NULL) == 0)
			(void)corral_talk_send(fds[i], json_pack("{s:s}", "op", op), NULL, 0, NULL);
	}
	for (size_t i = 0; i < n; i++) {
		struct corral_talk t = { .words = NULL };
		uint64_t now = corral_now_ms();

		if (fds[i] < 0)
			continue;
		if (corral_talk_await(fds[i], now < until ? (int)(until - now) : 0, &t, NULL) > 0) {
			if (corral_ask_error(&t, NULL) == 0)
				answers[i] = json_incref(t.words);
			corral_talk_done(&t);
		}
		corral_fd_closep(&fds[i]);
	}
}
