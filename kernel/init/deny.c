/*
 * Refused calls: counted by kind, answered with the errno that the profile names. The decision is
 * the filter's alone and rests on the registers, never on memory behind a pointer; the answer is
 * always a refusal, so there is nothing to race for.
 */
#include <linux/errno.h>
#include <linux/ioctl.h>
#include <linux/seccomp.h>

#include "kernel/base/bpf.h"
#include "kernel/init/init.h"

static int same_kind(const struct seccomp_data *a, const struct seccomp_data *b)
{
	/* Which argument tells kinds of one call apart: a socket's family, an ioctl's request,
	 * prctl's option ... */
	return a->nr == b->nr && (uint32_t)a->args[0] == (uint32_t)b->args[0] &&
	       (a->nr != __NR_ioctl || (uint32_t)a->args[1] == (uint32_t)b->args[1]);
}

static int by_number(int nr)
{
	switch (nr) {
	case __NR_socket:
	case __NR_socketpair:
	case __NR_personality:
	case __NR_clone:
	case __NR_unshare:
	case __NR_ioctl:
	case __NR_prctl:
	case __NR_keyctl:
	case __NR_bpf:
	case __NR_ptrace:
		return 0;
	default:
		return 1;
	}
}

static void count(struct refusals *to, const struct seccomp_data *call, uint32_t error)
{
	for (uint32_t i = 0; i < to->n; i++) {
		struct corral_wire_denial *d = &to->list[i];

		if (d->error != error || d->call.nr != call->nr)
			continue;
		if (!by_number(call->nr) && !same_kind(&d->call, call) &&
		    to->n < CORRAL_WIRE_DENIALS)
			continue;
		if (d->count != ~0u)
			d->count++;
		return;
	}
	if (to->n == CORRAL_WIRE_DENIALS) {
		to->dropped++;
		return;
	}
	to->list[to->n].call = *call;
	to->list[to->n].error = error;
	to->list[to->n].count = 1;
	to->n++;
}

void deny_answer(struct init *in)
{
	struct seccomp_notif n;
	struct seccomp_notif_resp resp;
	uint32_t action;

	memset(&n, 0, sizeof(n)); /* the kernel refuses a dirty one */
	if (sys3(__NR_ioctl, in->listener_fd, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return;
	action = corral_bpf_eval(in->filter, in->n_filter, &n.data);
	memset(&resp, 0, sizeof(resp));
	resp.id = n.id;
	resp.error = -EPERM;
	if ((action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO && (action & SECCOMP_RET_DATA))
		resp.error = -(int)(action & SECCOMP_RET_DATA);
	count(refusals_of(in, (long)n.pid), &n.data, (uint32_t)-resp.error);
	(void)sys3(__NR_ioctl, in->listener_fd, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}
