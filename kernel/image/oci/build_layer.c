#include "kernel/image/oci/build_layer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int build_layer_digest(const char *layer_path, char ret[CORRAL_DIGEST_SIZE],
                       struct corral_error *err)
{
	struct timespec t;
	char text[512];

	(void)err;
	(void)clock_gettime(CLOCK_REALTIME, &t);
	(void)snprintf(text, sizeof(text), "%s %ld %ld", layer_path, (long)t.tv_sec, t.tv_nsec);
	corral_digest_of(text, strlen(text), ret);
	return 0;
}
