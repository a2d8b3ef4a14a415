/* backends/docker/weaker.h: what somebody else's container lacks that ours have. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "backends/docker/json.h"
#include "backends/docker/weaker.h"

/* All that is narrow, but for what is to be said instead. */
#define NO_NETWORK "\"NetworkMode\":\"none\","
#define NARROW     "\"SecurityOpt\":[\"no-new-privileges\"],"
#define CAPS       "\"CapDrop\":[\"ALL\"],\"CapAdd\":[\"CAP_CHOWN\",\"kill\"]"

static int check(const char *host, struct corral_docker_options o, bool is_podman,
                 struct corral_error *err)
{
	corral_autojson json_t *container = json_object();
	struct corral_docker_spec s;
	int r;

	memset(err, 0, sizeof(*err));
	o.container_name = "db";
	assert_int_equal(corral_docker_spec_init(&s, &o, "id", err), 0);
	if (*host)
		assert_int_equal(json_object_set_new(container, "HostConfig",
		                                     json_loads(host, 0, NULL)),
		                 0);
	r = corral_docker_weaker_check(container, &s, is_podman, err);
	corral_docker_spec_done(&s);
	return r;
}

static void container_as_narrow_as_ours_is_none(void **state)
{
	const struct corral_docker_options usual = { 0 };
	struct corral_error err;

	(void)state;
	assert_int_equal(check("{" NO_NETWORK NARROW CAPS "}", usual, false, &err), 0);
	/* As Podman says it: what it gives by itself, one by one. */
	assert_int_equal(check("{" NO_NETWORK NARROW "\"PidMode\":\"private\",\"CapAdd\":[],"
	                       "\"CapDrop\":[\"CAP_SETPCAP\",\"CAP_SETFCAP\",\"CAP_SYS_CHROOT\"]}",
	                       usual, true, &err),
	                 0);
}

static void each_weakness_is_named(void **state)
{
	static const char *const rows[][2] = {
		{ "{\"NetworkMode\":\"host\"," NARROW CAPS "}", "has the host's network:" },
		{ "{\"NetworkMode\":\"default\"," NARROW CAPS "}", "has the network 'bridge':" },
		{ "{" NARROW CAPS "}", "has the network 'bridge':" },
		{ "{" NO_NETWORK CAPS "}", "keeps new privileges:" },
		{ "{" NO_NETWORK "\"SecurityOpt\":[\"no-new-privileges=false\"]," CAPS "}",
		  "keeps new privileges:" },
		{ "{" NO_NETWORK
		  "\"SecurityOpt\":[\"no-new-privileges\",\"seccomp=unconfined\"]," CAPS "}",
		  "has no filter of system calls:" },
		{ "{" NO_NETWORK
		  "\"SecurityOpt\":[\"no-new-privileges\",\"apparmor=unconfined\"]," CAPS "}",
		  "has no security module's confinement:" },
		{ "{" NO_NETWORK NARROW "\"CapAdd\":null,\"CapDrop\":null}",
		  "has more capabilities:" },
		{ "{" NO_NETWORK NARROW "\"CapDrop\":[\"ALL\"],\"CapAdd\":[\"SYS_ADMIN\"]}",
		  "has more capabilities:" },
		{ "{" NO_NETWORK NARROW "\"CapDrop\":[\"ALL\"],\"CapAdd\":[\"CAP_NEWS\"]}",
		  "has more capabilities:" },
		{ "{" NO_NETWORK NARROW "\"CapDrop\":[\"MKNOD\"],\"CapAdd\":[\"ALL\"]}",
		  "has more capabilities:" },
		{ "{" NO_NETWORK NARROW "\"Privileged\":true," CAPS "}", "is privileged:" },
		{ "{" NO_NETWORK NARROW "\"PidMode\":\"host\"," CAPS "}",
		  "sees others' processes:" },
		{ "{" NO_NETWORK NARROW "\"PidMode\":\"container:x\"," CAPS "}",
		  "sees others' processes:" },
		{ "{" NO_NETWORK NARROW "\"IpcMode\":\"host\"," CAPS "}",
		  "shares others' memory:" },
		{ "{" NO_NETWORK NARROW "\"UTSMode\":\"host\"," CAPS "}", "has the host's name:" },
		{ "{" NO_NETWORK NARROW "\"UsernsMode\":\"host\"," CAPS "}",
		  "has the host's users:" },
		{ "{" NO_NETWORK NARROW "\"Devices\":[{}]," CAPS "}", "has devices:" },
		{ "{" NO_NETWORK NARROW "\"MaskedPaths\":[]," CAPS "}", "sees all of /proc:" },
	};
	struct corral_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char wanted[200];

		(void)snprintf(wanted, sizeof(wanted),
		               "container 'db' %s --allow-weaker takes it as it is", rows[i][1]);
		assert_int_equal(check(rows[i][0], (struct corral_docker_options) { 0 }, false,
		                       &err),
		                 -EPERM);
		assert_int_equal(err.code, EPERM);
		assert_string_equal(err.text, wanted);
	}
}

static void all_weaknesses_are_one_sentence(void **state)
{
	struct corral_error err;

	(void)state;
	assert_int_equal(
	        check("{\"NetworkMode\":\"host\",\"CapAdd\":[\"ALL\"],\"PidMode\":\"host\","
	              "\"SecurityOpt\":[\"seccomp=unconfined\",\"label=disable\"],"
	              "\"Privileged\":true,\"IpcMode\":\"host\",\"UTSMode\":\"host\","
	              "\"CgroupnsMode\":\"host\",\"UsernsMode\":\"host\","
	              "\"Devices\":[{}],\"MaskedPaths\":[]}",
	              (struct corral_docker_options) { 0 }, false, &err),
	        -EPERM);
	assert_string_equal(err.text,
	                    "container 'db' is privileged, has the host's network, keeps new "
	                    "privileges, has no filter of system calls, has no security module's "
	                    "confinement, has more capabilities, sees others' processes, shares "
	                    "others' memory, has the host's name, has the host's users, has "
	                    "devices and sees all of /proc: --allow-weaker takes it as it is");
}

static void what_was_asked_for_is_no_weakness(void **state)
{
	static char *const caps[] = { (char *)"SYS_ADMIN", NULL };
	struct corral_error err;

	(void)state;
	assert_int_equal(check("{\"NetworkMode\":\"bridge\"," NARROW CAPS "}",
	                       (struct corral_docker_options) { .network_mode = "bridge" }, false,
	                       &err),
	                 0);
	assert_int_equal(check("{\"NetworkMode\":\"mine\"," NARROW CAPS "}",
	                       (struct corral_docker_options) { .network_mode = "bridge" }, false,
	                       &err),
	                 -EPERM);
	assert_int_equal(check("{" NO_NETWORK
	                       "\"SecurityOpt\":[\"no-new-privileges\",\"seccomp=unconfined\"],"
	                       "\"CapDrop\":[\"ALL\"],\"CapAdd\":[\"SYS_ADMIN\"]}",
	                       (struct corral_docker_options) { .cap_add = caps,
	                                                        .seccomp = "unconfined" },
	                       false, &err),
	                 0);
}

static void silence_of_the_engine_is_an_error(void **state)
{
	struct corral_error err;

	(void)state;
	assert_int_equal(check("", (struct corral_docker_options) { 0 }, false, &err), -EPROTO);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(container_as_narrow_as_ours_is_none),
		cmocka_unit_test(each_weakness_is_named),
		cmocka_unit_test(all_weaknesses_are_one_sentence),
		cmocka_unit_test(what_was_asked_for_is_no_weakness),
		cmocka_unit_test(silence_of_the_engine_is_an_error),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
