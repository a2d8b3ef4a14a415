#include "tools/bench/samples.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t bench_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int bench_series_add(struct bench_series *s, uint64_t nsec, struct corral_error *err)
{
	if (s->n == s->size) {
		size_t size = s->size ? s->size * 2 : 512;
		uint64_t *grown = reallocarray(s->nsec, size, sizeof(*grown));

		if (!grown)
			return corral_error_sys(err, ENOMEM, "samples of '%s'", s->name);
		s->nsec = grown;
		s->size = size;
	}
	s->nsec[s->n++] = nsec;
	return 0;
}

void bench_series_done(struct bench_series *s)
{
	free(s->nsec);
	s->nsec = NULL;
	s->n = s->size = 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double rank_usec(const struct bench_series *s, unsigned int percent)
{
	size_t rank = (s->n * percent + 99) / 100;

	return (double)s->nsec[rank ? rank - 1 : 0] / 1000.0;
}

struct bench_summary bench_series_summary(struct bench_series *s)
{
	struct bench_summary sum = { .n = s->n };

	if (!s->n)
		return sum;
	qsort(s->nsec, s->n, sizeof(*s->nsec), compare);
	sum.min_usec = (double)s->nsec[0] / 1000.0;
	sum.p50_usec = rank_usec(s, 50);
	sum.p90_usec = rank_usec(s, 90);
	sum.p99_usec = rank_usec(s, 99);
	sum.max_usec = (double)s->nsec[s->n - 1] / 1000.0;
	return sum;
}

static double ratio(const struct bench_summary *sum, const struct bench_summary *base)
{
	return base->p50_usec > 0 ? sum->p50_usec / base->p50_usec : 0;
}

/* Of the names of those that are shown; 30 at least, so that tables of one run look alike. */
static int width(const struct bench_series *series, size_t n)
{
	int widest = 30;

	for (size_t i = 0; i < n; i++)
		if (series[i].n && (int)strlen(series[i].name) > widest)
			widest = (int)strlen(series[i].name);
	return widest;
}

void bench_print(const char *title, struct bench_series *series, size_t n, size_t base)
{
	struct bench_summary floor = bench_series_summary(&series[base]);
	int wide = width(series, n);
	size_t i;

	printf("%s (milliseconds; ratio of p50 to %s)\n", title, series[base].name);
	printf("  %-*s %5s %8s %8s %8s %8s %8s %7s\n", wide, "", "n", "min", "p50", "p90", "p99",
	       "max", "ratio");
	for (i = 0; i < n; i++) {
		struct bench_summary sum = bench_series_summary(&series[i]);

		if (!sum.n)
			continue;
		printf("  %-*s %5zu %8.3f %8.3f %8.3f %8.3f %8.3f %7.2f\n", wide, series[i].name,
		       sum.n, sum.min_usec / 1000, sum.p50_usec / 1000, sum.p90_usec / 1000,
		       sum.p99_usec / 1000, sum.max_usec / 1000, ratio(&sum, &floor));
	}
	(void)fflush(stdout);
}

int bench_save_json(const char *path, const char *title, struct bench_series *series, size_t n,
                    size_t base, struct corral_error *err)
{
	struct bench_summary floor = bench_series_summary(&series[base]);
	json_t *root = json_pack("{s:s, s:s, s:s, s:[]}", "title", title, "unit", "microseconds",
	                         "base", series[base].name, "contestants");
	json_t *list = json_object_get(root, "contestants");
	int r = root ? 0 : -1;
	size_t i;

	for (i = 0; i < n && r == 0; i++) {
		struct bench_summary sum = bench_series_summary(&series[i]);

		if (!sum.n)
			continue;
		r = json_array_append_new(list,
		                          json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f}",
		                                    "name", series[i].name, "n", (json_int_t)sum.n,
		                                    "min", sum.min_usec, "p50", sum.p50_usec, "p90",
		                                    sum.p90_usec, "p99", sum.p99_usec, "max",
		                                    sum.max_usec, "ratio", ratio(&sum, &floor)));
	}
	if (r == 0)
		r = json_dump_file(root, path, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	json_decref(root);
	return r == 0 ? 0 : corral_error_set(err, EIO, "write results to '%s'", path);
}

void bench_write_tsv(FILE *f, struct bench_series *series, size_t n, size_t base)
{
	struct bench_summary floor = bench_series_summary(&series[base]);

	for (size_t i = 0; i < n; i++) {
		struct bench_summary sum = bench_series_summary(&series[i]);

		if (sum.n)
			(void)fprintf(f, "%s\t%zu\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.4f\n",
			              series[i].name, sum.n, sum.min_usec, sum.p50_usec,
			              sum.p90_usec, sum.p99_usec, sum.max_usec,
			              ratio(&sum, &floor));
	}
}

int bench_save_tsv(const char *path, struct bench_series *series, size_t n, size_t base,
                   struct corral_error *err)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return corral_error_sys(err, errno, "open '%s'", path);
	bench_write_tsv(f, series, n, base);
	if (fclose(f) != 0)
		return corral_error_sys(err, errno, "write '%s'", path);
	return 0;
}
