#include "kernel/receipt.h"

#include <stddef.h>
#include <stdlib.h>

#include "kernel/base/cleanup.h"

static const char *const reasons[] = {
	[CORRAL_REASON_EXIT] = "exit",       [CORRAL_REASON_SIGNAL] = "signal",
	[CORRAL_REASON_TIMEOUT] = "timeout", [CORRAL_REASON_OOM] = "oom",
	[CORRAL_REASON_PIDS] = "pids",       [CORRAL_REASON_DISK] = "disk",
	[CORRAL_REASON_OUTPUT] = "output",   [CORRAL_REASON_KILLED] = "killed",
};

static const char *const layers[CORRAL_LAYER_COUNT] = {
	"user-namespace", "id-range",         "mount-namespace",  "pid-namespace",
	"ipc-namespace",  "uts-namespace",    "cgroup-namespace", "network-namespace",
	"own-root",       "id-mapped-mounts", "locked-mounts",    "capabilities",
	"no-new-privs",   "seccomp",          "landlock",         "cgroup",
	"rlimits",        "keyring",
};

static const char *const stages[CORRAL_STAGE_COUNT] = {
	"plan", "prepare", "clone", "init", "root", "confine", "exec", "run", "kill", "wipe",
};

static const char *const tiers[] = {
	[CORRAL_TIER_FULL] = "full",
	[CORRAL_TIER_CONFINED] = "confined",
	[CORRAL_TIER_NONE] = "none",
	[CORRAL_TIER_CONTAINER] = "container",
};

const char *corral_reason_name(enum corral_reason reason)
{
	return (size_t)reason < CORRAL_COUNT(reasons) ? reasons[reason] : NULL;
}

const char *corral_layer_name(enum corral_layer layer)
{
	for (size_t i = 0; i < CORRAL_COUNT(layers); i++)
		if (layer == 1u << i)
			return layers[i];
	return NULL;
}

const char *corral_tier_name(enum corral_tier tier)
{
	return (size_t)tier < CORRAL_COUNT(tiers) ? tiers[tier] : NULL;
}

const char *corral_stage_name(enum corral_stage stage)
{
	return (size_t)stage < CORRAL_COUNT(stages) ? stages[stage] : NULL;
}

void corral_receipt_copy(const struct corral_receipt *r, struct corral_receipt *ret)
{
	*ret = *r;
	if (!r->ledger)
		return;
	ret->ledger = malloc(sizeof(*ret->ledger));
	if (ret->ledger)
		*ret->ledger = *r->ledger;
}

void corral_receipt_done(struct corral_receipt *r)
{
	free(r->ledger);
	r->ledger = NULL;
}
