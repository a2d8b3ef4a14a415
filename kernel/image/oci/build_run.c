/*
 * One sandbox for all steps, so that what one leaves in /tmp the next one finds; another only where
 * a step is another user's. Its guest's root has what package managers need of the capabilities,
 * in its own user namespace. Steps are commands in it: when one ends, all that it started ends.
 */
#include "kernel/image/oci/build_run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/image/account.h"
#include "kernel/image/layer.h"
#include "kernel/mapped.h"
#include "kernel/sandbox.h"
#include "policy/environment.h"
#include "policy/policy.h"
#include "policy/runtime_build.h"

#define PIDS_MAX  8192
#define READ_SIZE (64u << 10)
/* Of its output, before it is looked again whether it must end: some write without a pause. */
#define READS_MAX 16
#define TELL_MS   1000
#define DISK_MS   100 /* between two looks at what is left of the disk */
#define TAG_MAX   145 /* of an image's name, which comes before what is said here */
#define SHOWN_MAX 70  /* of a step's command */
/* Between two looks at how much a build wrote, as many times as long as one takes. */
#define USAGE_MS    2000
#define USAGE_SHARE 10

/* As engines have them by default, without those that nobody needs who installs something. */
static const char *const capabilities[] = {
	"CHOWN",   "DAC_OVERRIDE", "FOWNER", "FSETID",     "KILL",
	"SETFCAP", "SETGID",       "SETUID", "SYS_CHROOT",
};

/* Whom a step runs as. */
struct build_user {
	uint32_t uid, gid;
	char home[256]; /* "" where nobody says */
};

struct running {
	const struct build_run *b;
	struct corral_sandbox *box;
	struct build_user user; /* of the sandbox */
	struct build_user image_user;
	int root_fd;
	bool is_single; /* the guest has one id alone */
	size_t step, n_steps;
	uint64_t measure_ms; /* when it is to be looked again how much it wrote */
};

/* --- the sandbox --- */

static void config_limits(const struct build_run *b, struct corral_config *c)
{
	c->limits.memory_bytes = b->memory_bytes;
	c->limits.pids = PIDS_MAX;
	c->limits.disk_bytes = c->limits.disk_inodes = 0;
	c->limits.file_size_bytes = b->bounds->limits.bytes_max;
	c->limits.timeout_ms = c->limits.output_bytes = 0;
}

static bool guest_has_dir(int root_fd, const char *guest_path, bool follow)
{
	const struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_MAGICLINKS |
		           (follow ? RESOLVE_IN_ROOT : RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS),
	};
	corral_autofd int fd = (int)syscall(SYS_openat2, root_fd, guest_path, &how, sizeof(how));

	return fd >= 0;
}

static int cache_env(struct corral_config *c, struct corral_error *err)
{
	int r = 0;

	for (int m = 0; r == 0 && m < CORRAL_RUNTIME_MANAGERS; m++) {
		const struct corral_runtime_cache *cache =
		        corral_runtime_cache((enum corral_package_manager)m);
		char text[256];

		(void)snprintf(text, sizeof(text), "%s=" BUILD_GUEST_CACHE "/%s%s", cache->variable,
		               cache->name, cache->suffix);
		r = corral_config_add_env(c, text, err);
	}
	return r;
}

/* What every sandbox has, under what the image says, under what the build needs. */
static int config_env(const struct running *run, const struct build_user *user,
                      struct corral_config *c, struct corral_error *err)
{
	const struct corral_image *base = run->b->base;
	char home[sizeof(user->home) + 8];
	int r = 0;

	for (char *const *v = corral_environment_usual(false); *v && r == 0; v++)
		r = corral_config_add_env(c, *v, err);
	(void)snprintf(home, sizeof(home), "HOME=%s",
	               *user->home ? user->home : (user->uid ? "/" : "/root"));
	if (r == 0)
		r = corral_config_add_env(c, home, err);
	/* On disk: /tmp is memory. */
	if (r == 0 && guest_has_dir(run->root_fd, "var/tmp", false))
		r = corral_config_add_env(c, "TMPDIR=/var/tmp", err);
	for (size_t i = 0; r == 0 && i < base->n_env; i++)
		r = corral_config_add_env(c, base->env[i], err);
	return r == 0 && run->b->cache_path ? cache_env(c, err) : r;
}

static int config_make(const struct running *run, const struct build_user *user,
                       enum corral_ids_mode ids, const char *network, struct corral_config **ret,
                       struct corral_error *err)
{
	const struct build_run *b = run->b;
	corral_auto(corral_config_freep) struct corral_config *c = corral_config_new();
	int r;

	if (!c)
		return corral_error_set(err, ENOMEM, "out of memory");
	r = corral_config_set_text(&c->rootfs, b->root_path, err);
	if (r == 0)
		r = corral_config_set_text(&c->keep, b->keep_path, err);
	if (r == 0)
		r = corral_config_set_text(&c->work_dir, BUILD_GUEST_DIR, err);
	if (r == 0)
		r = corral_config_set_network(c, network, err);
	if (r == 0)
		r = config_env(run, user, c, err);
	for (size_t i = 0; r == 0 && i < CORRAL_COUNT(capabilities); i++)
		r = corral_config_add_cap(c, true, capabilities[i], err);
	if (r == 0 && b->cache_path)
		r = corral_config_put_mount(c, CORRAL_MOUNT_BIND, b->cache_path, BUILD_GUEST_CACHE,
		                            0, err);
	if (r < 0)
		return r;
	config_limits(b, c);
	c->has_user = true;
	c->guest_uid = user->uid;
	c->guest_gid = user->gid;
	c->ids = ids;
	*ret = corral_take_ptr(&c);
	return 0;
}

/* Packages bring set-id programs; what keeps those is the store, which is closed to others. */
static int installing(const struct build_run *b, struct corral_policy *p, struct corral_error *err)
{
	struct corral_seccomp seccomp;
	int r = corral_seccomp_installing(p->caps, b->seccomp_cache_dir, &seccomp, err);

	if (r < 0)
		return r;
	corral_seccomp_done(&p->seccomp);
	p->seccomp = seccomp;
	return 0;
}

static int box_try(struct running *run, const struct build_user *user, enum corral_ids_mode ids,
                   const char *network, struct corral_error *err)
{
	corral_auto(corral_config_freep) struct corral_config *c = NULL;
	corral_auto(corral_policy_freep) struct corral_policy *p = NULL;
	int r = config_make(run, user, ids, network, &c, err);

	if (r == 0)
		r = corral_policy_compile(c, run->b->seccomp_cache_dir, &p, err);
	if (r == 0)
		r = installing(run->b, p, err);
	return r == 0 ? corral_sandbox_open(run->b->launcher, p, &run->box, err) : r;
}

/* As root a range; else the user's subordinate ids where there are some, or one. */
static int box_with_ids(struct running *run, const struct build_user *user, const char *network,
                        struct corral_error *err)
{
	struct corral_error why = { 0 };
	int r;

	if (geteuid() == 0)
		return box_try(run, user, CORRAL_IDS_AUTO, network, err);
	if (!run->is_single) {
		r = box_try(run, user, CORRAL_IDS_RANGE, network, &why);
		if (r == 0)
			return 0;
	}
	r = box_try(run, user, CORRAL_IDS_SINGLE, network, err);
	if (r == 0 && !run->is_single) {
		run->is_single = true;
		build_log_say(run->b->log, "one user id alone is to be had here (%s)", why.text);
	}
	return r;
}

/* A network of its own, unless another was asked for: never more than that because there is none.
 */
static int box_open(struct running *run, const struct build_user *user, struct corral_error *err)
{
	const char *network = run->b->network ? run->b->network : "bridge";
	int r = box_with_ids(run, user, network, err);

	if (r < 0 && !run->b->network)
		return corral_error_wrap(err, r,
		                         "a build has a network of its own, unless corral runtime "
		                         "build --network says host or none");
	return r;
}

static int box_for(struct running *run, bool as_root, struct corral_error *err)
{
	const struct build_user root = { 0, 0, "/root" };
	const struct build_user *user = as_root ? &root : &run->image_user;
	int r;

	if (run->box && run->user.uid == user->uid && run->user.gid == user->gid)
		return 0;
	corral_sandbox_close(run->box, NULL);
	run->box = NULL;
	r = box_open(run, user, err);
	if (r == 0)
		run->user = *user;
	return r < 0 ? corral_error_wrap(err, r, "make the sandbox to build in") : 0;
}

/* --- one command --- */

static void drain(struct build_log *log, int fd)
{
	char data[READ_SIZE];
	ssize_t n = 1;

	for (int i = 0; i < READS_MAX && !log->canceled && n != 0; i++) {
		n = read(fd, data, sizeof(data));
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0)
			build_log_feed(log, data, (size_t)n);
	}
}

/*
 * What it wrote so far; a guest does nothing more than fill its pipe meanwhile. Of what cannot be
 * read, since it is other ids', the end of the build knows. Of files that are open and have no name
 * any more nobody does: what the disk has less of since the build began may be anybody's, and no
 * reason to end it. Such a one ends, and gives all of it back, where others' share of the disk
 * begins (corral_image_bounds_disk()).
 */
static int measure(struct running *run, struct corral_error *err)
{
	const struct build_run *b = run->b;
	struct corral_image_bounds bounds;
	uint64_t began_ms = corral_now_ms(), bytes = 0, files = 0;
	struct corral_error why = { 0 };
	int r;

	if (began_ms < run->measure_ms)
		return 0;
	corral_image_bounds_init(&bounds, &b->bounds->limits, b->bounds->disk_fd);
	bounds.tick = b->bounds->tick;
	bounds.deadline_ms = b->deadline_ms;
	r = corral_image_tree_usage(b->keep_path, &bounds, &bytes, &files, &why);
	if (r == 0 && b->cache_path)
		r = corral_image_tree_usage(b->cache_path, &bounds, &bytes, &files, &why);
	run->measure_ms = corral_now_ms();
	run->measure_ms += USAGE_MS + (run->measure_ms - began_ms) * USAGE_SHARE;
	if (r != -EFBIG && r != -ENOSPC && r != -ECANCELED && r != -ETIMEDOUT)
		return 0;
	return corral_error_set(err, -r, "%s", why.text);
}

/* Whether it must not go on; looked at now and then, but for the disk, which fills quickly. */
static int watch(struct running *run, struct corral_error *err)
{
	const struct build_run *b = run->b;
	const struct corral_progress *p = b->log->progress;
	int r;

	if (!b->log->canceled && p &&
	    p->tell(p->ctx, b->runtime->name, "build", run->step, run->n_steps) != 0)
		b->log->canceled = true;
	if (b->log->canceled)
		return corral_error_set(err, ECANCELED, "canceled");
	if (corral_now_ms() >= b->deadline_ms)
		return corral_error_set(err, ETIMEDOUT, "the build takes too long");
	r = corral_image_bounds_disk(b->bounds, err);
	return r < 0 ? r : measure(run, err);
}

/* What is to be looked at by now; whoever must not go on is killed. */
static int look(struct running *run, uint64_t *looked_ms, struct corral_error *err)
{
	uint64_t now = corral_now_ms();
	int r;

	if (run->b->log->canceled || now - *looked_ms >= TELL_MS) {
		*looked_ms = now;
		r = watch(run, err);
	} else {
		r = corral_image_bounds_disk(run->b->bounds, err);
	}
	if (r < 0)
		(void)corral_sandbox_kill(run->box,
		                          r == -ETIMEDOUT ? CORRAL_REASON_TIMEOUT
		                                          : CORRAL_REASON_KILLED,
		                          NULL);
	return r;
}

static int follow(struct running *run, int out_fd, struct corral_error *err)
{
	struct pollfd fds[2] = { { .fd = out_fd, .events = POLLIN },
		                 { .fd = corral_sandbox_event_fd(run->box), .events = POLLIN } };
	uint64_t looked_ms = 0;
	int r, stop = 0;

	for (;;) {
		if (!stop) {
			stop = look(run, &looked_ms, err);
			/* What it still says is read when it has ended. */
			if (stop)
				fds[0].fd = -1;
		}
		if (poll(fds, 2, DISK_MS) < 0 && errno != EINTR)
			return corral_error_sys(err, errno, "wait for the build");
		if (fds[0].revents & POLLIN)
			drain(run->b->log, out_fd);
		else if (fds[0].revents)
			fds[0].fd = -1;
		if (!fds[1].revents)
			continue;
		r = corral_sandbox_dispatch(run->box, stop ? NULL : err);
		if (r == 0)
			continue;
		drain(run->b->log, out_fd);
		build_log_flush(run->b->log);
		return stop ? stop : r < 0 ? r : 0;
	}
}

/* 0 when it ran, however it ended: that is in the receipt. */
static int command_run(struct running *run, char *const *argv, const char *guest_dir,
                       struct corral_error *err)
{
	corral_autofd int out = -1, in = -1;
	struct corral_command command = { .argv = argv, .guest_dir = guest_dir, .stdin_fd = -1 };
	int pair[2], r;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return corral_error_sys(err, errno, "create a pipe");
	out = pair[0];
	in = pair[1];
	(void)fcntl(out, F_SETFL, O_NONBLOCK);
	command.stdout_fd = command.stderr_fd = in;
	r = corral_sandbox_start(run->box, &command, err);
	corral_fd_closep(&in);
	if (r < 0 && corral_sandbox_receipt(run->box)->exec_error)
		return 0;
	return r < 0 ? r : follow(run, out, err);
}

/* --- a step --- */

static bool went_well(const struct corral_receipt *rc)
{
	return !rc->exec_error && rc->reason == CORRAL_REASON_EXIT && rc->exit_code == 0;
}

static void ending(const struct corral_receipt *rc, char *ret, size_t size)
{
	if (rc->exec_error)
		(void)snprintf(ret, size, "cannot be executed: %s", strerror(rc->exec_error));
	else if (rc->reason == CORRAL_REASON_OOM)
		(void)snprintf(ret, size, "out of memory");
	else if (rc->reason == CORRAL_REASON_SIGNAL || rc->exit_code < 0)
		(void)snprintf(ret, size, "killed by signal %d", rc->signal);
	else
		(void)snprintf(ret, size, "exit code %d", rc->exit_code);
}

static const char *step_text(const struct corral_runtime_step *step, char *ret, size_t size)
{
	size_t len = 0, n = 0;

	switch (step->kind) {
	case CORRAL_RUNTIME_STEP_SETUP:
		(void)snprintf(ret, size, "%s", step->argv[2]);
		break;
	case CORRAL_RUNTIME_STEP_ACCOUNT:
		(void)snprintf(ret, size, "account of user %s", step->argv[4]);
		break;
	case CORRAL_RUNTIME_STEP_PACKAGES:
		while (step->argv[n])
			n++;
		(void)snprintf(ret, size, "%s", "");
		for (size_t i = 0; i < n && len + 1 < size; i++) {
			/* The shell's own words are no news to anybody. */
			if (!strcmp(step->argv[0], "/bin/sh") && i < 3)
				continue;
			len += (size_t)snprintf(ret + len, size - len, "%s%s", len ? " " : "",
			                        step->argv[i]);
		}
		break;
	}
	return ret;
}

static const char *single_hint(const struct running *run, const char *tail)
{
	static const char *const signs[] = { "Operation not permitted",
		                             "Invalid argument",
		                             "chown",
		                             "setgroups",
		                             "setegid",
		                             "seteuid",
		                             "dpkg" };

	for (size_t i = 0; run->is_single && i < CORRAL_COUNT(signs); i++)
		if (strstr(tail, signs[i]))
			return ": this user has one id here, and packages that have files of other "
			       "owners take ranges in /etc/subuid and /etc/subgid and newuidmap";
	return "";
}

static int step_failed(const struct running *run, const char *text, const char *how,
                       struct corral_error *err)
{
	char last[SHOWN_MAX * 6 + 300];
	const char *hint = single_hint(run, run->b->log->tail);
	int n = snprintf(last, sizeof(last), "step %zu of %zu ('%.*s%s'): %s%s%s%.120s%s",
	                 run->step, run->n_steps, SHOWN_MAX, text,
	                 strlen(text) > SHOWN_MAX ? "..." : "", how, hint,
	                 run->b->log_path ? "; the log is '" : "",
	                 run->b->log_path ? run->b->log_path : "", run->b->log_path ? "'" : "");
	size_t used = (n < 0 ? 0 : (size_t)n) + sizeof("Building  failed:\n\n") + TAG_MAX;
	const char *tail =
	        build_log_tail(run->b->log,
	                       used < CORRAL_ERROR_TEXT_SIZE ? CORRAL_ERROR_TEXT_SIZE - used : 0);

	return corral_error_set(err, EIO, "%s%s%s", tail, *tail ? "\n" : "", last);
}

static int work_dir_make(struct running *run, struct corral_error *err)
{
	char *const argv[] = { (char *)"/bin/sh",
		               (char *)"-c",
		               (char *)"mkdir -p -- \"$1\"",
		               (char *)"work_dir",
		               run->b->runtime->work_dir,
		               NULL };

	return command_run(run, argv, "/", err);
}

static int step_run(struct running *run, const struct corral_runtime_step *step,
                    struct corral_error *err)
{
	const char *dir = run->b->base->work_dir;
	char text[BUILD_LINE_MAX / 2], how[120];
	const struct corral_receipt *rc;
	int r = box_for(run, step->as_root, err);

	if (r < 0)
		return r;
	(void)step_text(step, text, sizeof(text));
	build_log_say(run->b->log, "step %zu of %zu: %s", run->step, run->n_steps, text);
	build_log_forget(run->b->log);
	if (step->in_work_dir) {
		dir = run->b->runtime->work_dir;
		r = work_dir_make(run, err);
	} else if (!*dir || !guest_has_dir(run->root_fd, dir, true)) {
		dir = "/";
	}
	if (r == 0)
		r = command_run(run, step->argv, dir, err);
	if (r < 0)
		return r;
	rc = corral_sandbox_receipt(run->box);
	if (went_well(rc))
		return 0;
	ending(rc, how, sizeof(how));
	return step_failed(run, text, how, err);
}

static int steps_run(struct running *run, const struct corral_runtime_steps *steps,
                     struct corral_error *err)
{
	int r = 0;

	run->n_steps = steps->n;
	for (size_t i = 0; r == 0 && i < steps->n; i++) {
		run->step = i + 1;
		r = step_run(run, &steps->items[i], err);
	}
	/* As a builder's WORKDIR makes it; where it does not come to be, each sandbox makes it. */
	if (r == 0 && steps->n)
		r = box_for(run, true, err);
	if (r == 0 && steps->n)
		r = work_dir_make(run, err);
	return r;
}

static int image_user_find(struct running *run, struct corral_error *err)
{
	struct corral_account account = { 0 };
	int r = corral_image_account_find(run->root_fd, run->b->base->user, true, &account, err);

	if (r < 0)
		return corral_error_wrap(err, r, "base image");
	run->image_user.uid = account.guest_uid;
	run->image_user.gid = account.guest_gid;
	(void)snprintf(run->image_user.home, sizeof(run->image_user.home), "%s",
	               account.guest_home ? account.guest_home : "");
	corral_account_done(&account);
	return 0;
}

/* The root's own mode and owner are the layer's, so they are to be as they were. */
static int root_begin(const struct build_run *b, int root_fd, struct corral_error *err)
{
	corral_autofd int keep_fd = open(b->keep_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (keep_fd < 0 || fstat(root_fd, &st) < 0 || mkdirat(keep_fd, "u0", 0755) < 0)
		return corral_error_sys(err, errno, "begin a layer");
	if ((geteuid() == 0 && fchownat(keep_fd, "u0", st.st_uid, st.st_gid, 0) < 0) ||
	    fchmodat(keep_fd, "u0", (st.st_mode & 07777) | 0700, 0) < 0)
		return corral_error_sys(err, errno, "begin a layer");
	return 0;
}

int build_run_steps(const struct build_run *b, struct corral_error *err)
{
	corral_auto(corral_runtime_steps_done) struct corral_runtime_steps steps =
	        CORRAL_RUNTIME_STEPS_INIT;
	corral_autofd int root_fd = open(b->root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct running run = { .b = b, .root_fd = root_fd };
	int r;

	if (root_fd < 0)
		return corral_error_sys(err, errno, "open '%s'", b->root_path);
	r = corral_runtime_steps(b->runtime, b->cache_path != NULL, &steps, err);
	if (r == 0)
		r = image_user_find(&run, err);
	if (r == 0)
		r = root_begin(b, root_fd, err);
	if (r == 0)
		r = steps_run(&run, &steps, err);
	corral_sandbox_close(run.box, NULL);
	return r;
}

/* --- what an ordinary user's build leaves of other ids --- */

int build_run_squash(const struct build_run *b, struct corral_error *err)
{
	/* Whoever is the owner already keeps modes and capabilities, which chown(2) takes away. */
	static const char script[] =
	        "find . \\( ! -uid 0 -o ! -gid 0 \\) -exec chown -h 0:0 {} + && "
	        "find . -type d ! -perm -700 -exec chmod u+rwx {} + && "
	        "find . -type f ! -perm -400 -exec chmod u+r {} +";
	corral_autofree char *path = NULL;
	struct corral_error why = { 0 };
	int r;

	if (geteuid() == 0)
		return 0;
	if (asprintf(&path, "%s/u0", b->keep_path) < 0) {
		path = NULL;
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	r = corral_mapped_run(b->launcher, path, script, &b->bounds->tick, b->deadline_ms, &why);
	/* No ids of its own to be had, and so there were none. */
	if (r < 0 && r != -EIO && r != -ECANCELED && r != -ETIMEDOUT)
		return 0;
	if (r < 0 && err)
		*err = why;
	return r;
}
