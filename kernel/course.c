/*
 * What is told of one command when it has ended.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "kernel/base/cleanup.h"
#include "kernel/disk.h"
#include "kernel/quota.h"
#include "kernel/sandbox_state.h"

#define DISK_FULL_LEFT 65536u

void corral_course_begin(struct corral_sandbox *s, struct corral_course *c)
{
	struct corral_receipt *r = &c->receipt;
	const uint64_t keep[] = { CORRAL_STAGE_EXEC, CORRAL_STAGE_RUN, CORRAL_STAGE_KILL,
		                  CORRAL_STAGE_WIPE };

	corral_receipt_done(r);
	if (c != &s->course)
		*r = s->made;
	r->reason = CORRAL_REASON_EXIT;
	r->exit_code = r->signal = r->exec_error = 0;
	r->n_denials = 0;
	r->denials_dropped = r->output_bytes = 0;
	r->struck = 0;
	for (size_t i = 0; i < CORRAL_COUNT(keep); i++)
		r->stage_usec[keep[i]] = 0;
	c->ended = c->has_pending = c->no_wait = false;
	c->output_bytes = 0;
	c->start_nsec = corral_now_nsec();
}

void corral_course_started(struct corral_course *c)
{
	c->receipt.stage_usec[CORRAL_STAGE_EXEC] = (corral_now_nsec() - c->start_nsec) / 1000;
}

void corral_course_asked(const struct corral_sandbox *s, struct corral_course *c,
                         const struct corral_command *command)
{
	c->no_wait = true;
	(void)snprintf(c->program, sizeof(c->program), "%s", command->argv[0]);
	(void)snprintf(c->guest_dir, sizeof(c->guest_dir), "%s",
	               command->guest_dir ? command->guest_dir : s->work_dir);
}

static void statistics_unknown(struct corral_receipt *r)
{
	if (r->memory_peak_bytes == 0)
		r->memory_peak_bytes = UINT64_MAX;
	r->pids_peak = r->oom_kills = r->pids_refused = r->throttled_usec = UINT64_MAX;
}

static void statistics_take(struct corral_sandbox *s, struct corral_course *c, uint64_t *ret_oom,
                            uint64_t *ret_pids)
{
	struct corral_cgroup_stats st;
	struct corral_receipt *r = &c->receipt;

	*ret_oom = *ret_pids = 0;
	statistics_unknown(r);
	if (!s->has_cgroup || corral_cgroup_read(&s->cgroup, true, &st, NULL) < 0)
		return;
	if (st.memory_peak_bytes != UINT64_MAX)
		r->memory_peak_bytes = st.memory_peak_bytes;
	r->pids_peak = st.pids_peak;
	/* Without a quota nobody is held back, and there is no group that counts. */
	r->throttled_usec = s->limits.cpu_millis ? st.throttled_usec : 0;
	pthread_mutex_lock(&s->lock);
	if (st.oom_kills != UINT64_MAX) {
		*ret_oom = st.oom_kills - s->oom_before;
		s->oom_before = st.oom_kills;
	}
	if (st.pids_events != UINT64_MAX) {
		*ret_pids = st.pids_events - s->pids_before;
		s->pids_before = st.pids_events;
	}
	pthread_mutex_unlock(&s->lock);
	r->oom_kills = st.oom_kills != UINT64_MAX ? *ret_oom : UINT64_MAX;
	r->pids_refused = st.pids_events != UINT64_MAX ? *ret_pids : UINT64_MAX;
}

static enum corral_reason reason_of(const struct corral_course *c, uint64_t oom, uint64_t pids,
                                    bool disk_full)
{
	const struct corral_receipt *r = &c->receipt;
	bool failed = r->exit_code != 0;

	if (c->has_pending)
		return c->pending;
	if (oom && failed)
		return CORRAL_REASON_OOM;
	if (disk_full && failed && (r->signal == 0 || r->signal == SIGBUS))
		return CORRAL_REASON_DISK;
	if (pids && failed && r->signal == 0)
		return CORRAL_REASON_PIDS;
	return r->signal ? CORRAL_REASON_SIGNAL : CORRAL_REASON_EXIT;
}

static void finish(struct corral_sandbox *s, struct corral_course *c, int status, bool disk_full)
{
	struct corral_receipt *r = &c->receipt;
	uint64_t oom = 0, pids = 0;

	r->wall_usec = (corral_now_nsec() - c->start_nsec) / 1000;
	r->stage_usec[CORRAL_STAGE_RUN] = r->wall_usec > r->stage_usec[CORRAL_STAGE_EXEC]
	                                          ? r->wall_usec - r->stage_usec[CORRAL_STAGE_EXEC]
	                                          : 0;
	r->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	r->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	/* Half a dozen files to be opened. What went wrong is looked into in any case. */
	if (!c->no_statistics || c->has_pending || r->signal || r->exit_code)
		statistics_take(s, c, &oom, &pids);
	else
		statistics_unknown(r);
	/* Heard of when memory ran out, we may have killed the group before the kernel took its
	 * first victim. */
	if (c->has_pending && c->pending == CORRAL_REASON_OOM &&
	    (!r->oom_kills || r->oom_kills == UINT64_MAX))
		r->oom_kills = 1;
	r->reason = reason_of(c, oom, pids, disk_full);
	r->output_bytes = c->output_bytes;
	c->ended = true;
}

static uint32_t disk_struck(const struct corral_sandbox *s)
{
	struct corral_disk_usage u;

	if (corral_disk_usage(s->disk_fd, &u) < 0)
		return 0;
	return (u.free_bytes < DISK_FULL_LEFT ? CORRAL_LIMIT_DISK : 0u) |
	       (u.free_inodes ? 0u : CORRAL_LIMIT_DISK_INODES);
}

/* What a quota stopped, or a disk's end; looked at where something went wrong alone. */
static uint32_t quota_struck(const struct corral_sandbox *s, int status)
{
	struct corral_quota q;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (s->disk_fd >= 0)
		return disk_struck(s);
	if (!s->disk_quota || corral_quota_get(s->keep.fd, &q, NULL) < 0)
		return 0;
	return (q.bytes_limit && q.bytes + DISK_FULL_LEFT > q.bytes_limit ? CORRAL_LIMIT_DISK
	                                                                  : 0u) |
	       (q.inodes_limit && q.inodes >= q.inodes_limit ? CORRAL_LIMIT_DISK_INODES : 0u);
}

/* Whoever ends first tells what happened on the network since somebody else did. */
static void network_tell(struct corral_sandbox *s, struct corral_receipt *r)
{
	struct corral_ledger now;

	corral_receipt_done(r);
	if (!s->has_list || s->network.socket_fd < 0)
		return;
	pthread_mutex_lock(&s->lock);
	if (!s->told)
		s->told = calloc(1, sizeof(*s->told));
	if (s->told && corral_network_report(&s->network, &now, NULL) == 0) {
		r->ledger = malloc(sizeof(*r->ledger));
		if (r->ledger) {
			*r->ledger = now;
			corral_ledger_subtract(r->ledger, s->told);
			*s->told = now;
		}
	}
	pthread_mutex_unlock(&s->lock);
}

static void exited(struct corral_sandbox *s, struct corral_course *c,
                   const struct corral_wire_exited *m)
{
	struct corral_receipt *r = &c->receipt;
	bool disk_full = s->limits.disk_bytes && m->scratch_free_bytes < DISK_FULL_LEFT;

	pthread_mutex_lock(&s->lock);
	s->scratch_free_bytes = m->scratch_free_bytes;
	pthread_mutex_unlock(&s->lock);
	r->struck = disk_full ? CORRAL_LIMIT_DISK : 0;
	if (s->limits.disk_inodes && m->scratch_free_inodes == 0) {
		disk_full = true;
		r->struck |= CORRAL_LIMIT_DISK_INODES;
	}
	r->struck |= quota_struck(s, m->status);
	disk_full |= r->struck != 0;
	r->user_usec = m->user_usec;
	r->system_usec = m->system_usec;
	r->written_bytes = s->keep.fd >= 0 ? UINT64_MAX : m->written_bytes;
	r->memory_peak_bytes = m->maxrss_kb < (1ull << 40) ? m->maxrss_kb * 1024 : UINT64_MAX;
	r->n_denials = m->n_denials < CORRAL_DENIALS_MAX ? m->n_denials : CORRAL_DENIALS_MAX;
	r->denials_dropped = m->denials_dropped;
	for (uint32_t i = 0; i < r->n_denials; i++)
		r->denials[i] = (struct corral_denial) { m->denials[i].call, m->denials[i].error,
			                                 m->denials[i].count };
	if (c->no_wait && m->exec_nsec > c->start_nsec && m->exec_nsec < corral_now_nsec())
		r->stage_usec[CORRAL_STAGE_EXEC] = (m->exec_nsec - c->start_nsec) / 1000;
	if (m->gone_nsec > m->end_nsec)
		r->stage_usec[CORRAL_STAGE_KILL] = (m->gone_nsec - m->end_nsec) / 1000;
	finish(s, c, m->status, disk_full);
	network_tell(s, r);
}

int corral_course_heard(struct corral_sandbox *s, struct corral_course *c,
                        const union corral_wire_end *m, size_t len, struct corral_error *err)
{
	const uint32_t type = m->exited.head.type;

	if (type == CORRAL_WIRE_EXITED && len == sizeof(m->exited))
		exited(s, c, &m->exited);
	if (type != CORRAL_WIRE_NOT_STARTED || len != sizeof(m->number) || !c->no_wait)
		return 0;
	c->ended = true;
	return corral_start_failed(c->program, c->guest_dir, &c->receipt, &m->number, err);
}

void corral_course_gone(struct corral_sandbox *s, struct corral_course *c)
{
	bool oom;

	pthread_mutex_lock(&s->lock);
	oom = s->oom;
	pthread_mutex_unlock(&s->lock);
	if (oom && !c->has_pending) {
		c->pending = CORRAL_REASON_OOM;
		c->has_pending = true;
	}
	c->receipt.written_bytes = UINT64_MAX;
	finish(s, c, SIGKILL, false);
	network_tell(s, &c->receipt);
	if (!c->has_pending && c->receipt.reason == CORRAL_REASON_SIGNAL)
		c->receipt.reason = CORRAL_REASON_KILLED;
}
