/*
 * kernel/image/oci/build.h: builds that want more than they may have, and what is left of them. As
 * an ordinary user with ranges in /etc/subuid also what belongs to these.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/image/apply.h"
#include "kernel/image/oci/build.h"
#include "kernel/image/store_state.h"
#include "kernel/layers/layers.h"
#include "kernel/mapped.h"
#include "kernel/sandbox.h"
#include "policy/runtime_build.h"
#include "tests/real/census.h"
#include "tests/real/image_support.h"
#include "tests/real/library_support.h"
#include "tests/real/sandbox_support.h"

/* What is bounded by it would else go on for minutes or without end: a busy machine may take its
 * time. */
#define SOON_MS 60000

#define RT(rest) "{\"name\":\"x\",\"base_image\":\"base\"" rest "}"

static char dir[64], store_path[96], profiles[96];
static struct corral_launcher *launcher;
static struct corral_image_store *store;

static void base_fill(const char *root)
{
	char path[512];

	image_busybox(root);
	(void)snprintf(path, sizeof(path), "%s/var/tmp", root);
	image_folder(path);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct corral_error err = { 0 };

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%s/corral-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(store_path, sizeof(store_path), "%s/images", dir);
	(void)snprintf(profiles, sizeof(profiles), "%s/profiles", dir);
	assert_int_equal(mkdir(profiles, 0700), 0);
	if (corral_launcher_open(0, &launcher, &err) < 0 ||
	    corral_image_store_open(store_path, true, &store, &err) < 0)
		fail_msg("%s", err.text);
	store->unsynced = true;
	image_make(store, "base", "{\"Env\":[\"PATH=/usr/bin:/bin\"]}", base_fill);
	return 0;
}

static int teardown(void **state)
{
	char above[64];

	(void)state;
	corral_image_store_close(store);
	(void)snprintf(above, sizeof(above), "%.*s", (int)(strrchr(dir, '/') - dir), dir);
	assert_int_equal(corral_mapped_remove(launcher, above, strrchr(dir, '/') + 1, NULL), 0);
	corral_launcher_close(launcher);
	return 0;
}

struct watcher {
	struct corral_buf lines;
	uint64_t cancel_ms; /* so long after the line that says so */
	const char *cancel_after;
	uint64_t seen_ms;
	const char *kill_at;
};

static int watch(void *ctx, const char *what, const char *doing, uint64_t current, uint64_t total)
{
	struct watcher *w = ctx;

	(void)current;
	(void)total;
	if (strcmp(doing, "log") == 0) {
		corral_buf_fmt(&w->lines, "%s\n", what);
		if (w->kill_at && strcmp(what, w->kill_at) == 0)
			(void)kill(getpid(), SIGKILL);
		if (w->cancel_after && strcmp(what, w->cancel_after) == 0)
			w->seen_ms = corral_now_ms();
	}
	return w->seen_ms && corral_now_ms() - w->seen_ms >= w->cancel_ms;
}

static int build(const char *json, const struct corral_build_options *wanted, struct watcher *w,
                 struct corral_image **ret, struct corral_error *err)
{
	corral_auto(corral_runtime_freep) struct corral_runtime *rt = NULL;
	const struct corral_progress progress = { watch, w };
	struct corral_build_options o = wanted ? *wanted : (struct corral_build_options) { 0 };

	if (corral_runtime_parse(json, strlen(json), &rt, err) < 0)
		fail_msg("%s: %s", json, err->text);
	o.launcher = launcher;
	o.progress = w ? &progress : NULL;
	o.seccomp_cache_dir = profiles;
	o.network = "none";
	return corral_runtime_build(store, rt, &o, ret, err);
}

/* The base is all there is. */
static void nothing_is_left(void)
{
	assert_int_equal(image_entries(store_path, "partial"), 0);
	assert_int_equal(image_entries(store_path, "layers"), 1);
	assert_int_equal(image_entries(store_path, "images"), 1);
}

static void fails(const char *json, const struct corral_build_options *o, int code,
                  const char *says)
{
	struct corral_image *i = NULL;
	struct corral_error err = { 0 };
	int r = build(json, o, NULL, &i, &err);

	if (r != code || !strstr(err.text, says))
		fail_msg("%d: '%s' does not say '%s'", r, err.text, says);
	nothing_is_left();
}

static void what_writes_too_much_is_ended_while_it_runs(void **state)
{
	/* One file at a time is less; and nobody waits for its end. */
	const struct corral_build_options o = { .limits = { .bytes_max = 8 << 20 } };
	uint64_t began = corral_now_ms();

	(void)state;
	fails(RT(",\"setup_commands\":[\"for i in 1 2 3 4; do busybox dd if=/dev/zero of=/$i bs=1M "
	         "count=4; done; sleep 600\"]"),
	      &o, -EFBIG, "more than 8388608 bytes unpacked");
	assert_true(corral_now_ms() - began < corral_test_most_ms(SOON_MS));
}

static void what_makes_too_many_files_is_ended(void **state)
{
	const struct corral_build_options o = { .limits = { .files_max = 500 } };

	(void)state;
	fails(RT(",\"setup_commands\":[\"i=0; while [ $i -lt 600 ]; do echo >/f$i; i=$((i+1)); "
	         "done\"]"),
	      &o, -EFBIG, "more than 500 files");
}

/* A hole takes no disk: only when it would be archived, somebody waits for it. */
static void a_hole_is_refused_before_it_is_read(void **state)
{
	uint64_t began = corral_now_ms();
	const struct corral_build_options o = { .limits = { .bytes_max = (uint64_t)1 << 30 } };

	(void)state;
	fails(RT(",\"setup_commands\":[\"busybox truncate -s 600M /a /b\"]"), &o, -EFBIG,
	      "'b': more than 1073741824 bytes unpacked");
	assert_true(corral_now_ms() - began < corral_test_most_ms(SOON_MS));
}

static void a_hole_can_be_called_off_and_has_the_deadline(void **state)
{
	static const char huge[] = RT(",\"setup_commands\":[\"busybox truncate -s 1024G /hole\"]");
	const struct corral_build_options o = { .limits = { .bytes_max = (uint64_t)1 << 42 } };
	const struct corral_build_options late = { .limits = { .bytes_max = (uint64_t)1 << 42 },
		                                   .timeout_ms = 5000 };
	struct watcher w = { .cancel_ms = 500, .cancel_after = "keeping what was changed" };
	struct corral_image *i = NULL;
	struct corral_error err = { 0 };
	int r;

	(void)state;
	r = build(huge, &o, &w, &i, &err);
	if (r != -ECANCELED)
		fail_msg("%d: %s", r, err.text);
	/* Of a terabyte nobody has read all in that time. */
	assert_true(corral_now_ms() - w.seen_ms < corral_test_most_ms(SOON_MS));
	corral_buf_done(&w.lines);
	nothing_is_left();
	fails(huge, &late, -ETIMEDOUT, "takes too long");
}

/* What never pauses in saying something is looked at all the same. */
static void what_writes_output_without_end_is_ended(void **state)
{
	static const char endless[] = RT(",\"setup_commands\":[\"echo go; exec busybox yes\"]");
	const struct corral_build_options small = { .limits = { .bytes_max = 8 << 20 } };
	const struct corral_build_options late = { .timeout_ms = 3000 };
	struct watcher w = { .cancel_ms = 300, .cancel_after = "go" };
	struct corral_image *i = NULL;
	struct corral_error err = { 0 };
	uint64_t began;
	int r = build(endless, NULL, &w, &i, &err);

	(void)state;
	if (r != -ECANCELED)
		fail_msg("%d: %s", r, err.text);
	assert_true(corral_now_ms() - w.seen_ms < corral_test_most_ms(SOON_MS));
	corral_buf_done(&w.lines);
	nothing_is_left();
	began = corral_now_ms();
	fails(RT(",\"setup_commands\":[\"busybox yes & for i in 1 2 3 4; do busybox dd "
	         "if=/dev/zero of=/$i bs=1M count=4; done; exec busybox yes\"]"),
	      &small, -EFBIG, "more than 8388608 bytes unpacked");
	assert_true(corral_now_ms() - began < corral_test_most_ms(SOON_MS));
	began = corral_now_ms();
	fails(endless, &late, -ETIMEDOUT, "takes too long");
	assert_true(corral_now_ms() - began < corral_test_most_ms(SOON_MS));
}

/* --- definitions --- */

static void a_tag_alone_makes_no_build(void **state)
{
	static const char json[] = RT(",\"setup_commands\":[\"echo 1 >/one\"]");
	corral_auto(corral_runtime_freep) struct corral_runtime *rt = NULL;
	struct corral_image *i = NULL, *again = NULL, *found = NULL;
	struct watcher w = { .cancel_ms = 0 };
	struct corral_error err = { 0 };
	corral_autofree char *first = NULL;

	(void)state;
	assert_int_equal(corral_runtime_parse(json, strlen(json), &rt, NULL), 0);
	if (build(json, NULL, NULL, &i, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(corral_image_is_built_for(i, rt));
	first = strdup(i->id);
	/* As if another definition had come to the same few digits. */
	i->definition[10] = i->definition[10] == 'a' ? 'b' : 'a';
	free(corral_take_ptr(&i->id));
	i->id = strdup(first);
	if (corral_image_commit(store, i, NULL, NULL, &err) < 0)
		fail_msg("%s", err.text);
	corral_image_free(i);
	assert_int_equal(corral_runtime_build_find(store, rt, &found, NULL), -ENOENT);
	assert_int_equal(corral_image_of_runtime(store, rt, &found, &err), -ENOENT);
	assert_non_null(strstr(err.text, "has not been done here yet"));
	/* A mismatch is a build, and no use. */
	if (build(json, NULL, &w, &again, &err) < 0)
		fail_msg("%s", err.text);
	assert_non_null(strstr(w.lines.data ? w.lines.data : "", "building corral-runtime:x-"));
	assert_int_equal(corral_runtime_build_find(store, rt, &found, &err), 0);
	assert_string_equal(found->id, again->id);
	corral_image_free(found);
	corral_image_free(again);
	corral_buf_done(&w.lines);
}

static void a_builds_name_is_no_other_images(void **state)
{
	static const char json[] = RT(",\"setup_commands\":[\"echo 1 >/one\"]");
	struct corral_image *i = NULL, *base = NULL;
	struct corral_error err = { 0 };

	(void)state;
	if (build(json, NULL, NULL, &i, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(corral_image_find(store, "base", &base, NULL), 0);
	assert_int_equal(corral_image_tag(store, base, i->names[0], &err), -EPERM);
	assert_non_null(strstr(err.text, "is what corral built for runtime 'x'"));
	assert_int_equal(corral_image_commit(store, base, i->names[0], NULL, &err), -EPERM);
	corral_image_free(base);
	corral_image_free(i);
}

/* --- several at once --- */

#define FIRST(seconds)                                                                \
	"{\"name\":\"first\",\"base_image\":\"base\",\"setup_commands\":[\"echo on; " \
	"sleep " seconds "\"]}"
#define SECOND(seconds) RT(",\"setup_commands\":[\"sleep " seconds "\"]")

static void *build_long(void *ctx)
{
	struct watcher *w = ctx;
	const struct corral_build_options o = { .slots = 1 };
	struct corral_image *i = NULL;
	struct corral_error err = { 0 };

	(void)build(corral_test_slow() ? FIRST("40") : FIRST("3"), &o, w, &i, &err);
	corral_image_free(i);
	return NULL;
}

static void builds_wait_for_a_slot_and_say_so(void **state)
{
	/* Less than it waits and builds, and more than each: what was waited for is no time of its
	 * own. */
	const struct corral_build_options o = { .slots = 1,
		                                .timeout_ms = corral_test_slow() ? 70000 : 6000 };
	struct watcher first = { .cancel_ms = 0 }, second = { .cancel_ms = 0 };
	struct corral_image *i = NULL;
	struct corral_error err = { 0 };
	uint64_t began = corral_now_ms();
	pthread_t thread;
	int r;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, build_long, &first), 0);
	while (!first.lines.data || !strstr(first.lines.data, "\non\n")) {
		(void)usleep(20000);
		assert_true(corral_now_ms() - began < corral_test_most_ms(15000));
	}
	r = build(corral_test_slow() ? SECOND("45") : SECOND("4"), &o, &second, &i, &err);
	assert_int_equal(pthread_join(thread, NULL), 0);
	if (r < 0)
		fail_msg("%s", err.text);
	assert_non_null(strstr(second.lines.data, "waiting: 1 other builds run, as many as may"));
	corral_image_free(i);
	corral_buf_done(&first.lines);
	corral_buf_done(&second.lines);
}

/* --- ids of an ordinary user's --- */

static int prune_remove(void *ctx, const char *parent_path, const char *name,
                        struct corral_error *err)
{
	(void)ctx;
	return corral_mapped_remove(launcher, parent_path, name, err);
}

/* Directories that their owner, one of the user's other ids, has closed; in the cache as well. */
#define CLOSED                                                                      \
	"mkdir -p /d/e && echo >/d/e/f && chown -R 33:33 /d && chmod 0 /d/e /d && " \
	"mkdir -p /.corral-build/cache/x/y && echo >/.corral-build/cache/x/y/z && " \
	"chown -R 33:33 /.corral-build/cache/x && chmod 0 /.corral-build/cache/x/y && echo closed"

static bool has_ranges(void)
{
	struct corral_error err = { 0 };
	int r;

	if (geteuid() == 0) {
		print_message("not for root: it reaches all ids\n");
		skip();
		return false;
	}
	r = corral_mapped_run(launcher, dir, "true", NULL, 0, &err);
	if (r < 0)
		corral_test_skip("ranges in /etc/subuid and newuidmap (%s)", err.text);
	return r == 0;
}

static void what_a_killed_build_left_of_other_ids_is_pruned(void **state)
{
	const struct corral_image_prune_options plain = { 0 }, mapped = { .remove = prune_remove };
	struct corral_image_removal gone = { 0 };
	struct watcher w = { .kill_at = "closed" };
	struct corral_image *i = NULL;
	struct corral_error err = { 0 };
	int status;
	pid_t pid;

	(void)state;
	if (!has_ranges())
		return;
	pid = fork();
	if (pid == 0) {
		corral_image_store_close(store);
		if (corral_image_store_open(store_path, false, &store, NULL) < 0 ||
		    corral_launcher_open(0, &launcher, NULL) < 0)
			_exit(1);
		(void)build(RT(",\"setup_commands\":[\"" CLOSED "; sleep 60\"]"), NULL, &w, &i,
		            &err);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_true(image_entries(store_path, "partial") > 0);
	(void)usleep(500000);
	/* By itself the user cannot. */
	assert_true(corral_image_prune(store, &plain, &gone, &err) < 0);
	if (corral_image_prune(store, &mapped, &gone, &err) < 0)
		fail_msg("%s", err.text);
	corral_image_removal_done(&gone);
	nothing_is_left();
}

/* A slot of the cache that is of no use any more goes, whoever owns what is in it. */
static void what_a_build_closed_in_its_cache_goes(void **state)
{
	struct corral_image *i = NULL;
	struct corral_error err = { 0 };
	char command[256];

	(void)state;
	if (!has_ranges())
		return;
	if (build(RT(",\"setup_commands\":[\"" CLOSED "\"]"), NULL, NULL, &i, &err) < 0)
		fail_msg("%s", err.text);
	corral_image_free(i);
	i = NULL;
	assert_int_equal(image_entries(store_path, "cache"), 1);
	/* What managers need is no directory: the next build begins a slot anew. */
	(void)snprintf(command, sizeof(command), "%s/cache", store_path);
	if (corral_mapped_run(launcher, command, "for d in *; do rm -rf $d/apt; echo >$d/apt; done",
	                      NULL, 0, &err) < 0)
		fail_msg("%s", err.text);
	if (build(RT(",\"setup_commands\":[\"test ! -e /.corral-build/cache/x\"]"), NULL, NULL, &i,
	          &err) < 0)
		fail_msg("%s", err.text);
	corral_image_free(i);
}

/* Nor is a slot that was itself given to another id and closed the end of all later builds. */
static void a_slot_that_a_build_closed_is_made_anew(void **state)
{
	struct corral_image *i = NULL;
	struct corral_error err = { 0 };

	(void)state;
	if (!has_ranges())
		return;
	if (build(RT(",\"setup_commands\":[\"echo >/.corral-build/cache/x; busybox chown 5:5 "
	             "/.corral-build/cache; busybox chmod 0 /.corral-build/cache\"]"),
	          NULL, NULL, &i, &err) < 0)
		fail_msg("%s", err.text);
	corral_image_free(i);
	i = NULL;
	if (build(RT(",\"setup_commands\":[\"test -d /.corral-build/cache/pip; test ! -e "
	             "/.corral-build/cache/x\"]"),
	          NULL, NULL, &i, &err) < 0)
		fail_msg("%s", err.text);
	corral_image_free(i);
	assert_int_equal(image_entries(store_path, "cache"), 1);
}

static void needs_busybox_and_sandboxes(void **state)
{
	(void)state;
	if (!has_busybox())
		corral_test_skip("a static " IMAGE_BUSYBOX " (package busybox-static)");
	else
		(void)can_launch();
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_writes_too_much_is_ended_while_it_runs),
		CASE(what_makes_too_many_files_is_ended),
		CASE(a_hole_is_refused_before_it_is_read),
		CASE(a_hole_can_be_called_off_and_has_the_deadline),
		CASE(what_writes_output_without_end_is_ended),
		CASE(a_tag_alone_makes_no_build),
		CASE(a_builds_name_is_no_other_images),
		CASE(builds_wait_for_a_slot_and_say_so),
		CASE(what_a_killed_build_left_of_other_ids_is_pruned),
		CASE(what_a_build_closed_in_its_cache_goes),
		CASE(a_slot_that_a_build_closed_is_made_anew),
	};
	const struct CMUnitTest none[] = { cmocka_unit_test(needs_busybox_and_sandboxes) };
	struct corral_launcher *l = NULL;

	if (!has_busybox() || corral_launcher_open(0, &l, NULL) < 0)
		return cmocka_run_group_tests(none, NULL, NULL);
	corral_launcher_close(l);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
