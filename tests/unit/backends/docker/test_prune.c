/* Which containers and volumes are taken for ours, and which of them are removed, by what an engine
 * says of them: backends/docker/prune.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/docker/docker.h"
#include "backends/docker/owner.h"
#include "backends/docker/prune.h"
#include "backends/docker/spec.h"
#include "tests/unit/backends/docker/fake.h"

#define ID(digit) "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" digit

struct fixture {
	struct fake fake;
	struct corral_docker_engine *e;
	struct corral_error err;
	struct corral_buf list;
	char own[CORRAL_DOCKER_OWNER_SIZE], gone[CORRAL_DOCKER_OWNER_SIZE];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	fake_start(&f->fake);
	f->e = fake_engine(&f->fake);
	corral_docker_owner_make(f->own);
	memcpy(f->gone, f->own, sizeof(f->gone));
	/* Of this number, but another start. */
	strrchr(f->gone, ':')[1] = '1';
	strrchr(f->gone, ':')[2] = '\0';
	fake_json(&f->fake, "DELETE", "/*", 204, "");
	fake_json(&f->fake, "GET", "/volumes", 200, "{\"Volumes\":null}");
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_docker_engine_close(f->e);
	fake_stop(&f->fake);
	corral_buf_done(&f->list);
	free(f);
	return 0;
}

/* kind "container" or "filler"; more: labels beside the usual, each with a comma before it. */
static void row(struct fixture *f, const char *id, const char *name, const char *self,
                const char *kind, const char *owner, const char *more)
{
	corral_buf_fmt(&f->list,
	               "%s{\"Id\":\"%s\",\"Names\":[\"/%s\"],\"State\":\"created\","
	               "\"Image\":\"x\",\"Created\":1700000000,\"Labels\":{\"corral\":\"%s\","
	               "\"corral.self\":\"%s\",\"corral.owner\":\"%s\"%s}}",
	               f->list.len ? "," : "[", id, name, kind, self, owner, more);
}

static void rows_end(struct fixture *f, const char *more)
{
	corral_buf_fmt(&f->list, "%s]", more);
	fake_json(&f->fake, "GET", "/containers/json", 200, f->list.data);
}

static void strange_rows(struct fixture *f)
{
	rows_end(f,
	         ",7,{},{\"Labels\":{\"corral\":\"container\"}},"
	         "{\"Id\":\"" ID(
	                 "e") "\",\"Names\":[],\"Labels\":{\"corral\":\"container\","
	                      "\"corral.self\":\"\"}},"
	                      "{\"Id\":\"" ID(
	                              "f") "\",\"Names\":[7],\"Labels\":{\"corral\":\"container\","
	                                   "\"corral.self\":7}}");
}

static size_t removed(struct fixture *f, const char *id)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "/containers/%s", id);
	return fake_count(&f->fake, "DELETE", path);
}

static struct corral_docker_pruned pruned(struct fixture *f)
{
	struct corral_docker_pruned p;

	if (corral_docker_prune(f->e, &p, &f->err) < 0)
		fail_msg("%s", f->err.text);
	return p;
}

static void ours_is_what_its_own_label_names(void **state)
{
	struct fixture *f = *state;
	struct corral_docker_rows rows = { 0 };
	struct corral_docker_pruned p;

	row(f, ID("1"), "corral-0123", "corral-0123", "container", f->gone, "");
	/* Of an image that was made from a container of ours; renamed; from before there was that
	 * label. */
	row(f, ID("2"), "thinking_turing", "corral-0123", "container", f->gone, "");
	row(f, ID("3"), "corral-0123/corral-4567", "corral-4567", "container", f->gone, "");
	row(f, ID("4"), "corral-89ab", "", "container", f->gone, "");
	row(f, ID("5"), "", "", "container", f->gone, "");
	strange_rows(f);
	assert_int_equal(corral_docker_list(f->e, &rows, &f->err), 0);
	assert_int_equal(rows.n, 1);
	assert_string_equal(rows.rows[0].id, ID("1"));
	assert_string_equal(rows.rows[0].name, "corral-0123");
	assert_true(rows.rows[0].orphan && !rows.rows[0].named);
	corral_docker_rows_done(&rows);
	p = pruned(f);
	assert_int_equal(p.containers, 1);
	assert_int_equal(p.failed, 0);
	assert_int_equal(removed(f, ID("1")), 1);
	assert_int_equal(fake_count(&f->fake, "DELETE", "/*"), 1);
}

static void prune_leaves_the_named_and_those_of_the_living(void **state)
{
	struct fixture *f = *state;
	struct corral_docker_pruned p;

	row(f, ID("1"), "box", "box", "container", f->gone, ",\"corral.named\":\"1\"");
	row(f, ID("2"), "corral-1", "corral-1", "container", f->own, "");
	row(f, ID("3"), "corral-2", "corral-2", "container", "another-boot:1:1:1", "");
	row(f, ID("4"), "corral-3", "corral-3", "container", "", "");
	rows_end(f, "");
	p = pruned(f);
	assert_int_equal(p.containers, 0);
	assert_int_equal(fake_count(&f->fake, "DELETE", "/*"), 0);
}

static void fillers_go_with_their_maker_and_are_not_listed(void **state)
{
	struct fixture *f = *state;
	struct corral_docker_rows rows = { 0 };

	row(f, ID("1"), "corral-inside-1-filling", "corral-inside-1-filling", "filler", f->gone,
	    "");
	row(f, ID("2"), "corral-inside-2-filling", "corral-inside-2-filling", "filler", f->own, "");
	row(f, ID("3"), "mine", "corral-inside-1-filling", "filler", f->gone, "");
	rows_end(f, "");
	assert_int_equal(corral_docker_list(f->e, &rows, &f->err), 0);
	assert_int_equal(rows.n, 0);
	corral_docker_rows_done(&rows);
	assert_int_equal(pruned(f).containers, 1);
	assert_int_equal(removed(f, ID("1")), 1);
	assert_int_equal(fake_count(&f->fake, "DELETE", "/*"), 1);
}

static void id_that_is_none_is_neither_told_nor_removed(void **state)
{
	static const char *const ids[] = { "",           "../images/x", "x?force=1",
		                           "\\u001b[2J", "ABCDEF",      ID("12") };
	struct fixture *f = *state;
	struct corral_docker_rows rows = { 0 };

	for (size_t i = 0; i < CORRAL_COUNT(ids); i++)
		row(f, ids[i], "corral-1", "corral-1", "container", f->gone, "");
	rows_end(f, "");
	assert_int_equal(corral_docker_list(f->e, &rows, &f->err), 0);
	assert_int_equal(rows.n, 0);
	corral_docker_rows_done(&rows);
	assert_int_equal(pruned(f).containers, 0);
	assert_int_equal(fake_count(&f->fake, "DELETE", "/*"), 0);
}

static void volumes_are_ours_by_their_name_as_well(void **state)
{
	struct fixture *f = *state;
	struct corral_docker_pruned p;

	fake_json(&f->fake, "GET", "/containers/json", 200, "[]");
	fake_json(&f->fake, "GET", "/volumes", 200,
	          "{\"Volumes\":[{\"Name\":\"corral-inside-0123456789abcdef\",\"Labels\":null},"
	          "{\"Name\":\"data\",\"Labels\":{\"corral\":\"inside\"}},"
	          "{\"Name\":\"..\",\"Labels\":{\"corral\":\"inside\"}},"
	          "{\"Name\":\"corral-inside-2\",\"Labels\":null}]}");
	p = pruned(f);
	assert_int_equal(p.volumes, 1);
	assert_int_equal(fake_count(&f->fake, "DELETE", "/volumes/corral-inside-0123456789abcdef"),
	                 1);
	assert_int_equal(fake_count(&f->fake, "DELETE", "/*"), 1);
}

static void sweep_asks_once_for_what_was_never_started(void **state)
{
	struct fixture *f = *state;

	row(f, ID("1"), "corral-1", "corral-1", "container", f->gone, "");
	row(f, ID("2"), "corral-2", "corral-2", "container", f->own, "");
	row(f, ID("3"), "box", "box", "container", f->gone, ",\"corral.named\":\"1\"");
	row(f, ID("4"), "mine", "corral-1", "container", f->gone, "");
	rows_end(f, "");
	corral_docker_sweep(f->e);
	assert_string_equal(fake_last(&f->fake, "GET", "/containers/json")->path,
	                    "/v1.41/containers/json?all=1&filters=%7B%22label%22%3A%5B%22corral%22"
	                    "%5D%2C%22status%22%3A%5B%22created%22%5D%7D");
	assert_int_equal(removed(f, ID("1")), 1);
	assert_int_equal(fake_count(&f->fake, "DELETE", "/*"), 1);
	corral_docker_sweep(f->e);
	assert_int_equal(fake_count(&f->fake, "GET", "/containers/json"), 1);
	assert_int_equal(fake_count(&f->fake, "DELETE", "/*"), 1);
}

static void engine_that_lists_nothing_is_not_asked_again(void **state)
{
	struct fixture *f = *state;

	fake_json(&f->fake, "GET", "/containers/json", 500, "{\"message\":\"no\"}");
	corral_docker_sweep(f->e);
	corral_docker_sweep(f->e);
	assert_int_equal(fake_count(&f->fake, "GET", "/containers/json"), 1);
}

static void container_says_its_own_name(void **state)
{
	const struct corral_docker_options o = { .image = "x", .container_name = "box" };
	const struct corral_docker_main m = { .owner = "me", .self = "box" };
	struct corral_docker_spec s;
	struct fixture *f = *state;
	const json_t *labels;
	json_t *body;

	assert_int_equal(corral_docker_spec_init(&s, &o, "session", &f->err), 0);
	body = corral_docker_spec_create(&s, "x", &m);
	labels = json_object_get(body, "Labels");
	assert_string_equal(json_string_value(json_object_get(labels, CORRAL_DOCKER_LABEL_SELF)),
	                    "box");
	assert_string_equal(json_string_value(json_object_get(labels, CORRAL_DOCKER_LABEL_OWNER)),
	                    "me");
	json_decref(body);
	corral_docker_spec_done(&s);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(ours_is_what_its_own_label_names),
		ROW(prune_leaves_the_named_and_those_of_the_living),
		ROW(fillers_go_with_their_maker_and_are_not_listed),
		ROW(id_that_is_none_is_neither_told_nor_removed),
		ROW(volumes_are_ours_by_their_name_as_well),
		ROW(sweep_asks_once_for_what_was_never_started),
		ROW(engine_that_lists_nothing_is_not_asked_again),
		ROW(container_says_its_own_name),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
