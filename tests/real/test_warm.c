/*
 * Sandboxes made ahead of need: whoever gets one sees a sandbox made for it and for nobody else.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "kernel/launcher.h"
#include "tests/real/library_support.h"
#include "tests/real/sandbox_support.h"

#define PATIENCE_MS (corral_test_slow() ? 120000 : 20000)

struct fixture {
	struct corral_launcher *launcher;
	struct corral_error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	if (corral_launcher_open(CORRAL_LAUNCHER_POOLED | CORRAL_LAUNCHER_WARM, &f->launcher,
	                         &f->err) < 0)
		f->launcher = NULL;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_launcher_close(f->launcher);
	free(f);
	return 0;
}

/* Only a launcher of root's keeps anything ahead: namespaces that an ordinary user makes belong to
 * one process. */
static bool missing(const struct fixture *f)
{
	if (f->launcher && f->launcher->has_keeper)
		return false;
	if (f->launcher)
		skip_without_root("a keeper");
	corral_test_skip("native isolation: %s", f->err.text);
	return true;
}

static unsigned int ready(struct corral_launcher *l, const struct corral_policy *p, pid_t *ret_pid)
{
	unsigned int n = 0;

	pthread_mutex_lock(&l->lock);
	for (unsigned int i = 0; i < CORRAL_WARM_POLICIES; i++)
		if (l->warm[i].policy && corral_policy_interchangeable(l->warm[i].policy, p)) {
			n = l->warm[i].n;
			if (n && ret_pid)
				*ret_pid = corral_sandbox_pid(l->warm[i].boxes[0]);
		}
	pthread_mutex_unlock(&l->lock);
	return n;
}

static void wait_until_ready(struct corral_launcher *l, const struct corral_policy *p)
{
	for (int ms = 0; ready(l, p, NULL) < CORRAL_WARM_SANDBOXES; ms++) {
		if (ms > PATIENCE_MS)
			fail_msg("%u sandboxes are ready after %d ms", ready(l, p, NULL),
			         PATIENCE_MS);
		nap(1);
	}
}

/* One made ahead was there: none was cloned for this opening. */
static struct corral_sandbox *open_one(struct fixture *f, const struct corral_policy *p, bool warm)
{
	struct corral_sandbox *s = NULL;

	if (corral_sandbox_open(f->launcher, p, &s, &f->err) < 0)
		fail_msg("open: %s", f->err.text);
	if ((corral_sandbox_receipt(s)->stage_usec[CORRAL_STAGE_CLONE] == 0) != warm)
		fail_msg("it was%s made ahead", warm ? " not" : "");
	return s;
}

static void warm_up(struct fixture *f, const struct corral_policy *p)
{
	corral_sandbox_close(open_one(f, p, false), NULL);
	wait_until_ready(f->launcher, p);
}

/* The exit code of the shell line. */
static int shell(struct fixture *f, struct corral_sandbox *s, const char *line)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)(uintptr_t)line, NULL };
	const struct corral_command command = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1
	};

	if (corral_sandbox_start(s, &command, &f->err) < 0 || corral_sandbox_wait(s, &f->err) < 0)
		fail_msg("%s: %s", line, f->err.text);
	return corral_sandbox_receipt(s)->exit_code;
}

static void sandbox_made_ahead_is_a_fresh_one(void **state)
{
	struct fixture *f = *state;
	struct corral_policy *p;
	struct corral_sandbox *s;

	if (missing(f))
		return;
	p = policy_of("{}");
	warm_up(f, p);
	for (int i = 0; i < 12; i++) {
		wait_until_ready(f->launcher, p);
		s = open_one(f, p, true);
		assert_int_equal(shell(f, s,
		                       "test ! -e /tmp/mark && test ! -e /usr/mark && "
		                       "test \"$(ls /workspace)\" = '' && touch /tmp/mark "
		                       "/usr/mark /workspace/mark"),
		                 0);
		corral_sandbox_close(s, NULL);
	}
	corral_policy_free(p);
}

static void environment_is_that_of_who_opens(void **state)
{
	struct fixture *f = *state;
	struct corral_policy *first, *second;
	struct corral_sandbox *s;

	if (missing(f))
		return;
	first = policy_of("{\"env\":{\"WHO\":\"first\",\"SECRET\":\"s\"}}");
	second = policy_of("{\"env\":{\"WHO\":\"second\"}}");
	warm_up(f, first);
	s = open_one(f, second, true);
	/* And the policy is not needed any more once it is open. */
	corral_policy_free(second);
	assert_int_equal(shell(f, s,
	                       "test \"$WHO\" = second && test -z \"$SECRET\" && "
	                       "! tr '\\0' '\\n' </proc/1/environ | grep -q first"),
	                 0);
	corral_sandbox_close(s, NULL);
	corral_policy_free(first);
}

static void policy_may_go_while_its_sandboxes_wait(void **state)
{
	struct fixture *f = *state;
	struct corral_policy *p;
	struct corral_sandbox *s;

	if (missing(f))
		return;
	p = policy_of("{\"hostname\":\"gone\"}");
	warm_up(f, p);
	corral_policy_free(p);
	p = policy_of("{\"hostname\":\"gone\"}");
	s = open_one(f, p, true);
	assert_int_equal(shell(f, s, "test \"$(cat /proc/sys/kernel/hostname)\" = gone"), 0);
	corral_sandbox_close(s, NULL);
	corral_policy_free(p);
}

static void other_policies_get_their_own(void **state)
{
	struct fixture *f = *state;
	struct corral_policy *usual, *other;
	struct corral_sandbox *s;

	if (missing(f))
		return;
	usual = policy_of("{}");
	other = policy_of("{\"hostname\":\"other\",\"limits\":{\"open_files\":77}}");
	warm_up(f, usual);
	s = open_one(f, other, false);
	assert_int_equal(shell(f, s, "test \"$(ulimit -n)\" = 77"), 0);
	corral_sandbox_close(s, NULL);
	wait_until_ready(f->launcher, other);
	s = open_one(f, other, true);
	assert_int_equal(shell(f, s,
	                       "test \"$(ulimit -n)\" = 77 && test \"$(cat "
	                       "/proc/sys/kernel/hostname)\" = other"),
	                 0);
	corral_sandbox_close(s, NULL);
	corral_policy_free(usual);
	corral_policy_free(other);
}

/* Whoever takes one brings the directory; the same pool serves them all, and those without. */
static void workspace_is_attached_when_it_is_handed_out(void **state)
{
	char *dirs[2], json[700], path[600];
	struct fixture *f = *state;
	struct corral_policy *p;
	struct corral_sandbox *s;
	struct stat st;

	if (missing(f))
		return;
	dirs[0] = dir_make();
	dirs[1] = dir_make();
	p = policy_of("{\"user\":\"1000\"}");
	warm_up(f, p);
	corral_policy_free(p);
	for (int i = 0; i < 4; i++) {
		(void)snprintf(json, sizeof(json), "{\"user\":\"1000\",\"workspace\":\"%s\"}",
		               dirs[i % 2]);
		p = policy_of(json);
		wait_until_ready(f->launcher, p);
		s = open_one(f, p, true);
		/* The first comes to an empty directory, the second finds what that left. */
		(void)snprintf(
		        json, sizeof(json),
		        "cd /workspace && test \"$(ls | wc -l)\" = %d && test $(id -u) = 1000 && "
		        "touch file-%d && test \"$(stat -c %%u file-%d)\" = 1000 && "
		        "test \"$(grep -c ' /workspace ' /proc/self/mountinfo)\" = 2 && "
		        "grep ' /workspace ' /proc/self/mountinfo | tail -n1 | grep nosuid,nodev",
		        i / 2, i, i);
		assert_int_equal(shell(f, s, json), 0);
		corral_sandbox_close(s, NULL);
		corral_policy_free(p);
		(void)snprintf(path, sizeof(path), "%s/file-%d", dirs[i % 2], i);
		assert_int_equal(stat(path, &st), 0);
		/* The owner on disk is the directory's. */
		assert_int_equal(st.st_uid, geteuid());
	}
	/* One without still gets an empty directory of its own. */
	p = policy_of("{\"user\":\"1000\"}");
	wait_until_ready(f->launcher, p);
	s = open_one(f, p, true);
	assert_int_equal(shell(f, s, "test \"$(ls /workspace | wc -l)\" = 0"), 0);
	corral_sandbox_close(s, NULL);
	corral_policy_free(p);
	dir_remove(dirs[0]);
	dir_remove(dirs[1]);
}

static void workspace_that_cannot_be_is_told_as_ever(void **state)
{
	struct fixture *f = *state;
	struct corral_sandbox *s = NULL;
	struct corral_policy *p;

	if (missing(f))
		return;
	p = policy_of("{}");
	warm_up(f, p);
	corral_policy_free(p);
	p = policy_of("{\"workspace\":\"/no/such\"}");
	assert_int_equal(corral_sandbox_open(f->launcher, p, &s, &f->err), -ENOENT);
	assert_says(f->err.text, "--workspace '/no/such': No such file or directory");
	corral_policy_free(p);
}

static void time_is_that_of_who_opens(void **state)
{
	struct fixture *f = *state;
	struct corral_sandbox *s;
	struct corral_policy *p;

	if (missing(f))
		return;
	p = policy_of("{}");
	warm_up(f, p);
	corral_policy_free(p);
	p = policy_of("{\"limits\":{\"timeout\":\"100ms\"}}");
	s = open_one(f, p, true);
	(void)shell(f, s, "sleep 60");
	assert_int_equal(corral_sandbox_receipt(s)->reason, CORRAL_REASON_TIMEOUT);
	assert_true(corral_sandbox_receipt(s)->limits_enforced & CORRAL_LIMIT_TIMEOUT);
	corral_sandbox_close(s, NULL);
	corral_policy_free(p);
}

/* One supply for tenants with other limits: what is handed out has those of who takes it. */
static void limits_are_those_of_who_opens(void **state)
{
	struct fixture *f = *state;
	struct corral_sandbox *s;
	struct corral_policy *p;

	if (missing(f))
		return;
	p = policy_of("{}");
	warm_up(f, p);
	corral_policy_free(p);
	p = policy_of("{\"limits\":{\"memory\":\"48M\",\"cpus\":0.5}}");
	s = open_one(f, p, true);
	assert_int_equal(shell(f, s, "head -c 20M /dev/zero | tail -c 20M >/dev/null"), 0);
	(void)shell(f, s, "head -c 80M /dev/zero | tail -c 80M >/dev/null");
	assert_int_equal(corral_sandbox_receipt(s)->reason, CORRAL_REASON_OOM);
	assert_true(corral_sandbox_receipt(s)->limits_enforced & CORRAL_LIMIT_MEMORY);
	assert_true(corral_sandbox_receipt(s)->limits_enforced & CORRAL_LIMIT_CPUS);
	corral_sandbox_close(s, NULL);
	corral_policy_free(p);
	/* More than those before had. */
	p = policy_of("{\"limits\":{\"memory\":\"2G\"}}");
	wait_until_ready(f->launcher, p);
	s = open_one(f, p, true);
	assert_int_equal(shell(f, s, "head -c 80M /dev/zero | tail -c 80M >/dev/null"), 0);
	corral_sandbox_close(s, NULL);
	corral_policy_free(p);
}

static void pool_tells_what_it_has_and_what_came_of_it(void **state)
{
	struct fixture *f = *state;
	struct corral_pool pool;
	struct corral_policy *p;

	if (missing(f))
		return;
	p = policy_of("{}");
	warm_up(f, p);
	corral_launcher_pool(f->launcher, &pool);
	assert_int_equal(pool.hits, 0);
	assert_int_equal(pool.misses, 1);
	assert_int_equal(pool.policies, 1);
	assert_int_equal(pool.ready, CORRAL_WARM_SANDBOXES);
	assert_true(pool.made >= CORRAL_WARM_SANDBOXES && !pool.failed && !pool.wasted);
	assert_true(pool.oldest_ms < PATIENCE_MS);
	corral_sandbox_close(open_one(f, p, true), NULL);
	corral_launcher_pool(f->launcher, &pool);
	assert_int_equal(pool.hits, 1);
	assert_int_equal(pool.misses, 1);
	corral_policy_free(p);
}

/* A directory of the host may be another one by the time it is used. */
static void nothing_is_made_ahead_that_binds_the_host(void **state)
{
	struct fixture *f = *state;
	struct corral_policy *p;

	if (missing(f))
		return;
	p = policy_of(
	        "{\"mounts\":[{\"type\":\"ro-bind\",\"source\":\"/usr\",\"target\":\"/x\"}]}");
	for (int i = 0; i < 3; i++) {
		corral_sandbox_close(open_one(f, p, false), NULL);
		nap(1);
	}
	for (unsigned int i = 0; i < CORRAL_WARM_POLICIES; i++)
		assert_null(f->launcher->warm[i].policy);
	corral_policy_free(p);
}

static void one_that_died_meanwhile_is_passed_over(void **state)
{
	struct fixture *f = *state;
	struct corral_policy *p;
	struct corral_sandbox *s;
	pid_t pid = 0;
	siginfo_t info;

	if (missing(f))
		return;
	p = policy_of("{}");
	warm_up(f, p);
	(void)ready(f->launcher, p, &pid);
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | __WALL), 0);
	s = open_one(f, p, true);
	assert_true(corral_sandbox_pid(s) != pid);
	assert_int_equal(shell(f, s, "true"), 0);
	corral_sandbox_close(s, NULL);
	corral_policy_free(p);
}

/* More policies than places: the one that was not asked for the longest makes room. */
static void fifth_policy_gets_a_place_in_the_end(void **state)
{
	struct fixture *f = *state;
	struct corral_policy *p[CORRAL_WARM_POLICIES + 1];
	char json[64];
	int ms = 0;

	if (missing(f))
		return;
	for (unsigned int i = 0; i < CORRAL_COUNT(p); i++) {
		(void)snprintf(json, sizeof(json), "{\"hostname\":\"host%u\"}", i);
		p[i] = policy_of(json);
		corral_sandbox_close(open_one(f, p[i], false), NULL);
		if (i < CORRAL_WARM_POLICIES)
			wait_until_ready(f->launcher, p[i]);
	}
	while (ready(f->launcher, p[CORRAL_WARM_POLICIES], NULL) == 0 && ms++ < PATIENCE_MS / 10) {
		struct corral_sandbox *s = NULL;

		assert_int_equal(corral_sandbox_open(f->launcher, p[CORRAL_WARM_POLICIES], &s,
		                                     &f->err),
		                 0);
		corral_sandbox_close(s, NULL);
		nap(10);
	}
	assert_true(ready(f->launcher, p[CORRAL_WARM_POLICIES], NULL) > 0);
	assert_int_equal(ready(f->launcher, p[0], NULL), 0);
	for (unsigned int i = 0; i < CORRAL_COUNT(p); i++)
		corral_policy_free(p[i]);
}

/* A server that forks its workers after opening the launcher: each has a copy of every descriptor,
 * and two tenants would get one sandbox, one range of ids, one network. */
static void a_fork_takes_nothing_that_was_made_ahead(void **state)
{
	struct fixture *f = *state;
	struct corral_sandbox *s = NULL;
	struct corral_policy *p;
	int status = 0;
	pid_t pid;

	if (missing(f))
		return;
	p = policy_of("{}");
	warm_up(f, p);
	pid = fork();
	if (pid == 0) {
		bool fresh = corral_sandbox_open(f->launcher, p, &s, NULL) == 0 &&
		             corral_sandbox_receipt(s)->stage_usec[CORRAL_STAGE_CLONE] != 0;

		corral_sandbox_close(s, NULL);
		_exit(fresh ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	corral_sandbox_close(open_one(f, p, true), NULL);
	corral_policy_free(p);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(a_fork_takes_nothing_that_was_made_ahead),
		ROW(sandbox_made_ahead_is_a_fresh_one),
		ROW(environment_is_that_of_who_opens),
		ROW(workspace_is_attached_when_it_is_handed_out),
		ROW(workspace_that_cannot_be_is_told_as_ever),
		ROW(time_is_that_of_who_opens),
		ROW(limits_are_those_of_who_opens),
		ROW(pool_tells_what_it_has_and_what_came_of_it),
		ROW(policy_may_go_while_its_sandboxes_wait),
		ROW(other_policies_get_their_own),
		ROW(nothing_is_made_ahead_that_binds_the_host),
		ROW(one_that_died_meanwhile_is_passed_over),
		ROW(fifth_policy_gets_a_place_in_the_end),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
