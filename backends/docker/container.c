#include "backends/docker/container.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "backends/docker/inside.h"
#include "backends/docker/json.h"
#include "backends/docker/owner.h"
#include "backends/docker/podman.h"
#include "backends/docker/tar.h"
#include "backends/docker/volume.h"
#include "backends/docker/weaker.h"
#include "kernel/base/cleanup.h"

#define PATH_SIZE 320
#define NAME_SIZE 24
/* Until the main process is killed; ours goes at once. */
#define STOP_S 2

bool corral_docker_is_id(const char *text)
{
	return text && *text && strlen(text) < CORRAL_DOCKER_ID_SIZE &&
	       !text[strspn(text, "0123456789abcdef")];
}

static int copy_id(char *ret, const json_t *answer, struct corral_error *err)
{
	const char *id = json_string_value(json_object_get(answer, "Id"));

	if (!corral_docker_is_id(id))
		return corral_error_set(err, EPROTO, "the engine's answer has no id");
	(void)snprintf(ret, CORRAL_DOCKER_ID_SIZE, "%s", id);
	return 0;
}

/* All that the engine says of it as well, a new reference; NULL when there is none. */
static int look(struct corral_docker_engine *e, const char *id, struct corral_docker_state *ret,
                json_t **ret_all, struct corral_error *err)
{
	char path[PATH_SIZE];
	const json_t *state;
	const char *status;
	int r;

	memset(ret, 0, sizeof(*ret));
	(void)snprintf(path, sizeof(path), "/containers/%s/json", id);
	r = corral_docker_do(e, "GET", path, NULL, ret_all, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	state = json_object_get(*ret_all, "State");
	status = json_string_value(json_object_get(state, "Status"));
	ret->exists = true;
	ret->running = json_is_true(json_object_get(state, "Running"));
	ret->paused = json_is_true(json_object_get(state, "Paused"));
	(void)snprintf(ret->status, sizeof(ret->status), "%s", status ? status : "");
	return 0;
}

int corral_docker_container_inspect(struct corral_docker_engine *e, const char *id,
                                    struct corral_docker_state *ret, struct corral_error *err)
{
	corral_autojson json_t *answer = NULL;

	return look(e, id, ret, &answer, err);
}

int corral_docker_container_remove(struct corral_docker_engine *e, const char *id,
                                   struct corral_error *err)
{
	char path[PATH_SIZE];
	int r;

	(void)snprintf(path, sizeof(path), "/containers/%s?force=1&v=1", id);
	r = corral_docker_do(e, "DELETE", path, NULL, NULL, err);
	/* Gone, or going: by its own hand, that of AutoRemove. */
	return r == -ENOENT || r == -EBUSY ? 0 : r;
}

int corral_docker_container_pause(struct corral_docker_engine *e, const char *id, bool paused,
                                  struct corral_error *err)
{
	struct corral_docker_state state;
	char path[PATH_SIZE];
	int r = corral_docker_container_inspect(e, id, &state, err);

	if (r < 0 || !state.exists || state.paused == paused)
		return r;
	(void)snprintf(path, sizeof(path), "/containers/%s/%s", id, paused ? "pause" : "unpause");
	return corral_docker_do(e, "POST", path, NULL, NULL, err);
}

static int start(struct corral_docker_engine *e, const char *id, struct corral_error *err)
{
	char path[PATH_SIZE];
	int r;

	(void)snprintf(path, sizeof(path), "/containers/%s/start", id);
	r = corral_docker_do(e, "POST", path, NULL, NULL, err);
	return r < 0 ? corral_error_wrap(err, r, "start the container") : 0;
}

/* Before the start, so that it cannot be missed. */
static int tie(struct corral_docker_engine *e, struct corral_docker_container *c,
               struct corral_error *err)
{
	char path[PATH_SIZE];

	/* Output is attached as well, although none comes: it is by the end of that alone that the
	 * engine notices, while it waits for input, that the container has ended. */
	(void)snprintf(path, sizeof(path), "/containers/%s/attach?stream=1&stdin=1&stdout=1",
	               c->id);
	return corral_docker_stream_open(e, path, NULL, &c->tie, err);
}

bool corral_docker_container_has_ended(const struct corral_docker_container *c)
{
	char byte;
	long n;

	if (!c->tie)
		return false;
	n = corral_docker_stream_read(c->tie, &byte, 1);
	return n != 1 && n != -EAGAIN && n != -EINTR;
}

/* The work directory of who is not root is theirs, unless the image or a mount has one there: an
 * engine makes missing ones for root. */
static void work_dir_give(struct corral_docker_engine *e, const struct corral_docker_spec *s,
                          const char *id)
{
	struct corral_docker_entry entry = { .name = s->work_dir + 1, .mode = 0755 };
	struct corral_docker_answer a = { 0 };
	struct corral_buf tar = CORRAL_BUF_INIT, where = CORRAL_BUF_INIT;
	struct corral_docker_request q = { .method = "HEAD" };
	char path[PATH_SIZE];

	if (!corral_docker_spec_owner(s, &entry.uid, &entry.gid))
		return;
	corral_buf_fmt(&where, "/containers/%s/archive?path=", id);
	corral_docker_escape(&where, s->work_dir);
	q.path = where.data;
	if (!where.failed && corral_docker_call(e, &q, &a, NULL) == 0 && a.status == 404 &&
	    corral_docker_tar(&entry, 1, &tar, NULL) == 0) {
		corral_docker_answer_done(&a);
		(void)snprintf(path, sizeof(path), "/containers/%s/archive?path=/", id);
		q = (struct corral_docker_request) { .method = "PUT", .path = path, .body = &tar };
		(void)corral_docker_call(e, &q, &a, NULL);
	}
	corral_docker_answer_done(&a);
	corral_buf_done(&tar);
	corral_buf_done(&where);
}

/* Quotas are had with few of the engines' storage drivers, and each says so in its own words. */
static int quota_explain(const struct corral_docker_spec *s, int r, struct corral_error *err)
{
	if (!(s->limits_asked & CORRAL_LIMIT_DISK) || !err || r == -ENOENT || r == -EBUSY ||
	    (!strstr(err->text, "storage-opt") && !strstr(err->text, "quota")))
		return r;
	err->code = EOPNOTSUPP;
	return corral_error_wrap(err, -EOPNOTSUPP, "limits: disk");
}

/* Of one that was given none: whoever finds it again knows it by that (spec.h). */
static int name_make(char ret[NAME_SIZE], struct corral_error *err)
{
	uint64_t nonce;

	if (getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce))
		return corral_error_sys(err, errno, "a name for the container");
	(void)snprintf(ret, NAME_SIZE, "corral-%016llx", (unsigned long long)nonce);
	return 0;
}

static int create(struct corral_docker_engine *e, const struct corral_docker_spec *s,
                  const char *image, struct corral_docker_container *c, struct corral_error *err)
{
	char volume[CORRAL_DOCKER_VOLUME_SIZE], owner[CORRAL_DOCKER_OWNER_SIZE], path[PATH_SIZE];
	char file[CORRAL_DOCKER_PODMAN_FILE_SIZE] = "";
	struct corral_docker_main main_of = { .owner = owner, .tied = c->has_inside && !c->named };
	corral_autojson json_t *body = NULL, *answer = NULL;
	char made_up[NAME_SIZE];
	int r = c->named ? 0 : name_make(made_up, err);

	if (r < 0)
		return r;
	main_of.self = c->named ? s->container_name : made_up;
	corral_docker_volume_name(volume);
	corral_docker_owner_make(owner);
	main_of.volume = c->has_inside ? volume : NULL;
	body = corral_docker_spec_create(s, image, &main_of);
	if (!body)
		return corral_error_set(err, ENOMEM,
		                        "container: out of memory, or a text that is not UTF-8");
	(void)snprintf(path, sizeof(path), "/containers/create?name=%s", main_of.self);
	r = corral_docker_engine_info(e)->is_podman ? corral_docker_podman_adapt(body, file, err)
	                                            : 0;
	if (r == 0)
		r = corral_docker_do(e, "POST", path, body, &answer, err);
	if (file[0])
		(void)unlink(file);
	if (r == 0)
		r = copy_id(c->id, answer, err);
	if (r < 0)
		r = quota_explain(s, r, err);
	return r < 0 ? corral_error_wrap(err, r, "make a container of '%.100s'", image) : 0;
}

/* With c->id set; what was made is removed where it cannot be started. */
static int begin(struct corral_docker_engine *e, const struct corral_docker_spec *s,
                 struct corral_docker_container *c, struct corral_error *err)
{
	int r = 0;

	work_dir_give(e, s, c->id);
	if (c->has_inside && !c->named)
		r = tie(e, c, err);
	if (r == 0)
		r = start(e, c->id, err);
	if (r < 0) {
		corral_docker_stream_close(c->tie);
		c->tie = NULL;
		(void)corral_docker_container_remove(e, c->id, NULL);
	}
	/* These two say of a creation that its name is taken and its image gone. */
	if (r == -EBUSY || r == -ENOENT) {
		r = -EIO;
		if (err)
			err->code = EIO;
	}
	return r;
}

static int make(struct corral_docker_engine *e, const struct corral_docker_spec *s,
                const char *image, struct corral_docker_container *c, struct corral_error *err)
{
	int r = 0;

	if (c->has_inside && !corral_docker_engine_knows(e, CORRAL_DOCKER_KNOWS_VOLUME)) {
		r = corral_docker_volume_ensure(e, image, err);
		if (r == 0)
			corral_docker_engine_learn(e, CORRAL_DOCKER_KNOWS_VOLUME, true);
	}
	if (r == 0)
		r = create(e, s, image, c, err);
	return r < 0 ? r : begin(e, s, c, err);
}

/* Whoever removed the volume meanwhile left an empty one to be made with the container. */
static int make_twice(struct corral_docker_engine *e, const struct corral_docker_spec *s,
                      const char *image, struct corral_docker_container *c,
                      struct corral_error *err)
{
	bool knew = corral_docker_engine_knows(e, CORRAL_DOCKER_KNOWS_VOLUME);
	struct corral_error first = { 0 };
	int r = make(e, s, image, c, &first);

	if (r < 0 && knew && c->has_inside && r != -EBUSY && r != -ENOENT) {
		corral_docker_engine_learn(e, CORRAL_DOCKER_KNOWS_VOLUME, false);
		return make(e, s, image, c, err);
	}
	return r < 0 ? corral_error_set(err, first.code, "%s", first.text) : 0;
}

static bool is_ours(const json_t *answer)
{
	const json_t *labels = json_object_get(json_object_get(answer, "Config"), "Labels");
	const char *is = json_string_value(json_object_get(labels, CORRAL_DOCKER_LABEL));

	return is && !strcmp(is, "container");
}

/* The volume of this version, where nobody in the container can have changed it. */
static bool has_volume(const json_t *answer)
{
	char volume[CORRAL_DOCKER_VOLUME_SIZE];
	const json_t *one;
	size_t i;

	corral_docker_volume_name(volume);
	json_array_foreach(json_object_get(answer, "Mounts"), i, one)
	{
		const char *name = json_string_value(json_object_get(one, "Name"));
		const char *at = json_string_value(json_object_get(one, "Destination"));

		if (name && at && !strcmp(name, volume) && !strcmp(at, CORRAL_DOCKER_INSIDE_DIR))
			return json_is_false(json_object_get(one, "RW"));
	}
	return false;
}

/* Our program in one that was there: the volume's, or put there anew; what else lies in it may be
 * another's. Without a place for it, the container is spoken to by its shell. */
static int program_find(struct corral_docker_engine *e, const json_t *answer,
                        struct corral_docker_container *c, struct corral_error *err)
{
	int r = is_ours(answer) && has_volume(answer) ? corral_docker_inside_is_there(e, c->id, err)
	                                              : 0;

	if (r == 0)
		c->has_inside = corral_docker_inside_put(e, c->id, c->inside, NULL) == 0;
	return r < 0 ? r : 0;
}

/* One of that name which is there: 1 when it runs now, 0 when there is none (any more). */
static int take_up(struct corral_docker_engine *e, const struct corral_docker_spec *s,
                   struct corral_docker_container *c, struct corral_error *err)
{
	corral_autojson json_t *answer = NULL;
	struct corral_docker_state state;
	int r = look(e, s->container_name, &state, &answer, err);

	if (r < 0 || !state.exists)
		return r;
	/* Before it has an id here, for then it would be stopped at the end. */
	if (!is_ours(answer) && !s->allow_weaker)
		r = corral_docker_weaker_check(answer, s, corral_docker_engine_info(e)->is_podman,
		                               err);
	if (r == 0)
		r = copy_id(c->id, answer, err);
	if (r < 0)
		return r;
	c->stays = s->leave_running && state.running;
	if (state.paused)
		r = corral_docker_container_pause(e, c->id, false, err);
	else if (!strcmp(state.status, "created") || !strcmp(state.status, "exited"))
		r = start(e, c->id, err);
	else if (!state.running)
		return corral_docker_container_remove(e, c->id, err);
	if (r < 0 || !c->has_inside)
		return r < 0 ? r : 1;
	r = program_find(e, answer, c, err);
	return r < 0 ? r : 1;
}

int corral_docker_container_open(struct corral_docker_engine *e, const struct corral_docker_spec *s,
                                 const char *image, const char *arch,
                                 struct corral_docker_container *c, struct corral_error *err)
{
	int r = 0;

	memset(c, 0, sizeof(*c));
	c->named = s->container_name != NULL;
	(void)snprintf(c->inside, sizeof(c->inside), "%s", CORRAL_DOCKER_INSIDE_PATH);
	c->has_inside = arch && !strcmp(arch, corral_docker_inside_arch());
	c->started_sec = time(NULL);
	/* Somebody else may make or remove the one of that name meanwhile. */
	for (int i = 0; c->named && i < 2; i++) {
		r = take_up(e, s, c, err);
		if (r != 0)
			break;
		r = make_twice(e, s, image, c, err);
		if (r != -EBUSY)
			return r;
	}
	if (!c->named)
		return make_twice(e, s, image, c, err);
	return r < 0 ? r : 0;
}

int corral_docker_container_close(struct corral_docker_engine *e, struct corral_docker_container *c,
                                  struct corral_error *err)
{
	char path[PATH_SIZE];
	int r = 0;

	if (c->id[0] && c->named && !c->stays) {
		(void)snprintf(path, sizeof(path), "/containers/%s/stop?t=%d", c->id, STOP_S);
		r = corral_docker_do(e, "POST", path, NULL, NULL, err);
		/* Podman stops none that is paused. */
		if (r < 0 && r != -ENOENT && r != -ETIMEDOUT &&
		    corral_docker_container_pause(e, c->id, false, NULL) == 0)
			r = corral_docker_do(e, "POST", path, NULL, NULL, err);
		r = r == -ENOENT ? 0 : r;
	} else if (c->id[0] && !c->named) {
		r = corral_docker_container_remove(e, c->id, err);
	}
	corral_docker_stream_close(c->tie);
	c->tie = NULL;
	c->id[0] = '\0';
	return r;
}
