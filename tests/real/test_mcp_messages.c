/*
 * corral mcp and messages that clients of other people's making never send, or only those of older
 * versions of the protocol.
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

#define PING(id) "{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"method\":\"ping\"}"
#define CALL(id, command)                                                                     \
	"{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"method\":\"tools/call\",\"params\":{\"name\":" \
	"\"execute\",\"arguments\":{\"command\":\"" command "\"}}}"
#define NOTHING "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}"

static int setup(void **state)
{
	*state = dir_make();
	return 0;
}

static int teardown(void **state)
{
	dir_remove(*state);
	return 0;
}

/* What it says to these lines, behind a greeting in that version; the greeting's answer is left
 * out. An array, which the caller frees. */
static json_t *said(const char *dir, const char *version, const char *lines)
{
	struct run r = { 0 };
	json_t *all = json_array();
	char *rest, *line;

	run_argv(&r,
	         ARGS("sh", "-c",
	              "printf '{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":"
	              "{\"protocolVersion\":\"%s\"}}\\n%s\\n' \"$2\" \"$3\" | \"$0\" mcp --local "
	              "\"$1\"",
	              CORRAL_BINARY, dir, version, lines));
	assert_status(&r, 0);
	rest = r.out;
	while ((line = strsep(&rest, "\n"))) {
		json_t *v = *line ? json_loads(line, 0, NULL) : NULL;

		assert_true(v || !*line);
		if (v && json_object_get(json_object_get(v, "result"), "protocolVersion"))
			json_decref(v);
		else if (v)
			assert_int_equal(json_array_append_new(all, v), 0);
	}
	run_done(&r);
	return all;
}

static void assert_refused_once(json_t *all, size_t at, const char *part)
{
	json_t *error = json_object_get(json_array_get(all, at), "error");

	assert_int_equal(json_integer_value(json_object_get(error, "code")), -32600);
	assert_true(json_is_null(json_object_get(json_array_get(all, at), "id")));
	assert_says(json_string_value(json_object_get(error, "message")), part);
}

static void batch_is_refused_as_a_whole_where_the_version_has_none(void **state)
{
	static const char *const versions[] = { "2025-11-25", "2025-06-18", "2024-11-05",
		                                "2099-01-01" };
	char path[600];

	for (size_t i = 0; i < CORRAL_COUNT(versions); i++) {
		json_t *all = said(*state, versions[i],
		                   "[" PING(1) "," CALL(2, "touch ran") "]\n" PING(3));

		assert_int_equal(json_array_size(all), 2);
		assert_refused_once(all, 0, "only version 2025-03-26");
		assert_int_equal(json_integer_value(json_object_get(json_array_get(all, 1), "id")),
		                 3);
		json_decref(all);
		(void)snprintf(path, sizeof(path), "%s/ran", (const char *)*state);
		assert_int_equal(access(path, F_OK), -1);
	}
}

static void batch_is_answered_by_one_array_in_the_version_that_has_them(void **state)
{
	json_t *all = said(*state, "2025-03-26",
	                   "[" PING(1) "," CALL(2, "sleep 0.2; echo late") "," NOTHING
	                                                                   ",7]\n[]\n[" NOTHING
	                                                                   "]\n" PING(3));
	json_t *batch = NULL;
	bool late = false;

	/* The empty one's refusal, the ping, and the batch: as long as its call takes. */
	assert_int_equal(json_array_size(all), 3);
	assert_refused_once(all, 0, "1 to 1000 messages");
	batch = json_array_get(all, 2);
	assert_int_equal(json_array_size(batch), 3);
	for (size_t i = 0; i < 3; i++) {
		json_t *id = json_object_get(json_array_get(batch, i), "id");
		char *text = json_dumps(json_array_get(batch, i), 0);

		late |= json_integer_value(id) == 2 && strstr(text, "late");
		if (json_is_null(id))
			assert_refused_once(batch, i, "not a message of JSON-RPC 2.0");
		free(text);
	}
	assert_true(late);
	json_decref(all);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(batch_is_refused_as_a_whole_where_the_version_has_none),
		T(batch_is_answered_by_one_array_in_the_version_that_has_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
