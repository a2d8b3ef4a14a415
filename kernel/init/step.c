/*
 * Which function runs which kind of step, and the steps of a line or two.
 */
#include <linux/fcntl.h>
#include <linux/if.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/socket.h>
#include <linux/sockios.h>

#include "kernel/init/init.h"

#define AT_FDCWD_   (-100)
#define MS_REC_     16384
#define MS_PRIVATE_ (1 << 18)

static long step_join_cgroup(struct init *in, const struct corral_step *s)
{
	/*
	 * "0" moves the writing task itself. A v1 `tasks` file then takes no global lock, which
	 * writing another's pid to cgroup.procs would wait a grace period for.
	 */
	long r = sys3(__NR_write, init_fd(in, s->fd), "0", 1);

	return r < 0 ? r : 0;
}

static long step_loopback(struct init *in, const struct corral_step *s)
{
	struct ifreq ifr;
	long fd, r;

	(void)in;
	(void)s;
	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, "lo", 3);
	fd = sys3(__NR_socket, 2 /* AF_INET */, 2 | 02000000 /* SOCK_DGRAM|SOCK_CLOEXEC */, 0);
	if (fd < 0)
		return fd == -97 /* EAFNOSUPPORT: a kernel without IPv4 */ ? 0 : fd;
	ifr.ifr_flags = 1 | 0x40; /* IFF_UP | IFF_RUNNING */
	r = sys3(__NR_ioctl, fd, SIOCSIFFLAGS, &ifr);
	(void)sys1(__NR_close, fd);
	return r;
}

static long step_hostname(struct init *in, const struct corral_step *s)
{
	const char *name = init_text(in, s->s[0]);

	return sys2(__NR_sethostname, name, text_len(name));
}

static long step_private(struct init *in, const struct corral_step *s)
{
	(void)in;
	(void)s;
	/*
	 * Before any mount of ours: systemd makes "/" shared, and a shared mount would show up on
	 * the host as well (mount_namespaces(7)). Guarded by tests/real/test_sandbox.c,
	 * nothing_appears_on_the_host.
	 */
	return sys5(__NR_mount, "none", "/", 0, MS_REC_ | MS_PRIVATE_, 0);
}

static long step_setns(struct init *in, const struct corral_step *s)
{
	return sys2(__NR_setns, init_fd(in, s->fd), s->attr);
}

static long step_unshare(struct init *in, const struct corral_step *s)
{
	(void)in;
	return sys1(__NR_unshare, s->attr);
}

typedef long (*step_fn)(struct init *, const struct corral_step *);

static const step_fn steps[CORRAL_STEP_KIND_END] = {
	[CORRAL_STEP_JOIN_CGROUP] = step_join_cgroup,
	[CORRAL_STEP_UNSHARE] = step_unshare,
	[CORRAL_STEP_SETNS] = step_setns,
	[CORRAL_STEP_LOOPBACK] = step_loopback,
	[CORRAL_STEP_HOSTNAME] = step_hostname,
	[CORRAL_STEP_PRIVATE] = step_private,
	[CORRAL_STEP_SCRATCH] = step_scratch,
	[CORRAL_STEP_SKELETON] = step_skeleton,
	[CORRAL_STEP_LAYER] = step_layer,
	[CORRAL_STEP_OVERLAY] = step_overlay,
	[CORRAL_STEP_ROOT] = step_root,
	[CORRAL_STEP_BIND] = step_bind,
	[CORRAL_STEP_SCRATCH_BIND] = step_scratch_bind,
	[CORRAL_STEP_FILE] = step_file,
	[CORRAL_STEP_TMPFS] = step_tmpfs,
	[CORRAL_STEP_DEVICES] = step_devices,
	[CORRAL_STEP_PROC] = step_proc,
	[CORRAL_STEP_DEVPTS] = step_devpts,
	[CORRAL_STEP_MASK] = step_mask,
	[CORRAL_STEP_PIVOT] = step_pivot,
	[CORRAL_STEP_SESSION] = step_session,
	[CORRAL_STEP_USERNS] = step_userns,
	[CORRAL_STEP_IDS] = step_ids,
	[CORRAL_STEP_RLIMITS] = step_rlimits,
	[CORRAL_STEP_CAPS] = step_caps,
	[CORRAL_STEP_LANDLOCK] = step_landlock,
	[CORRAL_STEP_SECCOMP] = step_seccomp,
};

long step_run(struct init *in, const struct corral_step *step)
{
	if (step->kind >= CORRAL_STEP_KIND_END || !steps[step->kind])
		return -22; /* EINVAL */
	in->detail = 0;
	return steps[step->kind](in, step);
}
