/* The doctor on this host, and on the same host with some of its calls taken away. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "kernel/base/cleanup.h"
#include "kernel/doctor.h"
#include "tests/support.h"
#include "tests/support_deny.h"

#define OUTPUT_SIZE 16384

static const struct corral_doctor_row *row_named(const struct corral_doctor *d, const char *name)
{
	for (size_t i = 0; i < d->n_rows; i++)
		if (strcmp(d->rows[i].name, name) == 0)
			return &d->rows[i];
	fail_msg("there is no row '%s'", name);
	return NULL;
}

/* What the test prints when it is started again below a filter; one line a row. */
static int print_rows(void)
{
	struct corral_doctor d;

	corral_doctor_run(&d);
	for (size_t i = 0; i < d.n_rows; i++)
		(void)printf("%s|%d|%s|%s|%s\n", d.rows[i].name, (int)d.rows[i].status,
		             d.rows[i].found, d.rows[i].why, d.rows[i].remedy);
	(void)printf("native_possible|%d|\n", d.native_possible);
	return 0;
}

static void examine_denied(const char *error, const char *calls, char *ret)
{
	assert_int_equal(corral_test_run_denied(error, calls, "--rows", ret, OUTPUT_SIZE), 0);
}

/* The line of a row in that output, cut out of it; the caller frees. */
static char *line_of(const char *output, const char *name)
{
	char start[64];
	const char *at;

	(void)snprintf(start, sizeof(start), "\n%s|", name);
	at = strstr(output, start);
	if (!at)
		fail_msg("there is no row '%s' in:\n%s", name, output);
	return strndup(at + 1, strcspn(at + 1, "\n"));
}

static void expect_row(const char *output, const char *name, enum corral_doctor_status status,
                       const char *part)
{
	corral_autofree char *line = line_of(output, name);
	char start[64];

	(void)snprintf(start, sizeof(start), "%s|%d|", name, (int)status);
	if (strncmp(line, start, strlen(start)) != 0 || !strstr(line, part))
		fail_msg("row is '%s', not '%s...%s'", line, start, part);
}

static void every_row_is_complete(void **state)
{
	struct corral_doctor d;

	(void)state;
	corral_doctor_run(&d);
	assert_in_range(d.n_rows, 30, CORRAL_DOCTOR_ROWS_MAX);
	for (size_t i = 0; i < d.n_rows; i++) {
		const struct corral_doctor_row *row = &d.rows[i];
		bool bad = row->status == CORRAL_DOCTOR_DEGRADED ||
		           row->status == CORRAL_DOCTOR_MISSING;

		assert_true(row->name[0] && row->found[0]);
		if ((row->lost[0] != '\0') != bad || (bad && !row->remedy[0]))
			fail_msg("row '%s': lost '%s', remedy '%s'", row->name, row->lost,
			         row->remedy);
		if (row->status == CORRAL_DOCTOR_OK)
			assert_true(!row->why[0] && !row->remedy[0]);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(row->name, d.rows[j].name);
	}
}

static void native_isolation_is_possible_on_a_host_for_tests(void **state)
{
	static const char *const names[] = { "user-namespaces", "mount-namespaces",
		                             "pid-namespaces",  "network-namespaces",
		                             "tmpfs",           "proc",
		                             "pivot-root",      "no-new-privs",
		                             "seccomp",         "memfd-exec" };
	struct corral_doctor d;

	(void)state;
	corral_doctor_run(&d);
	for (size_t i = 0; i < CORRAL_COUNT(names); i++) {
		const struct corral_doctor_row *row = row_named(&d, names[i]);

		if (row->status != CORRAL_DOCTOR_OK)
			fail_msg("%s: %s (%s)", row->name, row->found, row->why);
	}
	assert_true(d.native_possible);
}

static void whole_examination_takes_less_than_a_second(void **state)
{
	struct timespec start, end;
	struct corral_doctor d;
	long took_ms = LONG_MAX, most_ms = corral_test_slow() ? 60000 : 1000;

	(void)state;
	/* Once in a few: others may have the processors. */
	for (int i = 0; i < 5 && took_ms > most_ms; i++) {
		(void)clock_gettime(CLOCK_MONOTONIC, &start);
		corral_doctor_run(&d);
		(void)clock_gettime(CLOCK_MONOTONIC, &end);
		took_ms = (end.tv_sec - start.tv_sec) * 1000 +
		          (end.tv_nsec - start.tv_nsec) / 1000000;
	}
	assert_in_range(took_ms, 0, most_ms);
	assert_in_range(d.took_ms, 0, most_ms);
}

static size_t count_entries(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}

static size_t count_mounts(void)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	size_t n = 0;
	int c;

	assert_non_null(file);
	while ((c = fgetc(file)) != EOF)
		n += c == '\n';
	(void)fclose(file);
	return n;
}

static void no_mount_descriptor_or_process_is_left(void **state)
{
	size_t fds, mounts;
	struct corral_doctor d;

	(void)state;
	corral_doctor_run(&d); /* what is opened once and kept is open now */
	fds = count_entries("/proc/self/fd");
	mounts = count_mounts();
	corral_doctor_run(&d);
	assert_int_equal(count_entries("/proc/self/fd"), fds);
	assert_int_equal(count_mounts(), mounts);
	/* Emulated, what is killed since it has not answered in time may die later than it is
	 * waited for. */
	for (int i = 0; corral_test_slow() && i < 500; i++) {
		if (waitpid(-1, NULL, WNOHANG | __WALL) < 0)
			break;
		(void)usleep(10000);
	}
	errno = 0;
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
}

static void caller_that_ignores_its_children_is_examined_as_well(void **state)
{
	struct corral_doctor d;

	(void)state;
	(void)signal(SIGCHLD, SIG_IGN);
	corral_doctor_run(&d);
	(void)signal(SIGCHLD, SIG_DFL);
	assert_int_equal(row_named(&d, "memfd-exec")->status, CORRAL_DOCTOR_OK);
	assert_int_equal(row_named(&d, "user-namespaces")->status, CORRAL_DOCTOR_OK);
}

/* Each denied call shows in its own row with the errno and the filter as the cause; what remains is
 * enough. */
static void denied_call_degrades_its_row_and_names_the_filter(void **state)
{
	static const struct {
		const char *calls, *row;
	} rows[] = {
		{ "openat2", "openat2" },
		{ "open_tree", "mount-api" },
		{ "mount_setattr", "mount-setattr" },
		{ "clone3", "clone3" },
		{ "seccomp@1&8", "user-notification" },
		{ "keyctl", "keyring" },
		{ "landlock_restrict_self", "landlock" },
	};
	corral_autofree char *output = malloc(OUTPUT_SIZE);

	(void)state;
	assert_non_null(output);
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		examine_denied("ENOSYS", rows[i].calls, output);
		expect_row(output, rows[i].row, CORRAL_DOCTOR_DEGRADED, "ENOSYS from ");
		expect_row(output, rows[i].row, CORRAL_DOCTOR_DEGRADED, "seccomp filter");
		expect_row(output, "native_possible", (enum corral_doctor_status)1, "");
	}
}

static void denied_call_that_is_needed_makes_native_isolation_impossible(void **state)
{
	static const struct {
		const char *calls, *row;
	} rows[] = {
		{ "pivot_root", "pivot-root" },
		{ "mount", "tmpfs" },
		{ "execveat", "memfd-exec" },
	};
	corral_autofree char *output = malloc(OUTPUT_SIZE);

	(void)state;
	assert_non_null(output);
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		examine_denied("EPERM", rows[i].calls, output);
		expect_row(output, rows[i].row, CORRAL_DOCTOR_MISSING, "EPERM from ");
		expect_row(output, rows[i].row, CORRAL_DOCTOR_MISSING, "seccomp filter");
		expect_row(output, "native_possible", (enum corral_doctor_status)0, "");
	}
}

/* As Docker's default filter does it: clone3 absent, clone refused with the flag. */
static void refused_user_namespaces_are_missing_with_one_cause_for_all(void **state)
{
	corral_autofree char *output = malloc(OUTPUT_SIZE);

	(void)state;
	assert_non_null(output);
	examine_denied("ENOSYS", "clone3,clone@0&0x10000000", output);
	expect_row(output, "user-namespaces", CORRAL_DOCTOR_MISSING, "seccomp filter");
	if (geteuid() != 0) {
		expect_row(output, "pid-namespaces", CORRAL_DOCTOR_MISSING, "see user-namespaces");
		expect_row(output, "proc", CORRAL_DOCTOR_MISSING, "see user-namespaces");
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_complete),
		cmocka_unit_test(native_isolation_is_possible_on_a_host_for_tests),
		cmocka_unit_test(whole_examination_takes_less_than_a_second),
		cmocka_unit_test(no_mount_descriptor_or_process_is_left),
		cmocka_unit_test(caller_that_ignores_its_children_is_examined_as_well),
		cmocka_unit_test(denied_call_degrades_its_row_and_names_the_filter),
		cmocka_unit_test(denied_call_that_is_needed_makes_native_isolation_impossible),
		cmocka_unit_test(refused_user_namespaces_are_missing_with_one_cause_for_all),
	};

	if (argc == 2 && strcmp(argv[1], "--rows") == 0)
		return print_rows();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
