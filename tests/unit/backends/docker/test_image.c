/* backends/docker/image.h against an engine that says what the test wants: what is asked of it, and
 * what its answers and failures mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <time.h>

#include "backends/docker/image.h"
#include "kernel/base/base64.h"
#include "tests/unit/backends/docker/fake.h"

struct fixture {
	struct fake fake;
	struct corral_docker_engine *e;
	struct corral_error err;
	struct corral_buf told;
	struct corral_docker_progress progress;
	unsigned int n_told, stop_after;
	char dir[64]; /* a Docker configuration */
};

static int tell(void *ctx, const char *text, uint64_t current, uint64_t total)
{
	struct fixture *f = ctx;

	corral_buf_fmt(&f->told, "%s [%llu/%llu]\n", text, (unsigned long long)current,
	               (unsigned long long)total);
	return ++f->n_told == f->stop_after;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	fake_start(&f->fake);
	f->e = fake_engine(&f->fake);
	/* Last, as no teardown follows a setup that fails. */
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/corral-image.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->progress = (struct corral_docker_progress) { tell, f };
	return 0;
}

static void config_path(const struct fixture *f, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s/config.json", f->dir);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[100];

	corral_docker_engine_close(f->e);
	fake_stop(&f->fake);
	corral_buf_done(&f->told);
	config_path(f, path, sizeof(path));
	(void)unlink(path);
	(void)rmdir(f->dir);
	free(f);
	return 0;
}

/* "joe:s3cret" */
static void log_in(const struct fixture *f, const char *registry)
{
	corral_autofd int fd = -1;
	char path[100];

	config_path(f, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "{\"auths\":{\"%s\":{\"auth\":\"am9lOnMzY3JldA==\"}}}", registry) >
	            0);
}

static int ensure(struct fixture *f, const char *name, enum corral_docker_pull_when when,
                  const char *platform)
{
	const struct corral_docker_image_options o = {
		.pull = when,
		.platform = platform,
		.config_dir = f->dir,
		.progress = &f->progress,
		.timeout_ms = 20000,
	};

	memset(&f->err, 0, sizeof(f->err));
	return corral_docker_image_ensure(f->e, name, &o, &f->err);
}

static void has(struct fixture *f, const char *escaped_name, const char *json)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "/images/%s/json", escaped_name);
	fake_json(&f->fake, "GET", path, 200, json);
}

#define IMAGE                                                                              \
	"{\"Id\":\"sha256:12\",\"Architecture\":\"amd64\",\"Os\":\"linux\",\"Size\":1234," \
	"\"Config\":{\"User\":\"1000\",\"WorkingDir\":\"/w\"}}"

static void assert_says(const struct fixture *f, const char *part)
{
	if (!strstr(f->err.text, part))
		fail_msg("'%s' does not say '%s'", f->err.text, part);
}

static void image_is_described(void **state)
{
	struct fixture *f = *state;
	struct corral_docker_image i = { 0 };

	has(f, "host.tld%2Fa%3Ab", IMAGE);
	assert_int_equal(corral_docker_image_inspect(f->e, "host.tld/a:b", &i, &f->err), 0);
	assert_string_equal(i.id, "sha256:12");
	assert_string_equal(i.arch, "amd64");
	assert_string_equal(i.os, "linux");
	assert_string_equal(i.user, "1000");
	assert_string_equal(i.work_dir, "/w");
	assert_int_equal(i.size_bytes, 1234);
	corral_docker_image_done(&i);
}

static void image_that_is_not_there_is_enoent(void **state)
{
	struct fixture *f = *state;

	fake_json(&f->fake, "GET", "/images/*", 404, "{\"message\":\"No such image: a:b\"}");
	assert_int_equal(corral_docker_image_inspect(f->e, "a:b", NULL, &f->err), -ENOENT);
	assert_string_equal(f->err.text, "image 'a:b': engine: No such image: a:b");
}

static void strange_descriptions_are_survived(void **state)
{
	struct fixture *f = *state;
	struct corral_docker_image i = { 0 };

	has(f, "a",
	    "{\"Id\":\"x\",\"Size\":-1,\"Os\":7,\"Config\":null,\"Architecture\":\"a\\nb\"}");
	assert_int_equal(corral_docker_image_inspect(f->e, "a", &i, &f->err), 0);
	assert_string_equal(i.os, "");
	assert_string_equal(i.arch, "a b");
	assert_string_equal(i.user, "");
	assert_int_equal(i.size_bytes, 0);
	corral_docker_image_done(&i);
	has(f, "b", "[]");
	assert_int_equal(corral_docker_image_inspect(f->e, "b", &i, &f->err), -EPROTO);
}

static void name_that_is_none_is_refused_before_the_engine_is_asked(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(corral_docker_image_inspect(f->e, "../x", NULL, &f->err), -EINVAL);
	assert_int_equal(corral_docker_image_remove(f->e, "a b", &f->err), -EINVAL);
	assert_int_equal(ensure(f, "", CORRAL_DOCKER_PULL_MISSING, NULL), -EINVAL);
	assert_int_equal(fake_count(&f->fake, "GET", "/images*"), 0);
	assert_int_equal(fake_count(&f->fake, "DELETE", "/images*"), 0);
}

static void image_in_use_is_busy(void **state)
{
	struct fixture *f = *state;

	fake_json(&f->fake, "DELETE", "/images/a", 409, "{\"message\":\"in use by 12\"}");
	assert_int_equal(corral_docker_image_remove(f->e, "a", &f->err), -EBUSY);
	fake_json(&f->fake, "DELETE", "/images/a", 200, "[{\"Untagged\":\"a:latest\"}]");
	assert_int_equal(corral_docker_image_remove(f->e, "a", &f->err), 0);
	assert_int_equal(corral_docker_image_remove(f->e, "b", &f->err), -ENOENT);
}

static void image_that_is_there_is_not_pulled(void **state)
{
	struct fixture *f = *state;

	has(f, "a", IMAGE);
	assert_int_equal(ensure(f, "a", CORRAL_DOCKER_PULL_MISSING, NULL), 0);
	assert_int_equal(ensure(f, "a", CORRAL_DOCKER_PULL_MISSING, "linux/amd64"), 0);
	assert_int_equal(ensure(f, "a", CORRAL_DOCKER_PULL_NEVER, NULL), 0);
	assert_int_equal(fake_count(&f->fake, "POST", "/images/create"), 0);
}

static void image_is_never_pulled_when_it_must_not_be(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ensure(f, "a", CORRAL_DOCKER_PULL_NEVER, NULL), -ENOENT);
	/* No registry knows an id. */
	assert_int_equal(
	        ensure(f, "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	               CORRAL_DOCKER_PULL_ALWAYS, NULL),
	        -ENOENT);
	assert_int_equal(fake_count(&f->fake, "POST", "/images/create"), 0);
}

static void asked_for(struct fixture *f, const char *path)
{
	const struct fake_request *q = fake_last(&f->fake, "POST", "/images/create");

	assert_non_null(q);
	assert_string_equal(q->path, path);
}

static void missing_image_is_pulled_by_one_tag(void **state)
{
	struct fixture *f = *state;

	fake_json(&f->fake, "POST", "/images/create", 200,
	          "{\"status\":\"Pulling from a\",\"id\":\"latest\"}\r\n"
	          "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,\"total\":9},"
	          "\"id\":\"9f\"}\r\n");
	assert_int_equal(ensure(f, "h.tld/a", CORRAL_DOCKER_PULL_MISSING, NULL), 0);
	asked_for(f, "/v1.41/images/create?fromImage=h.tld%2Fa&tag=latest");
	assert_string_equal(f->told.data, "latest: Pulling from a [0/0]\n9f: Downloading [5/9]\n");
	assert_null(fake_header(fake_last(&f->fake, "POST", "/images/create"), "X-Registry-Auth"));
}

static void digest_and_platform_are_asked_for(void **state)
{
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	struct fixture *f = *state;

	fake_json(&f->fake, "POST", "/images/create", 200, "");
	assert_int_equal(ensure(f, "a:t@sha256:" DIGEST, CORRAL_DOCKER_PULL_ALWAYS,
	                        "linux/arm64/v8"),
	                 0);
	asked_for(f, "/v1.41/images/create?fromImage=a&tag=sha256%3A" DIGEST
	             "&platform=linux%2Farm64%2Fv8");
}

static void image_for_another_processor_is_pulled(void **state)
{
	struct fixture *f = *state;

	has(f, "a", IMAGE);
	fake_json(&f->fake, "POST", "/images/create", 200, "");
	assert_int_equal(ensure(f, "a", CORRAL_DOCKER_PULL_MISSING, "linux/amd"), 0);
	assert_int_equal(fake_count(&f->fake, "POST", "/images/create"), 1);
	assert_int_equal(ensure(f, "a", CORRAL_DOCKER_PULL_NEVER, "linux/arm64"), -ENOENT);
	assert_says(f, "is there for linux/amd64, not for linux/arm64");
}

static void credentials_go_to_their_registry_alone(void **state)
{
	struct fixture *f = *state;
	corral_autobuf struct corral_buf plain = CORRAL_BUF_INIT;
	corral_autofree char *text = NULL;
	const char *header;

	log_in(f, "h.tld");
	fake_json(&f->fake, "POST", "/images/create", 200, "");
	assert_int_equal(ensure(f, "h.tld/a", CORRAL_DOCKER_PULL_ALWAYS, NULL), 0);
	header = fake_header(fake_last(&f->fake, "POST", "/images/create"), "X-Registry-Auth");
	assert_non_null(header);
	text = strndup(header, strcspn(header, "\r"));
	assert_non_null(text);
	for (char *c = text; *c; c++)
		*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
	assert_int_equal(corral_base64_decode(text, strlen(text), &plain), 0);
	assert_string_equal(plain.data, "{\"username\":\"joe\",\"password\":\"s3cret\","
	                                "\"serveraddress\":\"h.tld\"}");
	assert_int_equal(ensure(f, "other.tld/a", CORRAL_DOCKER_PULL_ALWAYS, NULL), 0);
	assert_null(fake_header(fake_last(&f->fake, "POST", "/images/create"), "X-Registry-Auth"));
}

static void failures_of_a_pull_are_told_apart(void **state)
{
	static const struct {
		int status;
		const char *body;
		int code;
		const char *says;
	} rows[] = {
		{ 200, "{\"errorDetail\":{\"message\":\"manifest unknown: x\"}}\n", -ENOENT,
		  "pull h.tld/a:latest: registry h.tld: manifest unknown: x" },
		{ 200, "{\"errorDetail\":{\"message\":\"unauthorized: nobody\"}}\n", -EACCES,
		  "pull h.tld/a:latest: registry h.tld: unauthorized: nobody (asked with no "
		  "credentials "
		  "for "
		  "'h.tld' in '" },
		{ 200, "{\"error\":\"disk full\"}\n", -EIO, "registry h.tld: disk full" },
		{ 404, "{\"message\":\"manifest for h.tld/a:latest not found\"}", -ENOENT,
		  "manifest for h.tld/a:latest not found" },
		{ 404, "{\"message\":\"pull access denied for a, repository does not exist\"}",
		  -EACCES, "pull access denied" },
		{ 500, "{\"message\":\"no basic auth credentials\"}", -EACCES, "no basic auth" },
		{ 500, "{\"message\":\"dial tcp: connection refused\"}", -EIO,
		  "connection refused" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int r;

		fake_json(&f->fake, "POST", "/images/create", rows[i].status, rows[i].body);
		r = ensure(f, "h.tld/a", CORRAL_DOCKER_PULL_MISSING, NULL);
		if (r != rows[i].code)
			fail_msg("%s: %d: %s", rows[i].body, r, f->err.text);
		assert_int_equal(f->err.code, -r);
		assert_says(f, rows[i].says);
	}
}

static void refusal_tells_of_credentials_without_their_secret(void **state)
{
	struct fixture *f = *state;

	log_in(f, "h.tld");
	fake_json(&f->fake, "POST", "/images/create", 500, "{\"message\":\"unauthorized\"}");
	assert_int_equal(ensure(f, "h.tld/a", CORRAL_DOCKER_PULL_ALWAYS, NULL), -EACCES);
	assert_says(f, "registry h.tld: engine: unauthorized (asked with credentials of '");
	assert_null(strstr(f->err.text, "s3cret"));
	assert_null(strstr(f->err.text, "am9l"));
}

static void pull_that_ends_in_the_middle_is_no_success(void **state)
{
	struct fixture *f = *state;

	fake_json(&f->fake, "POST", "/images/create", 200, "{\"status\":\"a\"}\n{\"stat");
	assert_int_equal(ensure(f, "a", CORRAL_DOCKER_PULL_MISSING, NULL), -EPROTO);
	fake_raw(&f->fake, "POST", "/images/create",
	         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n"
	         "{\"status\":\"a\"}\n",
	         FAKE_CLOSE);
	assert_int_equal(ensure(f, "a", CORRAL_DOCKER_PULL_MISSING, NULL), -EPIPE);
	fake_json(&f->fake, "POST", "/images/create", 200, "<html>\n");
	assert_int_equal(ensure(f, "a", CORRAL_DOCKER_PULL_MISSING, NULL), -EPROTO);
}

static void pull_can_be_stopped(void **state)
{
	struct fixture *f = *state;

	f->stop_after = 1;
	fake_raw(&f->fake, "POST", "/images/create",
	         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n"
	         "{\"status\":\"a\"}\n",
	         FAKE_HANG);
	assert_int_equal(ensure(f, "a", CORRAL_DOCKER_PULL_MISSING, NULL), -ECANCELED);
	assert_int_equal(f->err.code, ECANCELED);
}

static int runtime_image(struct fixture *f, const char *json,
                         const struct corral_docker_image_options *o, char **ret)
{
	struct corral_runtime *rt = NULL;
	int r;

	if (corral_runtime_parse(json, strlen(json), &rt, &f->err) < 0)
		fail_msg("%s", f->err.text);
	memset(&f->err, 0, sizeof(f->err));
	r = corral_docker_runtime_image(f->e, rt, o, ret, &f->err);
	corral_runtime_free(rt);
	return r;
}

#define RUNTIME "{\"name\":\"x\",\"base_image\":\"base\",\"setup_commands\":[\"make it\"]"

static void ready_made_image_is_taken_as_it_is(void **state)
{
	struct fixture *f = *state;
	const struct corral_docker_image_options o = { .fallback_image = "fall:back" };
	corral_autofree char *name = NULL, *fallback = NULL;

	has(f, "a%3Ab", IMAGE);
	has(f, "fall%3Aback", IMAGE);
	assert_int_equal(runtime_image(f, "{\"name\":\"x\",\"image\":\"a:b\"}", &o, &name), 0);
	assert_string_equal(name, "a:b");
	assert_int_equal(runtime_image(f, "{\"name\":\"x\"}", &o, &fallback), 0);
	assert_string_equal(fallback, "fall:back");
	assert_int_equal(fake_count(&f->fake, "POST", "/build"), 0);
}

static void runtime_without_any_image_is_refused(void **state)
{
	struct fixture *f = *state;
	const struct corral_docker_image_options o = { 0 };
	char *name = NULL;

	assert_int_equal(runtime_image(f, "{\"name\":\"x\"}", &o, &name), -EINVAL);
	assert_string_equal(f->err.text, "runtime 'x' has neither an image nor a base_image");
	assert_null(name);
}

static void image_is_built_with_label_and_tag(void **state)
{
	struct fixture *f = *state;
	const struct corral_docker_image_options o = { .config_dir = f->dir,
		                                       .progress = &f->progress,
		                                       .build_network = "host" };
	corral_autofree char *name = NULL;
	const struct fake_request *q;
	char wanted[400];

	log_in(f, "docker.io");
	has(f, "base", IMAGE);
	fake_json(&f->fake, "GET", "/images/json", 200, "[]");
	fake_json(
	        &f->fake, "POST", "/build", 200,
	        "{\"stream\":\"Step 1/3 : FROM base\\n\"}\r\n{\"aux\":{\"ID\":\"sha256:1\"}}\r\n");
	assert_int_equal(runtime_image(f, RUNTIME ",\"env_vars\":{\"KEY\":\"t0psecret\"}}", &o,
	                               &name),
	                 0);
	assert_int_equal(strncmp(name, "corral-runtime:x-", 17), 0);
	q = fake_last(&f->fake, "POST", "/build");
	assert_non_null(q);
	(void)snprintf(wanted, sizeof(wanted),
	               "/v1.41/build?version=1&dockerfile=Dockerfile&rm=1&forcerm=1"
	               "&t=corral-runtime%%3A%s&labels=%%7B%%22corral.runtime%%22%%3A%%22x%%22%%7D"
	               "&networkmode=host",
	               name + strlen("corral-runtime:"));
	assert_string_equal(q->path, wanted);
	assert_int_equal(strncmp(fake_header(q, "Content-Type"), "application/x-tar\r\n", 19), 0);
	assert_non_null(fake_header(q, "X-Registry-Config"));
	/* A tar archive: the name, then the content in a block of its own. */
	assert_true(q->body.len >= 1024);
	assert_string_equal(q->body.data, "Dockerfile");
	assert_string_equal(q->body.data + 512, "FROM base\nRUN [\"/bin/sh\",\"-c\",\"make it\"]\n"
	                                        "WORKDIR \"/workspace\"\n");
	assert_null(memmem(q->body.data, q->body.len, "t0psecret", 9));
	assert_string_equal(f->told.data, "Step 1/3 : FROM base [0/0]\n");
}

static void image_built_before_is_used_again(void **state)
{
	struct fixture *f = *state;
	const struct corral_docker_image_options o = { 0 };
	corral_autofree char *name = NULL, *again = NULL;

	has(f, "*", IMAGE);
	fake_json(&f->fake, "GET", "/images/*", 200, IMAGE);
	fake_json(&f->fake, "GET", "/images/json", 200, "[]");
	fake_json(&f->fake, "POST", "/build", 200, "");
	assert_int_equal(runtime_image(f, RUNTIME "}", &o, &name), 0);
	assert_int_equal(fake_count(&f->fake, "POST", "/build"), 0);
	assert_int_equal(runtime_image(f, RUNTIME ",\"cache_image\":false}", &o, &again), 0);
	assert_int_equal(fake_count(&f->fake, "POST", "/build"), 1);
	assert_string_equal(name, again);
}

static void failed_build_shows_its_last_lines(void **state)
{
	struct fixture *f = *state;
	const struct corral_docker_image_options o = { 0 };
	char *name = NULL;

	has(f, "base", IMAGE);
	fake_json(&f->fake, "POST", "/build", 200,
	          "{\"stream\":\"Step 2/3 : RUN x\\n\"}\n{\"stream\":\"make: *** no rule\\n\"}\n"
	          "{\"errorDetail\":{\"code\":2,\"message\":\"returned a non-zero code: 2\"}}\n");
	assert_int_equal(runtime_image(f, RUNTIME "}", &o, &name), -EIO);
	assert_int_equal(strncmp(f->err.text, "Building corral-runtime:x-", 26), 0);
	assert_says(f, " failed:\nStep 2/3 : RUN x\nmake: *** no rule\nstep 'RUN x': exit code 2");
	assert_null(name);
	assert_int_equal(fake_count(&f->fake, "GET", "/images/json"), 0);
}

static void failure_of_a_long_name_still_ends_with_the_reason(void **state)
{
	struct fixture *f = *state;
	const struct corral_docker_image_options o = { 0 };
	char json[400], name_text[151], *name = NULL;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	memset(name_text, 'n', 150);
	name_text[150] = '\0';
	(void)snprintf(json, sizeof(json), "{\"name\":\"%s\",\"base_image\":\"base\"}", name_text);
	has(f, "base", IMAGE);
	for (int i = 0; i < 30; i++)
		corral_buf_fmt(&b, "{\"stream\":\"line %d of the output\\n\"}\n", i);
	corral_buf_str(&b, "{\"errorDetail\":{\"message\":\"The command '");
	for (int i = 0; i < 50; i++)
		corral_buf_str(&b, "\xc3\xa9\xc3\xa9");
	corral_buf_str(&b, "' returned a non-zero code: 2\"}}\n");
	fake_json(&f->fake, "POST", "/build", 200, b.data);
	assert_int_equal(runtime_image(f, json, &o, &name), -EIO);
	assert_says(f, "\nline 29 of the output\n...\xc3\xa9");
	assert_string_equal(f->err.text + strlen(f->err.text) - 23, "rned a non-zero code: 2");
}

static void build_that_the_engine_refuses_is_an_error(void **state)
{
	struct fixture *f = *state;
	const struct corral_docker_image_options o = { 0 };
	char *name = NULL;

	has(f, "base", IMAGE);
	fake_json(&f->fake, "POST", "/build", 400, "{\"message\":\"dockerfile parse error\"}");
	assert_int_equal(runtime_image(f, RUNTIME "}", &o, &name), -EINVAL);
	assert_says(f, " failed: engine: dockerfile parse error");
}

static void base_that_no_registry_has_is_enoent(void **state)
{
	struct fixture *f = *state;
	const struct corral_docker_image_options o = { 0 };
	char *name = NULL;

	fake_json(&f->fake, "POST", "/images/create", 404, "{\"message\":\"base not found\"}");
	assert_int_equal(runtime_image(f, RUNTIME "}", &o, &name), -ENOENT);
	assert_says(f, "runtime 'x': pull base:latest: registry docker.io: engine: base not found");
	assert_int_equal(fake_count(&f->fake, "POST", "/build"), 0);
}

/* As the engine lists them. tag is the one just built; HEX another of the same runtime. */
#define HEX "0123456789ab"

static void images_list(struct corral_buf *b, const char *tag)
{
	long long old = (long long)time(NULL) - 3700, young = old + 200;

	corral_buf_fmt(b, "[{\"Id\":\"sha256:1\",\"Created\":%lld,\"RepoTags\":[\"%s\"]},", old,
	               tag);
	corral_buf_fmt(b,
	               "{\"Id\":\"sha256:2\",\"Created\":%lld,\"RepoTags\":["
	               "\"corral-runtime:x-" HEX "\",\"mine:1\"]},",
	               old);
	corral_buf_fmt(b,
	               "{\"Id\":\"sha256:3\",\"Created\":%lld,\"RepoTags\":["
	               "\"corral-runtime:x-111111111111\"]},",
	               old);
	corral_buf_fmt(b,
	               "{\"Id\":\"sha256:4\",\"Created\":%lld,\"RepoTags\":[\"localhost/%s\","
	               "\"docker.io/library/corral-runtime:x-222222222222\"]},",
	               old, tag);
	/* Too young, or of no age. */
	corral_buf_fmt(b,
	               "{\"Id\":\"sha256:5\",\"Created\":%lld,\"RepoTags\":["
	               "\"corral-runtime:x-333333333333\"]},"
	               "{\"Id\":\"sha256:6\",\"RepoTags\":[\"corral-runtime:x-444444444444\"]},",
	               young);
	/* Made from ours, or called nearly so. */
	corral_buf_fmt(b,
	               "{\"Id\":\"sha256:7\",\"Created\":%lld,\"RepoTags\":["
	               "\"somebody/elses:tag\",\"h.tld/corral-runtime:x-" HEX "\","
	               "\"corral-runtime:x\",\"corral-runtime:x-old\",\"corral-runtime:y-" HEX "\","
	               "\"corral-runtime:x-" HEX "c\",\"corral-runtime:x-y-" HEX "\","
	               "\"corral-runtime:x-0123456789aG\",\"corral-runtime:x-" HEX
	               "-old\",\"corral-runtime:x-0123456789AB\","
	               "\"corral-runtime@sha256:%064d\",\"corral-runtime:x-" HEX
	               "@sha256:%064d\"]},",
	               old, 1, 2);
	corral_buf_fmt(b,
	               "{\"Id\":\"%064d\",\"Created\":%lld,\"RepoTags\":[\"<none>:<none>\"]},"
	               "{\"Id\":\"%064d\",\"Created\":%lld,\"RepoTags\":[]},"
	               "{\"Id\":\"../containers/x\",\"Created\":%lld,\"RepoTags\":null},7,{}]",
	               3, old, 4, old, old);
}

static void old_tags_of_the_same_runtime_are_removed_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	const struct corral_docker_image_options o = { 0 };
	corral_autofree char *name = NULL;
	corral_autobuf struct corral_buf list = CORRAL_BUF_INIT;
	const struct fake_request *q;

	has(f, "base", IMAGE);
	fake_json(&f->fake, "POST", "/build", 200, "");
	fake_json(&f->fake, "GET", "/images/json", 200, "[]");
	assert_int_equal(runtime_image(f, RUNTIME "}", &o, &name), 0);
	images_list(&list, name);
	fake_json(&f->fake, "GET", "/images/json", 200, list.data);
	fake_json(&f->fake, "DELETE", "/images/*", 200, "[]");
	fake_json(&f->fake, "DELETE", "/images/corral-runtime%3Ax-111111111111", 409,
	          "{\"message\":\"in use\"}");
	corral_freep(&name);
	assert_int_equal(runtime_image(f, RUNTIME "}", &o, &name), 0);
	q = fake_last(&f->fake, "GET", "/images/json");
	assert_string_equal(q->path, "/v1.41/images/json?filters=%7B%22label%22%3A%5B%22corral."
	                             "runtime%3Dx%22%5D%7D");
	assert_int_equal(fake_count(&f->fake, "DELETE", "/images/corral-runtime%3Ax-" HEX), 1);
	q = fake_last(&f->fake, "DELETE", "/images/corral-runtime%3Ax-" HEX);
	assert_non_null(strstr(q->path, "?force=0&noprune=0"));
	assert_int_equal(fake_count(&f->fake, "DELETE", "/images/corral-runtime%3Ax-111111111111"),
	                 1);
	assert_int_equal(fake_count(&f->fake, "DELETE",
	                            "/images/docker.io%2Flibrary%2Fcorral-runtime%3Ax-"
	                            "222222222222"),
	                 1);
	assert_int_equal(fake_count(&f->fake, "DELETE", "/*"), 3);
}

struct asker {
	struct fixture *f;
	char *name;
	int result;
};

static void *asker_main(void *arg)
{
	const char *json = RUNTIME "}";
	const struct corral_docker_image_options o = { .timeout_ms = 20000 };
	struct asker *a = arg;
	struct corral_runtime *rt = NULL;

	a->result = corral_runtime_parse(json, strlen(json), &rt, NULL);
	if (a->result == 0)
		a->result = corral_docker_runtime_image(a->f->e, rt, &o, &a->name, NULL);
	corral_runtime_free(rt);
	return NULL;
}

/* From then on the image is there. */
static enum fake_then build_slowly(struct fake *f, int fd, const struct fake_request *q, void *ctx)
{
	(void)q;
	(void)ctx;
	(void)usleep(300000);
	fake_json(f, "GET", "/images/corral-runtime*", 200, IMAGE);
	(void)fake_say_json(fd, 200, "");
	return FAKE_KEEP;
}

static void threads_that_ask_at_once_share_one_build(void **state)
{
	struct fixture *f = *state;
	struct asker askers[5] = { { 0 } };
	pthread_t ids[5];

	has(f, "base", IMAGE);
	fake_json(&f->fake, "GET", "/images/json", 200, "[]");
	fake_call(&f->fake, "POST", "/build", build_slowly, NULL);
	for (size_t i = 0; i < 5; i++) {
		askers[i].f = f;
		assert_int_equal(pthread_create(&ids[i], NULL, asker_main, &askers[i]), 0);
	}
	for (size_t i = 0; i < 5; i++)
		(void)pthread_join(ids[i], NULL);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(askers[i].result, 0);
		assert_string_equal(askers[i].name, askers[0].name);
	}
	for (size_t i = 0; i < 5; i++)
		free(askers[i].name);
	assert_int_equal(fake_count(&f->fake, "POST", "/build"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(image_is_described),
		TEST(image_that_is_not_there_is_enoent),
		TEST(strange_descriptions_are_survived),
		TEST(name_that_is_none_is_refused_before_the_engine_is_asked),
		TEST(image_in_use_is_busy),
		TEST(image_that_is_there_is_not_pulled),
		TEST(image_is_never_pulled_when_it_must_not_be),
		TEST(missing_image_is_pulled_by_one_tag),
		TEST(digest_and_platform_are_asked_for),
		TEST(image_for_another_processor_is_pulled),
		TEST(credentials_go_to_their_registry_alone),
		TEST(failures_of_a_pull_are_told_apart),
		TEST(refusal_tells_of_credentials_without_their_secret),
		TEST(pull_that_ends_in_the_middle_is_no_success),
		TEST(pull_can_be_stopped),
		TEST(ready_made_image_is_taken_as_it_is),
		TEST(runtime_without_any_image_is_refused),
		TEST(image_is_built_with_label_and_tag),
		TEST(image_built_before_is_used_again),
		TEST(failed_build_shows_its_last_lines),
		TEST(failure_of_a_long_name_still_ends_with_the_reason),
		TEST(build_that_the_engine_refuses_is_an_error),
		TEST(base_that_no_registry_has_is_enoent),
		TEST(old_tags_of_the_same_runtime_are_removed_and_nothing_else),
		TEST(threads_that_ask_at_once_share_one_build),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
