/*
 * A sandbox that stays as a backend: its commands are those of corral exec, its files come by way
 * of a shell in it.
 */
#ifndef CORRAL_TOOLS_SESSION_BACKEND_H
#define CORRAL_TOOLS_SESSION_BACKEND_H

#include "backends/backend.h"

/* word: its id, its name, or the beginning of one. It lives on when the backend is closed. */
int corral_session_backend_new(const char *word, struct corral_backend **ret,
                               struct corral_error *err);

#endif
