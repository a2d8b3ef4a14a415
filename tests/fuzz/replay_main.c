/* Runs every file of the given corpus folders through the fuzz target; an empty corpus is a
 * mistake. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (4u << 20)

static int replay_file(int dir_fd, const char *name)
{
	corral_autofd int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	corral_autobuf struct corral_buf input = CORRAL_BUF_INIT;
	corral_autofree uint8_t *exact = NULL;
	int r;

	if (fd < 0)
		return -errno;
	r = corral_buf_read_fd(&input, fd, INPUT_MAX);
	if (r < 0)
		return r;
	/* Without the buffer's closing NUL, so that reading one byte too far is seen. */
	exact = malloc(input.len ? input.len : 1);
	if (!exact)
		return -ENOMEM;
	if (input.len)
		memcpy(exact, input.data, input.len);
	(void)LLVMFuzzerTestOneInput(exact, input.len);
	return 0;
}

static int replay_folder(const char *path, size_t *count)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		r = replay_file(dirfd(dir), entry->d_name);
		if (r < 0)
			(void)fprintf(stderr, "%s/%s: %s\n", path, entry->d_name,
			              strerrordesc_np(-r));
		else
			++*count;
	}
	(void)closedir(dir);
	return r;
}

int main(int argc, char **argv)
{
	size_t count = 0;

	for (int i = 1; i < argc; i++) {
		int r = replay_folder(argv[i], &count);

		if (r < 0) {
			(void)fprintf(stderr, "%s: %s\n", argv[i], strerrordesc_np(-r));
			return 1;
		}
	}
	(void)printf("%zu inputs\n", count);
	return count ? 0 : 1;
}
