/*
 * Sockets at paths of the host (--publish unix:/PATH:PORT). Whoever may write a directory on the
 * way could lead a process of root's elsewhere: no symbolic link is followed, and in the last
 * directory nobody else may replace what is made.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_PATH_SOCKET_H
#define CORRAL_KERNEL_NETWORK_HELPER_PATH_SOCKET_H

#include "kernel/base/error.h"

/* Binds fd there, for its owner alone (mode 0600), in the place of one that nobody listens at.
 * -ELOOP and -EACCES for what is said above, -EADDRINUSE where there is anything else. */
int corral_net_path_bind(const char *path, int fd, struct corral_error *err);
/* Removes a socket that nobody listens at. */
void corral_net_path_sweep(const char *path);

#endif
