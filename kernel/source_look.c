/*
 * A look at the host's side of a policy before anything is made: whoever names a directory that is
 * not there hears so in the option's words, whatever step would have met it. The launch itself
 * trusts none of this.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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

int corral_sources_look(const struct corral_policy *p, struct corral_error *err)
{
	int r = 0;

	if (!p->rootfs_is_host)
		r = look("--rootfs", p->rootfs_path, true, err);
	if (r == 0 && p->workspace_path)
		r = look("--workspace", p->workspace_path, true, err);
	if (r == 0 && p->keep_path)
		r = look("--keep", p->keep_path, true, err);
	for (size_t i = 0; r == 0 && i < p->n_mounts; i++)
		if (p->mounts[i].kind != CORRAL_MOUNT_TMPFS)
			r = look(p->mounts[i].kind == CORRAL_MOUNT_BIND ? "--bind" : "--ro-bind",
			         p->mounts[i].host_path, false, err);
	return r;
}
