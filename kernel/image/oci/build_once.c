#include "kernel/image/oci/build_once.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/image/bounds.h"

/* How often it is looked for whether the other is done, and whether nobody waits any more; that it
 * is not done is told again after this time, and then after twice as long each time. */
#define LOOK_MS     50
#define TELL_MS     5000
#define TELL_MAX_MS 60000
/* "5 text": errno and the sentence. */
#define FAILURE_MAX (CORRAL_ERROR_TEXT_SIZE + 16)

/* With the lock: 1 when whoever had it failed, and what that left as this one's failure. */
static int failure_read(int fd, struct corral_error *err)
{
	char text[FAILURE_MAX];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	char *end;
	long code;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	code = strtol(text, &end, 10);
	if (code <= 0 || code > 4095 || *end != ' ')
		return 0;
	return corral_error_set(err, (int)code, "%s", end + 1);
}

/* Without words where it is not time for some. */
static int wait_tell(const struct corral_progress *p, const char *tag, bool in_words,
                     struct corral_error *err)
{
	int r = in_words       ? corral_progress_say(p, "waiting for another build of %.150s", tag)
	        : p && p->tell ? p->tell(p->ctx, tag, "wait", 0, 0)
	                       : 0;

	return r ? corral_error_set(err, ECANCELED, "canceled") : 0;
}

static int wait_for(int fd, const char *tag, const struct corral_progress *progress,
                    uint64_t deadline_ms, bool *ret_waited, struct corral_error *err)
{
	const struct timespec pause = { 0, LOOK_MS * 1000000l };
	uint64_t tell_at = 0, every = TELL_MS;
	int r;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		uint64_t now = corral_now_ms();

		if (errno != EWOULDBLOCK && errno != EINTR)
			return corral_error_sys(err, errno, "lock the build of %s", tag);
		*ret_waited = true;
		if (now >= deadline_ms)
			return corral_error_set(err, ETIMEDOUT,
			                        "another build of %s takes too long", tag);
		r = wait_tell(progress, tag, now >= tell_at, err);
		if (r < 0)
			return r;
		if (now >= tell_at) {
			tell_at = now + every;
			every = every * 2 < TELL_MAX_MS ? every * 2 : TELL_MAX_MS;
		}
		(void)nanosleep(&pause, NULL);
	}
	if (*ret_waited && progress && progress->tell)
		(void)progress->tell(progress->ctx, tag, "done", 0, 0);
	return 0;
}

int build_turn_take(const char *path, const char *tag, const struct corral_progress *progress,
                    uint64_t deadline_ms, struct build_turn *ret, struct corral_error *err)
{
	bool waited = false;

	for (;;) {
		corral_autofd int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		struct stat st;
		int r;

		if (fd < 0)
			return corral_error_sys(err, errno, "create '%s'", path);
		r = wait_for(fd, tag, progress, deadline_ms, &waited, err);
		if (r < 0)
			return r;
		if (fstat(fd, &st) < 0)
			return corral_error_sys(err, errno, "look at '%s'", path);
		if (st.st_nlink == 0) {
			/* Whoever had it is done; or somebody pruned. */
			r = waited ? failure_read(fd, err) : 0;
			if (r < 0)
				return r;
			continue;
		}
		/* Whoever had it was killed. */
		(void)!ftruncate(fd, 0);
		ret->path = strdup(path);
		if (!ret->path)
			return corral_error_set(err, ENOMEM, "out of memory");
		ret->fd = corral_take_fd(&fd);
		ret->waited = waited;
		return 0;
	}
}

void build_turn_end(struct build_turn *t, int r, const struct corral_error *failure)
{
	char text[FAILURE_MAX];
	int n;

	if (r < 0 && r != -ECANCELED && r != -ETIMEDOUT && !corral_image_bounds_is_full(r)) {
		n = snprintf(text, sizeof(text), "%d %s", -r, failure->text);
		if (n > 0)
			(void)!pwrite(t->fd, text,
			              (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1, 0);
	}
	(void)unlink(t->path);
	corral_fd_closep(&t->fd);
	free(t->path);
	t->path = NULL;
}
