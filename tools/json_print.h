/* JSON for whoever calls us: values whose bytes a guest may have chosen, and their way out. */
#ifndef CORRAL_TOOLS_JSON_PRINT_H
#define CORRAL_TOOLS_JSON_PRINT_H

#include <jansson.h>
#include <stddef.h>

#include "kernel/base/error.h"

/* JSON has no bytes but UTF-8: others become replacement characters. NULL without memory. */
json_t *corral_json_text(const char *data, size_t len);

/* On standard output, with a newline. Takes words, also when it fails; NULL is out of memory. What
 * could not be written is told at the very end (tools/main.c). */
int corral_json_print(json_t *words, struct corral_error *err);

#endif
