#include "kernel/image/account.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"

/* Of a file of accounts; more is as if it were not there. */
#define FILE_MAX   (4u << 20)
#define FIELDS_MAX 7
/* The greatest that is an id, and not "no change". */
#define ID_MAX 4294967294u

void corral_image_account_done(struct corral_image_account *a)
{
	free(a->name);
	free(a->guest_home);
	*a = (struct corral_image_account) { 0, 0, NULL, NULL };
}

/* Regular files alone: a pipe would block. One that is not there is empty. */
static int file_read(int root_fd, const char *guest_path, struct corral_buf *ret,
                     struct corral_error *err)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	corral_autofd int fd = (int)syscall(SYS_openat2, root_fd, guest_path, &how, sizeof(how));
	struct stat st;
	int r;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return corral_error_sys(err, errno, "read its %s", guest_path);
	if (!S_ISREG(st.st_mode))
		return 0;
	r = corral_buf_read_fd(ret, fd, FILE_MAX);
	return r < 0 ? corral_error_sys(err, -r, "read its %s", guest_path) : 0;
}

/* The fields of the next line, which are cut apart in place; how many, 0 at the end. */
static size_t line_next(char **at, char *fields[FIELDS_MAX])
{
	char *line = *at;
	size_t n = 0;

	if (!line || !*line)
		return 0;
	*at = strchr(line, '\n');
	if (*at)
		*(*at)++ = '\0';
	for (char *field = line; field && n < FIELDS_MAX; n++) {
		fields[n] = field;
		field = strchr(field, ':');
		if (field)
			*field++ = '\0';
	}
	return n;
}

static bool id_parse(const char *text, uint32_t *ret)
{
	uint64_t id = 0;

	if (corral_parse_u64(text, ID_MAX, &id, NULL) < 0)
		return false;
	*ret = (uint32_t)id;
	return true;
}

/* The first entry of that name, or of that number where name is NULL: 1, 0, -errno. */
static int passwd_find(int root_fd, const char *name, uint32_t guest_uid,
                       struct corral_image_account *ret, struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	char *fields[FIELDS_MAX], *at;
	int r = file_read(root_fd, "/etc/passwd", &text, err);
	size_t n;

	at = text.data;
	while (r == 0 && (n = line_next(&at, fields)) > 0) {
		uint32_t uid, gid;

		if (n < 6 || !id_parse(fields[2], &uid) || !id_parse(fields[3], &gid) ||
		    (name ? strcmp(fields[0], name) != 0 : uid != guest_uid))
			continue;
		ret->guest_uid = uid;
		ret->guest_gid = gid;
		ret->name = strdup(fields[0]);
		ret->guest_home = strdup(fields[5]);
		return ret->name && ret->guest_home
		               ? 1
		               : corral_error_set(err, ENOMEM, "out of memory");
	}
	return r;
}

static int group_find(int root_fd, const char *name, uint32_t *ret, struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	char *fields[FIELDS_MAX], *at;
	int r = file_read(root_fd, "/etc/group", &text, err);
	size_t n;

	at = text.data;
	while (r == 0 && (n = line_next(&at, fields)) > 0)
		if (n >= 3 && strcmp(fields[0], name) == 0 && id_parse(fields[2], ret))
			return 1;
	return r;
}

int corral_image_account_of(int root_fd, uint32_t guest_uid, struct corral_image_account *ret,
                            struct corral_error *err)
{
	corral_auto(corral_image_account_done) struct corral_image_account a = { 0 };
	int r = passwd_find(root_fd, NULL, guest_uid, &a, err);

	if (r < 0)
		return r;
	*ret = a;
	a = (struct corral_image_account) { 0, 0, NULL, NULL };
	return 0;
}

int corral_image_account_find(int root_fd, const char *user, struct corral_image_account *ret,
                              struct corral_error *err)
{
	corral_auto(corral_image_account_done) struct corral_image_account a = { 0 };
	corral_autofree char *name = strdup(*user ? user : "0");
	char *group = name ? strchr(name, ':') : NULL;
	uint32_t uid = 0;
	int r;

	if (!name)
		return corral_error_set(err, ENOMEM, "out of memory");
	if (group)
		*group++ = '\0';
	if (!*name) {
		r = passwd_find(root_fd, NULL, 0, &a, err);
	} else {
		/* An account's name may be a number; engines look there first as well. */
		r = passwd_find(root_fd, name, 0, &a, err);
		if (r == 0 && id_parse(name, &uid)) {
			r = passwd_find(root_fd, NULL, uid, &a, err);
			a.guest_uid = uid;
		} else if (r == 0) {
			r = corral_error_set(err, EINVAL,
			                     "its user '%.64s' is not in its /etc/passwd", name);
		}
	}
	if (r >= 0 && group && *group) {
		r = group_find(root_fd, group, &a.guest_gid, err);
		if (r == 0 && !id_parse(group, &a.guest_gid))
			r = corral_error_set(err, EINVAL,
			                     "its group '%.64s' is not in its /etc/group", group);
	}
	if (r < 0)
		return r;
	*ret = a;
	a = (struct corral_image_account) { 0, 0, NULL, NULL };
	return 0;
}
