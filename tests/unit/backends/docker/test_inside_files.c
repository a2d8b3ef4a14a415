/*
 * backends/docker/files.c with the real program in a box of its own, without an engine; and with
 * the test in the program's place, that says what it never says.
 */
#include "tests/unit/backends/docker/inside_support.h"

#include <elf.h>

#include "kernel/files/wire.h"

static struct corral_docker_files *files_open(struct box *b)
{
	struct corral_docker_files *f = NULL;

	OK(b, corral_docker_files_open_take(box_stream(b, "files"), b->multiplexed, &f, &b->err));
	return f;
}

struct memory {
	const char *data;
	size_t len, at;
};

static long memory_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct memory *m = ctx;
	size_t len = m->len - m->at < size ? m->len - m->at : size;

	(void)err;
	if (len)
		memcpy(data, m->data + m->at, len);
	m->at += len;
	return (long)len;
}

static int buf_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	(void)err;
	corral_buf_add(ctx, data, len);
	return 0;
}

static int file_write(struct corral_files_client *c, const char *path, const void *data, size_t len,
                      struct corral_error *err)
{
	struct memory m = { data, len, 0 };
	const struct corral_files_source source = { memory_get, &m };

	return corral_files_client_write(c, NULL, path, 0, &source, NULL, err);
}

static int file_read(struct corral_files_client *c, const char *path, struct corral_buf *ret,
                     struct corral_error *err)
{
	const struct corral_files_sink sink = { buf_put, ret };

	ret->len = 0;
	return corral_files_client_read_bytes(c, NULL, path, 0, UINT64_MAX, 0, &sink, err);
}

static void every_operation_goes_through(void **state)
{
	corral_autobuf struct corral_buf buf = CORRAL_BUF_INIT, tar = CORRAL_BUF_INIT;
	const struct corral_files_edit edit = {
		.old_text = "one", .old_len = 3, .new_text = "1", .new_len = 1
	};
	const struct corral_files_grep grep = { .pattern = "t.o", .path = "." };
	const struct corral_files_sink sink = { buf_put, &tar };
	struct corral_files_copied copied = { 0 };
	struct corral_files_matches matches = { 0 };
	struct corral_files_rows rows = { 0 };
	struct corral_files_stat st;
	struct corral_files_client *c;
	struct corral_docker_files *f;
	struct memory m = { 0 };
	const struct corral_files_source source = { memory_get, &m };
	uint64_t n = 0;
	BOX(b, state);

	f = files_open(b);
	c = corral_docker_files_client(f);
	OK(b, corral_files_client_mkdir(c, NULL, "dir/deep", &b->err));
	OK(b, file_write(c, "dir/a.txt", "one\ntwo\n", 8, &b->err));
	assert_int_equal(corral_files_client_exists(c, NULL, "dir/a.txt", &b->err), 1);
	assert_int_equal(corral_files_client_exists(c, NULL, "dir/b.txt", &b->err), 0);
	OK(b, corral_files_client_stat(c, NULL, "dir/a.txt", 0, &st, &b->err));
	assert_int_equal(st.size, 8);
	OK(b, corral_files_client_ls(c, NULL, "dir", 0, &rows, &b->err));
	assert_int_equal(rows.n, 2);
	corral_files_rows_done(&rows);
	OK(b, corral_files_client_read(c, NULL, "dir/a.txt", 0, 2000, &buf, &b->err));
	assert_non_null(strstr(buf.data, "1\tone\n"));
	OK(b, corral_files_client_edit(c, NULL, "dir/a.txt", &edit, &n, &b->err));
	assert_int_equal(n, 1);
	OK(b, file_read(c, "dir/a.txt", &buf, &b->err));
	assert_string_equal(buf.data, "1\ntwo\n");
	OK(b, corral_files_client_glob(c, NULL, "**/*.txt", ".", 0, &rows, &b->err));
	assert_int_equal(rows.n, 1);
	corral_files_rows_done(&rows);
	OK(b, corral_files_client_grep(c, NULL, &grep, &matches, &b->err));
	assert_int_equal(matches.n, 1);
	corral_files_matches_done(&matches);
	OK(b, corral_files_client_tar_out(c, NULL, "dir", &sink, &copied, &b->err));
	m = (struct memory) { tar.data, tar.len, 0 };
	OK(b, corral_files_client_tar_in(c, NULL, "copy", &source, &copied, &b->err));
	OK(b, file_read(c, "copy/a.txt", &buf, &b->err));
	assert_string_equal(buf.data, "1\ntwo\n");
	OK(b, corral_files_client_rename(c, NULL, "copy/a.txt", "copy/b.txt", 0, &b->err));
	OK(b, corral_files_client_remove(c, NULL, "copy", CORRAL_FILES_RECURSIVE, &b->err));
	assert_int_equal(file_read(c, "copy/b.txt", &buf, &b->err), -ENOENT);
	assert_non_null(strstr(b->err.text, "copy/b.txt"));
	corral_docker_files_close(f);
	assert_box_empty(b);
}

static void twenty_megabytes_go_each_way(void **state)
{
	const size_t len = 20u << 20;
	corral_autobuf struct corral_buf back = CORRAL_BUF_INIT;
	struct corral_docker_files *f;
	char *data;
	BOX(b, state);

	data = malloc(len);
	for (size_t i = 0; i < len; i++)
		data[i] = (char)(i * 2654435761u >> 13);
	f = files_open(b);
	OK(b, file_write(corral_docker_files_client(f), "large", data, len, &b->err));
	OK(b, file_read(corral_docker_files_client(f), "large", &back, &b->err));
	assert_int_equal(back.len, len);
	assert_memory_equal(back.data, data, len);
	free(data);
	corral_docker_files_close(f);
}

struct worker {
	struct corral_files_client *client;
	pthread_t thread;
	int number, r;
};

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	struct corral_buf back = CORRAL_BUF_INIT;
	const size_t len = 200000u + (size_t)w->number;
	char path[32], *data = malloc(len);

	memset(data, 'a' + w->number, len);
	(void)snprintf(path, sizeof(path), "file%d", w->number);
	for (int i = 0; i < 20 && w->r == 0; i++) {
		w->r = file_write(w->client, path, data, len, NULL);
		if (w->r == 0)
			w->r = file_read(w->client, path, &back, NULL);
		if (w->r == 0 && (back.len != len || memcmp(back.data, data, len) != 0))
			w->r = -EIO;
	}
	corral_buf_done(&back);
	free(data);
	return NULL;
}

static void threads_share_it(void **state)
{
	struct corral_docker_files *f;
	struct worker w[8] = { 0 };
	BOX(b, state);

	f = files_open(b);
	for (int i = 0; i < 8; i++) {
		w[i].client = corral_docker_files_client(f);
		w[i].number = i;
		assert_int_equal(pthread_create(&w[i].thread, NULL, worker_run, &w[i]), 0);
	}
	for (int i = 0; i < 8; i++) {
		assert_int_equal(pthread_join(w[i].thread, NULL), 0);
		assert_int_equal(w[i].r, 0);
	}
	corral_docker_files_close(f);
	assert_box_empty(b);
}

static void a_server_that_was_killed_is_a_broken_pipe(void **state)
{
	struct corral_files_client *c;
	struct corral_docker_files *f;
	char path[64];
	BOX(b, state);

	f = files_open(b);
	c = corral_docker_files_client(f);
	OK(b, file_write(c, "x", "x", 1, &b->err));
	/* The engine's word for it would be an exec; the box has one process. */
	for (pid_t pid = b->init + 1; pid < b->init + 100; pid++) {
		char exe[128] = { 0 };

		(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
		if (readlink(path, exe, sizeof(exe) - 1) > 0 && strstr(exe, b->program))
			(void)kill(pid, SIGKILL);
	}
	assert_box_empty(b);
	assert_int_equal(file_write(c, "x", "x", 1, &b->err), -EPIPE);
	assert_int_equal(corral_files_client_state(c), -EPIPE);
	corral_docker_files_close(f);
}

static const Elf64_Phdr *program_headers(const void *data, bool end)
{
	const Elf64_Ehdr *head = data;
	const Elf64_Phdr *first = (const void *)((const char *)data + head->e_phoff);

	return first + (end ? head->e_phnum : 0);
}

/* A program header that names an interpreter, or a list of libraries, would be of the image's. */
static void it_needs_nothing_of_the_image(void **state)
{
	const void *data;
	size_t len;

	(void)state;
	corral_docker_inside_image(&data, &len);
	assert_true(len > 100000 && len < 4000000);
	assert_memory_equal(data, "\177ELF", 4);
	for (const Elf64_Phdr *p = program_headers(data, 0), *end = program_headers(data, 1);
	     p < end; p++)
		assert_true(p->p_type != PT_INTERP && p->p_type != PT_DYNAMIC);
	assert_string_not_equal(corral_docker_inside_arch(), "");
}

/* --- Nobody there but the test --- */

static struct corral_docker_files *against(struct box *b, bool multiplexed, int *ret_fd)
{
	struct corral_docker_stream *stream;
	struct corral_docker_files *f = NULL;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(corral_docker_stream_new_take(pair[0], &stream, &b->err), 0);
	OK(b, corral_docker_files_open_take(stream, multiplexed, &f, &b->err));
	*ret_fd = pair[1];
	return f;
}

/* What a call gives when that is what the other side says. */
static int answered(struct box *b, bool multiplexed, const void *data, size_t len, bool ends)
{
	const struct corral_files_bounds bounds = { .timeout_ms = 300 };
	int fd, r;
	struct corral_docker_files *f = against(b, multiplexed, &fd);

	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
	if (ends)
		(void)shutdown(fd, SHUT_WR);
	r = corral_files_client_exists(corral_docker_files_client(f), &bounds, "x", &b->err);
	corral_docker_files_close(f);
	(void)close(fd);
	return r;
}

static void what_is_no_answer_breaks_it(void **state)
{
	struct box *b = *state;
	struct corral_files_head small = { CORRAL_FILES_REPLY, sizeof(small) - 1, 1 };
	struct corral_files_head large = { CORRAL_FILES_REPLY, CORRAL_FILES_WIRE_MAX + 1, 1 };
	struct corral_files_head alone = { CORRAL_FILES_REPLY, sizeof(alone), 1 };

	assert_int_equal(answered(b, false, "exec format error\n", 18, false), -EPROTO);
	assert_int_equal(answered(b, false, &small, sizeof(small), false), -EPROTO);
	assert_int_equal(answered(b, false, &large, sizeof(large), false), -EPROTO);
	assert_int_equal(answered(b, false, &alone, sizeof(alone), false), -EPROTO);
	assert_int_equal(answered(b, true, "no frame", 8, false), -EPROTO);
	assert_int_equal(answered(b, false, "", 0, true), -EPIPE);
	assert_int_equal(answered(b, false, &alone, 10, true), -EPIPE);
	assert_int_equal(answered(b, false, &alone, 10, false), -ETIMEDOUT);
	assert_int_equal(answered(b, false, "", 0, false), -ETIMEDOUT);
}

static void one_that_does_not_read_holds_nobody_up(void **state)
{
	static char data[4u << 20];
	struct box *b = *state;
	const struct corral_files_bounds bounds = { .timeout_ms = 300 };
	struct memory m = { data, sizeof(data), 0 };
	const struct corral_files_source source = { memory_get, &m };
	uint64_t began = corral_now_ms();
	int fd;
	struct corral_docker_files *f = against(b, false, &fd);

	for (int i = 0; i < 5; i++) {
		m.at = 0;
		assert_int_equal(corral_files_client_write(corral_docker_files_client(f), &bounds,
		                                           "x", 0, &source, NULL, &b->err),
		                 -ETIMEDOUT);
	}
	corral_docker_files_close(f);
	assert_true(corral_now_ms() - began < PATIENCE_MS);
	(void)close(fd);
}

static int muxed_setup(void **state)
{
	int r = box_setup(state);

	((struct box *)*state)->multiplexed = true;
	return r;
}

#define box_test(name) cmocka_unit_test_setup_teardown(name, box_setup, box_teardown)
#define muxed_test(name)                                                              \
	{                                                                             \
#name " (framed by an engine)", name, muxed_setup, box_teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		box_test(every_operation_goes_through),
		muxed_test(every_operation_goes_through),
		box_test(twenty_megabytes_go_each_way),
		muxed_test(twenty_megabytes_go_each_way),
		box_test(threads_share_it),
		box_test(a_server_that_was_killed_is_a_broken_pipe),
		box_test(it_needs_nothing_of_the_image),
		box_test(what_is_no_answer_breaks_it),
		box_test(one_that_does_not_read_holds_nobody_up),
	};

	return cmocka_run_group_tests_name("inside files", tests, NULL, NULL);
}
