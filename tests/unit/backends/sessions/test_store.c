/* What backends/sessions/store.h promises of sessions and their states. */
#include "tests/unit/backends/sessions/store_support.h"

#include <sched.h>
#include <sys/mount.h>

static void place_store_close(struct place *p)
{
	corral_session_store_close(p->store);
	p->store = NULL;
}

static void ids_are_of_a_few_characters(void **state)
{
	struct place *p = *state;
	char longest[CORRAL_SESSION_ID_SIZE + 1];
	const char *const bad[] = {
		"", ".", "..", ".a", "-a", "_a", "a/b", "a b", "\xc3\xa4", "a\n"
	};

	for (size_t i = 0; i < CORRAL_COUNT(bad); i++)
		FAILS(p, corral_session_id_check(bad[i], &p->err), EINVAL, "session id '");
	FAILS(p, corral_session_id_check(NULL, &p->err), EINVAL, "session id ''");
	memset(longest, 'a', sizeof(longest));
	longest[CORRAL_SESSION_ID_SIZE] = '\0';
	FAILS(p, corral_session_id_check(longest, &p->err), EINVAL, "1 to 64");
	longest[CORRAL_SESSION_ID_SIZE - 1] = '\0';
	OK(p, corral_session_id_check(longest, &p->err));
	OK(p, corral_session_id_check("A.b_c-9", &p->err));
}

static void what_was_made_is_found_again_by_another_process(void **state)
{
	struct place *p = *state;
	struct corral_session_record r = { 0 };
	struct corral_session_order o = { .id = "a",
		                          .runtime = p->runtime,
		                          .isolation = CORRAL_ISOLATION_NATIVE,
		                          .reason = "because",
		                          .tenant = "t",
		                          .history = true };

	OK(p, corral_session_store_create(p->store, &o, &r, &p->err));
	corral_session_record_done(&r);
	FAILS(p, corral_session_store_create(p->store, &o, NULL, &p->err), EEXIST,
	      "Session exists: a");
	OK(p, corral_session_store_touch(p->store, "a", 12345, &p->err));
	OK(p, corral_session_store_set_closed(p->store, "a", true, &p->err));
	OK(p, corral_session_store_set_data(p->store, "a", UINT64_MAX - 1, &p->err));
	place_reopen(p);
	OK(p, corral_session_store_find(p->store, "a", &r, &p->err));
	assert_string_equal(r.id, "a");
	assert_string_equal(r.tenant, "t");
	assert_string_equal(r.reason, "because");
	assert_string_equal(r.runtime->name, "host");
	assert_int_equal(r.isolation, CORRAL_ISOLATION_NATIVE);
	assert_true(r.history && r.closed && !r.running);
	assert_true(r.created_ms > 1600000000000 && r.active_ms == 12345);
	assert_int_equal(r.n_layers, 1);
	assert_true(r.data == UINT64_MAX - 1);
	corral_session_record_done(&r);
	FAILS(p, corral_session_store_find(p->store, "b", &r, &p->err), ENOENT,
	      "No such session: b");
	FAILS(p, corral_session_store_touch(p->store, "b", 1, &p->err), ENOENT,
	      "No such session: b");
	FAILS(p, corral_session_store_remove(p->store, "b", &p->err), ENOENT, "No such session: b");
	FAILS(p, corral_session_store_find(p->store, "../a", &r, &p->err), EINVAL, "session id");
}

static void without_an_id_one_is_chosen(void **state)
{
	struct place *p = *state;
	struct corral_session_record r = { 0 };
	struct corral_session_order o = { .runtime = p->runtime,
		                          .isolation = CORRAL_ISOLATION_DOCKER };

	OK(p, corral_session_store_create(p->store, &o, &r, &p->err));
	assert_int_equal(strlen(r.id), 18);
	assert_int_equal(strncmp(r.id, "s-", 2), 0);
	assert_int_equal(r.isolation, CORRAL_ISOLATION_DOCKER);
	corral_session_record_done(&r);
	o.isolation = CORRAL_ISOLATION_AUTO;
	FAILS(p, corral_session_store_create(p->store, &o, NULL, &p->err), EINVAL, "isolation");
}

static void the_list_is_by_id(void **state)
{
	struct place *p = *state;
	struct corral_session_record *list = NULL;
	corral_autofree char *top = NULL;
	corral_autofd int fd = -1;
	size_t n = 0;

	OK(p, corral_session_store_list(p->store, &list, &n, &p->err));
	assert_int_equal(n, 0);
	corral_session_records_free(list, n);
	for (int i = 99; i >= 0; i--) {
		char id[8];

		(void)snprintf(id, sizeof(id), "s%02d", i);
		session_make(p, id, false);
	}
	top = session_top(p, "s42");
	fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	OK(p, corral_session_store_list(p->store, &list, &n, &p->err));
	assert_int_equal(n, 100);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(list[i].running, i == 42);
		assert_int_equal(strtol(list[i].id + 1, NULL, 10), (long)i);
		assert_string_equal(list[i].runtime->name, "host");
	}
	corral_session_records_free(list, n);
}

/* As a later corral's could be: a description that this one does not take. */
static void fault_make(struct place *p, const char *id)
{
	struct corral_session_order o = { .id = id, .isolation = CORRAL_ISOLATION_NATIVE };
	struct corral_runtime *rt = NULL;

	OK(p, corral_runtime_dup(p->runtime, &rt, &p->err));
	free(rt->work_dir);
	rt->work_dir = strdup("nowhere");
	o.runtime = rt;
	OK(p, corral_session_store_create(p->store, &o, NULL, &p->err));
	corral_runtime_free(rt);
}

static void one_that_cannot_be_read_keeps_nobody_from_the_others(void **state)
{
	static const char said[] =
	        "Session 'b': what registry.db says of its runtime cannot be read: "
	        "work_dir";
	struct place *p = *state;
	struct corral_session_record *list = NULL, r = { 0 };
	struct corral_session_cleaned told;
	size_t n = 0;

	session_make(p, "a", false);
	fault_make(p, "b");
	fault_make(p, "b2");
	session_make(p, "c", false);
	file_put(p, "c", "f", "1");
	OK(p, corral_session_store_list(p->store, &list, &n, &p->err));
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++) {
		bool broken = list[i].id[0] == 'b';

		assert_int_equal(list[i].fault != NULL, broken);
		assert_int_equal(list[i].runtime == NULL, broken);
	}
	assert_true(list[1].fault && !strncmp(list[1].fault, said, strlen(said)));
	corral_session_records_free(list, n);
	FAILS(p, corral_session_store_find(p->store, "b", &r, &p->err), EIO, said);
	FAILS(p, corral_session_checkpoint(p->store, "b", NULL, NULL, &p->err), EIO, said);
	OK(p, corral_session_store_find_any(p->store, "b", &r, &p->err));
	assert_int_equal(strncmp(r.fault, said, strlen(said)), 0);
	corral_session_record_done(&r);
	OK(p, corral_session_store_clean(p->store, &told, &p->err));
	assert_int_equal(told.failed, 0);
	OK(p, corral_session_store_remove(p->store, "b", &p->err));
	OK(p, corral_session_store_remove(p->store, "b2", &p->err));
	FAILS(p, corral_session_store_find(p->store, "b", &r, &p->err), ENOENT, "No such session");
	assert_int_equal(entries(p, "layers"), 2);
	HAS(p, "c", "f", "1");
}

static void who_looks_makes_no_store(void **state)
{
	struct place *p = *state;
	struct corral_session_store *s = NULL;

	OK(p, corral_session_store_open_existing(p->root, &s, &p->err));
	corral_session_store_close(s);
	place_close(p);
	place_empty(p);
	FAILS(p, corral_session_store_open_existing(p->root, &s, &p->err), ENOENT,
	      "there are none");
	assert_int_equal(entries(p, "."), 0);
	assert_int_equal(rmdir(p->root), 0);
	FAILS(p, corral_session_store_open_existing(p->root, &s, &p->err), ENOENT, "No such file");
	assert_int_equal(access(p->root, F_OK), -1);
	place_reopen(p);
}

static void a_removed_session_leaves_nothing(void **state)
{
	struct place *p = *state;
	struct corral_session_cleaned told;

	session_make(p, "a", true);
	file_put(p, "a", "f", "1");
	OK(p, corral_session_checkpoint(p->store, "a", NULL, NULL, &p->err));
	file_put(p, "a", "f", "2");
	OK(p, corral_session_command(p->store, "a", "ls", NULL, &p->err));
	OK(p, corral_session_store_remove(p->store, "a", &p->err));
	assert_int_equal(entries(p, "layers"), 0);
	assert_int_equal(entries(p, "sessions"), 0);
	assert_int_equal(entries(p, "trash"), 4);
	OK(p, corral_session_store_clean(p->store, &told, &p->err));
	assert_int_equal(told.layers, 3);
	assert_int_equal(told.failed, 0);
	assert_int_equal(entries(p, "trash"), 0);
	session_make(p, "a", false);
	HAS(p, "a", "f", "");
}

static void checkpoints_are_gone_back_to(void **state)
{
	struct place *p = *state;
	struct corral_checkpoints list = { 0 };
	char name[CORRAL_SESSION_ID_SIZE];

	session_make(p, "a", false);
	OK(p, corral_session_checkpoint(p->store, "a", "begin", name, &p->err));
	assert_string_equal(name, "begin");
	file_put(p, "a", "f", "1");
	OK(p, corral_session_checkpoint(p->store, "a", NULL, name, &p->err));
	assert_string_equal(name, "c2");
	file_put(p, "a", "f", "2");
	OK(p, corral_session_checkpoint(p->store, "a", "two", name, &p->err));
	file_put(p, "a", "f", "3");
	FAILS(p, corral_session_checkpoint(p->store, "a", "two", name, &p->err), EEXIST,
	      "'two' already");
	FAILS(p, corral_session_checkpoint(p->store, "a", "x y", name, &p->err), EINVAL,
	      "checkpoint 'x y'");
	HAS(p, "a", "f", "3");
	OK(p, corral_session_restore(p->store, "a", "c2", &p->err));
	HAS(p, "a", "f", "1");
	OK(p, corral_session_restore(p->store, "a", "two", &p->err));
	HAS(p, "a", "f", "2");
	OK(p, corral_session_restore(p->store, "a", "begin", &p->err));
	HAS(p, "a", "f", "");
	FAILS(p, corral_session_restore(p->store, "a", "three", &p->err), ENOENT,
	      "has no checkpoint 'three': it has begin, c2, two");
	OK(p, corral_session_checkpoints(p->store, "a", &list, &p->err));
	assert_int_equal(list.n, 3);
	assert_string_equal(list.items[0].name, "begin");
	assert_string_equal(list.items[1].name, "c2");
	assert_string_equal(list.items[2].name, "two");
	assert_true(list.items[0].layer == 0 && list.items[1].layer != list.items[2].layer);
	corral_checkpoints_done(&list);
	OK(p, corral_session_checkpoint_drop(p->store, "a", "two", &p->err));
	FAILS(p, corral_session_checkpoint_drop(p->store, "a", "two", &p->err), ENOENT, "'two'");
	OK(p, corral_session_restore(p->store, "a", "c2", &p->err));
	HAS(p, "a", "f", "1");
	/* Of the three, that of c2 alone, and the new one. */
	assert_int_equal(entries(p, "layers"), 2);
}

static void an_empty_layer_is_not_frozen(void **state)
{
	struct place *p = *state;

	session_make(p, "a", true);
	for (int i = 0; i < 40; i++) {
		OK(p, corral_session_checkpoint(p->store, "a", NULL, NULL, &p->err));
		OK(p, corral_session_command(p->store, "a", "ls", NULL, &p->err));
	}
	assert_int_equal(entries(p, "layers"), 1);
}

static void a_fork_goes_its_own_way(void **state)
{
	struct place *p = *state;
	struct corral_session_record r = { 0 };

	session_make(p, "a", false);
	file_put(p, "a", "f", "1");
	OK(p, corral_session_checkpoint(p->store, "a", "one", NULL, &p->err));
	file_put(p, "a", "f", "2");
	OK(p, corral_session_fork(p->store, "a", NULL, "b", &r, &p->err));
	assert_string_equal(r.id, "b");
	assert_int_equal(r.n_layers, 3);
	corral_session_record_done(&r);
	OK(p, corral_session_fork(p->store, "a", "one", "c", NULL, &p->err));
	FAILS(p, corral_session_fork(p->store, "a", "one", "c", NULL, &p->err), EEXIST,
	      "Session exists: c");
	FAILS(p, corral_session_fork(p->store, "a", "two", "d", NULL, &p->err), ENOENT, "'two'");
	file_put(p, "a", "f", "a");
	file_put(p, "b", "f", "b");
	HAS(p, "a", "f", "a");
	HAS(p, "b", "f", "b");
	HAS(p, "c", "f", "1");
	OK(p, corral_session_store_remove(p->store, "a", &p->err));
	HAS(p, "b", "f", "b");
	HAS(p, "c", "f", "1");
	OK(p, corral_session_store_remove(p->store, "b", &p->err));
	OK(p, corral_session_store_remove(p->store, "c", &p->err));
	assert_int_equal(entries(p, "layers"), 0);
}

static void commands_are_taken_back(void **state)
{
	struct place *p = *state;
	corral_autofree char *text = NULL;
	unsigned int n;

	session_make(p, "a", true);
	for (unsigned int i = 1; i <= 5; i++) {
		char value[8];

		(void)snprintf(value, sizeof(value), "echo %u", i);
		OK(p, corral_session_command(p->store, "a", value, &n, &p->err));
		assert_int_equal(n, i);
		if (i != 4) /* which only read */
			file_put(p, "a", "f", value);
	}
	OK(p, corral_session_undo(p->store, "a", 1, &text, &p->err));
	assert_string_equal(text, "echo 5");
	HAS(p, "a", "f", "echo 3");
	free(corral_take_ptr(&text));
	OK(p, corral_session_undo(p->store, "a", 2, &text, &p->err));
	assert_string_equal(text, "echo 3");
	HAS(p, "a", "f", "echo 2");
	FAILS(p, corral_session_undo(p->store, "a", 3, NULL, &p->err), ENOENT,
	      "2 commands can be taken back, not 3");
	OK(p, corral_session_command(p->store, "a", "again", &n, &p->err));
	assert_int_equal(n, 6);
	OK(p, corral_session_undo(p->store, "a", 3, NULL, &p->err));
	HAS(p, "a", "f", "");
	FAILS(p, corral_session_undo(p->store, "a", 1, NULL, &p->err), ENOENT, "0 commands");
	FAILS(p, corral_session_undo(p->store, "a", 0, NULL, &p->err), EINVAL, "undo");
	assert_int_equal(entries(p, "layers"), 1);
	session_make(p, "b", false);
	FAILS(p, corral_session_command(p->store, "b", "x", NULL, &p->err), EOPNOTSUPP, "history");
}

/* A checkpoint keeps the commands that led to it; others do not come back. */
static void what_is_taken_back_is_what_led_here(void **state)
{
	struct place *p = *state;
	corral_autofree char *text = NULL;

	session_make(p, "a", true);
	OK(p, corral_session_command(p->store, "a", "first", NULL, &p->err));
	file_put(p, "a", "f", "1");
	OK(p, corral_session_checkpoint(p->store, "a", "one", NULL, &p->err));
	OK(p, corral_session_command(p->store, "a", "second", NULL, &p->err));
	FAILS(p,
	      corral_session_diff(p->store, "a", &(struct corral_session_span) { .command = 3 },
	                          NULL, NULL, NULL, &p->err),
	      ENOENT, "has no command 3: there are those from 1 to 2");
	file_put(p, "a", "f", "2");
	OK(p, corral_session_checkpoint(p->store, "a", "two", NULL, &p->err));
	OK(p, corral_session_restore(p->store, "a", "one", &p->err));
	OK(p, corral_session_undo(p->store, "a", 1, &text, &p->err));
	assert_string_equal(text, "first");
	HAS(p, "a", "f", "");
	OK(p, corral_session_restore(p->store, "a", "two", &p->err));
	free(corral_take_ptr(&text));
	OK(p, corral_session_undo(p->store, "a", 2, &text, &p->err));
	assert_string_equal(text, "first");
	HAS(p, "a", "f", "");
}

static void old_commands_are_forgotten(void **state)
{
	struct place *p = *state;
	struct corral_checkpoints list = { 0 };

	session_make(p, "a", true);
	for (int i = 0; i < 300; i++)
		OK(p, corral_session_command(p->store, "a", "x", NULL, &p->err));
	OK(p, corral_session_checkpoints(p->store, "a", &list, &p->err));
	assert_int_equal(list.n, 256);
	assert_int_equal(list.items[0].command, 45);
	assert_string_equal(list.items[0].name, "");
	assert_string_equal(list.items[0].text, "x");
	corral_checkpoints_done(&list);
	FAILS(p, corral_session_undo(p->store, "a", 257, NULL, &p->err), ENOENT, "256 commands");
	OK(p, corral_session_undo(p->store, "a", 256, NULL, &p->err));
}

static void link_is(struct place *p, const char *id, bool there)
{
	corral_autofree char *path = NULL, *real = NULL, *top = session_top(p, id);
	char name[128];

	(void)snprintf(name, sizeof(name), "%s/sessions/%s/workspace", p->root, id);
	real = realpath(name, NULL);
	assert_int_equal(real != NULL, there);
	if (!there) {
		FAILS(p, corral_session_store_workspace(p->store, id, &path, &p->err), EBUSY,
		      "layers");
		return;
	}
	OK(p, corral_session_store_workspace(p->store, id, &path, &p->err));
	assert_string_equal(real, path);
	(void)snprintf(name, sizeof(name), "%s/u2", top);
	assert_string_equal(path, name);
}

static void the_link_is_there_for_one_layer(void **state)
{
	struct place *p = *state;
	char name[128];

	session_make(p, "a", false);
	link_is(p, "a", true);
	OK(p, corral_session_checkpoint(p->store, "a", "empty", NULL, &p->err));
	link_is(p, "a", true);
	file_put(p, "a", "f", "1");
	OK(p, corral_session_checkpoint(p->store, "a", NULL, NULL, &p->err));
	link_is(p, "a", false);
	OK(p, corral_session_restore(p->store, "a", "empty", &p->err));
	link_is(p, "a", true);
	(void)snprintf(name, sizeof(name), "%s/sessions/a/workspace", p->root);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(symlink("/etc", name), 0);
	OK(p, corral_session_store_clean(p->store, NULL, &p->err));
	link_is(p, "a", true);
}

static void whoever_runs_is_left_alone(void **state)
{
	struct place *p = *state;
	struct corral_session_record r = { 0 };
	corral_autofree char *top = NULL;
	corral_autofd int fd = -1;

	session_make(p, "a", true);
	file_put(p, "a", "f", "1");
	OK(p, corral_session_checkpoint(p->store, "a", "one", NULL, &p->err));
	top = session_top(p, "a");
	fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	OK(p, corral_session_store_find(p->store, "a", &r, &p->err));
	assert_true(r.running);
	corral_session_record_done(&r);
	FAILS(p, corral_session_store_remove(p->store, "a", &p->err), EBUSY,
	      "Session 'a' is running");
	FAILS(p, corral_session_checkpoint(p->store, "a", NULL, NULL, &p->err), EBUSY,
	      "is running");
	FAILS(p, corral_session_restore(p->store, "a", "one", &p->err), EBUSY, "is running");
	FAILS(p, corral_session_command(p->store, "a", "x", NULL, &p->err), EBUSY, "is running");
	FAILS(p, corral_session_undo(p->store, "a", 1, NULL, &p->err), EBUSY, "is running");
	FAILS(p, corral_session_fork(p->store, "a", NULL, "b", NULL, &p->err), EBUSY, "is running");
	FAILS(p, corral_session_diff(p->store, "a", NULL, NULL, NULL, NULL, &p->err), EBUSY,
	      "is running");
	OK(p, corral_session_fork(p->store, "a", "one", "b", NULL, &p->err));
	corral_fd_closep(&fd);
	OK(p, corral_session_store_remove(p->store, "a", &p->err));
	HAS(p, "b", "f", "1");
}

/* Whoever has a layer open keeps it until he closes it, whatever becomes of the session. */
static void readers_keep_their_layers(void **state)
{
	struct place *p = *state;
	struct corral_session_stack k = { 0 };
	struct corral_session_cleaned told;
	char path[256];

	session_make(p, "a", false);
	file_put(p, "a", "f", "1");
	OK(p, corral_session_checkpoint(p->store, "a", NULL, NULL, &p->err));
	OK(p, corral_session_stack_open(p->store, "a", &k, &p->err));
	assert_int_equal(k.stack.n, 2);
	assert_string_equal(k.stack.guest_paths[CORRAL_LAYER_PART_WORK_DIR], "/workspace");
	OK(p, corral_session_store_remove(p->store, "a", &p->err));
	OK(p, corral_session_store_clean(p->store, &told, &p->err));
	assert_int_equal(told.layers, 0);
	(void)snprintf(path, sizeof(path), "%s/u2/f", k.paths[1]);
	assert_int_equal(access(path, F_OK), 0);
	corral_session_stack_close(&k);
	OK(p, corral_session_store_clean(p->store, &told, &p->err));
	assert_int_equal(told.layers, 2);
	assert_int_equal(entries(p, "layers"), 0);
}

/* The configuration of a moment ago names a layer that is frozen now. */
static void no_sandbox_writes_to_a_frozen_layer(void **state)
{
	struct place *p = *state;
	corral_autofree char *top = NULL;
	struct stat st;

	session_make(p, "a", false);
	file_put(p, "a", "f", "1");
	top = session_top(p, "a");
	assert_int_equal(stat(top, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	OK(p, corral_session_checkpoint(p->store, "a", NULL, NULL, &p->err));
	assert_int_equal(stat(top, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0555);
}

static void the_work_directory_stays_as_the_guest_made_it(void **state)
{
	struct place *p = *state;
	char path[256];
	struct stat st;

	session_make(p, "a", false);
	for (int i = 0; i < 2; i++) {
		corral_autofree char *top = session_top(p, "a");

		(void)snprintf(path, sizeof(path), "%s/u2", top);
		if (i == 0)
			assert_int_equal(chmod(path, 01770), 0);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 01770);
		OK(p, corral_session_checkpoint(p->store, "a", NULL, NULL, &p->err));
		assert_int_equal(session_layers(p, "a"), 2);
	}
}

static void many_layers_are_merged_before_it_wakes(void **state)
{
	struct place *p = *state;
	struct corral_config *c = NULL;
	char name[16];

	session_make(p, "a", false);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		file_put(p, "a", name, name);
		file_put(p, "a", "same", name);
		OK(p, corral_session_checkpoint(p->store, "a", i == 7 ? "seven" : "last", NULL,
		                                &p->err));
		if (i != 7)
			OK(p, corral_session_checkpoint_drop(p->store, "a", "last", &p->err));
		assert_true(session_layers(p, "a") <= CORRAL_SESSION_LAYERS_MERGE + 1);
	}
	OK(p, corral_session_store_config(p->store, "a", &c, &p->err));
	assert_true(c->n_layers <= CORRAL_SESSION_LAYERS_MERGE && c->keep_work_dir);
	corral_config_free(c);
	HAS(p, "a", "f0", "f0");
	HAS(p, "a", "f39", "f39");
	HAS(p, "a", "same", "f39");
	OK(p, corral_session_restore(p->store, "a", "seven", &p->err));
	HAS(p, "a", "f8", "");
	HAS(p, "a", "same", "f7");
	OK(p, corral_session_store_remove(p->store, "a", &p->err));
	assert_int_equal(entries(p, "layers"), 0);
}

/* Deeper than what is merged. */
static void deep_put(struct place *p, const char *id)
{
	corral_autofree char *top = session_top(p, id);
	int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < 4200; i++) {
		const char *name = i ? "d" : "u2/d";
		int next = -1;

		if (mkdirat(fd, name, 0755) == 0)
			next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(fd);
		fd = next;
		assert_true(fd >= 0);
	}
	(void)close(fd);
}

static void what_cannot_be_merged_stands_in_the_way_of_nothing_else(void **state)
{
	struct place *p = *state;
	char name[16];

	session_make(p, "a", false);
	for (int i = 0; i < 14; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		file_put(p, "a", name, name);
		if (i == 8)
			deep_put(p, "a");
		OK(p, corral_session_checkpoint(p->store, "a", "last", NULL, &p->err));
		OK(p, corral_session_checkpoint_drop(p->store, "a", "last", &p->err));
		assert_true(session_layers(p, "a") <= CORRAL_SESSION_LAYERS_MERGE + 2);
	}
	HAS(p, "a", "f0", "f0");
	HAS(p, "a", "f8", "f8");
	HAS(p, "a", "f13", "f13");
}

/* A file in the topmost, without what waking does; and the deep one goes from the layer that was
 * beneath to the one that is now: as if each had one, which would take its time to make. */
static void layer_fill(struct place *p, const char *id, const char *name)
{
	struct corral_session_stack k = { 0 };
	char from[128], to[128];
	int fd;

	OK(p, corral_session_stack_open(p->store, id, &k, &p->err));
	(void)snprintf(to, sizeof(to), "%s/u2/%s", k.paths[0], name);
	fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, name, strlen(name)), strlen(name));
	(void)close(fd);
	if (k.stack.n > 2) {
		(void)snprintf(from, sizeof(from), "%s/u2/d", k.paths[2]);
		(void)snprintf(to, sizeof(to), "%s/u2/d", k.paths[1]);
		assert_true(rename(from, to) == 0 || errno == ENOENT);
	}
	corral_session_stack_close(&k);
}

/* As a guest would, who wants to be in the way: each of them cannot be merged. */
static void session_goes_on_when_nothing_can_be_merged(void **state)
{
	struct place *p = *state;
	unsigned int n = 0, last = 0;
	char name[16], path[128], said[24];
	corral_autofree char *text = NULL;

	session_make(p, "a", true);
	for (int i = 0; i < CORRAL_LAYERS_MAX + 3; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		OK(p, corral_session_command(p->store, "a", name, &n, &p->err));
		last = n ? n : last;
		assert_int_equal(n, i < CORRAL_LAYERS_MAX ? i + 1 : 0);
		if (i == 0)
			deep_put(p, "a");
		layer_fill(p, "a", name);
	}
	assert_int_equal(session_layers(p, "a"), CORRAL_LAYERS_MAX);
	FAILS(p, corral_session_checkpoint(p->store, "a", NULL, NULL, &p->err), EMLINK,
	      "cannot be merged: take back what it did last, or go back to a checkpoint");
	FAILS(p, corral_session_fork(p->store, "a", NULL, "b", NULL, &p->err), EMLINK,
	      "as many as there can be");
	HAS(p, "a", "f0", "f0");
	HAS(p, "a", name, name);
	(void)snprintf(path, sizeof(path), "%s/sessions/a/unmergeable", p->root);
	assert_true(readlink(path, said, sizeof(said)) > 0);
	/* Ways out: the last command with those that had no state, then one more. */
	OK(p, corral_session_undo(p->store, "a", 1, &text, &p->err));
	(void)snprintf(name, sizeof(name), "f%u", last - 1);
	assert_string_equal(text, name);
	HAS(p, "a", name, "");
	OK(p, corral_session_undo(p->store, "a", 1, NULL, &p->err));
	OK(p, corral_session_command(p->store, "a", "again", &n, &p->err));
	assert_int_equal(n, last + 1);
	HAS(p, "a", "f0", "f0");
}

static void what_a_crash_left_goes(void **state)
{
	struct place *p = *state;
	char path[128];

	session_make(p, "a", false);
	(void)snprintf(path, sizeof(path), "%s/layers/77", p->root);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/layers/x", p->root);
	assert_int_equal(symlink("/etc", path), 0);
	(void)snprintf(path, sizeof(path), "%s/sessions/x", p->root);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/layers/2", p->root);
	assert_int_equal(mkdir(path, 0755), 0);
	session_make(p, "b", false);
	place_reopen(p);
	assert_int_equal(entries(p, "layers"), 2);
	assert_int_equal(entries(p, "sessions"), 2);
	OK(p, corral_session_store_clean(p->store, NULL, &p->err));
	assert_int_equal(entries(p, "trash"), 0);
}

/* Whoever opens the store does not wait until all that others left is gone. */
static void opening_waits_for_nothing_large(void **state)
{
	struct place *p = *state;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/trash/large", p->root);
	assert_int_equal(mkdir(path, 0755), 0);
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(path, sizeof(path), "%s/trash/large/%d", p->root, i);
		assert_int_equal(mknod(path, S_IFREG | 0644, 0), 0);
	}
	place_reopen(p);
	assert_int_equal(entries(p, "trash"), 1);
	OK(p, corral_session_store_clean(p->store, NULL, &p->err));
	assert_int_equal(entries(p, "trash"), 0);
}

static void the_directory_is_the_callers_alone(void **state)
{
	struct place *p = *state;
	struct corral_session_store *s = NULL;

	assert_int_equal(chmod(p->root, 0750), 0);
	FAILS(p, corral_session_store_open(p->root, &s, &p->err), EPERM, "chmod go-rwx");
	assert_int_equal(chmod(p->root, 01777), 0);
	FAILS(p, corral_session_store_open(p->root, &s, &p->err), EPERM, "a directory of your own");
	assert_int_equal(chmod(p->root, 0700), 0);
	if (geteuid() != 0) {
		FAILS(p, corral_session_store_open("/tmp", &s, &p->err), EPERM, "not yours");
		return;
	}
	assert_int_equal(chown(p->root, 1, 1), 0);
	FAILS(p, corral_session_store_open(p->root, &s, &p->err), EPERM, "not yours");
	assert_int_equal(chown(p->root, 0, 0), 0);
}

/* What a new registry does not name would go. */
static void files_outlive_a_lost_registry(void **state)
{
	struct place *p = *state;
	struct corral_session_store *s = NULL;
	char path[128], kept[128];

	session_make(p, "a", false);
	corral_session_store_close(p->store);
	p->store = NULL;
	(void)snprintf(path, sizeof(path), "%s/registry.db", p->root);
	(void)snprintf(kept, sizeof(kept), "%s/kept.db", p->root);
	assert_int_equal(rename(path, kept), 0);
	FAILS(p, corral_session_store_open(p->root, &s, &p->err), EIO, "registry.db is gone");
	assert_int_equal(mknod(path, S_IFREG | 0600, 0), 0);
	FAILS(p, corral_session_store_open(p->root, &s, &p->err), EIO, "put it back");
	assert_int_equal(entries(p, "layers"), 1);
	assert_int_equal(rename(kept, path), 0);
	OK(p, corral_session_store_open(p->root, &p->store, &p->err));
	assert_int_equal(entries(p, "layers"), 1);
}

/* Whatever filled it: sessions are listed, and go. */
static void full_one_is_made_room_on(struct place *p, const char *options)
{
	struct corral_session_record *list = NULL;
	static const char block[4096];
	char path[128];
	size_t n = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/small", p->root);
	assert_int_equal(mount("small", path, "tmpfs", 0, options), 0);
	place_store_close(p);
	OK(p, corral_session_store_open(path, &p->store, &p->err));
	session_make(p, "a", false);
	place_store_close(p);
	(void)snprintf(path, sizeof(path), "%s/small/filled", p->root);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	(void)close(fd);
	(void)snprintf(path, sizeof(path), "%s/small", p->root);
	OK(p, corral_session_store_open(path, &p->store, &p->err));
	OK(p, corral_session_store_remove(p->store, "a", &p->err));
	OK(p, corral_session_store_list(p->store, &list, &n, &p->err));
	assert_int_equal(n, 0);
	corral_session_records_free(list, n);
	place_store_close(p);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	OK(p, corral_session_store_open(p->root, &p->store, &p->err));
}

static void a_full_file_system_is_made_room_on(void **state)
{
	struct place *p = *state;
	char path[128];

	if (geteuid() != 0) {
		print_message("skipped: a small file system takes root\n");
		skip();
		return;
	}
	(void)snprintf(path, sizeof(path), "%s/small", p->root);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	full_one_is_made_room_on(p, "size=16m,mode=700");
	full_one_is_made_room_on(p, "size=4m,mode=700");
	full_one_is_made_room_on(p, "size=1m,mode=700");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {
		TEST(ids_are_of_a_few_characters),
		TEST(what_was_made_is_found_again_by_another_process),
		TEST(without_an_id_one_is_chosen),
		TEST(the_list_is_by_id),
		TEST(who_looks_makes_no_store),
		TEST(one_that_cannot_be_read_keeps_nobody_from_the_others),
		TEST(a_removed_session_leaves_nothing),
		TEST(checkpoints_are_gone_back_to),
		TEST(an_empty_layer_is_not_frozen),
		TEST(a_fork_goes_its_own_way),
		TEST(commands_are_taken_back),
		TEST(what_is_taken_back_is_what_led_here),
		TEST(old_commands_are_forgotten),
		TEST(the_link_is_there_for_one_layer),
		TEST(whoever_runs_is_left_alone),
		TEST(readers_keep_their_layers),
		TEST(no_sandbox_writes_to_a_frozen_layer),
		TEST(the_work_directory_stays_as_the_guest_made_it),
		TEST(many_layers_are_merged_before_it_wakes),
		TEST(what_cannot_be_merged_stands_in_the_way_of_nothing_else),
		TEST(session_goes_on_when_nothing_can_be_merged),
		TEST(what_a_crash_left_goes),
		TEST(opening_waits_for_nothing_large),
		TEST(the_directory_is_the_callers_alone),
		TEST(files_outlive_a_lost_registry),
		TEST(a_full_file_system_is_made_room_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
