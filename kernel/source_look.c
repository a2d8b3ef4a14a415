/*
 * A look at the host's side of a policy before anything is made: whoever names a directory that is
 * not there hears so in the option's words, whatever step would have met it. The launch itself
 * trusts none of this.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/source.h"

static int look(const char *label, const char *path, bool directory, struct corral_error *err)
{
	struct stat st;

	if (stat(path, &st) < 0 && errno == ENOENT)
		return corral_error_set(
		        err, ENOENT,
		        "%s '%s': No such file or directory: make it first, or name "
		        "another",
		        label, path);
	if (stat(path, &st) < 0)
		return corral_error_sys(err, errno, "%s '%s'", label, path);
	if (directory && !S_ISDIR(st.st_mode))
		return corral_error_set(err, ENOTDIR, "%s '%s': it is no directory: name one",
		                        label, path);
	if (directory && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return corral_error_sys(err, errno, "%s '%s': enter it", label, path);
	return 0;
}

/* Of two real paths. */
static bool holds(const char *outer, const char *inner)
{
	size_t len = strlen(outer);

	return !strncmp(outer, inner, len) &&
	       (inner[len] == '/' || !inner[len] || !strcmp(outer, "/"));
}

static int apart(const char *kept_label, const char *kept_path, const char *label, const char *path,
                 struct corral_error *err)
{
	corral_autofree char *kept = realpath(kept_path, NULL), *other = realpath(path, NULL);

	if (!kept || !other || (!holds(kept, other) && !holds(other, kept)))
		return 0;
	return corral_error_set(err, EINVAL,
	                        "%s '%s' and %s '%s': one lies in the other: choose directories "
	                        "beside each other",
	                        kept_label, kept_path, label, path);
}

/* What a guest can write to must not be what its next root is made of. */
static int apart_from_kept(const struct corral_policy *p, const char *label, const char *path,
                           struct corral_error *err)
{
	int r = apart("--keep", p->keep_path, label, path, err);

	for (size_t i = 0; r == 0 && i < p->n_layers; i++)
		r = apart("layer", p->layer_paths[i], label, path, err);
	return r;
}

int corral_sources_look(const struct corral_policy *p, struct corral_error *err)
{
	int r = 0;

	if (!p->rootfs_is_host)
		r = look(p->rootfs_is_image ? "image" : "--rootfs", p->rootfs_path, true, err);
	if (r == 0 && p->workspace_path)
		r = look("--workspace", p->workspace_path, true, err);
	if (r == 0 && p->keep_path)
		r = look("--keep", p->keep_path, true, err);
	for (size_t i = 0; r == 0 && i < p->n_layers; i++)
		r = look("layer", p->layer_paths[i], true, err);
	for (size_t i = 0; r == 0 && i < p->n_mounts; i++)
		if (p->mounts[i].kind != CORRAL_MOUNT_TMPFS)
			r = look(p->mounts[i].kind == CORRAL_MOUNT_BIND ? "--bind" : "--ro-bind",
			         p->mounts[i].host_path, false, err);
	if (r == 0 && p->keep_path && !p->rootfs_is_host)
		r = apart_from_kept(p, "--rootfs", p->rootfs_path, err);
	if (r == 0 && p->keep_path && p->workspace_path)
		r = apart_from_kept(p, "--workspace", p->workspace_path, err);
	for (size_t i = 0; r == 0 && p->keep_path && i < p->n_mounts; i++)
		if (p->mounts[i].kind == CORRAL_MOUNT_BIND)
			r = apart_from_kept(p, "--bind", p->mounts[i].host_path, err);
	return r;
}
