#include "backends/docker/contained.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/docker/http.h"
#include "backends/docker/json.h"
#include "kernel/receipt.h"

/* Limits that a container has; the others are kept by whoever runs commands in it. */
#define CONTAINERS                                                            \
	(CORRAL_LIMIT_MEMORY | CORRAL_LIMIT_MEMORY_SWAP | CORRAL_LIMIT_CPUS | \
	 CORRAL_LIMIT_CPU_WEIGHT | CORRAL_LIMIT_PIDS | CORRAL_LIMIT_DISK |    \
	 CORRAL_LIMIT_DISK_INODES | CORRAL_LIMIT_FILE_SIZE | CORRAL_LIMIT_OPEN_FILES)

/* 0 for what is missing, negative or none. */
static uint64_t number(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n > 0 ? (uint64_t)n : 0;
}

/* A namespace of its own: "", "private", "shareable", "none", a network's name. */
static bool own(const json_t *host, const char *key)
{
	const char *mode = corral_json_text(host, key);

	return strcmp(mode, "host") != 0 && strncmp(mode, "container:", strlen("container:")) != 0;
}

static uint32_t namespaces(const json_t *host, const json_t *info)
{
	const json_t *options = json_object_get(info, "SecurityOptions");
	uint32_t layers = CORRAL_LAYER_MOUNT_NS | CORRAL_LAYER_ROOT;

	layers |= own(host, "PidMode") ? CORRAL_LAYER_PID_NS : 0;
	layers |= own(host, "IpcMode") ? CORRAL_LAYER_IPC_NS : 0;
	layers |= own(host, "UTSMode") ? CORRAL_LAYER_UTS_NS : 0;
	layers |= own(host, "NetworkMode") ? CORRAL_LAYER_NET_NS : 0;
	/* What is not said is the engine's default, which is not told. */
	if (!strcmp(corral_json_text(host, "CgroupnsMode"), "private"))
		layers |= CORRAL_LAYER_CGROUP_NS;
	if (corral_json_has(options, "name=rootless") ||
	    (corral_json_has(options, "name=userns") && own(host, "UsernsMode")))
		layers |= CORRAL_LAYER_USER_NS;
	return layers;
}

static uint32_t fences(const json_t *host, const json_t *info)
{
	const json_t *options = json_object_get(host, "SecurityOpt");
	uint32_t layers = 0;

	if (corral_json_has(options, "no-new-privileges"))
		layers |= CORRAL_LAYER_NO_NEW_PRIVS;
	if (json_is_true(json_object_get(host, "Privileged")))
		return layers;
	if (!corral_json_has(json_object_get(host, "CapAdd"), "ALL"))
		layers |= CORRAL_LAYER_CAPS;
	if (corral_json_has(json_object_get(info, "SecurityOptions"), "name=seccomp") &&
	    !corral_json_has(options, "seccomp=unconfined") &&
	    !corral_json_has(options, "seccomp:unconfined"))
		layers |= CORRAL_LAYER_SECCOMP;
	return layers;
}

/* An engine on a host without that controller says so, and drops the limit. */
static bool may(const json_t *info, const char *key)
{
	return !json_is_false(json_object_get(info, key));
}

static bool within(uint64_t has_limit, uint64_t wanted)
{
	return wanted && has_limit && has_limit <= wanted;
}

static uint64_t ulimit(const json_t *host, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(host, "Ulimits"), i, one)
	{
		const char *is = corral_json_text(one, "Name");

		/* Podman says RLIMIT_NOFILE. */
		if (!strncmp(is, "RLIMIT_", strlen("RLIMIT_")))
			is += strlen("RLIMIT_");
		if (!strcasecmp(is, name))
			return number(one, "Hard");
	}
	return 0;
}

static uint64_t cpu_millis(const json_t *host)
{
	uint64_t nano = number(host, "NanoCpus"), period = number(host, "CpuPeriod");

	if (nano)
		return (nano + 999999) / 1000000;
	return period ? number(host, "CpuQuota") * 1000 / period : 0;
}

static uint32_t groups(const json_t *host, const json_t *info, const struct corral_limits *l)
{
	uint64_t memory = number(host, "Memory"), both = number(host, "MemorySwap");
	uint32_t limits = 0;

	if (!strcmp(corral_json_text(info, "CgroupDriver"), "none"))
		return 0;
	if (may(info, "MemoryLimit") && within(memory, l->memory_bytes))
		limits |= CORRAL_LIMIT_MEMORY;
	if (may(info, "SwapLimit") && memory && both >= memory &&
	    both - memory <= l->memory_swap_bytes)
		limits |= CORRAL_LIMIT_MEMORY_SWAP;
	if (may(info, "CpuCfsQuota") && within(cpu_millis(host), l->cpu_millis))
		limits |= CORRAL_LIMIT_CPUS;
	if (may(info, "CPUShares") && l->cpu_weight && number(host, "CpuShares"))
		limits |= CORRAL_LIMIT_CPU_WEIGHT;
	if (may(info, "PidsLimit") && within(number(host, "PidsLimit"), l->pids))
		limits |= CORRAL_LIMIT_PIDS;
	return limits;
}

void corral_docker_contained_read(const json_t *container, const json_t *info,
                                  const struct corral_limits *wanted,
                                  struct corral_docker_contained *ret)
{
	const json_t *host = json_object_get(container, "HostConfig");
	const json_t *storage = json_object_get(host, "StorageOpt");

	*ret = (struct corral_docker_contained) { 0 };
	if (!json_is_object(host))
		return;
	ret->layers = namespaces(host, info) | fences(host, info);
	ret->limits = groups(host, info, wanted);
	if (ret->limits)
		ret->layers |= CORRAL_LAYER_CGROUP;
	/* Made with it, so the storage driver took it. */
	if (wanted->disk_bytes && *corral_json_text(storage, "size"))
		ret->limits |= CORRAL_LIMIT_DISK;
	if (within(ulimit(host, "fsize"), wanted->file_size_bytes))
		ret->limits |= CORRAL_LIMIT_FILE_SIZE;
	if (within(ulimit(host, "nofile"), wanted->open_files))
		ret->limits |= CORRAL_LIMIT_OPEN_FILES;
	if (json_array_size(json_object_get(host, "Ulimits")))
		ret->layers |= CORRAL_LAYER_RLIMITS;
}

int corral_docker_contained(struct corral_docker_engine *e, const char *id,
                            const struct corral_limits *wanted, struct corral_docker_contained *ret,
                            struct corral_error *err)
{
	corral_autojson json_t *container = NULL, *info = NULL;
	char path[320];
	int r;

	(void)snprintf(path, sizeof(path), "/containers/%.256s/json", id);
	r = corral_docker_do(e, "GET", path, NULL, &container, err);
	if (r == 0)
		r = corral_docker_do(e, "GET", "/info", NULL, &info, err);
	if (r < 0)
		return corral_error_wrap(err, r, "what contains the container");
	corral_docker_contained_read(container, info, wanted, ret);
	return 0;
}

int corral_docker_contained_check(const struct corral_docker_contained *c, uint32_t asked,
                                  struct corral_error *err)
{
	uint32_t lost = asked & CONTAINERS & ~c->limits;

	if (!lost)
		return 0;
	return corral_error_set(err, EOPNOTSUPP,
	                        "limit '%s' was asked for, and the container does not have it: the "
	                        "engine has no such limit here, or the container was made with "
	                        "another",
	                        corral_limit_name((enum corral_limit)(lost & (~lost + 1))));
}
