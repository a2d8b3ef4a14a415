#include "kernel/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/layers/layers.h"
#include "kernel/sandbox.h"
#include "policy/policy.h"

#define TICK_MS 100

static int follow(struct corral_sandbox *box, const struct corral_image_tick *tick,
                  uint64_t deadline_ms, struct corral_error *err)
{
	struct pollfd p = { .fd = corral_sandbox_event_fd(box), .events = POLLIN };

	for (;;) {
		int r = corral_sandbox_dispatch(box, err);

		if (r != 0)
			return r < 0 ? r : 0;
		if (poll(&p, 1, TICK_MS) < 0 && errno != EINTR)
			return corral_error_sys(err, errno, "wait for the sandbox");
		r = tick && tick->call ? tick->call(tick->ctx, err) : 0;
		if (r == 0 && deadline_ms && corral_now_ms() >= deadline_ms)
			r = corral_error_set(err, ETIMEDOUT, "it takes too long");
		if (r < 0)
			return r;
	}
}

static int box_open(struct corral_launcher *launcher, const char *path, struct corral_sandbox **ret,
                    struct corral_error *err)
{
	static const char *const caps[] = { "CHOWN", "DAC_OVERRIDE", "FOWNER" };
	corral_auto(corral_config_freep) struct corral_config *c = corral_config_new();
	corral_auto(corral_policy_freep) struct corral_policy *p = NULL;
	int r;

	if (!c)
		return corral_error_set(err, ENOMEM, "out of memory");
	c->ids = CORRAL_IDS_RANGE;
	c->limits.timeout_ms = 0;
	r = corral_config_set_text(&c->workspace, path, err);
	for (size_t i = 0; r == 0 && i < CORRAL_COUNT(caps); i++)
		r = corral_config_add_cap(c, true, caps[i], err);
	if (r == 0)
		r = corral_policy_compile(c, NULL, &p, err);
	return r == 0 ? corral_sandbox_open(launcher, p, ret, err) : r;
}

int corral_mapped_run(struct corral_launcher *launcher, const char *path, const char *script,
                      const struct corral_image_tick *tick, uint64_t deadline_ms,
                      struct corral_error *err)
{
	char *const argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)(uintptr_t)script, NULL };
	const struct corral_command command = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .last = true
	};
	struct corral_sandbox *box = NULL;
	int r = box_open(launcher, path, &box, err);

	if (r == 0)
		r = corral_sandbox_start(box, &command, err);
	if (r == 0)
		r = follow(box, tick, deadline_ms, err);
	if (r == 0) {
		const struct corral_receipt *rc = corral_sandbox_receipt(box);

		if (rc->exec_error || rc->reason != CORRAL_REASON_EXIT || rc->exit_code != 0)
			r = corral_error_set(err, EIO, "what it made cannot be taken over");
	}
	corral_sandbox_close(box, NULL);
	return r;
}

/* A directory that is itself another id's, and closed: made the caller's. No mount can begin there,
 * so it is done from above; the name is the caller's own choice. */
static int enterable_make(struct corral_launcher *launcher, const char *parent_path, int parent_fd,
                          const char *name, struct corral_error *err)
{
	corral_autofree char *script = NULL;

	if (faccessat(parent_fd, name, X_OK, 0) == 0 || errno != EACCES || strpbrk(name, "'/"))
		return 0;
	if (asprintf(&script, "chown 0:0 './%s' && chmod u+rwx './%s'", name, name) < 0) {
		script = NULL;
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	return corral_mapped_run(launcher, parent_path, script, NULL, 0, err);
}

int corral_mapped_remove(struct corral_launcher *launcher, const char *parent_path,
                         const char *name, struct corral_error *err)
{
	corral_autofd int fd = open(parent_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	corral_autofree char *path = NULL;
	int r;

	if (fd < 0)
		return corral_error_sys(err, errno, "open '%s'", parent_path);
	r = corral_layer_remove(fd, name, err);
	if ((r != -EACCES && r != -EPERM) || geteuid() == 0 || !launcher)
		return r;
	if (asprintf(&path, "%s/%s", parent_path, name) < 0) {
		path = NULL;
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	r = enterable_make(launcher, parent_path, fd, name, err);
	if (r == 0)
		r = corral_mapped_run(launcher, path,
		                      "chmod -R u+rwx . ; find . -mindepth 1 -delete", NULL, 0,
		                      err);
	return r == 0 ? corral_layer_remove(fd, name, err) : r;
}
