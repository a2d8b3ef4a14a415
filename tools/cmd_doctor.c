/* corral doctor: what works on this host, what is lost without it, why, and the line that mends it.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/doctor.h"
#include "tools/commands.h"
#include "tools/docker_ping.h"
#include "tools/message.h"

static const struct {
	const char *mark, *word;
} statuses[] = {
	[CORRAL_DOCTOR_OK] = { "ok", "ok" },
	[CORRAL_DOCTOR_DEGRADED] = { "--", "degraded" },
	[CORRAL_DOCTOR_MISSING] = { "XX", "missing" },
	[CORRAL_DOCTOR_INFO] = { "  ", "info" },
};

static void print_detail(const char *what, const char *text)
{
	if (*text)
		(void)printf("      %-6s  %s\n", what, text);
}

/* One cause takes several things away; it is told with the first of them. */
static const struct corral_doctor_row *told_before(const struct corral_doctor *d, size_t row)
{
	for (size_t i = 0; i < row; i++)
		if (d->rows[i].status != CORRAL_DOCTOR_OK && d->rows[row].remedy[0] &&
		    !strcmp(d->rows[i].remedy, d->rows[row].remedy))
			return &d->rows[i];
	return NULL;
}

static void print_cause(const struct corral_doctor *d, size_t i)
{
	const struct corral_doctor_row *row = &d->rows[i], *before = told_before(d, i);

	print_detail("lost", row->lost);
	if (!before || strcmp(before->why, row->why) != 0)
		print_detail("why", row->why);
	if (before)
		(void)printf("      remedy  as for %s\n", before->name);
	else
		print_detail("remedy", row->remedy);
}

static void print_text(const struct corral_doctor *d)
{
	size_t degraded = 0, missing = 0;
	int width = 0;

	for (size_t i = 0; i < d->n_rows; i++) {
		int len = (int)strlen(d->rows[i].name);

		width = len > width ? len : width;
	}
	for (size_t i = 0; i < d->n_rows; i++) {
		const struct corral_doctor_row *row = &d->rows[i];

		(void)printf("%s  %-*s  %s\n", statuses[row->status].mark, width, row->name,
		             row->found);
		degraded += row->status == CORRAL_DOCTOR_DEGRADED;
		missing += row->status == CORRAL_DOCTOR_MISSING;
		if (row->status != CORRAL_DOCTOR_OK)
			print_cause(d, i);
	}
	if (!d->native_possible)
		(void)printf(
		        "\nNative isolation is impossible here: %zu thing%s missing (XX above). "
		        "corral run --allow-weaker\naccepts less, where there is Landlock. Looked "
		        "for "
		        "%u ms.\n",
		        missing, missing == 1 ? " is" : "s are", d->took_ms);
	else if (degraded)
		(void)printf(
		        "\nNative isolation works here, with %zu thing%s less than the best (-- "
		        "above). Looked for %u ms.\n",
		        degraded, degraded == 1 ? "" : "s", d->took_ms);
	else
		(void)printf(
		        "\nNative isolation works here, with everything on. Looked for %u ms.\n",
		        d->took_ms);
}

static int print_json(const struct corral_doctor *d, struct corral_error *err)
{
	json_auto_t *o = json_object();
	corral_autofree char *out = NULL;
	json_t *rows = json_array();

	for (size_t i = 0; i < d->n_rows; i++) {
		const struct corral_doctor_row *row = &d->rows[i];

		(void)json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}",
		                                            "name", row->name, "status",
		                                            statuses[row->status].word, "found",
		                                            row->found, "lost", row->lost, "why",
		                                            row->why, "remedy", row->remedy));
	}
	(void)json_object_set_new(o, "native_possible", json_boolean(d->native_possible));
	(void)json_object_set_new(o, "took_ms", json_integer(d->took_ms));
	(void)json_object_set_new(o, "rows", rows);
	out = json_dumps(o, JSON_INDENT(1));
	if (!out)
		return corral_error_sys(err, ENOMEM, "print the findings");
	(void)puts(out);
	return 0;
}

int corral_cmd_doctor(int argc, char **argv)
{
	corral_autofree struct corral_doctor *d = NULL;
	struct corral_error err = { 0 };
	bool json = false;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			(void)fputs("Usage: corral doctor [--json]\n"
			            "Tries every step of a sandbox for real and says what works "
			            "here, what\n"
			            "is lost without the rest, why, and what mends it.\n\n"
			            "  ok  works    --  runs without it    XX  nothing runs "
			            "without it\n\n"
			            "Exit status: 0, or 1 when native isolation is impossible.\n",
			            stdout);
			return 0;
		}
		if (strcmp(argv[i], "--json") != 0) {
			(void)corral_error_set(
			        &err, EINVAL,
			        "doctor: '%.*s' is not known here: corral doctor [--json]", 64,
			        argv[i]);
			return corral_complain(&err);
		}
		json = true;
	}
	d = calloc(1, sizeof(*d)); /* some 50 kB */
	if (!d) {
		(void)corral_error_sys(&err, ENOMEM, "doctor");
		return corral_complain(&err);
	}
	corral_doctor_run(d);
	corral_docker_ping(d);
	if (!json)
		print_text(d);
	else if (print_json(d, &err) < 0)
		return corral_complain(&err);
	return d->native_possible ? 0 : 1;
}
