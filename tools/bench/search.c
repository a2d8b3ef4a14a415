/*
 * grep over a tree of the host's, through a sandbox's file server, beside ripgrep run as a command
 * of the same sandbox: both warm, in turns.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/native.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"
#include "policy/config.h"
#include "tools/bench/samples.h"

enum contestant { RIPGREP, GREP, CONTESTANTS };

static int policy_make(const char *dir, struct corral_policy **ret, struct corral_error *err)
{
	struct corral_config *config = corral_config_new();
	corral_autofree char *json = NULL;
	json_t *words;
	int r;

	if (!config)
		return corral_error_sys(err, ENOMEM, "configuration");
	words = json_pack("{s:[{s:s, s:s, s:s}]}", "mounts", "type", "ro-bind", "source", dir,
	                  "target", "/src");
	json = words ? json_dumps(words, 0) : NULL;
	json_decref(words);
	r = json ? corral_config_parse(config, json, strlen(json), err)
	         : corral_error_set(err, EILSEQ, "'%s' is no UTF-8", dir);
	if (r == 0)
		r = corral_policy_compile(config, NULL, ret, err);
	corral_config_free(config);
	return r;
}

static int search(struct corral_backend *b, enum contestant which, const char *pattern,
                  size_t *ret_n, struct corral_error *err)
{
	const struct corral_files_grep grep = { .pattern = pattern, .path = "/src" };
	struct corral_files_matches found = { 0 };
	struct corral_executed e;
	char line[256];
	int r;

	if (which == GREP) {
		r = corral_backend_grep(b, &grep, &found, err);
		*ret_n = found.n;
		corral_files_matches_done(&found);
		return r;
	}
	(void)snprintf(line, sizeof(line), "rg -n --no-messages -e '%s' /src | wc -l", pattern);
	r = corral_backend_execute(
	        b, &(struct corral_execute) { .command = line, .timeout_ms = 600000 }, &e, err);
	if (r == 0 && e.exit_code != 0)
		r = corral_error_set(err, EIO, "ripgrep ended with %d", e.exit_code);
	*ret_n = r == 0 && e.out.len ? strtoul(e.out.data, NULL, 10) : 0;
	corral_executed_done(&e);
	return r;
}

static int measure(const char *dir, const char *pattern, uint64_t rounds, const char *tsv,
                   struct corral_error *err)
{
	struct bench_series series[CONTESTANTS] = { { .name = "ripgrep, in the sandbox" },
		                                    { .name = "grep of the file server" } };
	struct corral_launcher *launcher = NULL;
	struct corral_policy *policy = NULL;
	struct corral_backend *b = NULL;
	size_t n[CONTESTANTS] = { 0 };
	int r = policy_make(dir, &policy, err);

	if (r == 0)
		r = corral_launcher_open(0, &launcher, err);
	if (r == 0)
		r = corral_native_sandbox_new(launcher, policy, NULL, &b, err);
	for (uint64_t i = 0; r == 0 && i < (rounds + 1) * CONTESTANTS; i++) {
		enum contestant which = (enum contestant)(i % CONTESTANTS);
		uint64_t begin = bench_now();

		r = search(b, which, pattern, &n[which], err);
		if (r == 0 && i >= CONTESTANTS) /* the first time fills the page cache */
			r = bench_series_add(&series[which], bench_now() - begin, err);
	}
	if (r == 0) {
		bench_print("grep in a sandbox", series, CONTESTANTS, RIPGREP);
		printf("  matches: %zu by ripgrep, %zu by us, for '%s' in %s\n", n[RIPGREP],
		       n[GREP], pattern, dir);
		if (tsv)
			r = bench_save_tsv(tsv, series, CONTESTANTS, RIPGREP, err);
	}
	corral_backend_close(b);
	corral_launcher_close(launcher);
	corral_policy_free(policy);
	for (int i = 0; i < CONTESTANTS; i++)
		bench_series_done(&series[i]);
	return r;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "rounds", required_argument, NULL, 'r' },
		                                 { "pattern", required_argument, NULL, 'p' },
		                                 { "tsv", required_argument, NULL, 'v' },
		                                 { "help", no_argument, NULL, 'h' },
		                                 { 0 } };
	const char *pattern = "corral_[a-z]+_open", *tsv = NULL;
	struct corral_error err = { 0 };
	uint64_t rounds = 20;
	int option, r = 0;

	while (r == 0 && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'r')
			r = corral_parse_u64(optarg, 100000, &rounds, &err);
		else if (option == 'p')
			pattern = optarg;
		else if (option == 'v')
			tsv = optarg;
		else
			break;
	}
	if (r == 0 && optind + 1 != argc) {
		(void)fputs("usage: corral-bench-search [--rounds N] [--pattern REGEX] [--tsv "
		            "FILE] DIR\n",
		            stderr);
		return 2;
	}
	if (r == 0)
		r = measure(argv[optind], pattern, rounds, tsv, &err);
	if (r < 0)
		(void)fprintf(stderr, "corral-bench-search: %s\n", err.text);
	return r < 0 ? 1 : 0;
}
