/*
 * Images of a real engine: pulled from a registry on the loopback address, built from runtimes, and
 * what is in them then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/docker/build.h"
#include "backends/docker/dockerfile.h"
#include "backends/docker/http.h"
#include "backends/docker/image.h"
#include "kernel/base/cleanup.h"
#include "policy/runtime_build.h"
#include "kernel/base/clock.h"
#include "tests/docker/engine_support.h"

#define REGISTRY_SCRIPT CORRAL_SOURCE_DIR "/tests/docker/registry.sh"

static const char *const registry_modes[] = { "open", "auth" };

struct registry {
	pid_t pid;
	char host[32];
};

static struct {
	struct corral_docker_engine *e;
	char dir[64];  /* of this run: registries' data, Docker configurations */
	char name[48]; /* of this run's runtimes and images */
	struct registry registries[CORRAL_COUNT(registry_modes)];
} t;

static void json_freep(json_t **v)
{
	json_decref(*v);
}

static int command_run(const char *const *argv)
{
	pid_t pid;
	int status = -1;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ) != 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* Of the engine, in any way that it answers. */
static long call(const char *method, const char *path, json_t **ret_json)
{
	const struct corral_docker_request q = { .method = method,
		                                 .path = path,
		                                 .timeout_ms = 60000 };
	struct corral_docker_answer a = { 0 };
	struct corral_error err = { 0 };
	long status;

	if (corral_docker_call(t.e, &q, &a, &err) < 0)
		fail_msg("%s %s: %s", method, path, err.text);
	if (ret_json)
		*ret_json = json_incref(a.json);
	status = a.status;
	corral_docker_answer_done(&a);
	return status;
}

static int group_setup(void **state)
{
	const char *host = getenv("DOCKER_HOST");
	const struct corral_docker_engine_options o = { .host = host };
	struct corral_error err = { 0 };

	(void)state;
	(void)snprintf(t.dir, sizeof(t.dir), "/tmp/corral-images.XXXXXX");
	if (!mkdtemp(t.dir))
		return -1;
	(void)snprintf(t.name, sizeof(t.name), "images-%d", (int)getpid());
	/* Each test says itself that it is skipped. */
	if (!host || !*host || !corral_test_image())
		return 0;
	if (corral_docker_engine_open(&o, &t.e, &err) == 0)
		return 0;
	print_error("%s\n", err.text);
	return -1;
}

/* Containers and images of this run, told by their label. */
static void leave_nothing(void)
{
	corral_auto(json_freep) json_t *containers = NULL, *images = NULL;
	char path[300];
	size_t i;
	json_t *v;

	(void)call("GET", "/containers/json?all=1", &containers);
	json_array_foreach(containers, i, v)
	{
		const char *label = json_string_value(
		        json_object_get(json_object_get(v, "Labels"), "corral.test"));

		(void)snprintf(path, sizeof(path), "/containers/%s?force=1",
		               json_string_value(json_object_get(v, "Id")));
		if (label && strcmp(label, t.name) == 0)
			(void)call("DELETE", path, NULL);
	}
	(void)call("GET", "/images/json", &images);
	json_array_foreach(images, i, v)
	{
		const char *label = json_string_value(
		        json_object_get(json_object_get(v, "Labels"), CORRAL_DOCKER_RUNTIME_LABEL));

		(void)snprintf(path, sizeof(path), "/images/%s?force=1",
		               json_string_value(json_object_get(v, "Id")));
		if (label && strncmp(label, t.name, strlen(t.name)) == 0)
			(void)call("DELETE", path, NULL);
	}
}

static int group_teardown(void **state)
{
	const char *const remove[] = { "rm", "-rf", t.dir, NULL };

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(t.registries); i++) {
		if (t.registries[i].pid <= 0)
			continue;
		(void)kill(t.registries[i].pid, SIGKILL);
		(void)waitpid(t.registries[i].pid, NULL, 0);
	}
	if (t.e)
		leave_nothing();
	corral_docker_engine_close(t.e);
	return command_run(remove);
}

/* A port that nobody has at this moment. */
static int port_find(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	corral_autofd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	return ntohs(at.sin_port);
}

static void listening_wait(int port)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
		                        .sin_port = htons((uint16_t)port),
		                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	for (int i = 0; i < 300; i++) {
		corral_autofd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
			return;
		(void)usleep(100000);
	}
	fail_msg("the registry does not start");
}

/* "127.0.0.1:PORT", started with the first that asks; NULL with the test skipped. */
static const char *registry(size_t which)
{
	const char *const check[] = { REGISTRY_SCRIPT, "--check", NULL };
	struct registry *r = &t.registries[which];
	char dir[100], port_text[16];
	const char *const serve[] = { "setpriv", "--pdeathsig",   "KILL",
		                      "--",      REGISTRY_SCRIPT, "serve",
		                      dir,       port_text,       registry_modes[which],
		                      NULL };
	int port;

	/* One that is kept for all programs will do for those who need no password. */
	if (which == 0 && getenv("CORRAL_TEST_REGISTRY"))
		return getenv("CORRAL_TEST_REGISTRY");
	if (r->pid > 0)
		return r->host;
	if (command_run(check) != 0) {
		corral_test_skip("no registry");
		return NULL;
	}
	port = port_find();
	(void)snprintf(dir, sizeof(dir), "%s/%s", t.dir, registry_modes[which]);
	(void)snprintf(port_text, sizeof(port_text), "%d", port);
	assert_int_equal(posix_spawnp(&r->pid, serve[0], NULL, NULL,
	                              (char *const *)(uintptr_t)serve, environ),
	                 0);
	(void)snprintf(r->host, sizeof(r->host), "127.0.0.1:%d", port);
	listening_wait(port);
	return r->host;
}

/* {"username":"joe","password":"s3cret"} */
#define JOE_HEADER "X-Registry-Auth: eyJ1c2VybmFtZSI6ImpvZSIsInBhc3N3b3JkIjoiczNjcmV0In0="
/* joe:s3cret, joe:wrong */
#define JOE   "am9lOnMzY3JldA=="
#define WRONG "am9lOndyb25n"

static int keep(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	(void)err;
	corral_buf_add(ctx, data, len);
	return 0;
}

static void push_to(const char *path)
{
	corral_autobuf struct corral_buf told = CORRAL_BUF_INIT;
	const struct corral_files_sink sink = { keep, &told };
	const char *const headers[] = { JOE_HEADER, NULL };
	const struct corral_docker_request q = { .method = "POST",
		                                 .path = path,
		                                 .headers = headers,
		                                 .sink = &sink,
		                                 .timeout_ms = 60000 };
	struct corral_docker_answer a = { 0 };
	struct corral_error err = { 0 };
	int r = corral_docker_call(t.e, &q, &a, &err);
	long status = a.status;

	corral_docker_answer_done(&a);
	if (r < 0)
		fail_msg("%s", err.text);
	assert_int_equal(status, 200);
	if (strstr(told.data, "errorDetail"))
		fail_msg("%s", told.data);
}

/* The busybox image as HOST/t/busybox:1 in the registry, and not in the engine. */
static void push(const char *host)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "/images/%s/tag?repo=%s/t/busybox&tag=1",
	               corral_test_image_busybox(), host);
	assert_int_equal(call("POST", path, NULL), 201);
	(void)snprintf(path, sizeof(path), "/images/%s/t/busybox/push?tag=1", host);
	push_to(path);
	(void)snprintf(path, sizeof(path), "/images/%s/t/busybox:1", host);
	assert_int_equal(call("DELETE", path, NULL), 200);
}

/* A Docker configuration that knows the registry; NULL without credentials. Yours to free. */
static char *config_dir(const char *name, const char *host, const char *auth)
{
	corral_autofd int fd = -1;
	corral_autofree char *path = NULL;
	char *dir = NULL;

	assert_true(asprintf(&dir, "%s/%s", t.dir, name) > 0);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_true(asprintf(&path, "%s/config.json", dir) > 0);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "{\"auths\":{\"%s\":{\"auth\":\"%s\"}}}", host, auth) > 0);
	return dir;
}

struct told {
	unsigned int n;
	const char *stop_at; /* the line at which it is canceled, or NULL */
	struct corral_buf lines;
};

static int tell(void *ctx, const char *text, uint64_t current, uint64_t total)
{
	struct told *told = ctx;

	(void)current;
	(void)total;
	corral_buf_fmt(&told->lines, "%s\n", text);
	told->n++;
	return told->stop_at && strcmp(text, told->stop_at) == 0;
}

static void image_of_the_engine_is_described(void **state)
{
	struct corral_docker_image i = { 0 };
	struct corral_error err = { 0 };

	(void)state;
	if (!corral_test_engine())
		return;
	assert_int_equal(corral_docker_image_inspect(t.e, corral_test_image(), &i, &err), 0);
	assert_int_equal(strncmp(i.id, "sha256:", 7), 0);
	assert_string_equal(i.os, "linux");
	assert_string_equal(i.arch, corral_docker_engine_info(t.e)->arch);
	assert_true(i.size_bytes > 1000000);
	/* Its id is a name as well. */
	assert_int_equal(corral_docker_image_inspect(t.e, i.id, NULL, &err), 0);
	corral_docker_image_done(&i);
	assert_int_equal(corral_docker_image_inspect(t.e, "corral-test/no-such", NULL, &err),
	                 -ENOENT);
	assert_int_equal(corral_docker_image_remove(t.e, "corral-test/no-such", &err), -ENOENT);
}

static void missing_image_is_pulled_with_progress(void **state)
{
	struct told told = { .lines = CORRAL_BUF_INIT };
	const struct corral_docker_progress progress = { tell, &told };
	const struct corral_docker_image_options o = { .progress = &progress };
	struct corral_error err = { 0 };
	const char *host;
	char name[100];

	(void)state;
	if (!corral_test_engine() || !(host = registry(0)))
		return;
	push(host);
	(void)snprintf(name, sizeof(name), "%s/t/busybox:1", host);
	assert_int_equal(corral_docker_image_inspect(t.e, name, NULL, &err), -ENOENT);
	assert_int_equal(corral_docker_image_ensure(t.e, name,
	                                            &(struct corral_docker_image_options) {
	                                                    .pull = CORRAL_DOCKER_PULL_NEVER },
	                                            &err),
	                 -ENOENT);
	if (corral_docker_image_ensure(t.e, name, &o, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(told.n > 0);
	if (corral_test_engine_is("docker"))
		assert_non_null(strstr(told.lines.data, "1: Pulling from t/busybox\n"));
	assert_int_equal(corral_docker_image_inspect(t.e, name, NULL, &err), 0);
	assert_int_equal(corral_docker_image_remove(t.e, name, &err), 0);
	corral_buf_done(&told.lines);
}

static void image_that_no_registry_has_is_enoent(void **state)
{
	const struct corral_docker_image_options o = { .timeout_ms = 60000 };
	struct corral_error err = { 0 };
	const char *host;
	char name[100];

	(void)state;
	if (!corral_test_engine() || !(host = registry(0)))
		return;
	push(host);
	(void)snprintf(name, sizeof(name), "%s/t/nothing", host);
	assert_int_equal(corral_docker_image_ensure(t.e, name, &o, &err), -ENOENT);
	assert_non_null(strstr(err.text, host));
	(void)snprintf(name, sizeof(name), "%s/t/busybox:2", host);
	assert_int_equal(corral_docker_image_ensure(t.e, name, &o, &err), -ENOENT);
}

static void registry_that_is_not_there_is_an_error(void **state)
{
	const struct corral_docker_image_options o = { .timeout_ms = 60000 };
	struct corral_error err = { 0 };
	char name[100];

	(void)state;
	if (!corral_test_engine())
		return;
	(void)snprintf(name, sizeof(name), "127.0.0.1:%d/x", port_find());
	assert_int_equal(corral_docker_image_ensure(t.e, name, &o, &err), -EIO);
	assert_non_null(strstr(err.text, "connection refused"));
}

static void credentials_decide_what_is_pulled(void **state)
{
	corral_autofree char *right = NULL, *wrong = NULL;
	struct corral_docker_image_options o = { .timeout_ms = 60000 };
	struct corral_error err = { 0 };
	const char *host;
	char name[100];

	(void)state;
	if (!corral_test_engine() || !(host = registry(1)))
		return;
	push(host);
	(void)snprintf(name, sizeof(name), "%s/t/busybox:1", host);
	right = config_dir("right", host, JOE);
	wrong = config_dir("wrong", host, WRONG);

	assert_int_equal(corral_docker_image_ensure(t.e, name, &o, &err), -EACCES);
	assert_non_null(strstr(err.text, host));
	assert_non_null(
	        strstr(err.text, "without credentials, as there is no Docker configuration"));
	o.config_dir = wrong;
	assert_int_equal(corral_docker_image_ensure(t.e, name, &o, &err), -EACCES);
	assert_non_null(strstr(err.text, "with credentials of"));
	assert_null(strstr(err.text, "wrong:"));
	assert_null(strstr(err.text, WRONG));
	o.config_dir = right;
	if (corral_docker_image_ensure(t.e, name, &o, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(corral_docker_image_remove(t.e, name, &err), 0);
}

/* The rest of a description of this run: "build" becomes {"name":"images-12-build", ...}. */
static int build(const char *name, const char *rest, const struct corral_docker_image_options *o,
                 char **ret, struct corral_error *err)
{
	struct corral_runtime *rt = NULL;
	corral_autofree char *json = NULL;
	int r;

	assert_true(asprintf(&json, "{\"name\":\"%s-%s\",%s}", t.name, name, rest) > 0);
	if (corral_runtime_parse(json, strlen(json), &rt, err) < 0)
		fail_msg("%s: %s", json, err->text);
	r = corral_docker_runtime_image(t.e, rt, o, ret, err);
	corral_runtime_free(rt);
	return r;
}

static char *built(const char *name, const char *rest)
{
	const struct corral_docker_image_options o = { .build_network = "none",
		                                       .timeout_ms = 100000 };
	struct corral_error err = { 0 };
	char *image = NULL;

	if (build(name, rest, &o, &image, &err) < 0)
		fail_msg("%s", err.text);
	return image;
}

/* A container of the image that runs the command, or, with NULL, only lies there. Its id. */
static char *container_make(const char *image, const char *command)
{
	corral_auto(json_freep) json_t *answer = NULL;
	corral_auto(json_freep) json_t *body =
	        json_pack("{s:s, s:[sss], s:{s:s}, s:{s:s}}", "Image", image, "Cmd", "/bin/sh",
	                  "-c", command ? command : "true", "Labels", "corral.test", t.name,
	                  "HostConfig", "NetworkMode", "none");
	struct corral_error err = { 0 };

	if (corral_docker_do(t.e, "POST", "/containers/create", body, &answer, &err) < 0)
		fail_msg("%s", err.text);
	return strdup(json_string_value(json_object_get(answer, "Id")));
}

static void container_remove(const char *id)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "/containers/%s?force=1", id);
	assert_int_equal(call("DELETE", path, NULL), 204);
}

/* That the command ends with 0 in a container of the image. */
static void holds(const char *image, const char *command)
{
	corral_autofree char *id = container_make(image, command);
	corral_auto(json_freep) json_t *answer = NULL;
	char path[200];
	json_int_t code;

	(void)snprintf(path, sizeof(path), "/containers/%s/start", id);
	assert_int_equal(call("POST", path, NULL), 204);
	(void)snprintf(path, sizeof(path), "/containers/%s/wait", id);
	assert_int_equal(call("POST", path, &answer), 200);
	code = json_integer_value(json_object_get(answer, "StatusCode"));
	container_remove(id);
	if (!json_is_integer(json_object_get(answer, "StatusCode")) || code != 0)
		fail_msg("%s: exit %d", command, (int)code);
}

static char *base_rest(const char *base, const char *more)
{
	char *text = NULL;

	assert_true(asprintf(&text, "\"base_image\":\"%s\"%s", base, more) > 0);
	return text;
}

static void setup_commands_shape_the_image_and_the_user_owns_its_places(void **state)
{
	corral_autofree char *rest = NULL, *image = NULL;
	struct corral_docker_image i = { 0 };
	struct corral_error err = { 0 };

	(void)state;
	if (!corral_test_engine())
		return;
	rest = base_rest(
	        corral_test_image(),
	        ",\"setup_commands\":[\"echo hello >/made\","
	        "\"[ $(cat /made) = hello ] && id -u >>/made\"],\"work_dir\":\"/work here\","
	        "\"run_as_uid\":1234");
	image = built("user", rest);
	assert_int_equal(corral_docker_image_inspect(t.e, image, &i, &err), 0);
	assert_string_equal(i.user, "1234:1234");
	assert_string_equal(i.work_dir, "/work here");
	corral_docker_image_done(&i);
	holds(image,
	      "set -e; [ \"$(cat /made)\" = \"hello\n0\" ]; [ \"$(pwd)\" = '/work here' ]; "
	      "[ \"$(id -un) $(id -gn) $(id -u)\" = 'agent agent 1234' ]; [ $HOME = /home/agent ]; "
	      "touch \"$HOME/x\" '/work here/x' /opt/venv/x; [ $VIRTUAL_ENV = /opt/venv ]; "
	      "! touch /usr/x 2>/dev/null; grep -q '^agent:.*:/home/agent:/bin/bash$' /etc/passwd; "
	      "[ $(command -v python3) = /opt/venv/bin/python3 ]; "
	      "python3 -c 'import sys; sys.exit(sys.prefix != \"/opt/venv\")'; "
	      "grep -q 'include-system-site-packages = true' /opt/venv/pyvenv.cfg");
}

static void image_without_bash_python_or_useradd_gets_its_user(void **state)
{
	corral_autofree char *rest = NULL, *image = NULL;

	(void)state;
	if (!corral_test_engine())
		return;
	rest = base_rest(corral_test_image_busybox(), ",\"run_as_uid\":2147483647");
	image = built("small", rest);
	holds(image, "set -e; [ $(id -un) = agent ]; [ $(id -u) = 2147483647 ]; touch ~/x ./x; "
	             "[ $(pwd) = /workspace ]; [ $(head -n 1 /etc/passwd) = "
	             "agent:x:2147483647:2147483647:agent:/home/agent:/bin/sh ]; "
	             "grep -q ^root: /etc/passwd");
}

/* What a builder could take for its own. */
static void commands_reach_the_shell_as_they_are(void **state)
{
	corral_autofree char *rest = NULL, *image = NULL;

	(void)state;
	if (!corral_test_engine())
		return;
	rest = base_rest(corral_test_image_busybox(),
	                 ",\"setup_commands\":[\"v=1; echo \\\"$v ${HOME:+x} '$v' \\\\\\\\ \\u00e9 "
	                 "[\\\" >/a\","
	                 "\"# only a comment \\\\\",\"echo b <<X >/b\","
	                 "\"printf '%s' \\\"]\\\" >/c && echo \\\"\\\\\\\"\\\" >>/c\"]");
	image = built("quoting", rest);
	holds(image,
	      "set -e; [ \"$(cat /a)\" = \"1 x '1' \\\\ \xc3\xa9 [\" ]; [ \"$(cat /b)\" = b ]; "
	      "[ \"$(cat /c)\" = ']\"' ]");
}

static void environment_is_not_in_the_image(void **state)
{
	corral_autofree char *rest = NULL, *image = NULL, *text = NULL, *past = NULL;
	corral_auto(json_freep) json_t *inspected = NULL, *history = NULL;
	char path[300];

	(void)state;
	if (!corral_test_engine())
		return;
	rest = base_rest(corral_test_image_busybox(), ",\"env_vars\":{\"API_KEY\":\"t0psecret\"}");
	image = built("secret", rest);
	(void)snprintf(path, sizeof(path), "/images/%s/json", image);
	assert_int_equal(call("GET", path, &inspected), 200);
	(void)snprintf(path, sizeof(path), "/images/%s/history", image);
	assert_int_equal(call("GET", path, &history), 200);
	text = json_dumps(inspected, 0);
	past = json_dumps(history, 0);
	assert_non_null(strstr(text, image));
	assert_null(strstr(text, "API_KEY"));
	assert_null(strstr(past, "API_KEY"));
}

static void image_is_built_once_and_used_again(void **state)
{
	corral_autofree char *rest = NULL, *image = NULL, *again = NULL, *anew = NULL;
	struct told told = { .lines = CORRAL_BUF_INIT };
	const struct corral_docker_progress progress = { tell, &told };
	const struct corral_docker_image_options o = { .build_network = "none",
		                                       .progress = &progress };
	struct corral_error err = { 0 };

	(void)state;
	if (!corral_test_engine())
		return;
	rest = base_rest(corral_test_image_busybox(), ",\"setup_commands\":[\"echo said aloud\"]");
	assert_int_equal(build("cache", rest, &o, &image, &err), 0);
	assert_non_null(strstr(told.lines.data, "\nsaid aloud\n"));
	told.n = 0;
	assert_int_equal(build("cache", rest, &o, &again, &err), 0);
	assert_string_equal(image, again);
	assert_int_equal(told.n, 0);
	corral_freep(&rest);
	rest = base_rest(corral_test_image_busybox(),
	                 ",\"setup_commands\":[\"echo said aloud\"],\"cache_image\":false");
	assert_int_equal(build("cache", rest, &o, &anew, &err), 0);
	assert_string_equal(image, anew);
	assert_true(told.n > 0);
	corral_buf_done(&told.lines);
}

static char *edited(const char *name, const char *setup)
{
	corral_autofree char *more = NULL, *rest = NULL;

	assert_true(asprintf(&more, ",\"setup_commands\":[\"%s\"]", setup) > 0);
	rest = base_rest(corral_test_image_busybox(), more);
	return built(name, rest);
}

/* What an hour would do. */
static void superseded_remove(const char *name, const char *tag)
{
	struct corral_runtime *rt = NULL;
	corral_autofree char *json = NULL;
	struct corral_error err = { 0 };

	assert_true(asprintf(&json, "{\"name\":\"%s-%s\",\"base_image\":\"x\"}", t.name, name) > 0);
	if (corral_runtime_parse(json, strlen(json), &rt, &err) < 0)
		fail_msg("%s: %s", json, err.text);
	corral_docker_superseded_remove(t.e, rt, tag, 0);
	corral_runtime_free(rt);
}

static bool is_there(const char *image)
{
	struct corral_error err = { 0 };
	int r = corral_docker_image_inspect(t.e, image, NULL, &err);

	if (r < 0 && r != -ENOENT)
		fail_msg("%s", err.text);
	return r == 0;
}

/* An image of somebody's, made of this one: it has our label. */
static char *derived(const char *image)
{
	corral_autofree char *id = container_make(image, NULL), *path = NULL;
	char *name = NULL;

	assert_true(asprintf(&path, "/commit?container=%s&repo=corral-test/%s&tag=mine", id,
	                     t.name) > 0);
	assert_int_equal(call("POST", path, NULL), 201);
	container_remove(id);
	assert_true(asprintf(&name, "corral-test/%s:mine", t.name) > 0);
	return name;
}

static void superseded_image_goes_in_time_unless_it_is_in_use(void **state)
{
	corral_autofree char *first = NULL, *second = NULL, *third = NULL, *other = NULL,
	                     *mine = NULL, *id = NULL;
	struct corral_error err = { 0 };

	(void)state;
	if (!corral_test_engine())
		return;
	other = edited("otherwise", "echo 1 >/n");
	first = edited("edited", "echo 1 >/n");
	id = container_make(first, NULL);
	second = edited("edited", "echo 2 >/n");
	mine = derived(second);
	third = edited("edited", "echo 3 >/n");
	/* Somebody else may have had it built just now. */
	assert_true(is_there(second));
	superseded_remove("edited", third);
	assert_false(is_there(second));
	assert_true(is_there(first));
	assert_true(is_there(third));
	assert_true(is_there(other));
	assert_true(is_there(mine));
	assert_int_equal(corral_docker_image_remove(t.e, first, &err), -EBUSY);
	container_remove(id);
}

static void failed_build_says_why(void **state)
{
	const struct corral_docker_image_options o = { .build_network = "none" };
	corral_autofree char *rest = NULL;
	struct corral_error err = { 0 };
	char *image = NULL;

	(void)state;
	if (!corral_test_engine())
		return;
	rest = base_rest(corral_test_image_busybox(),
	                 ",\"setup_commands\":[\"echo the reason; echo and more >&2; exit 7\"]");
	assert_int_equal(build("failing", rest, &o, &image, &err), -EIO);
	assert_null(image);
	assert_int_equal(strncmp(err.text, "Building corral-runtime:images-", 31), 0);
	assert_non_null(strstr(err.text, "\nthe reason\n"));
	assert_non_null(strstr(err.text, "and more\n"));
	assert_non_null(strstr(err.text, "7"));
}

/* Whether a container runs this command. */
static bool runs(const char *command)
{
	corral_auto(json_freep) json_t *containers = NULL;
	size_t i;
	json_t *v;

	(void)call("GET", "/containers/json", &containers);
	json_array_foreach(containers, i, v)
	{
		if (strstr(json_string_value(json_object_get(v, "Command")), command))
			return true;
	}
	return false;
}

/* Once the command runs, which its first line tells. */
static void build_can_be_stopped(void **state)
{
	struct told told = { .lines = CORRAL_BUF_INIT, .stop_at = "it sleeps" };
	const struct corral_docker_progress progress = { tell, &told };
	const struct corral_docker_image_options o = { .build_network = "none",
		                                       .progress = &progress };
	corral_autofree char *rest = NULL;
	struct corral_error err = { 0 };
	uint64_t begin = corral_now_ms();
	char *image = NULL;

	(void)state;
	if (!corral_test_engine())
		return;
	rest = base_rest(corral_test_image_busybox(),
	                 ",\"setup_commands\":[\"echo it sleeps; sleep 50\"]");
	assert_int_equal(build("stopped", rest, &o, &image, &err), -ECANCELED);
	while (runs("sleep 50") && corral_now_ms() - begin < 40000)
		(void)usleep(100000);
	assert_true(corral_now_ms() - begin < 40000);
	corral_buf_done(&told.lines);
}

struct asker {
	const char *rest;
	char *image;
};

static void *asker_main(void *arg)
{
	struct asker *a = arg;

	a->image = built("shared", a->rest);
	return NULL;
}

static void threads_share_a_build(void **state)
{
	corral_autofree char *rest = NULL;
	struct asker askers[4] = { { 0 } };
	pthread_t ids[4];

	(void)state;
	if (!corral_test_engine())
		return;
	rest = base_rest(corral_test_image_busybox(), ",\"setup_commands\":[\"date >/n\"]");
	for (size_t i = 0; i < 4; i++) {
		askers[i].rest = rest;
		assert_int_equal(pthread_create(&ids[i], NULL, asker_main, &askers[i]), 0);
	}
	for (size_t i = 0; i < 4; i++)
		(void)pthread_join(ids[i], NULL);
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(askers[i].image, askers[0].image);
		if (i > 0)
			free(askers[i].image);
	}
	free(askers[0].image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(image_of_the_engine_is_described),
		cmocka_unit_test(missing_image_is_pulled_with_progress),
		cmocka_unit_test(image_that_no_registry_has_is_enoent),
		cmocka_unit_test(registry_that_is_not_there_is_an_error),
		cmocka_unit_test(credentials_decide_what_is_pulled),
		cmocka_unit_test(setup_commands_shape_the_image_and_the_user_owns_its_places),
		cmocka_unit_test(image_without_bash_python_or_useradd_gets_its_user),
		cmocka_unit_test(commands_reach_the_shell_as_they_are),
		cmocka_unit_test(environment_is_not_in_the_image),
		cmocka_unit_test(image_is_built_once_and_used_again),
		cmocka_unit_test(superseded_image_goes_in_time_unless_it_is_in_use),
		cmocka_unit_test(failed_build_says_why),
		cmocka_unit_test(build_can_be_stopped),
		cmocka_unit_test(threads_share_a_build),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
