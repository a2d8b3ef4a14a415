/*
 * The files of --config, whose text is kept: what they say is put over the runtime that one of them
 * may name.
 */
#ifndef CORRAL_TOOLS_CONFIG_TEXTS_H
#define CORRAL_TOOLS_CONFIG_TEXTS_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/config.h"

struct corral_config_text;

struct corral_config_texts {
	struct corral_config_text *items;
	size_t n;
	bool gone; /* one was no regular file, and nobody can read it again */
};

/* Reads a file, "-" for standard input, and parses it into c. */
int corral_config_texts_add(struct corral_config_texts *t, const char *path,
                            struct corral_config *c, struct corral_error *err);
/* All of them again, in the same order, into another; mounts of theirs come in the place of those
 * that are there on the same path. */
int corral_config_texts_apply(const struct corral_config_texts *t, struct corral_config *c,
                              struct corral_error *err);
void corral_config_texts_done(struct corral_config_texts *t);

#endif
