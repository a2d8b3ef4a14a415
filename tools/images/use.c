/*
 * What fetches images is in a program of its own: it is started as a child, whose words go to our
 * standard error, and which ends when we do. Why it failed it hands on to us (tools/message.h).
 */
#include "tools/images/use.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/apply.h"
#include "tools/images/place.h"
#include "tools/message.h"
#include "tools/program.h"

/* "image" "pull" WORD, or "runtime" "prewarm" WORD. why_fd may be -1. */
static _Noreturn void maker(const char *family, const char *command, const char *word, int why_fd,
                            pid_t parent)
{
	char *const argv[] = { (char *)(uintptr_t) "corral", (char *)(uintptr_t)family,
		               (char *)(uintptr_t)command,   (char *)(uintptr_t) "--",
		               (char *)(uintptr_t)word,      NULL };
	struct corral_error err = { 0 };
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	if (null_fd >= 0) {
		(void)dup2(null_fd, STDIN_FILENO);
		(void)dup2(null_fd, STDOUT_FILENO);
	}
	if (why_fd >= 0)
		(void)fcntl(why_fd, F_SETFD, 0);
	(void)corral_program_exec(CORRAL_PROGRAM_OCI, "what fetches images", (char **)argv, &err);
	corral_complaints_hand_on(getenv(CORRAL_COMPLAINTS_FD));
	_exit(corral_complain(&err));
}

/* Where a child lays down why it failed; -1 where that cannot be had: it says so itself then. */
static int listen_begin(void)
{
	int fd = memfd_create("why", MFD_CLOEXEC);
	char number[16];

	(void)snprintf(number, sizeof(number), "%d", fd);
	if (fd < 0 || setenv(CORRAL_COMPLAINTS_FD, number, 1) == 0)
		return fd;
	corral_fd_closep(&fd);
	return -1;
}

static int why_failed(int why_fd, struct corral_error *err)
{
	char text[CORRAL_ERROR_TEXT_SIZE];
	ssize_t n = why_fd < 0 ? 0 : pread(why_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return corral_error_set(err, EIO, "%s", text);
}

static int make(const char *family, const char *command, const char *word, const char *failed,
                struct corral_error *err)
{
	corral_autofd int why_fd = -1;
	pid_t self = getpid(), pid;
	int status = 0, r;

	(void)fflush(NULL);
	why_fd = listen_begin();
	pid = fork();
	if (pid == 0)
		maker(family, command, word, why_fd, self);
	r = errno;
	(void)unsetenv(CORRAL_COMPLAINTS_FD);
	if (pid < 0)
		return corral_error_sys(err, r, "fork what makes images");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return corral_error_sys(err, errno, "wait for what makes images");
	if (WIFSIGNALED(status))
		return corral_error_set(err, EINTR,
		                        "%s '%.150s': corral %s %s was ended by signal %d", family,
		                        word, family, command, WTERMSIG(status));
	if (WEXITSTATUS(status) == 0)
		return 0;
	r = why_failed(why_fd, err);
	return r < 0 ? corral_error_wrap(err, r, "%s '%.150s' %s", family, word, failed)
	             : corral_error_set(err, EIO, "%s '%.150s' %s", family, word, failed);
}

bool corral_images_can_make(void)
{
	return corral_program_is_installed(CORRAL_PROGRAM_OCI);
}

int corral_images_prewarm(const char *runtime, struct corral_error *err)
{
	return make("runtime", "prewarm", runtime, "could not be prepared", err);
}

static int is_there(struct corral_image_store *s, const char *name, struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	int r = corral_image_find(s, name, &i, err);

	return r < 0 ? r : 1;
}

int corral_images_fetch(struct corral_image_store *s, const char *name, const char *pull,
                        struct corral_error *err)
{
	bool always = pull && !strcmp(pull, "always");
	int r;

	if (pull && !always && strcmp(pull, "missing") != 0 && strcmp(pull, "never") != 0)
		return corral_error_set(err, EINVAL,
		                        "--pull: '%.64s' is not one of missing, always, never",
		                        pull);
	r = always ? -ENOENT : is_there(s, name, err);
	if (r != -ENOENT)
		return r < 0 ? r : 0;
	if (pull && !strcmp(pull, "never"))
		return corral_error_set(err, ENOENT,
		                        "image '%.150s' is not in corral's store, and --pull never "
		                        "keeps it from being fetched: corral image pull %.150s",
		                        name, name);
	if (!corral_images_can_make())
		return corral_error_set(
		        err, ENOENT,
		        "image '%.150s' is not in corral's store, and this corral was "
		        "built without what fetches images (%s)",
		        name, CORRAL_PROGRAM_OCI);
	return make("image", "pull", name, "could not be fetched", err);
}

int corral_images_use(struct corral_options *o, struct corral_error *err)
{
	corral_auto(corral_image_store_closep) struct corral_image_store *s = NULL;
	struct corral_config *c = o->config;
	int r;

	if (!c->image || c->rootfs_is_image || corral_options_have_docker(o))
		return 0;
	r = corral_images_open(&s, err);
	if (r == 0 && !o->image_is_settled)
		r = corral_images_fetch(s, c->image, o->pull, err);
	return r < 0 ? r : corral_image_apply(s, c, err);
}
