/*
 * Inside the image store: whom an image's commands run as, in its own words, which are a
 * stranger's.
 */
#ifndef CORRAL_KERNEL_IMAGE_ACCOUNT_H
#define CORRAL_KERNEL_IMAGE_ACCOUNT_H

#include <stdint.h>

#include "kernel/base/error.h"

struct corral_image_account {
	uint32_t guest_uid, guest_gid;
	char *name, *guest_home; /* NULL: it has no entry */
};
void corral_image_account_done(struct corral_image_account *a);

/*
 * user: "NAME", "UID", either with ":GROUP" or ":GID", or "" for root. A number needs no entry; its
 * group is then 0, as engines have it. Links in the tree lead to places in the tree. -EINVAL: "its
 * user 'x' is not in its /etc/passwd".
 */
int corral_image_account_find(int root_fd, const char *user, struct corral_image_account *ret,
                              struct corral_error *err);
/* What /etc/passwd says of a number; all NULL where it says nothing. */
int corral_image_account_of(int root_fd, uint32_t guest_uid, struct corral_image_account *ret,
                            struct corral_error *err);

#endif
