/* What is missing inside may well be there outside: then the way to it is worth a word. */
#ifndef CORRAL_TOOLS_EXECHINT_H
#define CORRAL_TOOLS_EXECHINT_H

#include <stdbool.h>

#include "kernel/base/error.h"

/* Adds it to the error with which `path`, the command's argv[0], could not be executed. */
void corral_exec_hint(const char *path, bool of_session, struct corral_error *err);

#endif
