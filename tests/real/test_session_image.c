/*
 * Sessions whose runtime has an image, on first use: it is built, fetched or brought by the
 * manager's caller, once for all who ask at the same moment; and a failure leaves no session.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "tests/support.h"

#include "kernel/base/clock.h"
#include "tests/real/image_support.h"
#include "tests/real/sandbox_support.h"
#include "tests/real/cli_support.h"
#include "tests/real/sessions_support.h"

#define MANY 8
/* Nobody listens there, and asking takes no time. */
#define NOWHERE "127.0.0.1:1/none:1"

struct place {
	struct sessions s;
	struct corral_image_store *images;
	char root[100], store[100], runtime[120];
	struct run r;
};

static void base_fill(const char *root)
{
	char path[512];

	image_busybox(root);
	for (const char *const *d = ARGS("tmp", "dev", "proc", "sys"); *d; d++) {
		(void)snprintf(path, sizeof(path), "%s/%s", root, *d);
		image_folder(path);
	}
	image_file(root, "marker", "of the image\n", 0644);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct corral_error err = { 0 };

	assert_non_null(p);
	sessions_init(&p->s);
	(void)snprintf(p->store, sizeof(p->store), "%s/images", p->s.dir);
	(void)snprintf(p->root, sizeof(p->root), "%s/sessions", p->s.dir);
	(void)snprintf(p->runtime, sizeof(p->runtime), "%s/x.json", p->s.dir);
	if (corral_image_store_open(p->store, true, &p->images, &err) < 0)
		fail_msg("%s", err.text);
	(void)setenv("CORRAL_IMAGES", p->store, 1);
	(void)setenv("XDG_CONFIG_HOME", p->s.dir, 1);
	(void)setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock", 1);
	sessions_runtime(&p->s, "late", "{\"image\": \"late:1\", \"isolation\": \"native\"}");
	sessions_runtime(&p->s, "either", "{\"base_image\": \"late:1\"}");
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	sessions_end(&p->s);
	corral_image_store_close(p->images);
	sessions_done(&p->s);
	run_done(&p->r);
	free(p);
	return 0;
}

static bool ready(void)
{
	if (fixture.missing)
		corral_test_skip("a working sandbox");
	else if (!has_busybox())
		corral_test_skip("a static " IMAGE_BUSYBOX " (package busybox-static)");
	else
		return true;
	return false;
}

/* --- the manager --- */

struct bringer {
	struct place *p;
	atomic_uint calls;
	int fail; /* errno */
};

static int bring(void *ctx, const struct corral_runtime *rt, struct corral_error *err)
{
	struct bringer *b = ctx;

	atomic_fetch_add(&b->calls, 1);
	nap(300);
	if (b->fail)
		return corral_error_set(err, b->fail, "no room for '%s'", rt->name);
	image_make(b->p->images, rt->image, "{\"Env\":[\"PATH=/bin\"]}", base_fill);
	return 0;
}

struct asker {
	struct place *p;
	char id[32];
	pthread_t thread;
	int r;
	struct corral_error err;
};

static void *ask(void *arg)
{
	struct asker *a = arg;
	const struct corral_session_ask late = { .id = a->id, .runtime = "late" };
	struct corral_backend *b = NULL;

	a->r = corral_session_manager_get_or_create(a->p->s.m, &late, &b, &a->err);
	if (a->r == 0) {
		struct corral_executed done = { 0 };

		a->r = corral_backend_execute(b,
		                              &(struct corral_execute) { .command = "cat /marker",
		                                                         .timeout_ms = -1 },
		                              &done, &a->err);
		if (a->r == 0 && (!done.out.data || strcmp(done.out.data, "of the image\n") != 0))
			a->r = corral_error_set(&a->err, EBADMSG, "%d: it said '%s'",
			                        done.exit_code, done.out.data);
		corral_executed_done(&done);
	}
	corral_backend_close(b);
	return NULL;
}

static void all_ask(struct place *p, struct asker *askers)
{
	for (int i = 0; i < MANY; i++) {
		askers[i] = (struct asker) { .p = p };
		(void)snprintf(askers[i].id, sizeof(askers[i].id), "s%d", i);
		assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
	}
	for (int i = 0; i < MANY; i++)
		assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
}

static void begin_with(struct place *p, struct corral_session_image_maker *maker, bool stored)
{
	sessions_catalogue(&p->s);
	p->s.o.image_maker = maker;
	p->s.o.images = p->images;
	if (stored) {
		sessions_store(&p->s);
		corral_session_store_set_images(p->s.o.store, p->images);
	}
	sessions_begin(&p->s);
}

static void many_bring(struct place *p, bool stored)
{
	struct bringer b = { .p = p, .fail = ENOSPC };
	struct corral_session_image_maker maker = { bring, &b };
	struct asker askers[MANY];

	begin_with(p, &maker, stored);
	all_ask(p, askers);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(askers[i].r, -ENOSPC);
		assert_string_equal(askers[i].err.text, "runtime 'late': no room for 'late'");
	}
	/* One that came when the others had failed already asks for itself. */
	assert_in_range(b.calls, 1, MANY / 2);
	assert_int_equal(corral_session_manager_count(p->s.m), 0);
	b.fail = 0;
	b.calls = 0;
	all_ask(p, askers);
	for (int i = 0; i < MANY; i++)
		if (askers[i].r < 0)
			fail_msg("%s", askers[i].err.text);
	assert_int_equal(b.calls, 1);
	assert_int_equal(corral_session_manager_count(p->s.m), MANY);
	(void)corral_session_manager_shutdown(p->s.m, NULL);
}

static void an_image_is_brought_once_for_all_who_ask(void **state)
{
	if (ready())
		many_bring(*state, false);
}

/* Its pin is lost, and its image's name another's: the session runs on none of both. */
static void a_session_wakes_on_its_own_image_or_not_at_all(void **state)
{
	struct place *p = *state;
	struct corral_image_removal gone = { 0 };
	struct asker a = { .p = p, .id = "s0" };
	struct corral_error err = { 0 };
	char keeper[200];

	if (!ready())
		return;
	begin_with(p, NULL, true);
	image_make(p->images, "late:1", "{\"Env\":[\"PATH=/bin\"]}", base_fill);
	(void)ask(&a);
	if (a.r < 0)
		fail_msg("%s", a.err.text);
	(void)corral_session_manager_shutdown(p->s.m, NULL);
	sessions_end(&p->s);
	(void)snprintf(keeper, sizeof(keeper), "%s/store/sessions/s0", p->s.dir);
	assert_int_equal(corral_image_unpin(p->images, keeper, &err), 0);
	if (corral_image_remove(p->images, "late:1", &gone, &err) < 0)
		fail_msg("%s", err.text);
	corral_image_removal_done(&gone);
	image_make(p->images, "late:1", "{\"Env\":[\"PATH=/bin\",\"A=b\"]}", base_fill);
	corral_runtime_catalogue_close(p->s.catalogue);
	begin_with(p, NULL, true);
	a = (struct asker) { .p = p, .id = "s0" };
	(void)ask(&a);
	assert_int_equal(a.r, -ESTALE);
	assert_non_null(strstr(a.err.text, "is no longer in the store"));
	(void)corral_session_manager_shutdown(p->s.m, NULL);
}

static void the_same_in_a_store(void **state)
{
	struct place *p = *state;
	struct corral_session_record *records = NULL;
	size_t n = 0;

	if (!ready())
		return;
	many_bring(p, true);
	assert_int_equal(corral_session_store_list(p->s.o.store, &records, &n, NULL), 0);
	assert_int_equal(n, MANY);
	corral_session_records_free(records, n);
}

/* What was brought once and taken away is brought again, though its choice is known. */
static void an_image_that_went_is_brought_again(void **state)
{
	struct place *p = *state;
	struct bringer b = { .p = p };
	struct corral_session_image_maker maker = { bring, &b };
	const struct corral_session_ask late = { .runtime = "late" };
	struct corral_image_removal gone = { 0 };

	if (!ready())
		return;
	begin_with(p, &maker, false);
	corral_backend_close(sessions_open(&p->s, &late));
	assert_true(corral_session_manager_shutdown(p->s.m, NULL) == 1);
	assert_int_equal(corral_image_remove(p->images, "late:1", &gone, NULL), 0);
	corral_image_removal_done(&gone);
	corral_backend_close(sessions_open(&p->s, &late));
	assert_int_equal(b.calls, 2);
	(void)corral_session_manager_shutdown(p->s.m, NULL);
}

static void without_somebody_to_bring_it_the_error_is_what_to_type(void **state)
{
	struct place *p = *state;
	const struct corral_session_ask late = { .id = "a", .runtime = "late" },
	                                either = { .id = "a", .runtime = "either" };
	struct corral_backend *b = NULL;

	if (!ready())
		return;
	begin_with(p, NULL, true);
	assert_int_equal(corral_session_manager_get_or_create(p->s.m, &late, &b, &p->s.err),
	                 -EOPNOTSUPP);
	assert_says(p->s.err.text, "corral image pull late:1");
	assert_int_equal(corral_session_manager_get_or_create(p->s.m, &either, &b, &p->s.err),
	                 -EOPNOTSUPP);
	assert_says(p->s.err.text, "corral runtime build either");
	assert_int_equal(corral_session_manager_count(p->s.m), 0);
}

/* --- the command line --- */

#define SESSION(p, command, ...) \
	CORRAL(&(p)->r, "session", command, "--root", (p)->root, __VA_ARGS__)

static void assert_no_session(struct place *p)
{
	CORRAL(&p->r, "session", "list", "-q", "--root", p->root);
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "");
}

/* A build that nobody gave a network has one of its own, which takes a host that forwards: see
 * test_runtime_build.c. */
static bool can_build(void)
{
	static bool made;
	corral_autofd int fd = -1;

	if (!ready())
		return false;
	if (!is_root()) {
		skip_without_root("a build with a network of its own");
		return false;
	}
	if (made)
		return true;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	fd = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "1", 1), 1);
	made = true;
	return true;
}

static void first_command_of_a_session_builds(void **state)
{
	struct place *p = *state;

	if (!can_build())
		return;
	image_make(p->images, "base", "{\"Env\":[\"PATH=/bin\"]}", base_fill);
	file_make(
	        p->s.dir, "x.json",
	        "{\"name\":\"x\",\"base_image\":\"base\",\"setup_commands\":[\"echo 1 >/made\"]}");
	SESSION(p, "create", "--pull", "never", "--runtime", p->runtime, "one");
	assert_error(&p->r, "corral runtime build /tmp/");
	assert_says(p->r.err, "x.json");
	assert_no_session(p);
	SESSION(p, "create", "--pull", "always", "one");
	assert_error(&p->r, "--pull: 'always' is not one of missing, never");
	SESSION(p, "exec", "--runtime", p->runtime, "one", "--", "/bin/cat", "/made");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "1\n");
	assert_says(p->r.err, "step 1 of 1: echo 1 >/made");
	SESSION(p, "create", "--runtime", p->runtime, "two");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "two\n");
	assert_string_equal(p->r.err, "");
	SESSION(p, "rm", "-f", "one", "two");
	assert_status(&p->r, 0);
}

static void many_processes_build_once(void **state)
{
	struct place *p = *state;
	struct pid_out {
		pid_t pid;
		int fd;
	} all[MANY];
	char id[MANY][8];
	int n_built = 0;

	if (!can_build())
		return;
	image_make(p->images, "base", "{\"Env\":[\"PATH=/bin\"]}", base_fill);
	file_make(p->s.dir, "x.json",
	          "{\"name\":\"x\",\"base_image\":\"base\",\"setup_commands\":[\"sleep 1; echo 1 "
	          ">/made\"]}");
	/* Half of them want the same session. */
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(id[i], sizeof(id[i]), "s%d", i < MANY / 2 ? 0 : i);
		all[i].pid = BEGIN(&all[i].fd, "session", "exec", "--root", p->root, "--runtime",
		                   p->runtime, id[i], "--", "/bin/cat", "/made");
	}
	for (int i = 0; i < MANY; i++) {
		int status = status_of(all[i].pid);
		char *text = support_text(all[i].fd);

		if (status)
			fail_msg("%d: %s", status, text);
		assert_string_equal(text + strlen(text) - 2, "1\n");
		n_built += strstr(text, "step 1 of 1") != NULL;
		free(text);
	}
	assert_int_equal(n_built, 1);
	SESSION(p, "rm", "-f", "s0", "s4", "s5", "s6", "s7");
	assert_status(&p->r, 0);
}

static void failed_build_is_explained_and_leaves_no_session(void **state)
{
	struct place *p = *state;

	if (!can_build())
		return;
	image_make(p->images, "base", "{\"Env\":[\"PATH=/bin\"]}", base_fill);
	file_make(p->s.dir, "x.json",
	          "{\"name\":\"x\",\"base_image\":\"base\",\"setup_commands\":[\"echo alas; exit "
	          "4\"]}");
	SESSION(p, "exec", "--runtime", p->runtime, "one", "--", "true");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "alas\n");
	assert_says(p->r.err, "step 1 of 1 ('echo alas; exit 4'): exit code 4");
	assert_says(p->r.err, "could not be prepared");
	assert_no_session(p);
}

static void image_that_cannot_be_fetched_leaves_no_session(void **state)
{
	struct place *p = *state;

	if (!ready())
		return;
	file_make(p->s.dir, "x.json", "{\"name\":\"x\",\"image\":\"" NOWHERE "\"}");
	SESSION(p, "create", "--runtime", p->runtime, "one");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "corral: fetching " NOWHERE);
	assert_says(p->r.err, "could not be prepared");
	assert_no_session(p);
}

static void one_that_is_there_builds_nothing(void **state)
{
	struct place *p = *state;

	if (!ready())
		return;
	file_make(p->s.dir, "x.json", "{\"name\":\"x\",\"image\":\"" NOWHERE "\"}");
	SESSION(p, "create", "one");
	assert_status(&p->r, 0);
	SESSION(p, "create", "--runtime", p->runtime, "one");
	assert_error(&p->r, "session 'one' is there already");
	SESSION(p, "rm", "one");
	assert_status(&p->r, 0);
}

/* usage: real.test_session_image [PATTERN] */
int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_image_is_brought_once_for_all_who_ask),
		TEST(the_same_in_a_store),
		TEST(a_session_wakes_on_its_own_image_or_not_at_all),
		TEST(an_image_that_went_is_brought_again),
		TEST(without_somebody_to_bring_it_the_error_is_what_to_type),
		TEST(first_command_of_a_session_builds),
		TEST(many_processes_build_once),
		TEST(failed_build_is_explained_and_leaves_no_session),
		TEST(image_that_cannot_be_fetched_leaves_no_session),
		TEST(one_that_is_there_builds_nothing),
	};
#undef TEST

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, cli_setup, cli_teardown);
}
