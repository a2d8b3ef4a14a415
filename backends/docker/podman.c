#include "backends/docker/podman.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

static bool has_ulimit(const json_t *list, const char *name)
{
	const json_t *one;

	for (size_t i = 0; (one = json_array_get(list, i)); i++)
		if (!strcmp(json_string_value(json_object_get(one, "Name")), name))
			return true;
	return false;
}

/*
 * What Podman is not told of these two it sets to a number of its own, as soon as it is told of
 * any; and where its host has less and it has not CAP_SYS_RESOURCE, no container starts. What we
 * may have, it may as well. Neither contains anything: the group counts processes.
 */
static int ulimits_add(json_t *body, struct corral_error *err)
{
	static const struct {
		const char *name;
		int resource;
	} unset[] = { { "nproc", RLIMIT_NPROC }, { "nofile", RLIMIT_NOFILE } };
	json_t *list = json_object_get(json_object_get(body, "HostConfig"), "Ulimits");
	struct rlimit have;

	for (size_t i = 0; i < CORRAL_COUNT(unset); i++) {
		json_int_t n;

		if (has_ulimit(list, unset[i].name) || getrlimit(unset[i].resource, &have) < 0 ||
		    have.rlim_max == RLIM_INFINITY)
			continue;
		n = (json_int_t)have.rlim_max;
		if (json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "Name", unset[i].name,
		                                          "Soft", n, "Hard", n)) < 0)
			return corral_error_set(err, ENOMEM, "container: out of memory");
	}
	return 0;
}

static int file_write(char file[CORRAL_DOCKER_PODMAN_FILE_SIZE], const char *text,
                      struct corral_error *err)
{
	static const char name[] = "/tmp/corral-seccomp-XXXXXX";
	corral_autofd int fd = -1;
	size_t len = strlen(text), done = 0;

	memcpy(file, name, sizeof(name));
	fd = mkostemp(file, O_CLOEXEC);
	if (fd < 0) {
		file[0] = '\0';
		return corral_error_sys(err, errno, "seccomp: a file for Podman in /tmp");
	}
	while (done < len) {
		ssize_t n = write(fd, text + done, len - done);

		if (n < 0 && errno != EINTR)
			return corral_error_sys(err, errno, "seccomp: write '%s'", file);
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Docker's engine takes the text of a profile, Podman's service the path of one, on its own host.
 */
static int profile_name(json_t *body, char file[CORRAL_DOCKER_PODMAN_FILE_SIZE],
                        struct corral_error *err)
{
	json_t *list = json_object_get(json_object_get(body, "HostConfig"), "SecurityOpt");
	const char *option;
	int r;

	for (size_t i = 0; i < json_array_size(list); i++) {
		option = json_string_value(json_array_get(list, i));
		if (!option || strncmp(option, "seccomp={", 9) != 0)
			continue;
		r = file_write(file, option + strlen("seccomp="), err);
		if (r < 0)
			return r;
		if (json_array_set_new(list, i, json_sprintf("seccomp=%s", file)) < 0)
			return corral_error_set(err, ENOMEM, "container: out of memory");
	}
	return 0;
}

int corral_docker_podman_adapt(json_t *body, char ret_file[CORRAL_DOCKER_PODMAN_FILE_SIZE],
                               struct corral_error *err)
{
	int r = ulimits_add(body, err);

	ret_file[0] = '\0';
	return r < 0 ? r : profile_name(body, ret_file, err);
}
