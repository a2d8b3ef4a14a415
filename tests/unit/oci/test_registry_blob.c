/* kernel/image/oci/registry_blob.h and registry_client.h: blobs come whole, from servers that break
 * off, count wrongly, lie, are busy, and want to know who asks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/clock.h"
#include "kernel/image/oci/digest.h"
#include "kernel/image/oci/registry_blob.h"
#include "kernel/image/store_state.h"
#include "tests/unit/oci/web.h"

#define SIZE  1000000
#define DRIPS 400

struct fixture {
	char dir[64];
	struct web web, tokens;
	struct corral_image_store *store;
	struct corral_registry_client client;
	struct corral_registry_http *http;
	struct corral_descriptor descriptor;
	char digest[CORRAL_DIGEST_SIZE];
	char *bytes;
	struct corral_error err;
	/* How it behaves. */
	size_t break_after; /* bytes of each answer, then it closes */
	unsigned int n_bad; /* the first so many answers are `bad` */
	const char *bad;    /* a head and body, said as it is; then it closes */
	bool ignores_ranges, lies;
	size_t more;        /* bytes behind the last one */
	const char *wanted; /* WWW-Authenticate; then Authorization must be `pass` */
	const char *pass;
	unsigned int pass_uses; /* of one token, then it is worth nothing; 0: no matter */
	unsigned int n_tokens, n_used;
	const char *token_answer;
	const char *token_pass;        /* Authorization of who gets tokens; NULL: anybody */
	bool drips;                    /* once: a little, and then a byte now and then */
	_Atomic unsigned int n_others; /* how often a pull told of another's */
	uint64_t cancel_at;
	bool always_cancel;
};

/* The text with its one "@" replaced. */
static void fill(char *to, size_t size, const char *text, const char *with)
{
	size_t n = strcspn(text, "@");

	(void)snprintf(to, size, "%.*s%s%s", (int)n, text, text[n] ? with : "",
	               text[n] ? text + n + 1 : "");
}

static const char *range_of(const struct web_request *q)
{
	const char *range = web_header(q, "Range");

	return range ? range + strlen("bytes=") : NULL;
}

static bool blob_answer(struct fixture *f, int fd, const struct web_request *q)
{
	const char *range = f->ignores_ranges ? NULL : range_of(q);
	size_t from = range ? strtoul(range, NULL, 10) : 0, n = SIZE - from;
	bool breaks = f->break_after && f->break_after < n;

	(void)web_say(fd, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n", range ? 206 : 200,
	              n + f->more);
	if (range)
		(void)web_say(fd, "Content-Range: bytes %zu-%d/%d\r\n", from, SIZE - 1, SIZE);
	(void)web_say(fd, "\r\n");
	if (f->drips) {
		f->drips = false;
		for (size_t i = 0; i < DRIPS && web_say_len(fd, f->bytes + from + i, 1); i++)
			(void)usleep(50000);
		return false;
	}
	if (f->lies)
		(void)web_say_len(fd, f->bytes + 1, n - 1);
	else
		(void)web_say_len(fd, f->bytes + from, breaks ? f->break_after : n);
	if (f->lies || f->more)
		(void)web_say_len(fd, f->bytes, f->lies ? 1 : f->more);
	return !breaks;
}

static bool answer(struct web *w, int fd, const struct web_request *q, void *ctx)
{
	struct fixture *f = ctx;
	char pass[64] = "", number[16], wanted[200], head[256];

	(void)w;
	(void)snprintf(number, sizeof(number), "%u", f->n_tokens);
	fill(pass, sizeof(pass), f->pass ? f->pass : "", number);
	if (f->wanted && (!web_header_is(q, "Authorization", pass) ||
	                  (f->pass_uses && f->n_used == f->pass_uses))) {
		f->n_used = 0;
		fill(wanted, sizeof(wanted), f->wanted, f->tokens.at);
		(void)snprintf(head, sizeof(head), "WWW-Authenticate: %s\r\n", wanted);
		return web_reply_text(fd, 401, head,
		                      "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":"
		                      "\"who\\u001b[31m are you\"}]}");
	}
	f->n_used++;
	if (!web_is(q, "GET /v2/a/b/blobs/sha256:"))
		return web_reply_text(fd, 404, "", "{\"errors\":[{\"message\":\"blob unknown\"}]}");
	if (f->n_bad) {
		f->n_bad--;
		(void)web_say(fd, "%s", f->bad);
		return false;
	}
	return blob_answer(f, fd, q);
}

static bool token_answer(struct web *w, int fd, const struct web_request *q, void *ctx)
{
	struct fixture *f = ctx;
	char token[64];

	(void)w;
	if (f->token_pass && !web_header_is(q, "Authorization", f->token_pass))
		return web_reply_text(fd, 401, "", "{\"details\":\"incorrect password\"}");
	f->n_tokens++;
	(void)snprintf(token, sizeof(token), "{\"token\":\"t%u\",\"expires_in\":300}", f->n_tokens);
	return web_reply_text(fd, 200, "Content-Type: application/json\r\n",
	                      f->token_answer ? f->token_answer : token);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[128];

	assert_non_null(f);
	*state = f;
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/corral-blob.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(path, sizeof(path), "%s/store", f->dir);
	assert_int_equal(corral_image_store_open(path, true, &f->store, &f->err), 0);
	f->store->unsynced = true;
	web_start(&f->web, "127.0.0.1", answer, f);
	web_start(&f->tokens, "127.0.0.2", token_answer, f);
	f->bytes = malloc(SIZE);
	assert_non_null(f->bytes);
	for (size_t i = 0; i < SIZE; i++)
		f->bytes[i] = (char)(i * 2654435761u >> 13);
	corral_digest_of(f->bytes, SIZE, f->digest);
	f->descriptor.digest = f->digest;
	f->descriptor.size = SIZE;
	f->client.http.stall_ms = 5000;
	f->client.config_dir = f->dir;
	f->client.path = "a/b";
	f->client.retry_ms = 10;
	assert_int_equal(corral_registry_servers_list(f->web.at, NULL, NULL, &f->client.servers,
	                                              &f->err),
	                 0);
	assert_int_equal(corral_registry_client_init(&f->client, &f->err), 0);
	/* Its first server is by https, which is not spoken there. */
	assert_int_equal(corral_registry_http_new(&f->client.http, &f->http, &f->err), 0);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	const char *const argv[] = { "rm", "-rf", f->dir, NULL };
	pid_t pid = fork();

	if (pid == 0) {
		(void)execvp("rm", (char **)(uintptr_t)argv);
		_exit(1);
	}
	corral_registry_http_free(f->http);
	corral_registry_client_done(&f->client);
	corral_image_store_close(f->store);
	web_stop(&f->web);
	web_stop(&f->tokens);
	free(f->bytes);
	free(f);
	(void)waitpid(pid, NULL, 0);
	return 0;
}

static int tell(void *ctx, uint64_t current, struct corral_error *err)
{
	const struct fixture *f = ctx;

	return f->always_cancel || (f->cancel_at && current >= f->cancel_at)
	               ? corral_error_set(err, ECANCELED, "canceled")
	               : 0;
}

static int pull(struct fixture *f)
{
	const struct corral_registry_blob_wanted wanted = {
		.descriptor = &f->descriptor, .server = 0, .tell = tell, .ctx = f
	};

	memset(&f->err, 0, sizeof(f->err));
	return corral_registry_blob_pull(&f->client, f->http, f->store, &wanted, &f->err);
}

static void comes(struct fixture *f)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	corral_autofd int fd = -1;

	if (pull(f) < 0)
		fail_msg("%s", f->err.text);
	assert_int_equal(corral_image_blob_open(f->store, f->digest, &fd, NULL), 0);
	assert_int_equal(corral_buf_read_fd(&b, fd, SIZE + 1), 0);
	assert_int_equal(b.len, SIZE);
	assert_memory_equal(b.data, f->bytes, SIZE);
}

static void fails(struct fixture *f, int code, const char *says)
{
	int r = pull(f), fd = -1;

	if (r != code || !strstr(f->err.text, says))
		fail_msg("%d: '%s' does not say '%s'", r, f->err.text, says);
	assert_null(strstr(f->err.text, "s3cret"));
	assert_int_equal(corral_image_blob_open(f->store, f->digest, &fd, NULL), -ENOENT);
}

/* What a pull that was killed has left. */
static void leave(struct fixture *f, const char *bytes, size_t n)
{
	struct corral_image_blob *b = NULL;
	uint64_t size = 0;

	assert_int_equal(corral_image_blob_begin(f->store, f->digest, NULL, &b, &size, NULL), 0);
	assert_int_equal(pwrite(corral_image_blob_fd(b), bytes, n, 0), n);
	corral_image_blob_abandon(b, true);
}

static unsigned int n_asked(struct fixture *f)
{
	return web_count(&f->web, "GET /v2/a/b/blobs/");
}

static void asked_from(struct fixture *f, unsigned int nth, const char *range)
{
	const struct web_request *q = web_nth(&f->web, "GET /v2/a/b/blobs/", nth);

	assert_non_null(q);
	if (!range)
		assert_null(web_header(q, "Range"));
	else
		assert_true(web_header_is(q, "Range", range));
}

static void blob_comes_whole_and_once(void **state)
{
	struct fixture *f = *state;

	comes(f);
	assert_int_equal(n_asked(f), 1);
	asked_from(f, 0, NULL);
	comes(f);
	assert_int_equal(n_asked(f), 1);
}

static void broken_transfer_is_gone_on_with(void **state)
{
	struct fixture *f = *state;

	f->break_after = 400000;
	comes(f);
	assert_int_equal(n_asked(f), 3);
	asked_from(f, 1, "bytes=400000-");
	asked_from(f, 2, "bytes=800000-");
}

static void killed_pull_is_gone_on_with(void **state)
{
	struct fixture *f = *state;

	leave(f, f->bytes, 123456);
	comes(f);
	assert_int_equal(n_asked(f), 1);
	asked_from(f, 0, "bytes=123456-");
}

static void what_is_whole_already_is_not_asked_for(void **state)
{
	struct fixture *f = *state;

	leave(f, f->bytes, SIZE);
	comes(f);
	assert_int_equal(n_asked(f), 0);
}

static void server_without_ranges_begins_at_the_beginning(void **state)
{
	struct fixture *f = *state;

	f->ignores_ranges = true;
	leave(f, f->bytes, 123456);
	comes(f);
	assert_int_equal(n_asked(f), 1);
}

static void left_rubbish_is_begun_anew(void **state)
{
	struct fixture *f = *state;

	leave(f, f->bytes + 1, 5000);
	comes(f);
	assert_int_equal(n_asked(f), 2);
	asked_from(f, 1, NULL);
}

static void too_much_that_was_left_is_begun_anew(void **state)
{
	struct fixture *f = *state;
	char *more = calloc(1, SIZE + 1);

	assert_non_null(more);
	leave(f, more, SIZE + 1);
	free(more);
	comes(f);
	asked_from(f, 0, NULL);
}

static void other_bytes_are_refused_after_one_more_try(void **state)
{
	struct fixture *f = *state;
	struct corral_image_blob *b = NULL;
	uint64_t size = 7;

	f->lies = true;
	fails(f, -EBADMSG, "what came for blob sha256:");
	assert_int_equal(n_asked(f), 2);
	asked_from(f, 1, NULL);
	/* And nothing is left of it. */
	assert_int_equal(corral_image_blob_begin(f->store, f->digest, NULL, &b, &size, NULL), 0);
	assert_int_equal(size, 0);
	corral_image_blob_abandon(b, false);
}

static void more_or_less_than_the_manifest_says_is_refused(void **state)
{
	struct fixture *f = *state;

	f->more = 1;
	fails(f, -EBADMSG, "it has 1000001 bytes, and its manifest says 1000000");
	f->more = 0;
	f->n_bad = 2;
	f->bad = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
	fails(f, -EBADMSG, "it has 3 bytes");
	f->descriptor.size = 2;
	f->n_bad = 2;
	f->bad = "HTTP/1.1 200 OK\r\n\r\nabc";
	fails(f, -EBADMSG, "more than the 2 bytes");
}

static void blob_that_always_ends_early_is_given_up(void **state)
{
	struct fixture *f = *state;

	f->bad = "HTTP/1.1 200 OK\r\n\r\nabc";
	f->n_bad = 1000;
	f->ignores_ranges = true;
	fails(f, -ECONNRESET, "ends after 3 of 1000000 bytes");
	assert_int_equal(n_asked(f), CORRAL_REGISTRY_ATTEMPTS_MAX);
}

static void other_part_than_asked_for_is_not_taken(void **state)
{
	struct fixture *f = *state;

	leave(f, f->bytes, 100);
	f->n_bad = 1;
	f->bad = "HTTP/1.1 206 X\r\nContent-Length: 3\r\n"
	         "Content-Range: bytes 0-2/1000000\r\n\r\nabc";
	comes(f);
	assert_int_equal(n_asked(f), 2);
	asked_from(f, 1, NULL);
}

static void part_that_was_not_asked_for_is_refused(void **state)
{
	struct fixture *f = *state;

	f->n_bad = 2;
	f->bad = "HTTP/1.1 206 X\r\nContent-Length: 3\r\n"
	         "Content-Range: bytes 0-2/1000000\r\n\r\nabc";
	fails(f, -EBADMSG, "another part than asked for");
}

static void unsatisfiable_range_is_begun_anew(void **state)
{
	struct fixture *f = *state;

	leave(f, f->bytes, 100);
	f->n_bad = 1;
	f->bad = "HTTP/1.1 416 X\r\nContent-Length: 0\r\n\r\n";
	comes(f);
	assert_int_equal(n_asked(f), 2);
	asked_from(f, 1, NULL);
}

static void busy_server_is_asked_again_when_it_says(void **state)
{
	struct fixture *f = *state;
	uint64_t begin = corral_now_ms();

	f->n_bad = 1;
	f->bad = "HTTP/1.1 429 X\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
	/* The first answer of all is a 429, too. */
	comes(f);
	assert_int_equal(n_asked(f), 2);
	assert_true(corral_now_ms() - begin >= 1000);
}

static void broken_server_is_asked_some_times(void **state)
{
	struct fixture *f = *state;

	f->n_bad = 3;
	f->bad = "HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n";
	comes(f);
	assert_int_equal(n_asked(f), 4);
}

static void broken_server_is_not_asked_for_ever(void **state)
{
	struct fixture *f = *state;

	f->n_bad = 1000;
	f->bad = "HTTP/1.1 503 X\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nbe\x07"
	         "back";
	fails(f, -EREMOTEIO, "503 (be?back)");
	assert_int_equal(n_asked(f), CORRAL_REGISTRY_ATTEMPTS_MAX);
}

static void missing_blob_is_said(void **state)
{
	struct fixture *f = *state;

	f->client.path = "a/c";
	fails(f, -ENOENT, "registry 127.0.0.1:");
	assert_non_null(strstr(f->err.text, ": blob of a/c@sha256:"));
	assert_non_null(strstr(f->err.text, "404 (blob unknown)"));
	assert_int_equal(web_count(&f->web, "GET "), 1);
}

static void cancelled_pull_leaves_what_came(void **state)
{
	struct fixture *f = *state;
	const struct web_request *q;

	f->break_after = 300000;
	f->cancel_at = 300000;
	fails(f, -ECANCELED, "canceled");
	f->cancel_at = 0;
	f->break_after = 0;
	comes(f);
	q = web_nth(&f->web, "GET /v2/", n_asked(f) - 1);
	assert_true(range_of(q) && strtoul(range_of(q), NULL, 10) >= 256u << 10);
}

/* Another has it in the making, and its registry takes its time: that is no reason to wait for
 * ever.
 */
static void waiting_for_another_pull_can_be_cancelled(void **state)
{
	struct fixture *f = *state;
	struct corral_image_blob *b = NULL;
	uint64_t size = 0, began = corral_now_ms();
	int fd = -1;

	assert_int_equal(corral_image_blob_begin(f->store, f->digest, NULL, &b, &size, NULL), 0);
	f->always_cancel = true;
	assert_int_equal(pull(f), -ECANCELED);
	assert_true(corral_now_ms() - began < 8000);
	assert_int_equal(corral_image_blob_open(f->store, f->digest, &fd, NULL), -ENOENT);
	corral_image_blob_abandon(b, false);
	f->always_cancel = false;
	comes(f);
}

static int tell_others(void *ctx, uint64_t current, struct corral_error *err)
{
	struct fixture *f = ctx;

	(void)current;
	(void)err;
	f->n_others++;
	return 0;
}

struct slow {
	struct fixture *f;
	int result;
};

static void *slow_pull(void *ctx)
{
	struct slow *s = ctx;
	const struct corral_registry_blob_wanted wanted = { .descriptor = &s->f->descriptor };
	corral_auto(corral_registry_http_freep) struct corral_registry_http *h = NULL;

	s->result = corral_registry_http_new(&s->f->client.http, &h, NULL);
	if (s->result == 0)
		s->result = corral_registry_blob_pull(&s->f->client, h, s->f->store, &wanted, NULL);
	return NULL;
}

/* Not by others, and not for itself when they have it. */
static void nobody_waits_for_one_that_drips(void **state)
{
	struct fixture *f = *state;
	struct slow slow = { .f = f, .result = 1 };
	const struct corral_registry_blob_wanted wanted = { .descriptor = &f->descriptor,
		                                            .tell_others = tell_others,
		                                            .ctx = f };
	uint64_t began = corral_now_ms();
	pthread_t thread;

	f->store->stall_ms = 500;
	f->drips = true;
	assert_int_equal(pthread_create(&thread, NULL, slow_pull, &slow), 0);
	while (n_asked(f) < 1 && corral_now_ms() - began < 10000)
		(void)usleep(10000);
	if (corral_registry_blob_pull(&f->client, f->http, f->store, &wanted, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_true(f->n_others > 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(slow.result, 0);
	assert_true(corral_now_ms() - began < 15000);
	assert_int_equal(n_asked(f), 2);
	comes(f);
}

/* ---- who asks ---- */

static void config(struct fixture *f, const char *pattern)
{
	char path[128], text[512];
	corral_autofd int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/config.json", f->dir);
	fill(text, sizeof(text), pattern, f->web.at);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

#define JOE    "{\"auths\":{\"@\":{\"auth\":\"am9lOnMzY3JldA==\"}}}" /* joe:s3cret */
#define BEARER "Bearer realm=\"http://@/token?x=1\",service=\"a b\",scope=\"repository:evil:push\""

static void password_is_told_to_who_asks_for_it(void **state)
{
	struct fixture *f = *state;

	config(f, JOE);
	f->wanted = "Basic realm=\"@\"";
	f->pass = "Basic am9lOnMzY3JldA==";
	f->break_after = 400000;
	comes(f);
	/* Once without, and from then on with it. */
	assert_int_equal(n_asked(f), 4);
	assert_null(web_header(web_nth(&f->web, "GET ", 0), "Authorization"));
}

static void wrong_or_no_password_is_said(void **state)
{
	struct fixture *f = *state;

	f->wanted = "Basic realm=\"@\"";
	f->pass = "Basic eDp5";
	fails(f, -EACCES, "401 (who?[31m are you), asked with no credentials for '127.0.0.1:");
	assert_non_null(strstr(f->err.text, "; try: docker login 127.0.0.1:"));
	assert_int_equal(n_asked(f), 1);
	assert_int_equal(teardown(state), 0);
	assert_int_equal(setup(state), 0);
	f = *state;
	config(f, JOE);
	f->wanted = "Basic realm=\"@\"";
	f->pass = "Basic eDp5";
	fails(f, -EACCES, "asked with credentials of '/tmp/");
	assert_int_equal(n_asked(f), 2);
}

static void token_is_fetched_and_used(void **state)
{
	struct fixture *f = *state;
	const struct web_request *q;

	config(f, JOE);
	f->wanted = BEARER;
	f->pass = "Bearer t@";
	f->token_pass = "Basic am9lOnMzY3JldA==";
	f->break_after = 400000;
	comes(f);
	assert_int_equal(n_asked(f), 4);
	assert_int_equal(web_count(&f->tokens, "GET "), 1);
	q = web_nth(&f->tokens, "GET ", 0);
	/* For what is ours to ask, whatever the server would like. */
	assert_true(web_is(q, "GET /token?x=1&service=a%20b&scope=repository%3Aa%2Fb%3Apull HTTP"));
	/* The password is for the token's server alone. */
	for (unsigned int i = 0; i < 4; i++)
		assert_false(web_header_is(web_nth(&f->web, "GET ", i), "Authorization",
		                           "Basic am9lOnMzY3JldA=="));
}

static void anybody_gets_a_token_where_anybody_may(void **state)
{
	struct fixture *f = *state;

	f->wanted = BEARER;
	f->pass = "Bearer t@";
	comes(f);
	assert_null(web_header(web_nth(&f->tokens, "GET ", 0), "Authorization"));
}

static void token_that_grows_old_is_renewed_in_the_middle(void **state)
{
	struct fixture *f = *state;

	f->wanted = BEARER;
	f->pass = "Bearer t@";
	f->pass_uses = 2;
	f->break_after = 200000;
	comes(f);
	assert_int_equal(f->n_tokens, 3);
	asked_from(f, 3, "bytes=400000-");
	asked_from(f, 4, "bytes=400000-");
}

static void token_server_that_refuses_is_said(void **state)
{
	struct fixture *f = *state;

	config(f, JOE);
	f->wanted = BEARER;
	f->pass = "Bearer t@";
	f->token_pass = "Basic eDp5";
	fails(f, -EACCES, "token server 127.0.0.2: no token: 401 (incorrect password)");
	assert_non_null(strstr(f->err.text, "try: docker login 127.0.0.1:"));
	assert_int_equal(web_count(&f->tokens, "GET "), 1);
}

static void token_that_helps_nothing_is_fetched_once(void **state)
{
	struct fixture *f = *state;

	f->wanted = BEARER;
	f->pass = "never";
	fails(f, -EACCES, "401 (who");
	assert_int_equal(web_count(&f->tokens, "GET "), 1);
	assert_int_equal(n_asked(f), 2);
}

static void token_that_is_none_is_refused(void **state)
{
	struct fixture *f = *state;

	f->wanted = BEARER;
	f->pass = "Bearer t@";
	f->token_answer = "{\"token\":\"a\\r\\nX: y\"}";
	fails(f, -EPROTO, "token server 127.0.0.2: its answer holds no token");
}

static void identity_token_goes_by_post(void **state)
{
	struct fixture *f = *state;
	const struct web_request *q;

	config(f, "{\"auths\":{\"@\":{\"auth\":\"am9lOnMzY3JldA==\",\"identitytoken\":\"i d\"}}}");
	f->wanted = BEARER;
	f->pass = "Bearer t@";
	comes(f);
	q = web_nth(&f->tokens, "POST /token?x=1 HTTP", 0);
	assert_non_null(q);
	assert_string_equal(q->body.data, "grant_type=refresh_token&client_id=corral&service=a%20b&"
	                                  "scope=repository%3Aa%2Fb%3Apull&refresh_token=i%20d");
	assert_null(web_header(q, "Authorization"));
}

static void tokens_come_from_where_they_may(void **state)
{
	struct fixture *f = *state;

	config(f, JOE);
	f->pass = "never";
	f->wanted = "Bearer realm=\"http://registry.invalid/@\"";
	fails(f, -EPERM, "the place for tokens: it sends us to registry.invalid by http");
	f->wanted = "Bearer realm=\"file:///etc/@\"";
	fails(f, -EINVAL, "the place for tokens");
	f->wanted = "Digest realm=\"@\"";
	fails(f, -EPROTO, "of a kind that is not known");
}

/* ---- mirrors ---- */

static void servers_set(struct fixture *f, const char *mirror)
{
	const char *const mirrors[] = { mirror, NULL };

	corral_registry_client_done(&f->client);
	f->client = (struct corral_registry_client) {
		.http.stall_ms = 5000, .config_dir = f->dir, .path = "a/b", .retry_ms = 10
	};
	assert_int_equal(corral_registry_servers_list(f->web.at, mirrors, NULL, &f->client.servers,
	                                              &f->err),
	                 0);
	assert_int_equal(corral_registry_client_init(&f->client, &f->err), 0);
}

static bool mirror_answer(struct web *w, int fd, const struct web_request *q, void *ctx)
{
	struct fixture *f = ctx;

	(void)w;
	if (web_is(q, "GET /v2/team/a/b/blobs/"))
		return blob_answer(f, fd, q);
	return web_reply_text(fd, 404, "", "");
}

static void mirror_is_asked_first_and_may_fail(void **state)
{
	struct fixture *f = *state;
	char text[128];
	struct web mirror;

	web_start(&mirror, "127.0.0.3", mirror_answer, f);
	/* Not there: the registry itself has it. */
	(void)snprintf(text, sizeof(text), "%s=http://%s/other", f->web.at, mirror.at);
	servers_set(f, text);
	comes(f);
	assert_int_equal(web_count(&mirror, "GET /v2/other/a/b/blobs/"), 1);
	assert_int_equal(n_asked(f), 1);
	web_stop(&mirror);
}

static void mirror_serves_beneath_its_prefix(void **state)
{
	struct fixture *f = *state;
	char text[128];
	struct web mirror;

	web_start(&mirror, "127.0.0.3", mirror_answer, f);
	(void)snprintf(text, sizeof(text), "%s=%s/team", f->web.at, mirror.at);
	servers_set(f, text);
	comes(f);
	assert_int_equal(web_count(&mirror, "GET /v2/team/a/b/blobs/"), 1);
	assert_int_equal(n_asked(f), 0);
	web_stop(&mirror);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(blob_comes_whole_and_once),
		TEST(broken_transfer_is_gone_on_with),
		TEST(waiting_for_another_pull_can_be_cancelled),
		TEST(nobody_waits_for_one_that_drips),
		TEST(killed_pull_is_gone_on_with),
		TEST(what_is_whole_already_is_not_asked_for),
		TEST(server_without_ranges_begins_at_the_beginning),
		TEST(left_rubbish_is_begun_anew),
		TEST(too_much_that_was_left_is_begun_anew),
		TEST(other_bytes_are_refused_after_one_more_try),
		TEST(more_or_less_than_the_manifest_says_is_refused),
		TEST(blob_that_always_ends_early_is_given_up),
		TEST(other_part_than_asked_for_is_not_taken),
		TEST(part_that_was_not_asked_for_is_refused),
		TEST(unsatisfiable_range_is_begun_anew),
		TEST(busy_server_is_asked_again_when_it_says),
		TEST(broken_server_is_asked_some_times),
		TEST(broken_server_is_not_asked_for_ever),
		TEST(missing_blob_is_said),
		TEST(cancelled_pull_leaves_what_came),
		TEST(password_is_told_to_who_asks_for_it),
		TEST(wrong_or_no_password_is_said),
		TEST(token_is_fetched_and_used),
		TEST(anybody_gets_a_token_where_anybody_may),
		TEST(token_that_grows_old_is_renewed_in_the_middle),
		TEST(token_server_that_refuses_is_said),
		TEST(token_that_helps_nothing_is_fetched_once),
		TEST(token_that_is_none_is_refused),
		TEST(identity_token_goes_by_post),
		TEST(tokens_come_from_where_they_may),
		TEST(mirror_is_asked_first_and_may_fail),
		TEST(mirror_serves_beneath_its_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
