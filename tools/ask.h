/*
 * Asking the holders of sandboxes for something, as commands do.
 */
#ifndef CORRAL_TOOLS_ASK_H
#define CORRAL_TOOLS_ASK_H

#include "tools/sandboxes.h"
#include "tools/talk.h"

/* How long a holder may take; it does one thing after the other. */
#define CORRAL_ASK_MS 10000

/* One request {"op": op}, one answer, which is the caller's to give to corral_talk_done(). What it
 * refuses is the error. */
int corral_ask(const struct corral_sandboxes *s, const struct corral_record *r, const char *op,
               struct corral_talk *ret, struct corral_error *err);

/* The same with more to say; takes words, also when it fails. */
int corral_ask_words(const struct corral_sandboxes *s, const struct corral_record *r, json_t *words,
                     struct corral_talk *ret, struct corral_error *err);

/* What the answer is when it tells of an error; else 0. */
int corral_ask_error(const struct corral_talk *t, struct corral_error *err);

/*
 * The same of many at once, each with little patience: answers[i] is the caller's, NULL from one
 * that did not answer.
 */
void corral_ask_all(const struct corral_sandboxes *s, const struct corral_record *records, size_t n,
                    const char *op, json_t **answers);

#endif
