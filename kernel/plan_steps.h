/*
 * Inside the compiler of plans: a plan in the making, and how steps, texts and descriptors are
 * added to it. kernel/plan.c compiles the full tier, kernel/plan_confined.c the one without
 * namespaces.
 */
#ifndef CORRAL_KERNEL_PLAN_STEPS_H
#define CORRAL_KERNEL_PLAN_STEPS_H

#include <linux/mount.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "kernel/base/buf.h"
#include "kernel/plan_build.h"

#define STEPS_MAX (CORRAL_CONFIG_MOUNTS_MAX + 120)

#define ATTR_PLAIN (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define ATTR_RO    (ATTR_PLAIN | MOUNT_ATTR_RDONLY)

struct corral_build {
	const struct corral_policy *policy;
	const struct corral_plan_facts *facts;
	struct corral_plan *plan;
	unsigned int n_steps;
	struct corral_buf text; /* texts and blobs; offsets are relative to its start, plus one,
	                           until the end */
	uint16_t stage;
	bool overflow;
	struct corral_step steps[STEPS_MAX]; /* the first n_steps are written */
};

static inline struct corral_step *step_add(struct corral_build *b, enum corral_step_kind kind)
{
	struct corral_step *s;

	if (b->n_steps == STEPS_MAX) {
		b->overflow = true;
		b->n_steps--;
	}
	s = &b->steps[b->n_steps++];
	memset(s, 0, sizeof(*s));
	s->kind = (uint16_t)kind;
	s->fd = -1;
	s->stage = b->stage;
	s->uid = s->gid = b->facts->base;
	return s;
}

static inline uint32_t text_put(struct corral_build *b, const char *text)
{
	uint32_t at = (uint32_t)b->text.len + 1;

	corral_buf_add(&b->text, text, strlen(text) + 1);
	return at;
}

static inline void blob_put(struct corral_build *b, struct corral_step *s, const void *data,
                            size_t len)
{
	static const char zeros[8];

	corral_buf_add(&b->text, zeros, (8 - b->text.len % 8) % 8);
	s->blob = (uint32_t)b->text.len + 1;
	s->blob_len = (uint32_t)len;
	corral_buf_add(&b->text, data, len);
}

static inline struct corral_slot *slot_add(struct corral_build *b, enum corral_slot_kind kind,
                                           int16_t *ret_fd)
{
	struct corral_slot *slot;

	if (b->plan->n_slots == CORRAL_WIRE_FDS_MAX) {
		b->overflow = true;
		b->plan->n_slots--;
	}
	*ret_fd = (int16_t)b->plan->n_slots;
	slot = &b->plan->slots[b->plan->n_slots++];
	memset(slot, 0, sizeof(*slot));
	slot->kind = kind;
	return slot;
}

static inline bool has(const struct corral_build *b, uint32_t feature)
{
	return (b->facts->host->features & feature) != 0;
}

static inline bool is_root(const struct corral_build *b)
{
	return b->facts->scheme == CORRAL_ID_RANGE;
}

void corral_plan_rlimits(struct corral_build *b);

/* kernel/plan_confined.c: all steps of the weaker tier. What takes namespaces is -EOPNOTSUPP, with
 * the option's name. */
int corral_plan_confined(struct corral_build *b, struct corral_error *err);

#endif
