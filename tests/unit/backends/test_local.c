/* What is particular to files in a directory of the machine: where it begins and ends. */
#include "tests/unit/backends/local_support.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/support.h"

static void assert_refused(struct place *p, const char *path)
{
	const struct corral_files_edit edit = { "secret", 6, "x", 1, true };
	struct corral_files_grep grep = { .pattern = "secret", .path = path };
	struct corral_files_matches found = { 0 };
	struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_files_rows rows = { 0 };
	uint64_t n;

	FAILS(p, corral_backend_read(p->b, path, 0, 0, &b, &p->err), EXDEV, "Access denied: '");
	FAILS(p, corral_backend_read_bytes(p->b, path, 0, &b, &p->err), EXDEV,
	      "' is outside allowed directories (");
	FAILS(p, corral_backend_edit(p->b, path, &edit, &n, &p->err), EXDEV, p->root);
	FAILS(p, corral_backend_grep(p->b, &grep, &found, &p->err), EXDEV, path);
	assert_int_equal(corral_backend_ls(p->b, path, &rows, &p->err), -EXDEV);
	assert_int_equal(corral_backend_write(p->b, path, "x", 1, &p->err), -EXDEV);
	assert_false(corral_backend_exists(p->b, path));
	assert_true(b.len == 0 && rows.n == 0 && found.n == 0);
}

static void paths_that_lead_out_are_refused(void **state)
{
	struct place *p = *state;
	char path[128];

	put(p, "d/f", "x");
	assert_refused(p, "../secret.txt");
	assert_refused(p, "d/../../secret.txt");
	(void)snprintf(path, sizeof(path), "%s/secret.txt", p->top);
	assert_refused(p, path);
	(void)snprintf(path, sizeof(path), "%s/root/../secret.txt", p->top);
	assert_refused(p, path);
	(void)snprintf(path, sizeof(path), "%s/root-and-more", p->top);
	assert_refused(p, path);
	assert_refused(p, "/etc/passwd");
}

static void links_that_lead_out_are_refused(void **state)
{
	struct place *p = *state;
	char target[128];

	(void)snprintf(target, sizeof(target), "%s/secret.txt", p->top);
	assert_int_equal(symlinkat(target, p->fd, "absolute"), 0);
	assert_int_equal(symlinkat("../secret.txt", p->fd, "relative"), 0);
	assert_int_equal(symlinkat("relative", p->fd, "chain"), 0);
	assert_int_equal(symlinkat(p->top, p->fd, "dir"), 0);
	assert_refused(p, "absolute");
	assert_refused(p, "relative");
	assert_refused(p, "chain");
	assert_refused(p, "dir/secret.txt");
	assert_int_equal(corral_backend_write(p->b, "dir/new/x", "x", 1, &p->err), -EXDEV);
	assert_int_equal(corral_backend_mkdir(p->b, "dir/new", &p->err), -EXDEV);
	(void)snprintf(target, sizeof(target), "%s/new", p->top);
	assert_int_equal(access(target, F_OK), -1);
	/* The link itself is the root's own, and goes. */
	OK(p, corral_backend_remove(p->b, "absolute", 0, &p->err));
	(void)snprintf(target, sizeof(target), "%s/secret.txt", p->top);
	assert_int_equal(access(target, F_OK), 0);
}

static void links_that_stay_inside_are_followed(void **state)
{
	struct place *p = *state;
	char path[128];

	put(p, "d/f", "inside\n");
	(void)snprintf(path, sizeof(path), "%s/d/f", p->root);
	assert_int_equal(symlinkat(path, p->fd, "absolute"), 0);
	assert_int_equal(symlinkat("d", p->fd, "dir"), 0);
	assert_file(p, p->b, "absolute", "inside\n");
	assert_file(p, p->b, "dir/f", "inside\n");
	assert_file(p, p->b, path, "inside\n");
	/* What ".." is above is the kernel's word: the directory, not the link. */
	assert_file(p, p->b, "dir/../d/f", "inside\n");
	put(p, "absolute", "through");
	assert_file(p, p->b, "d/f", "through");
}

static void magic_links_lead_nowhere(void **state)
{
	struct place *p = *state;
	struct corral_buf b = CORRAL_BUF_INIT;
	char target[64];
	corral_autofd int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	(void)snprintf(target, sizeof(target), "/proc/self/fd/%d", fd);
	assert_int_equal(symlinkat(target, p->fd, "magic"), 0);
	assert_int_equal(symlinkat("/proc/self/root/etc/passwd", p->fd, "root"), 0);
	assert_refused(p, "magic");
	assert_refused(p, "root");
	assert_refused(p, target);
	/* Also where /proc is allowed. */
	{
		const char *const proc[] = { "/proc" };
		const struct corral_local_options o = { .allowed_dirs = proc, .n_allowed_dirs = 1 };

		OK(p, corral_local_backend_new(&o, &p->further, &p->err));
	}
	assert_true(corral_backend_read(p->further, target, 0, 0, &b, &p->err) < 0);
	assert_true(corral_backend_read(p->further, "/proc/self/root/etc/passwd", 0, 0, &b,
	                                &p->err) < 0);
	OK(p, corral_backend_read(p->further, "/proc/version", 0, 0, &b, &p->err));
	assert_non_null(strstr(b.data, "Linux"));
	corral_buf_done(&b);
}

static void f04_f05_links_that_lead_nowhere_are_left_out_alone(void **state)
{
	struct corral_files_rows rows = { 0 };
	struct place *p = *state;

	put(p, "a", "x");
	put(p, "z", "x");
	assert_int_equal(symlinkat("none", p->fd, "dangling"), 0);
	assert_int_equal(symlinkat("../secret.txt", p->fd, "outward"), 0);
	assert_int_equal(symlinkat("loop", p->fd, "loop"), 0);
	OK(p, corral_backend_ls(p->b, "", &rows, &p->err));
	assert_int_equal(rows.n, 2);
	assert_string_equal(rows.rows[0].name, "a");
	assert_string_equal(rows.rows[1].name, "z");
	corral_files_rows_done(&rows);
	OK(p, corral_backend_glob(p->b, "*", "", 0, &rows, &p->err));
	assert_int_equal(rows.n, 2);
	corral_files_rows_done(&rows);
}

static void special_files_are_not_opened(void **state)
{
	struct corral_buf b = CORRAL_BUF_INIT;
	struct place *p = *state;

	assert_int_equal(mkfifoat(p->fd, "fifo", 0600), 0);
	FAILS(p, corral_backend_read(p->b, "fifo", 0, 0, &b, &p->err), EINVAL,
	      "'fifo' is not a regular file");
	FAILS(p, corral_backend_write(p->b, "fifo", "x", 1, &p->err), EINVAL,
	      "'fifo' is not a regular file");
}

static void f26_hidden_is_what_lies_below_the_root(void **state)
{
	struct corral_files_grep grep = { .pattern = "x", .flags = CORRAL_FILES_IGNORE_HIDDEN };
	struct corral_files_matches found = { 0 };
	struct corral_local_options o = { .no_cgroup = true };
	struct place *p = *state;
	char root[128];

	(void)snprintf(root, sizeof(root), "%s/.hidden/build", p->top);
	o.root_dir = root;
	OK(p, corral_local_backend_new(&o, &p->further, &p->err));
	OK(p, corral_backend_write(p->further, "src/f", "x\n", 2, &p->err));
	OK(p, corral_backend_write(p->further, "build/f", "x\n", 2, &p->err));
	OK(p, corral_backend_grep(p->further, &grep, &found, &p->err));
	assert_int_equal(found.n, 1);
	assert_non_null(strstr(found.matches[0].path, "/.hidden/build/src/f"));
	corral_files_matches_done(&found);
}

/* --- Allowed directories --- */

static void make_allowing(struct place *p, const char *const *dirs, size_t n)
{
	const struct corral_local_options o = {
		.root_dir = p->root,
		.allowed_dirs = dirs,
		.n_allowed_dirs = n,
		.no_cgroup = true,
	};

	OK(p, corral_local_backend_new(&o, &p->further, &p->err));
}

static void further_directories_are_allowed(void **state)
{
	struct place *p = *state;
	const char *const dirs[] = { p->root, p->other };
	char path[160];

	make_allowing(p, dirs, 2);
	(void)snprintf(path, sizeof(path), "%s/d/f", p->other);
	OK(p, corral_backend_write(p->further, path, "other", 5, &p->err));
	assert_file(p, p->further, path, "other");
	assert_file(p, p->further, "../other/d/f", "other");
	FAILS(p, corral_backend_write(p->further, "../secret.txt", "x", 1, &p->err), EXDEV,
	      "Access denied: '../secret.txt' is outside allowed directories (");
	/* A link into another of them. */
	assert_int_equal(symlinkat(p->other, p->fd, "link"), 0);
	assert_file(p, p->further, "link/d/f", "other");
	OK(p, corral_backend_write(p->further, "link/new", "new", 3, &p->err));
	(void)snprintf(path, sizeof(path), "%s/new", p->other);
	assert_file(p, p->further, path, "new");
	assert_int_equal(corral_backend_rename(p->further, path, "moved", 0, &p->err), -EOPNOTSUPP);
}

static void root_is_not_allowed_by_itself(void **state)
{
	struct place *p = *state;
	const char *const dirs[] = { p->other };
	struct corral_buf b = CORRAL_BUF_INIT;

	put(p, "f", "x");
	make_allowing(p, dirs, 1);
	assert_string_equal(corral_backend_root_path(p->further), p->root);
	FAILS(p, corral_backend_read(p->further, "f", 0, 0, &b, &p->err), EXDEV, p->other);
	OK(p, corral_backend_write(p->further, "../other/f", "x", 1, &p->err));
}

/* --- Somebody else at work --- */

struct swapper {
	const struct place *p;
	bool stop;
};

/* Puts a link to the outside in the place of a directory, and takes it away, as fast as it can. */
static void *swap(void *arg)
{
	struct swapper *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		(void)renameat2(s->p->fd, "d", s->p->fd, "link", RENAME_EXCHANGE);
	}
	return NULL;
}

static void link_swapped_in_during_the_call_leads_nowhere(void **state)
{
	struct place *p = *state;
	struct swapper s = { .p = p };
	unsigned int inside = 0, refused = 0;
	char outside[128];
	pthread_t thread;

	put(p, "d/secret.txt", "inside\n");
	assert_int_equal(symlinkat("..", p->fd, "link"), 0);
	assert_int_equal(pthread_create(&thread, NULL, swap, &s), 0);
	for (int i = 0; i < corral_test_times(3000); i++) {
		struct corral_buf b = CORRAL_BUF_INIT;

		if (corral_backend_read_bytes(p->b, "d/secret.txt", 0, &b, &p->err) == 0) {
			assert_string_equal(b.data, "inside\n");
			inside++;
		} else {
			assert_int_equal(b.len, 0);
			refused++;
		}
		corral_buf_done(&b);
		(void)corral_backend_write(p->b, "d/written.txt", "x", 1, &p->err);
	}
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	(void)pthread_join(thread, NULL);
	(void)snprintf(outside, sizeof(outside), "%s/written.txt", p->top);
	assert_int_equal(access(outside, F_OK), -1);
	print_message("%u read inside, %u refused\n", inside, refused);
}

static void full_disk_leaves_the_old_file(void **state)
{
	struct rlimit before, small = { .rlim_cur = 100000, .rlim_max = RLIM_INFINITY };
	struct corral_files_rows rows = { 0 };
	struct place *p = *state;
	size_t len = 1u << 20;
	char *data = calloc(1, len);

	assert_non_null(data);
	put(p, "f", "old");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(corral_backend_write(p->b, "f", data, len, &p->err), -EFBIG);
	assert_int_equal(corral_backend_write(p->b, "new", data, len, &p->err), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_file(p, p->b, "f", "old");
	OK(p, corral_backend_ls(p->b, "", &rows, &p->err));
	assert_int_equal(rows.n, 1);
	corral_files_rows_done(&rows);
	free(data);
}

static long killing_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	unsigned int *left = ctx;

	(void)err;
	if (!(*left)--)
		(void)raise(SIGKILL);
	memset(data, 'x', size);
	return (long)size;
}

static void killed_writer_leaves_the_old_file_and_nothing_else(void **state)
{
	unsigned int left = 3;
	const struct corral_files_source source = { killing_get, &left };
	struct corral_files_rows rows = { 0 };
	struct place *p = *state;
	int status = 0;
	pid_t pid;

	put(p, "f", "old");
	pid = fork();
	if (pid == 0) {
		(void)corral_backend_write_stream(p->b, "f", 0, &source, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_file(p, p->b, "f", "old");
	OK(p, corral_backend_ls(p->b, "", &rows, &p->err));
	assert_int_equal(rows.n, 1);
	corral_files_rows_done(&rows);
}

static void directory_that_cannot_be_had_is_said(void **state)
{
	struct corral_local_options o = { 0 };
	struct place *p = *state;
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/secret.txt", p->top);
	o.root_dir = path;
	FAILS(p, corral_local_backend_new(&o, &p->further, &p->err), ENOTDIR, "open directory '/");
	assert_null(p->further);
	(void)snprintf(path, sizeof(path), "%s/secret.txt/below", p->top);
	FAILS(p, corral_local_backend_new(&o, &p->further, &p->err), ENOTDIR, "Not a directory");
	o = (struct corral_local_options) { .root_dir = p->root, .no_execute = true };
	OK(p, corral_local_backend_new(&o, &p->further, &p->err));
	assert_false(corral_backend_can(p->further, CORRAL_BACKEND_CAN_EXECUTE));
	assert_false(corral_local_backend_kills_all(p->further));
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {
		ROW(paths_that_lead_out_are_refused),
		ROW(links_that_lead_out_are_refused),
		ROW(links_that_stay_inside_are_followed),
		ROW(magic_links_lead_nowhere),
		ROW(f04_f05_links_that_lead_nowhere_are_left_out_alone),
		ROW(special_files_are_not_opened),
		ROW(f26_hidden_is_what_lies_below_the_root),
		ROW(further_directories_are_allowed),
		ROW(root_is_not_allowed_by_itself),
		ROW(link_swapped_in_during_the_call_leads_nowhere),
		ROW(full_disk_leaves_the_old_file),
		ROW(killed_writer_leaves_the_old_file_and_nothing_else),
		ROW(directory_that_cannot_be_had_is_said),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
