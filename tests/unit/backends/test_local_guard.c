/* What the guard is asked about, and that nothing of what it refuses gets through. */
#include <fnmatch.h>
#include <pthread.h>

#include "tests/unit/backends/local_support.h"

#include "tests/support.h"

/* Refuses paths and commands by patterns, and remembers what it was asked. */
struct rules {
	enum corral_backend_op op; /* 0: all */
	const char *denied;        /* of the resolved path, or the command */
	pthread_mutex_t lock;
	unsigned int n_asked, n_named;
	char last[600];
};

static int check(void *ctx, enum corral_backend_op op, const char *written, const char *resolved,
                 struct corral_error *err)
{
	struct rules *r = ctx;
	const char *target = resolved ? resolved : written;
	bool denied = (!r->op || r->op == op) && r->denied && !fnmatch(r->denied, target, 0);

	pthread_mutex_lock(&r->lock);
	r->n_asked++;
	r->n_named += written != NULL;
	(void)snprintf(r->last, sizeof(r->last), "%s %s %s", corral_backend_op_name(op),
	               written ? written : "-", resolved ? resolved : "-");
	pthread_mutex_unlock(&r->lock);
	return denied ? corral_error_set(err, EACCES, "Permission denied for %s on '%s'",
	                                 corral_backend_op_name(op), target)
	              : 0;
}

static void guarded(struct place *p, struct rules *r)
{
	struct corral_local_options o = { .root_dir = p->root,
		                          .no_cgroup = true,
		                          .guard = { check, r } };

	(void)pthread_mutex_init(&r->lock, NULL);
	OK(p, corral_local_backend_new(&o, &p->further, &p->err));
	put(p, ".env", "KEY=secret\n");
	put(p, "app/.env", "KEY=secret\n");
	put(p, "app/main.py", "KEY=public\n");
}

static void every_operation_asks_once_about_the_path(void **state)
{
	const struct corral_files_edit edit = { "public", 6, "x", 1, true };
	struct corral_files_grep grep = { .pattern = "x", .path = "app/main.py" };
	struct corral_files_matches found = { 0 };
	struct corral_files_rows rows = { 0 };
	struct corral_buf b = CORRAL_BUF_INIT;
	struct rules r = { 0 };
	struct place *p = *state;
	char wanted[600];
	uint64_t n;

#define ASKS(call, op, path)                                                                 \
	do {                                                                                 \
		r.n_asked = 0;                                                               \
		OK(p, (call));                                                               \
		(void)snprintf(wanted, sizeof(wanted), "%s %s %s/%s", (op), (path), p->root, \
		               (path));                                                      \
		assert_int_equal(r.n_asked, 1);                                              \
		assert_string_equal(r.last, wanted);                                         \
	} while (0)

	guarded(p, &r);
	ASKS(corral_backend_read(p->further, "app/main.py", 0, 0, &b, &p->err), "read",
	     "app/main.py");
	ASKS(corral_backend_read_bytes(p->further, "app/main.py", 0, &b, &p->err), "read",
	     "app/main.py");
	ASKS(corral_backend_edit(p->further, "app/main.py", &edit, &n, &p->err), "edit",
	     "app/main.py");
	ASKS(corral_backend_write(p->further, "new/f", "x", 1, &p->err), "write", "new/f");
	ASKS(corral_backend_mkdir(p->further, "made", &p->err), "write", "made");
	ASKS(corral_backend_ls(p->further, "made", &rows, &p->err), "ls", "made");
	corral_files_rows_done(&rows);
	ASKS(corral_backend_glob(p->further, "*", "made", 0, &rows, &p->err), "glob", "made");
	ASKS(corral_backend_remove(p->further, "made", 0, &p->err), "write", "made");
	/* What a search would show the content of is asked about as a read, too. */
	r.n_asked = 0;
	OK(p, corral_backend_grep(p->further, &grep, &found, &p->err));
	assert_int_equal(r.n_asked, 2);
	corral_files_matches_done(&found);
	corral_files_rows_done(&rows);
	corral_buf_done(&b);
	assert_false(corral_backend_can(p->further, CORRAL_BACKEND_CAN_ARCHIVE));
}

static void refused_file_is_not_read_written_or_moved(void **state)
{
	const struct corral_files_edit edit = { "secret", 6, "x", 1, true };
	struct corral_buf b = CORRAL_BUF_INIT;
	struct rules r = { .denied = "*/.env" };
	struct place *p = *state;
	uint64_t n;

	guarded(p, &r);
	FAILS(p, corral_backend_read(p->further, ".env", 0, 0, &b, &p->err), EACCES,
	      "Permission denied for read on '/");
	FAILS(p, corral_backend_read_bytes(p->further, "app/.env", 0, &b, &p->err), EACCES,
	      "Permission denied for read on '/");
	FAILS(p, corral_backend_write(p->further, ".env", "x", 1, &p->err), EACCES,
	      "Permission denied for write on '/");
	FAILS(p, corral_backend_edit(p->further, ".env", &edit, &n, &p->err), EACCES,
	      "Permission denied for edit on '/");
	FAILS(p, corral_backend_write(p->further, "none/.env", "x", 1, &p->err), EACCES,
	      "Permission denied for write on '/");
	FAILS(p, corral_backend_remove(p->further, ".env", 0, &p->err), EACCES,
	      "Permission denied");
	FAILS(p, corral_backend_rename(p->further, ".env", "x", 0, &p->err), EACCES,
	      "Permission denied");
	FAILS(p, corral_backend_rename(p->further, "app/main.py", ".env", 0, &p->err), EACCES,
	      "Permission denied");
	/* Nor with the directory that it is in. */
	FAILS(p, corral_backend_rename(p->further, "app", "x", 0, &p->err), EACCES,
	      "Permission denied");
	FAILS(p, corral_backend_remove(p->further, "app", CORRAL_FILES_RECURSIVE, &p->err), EACCES,
	      "Permission denied");
	assert_int_equal(b.len, 0);
	assert_file(p, p->b, ".env", "KEY=secret\n");
	assert_file(p, p->b, "app/.env", "KEY=secret\n");
	assert_int_equal(faccessat(p->fd, "none", F_OK, 0), -1);
}

static void what_may_not_be_read_may_not_be_renamed_readable(void **state)
{
	struct rules r = { .op = CORRAL_BACKEND_OP_READ, .denied = "*/.env" };
	struct place *p = *state;

	guarded(p, &r);
	FAILS(p, corral_backend_rename(p->further, ".env", "x", 0, &p->err), EACCES,
	      "Permission denied for read on");
	FAILS(p, corral_backend_rename(p->further, "app", "x", 0, &p->err), EACCES,
	      "Permission denied for read on");
}

static void refused_file_has_no_matches(void **state)
{
	struct corral_files_grep grep = { .pattern = "KEY" };
	struct corral_files_matches found = { 0 };
	struct rules r = { .op = CORRAL_BACKEND_OP_READ, .denied = "*/.env" };
	struct place *p = *state;

	guarded(p, &r);
	OK(p, corral_backend_grep(p->further, &grep, &found, &p->err));
	assert_int_equal(found.n, 1);
	assert_non_null(strstr(found.matches[0].path, "main.py"));
	corral_files_matches_done(&found);
	grep.path = ".env";
	FAILS(p, corral_backend_grep(p->further, &grep, &found, &p->err), EACCES,
	      "Permission denied for read on");
	r.op = CORRAL_BACKEND_OP_GREP;
	FAILS(p, corral_backend_grep(p->further, &grep, &found, &p->err), EACCES,
	      "Permission denied for grep on");
	assert_int_equal(found.n, 0);
}

static void refused_entry_is_not_listed(void **state)
{
	struct corral_files_rows rows = { 0 };
	struct rules r = { .denied = "*/.env" };
	struct place *p = *state;

	guarded(p, &r);
	assert_int_equal(symlinkat("../.env", p->fd, "app/innocent"), 0);
	OK(p, corral_backend_ls(p->further, "app", &rows, &p->err));
	assert_int_equal(rows.n, 1);
	assert_string_equal(rows.rows[0].name, "main.py");
	corral_files_rows_done(&rows);
	OK(p, corral_backend_glob(p->further, "**", "", CORRAL_FILES_HIDDEN, &rows, &p->err));
	assert_int_equal(rows.n, 1);
	corral_files_rows_done(&rows);
	/* The directory itself: failure is no empty answer. */
	r.denied = "*/app";
	FAILS(p, corral_backend_ls(p->further, "app", &rows, &p->err), EACCES,
	      "Permission denied for ls on");
}

static void link_does_not_get_around_the_guard(void **state)
{
	struct corral_buf b = CORRAL_BUF_INIT;
	struct rules r = { .denied = "*/.env" };
	struct place *p = *state;

	guarded(p, &r);
	assert_int_equal(symlinkat(".env", p->fd, "innocent"), 0);
	assert_int_equal(symlinkat("app", p->fd, "dir"), 0);
	FAILS(p, corral_backend_read(p->further, "innocent", 0, 0, &b, &p->err), EACCES,
	      "Permission denied for read on");
	FAILS(p, corral_backend_write(p->further, "innocent", "x", 1, &p->err), EACCES,
	      "Permission denied for write on");
	FAILS(p, corral_backend_read(p->further, "app/../.env", 0, 0, &b, &p->err), EACCES,
	      "Permission denied");
	/* By the other of its names. */
	r.denied = "*/app/*";
	FAILS(p, corral_backend_read(p->further, "dir/main.py", 0, 0, &b, &p->err), EACCES,
	      "Permission denied");
	FAILS(p, corral_backend_remove(p->further, "dir/main.py", 0, &p->err), EACCES,
	      "Permission denied");
	FAILS(p, corral_backend_rename(p->further, "dir/main.py", "x", 0, &p->err), EACCES,
	      "Permission denied");
	assert_int_equal(b.len, 0);
	assert_file(p, p->b, ".env", "KEY=secret\n");
}

struct swapper {
	const struct place *p;
	bool stop;
};

/* Puts a link to the refused file in the place of another, and that back, as fast as it can. */
static void *swap(void *arg)
{
	struct swapper *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		(void)!symlinkat(".env", s->p->fd, "next");
		(void)renameat(s->p->fd, "next", s->p->fd, "shown");
		host_text(s->p->root, "next", "public\n");
		(void)renameat(s->p->fd, "next", s->p->fd, "shown");
	}
	return NULL;
}

static void link_swapped_in_does_not_get_around_the_guard(void **state)
{
	struct corral_files_grep grep = { .pattern = "secret" };
	struct rules r = { .denied = "*/.env" };
	struct place *p = *state;
	struct swapper s = { .p = p };
	pthread_t thread;

	guarded(p, &r);
	put(p, "shown", "public\n");
	assert_int_equal(pthread_create(&thread, NULL, swap, &s), 0);
	for (int i = 0; i < corral_test_times(2000); i++) {
		struct corral_files_matches found = { 0 };
		struct corral_buf b = CORRAL_BUF_INIT;

		if (corral_backend_read_bytes(p->further, "shown", 0, &b, &p->err) == 0)
			assert_string_equal(b.data, "public\n");
		else
			assert_int_equal(b.len, 0);
		corral_buf_done(&b);
		grep.path = i % 2 ? "shown" : "";
		if (corral_backend_grep(p->further, &grep, &found, &p->err) == 0)
			assert_int_equal(found.n, 0);
		corral_files_matches_done(&found);
		(void)corral_backend_write(p->further, "shown", "public\n", 7, &p->err);
	}
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	(void)pthread_join(thread, NULL);
	assert_file(p, p->b, ".env", "KEY=secret\n");
}

static void refused_command_does_not_run(void **state)
{
	struct corral_execute x = { .command = "touch ran", .timeout_ms = 20000 };
	char *const argv[] = { (char *)"touch", (char *)"ran", NULL };
	struct corral_buf text = CORRAL_BUF_INIT;
	struct corral_background bg;
	struct corral_executed e;
	struct rules r = { .op = CORRAL_BACKEND_OP_EXECUTE, .denied = "touch *" };
	struct place *p = *state;

	guarded(p, &r);
	FAILS(p, corral_backend_execute(p->further, &x, &e, &p->err), EACCES,
	      "Permission denied for execute on 'touch ran'");
	assert_int_equal(e.exit_code, 1);
	corral_executed_text(&e, &p->err, &text);
	assert_string_equal(text.data, "Error: Permission denied for execute on 'touch ran'");
	corral_buf_done(&text);
	corral_executed_done(&e);
	x = (struct corral_execute) { .argv = argv, .timeout_ms = 20000 };
	FAILS(p, corral_backend_execute(p->further, &x, &e, &p->err), EACCES, "'touch ran'");
	corral_executed_done(&e);
	FAILS(p, corral_backend_background_start(p->further, "touch ran", &bg, &p->err), EACCES,
	      "'touch ran'");
	assert_int_equal(faccessat(p->fd, "ran", F_OK, 0), -1);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {
		ROW(every_operation_asks_once_about_the_path),
		ROW(refused_file_is_not_read_written_or_moved),
		ROW(what_may_not_be_read_may_not_be_renamed_readable),
		ROW(refused_file_has_no_matches),
		ROW(refused_entry_is_not_listed),
		ROW(link_does_not_get_around_the_guard),
		ROW(link_swapped_in_does_not_get_around_the_guard),
		ROW(refused_command_does_not_run),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
