/* policy/isolation.h: over a table of hosts, the way in which a runtime's sandboxes are contained,
 * and the sentence that says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/isolation.h"

#define NATIVE CORRAL_ISOLATION_NATIVE
#define DOCKER CORRAL_ISOLATION_DOCKER
#define NONE   CORRAL_ISOLATION_AUTO

/* What a host can do; what it cannot has its reason. */
enum {
	N = 1,  /* natively, with every fence */
	W = 2,  /* with fewer */
	R = 4,  /* the root filesystem can be had */
	L = 8,  /* the limits can be enforced */
	D = 16, /* an engine answers */
};

#define HOST      "{\"name\":\"r\",\"rootfs\":\"host\""
#define DIR       "{\"name\":\"r\",\"rootfs\":\"/srv\""
#define PLAIN     "{\"name\":\"r\""
#define IMAGE     "{\"name\":\"r\",\"image\":\"i\""
#define BUILT     "{\"name\":\"r\",\"base_image\":\"i\""
#define BOTH      "{\"name\":\"r\",\"image\":\"i\",\"rootfs\":\"/srv\""
#define AUTO      "}"
#define LESS      ",\"allow_weaker\":true}"
#define BY_NATIVE ",\"isolation\":\"native\"}"
#define BY_DOCKER ",\"isolation\":\"docker\"}"

#define EVERY         "this host contains it with every fence"
#define FEWER         "this host contains it with fewer fences, which allow_weaker accepts"
#define BUT(why)      "not natively: " why "; but a container engine answers"
#define NEITHER(a, b) "runtime 'r': neither natively: " a "; nor by a container engine: " b
#define OF_HOST       "its root filesystem is of this host, and it names no image"

static const struct {
	const char *json;
	unsigned int can;
	enum corral_isolation isolation; /* NONE: it fails with the text */
	bool weaker;
	const char *text;
} rows[] = {
	/* auto: natively where that can be, whatever else there is. */
	{ PLAIN AUTO, N | R | L, NATIVE, false, EVERY },
	{ PLAIN AUTO, N | R | L | D, NATIVE, false, EVERY },
	{ PLAIN AUTO, N | W | R | L | D, NATIVE, false, EVERY },
	{ PLAIN LESS, N | W | R | L | D, NATIVE, false, EVERY },
	{ HOST AUTO, N | R | L, NATIVE, false, EVERY },
	{ DIR AUTO, N | R | L | D, NATIVE, false, EVERY },
	{ BOTH AUTO, N | R | L | D, NATIVE, false, EVERY },
	/* Fewer fences only by consent, which is the level that its policy demands. */
	{ PLAIN LESS, W | R | L, NATIVE, true, FEWER },
	{ PLAIN LESS, W | R | L | D, NATIVE, true, FEWER },
	{ PLAIN AUTO, W | R | L | D, DOCKER, false, BUT("no fences") },
	{ PLAIN AUTO, W | R | L, NONE, false, NEITHER("no fences", "no engine") },
	{ PLAIN LESS, R | L, NONE, false, NEITHER("no fences", "no engine") },
	/* An image is Docker's. */
	{ IMAGE AUTO, N | L | D, DOCKER, false, BUT("no root") },
	{ BUILT AUTO, N | L | D, DOCKER, false, BUT("no root") },
	{ IMAGE AUTO, N | L, NONE, false, NEITHER("no root", "no engine") },
	{ IMAGE LESS, W | L, NONE, false, NEITHER("no root", "no engine") },
	{ BOTH AUTO, N | L | D, DOCKER, false, BUT("no root") },
	{ BOTH AUTO, R | L | D, DOCKER, false, BUT("no fences") },
	/* A directory of this host is in no container. */
	{ DIR AUTO, N | L | D, NONE, false, NEITHER("no root", OF_HOST) },
	{ HOST AUTO, R | L | D, NONE, false, NEITHER("no fences", OF_HOST) },
	{ HOST AUTO, R | L, NONE, false, NEITHER("no fences", OF_HOST) },
	/* Limits that it names have to hold. */
	{ PLAIN AUTO, N | R | D, DOCKER, false, BUT("no limits") },
	{ PLAIN AUTO, N | R, NONE, false, NEITHER("no limits", "no engine") },
	{ PLAIN LESS, W | R | D, DOCKER, false, BUT("no limits") },
	{ HOST BY_NATIVE, N | R, NONE, false, "runtime 'r': its isolation is native: no limits" },
	/* What an engine cannot do. */
	{ PLAIN ",\"ids\":\"range\"}", R | L | D, NONE, false,
	  NEITHER("no fences", "it says how ids map, which is the engine's to say") },
	{ IMAGE ",\"limits\":{\"disk_inodes\":100}}", N | L | D, NONE, false,
	  NEITHER("no root",
	          "containers have no limit on the number of files, and it asks for one") },
	{ IMAGE ",\"limits\":{\"disk_inodes\":0}}", N | L | D, DOCKER, false, BUT("no root") },
	/* Taken at its word. */
	{ PLAIN BY_NATIVE, N | R | L | D, NATIVE, false, "its isolation is native, and " EVERY },
	{ PLAIN BY_NATIVE, R | L | D, NONE, false,
	  "runtime 'r': its isolation is native: no fences" },
	{ PLAIN BY_NATIVE, W | R | L | D, NONE, false,
	  "runtime 'r': its isolation is native: no fences" },
	{ PLAIN ",\"allow_weaker\":true" BY_NATIVE, W | R | L, NATIVE, true,
	  "its isolation is native, and " FEWER },
	{ DIR BY_NATIVE, N | L | D, NONE, false, "runtime 'r': its isolation is native: no root" },
	{ IMAGE BY_NATIVE, N | L | D, NONE, false,
	  "runtime 'r': its isolation is native: no root" },
	{ PLAIN BY_DOCKER, N | R | L | D, DOCKER, false,
	  "its isolation is docker, and a container engine answers" },
	{ IMAGE BY_DOCKER, D, DOCKER, false,
	  "its isolation is docker, and a container engine answers" },
	{ IMAGE BY_DOCKER, N | R | L, NONE, false,
	  "runtime 'r': its isolation is docker: no engine" },
	{ HOST BY_DOCKER, N | R | L | D, NONE, false,
	  "runtime 'r': its isolation is docker: " OF_HOST },
};

static struct corral_runtime *parsed(const char *json)
{
	struct corral_runtime *rt = NULL;
	struct corral_error err = { 0 };

	if (corral_runtime_parse(json, strlen(json), &rt, &err) < 0)
		fail_msg("%s: %s", json, err.text);
	return rt;
}

static struct corral_isolation_facts facts_of(unsigned int can)
{
	return (struct corral_isolation_facts) {
		.native = can & N,
		.native_weaker = can & W,
		.native_why = can & N ? NULL : "no fences",
		.rootfs = can & R,
		.rootfs_why = can & R ? NULL : "no root",
		.limits = can & L,
		.limits_why = can & L ? NULL : "no limits",
		.docker = can & D,
		.docker_why = can & D ? NULL : "no engine",
	};
}

static void choice_over_a_table_of_hosts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct corral_isolation_facts facts = facts_of(rows[i].can);
		struct corral_isolation_choice c = { .isolation = NONE };
		struct corral_runtime *rt = parsed(rows[i].json);
		struct corral_error err = { 0 };
		int r = corral_isolation_choose(rt, &facts, &c, &err);

		if (r != (rows[i].isolation == NONE ? -EOPNOTSUPP : 0) ||
		    c.isolation != rows[i].isolation || c.weaker != rows[i].weaker ||
		    strcmp(r < 0 ? err.text : c.reason, rows[i].text) != 0)
			fail_msg("row %zu, %s, %#x: %d, %s%s: %s", i, rows[i].json, rows[i].can, r,
			         corral_isolation_name(c.isolation), c.weaker ? ", weaker" : "",
			         r < 0 ? err.text : c.reason);
		corral_runtime_free(rt);
	}
}

/* The two questions say what the choice is made of. */
static void each_way_has_its_own_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct corral_isolation_facts facts = facts_of(rows[i].can);
		struct corral_runtime *rt = parsed(rows[i].json);
		const char *native_why = NULL, *docker_why = NULL;
		bool weaker, native, docker;

		native = corral_isolation_native(rt, &facts, &weaker, &native_why);
		docker = corral_isolation_docker(rt, &facts, &docker_why);
		assert_int_equal(native, native_why == NULL);
		assert_int_equal(docker, docker_why == NULL);
		assert_int_equal(corral_isolation_docker(rt, &facts, NULL), docker);
		if (rows[i].isolation == NATIVE)
			assert_true(native);
		if (rows[i].isolation == DOCKER)
			assert_true(docker);
		if (rows[i].isolation == NONE && rt->isolation == CORRAL_ISOLATION_AUTO)
			assert_false(native || docker);
		corral_runtime_free(rt);
	}
}

static void reason_that_is_missing_is_said_in_general(void **state)
{
	const struct corral_isolation_facts facts = { .rootfs = true };
	struct corral_isolation_choice c;
	struct corral_runtime *rt = parsed("{\"name\":\"r\"}");
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(corral_isolation_choose(rt, &facts, &c, &err), -EOPNOTSUPP);
	assert_string_equal(err.text,
	                    NEITHER("this host cannot contain it", "no container engine answers"));
	corral_runtime_free(rt);
}

/* However long the reasons are, both are in the sentence. */
static void long_reasons_are_cut_and_none_is_lost(void **state)
{
	struct corral_isolation_facts facts = { .rootfs = true };
	struct corral_isolation_choice c;
	struct corral_runtime *rt = parsed("{\"name\":\"r\"}");
	struct corral_error err = { 0 };
	char a[500], b[500];

	(void)state;
	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	a[sizeof(a) - 1] = b[sizeof(b) - 1] = '\0';
	facts.native_why = a;
	facts.docker_why = b;
	assert_int_equal(corral_isolation_choose(rt, &facts, &c, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "aaaa ...; nor by a container engine: bbbb"));
	/* Between words, where there are some. */
	(void)snprintf(a, sizeof(a), "%0290d run systemd-run --user --scope", 0);
	assert_int_equal(corral_isolation_choose(rt, &facts, &c, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "00 run ...; nor by a container engine: bbbb"));
	/* The engine's before ours, which ends with what mends it. */
	(void)snprintf(a, sizeof(a), "%0230d: run systemd-run --user --scope", 0);
	assert_int_equal(corral_isolation_choose(rt, &facts, &c, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "--scope; nor by a container engine: bbbb"));
	assert_non_null(strstr(err.text, "bbb ..."));
	corral_runtime_free(rt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choice_over_a_table_of_hosts),
		cmocka_unit_test(each_way_has_its_own_answer),
		cmocka_unit_test(reason_that_is_missing_is_said_in_general),
		cmocka_unit_test(long_reasons_are_cut_and_none_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
