/*
 * A layer's archive made into a tree: whatever it is, it ends, with a reason when it fails; nothing
 * comes to be beside the tree, and nothing in it that no layer may have.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/oci/unpack/extract.h"
#include "kernel/image/oci/unpack_check.h"
#include "kernel/layers/layers.h"
#include "tests/fuzz/fuzz.h"

static void check_alone(int root_fd)
{
	int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	struct dirent *e;

	assert(d);
	while ((e = readdir(d)))
		assert(e->d_name[0] == '.' || strcmp(e->d_name, "tree") == 0);
	(void)closedir(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct extract_options o = { .squash = size % 2, .entries_max = 1000 };
	/* What it says has nowhere to go. */
	struct report report = { .failed = -EPIPE };
	char root[64];
	corral_autofd int tar_fd = memfd_create("tar", MFD_CLOEXEC), root_fd = -1, tree_fd = -1;
	corral_autofd int above_fd = -1;
	struct corral_error err = { 0 };
	char *name;
	uint64_t files = 0;
	int r;

	(void)setlocale(LC_CTYPE, "C.UTF-8");
	(void)snprintf(root, sizeof(root), "%s/corral-fuzz-XXXXXX",
	               access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert(mkdtemp(root));
	root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(tar_fd >= 0 && root_fd >= 0 && mkdirat(root_fd, "tree", 0700) == 0);
	tree_fd = openat(root_fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(write(tar_fd, data, size) == (ssize_t)size && lseek(tar_fd, 0, SEEK_SET) == 0);

	r = extract(tar_fd, tree_fd, &o, &report, &err);
	assert(r == 0 || (r < 0 && err.code && err.text[0]));
	check_alone(root_fd);
	assert(fchmod(tree_fd, 0700) == 0);
	r = corral_unpack_check(tree_fd, 1000ul * 512, &files, &err);
	assert(r == 0 || geteuid() != 0);

	name = strrchr(root, '/');
	*name = '\0';
	above_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(corral_layer_remove(above_fd, name + 1, NULL) == 0);
	return 0;
}
