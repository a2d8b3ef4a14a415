/*
 * Names of sessions, and of what belongs to them.
 */
#ifndef CORRAL_BACKENDS_SESSIONS_SESSION_ID_H
#define CORRAL_BACKENDS_SESSIONS_SESSION_ID_H

#include "backends/sessions/store.h"

/* -EINVAL as corral_session_id_check(); what: "session id", "name of a checkpoint". */
int session_name_check(const char *what, const char *name, struct corral_error *err);

/* "s-" and 16 hexadecimal digits that nobody can guess. */
int session_id_make(char ret[CORRAL_SESSION_ID_SIZE], struct corral_error *err);

#endif
