/*
 * corral ls, read, write, edit, glob, grep by the command line: what the rules of --permissions and
 * of --config hold back.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "tests/real/sandbox_support.h"

#define RULES                                                                          \
	"{\"default\":\"allow\",\"write\":{\"default\":\"deny\"},\"read\":{\"rules\":" \
	"[{\"pattern\":\"**/secret\",\"action\":\"deny\",\"description\":\"not for "   \
	"you\"}]},\"glob\":"                                                           \
	"{\"rules\":[{\"pattern\":\"**/secret\",\"action\":\"deny\"}]}}"

struct place {
	char *dir;
	char config[600], wider[600];
	struct run r;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	p->dir = dir_make();
	(void)snprintf(p->config, sizeof(p->config), "%s/rules.json", p->dir);
	(void)snprintf(p->wider, sizeof(p->wider), "%s/wider.json", p->dir);
	file_make(p->dir, "rules.json", "{\"permissions\":" RULES "}");
	file_make(p->dir, "wider.json", "{\"permissions\":" RULES ",\"tty\":true}");
	file_make(p->dir, "secret", "key");
	file_make(p->dir, "open", "key");
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	run_done(&p->r);
	dir_remove(p->dir);
	free(p);
	return 0;
}

#define CORRAL(p, ...) run_argv(&(p)->r, ARGS(CORRAL_BINARY, __VA_ARGS__))

static void rules_of_the_configuration_hold(void **state)
{
	struct place *p = *state;

	CORRAL(p, "read", "--local", p->dir, "--config", p->config, "--bytes", "open");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "key");
	CORRAL(p, "read", "--local", p->dir, "--config", p->config, "secret");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "Permission denied: not for you");
	CORRAL(p, "write", "--local", p->dir, "--config", p->config, "open");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "Permission denied for write on 'open'");
	CORRAL(p, "glob", "--local", p->dir, "--config", p->config, "*");
	assert_says(p->r.out, "/open\n");
	assert_null(strstr(p->r.out, "secret"));
	CORRAL(p, "grep", "--local", p->dir, "--config", p->config, "^key");
	assert_says(p->r.out, "/open:1:key\n");
	assert_null(strstr(p->r.out, "secret"));
}

static void flag_takes_the_place_of_the_configuration(void **state)
{
	struct place *p = *state;

	char path[600];

	file_make(p->dir, "all.json", "{\"default\":\"allow\"}");
	(void)snprintf(path, sizeof(path), "%s/all.json", p->dir);
	CORRAL(p, "read", "--local", p->dir, "--permissions", path, "--config", p->config,
	       "--bytes", "secret");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "key");
}

static void key_of_a_sandbox_is_refused_where_none_is_made(void **state)
{
	struct place *p = *state;

	CORRAL(p, "read", "--local", p->dir, "--config", p->wider, "open");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "'tty' in --config is a new sandbox's, and --local makes none");
	CORRAL(p, "mcp", "--local", p->dir, "--config", p->wider);
	assert_status(&p->r, 125);
	assert_says(p->r.err, "'tty' in --config is a new sandbox's");
	file_make(p->dir, "wrong.json", "{\"permissions\":{\"read\":{\"rule\":[]}}}");
	(void)snprintf(p->config, sizeof(p->config), "%s/wrong.json", p->dir);
	CORRAL(p, "ls", "--local", p->dir, "--config", p->config);
	assert_status(&p->r, 125);
	assert_says(p->r.err, "permissions.read.rule: no such key: default, rules");
}

static void rules_hold_in_a_sandbox_that_stays(void **state)
{
	struct place *p = *state;
	char id[64];

	CORRAL(p, "sandbox", "create", "--bind", bind_of(p->dir, "", "/d"));
	if (p->r.status) {
		corral_test_skip("a sandbox that stays: %s", p->r.err);
		return;
	}
	(void)snprintf(id, sizeof(id), "%.*s", (int)strcspn(p->r.out, "\n"), p->r.out);
	CORRAL(p, "read", "--session", id, "--config", p->config, "/d/secret");
	assert_int_equal(p->r.status, 125);
	assert_says(p->r.err, "Permission denied: not for you");
	CORRAL(p, "glob", "--session", id, "--config", p->config, "*", "/d");
	assert_string_equal(p->r.out, "/d/open\n/d/rules.json\n/d/wider.json\n");
	CORRAL(p, "sandbox", "rm", "-f", id);
	assert_status(&p->r, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(rules_of_the_configuration_hold),
		T(flag_takes_the_place_of_the_configuration),
		T(key_of_a_sandbox_is_refused_where_none_is_made),
		T(rules_hold_in_a_sandbox_that_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
