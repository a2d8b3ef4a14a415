/* tools/images/oci: what registries.json may say, and the lines that a terminal shows. */
#include "tools/config_dir.c"            /* NOLINT */
#include "tools/images/oci/bars.c"       /* NOLINT */
#include "tools/images/oci/registries.c" /* NOLINT */
#include "tools/message.c"               /* NOLINT */
#include "tools/write_all.c"             /* NOLINT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The rest of what it is in drags the whole of receipts along. */
void corral_human_bytes(uint64_t bytes, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%lluB", (unsigned long long)bytes);
}

static void file_says_mirrors_and_insecure_ones(void **state)
{
	static const char text[] =
	        "{\"insecure\": [\"h.lan:5000\"], \"mirrors\": {\"docker.io\": [\"m.tld/hub\", "
	        "\"https://n.tld\"], \"a.tld\": []}}";
	const char *const mirrors[] = { "docker.io=first.tld", NULL };
	corral_auto(corral_images_registries_done) struct corral_images_registries r = { 0 };
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(corral_images_registries_add(&r, mirrors, NULL, &err), 0);
	if (corral_images_registries_parse(&r, text, strlen(text), &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(r.mirrors[0], "docker.io=first.tld");
	assert_string_equal(r.mirrors[1], "docker.io=m.tld/hub");
	assert_string_equal(r.mirrors[2], "docker.io=https://n.tld");
	assert_null(r.mirrors[3]);
	assert_string_equal(r.insecure[0], "h.lan:5000");
	assert_null(r.insecure[1]);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "", "line 1" },
		{ "[]", "an object is expected" },
		{ "{\"mirror\": {}}", "mirror: not known here" },
		{ "{\"mirrors\": []}", "mirrors: an object of lists" },
		{ "{\"mirrors\": {\"docker.io\": \"m\"}}", "mirrors.docker.io: a list" },
		{ "{\"mirrors\": {\"\": [\"m\"]}}", "mirrors.: a list" },
		{ "{\"mirrors\": {\"docker.io\": [7]}}", "mirrors.docker.io[0]: an address" },
		{ "{\"mirrors\": {\"docker.io\": [\"m\", \"a b\"]}}", "mirrors.docker.io[1]" },
		{ "{\"insecure\": {}}", "insecure: a list" },
		{ "{\"insecure\": [\"http://h\"]}", "insecure[0]: a registry" },
		{ "{\"insecure\": [\"\"]}", "insecure[0]" },
		{ "{\"insecure\": [], \"insecure\": []}", "duplicate" },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		corral_auto(
		        corral_images_registries_done) struct corral_images_registries r = { 0 };
		struct corral_error err = { 0 };

		assert_int_equal(corral_images_registries_parse(&r, rows[i].text,
		                                                strlen(rows[i].text), &err),
		                 -EINVAL);
		if (!strstr(err.text, rows[i].says))
			fail_msg("%s: '%s' is not in '%s'", rows[i].text, rows[i].says, err.text);
	}
}

static void lines_fit_the_terminal(void **state)
{
	struct corral_bar bar = {
		.name = "4f4fb700ef54", .doing = "download", .current = 50, .total = 100
	};
	char text[CORRAL_BAR_BYTES];

	(void)state;
	for (size_t columns = 1; columns < 400; columns++) {
		corral_bar_text(&bar, columns, text);
		assert_true(strlen(text) <= columns && strlen(text) < sizeof(text));
	}
	corral_bar_text(&bar, 79, text);
	assert_string_equal(text, "4f4fb700ef54  downloading "
	                          "[==================>                    ] 50B of 100B");
	/* Narrow ones go without the bar. */
	corral_bar_text(&bar, 45, text);
	assert_string_equal(text, "4f4fb700ef54  downloading 50B of 100B");
	bar.current = 300;
	corral_bar_text(&bar, 79, text);
	assert_null(strchr(text, '>'));
	bar.doing = "done";
	bar.current = 100;
	corral_bar_text(&bar, 79, text);
	assert_string_equal(text, "4f4fb700ef54  done        100B");
}

static void nothing_hostile_reaches_the_terminal(void **state)
{
	const struct corral_bar bar = { .name = "a\033[2Jb\n\r", .doing = "download" };
	char text[CORRAL_BAR_BYTES];

	(void)state;
	corral_bar_text(&bar, 79, text);
	for (const char *at = text; *at; at++)
		assert_true((unsigned char)*at >= ' ');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_says_mirrors_and_insecure_ones),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(lines_fit_the_terminal),
		cmocka_unit_test(nothing_hostile_reaches_the_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
