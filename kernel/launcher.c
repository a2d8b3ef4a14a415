#include "kernel/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/base/trace.h"
#include "kernel/child.h"
#include "kernel/host_reason.h"
#include "kernel/netns.h"
#include "kernel/source.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010u
#endif

#define DESCRIPTORS_MIN 128

extern const char corral_init_image[], corral_init_image_end[];

bool corral_launcher_is_root(const struct corral_launcher *l)
{
	return (l->host.features & CORRAL_HOST_PRIVILEGED) != 0;
}

void corral_launcher_sweep_once(struct corral_launcher *l)
{
	if (!l->has_keeper && !__atomic_exchange_n(&l->swept, true, __ATOMIC_RELAXED))
		corral_cgroup_host_sweep(l->cgroups);
}

bool corral_launcher_keeps(const struct corral_launcher *l)
{
	return l->has_keeper && l->owner == getpid();
}

/*
 * A sealed memfd: whoever reaches it through /proc/PID/exe can neither write it nor make it
 * writable, and it is no file of the host's (CVE-2019-5736).
 */
static int image_open(int *ret_fd, struct corral_error *err)
{
	size_t size = (size_t)(corral_init_image_end - corral_init_image);
	corral_autofd int fd = -1;
	char why[240], remedy[280];
	int high;

	fd = memfd_create("corral-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd < 0 && errno == EINVAL) /* before 6.3 every memfd can be executed */
		fd = memfd_create("corral-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		int code = errno;

		corral_host_explain("memfd-exec", code, why, sizeof(why), remedy, sizeof(remedy));
		return corral_error_sys(err, code, "create the image of guest init (%s%s%s)", why,
		                        remedy[0] ? ": " : "", remedy);
	}
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, corral_init_image + done, size - done);

		if (n < 0)
			return corral_error_sys(err, errno, "write the image of guest init");
		done += (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return corral_error_sys(err, errno, "seal the image of guest init");
	/* Out of the way of descriptor 3, where the child puts its socket. */
	high = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	if (high < 0)
		return corral_error_sys(err, errno, "keep the image of guest init");
	*ret_fd = high;
	return 0;
}

/* A directory that is the caller's alone. By descriptor, as anybody may have made it before us
 * (CVE-2026-46406). */
static bool own_dir_make(const char *path)
{
	corral_autofd int fd = -1;
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return false;
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & 022);
}

static void runtime_dir_find(struct corral_launcher *l)
{
	if (own_dir_make(CORRAL_TEMPLATE_RUNTIME_DIR))
		(void)snprintf(l->runtime_dir, sizeof(l->runtime_dir), "%s",
		               CORRAL_TEMPLATE_RUNTIME_DIR);
}

/* Where /run is a tmpfs, which it is nearly everywhere, it can be id-mapped from Linux 6.3 on:
 * before, the template lies on the disk. */
static int template_find(const struct corral_launcher *l, struct corral_template *ret)
{
	int r = corral_template_find(l->runtime_dir, &l->etc, &l->host, ret, NULL);

	if (r == -EOPNOTSUPP && (l->host.features & CORRAL_HOST_ID_MAPPED) &&
	    own_dir_make("/var/lib/corral") && own_dir_make(CORRAL_TEMPLATE_DISK_DIR))
		r = corral_template_find(CORRAL_TEMPLATE_DISK_DIR, &l->etc, &l->host, ret, NULL);
	return r;
}

/* Without one sandboxes have a skeleton each, and the host's own files. With the lock held, or
 * before there is another thread. */
static void template_take(struct corral_launcher *l)
{
	struct corral_launcher_template *newest = l->templates, *t;

	l->template_ms = corral_now_ms();
	if (!l->runtime_dir[0])
		return;
	t = calloc(1, sizeof(*t));
	if (!t || template_find(l, &t->template) < 0) {
		free(t);
		return;
	}
	/* Written anew, and the same. */
	if (newest && !strcmp(newest->template.path, t->template.path)) {
		free(newest->template.sources);
		newest->template.sources = corral_take_ptr(&t->template.sources);
		corral_template_done(&t->template);
		free(t);
		return;
	}
	t->older = newest;
	l->templates = t;
}

static const struct corral_template *template_now(struct corral_launcher *l)
{
	const struct corral_launcher_template *newest;

	pthread_mutex_lock(&l->lock);
	if (l->templates && corral_now_ms() - l->template_ms >= CORRAL_TEMPLATE_AGE_MS) {
		if (corral_template_is_current(&l->templates->template))
			l->template_ms = corral_now_ms();
		else
			template_take(l);
	}
	newest = l->templates;
	pthread_mutex_unlock(&l->lock);
	return newest ? &newest->template : NULL;
}

static void templates_done(struct corral_launcher *l)
{
	while (l->templates) {
		struct corral_launcher_template *t = l->templates;

		l->templates = t->older;
		corral_template_done(&t->template);
		free(t);
	}
}

static bool oom_protected(void)
{
	corral_autofd int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
	char text[16];

	return fd >= 0 && read(fd, text, sizeof(text)) > 0 && text[0] == '-';
}

/* A mount namespace of one mount, so that a sandbox's price does not grow with the host's. */
static void launchpad_make(struct corral_launcher *l)
{
	char *stack;
	int pipe_fd[2], code = -1, pidfd = -1, fd;
	sigset_t all, old;
	char path[64];
	long pid;

	stack = aligned_alloc(16, CORRAL_CHILD_STACK_SIZE);
	if (!stack || pipe2(pipe_fd, O_CLOEXEC) < 0) {
		free(stack);
		return;
	}
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = corral_child_hold(CLONE_NEWNS, 1, pipe_fd[1], stack, &pidfd);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)close(pipe_fd[1]);
	if (pid > 0) {
		if (read(pipe_fd[0], &code, sizeof(code)) == sizeof(code) && code == 0) {
			(void)snprintf(path, sizeof(path), "/proc/%ld/ns/mnt", pid);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			if (fd >= 0)
				l->launchpad_fd = fcntl(fd, F_DUPFD_CLOEXEC, 10);
			corral_fd_closep(&fd);
		}
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		(void)waitpid((pid_t)pid, NULL, __WALL);
		(void)close(pidfd);
	}
	(void)close(pipe_fd[0]);
	free(stack);
	corral_trace(CORRAL_TRACE_SPAWN, "launchpad: %s",
	             l->launchpad_fd >= 0 ? "ready" : strerror(code));
}

/* With the lock held, which is let go meanwhile. */
static bool connect_ahead(struct corral_launcher *l)
{
	const struct corral_policy bridge = { .network = CORRAL_NETWORK_BRIDGE };
	struct corral_connected c = { .netns_fd = -1, .network = CORRAL_NETWORK_INIT };
	int r;

	pthread_mutex_unlock(&l->lock);
	r = corral_netns_open(&c.netns_fd, NULL);
	if (r == 0)
		r = corral_network_begin(l->network, &bridge, true, c.netns_fd, &c.network, NULL);
	if (r == 0)
		r = corral_network_await(&c.network, NULL);
	pthread_mutex_lock(&l->lock);
	if (r == -ENOTRECOVERABLE)
		l->stopping = true;
	if (r < 0) {
		/* Whoever asks hears why. */
		l->bridged_ms = 0;
		corral_network_end(&c.network, false);
		corral_fd_closep(&c.netns_fd);
		return false;
	}
	l->connected[l->n_connected++] = c;
	return true;
}

/* One thing made ahead; true when there may be more to make. Called with the lock held, which is
 * let go meanwhile. */
static bool keeper_refill(struct corral_launcher *l)
{
	struct corral_ids ids;
	int fd = -1, r;

	if (l->n_netns < CORRAL_POOL_SIZE) {
		pthread_mutex_unlock(&l->lock);
		r = corral_netns_open(&fd, NULL);
		pthread_mutex_lock(&l->lock);
		if (r == -ENOTRECOVERABLE)
			l->stopping = true; /* this thread must do no more; without it everything is
			                       made when needed */
		l->netns_fail = r < 0;      /* then nobody waits for one either */
		if (r == 0)
			l->netns[l->n_netns++] = fd;
		return r == 0;
	}
	if (l->bridged_ms && l->n_connected < CORRAL_CONNECTED_SIZE &&
	    corral_now_ms() - l->bridged_ms < CORRAL_CONNECTED_AGE_MS)
		return connect_ahead(l);
	if (l->n_ids < CORRAL_POOL_SIZE / 2) {
		pthread_mutex_unlock(&l->lock);
		r = corral_ids_open(l->runtime_dir, &ids, NULL);
		if (r == 0 && corral_ids_map(&ids, NULL) < 0) {
			corral_ids_close(&ids);
			r = -EIO;
		}
		pthread_mutex_lock(&l->lock);
		if (r < 0)
			return false;
		if (l->n_ids < CORRAL_POOL_SIZE)
			l->ids[l->n_ids++] = ids;
		else
			corral_ids_close(&ids);
		return true;
	}
	return false;
}

/* Sleeps until there is work; ms < 0: ever. With the lock held. */
static void keeper_sleep(struct corral_launcher *l, int ms)
{
	struct timespec until;

	if (ms < 0) {
		pthread_cond_wait(&l->work, &l->lock);
		return;
	}
	until = corral_clock_after((uint64_t)ms);
	(void)pthread_cond_timedwait(&l->work, &l->lock, &until);
}

/*
 * While some are left, what was taken is replaced when a sandbox is wiped, and not beside the
 * launch that took it: both would wait for the same processors and the same locks of the kernel's.
 * With the lock held.
 */
static void keeper_wake(struct corral_launcher *l, bool few)
{
	if (few)
		pthread_cond_signal(&l->work);
}

/*
 * What a launch waits for comes first, while nobody waits for a wipe, whose queue is bounded and
 * falls back to the closing caller.
 */
static void *keeper_run(void *arg)
{
	struct corral_launcher *l = arg;
	struct corral_sandbox *s;
	int wait_ms;

	corral_cgroup_host_sweep(l->cgroups);
	pthread_mutex_lock(&l->lock);
	for (;;) {
		bool crowded = l->n_wipe > CORRAL_WIPE_QUEUE / 2;

		wait_ms = -1;
		if (!l->stopping && !crowded && l->n_netns <= 2 && keeper_refill(l))
			continue;
		if (!l->stopping && !crowded && corral_warm_tend(l, &wait_ms))
			continue;
		if (l->n_wipe) {
			s = l->wipe[0];
			memmove(l->wipe, l->wipe + 1, --l->n_wipe * sizeof(l->wipe[0]));
			pthread_mutex_unlock(&l->lock);
			corral_sandbox_wipe(s);
			pthread_mutex_lock(&l->lock);
			continue;
		}
		if (l->stopping)
			break;
		if (!keeper_refill(l) && !l->n_wipe && !l->stopping)
			keeper_sleep(l, wait_ms);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

static int keeper_start(struct corral_launcher *l, struct corral_error *err)
{
	sigset_t all, old;
	int r;

	/* Signals are the caller's: none may land on our thread. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&l->keeper, NULL, keeper_run, l);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		return corral_error_sys(err, r, "start the keeper thread");
	l->has_keeper = true;
	return 0;
}

/* A dozen for us, and one for each part of a plan at the same time. */
static int descriptors_check(struct corral_error *err)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= DESCRIPTORS_MIN)
		return 0;
	/* What the guest may open is another limit (open_files). */
	if (l.rlim_max >= DESCRIPTORS_MIN) {
		l.rlim_cur = DESCRIPTORS_MIN;
		if (setrlimit(RLIMIT_NOFILE, &l) == 0)
			return 0;
	}
	return corral_error_set(
	        err, EMFILE,
	        "this process may have %llu files open, and corral needs %d: ulimit -n %d",
	        (unsigned long long)l.rlim_cur, DESCRIPTORS_MIN, DESCRIPTORS_MIN);
}

int corral_launcher_open(unsigned int flags, struct corral_launcher **ret, struct corral_error *err)
{
	return corral_launcher_open_for(flags, NULL, ret, err);
}

int corral_launcher_open_for(unsigned int flags, const struct corral_policy *first,
                             struct corral_launcher **ret, struct corral_error *err)
{
	struct corral_launcher *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return corral_error_set(err, ENOMEM, "open the launcher: out of memory");
	l->flags = flags;
	l->owner = getpid();
	l->image_fd = l->launchpad_fd = -1;
	(void)pthread_mutex_init(&l->lock, NULL);
	corral_cond_init(&l->work);
	r = descriptors_check(err);
	if (r == 0)
		r = corral_network_helper_new(&l->network, err);
	if (r == 0 && first && corral_policy_has_network(first))
		corral_network_prepare(l->network, first, geteuid() == 0);
	if (r == 0)
		r = corral_host_probe(&l->host, err);
	if (r == 0)
		r = corral_cgroup_host_open(&l->cgroups, err);
	if (r == 0)
		r = image_open(&l->image_fd, err);
	if (r == 0) {
		corral_etc_scan(&l->etc);
		l->reset_oom = oom_protected();
		if (corral_launcher_is_root(l))
			runtime_dir_find(l);
		template_take(l);
		if ((flags & CORRAL_LAUNCHER_POOLED) && corral_launcher_is_root(l)) {
			if (l->host.features & CORRAL_HOST_NEW_MOUNT_API)
				launchpad_make(l);
			r = keeper_start(l, err);
		}
	}
	if (r < 0) {
		corral_launcher_close(l);
		return r;
	}
	*ret = l;
	return 0;
}

void corral_launcher_close(struct corral_launcher *l)
{
	if (!l)
		return;
	if (corral_launcher_keeps(l)) {
		pthread_mutex_lock(&l->lock);
		l->stopping = true;
		pthread_cond_broadcast(&l->work);
		pthread_mutex_unlock(&l->lock);
		pthread_join(l->keeper, NULL);
		corral_warm_clear(l);
	}
	for (unsigned int i = 0; i < l->n_netns; i++)
		(void)close(l->netns[i]);
	for (unsigned int i = 0; i < l->n_connected; i++) {
		corral_network_end(&l->connected[i].network, false);
		(void)close(l->connected[i].netns_fd);
	}
	for (unsigned int i = 0; i < l->n_ids; i++)
		corral_ids_close(&l->ids[i]);
	corral_fd_closep(&l->image_fd);
	corral_fd_closep(&l->launchpad_fd);
	templates_done(l);
	corral_network_helper_free(l->network);
	corral_cgroup_host_close(l->cgroups);
	(void)pthread_mutex_destroy(&l->lock);
	(void)pthread_cond_destroy(&l->work);
	free(l);
}

int corral_launcher_take_ids(struct corral_launcher *l, struct corral_ids *ret,
                             struct corral_error *err)
{
	bool found = false;

	if (corral_launcher_keeps(l)) {
		pthread_mutex_lock(&l->lock);
		found = l->n_ids > 0;
		if (found)
			*ret = l->ids[--l->n_ids];
		keeper_wake(l, l->n_ids < CORRAL_POOL_SIZE / 4);
		pthread_mutex_unlock(&l->lock);
	}
	if (found)
		return 0;
	if (!l->runtime_dir[0])
		return corral_error_set(
		        err, EACCES,
		        "no place to lock a range of ids: /run/corral must be a directory that "
		        "only root can write: mkdir -m 0700 /run/corral");
	return corral_ids_open(l->runtime_dir, ret, err);
}

int corral_launcher_take_netns(struct corral_launcher *l, int *ret_fd, struct corral_error *err)
{
	int fd = -1;

	if (corral_launcher_keeps(l)) {
		pthread_mutex_lock(&l->lock);
		if (l->n_netns)
			fd = l->netns[--l->n_netns];
		keeper_wake(l, l->n_netns < CORRAL_POOL_SIZE / 2);
		pthread_mutex_unlock(&l->lock);
	}
	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	return corral_netns_open(ret_fd, err);
}

bool corral_launcher_take_connected(struct corral_launcher *l, const struct corral_policy *p,
                                    struct corral_connected *ret)
{
	bool found = false;

	if (p->network != CORRAL_NETWORK_BRIDGE || p->network_pasta || p->n_publish ||
	    !corral_launcher_is_root(l) || !corral_launcher_keeps(l))
		return false;
	pthread_mutex_lock(&l->lock);
	l->bridged_ms = corral_now_ms();
	while (!found && l->n_connected) {
		*ret = l->connected[0];
		memmove(l->connected, l->connected + 1, --l->n_connected * sizeof(l->connected[0]));
		found = corral_network_is_alive(&ret->network);
		if (!found) {
			corral_network_end(&ret->network, false);
			(void)close(ret->netns_fd);
		}
	}
	keeper_wake(l, l->n_connected < CORRAL_CONNECTED_SIZE / 2);
	pthread_mutex_unlock(&l->lock);
	return found;
}

bool corral_launcher_wipe_later(struct corral_launcher *l, struct corral_sandbox *s)
{
	bool taken = false;

	if (!corral_launcher_keeps(l))
		return false;
	pthread_mutex_lock(&l->lock);
	if (!l->stopping && l->n_wipe < CORRAL_WIPE_QUEUE) {
		l->wipe[l->n_wipe++] = s;
		taken = true;
		pthread_cond_signal(&l->work);
	}
	pthread_mutex_unlock(&l->lock);
	return taken;
}

int corral_launcher_facts(struct corral_launcher *l, const struct corral_policy *p,
                          struct corral_plan_facts *ret, struct corral_error *err)
{
	struct corral_plan_facts f = { .host = &l->host, .etc = &l->etc };
	const struct corral_template *template;
	enum corral_cgroup_kind kind = corral_cgroup_host_kind(l->cgroups);

	if (corral_launcher_is_root(l)) {
		if (p->ids == CORRAL_IDS_SINGLE)
			return corral_error_set(
			        err, EPERM,
			        "ids: 'single' would make the guest the host's root: leave it out, "
			        "or run as an ordinary user");
		f.scheme = CORRAL_ID_RANGE;
	} else {
		f.scheme = p->ids == CORRAL_IDS_RANGE ? CORRAL_ID_SUBIDS : CORRAL_ID_SINGLE;
	}
	f.has_cgroup = kind != CORRAL_CGROUP_NONE;
	f.cgroup_pids = f.has_cgroup && (corral_cgroup_host_can(l->cgroups) & CORRAL_LIMIT_PIDS);
	f.into_cgroup = (kind == CORRAL_CGROUP_V2 || kind == CORRAL_CGROUP_HYBRID) &&
	                (l->host.features & CORRAL_HOST_CLONE_INTO_CGROUP);
	/* Before the group is there, for printing: as many files as its kind usually has. */
	f.n_join = kind == CORRAL_CGROUP_HYBRID ? 2 : kind == CORRAL_CGROUP_V1 ? 2 : 0;
	f.netns_ready = f.scheme == CORRAL_ID_RANGE;
	f.one_thread = (l->flags & (CORRAL_LAUNCHER_ONE_SHOT | CORRAL_LAUNCHER_ONE_THREAD)) != 0;
	f.launchpad = l->launchpad_fd >= 0;
	template = f.scheme == CORRAL_ID_RANGE ? template_now(l) : NULL;
	f.template_path = template ? template->path : NULL;
	f.template_has = template ? template->has : 0;
	*ret = f;
	return 0;
}

/* As a launch would find it, but for what only a launch can. */
static int limits_look(const struct corral_launcher *l, const struct corral_policy *p,
                       const struct corral_plan_facts *f, struct corral_error *err)
{
	uint32_t can = corral_cgroup_host_can(l->cgroups);

	if (corral_plan_limits_processes(f))
		can |= CORRAL_LIMIT_PIDS;
	for (unsigned int i = 0; i < CORRAL_LIMIT_COUNT; i++) {
		enum corral_limit limit = 1u << i;

		if ((CORRAL_LIMITS_BY_CGROUP & limit) && (p->limits_asked & limit) &&
		    !(can & limit))
			return corral_error_set(err, EOPNOTSUPP,
			                        "limit '%s' cannot be enforced here: %s",
			                        corral_limit_name(limit),
			                        corral_cgroup_host_reason(l->cgroups, limit));
	}
	return 0;
}

int corral_launcher_plan(struct corral_launcher *l, const struct corral_policy *p,
                         struct corral_plan **ret, struct corral_error *err)
{
	struct corral_plan_facts f;
	int r;

	r = corral_launcher_facts(l, p, &f, err);
	if (r == 0)
		r = corral_sources_look(p, err);
	if (r == 0)
		r = limits_look(l, p, &f, err);
	if (r < 0)
		return r;
	f.base = f.scheme == CORRAL_ID_RANGE ? CORRAL_IDS_FIRST : 0;
	return corral_plan_compile(p, &f, ret, err);
}
