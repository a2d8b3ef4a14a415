/*
 * Measured times of several contestants, and what is told about them: percentiles and the ratio of
 * the medians to one of the contestants, which is the base. Percentiles are the nearest rank:
 * always a time that was really seen.
 */
#ifndef CORRAL_TOOLS_BENCH_SAMPLES_H
#define CORRAL_TOOLS_BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "kernel/base/error.h"

struct bench_series {
	const char *name; /* borrowed */
	uint64_t *nsec;
	size_t n, size;
};

struct bench_summary {
	size_t n;
	double min_usec, p50_usec, p90_usec, p99_usec, max_usec;
};

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t bench_now(void);

int bench_series_add(struct bench_series *s, uint64_t nsec, struct corral_error *err);
void bench_series_done(struct bench_series *s);
/* Sorts the series. All zero when it is empty. */
struct bench_summary bench_series_summary(struct bench_series *s);

/* A table for people on stdout; base is an index into series. Empty series are left out. */
void bench_print(const char *title, struct bench_series *series, size_t n, size_t base);

/* The same for programs, as one JSON object: title, unit, base, contestants. */
int bench_save_json(const char *path, const char *title, struct bench_series *series, size_t n,
                    size_t base, struct corral_error *err);

/* The same for shell scripts: name, n, min, p50, p90, p99, max, ratio, separated by tabs. */
int bench_save_tsv(const char *path, struct bench_series *series, size_t n, size_t base,
                   struct corral_error *err);
/* To what is open already. */
void bench_write_tsv(FILE *f, struct bench_series *series, size_t n, size_t base);

#endif
