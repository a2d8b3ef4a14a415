/*
 * The directories, links and small files of a composed root, packed for guest init.
 */
#ifndef CORRAL_KERNEL_SKELETON_H
#define CORRAL_KERNEL_SKELETON_H

#include "kernel/base/buf.h"
#include "kernel/etc.h"
#include "policy/policy.h"

/* With the host's network /etc/resolv.conf is left out: it is bound. */
void corral_skeleton_build(struct corral_buf *out, const struct corral_policy *p,
                           const struct corral_etc *etc);

/* The same for a policy that asks for nothing special: what is made once and serves many sandboxes
 * as a layer. */
void corral_skeleton_template(struct corral_buf *out, const struct corral_etc *etc);
/* What a sandbox of this policy has above that layer; often nothing. */
void corral_skeleton_beside_template(struct corral_buf *out, const struct corral_policy *p);

/* The text of /etc/hosts: loopback, and the sandbox's own name. */
void corral_skeleton_hosts(const char *hostname, char *ret, size_t size);

#endif
