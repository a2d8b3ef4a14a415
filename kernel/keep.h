/*
 * Directories of the host that keep what sandboxes change: the one that this sandbox writes to, and
 * frozen ones beneath it that earlier sandboxes wrote.
 */
#ifndef CORRAL_KERNEL_KEEP_H
#define CORRAL_KERNEL_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "kernel/base/error.h"
#include "kernel/layers/layers.h"

struct corral_etc;
struct corral_plan_facts;
struct corral_policy;

struct corral_keep {
	int fd; /* -1: nothing is kept */
	int layer_fds[CORRAL_LAYERS_MAX];
	size_t n_layers;
	bool is_root;  /* the sandbox has ids of its own */
	bool overlays; /* upper and work directories are in it */
};
#define CORRAL_KEEP_INIT \
	{                \
		.fd = -1 \
	}

/* Whether what is kept lies in directories of its own (kernel/layers/layers.h), and not as the root
 * itself. */
bool corral_keep_has_parts(const struct corral_policy *p, bool is_root);

/* What of it can be had; looks at nothing of the host's. */
int corral_keep_check(const struct corral_policy *p, const struct corral_plan_facts *f,
                      struct corral_error *err);

/*
 * Makes the policy's keep_path ready and locks it: two sandboxes over one upper directory would
 * garble each other (overlayfs's documentation calls it undefined). Its layers are held against
 * change as well, and shared. -EBUSY when another has it; -EPERM when somebody else could change it
 * meanwhile; -ENOTEMPTY when something else is in it.
 */
int corral_keep_open(const struct corral_policy *p, const struct corral_plan_facts *f,
                     struct corral_keep *ret, struct corral_error *err);
/* The rest of it, which no sandbox of root's waits for: while guest init builds the root. */
int corral_keep_begin(const struct corral_keep *k, const struct corral_policy *p,
                      const struct corral_etc *etc, struct corral_error *err);
/* Lets others have them, also while a child that was cloned a moment ago still holds a copy. */
void corral_keep_close(struct corral_keep *k);

/*
 * Says which process is the sandbox's guest init: a holder that is killed loses his lock some time
 * before his guests end, who write on meanwhile.
 */
void corral_keep_own(const struct corral_keep *k, pid_t init);

/*
 * flock(2) that waits for some milliseconds: for who only looks whether it is locked; and, for
 * LOCK_EX, for the end of a guest whose holder was killed. -EBUSY.
 */
int corral_keep_lock(int fd, int operation);

/* For a sandbox that did not come to be: takes away what corral_keep_open() made and nobody used.
 */
void corral_keep_undo(struct corral_keep *k);

#endif
