/*
 * What a runtime may say, value by value. All are -EINVAL in the words that the field knows.
 */
#ifndef CORRAL_POLICY_RUNTIME_CHECK_H
#define CORRAL_POLICY_RUNTIME_CHECK_H

#include "kernel/base/error.h"

/* Names stand in messages, labels and tags: no control characters, not empty, valid UTF-8. */
int corral_runtime_check_name(const char *name, struct corral_error *err);
int corral_runtime_check_image(const char *image, struct corral_error *err);
int corral_runtime_check_package(const char *package, struct corral_error *err);
int corral_runtime_check_command(const char *command, struct corral_error *err);
int corral_runtime_check_env(const char *name, const char *value, struct corral_error *err);
/* Also what no engine would take: a relative path, "..", control characters. */
int corral_runtime_check_work_dir(const char *path, struct corral_error *err);
int corral_runtime_check_uid(long long uid, struct corral_error *err);
/* "host", or an absolute path. */
int corral_runtime_check_rootfs(const char *path, struct corral_error *err);
/*
 * Keys against each other, and the sandbox's values. Host paths are absolute: runtimes are used
 * from any directory.
 */
struct corral_runtime;
int corral_runtime_check_whole(const struct corral_runtime *rt, struct corral_error *err);

#endif
