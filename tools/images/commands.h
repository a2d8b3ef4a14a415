/* `corral image ...`: what its commands do, and what they share. */
#ifndef CORRAL_TOOLS_IMAGES_COMMANDS_H
#define CORRAL_TOOLS_IMAGES_COMMANDS_H

#include "tools/family.h"

int corral_images_cmd_list(struct corral_call *call, struct corral_error *err);
int corral_images_cmd_inspect(struct corral_call *call, struct corral_error *err);
int corral_images_cmd_history(struct corral_call *call, struct corral_error *err);
int corral_images_cmd_tag(struct corral_call *call, struct corral_error *err);
int corral_images_cmd_rm(struct corral_call *call, struct corral_error *err);
int corral_images_cmd_prune(struct corral_call *call, struct corral_error *err);

/*
 * In corral-oci alone (tools/images/oci). Their operands: pull NAME...; load [FILE|DIR|-];
 * import FILE|DIR|- NAME; save IMAGE...; options as tools/options.h has them.
 */
int corral_images_cmd_pull(struct corral_call *call, struct corral_error *err);
int corral_images_cmd_load(struct corral_call *call, struct corral_error *err);
int corral_images_cmd_import(struct corral_call *call, struct corral_error *err);
int corral_images_cmd_save(struct corral_call *call, struct corral_error *err);

#endif
