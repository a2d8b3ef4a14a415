/*
 * corral runtime by the command line, and --runtime: the runtimes of this user, found in
 * $XDG_CONFIG_HOME, and what is seen of them from inside. An engine is played by a process that
 * answers one question.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/support.h"

#include <fcntl.h>

#include "kernel/base/cleanup.h"
#include "tests/real/sandbox_support.h"

#define CORRAL(p, ...)      run_argv(&(p)->r, ARGS(CORRAL_BINARY, __VA_ARGS__))
#define RUNTIME_RUN(p, ...) run_after(&(p)->r, NULL, ARGS("--runtime", __VA_ARGS__))
#define NO_ENGINE           "unix:///nonexistent/docker.sock"
#define NAMESPACES          "clone@0&0x10000000,clone@0&0x20000000,unshare,setns,mount,open_tree,fsopen"
#define DOCKER_BINARY       CORRAL_BINARY "-docker"

struct place {
	char *dir, *runtimes;
	struct run r;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	char path[600];

	if (!p)
		return -1;
	(void)umask(022);
	p->dir = dir_make();
	(void)snprintf(path, sizeof(path), "%s/corral", p->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_true(asprintf(&p->runtimes, "%s/runtimes", path) > 0);
	assert_int_equal(mkdir(p->runtimes, 0755), 0);
	(void)setenv("XDG_CONFIG_HOME", p->dir, 1);
	(void)setenv("DOCKER_HOST", NO_ENGINE, 1);
	(void)snprintf(path, sizeof(path), "%s/images", p->dir);
	(void)setenv("CORRAL_IMAGES", path, 1);
	file_make(p->runtimes, "small.json",
	          "{\"description\":\"A small one\",\"isolation\":\"native\","
	          "\"limits\":{\"open_files\":77,\"file_size\":\"8K\",\"timeout\":20},"
	          "\"env_vars\":{\"WHO\":\"runtime\",\"PAGER\":\"more\"},\"hostname\":\"smallbox\","
	          "\"work_dir\":\"/srv/w\",\"run_as_uid\":1000,"
	          "\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/data\",\"size\":\"1M\"}]}");
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	run_done(&p->r);
	dir_remove(p->dir);
	free(p->runtimes);
	free(p);
	return 0;
}

static const char *in(const struct place *p, const char *name)
{
	static char path[1024];

	(void)snprintf(path, sizeof(path), "%s/%s", p->runtimes, name);
	return path;
}

/* Asked once. */
static bool can(void)
{
	static bool yes;

	yes = yes || can_run();
	return yes;
}

/* The object of that name in what was printed; borrowed from *all. */
static json_t *named(const struct run *r, const char *name, json_t **all)
{
	size_t i;
	json_t *one;

	*all = json_loads(r->out, 0, NULL);
	assert_non_null(*all);
	json_array_foreach(*all, i, one)
	{
		if (!strcmp(json_string_value(json_object_get(one, "name")), name))
			return one;
	}
	fail_msg("no '%s' in %s", name, r->out);
	return NULL;
}

static void assert_text(const json_t *object, const char *key, const char *wanted)
{
	const char *is = json_string_value(json_object_get(object, key));

	if (!is || strcmp(is, wanted) != 0)
		fail_msg("%s is '%s', not '%s'", key, is ? is : "(nothing)", wanted);
}

static void list_has_the_built_in_ones_and_the_users_own(void **state)
{
	struct place *p = *state;
	json_t *all, *one;

	CORRAL(p, "runtime", "list");
	assert_status(&p->r, 0);
	assert_int_equal(strncmp(p->r.out, "NAME ", 5), 0);
	assert_says(p->r.out, "python-datascience");
	assert_says(p->r.out, "A small one");
	CORRAL(p, "runtime", "list", "--json");
	assert_status(&p->r, 0);
	one = named(&p->r, "small", &all);
	assert_text(one, "description", "A small one");
	assert_text(one, "isolation", "native");
	assert_text(one, "source", "host");
	assert_text(one, "file", in(p, "small.json"));
	assert_int_equal(json_array_size(all), 17);
	json_decref(all);
	one = named(&p->r, "coding", &all);
	assert_text(one, "source", "built on python:3.12-slim");
	assert_true(json_is_null(json_object_get(one, "file")));
	assert_true(json_is_null(json_object_get(one, "here")));
	json_decref(all);
}

/* What show prints is a file that describes the same. */
static void what_is_shown_can_be_read_again(void **state)
{
	struct place *p = *state;
	char *first, path[600];

	CORRAL(p, "runtime", "show", "small");
	assert_status(&p->r, 0);
	assert_says(p->r.out, "\"open_files\": 77");
	assert_null(strstr(p->r.out, "cache_image"));
	file_make(p->dir, "again.json", p->r.out);
	first = strdup(p->r.out);
	(void)snprintf(path, sizeof(path), "%s/again.json", p->dir);
	CORRAL(p, "runtime", "show", path);
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, first);
	free(first);
	CORRAL(p, "runtime", "show", "nope");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "Unknown runtime 'nope'. Available: bun, coding, ");
}

static void mistakes_in_files_are_found_with_their_place(void **state)
{
	static const struct {
		const char *json, *says;
	} rows[] = {
		{ "{\"packages\":[\"a b\"]}", "packages[0]: Invalid package name: 'a b'" },
		{ "{\"limits\":{\"memory\":\"much\"}}", "limits.memory: 'much' is not a size" },
		{ "{\"image\":\"x\",\"hostname\":\"a b\"}", "hostname: 'a b' is not a host name" },
		{ "{\"cap_add\":[\"CAP_NOPE\"]}", "'CAP_NOPE'" },
		{ "{\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/proc\"}]}", "mounts[0]" },
		{ "{\"colour\":1}", "unknown key 'colour': known here: name, " },
	};
	struct place *p = *state;
	const char *argv[CORRAL_COUNT(rows) + 5] = { CORRAL_BINARY, "runtime", "validate",
		                                     in(p, "small.json") };
	char bad[CORRAL_COUNT(rows)][600];

	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		(void)snprintf(bad[i], sizeof(bad[i]), "%s/bad%zu.json", p->dir, i);
		file_make(p->dir, strrchr(bad[i], '/') + 1, rows[i].json);
		argv[4 + i] = bad[i];
	}
	run_argv(&p->r, argv);
	assert_status(&p->r, 1);
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		assert_says(p->r.err, rows[i].says);
		assert_says(p->r.err, bad[i]);
	}
	assert_string_equal(strrchr(p->r.out, '/'), "/small.json: ok\n");
	file_make(p->dir, "bad0.json", "{\"image\":\"x\",\"packages\":[\"y\"]}");
	CORRAL(p, "runtime", "validate", bad[0]);
	assert_status(&p->r, 0);
	assert_says(p->r.out, "bad0.json: ok, but nothing is installed");
	file_make(p->dir, "bad0.json", "{\"image\":\"x\",\"seccomp\":\"engine\"}");
	CORRAL(p, "runtime", "validate", "--json", bad[0], "/no/such\xff.json");
	assert_status(&p->r, 1);
	assert_says(p->r.out,
	            "\"error\": \"'/no/such\xef\xbf\xbd.json': No such file or directory\"");
	assert_says(p->r.out, "\"error\": null");
}

static void file_that_others_can_write_to_is_no_runtime(void **state)
{
	struct place *p = *state;

	assert_int_equal(chmod(in(p, "small.json"), 0666), 0);
	RUNTIME_RUN(p, "small", "--", "true");
	assert_refused(&p->r, "/corral/runtimes/small.json: others can write to it");
	/* Who names another, or none, has nothing to do with it. */
	RUNTIME_RUN(p, "host", "--", "true");
	assert_null(strstr(p->r.err, "others"));
	RUN(&p->r, "--", "true");
	assert_null(strstr(p->r.err, "others"));
}

static void word_is_no_file_that_happens_to_lie_here(void **state)
{
	struct place *p = *state;
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(here >= 0);
	file_make(p->dir, "planted", "{\"hostname\":\"planted\"}");
	assert_int_equal(chdir(p->dir), 0);
	CORRAL(p, "runtime", "show", "planted");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "Unknown runtime 'planted'");
	CORRAL(p, "runtime", "show", "./planted");
	assert_status(&p->r, 0);
	assert_int_equal(fchdir(here), 0);
	(void)close(here);
}

static void explain_says_why(void **state)
{
	struct place *p = *state;
	bool able = can();
	json_t *o;

	/* What is there neither natively nor of an engine, and would come with the first use. */
	CORRAL(p, "runtime", "explain", "go");
	assert_status(&p->r, able ? 0 : 1);
	assert_says(p->r.out, "native  no: its root filesystem is the image 'golang:1.23-alpine'");
	assert_says(p->r.out, "docker  no: ");
	assert_says(p->r.out, able ? "here    would pull golang:1.23-alpine (not stored): "
	                           : "here    -: neither of the two can be had\n");
	CORRAL(p, "runtime", "explain", "coding");
	assert_says(p->r.out, able ? "here    would build (not built): " : "here    -: ");
	/* One that only an engine can have is not fetched by us. */
	file_make(p->runtimes, "contained.json", "{\"image\":\"x\",\"isolation\":\"docker\"}");
	CORRAL(p, "runtime", "explain", "contained");
	assert_status(&p->r, 1);
	assert_says(p->r.out, "here    -: what it wants cannot be had\n");
	CORRAL(p, "runtime", "explain", "go", "--json");
	assert_status(&p->r, able ? 0 : 1);
	o = json_loads(p->r.out, 0, NULL);
	assert_true(json_is_null(json_object_get(o, "here")));
	if (able)
		assert_text(o, "would", "would pull golang:1.23-alpine (not stored)");
	assert_true(json_is_false(json_object_get(json_object_get(o, "native"), "possible")));
	json_decref(o);
	if (!able)
		return;
	CORRAL(p, "runtime", "explain", "small");
	assert_status(&p->r, 0);
	assert_says(p->r.out, "here    native: its isolation is native, and this host contains it");
}

/* An ordinary user often has no control group. */
static void limit_that_cannot_hold_is_explained(void **state)
{
	struct place *p = *state;

	if (!can())
		return;
	file_make(p->runtimes, "mem.json", "{\"limits\":{\"memory\":\"64M\"}}");
	CORRAL(p, "runtime", "explain", "mem");
	if (enforces("memory")) {
		assert_status(&p->r, 0);
		assert_says(p->r.out, "native  yes\n");
	} else {
		assert_status(&p->r, 1);
		assert_says(p->r.out, "native  no: limit 'memory' cannot be enforced here: ");
	}
}

/* Refuses namespaces, as most containers do. */
static void host_that_cannot_contain_is_explained(void **state)
{
	struct place *p = *state;

	file_make(p->runtimes, "less.json", "{\"allow_weaker\":true}");
	file_make(p->runtimes, "full.json", "{}");
	if (!can())
		return;
	run_argv(&p->r, ARGS(CORRAL_TEST_DENY, "--errno", "EPERM", "clone3," NAMESPACES, "--",
	                     CORRAL_BINARY, "runtime", "explain", "full"));
	assert_status(&p->r, 1);
	assert_says(p->r.out, "native  no: ");
	assert_says(p->r.out, "namespace");
	run_argv(&p->r, ARGS(CORRAL_TEST_DENY, "--errno", "EPERM", "clone3," NAMESPACES, "--",
	                     CORRAL_BINARY, "runtime", "explain", "less"));
	if (p->r.status == 1 && !strstr(p->r.out, "--allow-weaker")) {
		corral_test_skip("the weaker tier: %s", p->r.out);
		return;
	}
	assert_status(&p->r, 0);
	assert_says(p->r.out, "native  yes, with fewer fences");
	assert_says(p->r.out, "here    weaker: this host contains it with fewer fences");
	/* The caller's word is as good as the file's. */
	run_after(&p->r, ARGS(CORRAL_TEST_DENY, "--errno", "EPERM", "clone3," NAMESPACES, "--"),
	          ARGS("--runtime", "full", "--", "true"));
	assert_refused(&p->r, "runtime 'full': neither natively: ");
	run_after(&p->r, ARGS(CORRAL_TEST_DENY, "--errno", "EPERM", "clone3," NAMESPACES, "--"),
	          ARGS("--runtime", "full", "--allow-weaker", "--", "true"));
	assert_status(&p->r, 0);
	assert_string_equal(receipt_text(&p->r, "tier"), "confined");
}

static void runtime_is_seen_from_inside(void **state)
{
	struct place *p = *state;

	if (!can())
		return;
	RUNTIME_RUN(p, "small", "--", "sh", "-c",
	            "echo uid=$(id -u); echo pwd=$(pwd); echo host=$(hostname); echo who=$WHO;"
	            "echo pager=$PAGER; echo git=$GIT_CONFIG_COUNT; echo uv=$UV_SYSTEM_PYTHON;"
	            "echo files=$(ulimit -n); echo blocks=$(ulimit -f);"
	            "echo data=$(df -k /data | awk 'NR == 2 { print $2 }')");
	assert_status(&p->r, 0);
	assert_fact(p->r.out, "uid", "1000");
	assert_fact(p->r.out, "pwd", "/srv/w");
	assert_fact(p->r.out, "host", "smallbox");
	assert_fact(p->r.out, "who", "runtime");
	assert_fact(p->r.out, "pager", "more");
	assert_fact(p->r.out, "git", "5");
	assert_fact(p->r.out, "uv", "");
	assert_fact(p->r.out, "files", "77");
	assert_fact(p->r.out, "data", "1024");
	assert_true(receipt_lists(&p->r, "limits_enforced", "timeout"));
	RUNTIME_RUN(p, "small", "--", "sh", "-c", "head -c 9000 /dev/zero >f");
	assert_true(p->r.status != 0);
	RUN(&p->r, "--", "sh", "-c", "echo git=$GIT_CONFIG_COUNT");
	assert_fact(p->r.out, "git", "");
	RUNTIME_RUN(p, "host", "--", "sh", "-c", "echo git=$GIT_CONFIG_COUNT; pwd");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "git=5\n/workspace\n");
}

static void file_and_flags_win_over_the_runtime(void **state)
{
	static const char script[] =
	        "echo host=$(hostname); echo who=$WHO; echo files=$(ulimit -n);"
	        "echo data=$(df -k /data | awk 'NR == 2 { print $2 }')";
	struct place *p = *state;
	char config[600];

	if (!can())
		return;
	file_make(p->dir, "c.json",
	          "{\"runtime\":\"small\",\"hostname\":\"file\",\"env\":{\"WHO\":\"file\"},"
	          "\"limits\":{\"open_files\":88},"
	          "\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/data\",\"size\":\"2M\"}]}");
	(void)snprintf(config, sizeof(config), "%s/c.json", p->dir);
	RUN(&p->r, "--config", config, "--", "sh", "-c", script);
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "host=file\nwho=file\nfiles=88\ndata=2048\n");
	RUN(&p->r, "--hostname", "flag", "--config", config, "-e", "WHO=flag", "--open-files", "99",
	    "--tmpfs", "/data:3M", "--", "sh", "-c", script);
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "host=flag\nwho=flag\nfiles=99\ndata=3072\n");
	/* Of two names, the flag's. */
	RUN(&p->r, "--config", config, "--runtime", "host", "--", "sh", "-c",
	    "echo $PAGER; id -u; pwd");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "cat\n0\n/workspace\n");
	RUNTIME_RUN(p, "small", "--clear-env", "-e", "A=b", "--", "/usr/bin/env");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "A=b\n");
}

static void sandbox_that_stays_is_of_its_runtime(void **state)
{
	struct place *p = *state;
	char id[64];

	CORRAL(p, "sandbox", "create", "--runtime", "small");
	if (p->r.status) {
		corral_test_skip("a sandbox that stays: %s", p->r.err);
		return;
	}
	(void)snprintf(id, sizeof(id), "%.*s", (int)strcspn(p->r.out, "\n"), p->r.out);
	CORRAL(p, "exec", id, "--", "sh", "-c", "hostname; echo $WHO; ulimit -n");
	assert_string_equal(p->r.out, "smallbox\nruntime\n77\n");
	CORRAL(p, "sandbox", "rm", "-f", id);
	assert_status(&p->r, 0);
}

static void image_without_an_engine_is_refused_with_both_reasons(void **state)
{
	struct place *p = *state;

	RUNTIME_RUN(p, "go", "--pull", "never", "--", "true");
	assert_refused(&p->r, "--runtime: runtime 'go': neither natively: its root filesystem is "
	                      "the image 'golang:1.23-alpine', which is not in corral's store: "
	                      "corral image pull golang:1.23-alpine; nor by a container engine: ");
	CORRAL(p, "plan", "--runtime", "go");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "; nor by a container engine: corral plan knows none");
	file_make(p->runtimes, "go.json", "{\"image\":\"x\",\"isolation\":\"native\"}");
	RUNTIME_RUN(p, "go", "--pull", "never", "--", "true");
	assert_refused(&p->r, "runtime 'go': its root filesystem is the "
	                      "image 'x', which is not in corral's store: corral image pull x");
	if (!can())
		return;
	/* A root that is named takes the place of the image. */
	RUNTIME_RUN(p, "go", "--rootfs", "host", "--", "pwd");
	assert_status(&p->r, 0);
	/* The user's own go has one. */
	file_make(p->runtimes, "go.json", "{\"image\":\"x\",\"rootfs\":\"host\"}");
	RUNTIME_RUN(p, "go", "--", "echo", "native");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "native\n");
}

/* Answers /_ping, and 500 to all else. */
static pid_t engine_start(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	assert_true(fd >= 0);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 8), 0);
	pid = fork();
	assert_true(pid >= 0);
	/* A test that fails leaves none behind. */
	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (pid == 0) {
		int with = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		char question[1024] = "";
		const char *answer = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n"
		                     "Connection: close\r\n\r\n";

		if (with < 0)
			_exit(1);
		(void)!read(with, question, sizeof(question) - 1);
		if (strstr(question, "/_ping"))
			answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
			         "Connection: close\r\n\r\nOK";
		(void)send(with, answer, strlen(answer), MSG_NOSIGNAL);
		(void)close(with);
	}
	(void)close(fd);
	return pid;
}

static void engine_that_answers_takes_what_needs_an_image(void **state)
{
	struct place *p = *state;
	char path[100], host[120];
	pid_t pid;

	if (access(DOCKER_BINARY, X_OK) < 0) {
		corral_test_skip("corral-docker, which is not built");
		return;
	}
	if (snprintf(path, sizeof(path), "%s/engine", p->dir) >= (int)sizeof(path)) {
		corral_test_skip("a short TMPDIR");
		return;
	}
	(void)snprintf(host, sizeof(host), "unix://%s", path);
	pid = engine_start(path);
	(void)setenv("DOCKER_HOST", host, 1);
	CORRAL(p, "runtime", "explain", "go");
	assert_status(&p->r, 0);
	assert_says(p->r.out, "docker  yes\n");
	assert_says(p->r.out, "here    docker: not natively: its root filesystem is the image");
	/* It goes on as corral-docker, which hears from the engine that all is not well. */
	RUNTIME_RUN(p, "go", "--", "true");
	assert_status(&p->r, 125);
	assert_null(strstr(p->r.err, "neither natively"));
	file_make(p->runtimes, "boxed.json", "{\"image\":\"x\",\"isolation\":\"docker\"}");
	RUNTIME_RUN(p, "boxed", "--rootfs", "host", "--", "true");
	assert_refused(&p->r,
	               "--rootfs and --runtime: leave one of them out: a container's root is "
	               "its image");
	run_argv(&p->r,
	         ARGS("sh", "-c", "echo '{\"runtime\":\"go\"}' | \"$0\" run --config - -- true",
	              CORRAL_BINARY));
	assert_status(&p->r, 125);
	assert_says(p->r.err, "runtime 'go' runs in a container, for which it is read twice");
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void home_of_somebody_else_is_none_of_roots(void **state)
{
	struct place *p = *state;
	char dir[640], home[600];

	(void)snprintf(home, sizeof(home), "%s/home", p->dir);
	(void)snprintf(dir, sizeof(dir), "%s/.config", home);
	assert_int_equal(mkdir(home, 0755), 0);
	assert_int_equal(mkdir(dir, 0755), 0);
	(void)snprintf(dir, sizeof(dir), "%s/.config/corral", home);
	assert_int_equal(symlink("../../corral", dir), 0);
	(void)unsetenv("XDG_CONFIG_HOME");
	(void)setenv("HOME", home, 1);
	CORRAL(p, "runtime", "show", "small");
	assert_status(&p->r, 0);
	if (!is_root()) /* who can give nothing away */
		return;
	assert_int_equal(chown(home, 1234, 1234), 0);
	CORRAL(p, "runtime", "show", "small");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "Unknown runtime 'small'");
}

static void help_is_a_word_as_well(void **state)
{
	struct place *p = *state;

	for (const char *const *w = ARGS("runtime", "image", "session", "sandbox"); *w; w++) {
		corral_autofree char *text = NULL;

		CORRAL(p, *w, "--help");
		text = strdup(p->r.out);
		CORRAL(p, *w, "help");
		assert_status(&p->r, 0);
		assert_string_equal(p->r.out, text);
	}
	CORRAL(p, "image", "help", "pull");
	assert_status(&p->r, 0);
	assert_says(p->r.out, "Usage: corral image pull [options] NAME...\n");
}

static void words_that_make_no_sense_are_refused(void **state)
{
	struct place *p = *state;

	CORRAL(p, "runtime", "ls");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "runtime: unknown command 'ls': write corral runtime list");
	CORRAL(p, "runtime", "help", "shwo");
	assert_says(p->r.err, "runtime: unknown command 'shwo': did you mean 'show'?");
	CORRAL(p, "pull", "a");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "unknown command 'pull': write corral image pull;");
	CORRAL(p, "runtime", "show");
	assert_says(p->r.err,
	            "runtime show: too few words: corral runtime show [options] NAME|FILE.json");
	CORRAL(p, "mcp", "--local", p->dir, "--runtime", "host");
	assert_says(p->r.err, "--runtime is a new sandbox's, and --local makes none");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(list_has_the_built_in_ones_and_the_users_own),
		T(what_is_shown_can_be_read_again),
		T(mistakes_in_files_are_found_with_their_place),
		T(file_that_others_can_write_to_is_no_runtime),
		T(word_is_no_file_that_happens_to_lie_here),
		T(explain_says_why),
		T(limit_that_cannot_hold_is_explained),
		T(host_that_cannot_contain_is_explained),
		T(runtime_is_seen_from_inside),
		T(file_and_flags_win_over_the_runtime),
		T(sandbox_that_stays_is_of_its_runtime),
		T(image_without_an_engine_is_refused_with_both_reasons),
		T(engine_that_answers_takes_what_needs_an_image),
		T(home_of_somebody_else_is_none_of_roots),
		T(help_is_a_word_as_well),
		T(words_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
