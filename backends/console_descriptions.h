/* A caller's own words for the console tools, as JSON. */
#ifndef CORRAL_BACKENDS_CONSOLE_DESCRIPTIONS_H
#define CORRAL_BACKENDS_CONSOLE_DESCRIPTIONS_H

#include <jansson.h>

#include "kernel/base/error.h"

/*
 * Checks the text, which may be NULL for none, against the table of tools. *ret is an object that
 * the caller releases. -EINVAL names the place.
 */
int console_descriptions_load(const char *text, json_t **ret, struct corral_error *err);

#endif
