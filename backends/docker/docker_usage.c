#include <errno.h>
#include <stdio.h>

#include "backends/docker/box.h"
#include "backends/docker/json.h"
#include "kernel/base/clock.h"

#define PATH_SIZE 160
/* What an engine says for "no limit": more than any machine has. */
#define NO_LIMIT (UINT64_C(1) << 60)

static const json_t *at(const json_t *v, const char *first, const char *second)
{
	return json_object_get(json_object_get(v, first), second);
}

static uint64_t number(const json_t *v)
{
	if (json_is_integer(v) && json_integer_value(v) >= 0)
		return (uint64_t)json_integer_value(v);
	/* Limits of 2^64 - 1 come as what JSON has for it. */
	return json_is_real(v) && json_real_value(v) >= 0 && json_real_value(v) < 1e18
	               ? (uint64_t)json_real_value(v)
	               : UINT64_MAX;
}

static uint64_t limit(uint64_t said, uint64_t ours)
{
	uint64_t n = said >= NO_LIMIT || !said ? UINT64_MAX : said;

	/* Without one of its own, the machine's memory is what it says. */
	return ours && (n == UINT64_MAX || n > ours) ? ours : ours ? n : UINT64_MAX;
}

static void fill(const json_t *stats, const struct corral_limits *limits, struct corral_usage *ret)
{
	uint64_t nsec = number(json_object_get(at(stats, "cpu_stats", "cpu_usage"), "total_usage"));

	*ret = (struct corral_usage) {
		.memory_bytes = number(at(stats, "memory_stats", "usage")),
		.memory_limit_bytes =
		        limit(number(at(stats, "memory_stats", "limit")), limits->memory_bytes),
		.memory_peak_bytes = number(at(stats, "memory_stats", "max_usage")),
		.cpu_usec = nsec == UINT64_MAX ? nsec : nsec / 1000,
		.pids = number(at(stats, "pids_stats", "current")),
		.pids_limit = limit(number(at(stats, "pids_stats", "limit")), limits->pids),
		.disk_bytes = UINT64_MAX,
		.disk_limit_bytes = UINT64_MAX,
		.cpu_percent = -1,
	};
}

/* Podman does not say of them that they are JSON. */
static int stats_get(struct corral_docker *d, const char *path, json_t **ret,
                     struct corral_error *err)
{
	const struct corral_docker_request q = { .method = "GET", .path = path };
	struct corral_docker_answer a = { 0 };
	int r = corral_docker_call(d->engine, &q, &a, err);

	if (r == 0 && a.status >= 400)
		r = corral_docker_refused(&a, err);
	if (r == 0)
		*ret = a.json ? json_incref(a.json)
		              : json_loadb(a.body.data ? a.body.data : "", a.body.len, 0, NULL);
	if (r == 0 && !*ret)
		r = corral_error_set(err, EPROTO, "the engine's statistics are no JSON");
	corral_docker_answer_done(&a);
	return r;
}

static int measure(struct corral_docker *d, struct corral_docker_box *box, struct corral_usage *ret,
                   struct corral_error *err)
{
	corral_autojson json_t *stats = NULL, *sizes = NULL;
	char path[PATH_SIZE];
	int r;

	/* One sample, without the second that the engine else waits for another. */
	(void)snprintf(path, sizeof(path), "/containers/%s/stats?stream=false&one-shot=true",
	               box->c.id);
	r = stats_get(d, path, &stats, err);
	if (r < 0)
		return corral_error_wrap(err, r, "usage");
	fill(stats, &d->spec.limits, ret);
	(void)snprintf(path, sizeof(path), "/containers/%s/json?size=1", box->c.id);
	if (corral_docker_do(d->engine, "GET", path, NULL, &sizes, NULL) == 0)
		ret->disk_bytes = number(json_object_get(sizes, "SizeRw"));
	if (d->spec.limits.disk_bytes && (d->spec.limits_asked & CORRAL_LIMIT_DISK))
		ret->disk_limit_bytes = d->spec.limits.disk_bytes;
	return 0;
}

int corral_docker_usage(struct corral_backend *b, struct corral_usage *ret,
                        struct corral_error *err)
{
	struct corral_docker *d = to_docker(b);
	struct corral_docker_box *box;
	int r = corral_docker_acquire(d, &box, err);

	if (r < 0)
		return r;
	r = measure(d, box, ret, err);
	if (r == 0) {
		ret->cpu_percent = corral_boxes_cpu_percent(&d->boxes, &box->base, ret->cpu_usec);
	} else {
		r = corral_docker_failed(d, box, r, err);
	}
	corral_docker_release(d, box);
	return r;
}
