/* `corral runtime build` and its like, which make images: in corral-oci alone. */
#ifndef CORRAL_TOOLS_IMAGES_RUNTIMES_H
#define CORRAL_TOOLS_IMAGES_RUNTIMES_H

#include "tools/family.h"

/* NAME|FILE... */
int corral_runtimes_cmd_build(struct corral_call *call, struct corral_error *err);
int corral_runtimes_cmd_prewarm(struct corral_call *call, struct corral_error *err);
int corral_runtimes_cmd_rm(struct corral_call *call, struct corral_error *err);

#endif
