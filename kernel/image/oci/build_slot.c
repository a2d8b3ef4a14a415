#include "kernel/image/oci/build_slot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/image/oci/build.h"

#define LOOK_MS 50
#define TELL_MS 5000
/* With less than that, hardly anything can be installed. */
#define MEMORY_MIN (1ull << 30)

static unsigned int slots(unsigned int n)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (n)
		return n < CORRAL_BUILD_SLOTS_MAX ? n : CORRAL_BUILD_SLOTS_MAX;
	return processors > 0 && processors < CORRAL_BUILD_SLOTS ? (unsigned int)processors
	                                                         : CORRAL_BUILD_SLOTS;
}

uint64_t build_slot_memory(unsigned int n)
{
	struct sysinfo info;
	uint64_t all, one;

	if (sysinfo(&info) < 0)
		return MEMORY_MIN;
	all = (uint64_t)info.totalram * info.mem_unit / 4 * 3;
	one = all / slots(n);
	return one > MEMORY_MIN ? one : all < MEMORY_MIN ? all : MEMORY_MIN;
}

/* 1 when it is ours, 0 when another has it. */
static int slot_try(const char *store_path, unsigned int i, struct build_slot *ret,
                    struct corral_error *err)
{
	corral_autofree char *path = NULL;
	corral_autofd int fd = -1;

	if (asprintf(&path, "%s/build-slot-%u", store_path, i) < 0) {
		path = NULL;
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return corral_error_sys(err, errno, "create '%s'", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK || errno == EINTR
		               ? 0
		               : corral_error_sys(err, errno, "lock '%s'", path);
	ret->fd = corral_take_fd(&fd);
	return 1;
}

int build_slot_take(const char *store_path, unsigned int n, const struct corral_progress *progress,
                    uint64_t deadline_ms, struct build_slot *ret, struct corral_error *err)
{
	const struct timespec pause = { 0, LOOK_MS * 1000000L };
	struct corral_progress_tick wait = { progress, "build", "wait" };
	uint64_t told_ms = 0;

	n = slots(n);
	for (;;) {
		uint64_t now = corral_now_ms();
		int r = 0;

		for (unsigned int i = 0; r == 0 && i < n; i++)
			r = slot_try(store_path, i, ret, err);
		if (r != 0)
			return r < 0 ? r : 0;
		if (now >= deadline_ms)
			return corral_error_set(err, ETIMEDOUT, "%u other builds take too long", n);
		r = corral_progress_tick(&wait, err);
		if (r < 0)
			return r;
		if (!told_ms || now - told_ms >= TELL_MS) {
			told_ms = now;
			if (corral_progress_say(progress,
			                        "waiting: %u other builds run, as many "
			                        "as may",
			                        n) != 0)
				return corral_error_set(err, ECANCELED, "canceled");
		}
		(void)nanosleep(&pause, NULL);
	}
}

void build_slot_give(struct build_slot *s)
{
	corral_fd_closep(&s->fd);
}
