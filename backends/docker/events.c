/* Deaths, as the engine tells them: of one container after the fact, and of all of ours live. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/docker/container.h"
#include "backends/docker/json.h"
#include "backends/docker/json_lines.h"
#include "backends/docker/spec.h"

#define PAST_TIMEOUT_MS 10000
#define GRACE_NSEC      150000000L

static int feed(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	return corral_json_lines_feed(ctx, data, len, err);
}

/* q->path is made of filters, which are escaped here. */
static int stream(struct corral_docker_engine *e, struct corral_docker_request *q,
                  const char *times, const json_t *filters, struct corral_json_lines *lines,
                  struct corral_error *err)
{
	const struct corral_files_sink sink = { feed, lines };
	struct corral_docker_answer a = { 0 };
	corral_autobuf struct corral_buf path = CORRAL_BUF_INIT;
	corral_autofree char *plain = json_dumps(filters, JSON_COMPACT);
	int r;

	corral_buf_fmt(&path, "/events?%sfilters=", times);
	if (plain)
		corral_docker_escape(&path, plain);
	if (!plain || path.failed)
		return corral_error_set(err, ENOMEM, "events: out of memory");
	q->method = "GET";
	q->path = path.data;
	/* cppcheck-suppress autoVariables; for the call alone */
	q->sink = &sink;
	r = corral_docker_call(e, q, &a, err);
	q->path = NULL;
	q->sink = NULL;
	if (r == 0 && a.status >= 400)
		r = corral_docker_refused(&a, err);
	if (r == 0)
		r = corral_json_lines_end(lines, err);
	corral_docker_answer_done(&a);
	corral_json_lines_done(lines);
	return r;
}

struct deaths {
	bool oom, died;
};

static int count(void *ctx, const json_t *event, struct corral_error *err)
{
	struct deaths *d = ctx;

	(void)err;
	d->oom |= !strcmp(corral_json_text(event, "Action"), "oom");
	d->died |= !strcmp(corral_json_text(event, "Action"), "die");
	return 0;
}

int corral_docker_container_deaths(struct corral_docker_engine *e,
                                   const struct corral_docker_container *c, bool *ret_oom,
                                   bool *ret_died, struct corral_error *err)
{
	struct corral_docker_request q = { .timeout_ms = PAST_TIMEOUT_MS };
	struct deaths deaths = { 0 };
	struct corral_json_lines lines = { .told = count, .ctx = &deaths };
	corral_autojson json_t *filters = json_pack("{s:[s], s:[s], s:[s,s]}", "type", "container",
	                                            "container", c->id, "event", "oom", "die");
	corral_autobuf struct corral_buf times = CORRAL_BUF_INIT;
	struct timespec now;
	int r;

	/* A moment longer: what has just happened may not have been told yet. The engine waits. */
	(void)clock_gettime(CLOCK_REALTIME, &now);
	now.tv_nsec += GRACE_NSEC;
	now.tv_sec += now.tv_nsec / 1000000000;
	corral_buf_fmt(&times, "since=%lld&until=%lld.%09ld&", (long long)c->started_sec - 1,
	               (long long)now.tv_sec, now.tv_nsec % 1000000000);
	if (!filters || times.failed)
		return corral_error_set(err, ENOMEM, "events: out of memory");
	r = stream(e, &q, times.data, filters, &lines, err);
	if (r < 0)
		return corral_error_wrap(err, r, "events");
	*ret_oom = deaths.oom;
	*ret_died = deaths.died;
	return 0;
}

struct watch {
	int (*told)(void *ctx, enum corral_docker_death what, const char *container_id,
	            const char *session, int exit_code);
	void *ctx;
};

static int tell(void *ctx, const json_t *event, struct corral_error *err)
{
	const struct watch *w = ctx;
	const json_t *actor = json_object_get(event, "Actor");
	const json_t *attributes = json_object_get(actor, "Attributes");
	bool oom = !strcmp(corral_json_text(event, "Action"), "oom");

	if (!oom && strcmp(corral_json_text(event, "Action"), "die") != 0)
		return 0;
	if (w->told(w->ctx, oom ? CORRAL_DOCKER_OOM : CORRAL_DOCKER_DIE,
	            corral_json_text(actor, "ID"),
	            corral_json_text(attributes, CORRAL_DOCKER_LABEL_SESSION),
	            oom ? 0 : (int)strtol(corral_json_text(attributes, "exitCode"), NULL, 10)) != 0)
		return corral_error_set(err, ECANCELED, "nobody wants to be told any more");
	return 0;
}

int corral_docker_watch(struct corral_docker_engine *e, int64_t since_sec, int cancel_fd,
                        int (*told)(void *ctx, enum corral_docker_death what,
                                    const char *container_id, const char *session, int exit_code),
                        void *ctx, struct corral_error *err)
{
	struct corral_docker_request q = { .timeout_ms = -1,
		                           .cancel_fd = cancel_fd,
		                           .use_cancel = cancel_fd >= 0 };
	struct watch watch = { told, ctx };
	struct corral_json_lines lines = { .told = tell, .ctx = &watch };
	corral_autojson json_t *filters =
	        json_pack("{s:[s], s:[s], s:[s,s]}", "type", "container", "label",
	                  CORRAL_DOCKER_LABEL "=container", "event", "oom", "die");
	corral_autobuf struct corral_buf times = CORRAL_BUF_INIT;
	int r;

	if (since_sec)
		corral_buf_fmt(&times, "since=%lld&", (long long)since_sec);
	if (!filters || times.failed)
		return corral_error_set(err, ENOMEM, "events: out of memory");
	r = stream(e, &q, times.data ? times.data : "", filters, &lines, err);
	if (r == -ECANCELED) {
		if (err)
			*err = (struct corral_error) { 0 };
		return 0;
	}
	return r < 0 ? corral_error_wrap(err, r, "events") : 0;
}
