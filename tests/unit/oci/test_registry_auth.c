/* kernel/image/oci/registry_auth.h: credentials are found where the docker command keeps them, and
 * no secret is in what is told about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/image/oci/registry_auth.h"
#include "kernel/image/oci/registry_credential.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

struct place {
	char dir[64];
	char *path; /* PATH before */
};

static void path_of(const struct place *p, const char *name, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s/%s", p->dir, name);
}

static void write_file(const struct place *p, const char *name, const char *text, mode_t mode)
{
	char path[200];
	corral_autofd int fd = -1;

	path_of(p, name, path, sizeof(path));
	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	char path[4200];

	if (!p)
		return -1;
	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/corral-auth.XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	p->path = strdup(getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
	(void)snprintf(path, sizeof(path), "%s:%s", p->dir, p->path);
	(void)setenv("PATH", path, 1);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {
		"config.json",
		"docker-credential-good",
		"docker-credential-token",
		"docker-credential-none",
		"docker-credential-hangs",
		"docker-credential-floods",
		"docker-credential-deaf",
		"docker-credential-talks",
		"docker-credential-parent",
		"asked",
	};
	struct place *p = *state;
	char path[200];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		path_of(p, names[i], path, sizeof(path));
		(void)unlink(path);
	}
	(void)rmdir(p->dir);
	(void)setenv("PATH", p->path, 1);
	free(p->path);
	free(p);
	return 0;
}

static void find(const struct place *p, const char *registry, struct corral_registry_auth *a)
{
	struct corral_error err = { 0 };

	if (corral_registry_auth_find(p->dir, registry, a, &err) < 0)
		fail_msg("%s", err.text);
	assert_null(strstr(a->note, "s3cret"));
}

static void finds(const struct place *p, const char *config, const char *registry, const char *user)
{
	struct corral_registry_auth a;

	write_file(p, "config.json", config, 0600);
	find(p, registry, &a);
	assert_non_null(a.username);
	assert_string_equal(a.username, user);
	assert_string_equal(a.password, "s3cret");
	corral_registry_auth_done(&a);
}

static void finds_none(const struct place *p, const char *config, const char *registry,
                       const char *note)
{
	struct corral_registry_auth a;

	write_file(p, "config.json", config, 0600);
	find(p, registry, &a);
	assert_false(corral_registry_auth_is_found(&a));
	if (!strstr(a.note, note))
		fail_msg("'%s' is not in '%s'", note, a.note);
	corral_registry_auth_done(&a);
}

/* "joe:s3cret" */
#define JOE "am9lOnMzY3JldA=="

static void entry_is_found_by_its_registry(void **state)
{
	(void)state;
	finds(*state, "{\"auths\":{\"localhost:5000\":{\"auth\":\"" JOE "\"}}}", "localhost:5000",
	      "joe");
	finds(*state, "{\"auths\":{\"https://host.tld/v2/\":{\"auth\":\"" JOE "\"}}}", "host.tld",
	      "joe");
	finds(*state,
	      "{\"auths\":{\"a\":{\"auth\":\"eA==\"},\"host.tld\":{\"username\":\"ann\","
	      "\"password\":\"s3cret\"}}}",
	      "host.tld", "ann");
}

static void hub_has_its_old_name(void **state)
{
	struct corral_registry_auth a;

	finds(*state, "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"" JOE "\"}}}",
	      "docker.io", "joe");
	finds(*state, "{\"auths\":{\"docker.io\":{\"auth\":\"" JOE "\"}}}", "docker.io", "joe");
	find(*state, "docker.io", &a);
	assert_string_equal(a.server, "https://index.docker.io/v1/");
	corral_registry_auth_done(&a);
}

static void other_registries_credentials_are_not_given_away(void **state)
{
	finds_none(*state, "{\"auths\":{\"host.tld\":{\"auth\":\"" JOE "\"}}}", "host.tl",
	           "no credentials for 'host.tl' in '");
	finds_none(*state, "{\"auths\":{\"host.tld\":{\"auth\":\"" JOE "\"}}}", "host.tld.evil",
	           "no credentials");
	finds_none(*state, "{\"auths\":{\"host.tld\":{\"auth\":\"" JOE "\"}}}", "host.tld:5000",
	           "no credentials");
	finds_none(*state, "{\"auths\":{\"http://host.tld/x\":{\"auth\":\"" JOE "\"}}}",
	           "docker.io", "no credentials");
}

static void token_is_found(void **state)
{
	struct corral_registry_auth a;

	write_file(*state, "config.json",
	           "{\"auths\":{\"h.tld\":{\"auth\":\"" JOE "\",\"identitytoken\":\"t0ken\"}}}",
	           0600);
	find(*state, "h.tld", &a);
	assert_string_equal(a.identity_token, "t0ken");
	corral_registry_auth_done(&a);
}

static void what_is_broken_is_said_and_nothing_found(void **state)
{
	struct corral_registry_auth a;
	const struct place *p = *state;
	char path[200];

	finds_none(p, "{", "h.tld", "config.json' is not to be understood");
	finds_none(p, "", "h.tld", "is not to be understood");
	finds_none(p, "[]", "h.tld", "no credentials");
	finds_none(p, "{\"auths\":[]}", "h.tld", "no credentials");
	finds_none(p, "{\"auths\":{\"h.tld\":7}}", "h.tld", "no credentials");
	finds_none(p, "{\"auths\":{\"h.tld\":{}}}", "h.tld", "no credentials");
	finds_none(p, "{\"auths\":{\"h.tld\":{\"auth\":\"***\"}}}", "h.tld",
	           "the entry of 'h.tld' in '");
	/* "joe", ":s3cret" and "joe\0:s3cret" */
	finds_none(p, "{\"auths\":{\"h.tld\":{\"auth\":\"am9l\"}}}", "h.tld", "is broken");
	finds_none(p, "{\"auths\":{\"h.tld\":{\"auth\":\"OnMzY3JldA==\"}}}", "h.tld", "is broken");
	finds_none(p, "{\"auths\":{\"h.tld\":{\"auth\":\"am9lADpzM2NyZXQ=\"}}}", "h.tld",
	           "is broken");
	path_of(p, "config.json", path, sizeof(path));
	(void)unlink(path);
	find(p, "h.tld", &a);
	assert_false(corral_registry_auth_is_found(&a));
	corral_registry_auth_done(&a);
	/* Nobody waits for who would write into it. */
	assert_int_equal(mkfifo(path, 0600), 0);
	find(p, "h.tld", &a);
	assert_non_null(strstr(a.note, "is no file"));
	corral_registry_auth_done(&a);
	assert_int_equal(corral_registry_auth_find(NULL, "h.tld", &a, NULL), 0);
	assert_false(corral_registry_auth_is_found(&a));
	corral_registry_auth_done(&a);
}

#define GOOD                                                              \
	"#!/bin/sh\n[ \"$1\" = get ] || exit 1\ncat >\"${0%/*}/asked\"\n" \
	"echo '{\"ServerURL\":\"x\",\"Username\":\"ann\",\"Secret\":\"s3cret\"}'\n"

static void was_asked(const struct place *p, const char *server)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	corral_autofd int fd = -1;
	char path[200];

	path_of(p, "asked", path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(corral_buf_read_fd(&b, fd, 1000), 0);
	assert_string_equal(b.data ? b.data : "", server);
}

static void helpers_are_asked_with_the_server_on_stdin(void **state)
{
	const struct place *p = *state;

	write_file(p, "docker-credential-good", GOOD, 0700);
	finds(p, "{\"credsStore\":\"good\"}", "docker.io", "ann");
	was_asked(p, "https://index.docker.io/v1/");
	finds(p, "{\"credsStore\":\"none\",\"credHelpers\":{\"h.tld:1\":\"good\"}}", "h.tld:1",
	      "ann");
	was_asked(p, "h.tld:1");
}

static void helper_of_another_registry_is_not_asked(void **state)
{
	write_file(*state, "docker-credential-good", GOOD, 0700);
	finds_none(*state, "{\"credHelpers\":{\"h.tld\":\"good\"}}", "other.tld", "no credentials");
}

static void helper_gives_a_token(void **state)
{
	struct corral_registry_auth a;

	write_file(*state, "docker-credential-token",
	           "#!/bin/sh\necho '{\"Username\":\"<token>\",\"Secret\":\"t0ken\"}'\n", 0700);
	write_file(*state, "config.json", "{\"credsStore\":\"token\"}", 0600);
	find(*state, "h.tld", &a);
	assert_null(a.username);
	assert_string_equal(a.identity_token, "t0ken");
	assert_string_equal(a.note, "with credentials of docker-credential-token");
	corral_registry_auth_done(&a);
}

static void helper_without_any_leaves_the_entry(void **state)
{
	write_file(*state, "docker-credential-none", "#!/bin/sh\necho s3cret not found\nexit 1\n",
	           0700);
	finds(*state, "{\"credsStore\":\"none\",\"auths\":{\"h.tld\":{\"auth\":\"" JOE "\"}}}",
	      "h.tld", "joe");
	finds_none(*state, "{\"credsStore\":\"none\"}", "h.tld",
	           "no credentials for 'h.tld': docker-credential-none has none");
}

static void helper_that_is_missing_or_no_helper_is_said(void **state)
{
	finds_none(*state, "{\"credsStore\":\"missing\"}", "h.tld",
	           "docker-credential-missing: No such file");
	finds_none(*state, "{\"credsStore\":\"../x\"}", "h.tld", "a credential helper's name is");
	finds_none(*state, "{\"credsStore\":\"a b\"}", "h.tld", "a credential helper's name is");
	write_file(*state, "docker-credential-talks", "#!/bin/sh\necho s3cret\n", 0700);
	finds_none(*state, "{\"credsStore\":\"talks\"}", "h.tld",
	           "what docker-credential-talks wrote is no credential");
}

static void helper_that_hangs_is_ended(void **state)
{
	struct corral_error err = { 0 };
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	uint64_t begin = corral_now_ms();

	write_file(*state, "docker-credential-hangs", "#!/bin/sh\nsleep 60 & sleep 60\n", 0700);
	assert_int_equal(corral_registry_credential_get("hangs", "x", 300, &b, &err), -ETIMEDOUT);
	assert_string_equal(err.text, "docker-credential-hangs gave no answer in 300 ms");
	assert_true(corral_now_ms() - begin < 20000);
}

static void helper_that_floods_is_ended(void **state)
{
	struct corral_error err = { 0 };
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	write_file(*state, "docker-credential-floods", "#!/bin/sh\nexec cat /dev/zero\n", 0700);
	assert_int_equal(corral_registry_credential_get("floods", "x", 20000, &b, &err), -EMSGSIZE);
	assert_true(b.len < 2ul * CORRAL_REGISTRY_CREDENTIAL_MAX);
}

static void helper_that_does_not_read_kills_nobody(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	write_file(*state, "docker-credential-deaf", "#!/bin/sh\nexec <&-\necho answer\n", 0700);
	for (int i = 0; i < 20; i++)
		assert_int_equal(corral_registry_credential_get("deaf", "x", 20000, &b, NULL), 0);
	assert_int_equal(strncmp(b.data, "answer\nanswer\n", 14), 0);
}

/* What it starts may keep the socket. */
static void helper_that_leaves_a_child_is_done_when_it_ends(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT, pid = CORRAL_BUF_INIT;
	corral_autofd int fd = -1;
	char path[200];
	uint64_t begin = corral_now_ms();

	write_file(*state, "docker-credential-parent",
	           "#!/bin/sh\nsleep 60 &\necho $! >\"${0%/*}/asked\"\necho answer\n", 0700);
	assert_int_equal(corral_registry_credential_get("parent", "x", 25000, &b, NULL), 0);
	path_of(*state, "asked", path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(corral_buf_read_fd(&pid, fd, 100), 0);
	(void)kill((pid_t)strtol(pid.data, NULL, 10), SIGKILL);
	assert_string_equal(b.data, "answer\n");
	assert_true(corral_now_ms() - begin < 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(entry_is_found_by_its_registry, setup, teardown),
		cmocka_unit_test_setup_teardown(hub_has_its_old_name, setup, teardown),
		cmocka_unit_test_setup_teardown(other_registries_credentials_are_not_given_away,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(token_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_broken_is_said_and_nothing_found, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(helpers_are_asked_with_the_server_on_stdin, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(helper_of_another_registry_is_not_asked, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(helper_gives_a_token, setup, teardown),
		cmocka_unit_test_setup_teardown(helper_without_any_leaves_the_entry, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(helper_that_is_missing_or_no_helper_is_said, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(helper_that_hangs_is_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(helper_that_floods_is_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(helper_that_does_not_read_kills_nobody, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(helper_that_leaves_a_child_is_done_when_it_ends,
		                                setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
