/*
 * Inside policy: the keys of a configuration one by one, for what describes a sandbox in a JSON of
 * its own.
 */
#ifndef CORRAL_POLICY_CONFIG_JSON_H
#define CORRAL_POLICY_CONFIG_JSON_H

#include <jansson.h>

#include "policy/config.h"

/* -EINVAL: what is wrong with the value, without the key's name in front. */
int corral_config_key_parse(struct corral_config *c, const char *name, json_t *v,
                            struct corral_error *err);

/*
 * What of a configuration says how a sandbox is contained: allow_weaker, cap_add, cap_drop,
 * hostname, ids, limits, mounts, network, seccomp and user, put into an object; those at their
 * usual value are left out.
 */
int corral_config_keys_write(const struct corral_config *c, json_t *to, struct corral_error *err);

#endif
