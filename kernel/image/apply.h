/*
 * From the name of an image in a configuration to its root, and what an image says of how it is to
 * be run beneath what was asked for.
 */
#ifndef CORRAL_KERNEL_IMAGE_APPLY_H
#define CORRAL_KERNEL_IMAGE_APPLY_H

#include "kernel/image/store.h"
#include "policy/config.h"
#include "policy/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * c->image is found in the store, and its root becomes that of c, which is the image's user as long
 * as it is there (corral_image_use()); a rootfs of c's goes. Of the image: its variables, beneath
 * those of c, and HOME and USER of its own accounts (none of these with c->clear_env); its user,
 * where c says none, and the groups of either as its /etc/passwd and /etc/group have them; its
 * directory, where c says neither a workspace nor another work_dir; and its own command, where c
 * has none. Again is no mistake; without c->image nothing is done. -ENOENT as of
 * corral_image_find(); -EINVAL: "image 'x': its user 'y' is not in its /etc/passwd: ...".
 */
int corral_image_apply(struct corral_image_store *s, struct corral_config *c,
                       struct corral_error *err);

/*
 * Where c->rootfs is a directory: whom c->user says, by its /etc/passwd and /etc/group, and what
 * these say of HOME, USER and groups. Again is no mistake; nothing is done for images, the host's
 * root and without c->user. -EINVAL: "rootfs '/r': user 'y' is not in its /etc/passwd: ...".
 */
int corral_rootfs_account_apply(struct corral_config *c, struct corral_error *err);

/*
 * What a root has at a path of the guest's, on the host: *ret NULL, and 0, where there is no
 * directory, or an empty one, or a link leads to it. The caller frees it.
 */
int corral_image_directory(const char *root_path, const char *guest_path, char **ret,
                           struct corral_error *err);

/* Whether an image that has a runtime's tag is one that was built here for it, as it is defined
 * now. */
bool corral_image_is_built_for(const struct corral_image *i, const struct corral_runtime *rt);

/*
 * The image that a native sandbox of a runtime takes its root from: *ret NULL, and 0, where it
 * takes none. s NULL: there is no store. -ENOENT: "its root filesystem is the image 'x', which is
 * not in corral's store: corral image pull x"; of one that is built upon another, "corral runtime
 * build NAME".
 */
int corral_image_of_runtime(struct corral_image_store *s, const struct corral_runtime *rt,
                            struct corral_image **ret, struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
