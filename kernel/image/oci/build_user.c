#include "kernel/image/oci/build_user.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"

#define TABLE_MAX (1u << 20)
#define FIELDS    7

/* A file of the image's, wherever its links lead within. */
static int table_read(int root_fd, const char *guest_path, struct corral_buf *ret)
{
	const struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		                      .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	corral_autofd int fd = (int)syscall(SYS_openat2, root_fd, guest_path, &how, sizeof(how));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? corral_buf_read_fd(ret, fd, TABLE_MAX) : -EINVAL;
}

/* The line whose field number `at` is key, cut into fields. */
static bool line_find(char *text, unsigned int at, const char *key, char *fields[FIELDS])
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		for (unsigned int i = 0; i < FIELDS; i++)
			fields[i] = line ? strsep(&line, ":") : (char *)"";
		if (!strcmp(fields[at], key))
			return true;
	}
	return false;
}

static bool number(const char *text, uint32_t *ret)
{
	uint64_t value;

	if (!*text || text[strspn(text, "0123456789")] ||
	    corral_parse_u64(text, UINT32_MAX - 1, &value, NULL) < 0)
		return false;
	*ret = (uint32_t)value;
	return true;
}

static int group_find(int root_fd, const char *name, uint32_t *ret, struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	char *fields[FIELDS];

	if (number(name, ret))
		return 0;
	if (table_read(root_fd, "etc/group", &text) < 0 || !text.data ||
	    !line_find(text.data, 0, name, fields) || !number(fields[2], ret))
		return corral_error_set(err, ENOENT, "the image has no group '%.60s'", name);
	return 0;
}

int build_user_find(int root_fd, const char *text, struct build_user *ret, struct corral_error *err)
{
	corral_autobuf struct corral_buf table = CORRAL_BUF_INIT;
	struct build_user u = { 0 };
	const char *group = strchr(text, ':');
	char name[256], *fields[FIELDS];
	bool is_number, found;

	(void)snprintf(name, sizeof(name), "%.*s", *text ? (int)strcspn(text, ":") : 1,
	               *text ? text : "0");
	is_number = number(name, &u.uid);
	found = table_read(root_fd, "etc/passwd", &table) == 0 && table.data &&
	        line_find(table.data, is_number ? 2 : 0, name, fields);
	if (!is_number && (!found || !number(fields[2], &u.uid)))
		return corral_error_set(err, ENOENT, "the image has no user '%.60s'", name);
	if (found) {
		(void)number(fields[3], &u.gid);
		(void)snprintf(u.home, sizeof(u.home), "%s", fields[5]);
	}
	if (group && group[1]) {
		int r = group_find(root_fd, group + 1, &u.gid, err);

		if (r < 0)
			return r;
	}
	*ret = u;
	return 0;
}
