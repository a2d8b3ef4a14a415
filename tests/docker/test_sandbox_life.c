/* How a container lives: made, lost, begun anew, taken up again, left behind, removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "backends/docker/container.h"
#include "backends/docker/spec.h"
#include "backends/docker/volume.h"
#include "tests/docker/sandbox_support.h"

static struct corral_docker_options own_options(void)
{
	return (struct corral_docker_options) { 0 };
}

/* --- Death and the next life --- */

static const struct corral_execute nothing = { .command = "true", .timeout_ms = 60000 };

static void death_from_outside_is_told_and_the_next_life_is_asked_for(void **state)
{
	struct fixture *f = *state;
	char first[CORRAL_DOCKER_ID_SIZE];
	struct corral_background g;
	struct corral_executed e;
	struct corral_backend *b;
	uint64_t begin;

	if (missing(f))
		return;
	b = sandbox(f, (struct corral_docker_options) { 0 });
	assert_shell_in(f, b, "touch mark", 0, "");
	OK(f, corral_backend_background_start(b, "sleep 100", &g, &f->on.err));
	(void)snprintf(first, sizeof(first), "%s", corral_docker_sandbox_container(b));
	assert_true(corral_backend_is_alive(b));
	container_tell(f, first, "kill");
	begin = corral_now_ms();
	while (corral_backend_is_alive(b) && corral_now_ms() - begin < PATIENCE_MS)
		nap(5);
	assert_false(corral_backend_is_alive(b));
	FAILS(f, corral_backend_execute(b, &nothing, &e, &f->on.err), EPIPE, "start it again");
	corral_executed_done(&e);
	FAILS(f, corral_backend_write(b, "x", "1", 1, &f->on.err), EPIPE, "start it again");
	assert_false(corral_backend_is_alive(b));
	OK(f, corral_backend_start(b, &f->on.err));
	assert_true(corral_backend_is_alive(b));
	assert_shell_in(f, b, "ls", 0, "");
	assert_string_not_equal(corral_docker_sandbox_container(b), first);
	assert_true(container_goes(f, first, PATIENCE_MS));
}

struct victim {
	struct fixture *f;
	const char *id;
};

static void *kill_soon(void *arg)
{
	const struct victim *v = arg;
	struct corral_error err = { 0 };
	char path[200];

	nap(300);
	(void)snprintf(path, sizeof(path), "/containers/%s/kill", v->id);
	(void)corral_docker_do(v->f->engine, "POST", path, NULL, NULL, &err);
	return NULL;
}

static void death_in_the_middle_of_a_command_is_its_answer(void **state)
{
	const struct corral_execute x = { .command = "echo begun; sleep 60", .timeout_ms = 60000 };
	struct fixture *f = *state;
	struct corral_executed e;
	struct corral_backend *b;
	struct victim v = { .f = f };
	pthread_t thread;
	uint64_t begin = corral_now_ms();

	if (missing(f))
		return;
	b = sandbox(f, (struct corral_docker_options) { 0 });
	OK(f, corral_backend_start(b, &f->on.err));
	v.id = corral_docker_sandbox_container(b);
	assert_int_equal(pthread_create(&thread, NULL, kill_soon, &v), 0);
	FAILS(f, corral_backend_execute(b, &x, &e, &f->on.err), EPIPE, "start it again");
	corral_executed_done(&e);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(corral_now_ms() - begin < 15000);
	assert_int_equal(corral_backend_busy(b), 0);
	/* Ended, it may begin anew without being asked to. */
	OK(f, corral_backend_end(b, &f->on.err));
	assert_shell_in(f, b, "echo anew", 0, "anew\n");
}

static void end_leaves_nothing_but_the_volume(void **state)
{
	char volume[CORRAL_DOCKER_VOLUME_SIZE], id[CORRAL_DOCKER_ID_SIZE], path[100];
	corral_autojson json_t *answer = NULL;
	struct fixture *f = *state;
	struct corral_backend *b;

	if (missing(f))
		return;
	b = sandbox(f, (struct corral_docker_options) { 0 });
	assert_shell_in(f, b, "true", 0, "");
	(void)snprintf(id, sizeof(id), "%s", corral_docker_sandbox_container(b));
	assert_true(container_exists(f, id));
	OK(f, corral_backend_end(b, &f->on.err));
	assert_true(container_goes(f, id, PATIENCE_MS));
	/* Twice is fine, and without one as well. */
	OK(f, corral_backend_end(b, &f->on.err));
	corral_docker_volume_name(volume);
	(void)snprintf(path, sizeof(path), "/volumes/%s", volume);
	answer = ask(f, "GET", path, NULL);
	assert_non_null(answer);
}

/* --- Named ones --- */

#define NAMED NAME_PREFIX "named"

static const struct corral_docker_options by_name = { .container_name = NAMED };

static int named_teardown(void **state)
{
	struct fixture *f = *state;

	(void)each_teardown(state);
	if (f->engine) {
		container_remove(f, NAMED);
		container_remove(f, NAME_PREFIX "foreign");
		(void)tell(f, "DELETE", "/volumes/" NAME_PREFIX "older", NULL);
	}
	return 0;
}

static void assert_state(struct fixture *f, const char *name, const char *wanted)
{
	corral_autojson json_t *answer = NULL;
	const char *status;
	char path[200];

	(void)snprintf(path, sizeof(path), "/containers/%s/json", name);
	answer = ask(f, "GET", path, NULL);
	status = json_string_value(json_object_get(json_object_get(answer, "State"), "Status"));
	assert_string_equal(status ? status : "gone", wanted);
}

static void named_container_stays_and_is_taken_up_in_every_state(void **state)
{
	struct fixture *f = *state;
	struct corral_backend *b;
	char id[CORRAL_DOCKER_ID_SIZE];

	if (missing(f))
		return;
	b = sandbox(f, by_name);
	assert_shell_in(f, b, "echo kept >file; echo root >/root/file", 0, "");
	(void)snprintf(id, sizeof(id), "%s", corral_docker_sandbox_container(b));
	close_one(f, b);
	assert_state(f, NAMED, "exited");
	b = sandbox(f, by_name);
	assert_shell_in(f, b, "cat file /root/file", 0, "kept\nroot\n");
	assert_string_equal(corral_docker_sandbox_container(b), id);
	/* Paused behind our back, and by us. */
	container_tell(f, NAMED, "pause");
	close_one(f, b);
	b = sandbox(f, by_name);
	assert_shell_in(f, b, "cat file", 0, "kept\n");
	OK(f, corral_backend_pause(b, true, &f->on.err));
	assert_state(f, NAMED, "paused");
	close_one(f, b);
	assert_state(f, NAMED, "exited");
	/* One that somebody else has started already. */
	container_tell(f, NAMED, "start");
	b = sandbox(f, by_name);
	assert_shell_in(f, b, "cat file", 0, "kept\n");
	assert_string_equal(corral_docker_sandbox_container(b), id);
	OK(f, corral_docker_sandbox_remove(b, &f->on.err));
	assert_false(container_exists(f, NAMED));
	/* And once more from the beginning; removed without having been started. */
	assert_shell_in(f, b, "ls", 0, "");
	close_one(f, b);
	b = sandbox(f, by_name);
	OK(f, corral_docker_sandbox_remove(b, &f->on.err));
	assert_false(container_exists(f, NAMED));
	OK(f, corral_docker_sandbox_remove(b, &f->on.err));
}

static void two_backends_share_one_name(void **state)
{
	struct fixture *f = *state;
	struct corral_backend *one, *two;

	if (missing(f))
		return;
	one = sandbox(f, by_name);
	two = sandbox(f, by_name);
	assert_shell_in(f, one, "echo one >file", 0, "");
	assert_shell_in(f, two, "cat file", 0, "one\n");
	assert_string_equal(corral_docker_sandbox_container(one),
	                    corral_docker_sandbox_container(two));
	/* The end of the one ends the other, which says so and takes it up again when asked. */
	OK(f, corral_backend_end(one, &f->on.err));
	if (corral_backend_execute(two, &nothing, &(struct corral_executed) { 0 }, &f->on.err) !=
	    -EPIPE)
		fail_msg("the other goes on in a container that was stopped");
	assert_says(f->on.err.text, "start it again");
	OK(f, corral_backend_start(two, &f->on.err));
	assert_shell_in(f, two, "cat file", 0, "one\n");
}

/* --- Somebody else's --- */

#define FOREIGN NAME_PREFIX "foreign"

static const struct corral_docker_options foreign = { .container_name = FOREIGN,
	                                              .leave_running = true };

/* Of that host configuration, which is taken; running. */
static void foreign_start(struct fixture *f, json_t *host)
{
	json_t *body = json_pack("{s:s,s:[s,s],s:s,s:o}", "Image", corral_test_image(), "Cmd",
	                         "sleep", "1000", "WorkingDir", "/workspace", "HostConfig", host);

	container_remove(f, FOREIGN);
	OK(f, tell(f, "POST", "/containers/create?name=" FOREIGN, body));
	container_tell(f, FOREIGN, "start");
}

static json_t *narrow(void)
{
	return json_pack("{s:s,s:[s],s:[s],s:[s,s]}", "NetworkMode", "none", "SecurityOpt",
	                 "no-new-privileges", "CapDrop", "ALL", "CapAdd", "CHOWN", "DAC_OVERRIDE");
}

static void foreign_container_that_contains_less_is_taken_by_consent(void **state)
{
	struct corral_docker_options consent = foreign;
	struct fixture *f = *state;
	struct corral_backend *b;

	if (missing(f))
		return;
	foreign_start(f, json_pack("{s:s,s:[s]}", "NetworkMode", "host", "SecurityOpt",
	                           "seccomp=unconfined"));
	b = sandbox(f, foreign);
	FAILS(f, corral_backend_start(b, &f->on.err), EPERM,
	      "container '" FOREIGN "' has the host's network, keeps new privileges, has no "
	      "filter of system calls and has more capabilities: --allow-weaker takes it as it is");
	close_one(f, b);
	assert_state(f, FOREIGN, "running");
	consent.allow_weaker = true;
	b = sandbox(f, consent);
	assert_shell_in(f, b, "pwd", 0, "/workspace\n");
	close_one(f, b);
	/* As narrow as ours, it takes none. */
	foreign_start(f, narrow());
	b = sandbox(f, foreign);
	assert_shell_in(f, b, "pwd", 0, "/workspace\n");
	close_one(f, b);
	assert_state(f, FOREIGN, "running");
}

/* As an older corral left it: its volume is at our place, and cannot be written to. */
static void program_of_another_version_is_not_in_the_way(void **state)
{
	json_t *host = narrow();
	struct fixture *f = *state;
	struct corral_background g;
	struct corral_backend *b;

	(void)json_object_set_new(host, "Binds", json_pack("[s]", NAME_PREFIX "older:/.corral:ro"));
	if (missing(f)) {
		json_decref(host);
		return;
	}
	foreign_start(f, host);
	b = sandbox(f, foreign);
	/* Not by its shell, which has none of these. */
	OK(f, corral_backend_background_start(b, "sleep 100", &g, &f->on.err));
	assert_shell_in(f, b, "ls /.corral; ls /.corral-*", 0, "corral-inside\n");
	close_one(f, b);
}

/* Of its size, and at both places where it may be looked for. */
static void what_lies_where_our_program_would_is_not_run(void **state)
{
	static const char forge[] =
	        "cd / && set -- .corral-*/corral-inside && n=$(stat -c %s $1) && "
	        "printf '#!/bin/sh\\ntouch /forged\\n' >f && truncate -s $n f && chmod 755 f && "
	        "mkdir -p .corral && cp -p f .corral/corral-inside && rm $1 && cp -p f $1";
	struct fixture *f = *state;
	struct corral_backend *b;

	if (missing(f))
		return;
	foreign_start(f, narrow());
	b = sandbox(f, foreign);
	assert_shell_in(f, b, forge, 0, "");
	close_one(f, b);
	b = sandbox(f, foreign);
	assert_shell_in(f, b, "ls /forged 2>/dev/null; head -c 4 /.corral-*/* | tail -c 3", 0,
	                "ELF");
	close_one(f, b);
}

/* It has no tie, so what is known of it is a few seconds old at most; failures ask at once. */
static void named_container_that_was_killed_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct corral_backend *b;
	struct corral_executed e;

	if (missing(f))
		return;
	b = sandbox(f, by_name);
	assert_shell_in(f, b, "echo kept >file", 0, "");
	container_tell(f, NAMED, "kill");
	FAILS(f, corral_backend_execute(b, &nothing, &e, &f->on.err), EPIPE, "start it again");
	corral_executed_done(&e);
	assert_false(corral_backend_is_alive(b));
	OK(f, corral_backend_start(b, &f->on.err));
	assert_shell_in(f, b, "cat file", 0, "kept\n");
	container_remove(f, NAMED);
	FAILS(f, corral_backend_ls(b, ".", &(struct corral_files_rows) { 0 }, &f->on.err), EPIPE,
	      "start it again");
	OK(f, corral_backend_start(b, &f->on.err));
	container_remove(f, NAMED);
	FAILS(f, corral_backend_execute(b, &nothing, &e, &f->on.err), EPIPE, "start it again");
	corral_executed_done(&e);
	OK(f, corral_backend_start(b, &f->on.err));
	assert_shell_in(f, b, "ls", 0, "");
}

/* --- Those left behind --- */

static _Noreturn void die_with_sandboxes(int fd)
{
	const struct corral_docker_engine_options e = { .host = corral_test_engine() };
	const struct corral_docker_options o = { .image = corral_test_image() };
	struct corral_docker_engine *engine = NULL;
	struct corral_backend *b[3];
	struct corral_error err = { 0 };

	if (corral_docker_engine_open(&e, &engine, &err) < 0)
		_exit(1);
	for (int i = 0; i < 3; i++) {
		if (corral_docker_sandbox_new(engine, &o, &b[i], &err) < 0 ||
		    corral_backend_start(b[i], &err) < 0 ||
		    write(fd, corral_docker_sandbox_container(b[i]), 64) != 64)
			_exit(1);
	}
	(void)kill(getpid(), SIGKILL);
	_exit(1);
}

static void containers_go_with_whoever_made_them(void **state)
{
	struct fixture *f = *state;
	char ids[3][65] = { { 0 } };
	int fds[2], status = 0;
	pid_t pid;

	if (missing(f))
		return;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		die_with_sandboxes(fds[1]);
	(void)close(fds[1]);
	for (int i = 0; i < 3; i++)
		assert_int_equal(read(fds[0], ids[i], 64), 64);
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	for (int i = 0; i < 3; i++)
		assert_true(container_goes(f, ids[i], PATIENCE_MS));
}

static void foreign_make(struct fixture *f)
{
	OK(f, tell(f, "POST", "/containers/create?name=" NAME_PREFIX "foreign",
	           json_pack("{s:s,s:[s],s:{s:s}}", "Image", corral_test_image(), "Cmd", "true",
	                     "Labels", "corral.session", "not ours")));
	OK(f, tell(f, "POST", "/volumes/create", json_pack("{s:s}", "Name", NAME_PREFIX "volume")));
}

/* As its maker would have left it without a tie: made, and never started. self: the name that its
 * label has. */
static void orphan_make(struct fixture *f, const char *name, const char *self, const char *owner,
                        bool named)
{
	char path[200];
	json_t *labels = json_pack("{s:s,s:s,s:s,s:s}", CORRAL_DOCKER_LABEL, "container",
	                           CORRAL_DOCKER_LABEL_SESSION, name, CORRAL_DOCKER_LABEL_OWNER,
	                           owner, CORRAL_DOCKER_LABEL_SELF, self);

	if (named)
		(void)json_object_set_new(labels, CORRAL_DOCKER_LABEL_NAMED, json_string("1"));
	(void)snprintf(path, sizeof(path), "/containers/create?name=%s", name);
	container_remove(f, name);
	OK(f, tell(f, "POST", path,
	           json_pack("{s:s,s:[s],s:o}", "Image", corral_test_image(), "Cmd", "true",
	                     "Labels", labels)));
}

/* The owner of one who is gone: ours with another start. */
static void owner_gone(struct fixture *f, char *ret, size_t size)
{
	char owner[200];
	char *colon;

	container_label(f, corral_docker_sandbox_container(f->on.b), CORRAL_DOCKER_LABEL_OWNER,
	                owner, sizeof(owner));
	colon = strrchr(owner, ':');
	assert_non_null(colon);
	*colon = '\0';
	(void)snprintf(ret, size, "%s:1", owner);
}

static const struct corral_docker_row *row_of(const struct corral_docker_rows *rows,
                                              const char *session)
{
	for (size_t i = 0; i < rows->n; i++)
		if (!strcmp(rows->rows[i].session, session))
			return &rows->rows[i];
	return NULL;
}

static void lists_are_of_ours_and_prune_removes_what_nobody_comes_back_for(void **state)
{
	static const char orphan[] = NAME_PREFIX "orphan", elsewhere[] = NAME_PREFIX "elsewhere",
	                  stays[] = NAME_PREFIX "stays";
	const struct corral_docker_row *row;
	struct corral_docker_rows rows = { 0 };
	struct corral_docker_pruned pruned;
	struct fixture *f = *state;
	char gone[220];

	if (missing(f))
		return;
	OK(f, corral_backend_start(f->on.b, &f->on.err));
	owner_gone(f, gone, sizeof(gone));
	foreign_make(f);
	orphan_make(f, orphan, orphan, gone, false);
	orphan_make(f, stays, stays, gone, true);
	orphan_make(f, elsewhere, elsewhere, "another-boot:1:1:1", false);
	OK(f, corral_docker_list(f->engine, &rows, &f->on.err));
	row = row_of(&rows, corral_backend_id(f->on.b));
	assert_non_null(row);
	assert_string_equal(row->id, corral_docker_sandbox_container(f->on.b));
	assert_string_equal(row->state, "running");
	assert_true(!row->named && !row->orphan && row->created_sec > 1000000000);
	row = row_of(&rows, orphan);
	assert_true(row && row->orphan && !row->named);
	assert_string_equal(row->name, orphan);
	assert_string_equal(row->state, "created");
	row = row_of(&rows, stays);
	assert_true(row && row->orphan && row->named);
	row = row_of(&rows, elsewhere);
	assert_true(row && !row->orphan);
	assert_null(row_of(&rows, "not ours"));
	corral_docker_rows_done(&rows);

	OK(f, corral_docker_prune(f->engine, &pruned, &f->on.err));
	assert_true(pruned.containers >= 1);
	assert_int_equal(pruned.failed, 0);
	assert_false(container_exists(f, orphan));
	assert_true(container_exists(f, elsewhere));
	assert_true(container_exists(f, stays));
	assert_true(container_exists(f, NAME_PREFIX "foreign"));
	assert_int_equal(tell(f, "DELETE", "/volumes/" NAME_PREFIX "volume", NULL), 0);
	assert_shell(&f->on, "echo lives", 0, "lives\n");
}

static const char derived_image[] = NAME_PREFIX "derived";

/* A container of an image that somebody made of ours has our labels as well. */
static void derived_make(struct fixture *f, const char *name)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "/commit?container=%s&repo=%s&tag=latest",
	               NAME_PREFIX "orphan", derived_image);
	OK(f, tell(f, "POST", path, json_object()));
	(void)snprintf(path, sizeof(path), "/containers/create?name=%s", name);
	OK(f,
	   tell(f, "POST", path, json_pack("{s:s,s:[s]}", "Image", derived_image, "Cmd", "true")));
}

static void container_of_an_image_made_of_ours_is_the_users(void **state)
{
	static const char orphan[] = NAME_PREFIX "orphan", derived[] = NAME_PREFIX "elsewhere";
	struct corral_docker_rows rows = { 0 };
	struct corral_docker_pruned pruned;
	struct fixture *f = *state;
	char gone[220], value[220];

	if (missing(f))
		return;
	OK(f, corral_backend_start(f->on.b, &f->on.err));
	owner_gone(f, gone, sizeof(gone));
	orphan_make(f, orphan, orphan, gone, false);
	derived_make(f, derived);
	container_label(f, derived, CORRAL_DOCKER_LABEL_OWNER, value, sizeof(value));
	assert_string_equal(value, gone);
	OK(f, corral_docker_list(f->engine, &rows, &f->on.err));
	for (size_t i = 0; i < rows.n; i++)
		assert_string_not_equal(rows.rows[i].name, derived);
	corral_docker_rows_done(&rows);
	OK(f, corral_docker_prune(f->engine, &pruned, &f->on.err));
	assert_false(container_exists(f, orphan));
	assert_true(container_exists(f, derived));
}

/* By a caller that was killed in between. */
static void what_was_never_started_goes_when_the_engine_is_used_again(void **state)
{
	static const char orphan[] = NAME_PREFIX "orphan", elsewhere[] = NAME_PREFIX "elsewhere",
	                  stays[] = NAME_PREFIX "stays";
	const struct corral_docker_engine_options o = { .host = corral_test_engine() };
	const struct corral_docker_options sandbox_of = { .image = corral_test_image() };
	struct corral_docker_engine *engine = NULL;
	struct corral_backend *b = NULL;
	struct fixture *f = *state;
	char gone[220];
	int r;

	if (missing(f))
		return;
	OK(f, corral_backend_start(f->on.b, &f->on.err));
	owner_gone(f, gone, sizeof(gone));
	orphan_make(f, orphan, orphan, gone, false);
	orphan_make(f, stays, stays, gone, true);
	orphan_make(f, elsewhere, "another", gone, false);
	OK(f, corral_docker_engine_open(&o, &engine, &f->on.err));
	r = corral_docker_sandbox_new(engine, &sandbox_of, &b, &f->on.err);
	if (r == 0)
		r = corral_backend_start(b, &f->on.err);
	corral_backend_close(b);
	corral_docker_engine_close(engine);
	OK(f, r);
	assert_false(container_exists(f, orphan));
	assert_true(container_exists(f, stays));
	assert_true(container_exists(f, elsewhere));
}

static int orphans_teardown(void **state)
{
	struct fixture *f = *state;

	(void)named_teardown(state);
	if (f->engine) {
		container_remove(f, NAME_PREFIX "orphan");
		container_remove(f, NAME_PREFIX "elsewhere");
		container_remove(f, NAME_PREFIX "stays");
		(void)tell(f, "DELETE", "/volumes/" NAME_PREFIX "volume", NULL);
		(void)tell(f, "DELETE", "/images/" NAME_PREFIX "derived", NULL);
	}
	return 0;
}

static void labels_are_ours_and_the_callers(void **state)
{
	char *const labels[] = { (char *)"team=a=b", (char *)"empty=", NULL };
	char *const ours[] = { (char *)"corral.owner=x", NULL };
	const struct corral_docker_options bad = { .labels = ours };
	struct fixture *f = *state;
	struct corral_backend *b, *none = NULL;
	char value[200];

	if (missing(f))
		return;
	FAILS(f, corral_docker_sandbox_new(f->engine, &bad, &none, &f->on.err), EINVAL,
	      "'corral' is ours");
	b = sandbox(f, (struct corral_docker_options) { .id = "labelled", .labels = labels });
	OK(f, corral_backend_start(b, &f->on.err));
	container_label(f, corral_docker_sandbox_container(b), "team", value, sizeof(value));
	assert_string_equal(value, "a=b");
	container_label(f, corral_docker_sandbox_container(b), CORRAL_DOCKER_LABEL_SESSION, value,
	                sizeof(value));
	assert_string_equal(value, "labelled");
	container_label(f, corral_docker_sandbox_container(b), CORRAL_DOCKER_LABEL, value,
	                sizeof(value));
	assert_string_equal(value, "container");
	container_label(f, corral_docker_sandbox_container(b), CORRAL_DOCKER_LABEL_SELF, value,
	                sizeof(value));
	assert_true(strlen(value) == 23 && !strncmp(value, "corral-", 7));
	/* It is called so, and by nothing else. */
	assert_true(container_exists(f, value));
	/* One that uses it is left of it, and is one of many. */
	container_label(f, corral_docker_sandbox_container(b), CORRAL_DOCKER_LABEL_NAMED, value,
	                sizeof(value));
	assert_string_equal(value, "");
}

/* Our program's, that is made once for an engine: whoever cleans up may take it. */
static void volume_that_was_removed_is_made_again(void **state)
{
	char volume[CORRAL_DOCKER_VOLUME_SIZE], path[100];
	struct fixture *f = *state;
	struct corral_backend *b;
	int r = -EBUSY;

	if (missing(f))
		return;
	corral_docker_volume_name(volume);
	(void)snprintf(path, sizeof(path), "/volumes/%s", volume);
	OK(f, corral_backend_start(f->on.b, &f->on.err));
	assert_true(corral_docker_engine_knows(f->engine, CORRAL_DOCKER_KNOWS_VOLUME));
	OK(f, corral_backend_end(f->on.b, &f->on.err));
	for (int i = 0; i < 40 && r == -EBUSY; i++) {
		r = tell(f, "DELETE", path, NULL);
		nap(50);
	}
	if (r == -EBUSY)
		corral_test_skip("the engine to itself: others have containers with the volume");
	OK(f, r);
	b = sandbox(f, (struct corral_docker_options) { 0 });
	assert_shell_in(f, b, "test -x /.corral/corral-inside && echo there", 0, "there\n");
	OK(f, corral_backend_write(b, "x", "1", 1, &f->on.err));
}

/* --- Told as it happens --- */

struct watcher {
	struct fixture *f;
	pthread_t thread;
	int cancel_fd, r;
	int64_t since_sec;
	pthread_mutex_t lock;
	char wanted[CORRAL_DOCKER_ID_SIZE];
	int deaths, exit_code;
	char session[64];
};

static int told(void *ctx, enum corral_docker_death what, const char *container_id,
                const char *session, int exit_code)
{
	struct watcher *w = ctx;

	pthread_mutex_lock(&w->lock);
	if (what == CORRAL_DOCKER_DIE && !strcmp(container_id, w->wanted)) {
		w->deaths++;
		w->exit_code = exit_code;
		(void)snprintf(w->session, sizeof(w->session), "%s", session);
	}
	pthread_mutex_unlock(&w->lock);
	return 0;
}

static void *watch(void *arg)
{
	struct watcher *w = arg;
	struct corral_error err = { 0 };

	w->r = corral_docker_watch(w->f->engine, w->since_sec, w->cancel_fd, told, w, &err);
	return NULL;
}

static int deaths_told(struct watcher *w)
{
	int n;

	pthread_mutex_lock(&w->lock);
	n = w->deaths;
	pthread_mutex_unlock(&w->lock);
	return n;
}

static void deaths_are_told_as_they_happen(void **state)
{
	struct fixture *f = *state;
	struct watcher w = { .f = f, .lock = PTHREAD_MUTEX_INITIALIZER, .exit_code = -1 };
	struct corral_backend *b;
	int n;

	if (missing(f))
		return;
	b = sandbox(f, (struct corral_docker_options) { .id = "watched" });
	OK(f, corral_backend_start(b, &f->on.err));
	(void)snprintf(w.wanted, sizeof(w.wanted), "%s", corral_docker_sandbox_container(b));
	w.cancel_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(w.cancel_fd >= 0);
	/* Should the thread be late, it is told of what was before it asked. */
	w.since_sec = time(NULL);
	assert_int_equal(pthread_create(&w.thread, NULL, watch, &w), 0);
	nap(300);
	container_tell(f, w.wanted, "kill");
	for (int ms = 0; ms < PATIENCE_MS && deaths_told(&w) == 0; ms += 10)
		nap(10);
	n = deaths_told(&w);
	(void)eventfd_write(w.cancel_fd, 1);
	assert_int_equal(pthread_join(w.thread, NULL), 0);
	(void)close(w.cancel_fd);
	assert_int_equal(n, 1);
	assert_int_equal(w.r, 0);
	assert_int_equal(w.exit_code, 137);
	assert_string_equal(w.session, "watched");
}

int main(int argc, char **argv)
{
#define NAMED_ROW(test)  cmocka_unit_test_setup_teardown(test, each_setup, named_teardown)
#define ORPHAN_ROW(test) cmocka_unit_test_setup_teardown(test, each_setup, orphans_teardown)
	const struct CMUnitTest tests[] = {
		ROW(death_from_outside_is_told_and_the_next_life_is_asked_for),
		ROW(death_in_the_middle_of_a_command_is_its_answer),
		ROW(end_leaves_nothing_but_the_volume),
		NAMED_ROW(named_container_stays_and_is_taken_up_in_every_state),
		NAMED_ROW(two_backends_share_one_name),
		NAMED_ROW(foreign_container_that_contains_less_is_taken_by_consent),
		NAMED_ROW(program_of_another_version_is_not_in_the_way),
		NAMED_ROW(what_lies_where_our_program_would_is_not_run),
		NAMED_ROW(named_container_that_was_killed_is_noticed),
		ROW(containers_go_with_whoever_made_them),
		ORPHAN_ROW(lists_are_of_ours_and_prune_removes_what_nobody_comes_back_for),
		ORPHAN_ROW(container_of_an_image_made_of_ours_is_the_users),
		ORPHAN_ROW(what_was_never_started_goes_when_the_engine_is_used_again),
		ROW(labels_are_ours_and_the_callers),
		ROW(volume_that_was_removed_is_made_again),
		ROW(deaths_are_told_as_they_happen),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, all_setup, all_teardown);
}
