/*
 * Inside the local backend: all processes of one session, as /proc has them.
 */
#ifndef CORRAL_BACKENDS_LOCAL_SESSION_H
#define CORRAL_BACKENDS_LOCAL_SESSION_H

#include <sys/types.h>

/* SIGKILL to all of the session that are alive, but its leader; how many there were. The leader
 * must not have been waited for, so that the number is still the session's. */
unsigned int corral_local_session_kill(pid_t session);

#endif
