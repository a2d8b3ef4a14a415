/*
 * Filling the volume takes a container, as there is no other way into one; it is never started, and
 * its name is the lock: who finds it taken waits for the other to be done.
 */
#include "backends/docker/volume.h"

#include <errno.h>
#include <pthread.h>
#include <sha256.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backends/docker/inside.h"
#include "backends/docker/owner.h"
#include "backends/docker/spec.h"
#include "backends/docker/tar.h"
#include "kernel/base/clock.h"

#define FILL_WAIT_MS 20000 /* for somebody else; one who takes longer has died of it */
#define FILL_LOOK_MS 50

#define PROGRAM_NAME "corral-inside"

static pthread_once_t name_once = PTHREAD_ONCE_INIT;
static char name[CORRAL_DOCKER_VOLUME_SIZE];

static void name_make(void)
{
	char digest[SHA256_DIGEST_STRING_LENGTH];
	const void *data;
	size_t len;

	corral_docker_inside_image(&data, &len);
	(void)SHA256Data(data, len, digest);
	(void)snprintf(name, sizeof(name), CORRAL_DOCKER_VOLUME_PREFIX "%.16s", digest);
}

void corral_docker_volume_name(char ret[CORRAL_DOCKER_VOLUME_SIZE])
{
	(void)pthread_once(&name_once, name_make);
	memcpy(ret, name, sizeof(name));
}

static const char *path_of(char *buf, size_t size, const char *container, const char *what)
{
	(void)snprintf(buf, size, "/containers/%s/%s", container, what);
	return buf;
}

int corral_docker_inside_is_there(struct corral_docker_engine *e, const char *container,
                                  struct corral_error *err)
{
	char path[200];
	const struct corral_docker_request q = {
		.method = "HEAD",
		.path = path_of(path, sizeof(path), container,
		                "archive?path=" CORRAL_DOCKER_INSIDE_PATH),
	};
	struct corral_docker_answer a = { 0 };
	const void *data;
	size_t len;
	json_t *stat;
	int r = corral_docker_call(e, &q, &a, err);

	corral_docker_inside_image(&data, &len);
	if (r == 0 && a.status == 200) {
		stat = json_loadb(a.stat.data ? a.stat.data : "", a.stat.len, 0, NULL);
		r = json_integer_value(json_object_get(stat, "size")) == (json_int_t)len;
		json_decref(stat);
	} else if (r == 0 && a.status >= 500) {
		r = corral_docker_refused(&a, err);
	}
	corral_docker_answer_done(&a);
	return r;
}

static int put_at(struct corral_docker_engine *e, const char *container, const char *where,
                  const struct corral_docker_entry *entries, size_t n, struct corral_error *err)
{
	struct corral_buf tar = CORRAL_BUF_INIT;
	struct corral_docker_answer a = { 0 };
	char path[200];
	const struct corral_docker_request q = {
		.method = "PUT",
		.path = path_of(path, sizeof(path), container, where),
		.body = &tar,
	};
	int r = corral_docker_tar(entries, n, &tar, err);

	if (r == 0)
		r = corral_docker_call(e, &q, &a, err);
	if (r == 0 && a.status >= 400)
		r = corral_docker_refused(&a, err);
	corral_docker_answer_done(&a);
	corral_buf_done(&tar);
	return r < 0 ? corral_error_wrap(err, r, "put our program into the container") : 0;
}

int corral_docker_inside_put(struct corral_docker_engine *e, const char *container,
                             char ret[CORRAL_DOCKER_INSIDE_PATH_SIZE], struct corral_error *err)
{
	char volume[CORRAL_DOCKER_VOLUME_SIZE], dir[CORRAL_DOCKER_INSIDE_PATH_SIZE];
	struct corral_docker_entry entries[] = {
		{ .name = dir, .mode = 0755 },
		{ .name = ret + 1, .mode = 0755 },
	};

	corral_docker_volume_name(volume);
	(void)snprintf(dir, sizeof(dir), ".corral-%.16s",
	               volume + strlen(CORRAL_DOCKER_VOLUME_PREFIX));
	(void)snprintf(ret, CORRAL_DOCKER_INSIDE_PATH_SIZE, "/.corral-%.16s/" PROGRAM_NAME,
	               volume + strlen(CORRAL_DOCKER_VOLUME_PREFIX));
	corral_docker_inside_image(&entries[1].data, &entries[1].len);
	return put_at(e, container, "archive?path=/", entries, 2, err);
}

static int fill(struct corral_docker_engine *e, const char *container, struct corral_error *err)
{
	struct corral_docker_entry program = { .name = PROGRAM_NAME, .mode = 0755 };
	int r = corral_docker_inside_is_there(e, container, err);

	if (r != 0)
		return r < 0 ? r : 0;
	corral_docker_inside_image(&program.data, &program.len);
	return put_at(e, container, "archive?path=" CORRAL_DOCKER_INSIDE_DIR, &program, 1, err);
}

/* Podman's word for a name that is taken is a status of 500 and this. */
static bool is_taken(int r, const struct corral_error *why)
{
	return r == -EBUSY || (r == -EIO && strstr(why->text, "already in use"));
}

static json_t *filler(const char *image, const char *volume, const char *self)
{
	char owner[CORRAL_DOCKER_OWNER_SIZE];

	corral_docker_owner_make(owner);
	return json_pack(
	        "{s:s, s:[s], s:[], s:{s:s, s:s, s:s}, s:{s:s, s:[{s:s, s:s, s:s, s:{s:b}}]}}",
	        "Image", image, "Entrypoint", CORRAL_DOCKER_INSIDE_PATH, "Cmd", "Labels",
	        CORRAL_DOCKER_LABEL, "filler", CORRAL_DOCKER_LABEL_OWNER, owner,
	        CORRAL_DOCKER_LABEL_SELF, self, "HostConfig", "NetworkMode", "none", "Mounts",
	        "Type", "volume", "Source", volume, "Target", CORRAL_DOCKER_INSIDE_DIR,
	        "VolumeOptions", "NoCopy", 1);
}

static int volume_create(struct corral_docker_engine *e, const char *volume,
                         struct corral_error *err)
{
	json_t *body = json_pack("{s:s, s:{s:s}}", "Name", volume, "Labels", CORRAL_DOCKER_LABEL,
	                         "inside");
	/* One that is there already is what it answers. */
	int r = corral_docker_do(e, "POST", "/volumes/create", body, NULL, err);

	json_decref(body);
	return r;
}

static void remove_filler(struct corral_docker_engine *e, const char *volume)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "/containers/%s-filling?force=1&v=0", volume);
	(void)corral_docker_do(e, "DELETE", path, NULL, NULL, NULL);
}

int corral_docker_volume_ensure(struct corral_docker_engine *e, const char *image,
                                struct corral_error *err)
{
	uint64_t until = corral_now_ms() + FILL_WAIT_MS;
	char volume[CORRAL_DOCKER_VOLUME_SIZE], path[200], container[200];
	struct corral_error why = { 0 };
	json_t *body;
	int r;

	corral_docker_volume_name(volume);
	(void)snprintf(path, sizeof(path), "/containers/create?name=%s-filling", volume);
	(void)snprintf(container, sizeof(container), "%s-filling", volume);
	r = volume_create(e, volume, err);
	if (r < 0)
		return r;
	body = filler(image, volume, container);
	if (!body)
		return corral_error_set(err, ENOMEM, "container: out of memory");
	while (is_taken(r = corral_docker_do(e, "POST", path, body, NULL, &why), &why)) {
		const struct timespec look = { .tv_nsec = FILL_LOOK_MS * 1000000L };

		if (corral_now_ms() >= until) {
			remove_filler(e, volume);
			until = corral_now_ms() + FILL_WAIT_MS;
		}
		(void)nanosleep(&look, NULL);
	}
	json_decref(body);
	if (r < 0)
		(void)corral_error_set(err, why.code, "%s", why.text);
	if (r == 0) {
		r = fill(e, container, err);
		remove_filler(e, volume);
	}
	return r < 0 ? corral_error_wrap(err, r, "volume '%s'", volume) : 0;
}
