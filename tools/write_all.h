#ifndef CORRAL_TOOLS_WRITE_ALL_H
#define CORRAL_TOOLS_WRITE_ALL_H

#include <stddef.h>

/* All of it, waiting as long as it takes, also on a descriptor that does not block. 0 or -errno. */
int corral_write_all(int fd, const char *data, size_t len);

#endif
