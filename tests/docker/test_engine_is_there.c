/*
 * The engine that the other programs of this folder are served by: that it is ours and answers,
 * and has the images. Spoken to by hand, so that a fault of the harness looks like none of the
 * backend's.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/base/cleanup.h"
#include "tests/docker/engine_support.h"

#define ANSWER_SIZE ((size_t)64 << 10)

static int engine_connect(const char *host)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = 10 };
	size_t len;
	int fd;

	assert_memory_equal(host, "unix://", 7);
	len = strlen(host + 7);
	assert_true(len < sizeof(address.sun_path));
	memcpy(address.sun_path, host + 7, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(0, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
	                               (socklen_t)sizeof(patience)));
	if (connect(fd, (const struct sockaddr *)&address, (socklen_t)sizeof(address)) < 0)
		fail_msg("connect to %s: %s", host, strerrordesc_np(errno));
	return fd;
}

/* The whole answer, head and all, into text. */
static void get(const char *host, const char *path, char text[ANSWER_SIZE])
{
	corral_autofd int fd = engine_connect(host);
	size_t len = 0;
	ssize_t n;

	assert_true(dprintf(fd, "GET %s HTTP/1.0\r\nHost: engine\r\n\r\n", path) > 0);
	while (len < ANSWER_SIZE - 1) {
		n = read(fd, text + len, ANSWER_SIZE - 1 - len);
		assert_true(n >= 0);
		if (n == 0)
			break;
		len += (size_t)n;
	}
	text[len] = 0;
}

static void the_engine_answers_and_is_the_one_that_it_is_said_to_be(void **state)
{
	const char *host = corral_test_engine();
	char text[ANSWER_SIZE];

	(void)state;
	if (!host)
		return;
	get(host, "/_ping", text);
	assert_non_null(strstr(text, " 200 OK\r\n"));
	assert_non_null(strstr(text, "\r\n\r\nOK"));
	/* Podman's tells so in a head of its own. */
	assert_int_equal(corral_test_engine_is("podman"), strstr(text, "\r\nLibpod-") != NULL);
}

static void the_images_of_the_tests_are_there(void **state)
{
	const char *host = corral_test_engine();
	char text[ANSWER_SIZE];

	(void)state;
	if (!host)
		return;
	get(host, "/v1.40/images/json", text);
	assert_non_null(strstr(text, corral_test_image()));
	assert_non_null(strstr(text, corral_test_image_busybox()));
	assert_non_null(strstr(text, corral_test_image_scratch()));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_engine_answers_and_is_the_one_that_it_is_said_to_be),
		cmocka_unit_test(the_images_of_the_tests_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
