#include "kernel/image/account.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "policy/config.h"

/* Of a file of accounts. */
#define FILE_MAX (4u << 20)

static int unreadable(const char *guest_path, int code, struct corral_error *err)
{
	return corral_error_set(err, code, "read its %s: %s: name the user by numbers (UID:GID)",
	                        guest_path, strerror(code));
}

/*
 * Regular files alone, which is asked before it is opened for reading: a pipe would block, and a
 * device do whatever it does. One that is not there is empty.
 */
static int file_read(int root_fd, const char *guest_path, struct corral_buf *ret,
                     struct corral_error *err)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	corral_autofd int place = (int)syscall(SYS_openat2, root_fd, guest_path, &how, sizeof(how));
	corral_autofd int fd = -1;
	char path[32];
	struct stat st;
	int r;

	if (place < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0;
	if (place < 0 || fstat(place, &st) < 0)
		return unreadable(guest_path, errno, err);
	if (!S_ISREG(st.st_mode))
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", place);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return unreadable(guest_path, errno, err);
	r = corral_buf_read_fd(ret, fd, FILE_MAX);
	return r < 0 ? unreadable(guest_path, -r, err) : 0;
}

int corral_image_account_find(int root_fd, const char *user, bool digits_may_name,
                              struct corral_account *ret, struct corral_error *err)
{
	corral_autobuf struct corral_buf passwd = CORRAL_BUF_INIT, group = CORRAL_BUF_INIT;
	struct corral_error why = { 0 };
	int r = file_read(root_fd, "/etc/passwd", &passwd, &why);
	struct corral_account_text text;

	if (r == 0)
		r = file_read(root_fd, "/etc/group", &group, &why);
	text = (struct corral_account_text) { passwd.data, group.data, passwd.len, group.len };
	/* A number means itself, whatever there is to read. */
	if (r < 0 && r != -ENOMEM && user[strspn(user, "0123456789:")] == '\0')
		text = (struct corral_account_text) { NULL, NULL, 0, 0 };
	else if (r < 0)
		return corral_error_set(err, -r, "%s", why.text);
	return corral_account_find(&text, user, digits_may_name, ret, err);
}

/* Beneath those that are there: before them. */
static int env_put(struct corral_config *c, const struct corral_account *a,
                   struct corral_error *err)
{
	corral_autofree char *home = NULL, *user = NULL;

	if (c->clear_env || !a->name || !*a->guest_home)
		return 0;
	if (asprintf(&home, "HOME=%s", a->guest_home) < 0)
		home = NULL;
	if (asprintf(&user, "USER=%s", a->name) < 0)
		user = NULL;
	if (!home || !user)
		return corral_error_set(err, ENOMEM, "out of memory");
	return corral_config_put_env(c, (char *const[]) { home, user }, 2, err);
}

/* Whose word it was, and what to say instead. */
static int said_find(const struct corral_config *c, int root_fd, const char *own,
                     struct corral_account *ret, struct corral_error *err)
{
	struct corral_error why = { 0 };
	int r = corral_image_account_find(root_fd, c->user ? c->user : own, !c->user, ret, &why);

	if (r == -EINVAL && c->user)
		return corral_error_set(err, EINVAL,
		                        "%.300s: give one that is, or numbers (UID:GID)", why.text);
	if (r == -EINVAL)
		return corral_error_set(err, EINVAL,
		                        "its %.300s: say whom to run as with a number (--user)",
		                        why.text);
	if (r < 0 && err)
		*err = why;
	if (r == 0 && c->user && !ret->name && !strchr(c->user, ':'))
		ret->guest_gid = ret->guest_uid;
	return r;
}

int corral_image_account_put(struct corral_config *c, int root_fd, const char *own,
                             struct corral_error *err)
{
	corral_auto(corral_account_done) struct corral_account a = { 0 };
	int r;

	if (!c->user && (c->has_user || !own))
		return 0;
	r = said_find(c, root_fd, own, &a, err);
	if (r == 0)
		r = env_put(c, &a, err);
	if (r < 0)
		return r;
	c->has_user = c->user || *own;
	c->user_is_found = true;
	c->guest_uid = a.guest_uid;
	c->guest_gid = a.guest_gid;
	c->n_groups = a.n_groups;
	memcpy(c->guest_groups, a.guest_groups, sizeof(c->guest_groups));
	return 0;
}
