/* backends/docker/contained.h: an engine's words about a container, as layers and limits. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "backends/docker/contained.h"
#include "backends/docker/json.h"
#include "kernel/receipt.h"

static const struct corral_limits wanted = { .memory_bytes = 1u << 30,
	                                     .pids = 512,
	                                     .cpu_millis = 1500,
	                                     .disk_bytes = 1u << 30,
	                                     .disk_inodes = 1000,
	                                     .file_size_bytes = 1u << 30,
	                                     .open_files = 4096 };

static struct corral_docker_contained of(const char *host, const char *info)
{
	corral_autojson json_t *container = json_object(), *i = json_loads(info, 0, NULL);
	struct corral_docker_contained ret;

	assert_non_null(i);
	(void)json_object_set_new(container, "HostConfig", json_loads(host, 0, NULL));
	corral_docker_contained_read(container, i, &wanted, &ret);
	return ret;
}

#define INFO "{\"SecurityOptions\":[\"name=seccomp,profile=default\"]}"

static void container_as_ours_are_made_has_its_layers_and_limits(void **state)
{
	struct corral_docker_contained c =
	        of("{\"NetworkMode\":\"none\",\"CgroupnsMode\":\"private\",\"CapAdd\":[\"CHOWN\"],"
	           "\"SecurityOpt\":[\"no-new-privileges\"],\"Memory\":1073741824,"
	           "\"MemorySwap\":1073741824,\"NanoCpus\":1500000000,\"PidsLimit\":512,"
	           "\"StorageOpt\":{\"size\":\"1073741824\"},"
	           "\"Ulimits\":[{\"Name\":\"nofile\",\"Hard\":4096,\"Soft\":4096},"
	           "{\"Name\":\"fsize\",\"Hard\":1073741824,\"Soft\":1}]}",
	           INFO);

	(void)state;
	assert_int_equal(c.layers, CORRAL_LAYER_MOUNT_NS | CORRAL_LAYER_PID_NS |
	                                   CORRAL_LAYER_IPC_NS | CORRAL_LAYER_UTS_NS |
	                                   CORRAL_LAYER_CGROUP_NS | CORRAL_LAYER_NET_NS |
	                                   CORRAL_LAYER_ROOT | CORRAL_LAYER_CAPS |
	                                   CORRAL_LAYER_NO_NEW_PRIVS | CORRAL_LAYER_SECCOMP |
	                                   CORRAL_LAYER_CGROUP | CORRAL_LAYER_RLIMITS);
	assert_int_equal(c.limits, CORRAL_LIMIT_MEMORY | CORRAL_LIMIT_MEMORY_SWAP |
	                                   CORRAL_LIMIT_CPUS | CORRAL_LIMIT_PIDS |
	                                   CORRAL_LIMIT_DISK | CORRAL_LIMIT_FILE_SIZE |
	                                   CORRAL_LIMIT_OPEN_FILES);
}

static void namespaces_of_the_host_or_another_container_are_no_layer(void **state)
{
	struct corral_docker_contained c =
	        of("{\"NetworkMode\":\"host\",\"PidMode\":\"host\",\"IpcMode\":\"container:x\","
	           "\"UTSMode\":\"host\",\"CgroupnsMode\":\"host\"}",
	           INFO);

	(void)state;
	assert_int_equal(c.layers, CORRAL_LAYER_MOUNT_NS | CORRAL_LAYER_ROOT | CORRAL_LAYER_CAPS |
	                                   CORRAL_LAYER_SECCOMP);
	assert_int_equal(c.limits, 0);
}

static void privileged_container_has_neither_capabilities_dropped_nor_a_filter(void **state)
{
	uint32_t fences = CORRAL_LAYER_CAPS | CORRAL_LAYER_SECCOMP;

	(void)state;
	assert_int_equal(of("{\"Privileged\":true}", INFO).layers & fences, 0);
	assert_int_equal(of("{\"CapAdd\":[\"ALL\"]}", INFO).layers & fences, CORRAL_LAYER_SECCOMP);
	assert_int_equal(of("{\"SecurityOpt\":[\"seccomp=unconfined\"]}", INFO).layers & fences,
	                 CORRAL_LAYER_CAPS);
	/* An engine without seccomp. */
	assert_int_equal(of("{}", "{\"SecurityOptions\":[]}").layers & fences, CORRAL_LAYER_CAPS);
}

static void user_namespace_is_the_engines_to_have(void **state)
{
	(void)state;
	assert_true(of("{}", "{\"SecurityOptions\":[\"name=userns\"]}").layers &
	            CORRAL_LAYER_USER_NS);
	assert_true(of("{}", "{\"SecurityOptions\":[\"name=rootless\"]}").layers &
	            CORRAL_LAYER_USER_NS);
	assert_false(
	        of("{\"UsernsMode\":\"host\"}", "{\"SecurityOptions\":[\"name=userns\"]}").layers &
	        CORRAL_LAYER_USER_NS);
}

static void wider_limit_is_none(void **state)
{
	(void)state;
	assert_int_equal(of("{\"Memory\":2147483648,\"PidsLimit\":513,\"NanoCpus\":1500000001,"
	                    "\"Ulimits\":[{\"Name\":\"nofile\",\"Hard\":8192}]}",
	                    INFO)
	                         .limits,
	                 0);
	/* Unlimited, as engines write it. */
	assert_int_equal(of("{\"Memory\":0,\"PidsLimit\":-1,\"MemorySwap\":-1}", INFO).limits, 0);
	assert_int_equal(of("{\"Memory\":4194304,\"MemorySwap\":8388608}", INFO).limits,
	                 CORRAL_LIMIT_MEMORY);
}

static void limit_that_the_engines_host_lacks_is_none(void **state)
{
	static const char host[] = "{\"Memory\":4194304,\"MemorySwap\":4194304,\"PidsLimit\":5,"
	                           "\"CpuPeriod\":100000,\"CpuQuota\":150000}";

	(void)state;
	assert_int_equal(of(host, INFO).limits, CORRAL_LIMIT_MEMORY | CORRAL_LIMIT_MEMORY_SWAP |
	                                                CORRAL_LIMIT_PIDS | CORRAL_LIMIT_CPUS);
	assert_int_equal(of(host, "{\"MemoryLimit\":false,\"SwapLimit\":false,"
	                          "\"PidsLimit\":false,\"CpuCfsQuota\":false}")
	                         .limits,
	                 0);
	assert_int_equal(of(host, "{\"CgroupDriver\":\"none\"}").limits, 0);
}

static void words_of_another_kind_are_nothing(void **state)
{
	(void)state;
	assert_int_equal(of("[]", INFO).layers, 0);
	assert_int_equal(of("{\"Ulimits\":{},\"SecurityOpt\":7,\"Memory\":\"much\",\"CapAdd\":[1],"
	                    "\"StorageOpt\":[]}",
	                    "[]")
	                         .limits,
	                 0);
}

static void limit_that_is_asked_for_and_missing_is_named(void **state)
{
	const struct corral_docker_contained c = { .limits = CORRAL_LIMIT_MEMORY };
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(corral_docker_contained_check(&c, CORRAL_LIMIT_MEMORY, &err), 0);
	/* Kept by whoever runs commands. */
	assert_int_equal(corral_docker_contained_check(&c,
	                                               CORRAL_LIMIT_TIMEOUT | CORRAL_LIMIT_OUTPUT,
	                                               &err),
	                 0);
	assert_int_equal(corral_docker_contained_check(&c, CORRAL_LIMIT_MEMORY | CORRAL_LIMIT_PIDS,
	                                               &err),
	                 -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "limit 'pids' was asked for"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(container_as_ours_are_made_has_its_layers_and_limits),
		cmocka_unit_test(namespaces_of_the_host_or_another_container_are_no_layer),
		cmocka_unit_test(
		        privileged_container_has_neither_capabilities_dropped_nor_a_filter),
		cmocka_unit_test(user_namespace_is_the_engines_to_have),
		cmocka_unit_test(wider_limit_is_none),
		cmocka_unit_test(limit_that_the_engines_host_lacks_is_none),
		cmocka_unit_test(words_of_another_kind_are_nothing),
		cmocka_unit_test(limit_that_is_asked_for_and_missing_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
