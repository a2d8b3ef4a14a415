/* Until kernel/layers/ is there. */
#include <sys/wait.h>
static int run_cp(const char *flags, const char *from, const char *to)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		execlp("cp", "cp", flags, from, to, NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return status ? -EIO : 0;
}
int corral_layer_is_empty(const char *path, struct corral_error *err)
{
	int n = 0;
	(void)err;
	for (int i = 0; i < 3; i++) {
		char p[256];
		DIR *d;
		struct dirent *e;
		snprintf(p, sizeof p, "%s/u%d", path, i);
		d = opendir(p);
		while (d && (e = readdir(d)))
			n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
		if (d)
			closedir(d);
	}
	return !n;
}
int corral_layer_merge(const char *upper, const char *lower, const char *path, bool b,
                       struct corral_error *err)
{
	char up[256];
	(void)b;
	(void)err;
	snprintf(up, sizeof up, "%s/.", upper);
	return run_cp("-al", lower, path) < 0 || run_cp("-alf", up, path) < 0 ? -EIO : 0;
}
int corral_layer_remove(int dir_fd, const char *name, struct corral_error *err)
{
	char p[256];
	int status;
	pid_t pid;
	(void)err;
	snprintf(p, sizeof p, "/proc/%d/fd/%d/%s", getpid(), dir_fd, name);
	pid = fork();
	if (pid == 0) {
		execlp("rm", "rm", "-rf", p, NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return status ? -EIO : 0;
}
int corral_layer_usage(const char *path, uint64_t *b, uint64_t *f, struct corral_error *err)
{
	(void)path;
	(void)err;
	*b = *f = 0;
	return 0;
}
int corral_layers_diff(const struct corral_layer_stack *stack,
                       const struct corral_layers_diff_options *options,
                       int (*told)(void *ctx, const struct corral_change *change), void *ctx,
                       struct corral_error *err)
{
	(void)stack;
	(void)options;
	(void)told;
	(void)ctx;
	(void)err;
	return -ENOSYS;
}
