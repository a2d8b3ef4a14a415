/*
 * kernel/files/client.c with server.c: over the real server as a child process, over one inside
 * this process (where sanitizers see it), and over servers that lie.
 */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/unit/files/files_support.h"

#include "kernel/files/client.h"
#include "kernel/files/server.h"

struct served {
	struct tree *tree;
	struct corral_files_client *client;
	int sock; /* of the lying server, -1 */
	pid_t pid;
	pthread_t thread;
	bool threaded;
	int result;
	struct corral_error err;
};

static struct served *served_new(int socks[2])
{
	struct served *s = calloc(1, sizeof(*s));
	void *tree;

	assert_int_equal(tree_setup(&tree), 0);
	s->tree = tree;
	s->sock = -1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	assert_int_equal(corral_files_client_new_take(socks[0], &s->client, NULL), 0);
	return s;
}

/* The program from the image, its socket as descriptor 0. */
static int real_setup(void **state)
{
	int socks[2], memfd;
	struct served *s = served_new(socks);
	char *argv[] = { (char[]) { "corral-files" }, NULL }, *env[] = { NULL };

	assert_int_equal(corral_files_server_memfd(&memfd, NULL), 0);
	s->pid = fork();
	if (s->pid == 0) {
		if (fchdir(s->tree->fd) < 0 || dup2(socks[1], 0) < 0)
			_exit(126);
		(void)fexecve(memfd, argv, env);
		_exit(127);
	}
	(void)close(memfd);
	(void)close(socks[1]);
	*state = s;
	return 0;
}

static void *serve(void *arg)
{
	struct served *s = arg;

	s->result = corral_files_serve(s->sock, s->tree->open);
	return NULL;
}

static int thread_setup(void **state)
{
	int socks[2];
	struct served *s = served_new(socks);

	s->sock = socks[1];
	s->threaded = true;
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	*state = s;
	return 0;
}

/* Nobody behind the socket but the test. */
static int lying_setup(void **state)
{
	int socks[2];
	struct served *s = served_new(socks);

	s->sock = socks[1];
	*state = s;
	return 0;
}

static int served_teardown(void **state)
{
	struct served *s = *state;
	void *tree = s->tree;
	int status;

	corral_files_client_free(s->client);
	if (s->pid) {
		assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
		assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	}
	if (s->threaded) {
		assert_int_equal(pthread_join(s->thread, NULL), 0);
		assert_int_equal(s->result, 0);
	}
	if (s->sock >= 0)
		(void)close(s->sock);
	(void)tree_teardown(&tree);
	free(s);
	return 0;
}

static int write_all(struct corral_files_client *c, const char *path, const void *data, size_t len,
                     struct corral_error *err)
{
	struct tree_memory m = { data, len, 0, 0 };
	struct corral_files_source source = { tree_memory_get, &m };

	return corral_files_client_write(c, NULL, path, 0, &source, NULL, err);
}

static int read_all(struct corral_files_client *c, const struct corral_files_bounds *b,
                    const char *path, uint64_t max, struct corral_buf *ret,
                    struct corral_error *err)
{
	struct corral_files_sink sink = { tree_buf_put, ret };

	ret->len = 0;
	corral_buf_add(ret, "", 0);
	return corral_files_client_read_bytes(c, b, path, 0, UINT64_MAX, max, &sink, err);
}

static void every_operation_goes_through(void **state)
{
	struct served *s = *state;
	struct corral_files_client *c = s->client;
	struct corral_error *err = &s->err;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT, tar = CORRAL_BUF_INIT;
	struct corral_files_rows rows;
	struct corral_files_matches found;
	struct corral_files_stat st;
	struct corral_files_grep g = { "w.rld", "", "*.txt", CORRAL_FILES_IGNORE_HIDDEN, 0 };
	struct corral_files_edit e = { "hello", 5, "HELLO", 5, false };
	struct corral_files_sink sink = { tree_buf_put, &tar };
	struct corral_files_source source;
	struct tree_memory m;
	struct corral_files_copied n;
	uint64_t count;

	assert_int_equal(write_all(c, "d/a.txt", "hello\nworld\n", 12, err), 0);
	assert_int_equal(corral_files_client_exists(c, NULL, "d/a.txt", err), 1);
	assert_int_equal(corral_files_client_exists(c, NULL, "d", err), 0);
	assert_int_equal(corral_files_client_read(c, NULL, "d/a.txt", 1, 10, &b, err), 0);
	assert_string_equal(b.data, "     2\tworld");
	assert_int_equal(read_all(c, NULL, "d/a.txt", 100, &b, err), 0);
	assert_string_equal(b.data, "hello\nworld\n");
	assert_int_equal(corral_files_client_stat(c, NULL, "d/a.txt", 0, &st, err), 0);
	assert_int_equal(st.size, 12);
	assert_int_equal(corral_files_client_edit(c, NULL, "d/a.txt", &e, &count, err), 0);
	assert_int_equal(count, 1);
	assert_int_equal(corral_files_client_ls(c, NULL, "d", 0, &rows, err), 0);
	assert_int_equal(rows.n, 1);
	assert_string_equal(rows.rows[0].path, "d/a.txt");
	assert_int_equal(rows.rows[0].stat.size, 12);
	corral_files_rows_done(&rows);
	assert_int_equal(corral_files_client_glob(c, NULL, "**/*.txt", "/", 0, &rows, err), 0);
	assert_int_equal(rows.n, 1);
	assert_string_equal(rows.rows[0].name, "a.txt");
	corral_files_rows_done(&rows);
	assert_int_equal(corral_files_client_grep(c, NULL, &g, &found, err), 0);
	assert_int_equal(found.n, 1);
	assert_string_equal(found.matches[0].line, "world");
	assert_int_equal(found.matches[0].line_number, 2);
	corral_files_matches_done(&found);
	assert_int_equal(corral_files_client_mkdir(c, NULL, "x/y", err), 0);
	assert_int_equal(corral_files_client_rename(c, NULL, "d/a.txt", "x/y/b", 0, err), 0);
	assert_int_equal(corral_files_client_tar_out(c, NULL, "x", &sink, &n, err), 0);
	assert_int_equal(n.entries, 3);
	m = (struct tree_memory) { tar.data, tar.len, 0, 1000 };
	source = (struct corral_files_source) { tree_memory_get, &m };
	assert_int_equal(corral_files_client_tar_in(c, NULL, "copy", &source, &n, err), 0);
	assert_int_equal(n.bytes, 12);
	assert_content(s->tree, "copy/y/b", "HELLO\nworld\n");
	assert_int_equal(corral_files_client_remove(c, NULL, "x", CORRAL_FILES_RECURSIVE, err), 0);
	assert_int_equal(faccessat(s->tree->fd, "x", F_OK, 0), -1);
}

static void errors_come_with_code_and_text(void **state)
{
	struct served *s = *state;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	char old_text[900];
	struct corral_files_edit e = { old_text, sizeof(old_text), "", 0, false };
	struct corral_files_rows rows;
	uint64_t n;

	assert_int_equal(corral_files_client_read(s->client, NULL, "none", 0, 10, &b, &s->err),
	                 -ENOENT);
	assert_string_equal(s->err.text, "File 'none' not found");
	assert_int_equal(corral_files_client_ls(s->client, NULL, "a\nb\x1b[0m", 0, &rows, &s->err),
	                 -ENOENT);
	assert_string_equal(s->err.text, "File 'a?b?[0m' not found");
	memset(old_text, 'o', sizeof(old_text));
	tree_text(s->tree, "a", "x");
	assert_int_equal(corral_files_client_edit(s->client, NULL, "a", &e, &n, &s->err), -ENOMSG);
	assert_int_equal(strncmp(s->err.text, "String 'ooo", 11), 0);
	assert_int_equal(n, 0);
	tree_text(s->tree, "a", "xx");
	e = (struct corral_files_edit) { "x", 1, "", 0, false };
	assert_int_equal(corral_files_client_edit(s->client, NULL, "a", &e, &n, &s->err),
	                 -ENOTUNIQ);
	assert_int_equal(n, 2);
	assert_int_equal(corral_files_client_glob(s->client, NULL, "", "", 0, &rows, &s->err),
	                 -EINVAL);
}

static void large_files_stream_both_ways(void **state)
{
	struct served *s = *state;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	size_t sizes[] = { 0, 1, 65535, 65536, 65537, 131072, 20u << 20 }, len;
	char *data = malloc(20u << 20), *content;

	for (size_t i = 0; i < 20u << 20; i++)
		data[i] = (char)(i * 2654435761u >> 13);
	for (size_t i = 0; i < CORRAL_COUNT(sizes); i++) {
		assert_int_equal(write_all(s->client, "f", data, sizes[i], &s->err), 0);
		content = tree_content(s->tree, "f", &len);
		assert_int_equal(len, sizes[i]);
		assert_memory_equal(content, data, len);
		free(content);
		assert_int_equal(read_all(s->client, NULL, "f", 64u << 20, &b, &s->err), 0);
		assert_int_equal(b.len, sizes[i]);
		assert_memory_equal(b.data, data, b.len);
	}
	assert_int_equal(read_all(s->client, NULL, "f", 1000, &b, &s->err), -EFBIG);
	assert_string_equal(s->err.text, "File is 20971520 bytes, over the 1000-byte read limit");
	{
		struct corral_files_edit e = { data, 0, "x", 1, false };
		uint64_t n;

		/* Texts larger than one message. */
		memset(data, 'q', 200000);
		tree_file(s->tree, "f", data, 200000);
		e = (struct corral_files_edit) { data, 200000, data, 150000, false };
		assert_int_equal(corral_files_client_edit(s->client, NULL, "f", &e, &n, &s->err),
		                 0);
		content = tree_content(s->tree, "f", &len);
		assert_int_equal(len, 150000);
		free(content);
	}
	free(data);
}

static int slow_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	struct served *s = ctx;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	(void)data;
	(void)len;
	(void)err;
	/* A call within a call: the slow one holds up nobody. */
	assert_int_equal(corral_files_client_read(s->client, NULL, "small", 0, 10, &b, &s->err), 0);
	assert_string_equal(b.data, "     1\tx");
	return 0;
}

static void a_slow_reader_holds_up_nobody(void **state)
{
	struct served *s = *state;
	struct corral_files_sink sink = { slow_put, s };
	corral_autofd int fd = openat(s->tree->fd, "big", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_int_equal(ftruncate(fd, 4 << 20), 0);
	tree_text(s->tree, "small", "x");
	assert_int_equal(corral_files_client_read_bytes(s->client, NULL, "big", 0, UINT64_MAX, 0,
	                                                &sink, &s->err),
	                 0);
}

static int broken_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	(void)ctx;
	(void)data;
	(void)len;
	return corral_error_set(err, ENOSPC, "no room");
}

static long endless_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	uint64_t *left = ctx;

	if (!*left)
		return corral_error_set(err, EIO, "source broke");
	--*left;
	memset(data, 'x', size);
	return (long)size;
}

static void a_call_given_up_leaves_the_client_usable(void **state)
{
	struct served *s = *state;
	struct corral_files_sink sink = { broken_put, NULL };
	uint64_t left;
	struct corral_files_source source = { endless_get, &left };

	tree_grow(s->tree, "big", 4 << 20);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(corral_files_client_read_bytes(s->client, NULL, "big", 0,
		                                                UINT64_MAX, 0, &sink, &s->err),
		                 -ENOSPC);
		left = 5;
		assert_int_equal(corral_files_client_write(s->client, NULL, "w", 0, &source, NULL,
		                                           &s->err),
		                 -EIO);
		assert_string_equal(s->err.text, "source broke");
	}
	assert_int_equal(corral_files_client_exists(s->client, NULL, "big", &s->err), 1);
	assert_int_equal(corral_files_client_exists(s->client, NULL, "w", &s->err), 0);
	assert_int_equal(corral_files_client_state(s->client), 0);
}

static void time_runs_out_and_cancelling_works(void **state)
{
	struct served *s = *state;
	bool cancelled = true;
	struct corral_files_bounds b = { 100, NULL };
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	char head[CORRAL_FILES_SNIFF];
	uint64_t began;

	/* One line of 50 GB: reading it as lines takes half a minute. */
	memset(head, 'x', sizeof(head));
	tree_file(s->tree, "a", head, sizeof(head));
	tree_grow(s->tree, "a", 50ll << 30);
	began = corral_now_nsec();
	assert_int_equal(corral_files_client_read(s->client, &b, "a", 0, 1, &text, &s->err),
	                 -ETIMEDOUT);
	assert_string_equal(s->err.text, "timed out");
	assert_true(corral_now_nsec() - began < 8000000000u);
	b = (struct corral_files_bounds) { -1, &cancelled };
	began = corral_now_nsec();
	assert_int_equal(corral_files_client_read(s->client, &b, "a", 0, 1, &text, &s->err),
	                 -ECANCELED);
	b = (struct corral_files_bounds) { 0, NULL };
	assert_int_equal(corral_files_client_exists(s->client, &b, "a", &s->err), -ETIMEDOUT);
	assert_true(corral_now_nsec() - began < 8000000000u);
	assert_int_equal(corral_files_client_exists(s->client, NULL, "a", &s->err), 1);
}

struct work {
	struct served *s;
	int number, failures;
};

static void *mixed_work(void *arg)
{
	struct work *w = arg;
	struct corral_files_client *c = w->s->client;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_error err;
	char path[32], data[100000];

	(void)snprintf(path, sizeof(path), "w%d/f", w->number);
	for (int i = 0; i < 30; i++) {
		size_t len = i % 3 ? (size_t)i : sizeof(data);
		struct corral_files_bounds short_time = { i % 2, NULL };
		struct corral_files_rows rows = { 0 };

		memset(data, 'a' + w->number % 26, len);
		w->failures += write_all(c, path, data, len, &err) < 0;
		w->failures += read_all(c, NULL, path, 1u << 20, &b, &err) < 0;
		w->failures += b.len != len || (len && memcmp(b.data, data, len) != 0);
		(void)read_all(c, &short_time, path, 1u << 20, &b, &err);
		w->failures += corral_files_client_glob(c, NULL, "**/f", "", 0, &rows, &err) < 0 ||
		               !rows.n;
		corral_files_rows_done(&rows);
	}
	return NULL;
}

static void many_threads_share_one_client(void **state)
{
	enum { THREADS = 24 };
	struct served *s = *state;
	pthread_t threads[THREADS];
	struct work work[THREADS];

	for (int i = 0; i < THREADS; i++) {
		work[i] = (struct work) { s, i, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, mixed_work, &work[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(work[i].failures, 0);
	}
	assert_int_equal(corral_files_client_state(s->client), 0);
}

static void a_killed_server_is_epipe(void **state)
{
	struct served *s = *state;

	assert_int_equal(corral_files_client_exists(s->client, NULL, "a", &s->err), 0);
	assert_int_equal(kill(s->pid, SIGKILL), 0);
	assert_int_equal(corral_files_client_exists(s->client, NULL, "a", &s->err), -EPIPE);
	assert_string_equal(s->err.text, "file server: it ended");
	assert_int_equal(corral_files_client_state(s->client), -EPIPE);
}

static void *writing(void *arg)
{
	struct served *s = arg;
	char *data = malloc(1u << 20);
	struct corral_error err;
	int r = 0;

	for (int i = 0; r == 0; i++) {
		memset(data, 'a' + i % 26, 1u << 20);
		r = write_all(s->client, "f", data, i % 2 ? 1u << 20 : 4096, &err);
	}
	assert_int_equal(r, -EPIPE);
	free(data);
	return NULL;
}

static void a_server_killed_while_it_writes_leaves_whole_files(void **state)
{
	struct served *s = *state;
	struct timespec wait = { 0, (long)(corral_now_nsec() % 30000000u) };
	struct corral_files_rows rows;
	pthread_t thread;

	need_unnamed_files(s->tree);
	assert_int_equal(pthread_create(&thread, NULL, writing, s), 0);
	(void)nanosleep(&wait, NULL);
	assert_int_equal(kill(s->pid, SIGKILL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(corral_files_ls(s->tree->open, "", 0, NULL, &rows, &s->err), 0);
	for (size_t i = 0; i < rows.n; i++) {
		size_t len;
		char *content = tree_content(s->tree, rows.rows[i].path, &len);

		assert_true(len == 4096 || len == 1u << 20);
		assert_int_equal(memcmp(content, content + 1, len - 1), 0);
		free(content);
	}
	corral_files_rows_done(&rows);
}

/* With one thread to be had, big streams and searches still go. */
static void a_server_without_threads_does_one_after_the_other(void **state)
{
	struct served *s = *state;
	struct rlimit limit = { 1, 1 };
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	char *data;

	if (geteuid() == 0)
		skip(); /* root has no such limit */
	data = calloc(1, 2u << 20);
	assert_int_equal(prlimit(s->pid, RLIMIT_NPROC, &limit, NULL), 0);
	assert_int_equal(write_all(s->client, "f", data, 2u << 20, &s->err), 0);
	assert_int_equal(read_all(s->client, NULL, "f", 4u << 20, &b, &s->err), 0);
	assert_int_equal(b.len, 2u << 20);
	free(data);
}

struct relieved {
	struct served *s;
	struct rlimit limit;
	pthread_t thread;
	int calls, exists;
};

static void *ask_meanwhile(void *arg)
{
	struct relieved *x = arg;
	struct corral_files_bounds b = { 5000, NULL };

	x->exists = corral_files_client_exists(x->s->client, &b, "f", NULL);
	return NULL;
}

/* Threads may be had again while the server, alone, waits for this. */
static long relieving_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	const struct timespec wait = { 0, 100000000 };
	struct relieved *x = ctx;

	(void)err;
	if (++x->calls == 10)
		return 0;
	if (x->calls == 5) {
		assert_int_equal(prlimit(x->s->pid, RLIMIT_NPROC, &x->limit, NULL), 0);
		assert_int_equal(pthread_create(&x->thread, NULL, ask_meanwhile, x), 0);
		(void)nanosleep(&wait, NULL);
	}
	memset(data, 'x', size);
	return (long)size;
}

static void what_comes_to_a_server_that_was_alone_is_not_lost(void **state)
{
	struct served *s = *state;
	struct relieved x = { .s = s };
	struct corral_files_source source = { relieving_get, &x };
	struct rlimit one;

	if (geteuid() == 0)
		skip(); /* root has no such limit */
	tree_text(s->tree, "f", "");
	assert_int_equal(prlimit(s->pid, RLIMIT_NPROC, NULL, &x.limit), 0);
	one = x.limit;
	one.rlim_cur = 1;
	assert_int_equal(prlimit(s->pid, RLIMIT_NPROC, &one, NULL), 0);
	assert_int_equal(corral_files_client_write(s->client, NULL, "w", 0, &source, NULL, &s->err),
	                 0);
	assert_int_equal(pthread_join(x.thread, NULL), 0);
	assert_int_equal(x.exists, 1);
}

/* --- servers that lie --- */

static void expect(const struct served *s, int code)
{
	struct corral_files_bounds b = { 300, NULL };
	struct corral_error err = { 0 };
	struct corral_files_rows rows;
	uint64_t began = corral_now_nsec();

	assert_int_equal(corral_files_client_ls(s->client, &b, "x", 0, &rows, &err), code);
	assert_int_equal(err.code, -code);
	assert_int_equal(err.text[0] != 0, code != 0);
	assert_true(corral_now_nsec() - began < 10000000000u);
}

static void say(const struct served *s, const void *data, size_t len)
{
	assert_int_equal(send(s->sock, data, len, MSG_NOSIGNAL), len);
}

struct answer {
	struct corral_files_reply reply;
	char data[1000];
};

static struct answer good_answer(size_t data_len)
{
	struct answer a = { .reply = { .head = { CORRAL_FILES_REPLY,
		                                 (uint32_t)(sizeof(a.reply) + data_len), 1 },
		                       .data_len = (uint32_t)data_len } };

	return a;
}

static void a_good_answer_is_taken(void **state)
{
	struct answer a = good_answer(0);

	say(*state, &a, a.reply.head.size);
	expect(*state, 0);
	assert_int_equal(corral_files_client_state(((struct served *)*state)->client), 0);
}

static void silence_is_etimedout(void **state)
{
	struct served *s = *state;
	struct answer a = good_answer(0);

	expect(s, -ETIMEDOUT);
	assert_int_equal(corral_files_client_state(s->client), 0);
	/* A late answer is nobody's; the next one is. */
	say(s, &a, a.reply.head.size);
	a.reply.head.id = 2;
	say(s, &a, a.reply.head.size);
	expect(s, 0);
}

static void endless_silence_costs_each_call_its_time(void **state)
{
	struct served *s = *state;
	struct corral_files_bounds b = { 3, NULL };
	struct corral_files_rows rows;

	for (int i = 0; i < 100; i++)
		assert_int_equal(corral_files_client_ls(s->client, &b, "x", 0, &rows, &s->err),
		                 -ETIMEDOUT);
}

static void wrong_sizes_break_the_client(void **state)
{
	struct answer a = good_answer(0);

	a.reply.head.size++;
	say(*state, &a, sizeof(a.reply));
	expect(*state, -EPROTO);
}

static void wrong_data_length_breaks_the_client(void **state)
{
	struct served *s = *state;
	struct corral_files_bounds b = { 300, NULL };
	corral_autobuf struct corral_buf buf = CORRAL_BUF_INIT;
	struct answer a = good_answer(10);

	/* More than there is, though no more than there could be. */
	a.reply.data_len = 500;
	say(s, &a, a.reply.head.size);
	assert_int_equal(read_all(s->client, &b, "x", 1000, &buf, &s->err), -EPROTO);
}

static void wrong_text_length_breaks_the_client(void **state)
{
	struct answer a = good_answer(10);

	a.reply.code = -EIO;
	a.reply.data_len = 0;
	a.reply.text_len = 500;
	say(*state, &a, a.reply.head.size);
	expect(*state, -EPROTO);
}

static void positive_code_breaks_the_client(void **state)
{
	struct answer a = good_answer(0);

	a.reply.code = 5;
	say(*state, &a, a.reply.head.size);
	expect(*state, -EPROTO);
}

static void unknown_id_breaks_the_client(void **state)
{
	struct answer a = good_answer(0);

	a.reply.head.id = 77;
	say(*state, &a, a.reply.head.size);
	expect(*state, -EPROTO);
}

static void broken_rows_are_eproto(void **state)
{
	struct answer a = good_answer(100);

	memset(a.data, 0xff, 100);
	say(*state, &a, a.reply.head.size);
	expect(*state, -EPROTO);
}

struct small_chunk {
	struct corral_files_data d;
	char data[8];
};

static void chunks_out_of_order_break_the_client(void **state)
{
	struct small_chunk m = { .d = { .head = { CORRAL_FILES_DATA, sizeof(m), 1 } } };
	struct served *s = *state;
	struct corral_files_bounds b = { 300, NULL };
	corral_autobuf struct corral_buf buf = CORRAL_BUF_INIT;

	say(s, &m, sizeof(m));
	m.d.seq = 2;
	say(s, &m, sizeof(m));
	assert_int_equal(read_all(s->client, &b, "x", 1000, &buf, &s->err), -EPROTO);
}

static int asking_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	struct served *s = ctx;
	struct corral_files_bounds b = { 300, NULL };

	(void)data;
	(void)len;
	/* Reads what else there is while the first chunk is not done with. */
	return corral_files_client_exists(s->client, &b, "x", err);
}

static void more_than_the_window_breaks_the_client(void **state)
{
	struct small_chunk m = { .d = { .head = { CORRAL_FILES_DATA, sizeof(m), 1 } } };
	struct served *s = *state;
	struct corral_files_bounds b = { 600, NULL };
	struct corral_files_sink sink = { asking_put, s };

	for (m.d.seq = 0; m.d.seq <= CORRAL_FILES_WINDOW; m.d.seq++)
		say(s, &m, sizeof(m));
	assert_int_equal(corral_files_client_read_bytes(s->client, &b, "x", 0, UINT64_MAX, 0, &sink,
	                                                &s->err),
	                 -EPROTO);
	assert_string_equal(s->err.text, "file server: sent an answer that no server gives");
}

static void a_grant_too_far_breaks_the_client(void **state)
{
	struct corral_files_wire_grant g = { { CORRAL_FILES_GRANT, sizeof(g), 1 }, 1ull << 40 };
	struct served *s = *state;
	struct corral_files_bounds b = { 600, NULL };
	uint64_t left = 1000;
	struct corral_files_source source = { endless_get, &left };

	say(s, &g, sizeof(g));
	assert_int_equal(corral_files_client_write(s->client, &b, "x", 0, &source, NULL, &s->err),
	                 -EPROTO);
	assert_true(left > 900);
}

static void *flood(void *arg)
{
	struct served *s = arg;
	struct {
		struct corral_files_data d;
		char data[60000];
	} m = { .d = { .head = { CORRAL_FILES_DATA, sizeof(m), 1 } } };

	while (send(s->sock, &m, sizeof(m), MSG_NOSIGNAL) == (ssize_t)sizeof(m))
		m.d.seq++;
	return NULL;
}

static void a_flood_ends_at_the_ceiling(void **state)
{
	struct served *s = *state;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	pthread_t thread;
	int r;

	/* It keeps to the rules but sends for ever: each chunk is granted, until there was too
	 * much. */
	assert_int_equal(pthread_create(&thread, NULL, flood, s), 0);
	r = read_all(s->client, NULL, "x", 10u << 20, &b, &s->err);
	assert_int_equal(r, -EPROTO);
	corral_files_client_free(s->client);
	s->client = NULL;
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void a_grant_nobody_asked_for_breaks_the_client(void **state)
{
	struct corral_files_wire_grant g = { { CORRAL_FILES_GRANT, sizeof(g), 1 }, 4 };

	say(*state, &g, sizeof(g));
	expect(*state, -EPROTO);
}

static void descriptors_never_arrive(void **state)
{
	struct served *s = *state;
	struct answer a = good_answer(0);
	struct iovec part = { &a, a.reply.head.size };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr msg = { .msg_iov = &part,
		              .msg_iovlen = 1,
		              .msg_control = control,
		              .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int before = fcntl(0, F_DUPFD_CLOEXEC, 0), after;

	(void)close(before);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &s->sock, sizeof(int));
	assert_int_equal(sendmsg(s->sock, &msg, 0), a.reply.head.size);
	expect(s, -EPROTO);
	after = fcntl(0, F_DUPFD_CLOEXEC, 0);
	(void)close(after);
	assert_int_equal(before, after);
}

static void an_empty_message_is_the_end(void **state)
{
	struct served *s = *state;

	assert_int_equal(send(s->sock, "", 0, 0), 0);
	expect(s, -EPIPE);
}

static void the_error_of_a_liar_is_shown_without_control_characters(void **state)
{
	struct served *s = *state;
	struct corral_files_bounds b = { 300, NULL };
	struct answer a = good_answer(6);
	struct corral_files_rows rows;

	a.reply.code = -EIO;
	a.reply.data_len = 0;
	a.reply.text_len = 6;
	memcpy(a.data, "a\x1b\n\xff\0c", 6);
	say(s, &a, a.reply.head.size);
	assert_int_equal(corral_files_client_ls(s->client, &b, "x", 0, &rows, &s->err), -EIO);
	assert_string_equal(s->err.text, "a??\xef\xbf\xbd?c");
}

/* --- a client that lies: the server ends, and does nothing worse --- */

/* What becomes of a server that gets this. */
static int served_with(const void *data, size_t len)
{
	int socks[2], r;
	void *tree;

	assert_int_equal(tree_setup(&tree), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	assert_int_equal(send(socks[0], data, len, 0), len);
	(void)shutdown(socks[0], SHUT_WR);
	r = corral_files_serve(socks[1], ((struct tree *)tree)->open);
	(void)close(socks[0]);
	(void)close(socks[1]);
	(void)tree_teardown(&tree);
	return r;
}

static void a_bad_request_ends_the_server(void **state)
{
	struct {
		struct corral_files_request q;
		char texts[3];
	} m = { .q = { .head = { CORRAL_FILES_REQUEST, sizeof(m.q) + 3, 1 },
		       .op = CORRAL_FILES_OP_MKDIR } };
	struct corral_files_head head = { CORRAL_FILES_DATA, sizeof(head) + 1, 1 };

	(void)state;
	assert_int_equal(served_with(&m, sizeof(m.q) + 3), 0);
	assert_int_equal(served_with("nonsense", 8), -EBADMSG);
	assert_int_equal(served_with(&head, sizeof(head)), -EBADMSG);
	m.q.op = CORRAL_FILES_OP_END;
	assert_int_equal(served_with(&m, sizeof(m.q) + 3), -EBADMSG);
	m.q.op = CORRAL_FILES_OP_MKDIR;
	m.q.text_len[1] = 100;
	assert_int_equal(served_with(&m, sizeof(m.q) + 3), -EBADMSG);
}

#define real_test(name)                                                 \
	{                                                               \
		"real: " #name, name, real_setup, served_teardown, NULL \
	}
#define thread_test(name)                                                       \
	{                                                                       \
		"in-process: " #name, name, thread_setup, served_teardown, NULL \
	}
#define lying_test(name) cmocka_unit_test_setup_teardown(name, lying_setup, served_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		real_test(every_operation_goes_through),
		thread_test(every_operation_goes_through),
		real_test(errors_come_with_code_and_text),
		thread_test(errors_come_with_code_and_text),
		real_test(large_files_stream_both_ways),
		thread_test(large_files_stream_both_ways),
		real_test(a_slow_reader_holds_up_nobody),
		thread_test(a_slow_reader_holds_up_nobody),
		real_test(a_call_given_up_leaves_the_client_usable),
		thread_test(a_call_given_up_leaves_the_client_usable),
		real_test(time_runs_out_and_cancelling_works),
		thread_test(time_runs_out_and_cancelling_works),
		real_test(many_threads_share_one_client),
		thread_test(many_threads_share_one_client),
		real_test(a_killed_server_is_epipe),
		real_test(a_server_killed_while_it_writes_leaves_whole_files),
		real_test(a_server_killed_while_it_writes_leaves_whole_files),
		real_test(a_server_killed_while_it_writes_leaves_whole_files),
		real_test(a_server_killed_while_it_writes_leaves_whole_files),
		real_test(a_server_killed_while_it_writes_leaves_whole_files),
		real_test(a_server_without_threads_does_one_after_the_other),
		real_test(what_comes_to_a_server_that_was_alone_is_not_lost),
		lying_test(a_good_answer_is_taken),
		lying_test(silence_is_etimedout),
		lying_test(endless_silence_costs_each_call_its_time),
		lying_test(wrong_sizes_break_the_client),
		lying_test(wrong_data_length_breaks_the_client),
		lying_test(wrong_text_length_breaks_the_client),
		lying_test(positive_code_breaks_the_client),
		lying_test(unknown_id_breaks_the_client),
		lying_test(broken_rows_are_eproto),
		lying_test(chunks_out_of_order_break_the_client),
		lying_test(a_grant_too_far_breaks_the_client),
		lying_test(more_than_the_window_breaks_the_client),
		lying_test(a_flood_ends_at_the_ceiling),
		lying_test(a_grant_nobody_asked_for_breaks_the_client),
		lying_test(descriptors_never_arrive),
		lying_test(an_empty_message_is_the_end),
		lying_test(the_error_of_a_liar_is_shown_without_control_characters),
		cmocka_unit_test(a_bad_request_ends_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
