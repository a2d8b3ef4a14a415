/* Where the sessions of this user are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "tools/images/place.h"
#include "tools/message.h"
#include "tools/sandbox_commands.h"
#include "tools/session/commands.h"

#define ROOTS_OWN   "/var/lib/corral"
#define ROOM_BLOCKS 64

int corral_session_root_find(const char *said, char **ret, struct corral_error *err)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	corral_autofree char *path = NULL;
	int n;

	if (said)
		n = asprintf(&path, "%s", said);
	else if (geteuid() == 0)
		n = asprintf(&path, ROOTS_OWN);
	else if (data && data[0] == '/')
		n = asprintf(&path, "%s/corral", data);
	else if (home && home[0] == '/')
		n = asprintf(&path, "%s/.local/share/corral", home);
	else
		return corral_error_set(err, EINVAL,
		                        "neither HOME nor XDG_DATA_HOME says where sessions are "
		                        "to be kept: name a directory with --root DIR");
	if (n < 0) {
		path = NULL;
		return corral_error_sys(err, ENOMEM, "sessions");
	}
	*ret = corral_take_ptr(&path);
	return 0;
}

/* A registry cannot even be read without a little room beside it, of which it speaks in its own
 * words. */
static const char *trouble_of(const char *root)
{
	struct statvfs fs;

	if (!root || statvfs(root, &fs) < 0)
		return NULL;
	if (fs.f_flag & ST_RDONLY)
		return "its file system is read-only: name another directory with --root";
	if (fs.f_bavail < ROOM_BLOCKS || (fs.f_files && !fs.f_favail))
		return "its file system is full: make room on it";
	return NULL;
}

/* What the caller can do about a root that is not to be had. */
static int root_error(const struct corral_options *o, const char *root, int r,
                      struct corral_error *err)
{
	const char *trouble = trouble_of(root);
	struct corral_error why = *err;

	/* One that is full has mostly been said to be. */
	if (trouble && r != -ENOSPC)
		return corral_error_set(err, -r, "%.400s: %s", why.text, trouble);
	if (r != -EROFS && r != -EACCES && r != -ENOENT && r != -ENOTDIR)
		return r;
	return corral_error_set(err, -r, "%.400s: %s", why.text,
	                        o->root ? "name another directory with --root"
	                                : "name a directory of yours with --root DIR");
}

/* Makes a session that is not there, and so the place for it. */
static bool makes(const struct corral_call *call)
{
	switch (call->command->option) {
	case CORRAL_OPTION_SESSION_CREATE:
	case CORRAL_OPTION_SESSION_EXEC:
	case CORRAL_OPTION_SESSION_SHELL:
		return true;
	case CORRAL_OPTION_SESSION_CP:
		return !corral_cp_is_out(call);
	default:
		return false;
	}
}

/* Nobody has made a session there yet; a root that was named and is no directory is a mistake. */
static int none_yet(const struct corral_call *call, const char *root, struct corral_error *err)
{
	if (call->options.root && access(root, F_OK) < 0)
		return root_error(&call->options, root, -ENOENT, err);
	if (call->command->option == CORRAL_OPTION_SESSION_LIST)
		return 0;
	return corral_error_set(err, ENOENT, "no session '%.*s' in '%.200s': there are none yet",
	                        (int)strcspn(call->operands[0], ":"), call->operands[0], root);
}

static int store_open(struct corral_call *call, struct corral_error *err)
{
	corral_autofree char *root = NULL;
	int r = corral_session_root_find(call->options.root, &root, err);

	if (r < 0)
		return r;
	if (makes(call)) {
		r = corral_session_store_open(root, &call->store, err);
	} else {
		r = corral_session_store_open_existing(root, &call->store, err);
		if (r == -ENOENT)
			return none_yet(call, root, err);
	}
	return r < 0 ? root_error(&call->options, root, r, err) : 0;
}

/* One that is too long is left out. */
static void at_fill(struct corral_call *call)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	                            "_./-+:@,=";
	const char *root = call->options.root;
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;

	if (!root)
		return;
	if (!root[strspn(root, plain)]) {
		corral_buf_fmt(&text, " --root %s", root);
	} else {
		corral_buf_str(&text, " --root '");
		for (; *root; root++)
			corral_buf_fmt(&text, *root == '\'' ? "'\\%c'" : "%c", *root);
		corral_buf_str(&text, "'");
	}
	if (!text.failed && text.len < sizeof(call->at))
		(void)snprintf(call->at, sizeof(call->at), "%s", text.data);
}

int corral_session_all_open(struct corral_call *call, struct corral_error *err)
{
	struct corral_error images = { 0 };
	int r;

	at_fill(call);
	r = store_open(call, err);

	if (r < 0)
		return r;
	/* What is wrong with images is no matter of those who have none. */
	if (corral_images_look(&call->images, &images) < 0)
		corral_say("%s", images.text);
	if (call->store)
		corral_session_store_set_images(call->store, call->images);
	return corral_sandboxes_open(&call->sandboxes, err);
}

void corral_session_all_close(struct corral_call *call)
{
	corral_session_store_close(call->store);
	corral_image_store_close(call->images);
	corral_sandboxes_close(&call->sandboxes);
}
