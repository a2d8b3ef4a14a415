/*
 * Inside policy: runtimes whose name may be known from elsewhere. name: that of one that says none;
 * NULL: it must say one.
 */
#ifndef CORRAL_POLICY_RUNTIME_JSON_H
#define CORRAL_POLICY_RUNTIME_JSON_H

#include <jansson.h>

#include "policy/runtime.h"

int corral_runtime_from_json(json_t *root, const char *name, struct corral_runtime **ret,
                             struct corral_error *err);
int corral_runtime_parse_named(const char *json, size_t len, const char *name,
                               struct corral_runtime **ret, struct corral_error *err);

#endif
