/*
 * Ports of a sandbox, as the host reaches them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "tests/real/sandbox_support.h"
#include "tests/real/cli_support.h"
#include "tests/real/network_support.h"

static void ports_are_published_of_loopback_alone(void **state)
{
	(void)state;
	if (net_missing())
		return;
	ports_are_published("none", 0, CORRAL_BINARY);
}

static void ports_are_published_of_a_bridged_sandbox(void **state)
{
	(void)state;
	if (net_missing())
		return;
	ports_are_published("bridge", 0, CORRAL_BINARY);
}

static void dead_socket_is_replaced_and_a_file_is_not(void **state)
{
	char path[96], place[160];
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct run r = { 0 };

	(void)state;
	if (net_missing())
		return;
	(void)snprintf(path, sizeof(path), "%s/dead", net.dir);
	(void)snprintf(place, sizeof(place), "unix:%s:7000", path);
	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	(void)close(fd);
	RUN(&r, "--publish", place, "--", "true");
	assert_status(&r, 0);
	assert_int_equal(access(path, F_OK), -1);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "mine", 4), 4);
	(void)close(fd);
	RUN(&r, "--publish", place, "--", "true");
	assert_error(&r, "corral does not replace it");
	assert_int_equal(unlink(path), 0);
	run_done(&r);
}

/* What answers to a word: the word in capitals, or nothing when it is closed. */
static bool shouts(int fd)
{
	char text[4] = "";

	return fd >= 0 && send(fd, "hey", 3, MSG_NOSIGNAL) == 3 &&
	       recv(fd, text, 3, MSG_WAITALL) == 3 && !strcmp(text, "HEY");
}

static void connections_that_say_nothing_shut_no_port(void **state)
{
	int silent[128], out, fd, last;
	pid_t pid;

	(void)state;
	if (net_missing())
		return;
	pid = BEGIN(&out, "run", "--pids", "300", "--publish", "5020:7000", NET_PROBE, "--", "/net",
	            "serve", "7000", "7001");
	assert_eventually(says(out, "up\n"));
	for (size_t i = 0; i < CORRAL_COUNT(silent); i++)
		silent[i] = dial(AF_INET, "127.0.0.1", 5020);
	/* All are in use, and none is known to be idle. */
	assert_true(shouts(silent[0]) && shouts(silent[127]));
	fd = dial(AF_INET, "127.0.0.1", 5020);
	assert_false(shouts(fd));
	(void)close(fd);
	(void)sleep(11);
	assert_true(shouts(silent[0]));
	fd = dial(AF_INET, "127.0.0.1", 5020);
	assert_true(shouts(fd));
	last = dial(AF_INET, "127.0.0.1", 5020);
	assert_true(shouts(last));
	/* Two of the silent ones made room, and nobody who says something. */
	assert_true(shouts(fd) && shouts(silent[0]));
	assert_false(shouts(silent[1]) || shouts(silent[2]));
	(void)kill(pid, SIGTERM);
	(void)status_of(pid);
	for (size_t i = 0; i < CORRAL_COUNT(silent); i++)
		(void)close(silent[i]);
	(void)close(fd);
	(void)close(last);
	(void)close(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_are_published_of_loopback_alone),
		cmocka_unit_test(ports_are_published_of_a_bridged_sandbox),
		cmocka_unit_test(dead_socket_is_replaced_and_a_file_is_not),
		cmocka_unit_test(connections_that_say_nothing_shut_no_port),
	};

	return cmocka_run_group_tests(tests, net_open, net_close);
}
