#include "policy/runtime_check.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"
#include "policy/guest_path.h"
#include "policy/limits_check.h"
#include "policy/runtime.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

/* Of a text that is refused, so much is shown. */
#define QUOTED_MAX 80

/* As Python writes a text, since that is how these messages are known. */
static void quote(struct corral_buf *b, const char *text)
{
	char mark = strchr(text, '\'') && !strchr(text, '"') ? '"' : '\'';
	size_t at = 0, len = strlen(text);

	corral_buf_add(b, &mark, 1);
	while (at < len && at < QUOTED_MAX) {
		int step = corral_utf8_step((const unsigned char *)text + at, len - at);
		unsigned char c = (unsigned char)text[at];

		if (c == '\n' || c == '\r' || c == '\t')
			corral_buf_fmt(b, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
		else if (c < 0x20 || c == 0x7f || step < 0)
			corral_buf_fmt(b, "\\x%02x", c);
		else if (c == '\\' || c == (unsigned char)mark)
			corral_buf_fmt(b, "\\%c", c);
		else
			corral_buf_add(b, text + at, (size_t)step);
		at += step > 0 ? (size_t)step : 1;
	}
	corral_buf_str(b, at < len ? "..." : "");
	corral_buf_add(b, &mark, 1);
}

/* before 'text' after */
static int refuse(struct corral_error *err, const char *before, const char *text, const char *after)
{
	corral_autobuf struct corral_buf quoted = CORRAL_BUF_INIT;

	quote(&quoted, text);
	if (quoted.failed)
		return corral_error_set(err, ENOMEM, "out of memory");
	return corral_error_set(err, EINVAL, "%s%s%s", before, quoted.data, after);
}

static bool is_printable(const char *text)
{
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
	return corral_utf8_valid(text, strlen(text));
}

int corral_runtime_check_name(const char *name, struct corral_error *err)
{
	return *name && is_printable(name) ? 0 : refuse(err, "Invalid runtime name: ", name, "");
}

int corral_runtime_check_image(const char *image, struct corral_error *err)
{
	return *image && is_printable(image) ? 0 : refuse(err, "Invalid image name: ", image, "");
}

int corral_runtime_check_package(const char *package, struct corral_error *err)
{
	size_t first = strspn(package, LETTERS DIGITS "@") ? 1 : 0;

	if (!first || package[strspn(package, LETTERS DIGITS "._@/+=<>~![]-")])
		return refuse(err, "Invalid package name: ", package, "");
	return 0;
}

int corral_runtime_check_command(const char *command, struct corral_error *err)
{
	if (strpbrk(command, "\r\n"))
		return corral_error_set(err, EINVAL, "setup command contains a newline");
	return 0;
}

int corral_runtime_check_env(const char *name, const char *value, struct corral_error *err)
{
	if (!strspn(name, LETTERS "_") || name[strspn(name, LETTERS DIGITS "_")])
		return refuse(err, "Invalid environment variable name: ", name, "");
	if (strpbrk(value, "\r\n"))
		return refuse(err, "Environment variable ", name, " value contains a newline");
	return 0;
}

int corral_runtime_check_work_dir(const char *path, struct corral_error *err)
{
	corral_autofree char *normal = NULL;

	if (strpbrk(path, ";&|$()<>`\n\r"))
		return refuse(err, "work_dir contains disallowed shell metacharacters: ", path, "");
	return corral_guest_path_normalise(path, &normal, err);
}

int corral_runtime_check_uid(long long uid, struct corral_error *err)
{
	if (uid <= 0)
		return corral_error_set(err, EINVAL, "run_as_uid must be a positive uid, not %lld",
		                        uid);
	if (uid > CORRAL_RUNTIME_UID_MAX)
		return corral_error_set(err, EINVAL, "run_as_uid is at most %u, not %lld",
		                        CORRAL_RUNTIME_UID_MAX, uid);
	return 0;
}

int corral_runtime_check_rootfs(const char *path, struct corral_error *err)
{
	if (!strcmp(path, "host") || (path[0] == '/' && is_printable(path)))
		return 0;
	return refuse(err, "'host' or a directory's absolute path is expected, not ", path, "");
}

static int relative(const char *path, struct corral_error *err)
{
	return refuse(err, "", path, " is relative: a runtime's host paths begin with '/'");
}

int corral_runtime_check_whole(const struct corral_runtime *rt, struct corral_error *err)
{
	const struct corral_config *c = rt->sandbox;
	int r = corral_limits_check(&c->limits, err);

	if (r < 0)
		return corral_error_wrap(err, r, "limits");
	if (rt->has_run_as_uid && (c->user || c->has_user))
		return corral_error_set(err, EINVAL,
		                        "user: run_as_uid says it as well: leave one of them out");
	for (size_t i = 0; i < c->n_mounts; i++)
		if (c->mounts[i].host_path && c->mounts[i].host_path[0] != '/')
			return corral_error_wrap(err, relative(c->mounts[i].host_path, err),
			                         "mounts[%zu].source", i);
	if (c->seccomp && c->seccomp[0] != '/' && strcmp(c->seccomp, "default") != 0 &&
	    strcmp(c->seccomp, "engine") != 0)
		return corral_error_wrap(err, relative(c->seccomp, err), "seccomp");
	return 0;
}
