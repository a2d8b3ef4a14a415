/*
 * What corral-inside does, by its first argument (backends/docker/inside.h). Each returns the
 * program's exit code.
 */
#ifndef CORRAL_BACKENDS_DOCKER_INSIDE_PROGRAM_H
#define CORRAL_BACKENDS_DOCKER_INSIDE_PROGRAM_H

/* The container's main process: reaps what is left to it, until SIGTERM or SIGINT; tied: or until
 * the end of stdin. */
int inside_idle(int tied);

/* The file server, over standard input and output. */
int inside_files(void);

/* One command, as it is told over standard input. */
int inside_run(void);

/* A signal to the process group of a command that another "run" started. 1: there is none. */
int inside_signal(const char *pid, const char *signo);

/* Ends what a command left whose "run" is gone; what: "session" or "all" (tree.h). */
int inside_sweep(const char *pid, const char *what);

#endif
