/*
 * Whom commands run as, in the words of the root that they run in, which are a stranger's: of an
 * image, or of a directory.
 */
#ifndef CORRAL_KERNEL_IMAGE_ACCOUNT_H
#define CORRAL_KERNEL_IMAGE_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/error.h"
#include "policy/account.h"

struct corral_config;

/*
 * corral_account_find() with the /etc/passwd and /etc/group beneath root_fd. Links in the tree lead
 * to places in the tree; what is no regular file is not there. -EFBIG of one of more than 4 MiB.
 */
int corral_image_account_find(int root_fd, const char *user, bool digits_may_name,
                              struct corral_account *ret, struct corral_error *err);

/*
 * Into c: whom c->user says, or else own, which the root itself says (NULL: nothing); the groups of
 * that user; and beneath its variables HOME and USER as /etc/passwd has them (unless c->clear_env).
 * A number of c->user's without an entry and a group has a group of the same number.
 */
int corral_image_account_put(struct corral_config *c, int root_fd, const char *own,
                             struct corral_error *err);

#endif
