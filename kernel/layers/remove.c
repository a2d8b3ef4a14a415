#include <errno.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/files/files.h"
#include "kernel/layers/layers.h"

static void files_closep(struct corral_files **f)
{
	corral_files_close(*f);
}

int corral_layer_remove_until(int dir_fd, const char *name, uint64_t deadline_nsec,
                              struct corral_error *err)
{
	const struct corral_files_stop stop = { .deadline_nsec = deadline_nsec };
	corral_auto(files_closep) struct corral_files *files = NULL;
	int r;

	if (strchr(name, '/'))
		return corral_error_set(err, EINVAL, "'%s' is no name in one directory", name);
	r = corral_files_open(dir_fd, CORRAL_FILES_CONFINED, &files, err);
	if (r < 0)
		return r;
	r = corral_files_remove(files, name, CORRAL_FILES_RECURSIVE | CORRAL_FILES_OPEN_CLOSED,
	                        &stop, err);
	return r == -ENOENT ? 0 : r;
}

int corral_layer_remove(int dir_fd, const char *name, struct corral_error *err)
{
	return corral_layer_remove_until(dir_fd, name, 0, err);
}
