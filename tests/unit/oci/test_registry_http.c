/* kernel/image/oci/registry_http.h against servers that behave, and servers that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "kernel/base/clock.h"
#include "kernel/image/oci/registry_http.h"
#include "tests/unit/oci/web.h"

#define SECRET "Authorization: Basic czNjcmV0"

struct fixture {
	struct web web, other; /* at two loopback addresses */
	struct corral_registry_http_options o;
	struct corral_registry_http *h;
	struct corral_registry_answer a;
	struct corral_error err;
	unsigned int ticks, cancel_at;
};

static void redirect(int fd, int status, const char *to)
{
	(void)web_say(fd, "HTTP/1.1 %d Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", status,
	              to);
}

/* "100 Continue" for ever: no answer is one of these. */
static void continues(int fd)
{
	while (web_say(fd, "HTTP/1.1 100 Continue\r\n\r\n"))
		(void)usleep(20000);
}

static void drip(int fd, const char *head)
{
	(void)web_say(fd, "%s", head);
	while (web_say_len(fd, "x", 1))
		(void)usleep(20000);
}

static bool answer(struct web *w, int fd, const struct web_request *q, void *ctx)
{
	struct fixture *f = ctx;
	char to[128];

	(void)w;
	if (web_is(q, "GET /plain") || web_is(q, "POST /plain"))
		return web_reply_text(fd, 200, "Content-Type: text/plain; charset=x\r\n", "hello");
	if (web_is(q, "GET /away")) {
		(void)snprintf(to, sizeof(to), "http://%s/plain", f->other.at);
		redirect(fd, 307, to);
		return true;
	}
	if (web_is(q, "GET /near"))
		redirect(fd, 302, "plain");
	else if (web_is(q, "GET /back")) {
		(void)snprintf(to, sizeof(to), "http://%s/home", f->other.at);
		redirect(fd, 302, to);
	} else if (web_is(q, "GET /home")) {
		(void)snprintf(to, sizeof(to), "http://%s/plain", f->web.at);
		redirect(fd, 302, to);
	} else if (web_is(q, "GET /loop") || web_is(q, "POST /loop"))
		redirect(fd, 301, "/loop");
	else if (web_is(q, "GET /file"))
		redirect(fd, 301, "file:///etc/hostname");
	else if (web_is(q, "GET /ftp"))
		redirect(fd, 301, "ftp://127.0.0.1/");
	else if (web_is(q, "GET /joe"))
		redirect(fd, 301, "http://joe:x@127.0.0.1/");
	else if (web_is(q, "GET /http"))
		redirect(fd, 301, "http://registry.invalid/");
	else if (web_is(q, "GET /nowhere"))
		(void)web_say(fd, "HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n");
	else if (web_is(q, "GET /hang"))
		web_wait_gone(fd);
	else if (web_is(q, "GET /drip"))
		drip(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
	else if (web_is(q, "GET /continues"))
		continues(fd);
	else if (web_is(q, "GET /head-drip"))
		drip(fd, "HTTP/1.1 200 OK\r\nX: ");
	else if (web_is(q, "GET /head")) {
		(void)web_say(fd, "HTTP/1.1 200 OK\r\n");
		while (web_say(fd, "X-Filler: %01000d\r\n", 1))
			;
	} else if (web_is(q, "GET /long")) {
		(void)web_say(fd, "HTTP/1.1 200 OK\r\n\r\n");
		while (web_say(fd, "%01000d", 1))
			;
	} else if (web_is(q, "GET /refuse-long")) {
		(void)web_say(fd, "HTTP/1.1 500 X\r\n\r\n");
		while (web_say(fd, "%01000d", 1))
			;
	} else if (web_is(q, "GET /short")) {
		(void)web_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
		return false;
	} else if (web_is(q, "GET /nothing"))
		return false;
	else if (web_is(q, "GET /garbage")) {
		(void)web_say(fd, "SSH-2.0-OpenSSH\r\n");
		return false;
	} else if (web_is(q, "GET /busy"))
		return web_reply_text(fd, 429, "Retry-After: 7\r\n", "slow down");
	else if (web_is(q, "GET /wanted"))
		return web_reply_text(fd, 401,
		                      "WWW-Authenticate: Basic realm=\"a\"\r\n"
		                      "Www-authenticate: Bearer realm=\"b\"\r\n",
		                      "");
	else
		return web_reply_text(fd, 404, "", "no");
	return true;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	web_start(&f->web, "127.0.0.1", answer, f);
	web_start(&f->other, "127.0.0.2", answer, f);
	f->o.stall_ms = 10000;
	assert_int_equal(corral_registry_http_new(&f->o, &f->h, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_registry_answer_done(&f->a);
	corral_registry_http_free(f->h);
	web_stop(&f->web);
	web_stop(&f->other);
	free(f);
	return 0;
}

static int tick(void *ctx, struct corral_error *err)
{
	struct fixture *f = ctx;

	f->ticks++;
	return f->cancel_at && f->ticks >= f->cancel_at
	               ? corral_error_set(err, ECANCELED, "canceled")
	               : 0;
}

static int get(struct fixture *f, const char *path)
{
	char url[128];
	struct corral_registry_request q = {
		.url = url, .secret_header = SECRET, .body_max = 4096, .tick = tick, .ctx = f
	};

	(void)snprintf(url, sizeof(url), "http://%s%s", f->web.at, path);
	corral_registry_answer_done(&f->a);
	memset(&f->err, 0, sizeof(f->err));
	return corral_registry_http_do(f->h, &q, &f->a, &f->err);
}

static void assert_says(const struct fixture *f, const char *part)
{
	if (!strstr(f->err.text, part))
		fail_msg("'%s' does not say '%s'", f->err.text, part);
}

static void answer_is_told_with_what_counts(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, "/plain"), 0);
	assert_int_equal(f->a.status, 200);
	assert_string_equal(f->a.body.data, "hello");
	assert_string_equal(f->a.content_type, "text/plain");
	assert_int_equal(f->a.length, 5);
	assert_true(web_header_is(web_nth(&f->web, "GET /plain", 0), "Authorization",
	                          "Basic czNjcmV0"));
	assert_true(
	        web_header_is(web_nth(&f->web, "GET /plain", 0), "Accept-Encoding", "identity"));
	assert_int_equal(get(f, "/none"), 0);
	assert_int_equal(f->a.status, 404);
	assert_string_equal(f->a.body.data, "no");
	assert_int_equal(get(f, "/busy"), 0);
	assert_int_equal(f->a.retry_after_s, 7);
	assert_int_equal(get(f, "/wanted"), 0);
	assert_string_equal(f->a.wanted.data, "Basic realm=\"a\", Bearer realm=\"b\"");
}

static void secret_stays_with_whom_it_is_for(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, "/near"), 0);
	assert_string_equal(f->a.body.data, "hello");
	assert_non_null(web_header(web_nth(&f->web, "GET /plain", 0), "Authorization"));
	assert_int_equal(get(f, "/away"), 0);
	assert_string_equal(f->a.body.data, "hello");
	assert_int_equal(web_count(&f->other, "GET /plain"), 1);
	assert_null(web_header(web_nth(&f->other, "GET /plain", 0), "Authorization"));
}

static void redirects_are_bounded(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, "/loop"), -ELOOP);
	assert_int_equal(web_count(&f->web, "GET /loop"), CORRAL_REGISTRY_REDIRECTS_MAX + 1);
	assert_int_equal(get(f, "/back"), 0);
	assert_string_equal(f->a.body.data, "hello");
}

static void redirects_go_where_they_may(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, "/file"), -EINVAL);
	assert_says(f, "it sends us elsewhere: ");
	assert_int_equal(get(f, "/ftp"), -EINVAL);
	assert_int_equal(get(f, "/joe"), -EINVAL);
	assert_says(f, "a user's name");
	assert_int_equal(get(f, "/http"), -EPERM);
	assert_says(f, "registry.invalid by http");
	assert_int_equal(get(f, "/nowhere"), -EPROTO);
}

static void form_is_sent_to_nobody_else(void **state)
{
	struct fixture *f = *state;
	char url[128];
	struct corral_registry_request q = { .url = url, .form = "a=b", .body_max = 100 };

	(void)snprintf(url, sizeof(url), "http://%s/plain", f->web.at);
	assert_int_equal(corral_registry_http_do(f->h, &q, &f->a, &f->err), 0);
	assert_string_equal(web_nth(&f->web, "POST /plain", 0)->body.data, "a=b");
	corral_registry_answer_done(&f->a);
	(void)snprintf(url, sizeof(url), "http://%s/loop", f->web.at);
	assert_int_equal(corral_registry_http_do(f->h, &q, &f->a, &f->err), -EPERM);
	assert_int_equal(web_count(&f->web, "POST /loop"), 1);
}

/* Within the time of a stall, and not much later. */
static void stalls(struct fixture *f, const char *path)
{
	uint64_t begin = corral_now_ms();

	assert_int_equal(get(f, path), -ETIMEDOUT);
	assert_true(f->a.is_broken);
	assert_true(corral_now_ms() - begin >= 300);
	assert_true(corral_now_ms() - begin < 8000);
}

static void who_never_answers_or_drips_is_left(void **state)
{
	struct fixture *f = *state;
	struct corral_registry_http_options o = { .stall_ms = 300 };
	struct corral_registry_http *h = f->h;

	assert_int_equal(corral_registry_http_new(&o, &f->h, NULL), 0);
	stalls(f, "/hang");
	assert_says(f, "there was no answer in 300 ms");
	stalls(f, "/drip");
	assert_says(f, "nothing more came in 300 ms");
	stalls(f, "/head-drip");
	corral_registry_http_free(h);
}

/* Enough for no stall, and too little for anybody who waits; to begin anew would be of no use. */
static void who_drips_for_long_is_left(void **state)
{
	struct fixture *f = *state;
	struct corral_registry_http_options o = { .stall_ms = 60000, .slow_ms = 500 };
	struct corral_registry_http *h = f->h;
	uint64_t begin = corral_now_ms();

	assert_int_equal(corral_registry_http_new(&o, &f->h, NULL), 0);
	assert_int_equal(get(f, "/drip"), -ETIMEDOUT);
	assert_says(f, "it sends less than 1024 bytes a second, for 500 ms");
	assert_false(f->a.is_broken);
	assert_true(corral_now_ms() - begin < 8000);
	/* What is quick enough is not touched by it. */
	assert_int_equal(get(f, "/plain"), 0);
	corral_registry_http_free(h);
}

static void heads_that_are_none_are_no_answer(void **state)
{
	struct fixture *f = *state;
	struct corral_registry_http_options o = { .stall_ms = 300 };
	struct corral_registry_http *h = f->h;

	assert_int_equal(corral_registry_http_new(&o, &f->h, NULL), 0);
	stalls(f, "/continues");
	corral_registry_http_free(h);
}

/* What servers of HTTP say to whoever speaks TLS to them. */
static void *bad_request(void *ctx)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
	corral_autofd int fd = accept4(*(int *)ctx, NULL, NULL, SOCK_CLOEXEC);
	char some[4096];

	if (fd >= 0 && recv(fd, some, sizeof(some), 0) > 0)
		(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
	return NULL;
}

static void plain_http_is_said_in_so_many_words(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in at = { .sin_family = AF_INET };
	corral_autofd int listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);
	char url[64], wanted[256];
	const struct corral_registry_request q = { .url = url, .body_max = 100 };
	pthread_t thread;
	unsigned int port;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listen_fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listen_fd, 1), 0);
	assert_int_equal(getsockname(listen_fd, (struct sockaddr *)&at, &len), 0);
	port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&thread, NULL, bad_request, &listen_fd), 0);
	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", port);
	assert_int_equal(corral_registry_http_do(f->h, &q, &f->a, &f->err), -EPROTO);
	(void)pthread_join(thread, NULL);
	(void)snprintf(wanted, sizeof(wanted),
	               "127.0.0.1:%u does not speak TLS; if it speaks plain HTTP: corral image "
	               "pull --insecure 127.0.0.1:%u NAME, or \"insecure\" in registries.json",
	               port, port);
	assert_says(f, wanted);
}

static void waiting_can_be_cancelled(void **state)
{
	struct fixture *f = *state;
	uint64_t begin = corral_now_ms();

	f->cancel_at = 2;
	assert_int_equal(get(f, "/hang"), -ECANCELED);
	assert_true(corral_now_ms() - begin < 5000);
}

static void floods_are_bounded(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, "/head"), -EPROTO);
	assert_int_equal(get(f, "/long"), -EMSGSIZE);
	assert_says(f, "longer than 4096 bytes");
	assert_int_equal(get(f, "/refuse-long"), -EMSGSIZE);
	assert_true(f->a.body.len <= CORRAL_REGISTRY_REFUSAL_MAX);
}

static void broken_ones_might_go_well_another_time(void **state)
{
	struct fixture *f = *state;
	char closed[32];
	struct web gone;

	assert_int_equal(get(f, "/short"), -ECONNRESET);
	assert_true(f->a.is_broken);
	assert_int_equal(get(f, "/nothing"), -ECONNRESET);
	assert_true(f->a.is_broken);
	assert_int_equal(get(f, "/garbage"), -EPROTO);
	assert_false(f->a.is_broken);
	web_start(&gone, "127.0.0.1", answer, f);
	memcpy(closed, gone.at, sizeof(closed));
	web_stop(&gone);
	(void)snprintf(f->web.at, sizeof(f->web.at), "%s", closed);
	assert_int_equal(get(f, "/plain"), -ECONNREFUSED);
	assert_says(f, "nobody answers at 127.0.0.1:");
}

/* The environment's proxies do not count; the one that is given does, but not for loopback. */
static void proxies_are_those_that_are_given(void **state)
{
	struct fixture *f = *state;
	char proxy[64];
	const struct corral_registry_http_options quick = { .stall_ms = 1000 };
	const struct corral_registry_http_options o = { .proxy = proxy,
		                                        .no_proxy = "direct.invalid",
		                                        .stall_ms = 1000 };
	struct corral_registry_http *h = NULL;
	struct corral_registry_request q = { .url = "http://registry.invalid/plain",
		                             .body_max = 100 };

	(void)snprintf(proxy, sizeof(proxy), "http://%s", f->other.at);
	(void)setenv("http_proxy", proxy, 1);
	(void)setenv("all_proxy", proxy, 1);
	assert_int_equal(corral_registry_http_new(&quick, &h, NULL), 0);
	assert_int_equal(get(f, "/plain"), 0);
	assert_int_equal(web_count(&f->web, "GET /plain"), 1);
	corral_registry_answer_done(&f->a);
	/* A name that nobody has, if there is anybody to ask for it. */
	assert_true(corral_registry_http_do(h, &q, &f->a, &f->err) < 0);
	corral_registry_answer_done(&f->a);
	corral_registry_http_free(h);
	assert_int_equal(web_count(&f->other, "GET "), 0);
	(void)unsetenv("http_proxy");
	(void)unsetenv("all_proxy");
	assert_int_equal(corral_registry_http_new(&o, &h, NULL), 0);
	assert_int_equal(corral_registry_http_do(h, &q, &f->a, &f->err), 0);
	assert_int_equal(web_count(&f->other, "GET http://registry.invalid/plain"), 1);
	corral_registry_answer_done(&f->a);
	q.url = "http://direct.invalid/plain";
	assert_true(corral_registry_http_do(h, &q, &f->a, &f->err) < 0);
	assert_int_equal(web_count(&f->other, "GET http://direct.invalid/"), 0);
	corral_registry_http_free(h);
}

static void proxy_that_is_down_is_named(void **state)
{
	struct fixture *f = *state;
	const struct corral_registry_http_options o = { .proxy = "http://me:secret@127.0.0.1:1/",
		                                        .no_proxy = "",
		                                        .stall_ms = 1000 };
	struct corral_registry_http *h = NULL;
	const struct corral_registry_request q = { .url = "http://registry.invalid/plain",
		                                   .body_max = 100 };

	assert_int_equal(corral_registry_http_new(&o, &h, NULL), 0);
	assert_int_equal(corral_registry_http_do(h, &q, &f->a, &f->err), -ECONNREFUSED);
	assert_says(f, "the proxy 127.0.0.1:1 does not answer");
	corral_registry_http_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answer_is_told_with_what_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(secret_stays_with_whom_it_is_for, setup, teardown),
		cmocka_unit_test_setup_teardown(redirects_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(redirects_go_where_they_may, setup, teardown),
		cmocka_unit_test_setup_teardown(form_is_sent_to_nobody_else, setup, teardown),
		cmocka_unit_test_setup_teardown(who_never_answers_or_drips_is_left, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(who_drips_for_long_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(heads_that_are_none_are_no_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(plain_http_is_said_in_so_many_words, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(waiting_can_be_cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(floods_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(broken_ones_might_go_well_another_time, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(proxies_are_those_that_are_given, setup, teardown),
		cmocka_unit_test_setup_teardown(proxy_that_is_down_is_named, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
