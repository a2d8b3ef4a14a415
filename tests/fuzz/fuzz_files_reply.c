/*
 * A file server that says whatever the input says: the client answers with a result that holds or
 * an error that has a text, in time, and owns all it made. The first byte chooses the operation;
 * then messages, each with two bytes of length in front. Their ids may be patched to the one that
 * is waited for, so that the inner checks are reached.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/files/client.h"
#include "kernel/files/wire.h"
#include "tests/fuzz/fuzz.h"

#define MESSAGES_MAX 32

static int count_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	(void)data;
	(void)err;
	assert(len > 0 && len <= CORRAL_FILES_CHUNK);
	*(size_t *)ctx += len;
	return 0;
}

static long short_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	size_t *left = ctx, len = *left < size ? *left : size;

	(void)err;
	memset(data, 'u', len);
	*left -= len;
	return (long)len;
}

static void check_rows(struct corral_files_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		const struct corral_files_row *row = &rows->rows[i];

		assert(row->path[0] && row->name >= row->path && !strchr(row->name, '/'));
		assert(row->stat.type >= CORRAL_FILES_REGULAR &&
		       row->stat.type < CORRAL_FILES_TYPE_END);
	}
	corral_files_rows_done(rows);
}

static void check_matches(struct corral_files_matches *found)
{
	for (size_t i = 0; i < found->n; i++) {
		assert(found->matches[i].path[0] && found->matches[i].line_number);
		assert(!found->matches[i].line[found->matches[i].line_len]);
	}
	corral_files_matches_done(found);
}

static int ask(struct corral_files_client *c, unsigned int which, struct corral_error *err)
{
	const struct corral_files_bounds bounds = { 5, NULL };
	struct corral_files_matches found = { 0 };
	struct corral_files_rows rows = { 0 };
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_files_copied copied;
	struct corral_files_stat st;
	size_t n = 200000;
	uint64_t count;
	struct corral_files_sink sink = { count_put, &n };
	struct corral_files_source source = { short_get, &n };
	const struct corral_files_grep grep = { "x", "", NULL, 0, 0 };
	const struct corral_files_edit edit = { "old", 3, "new", 3, false };
	int r;

	switch (which % 10) {
	case 0:
		r = corral_files_client_ls(c, &bounds, "", 0, &rows, err);
		if (r == 0)
			check_rows(&rows);
		return r;
	case 1:
		r = corral_files_client_grep(c, &bounds, &grep, &found, err);
		if (r == 0)
			check_matches(&found);
		return r;
	case 2:
		return corral_files_client_read(c, &bounds, "f", 0, 2000, &b, err);
	case 3:
		n = 0;
		r = corral_files_client_read_bytes(c, &bounds, "f", 0, UINT64_MAX, 100000, &sink,
		                                   err);
		assert(n <= 100000);
		return r;
	case 4:
		n = 0;
		return corral_files_client_tar_out(c, &bounds, "d", &sink, &copied, err);
	case 5:
		return corral_files_client_write(c, &bounds, "f", 0, &source, &count, err);
	case 6:
		return corral_files_client_edit(c, &bounds, "f", &edit, &count, err);
	case 7:
		return corral_files_client_stat(c, &bounds, "f", 0, &st, err);
	case 8:
		r = corral_files_client_exists(c, &bounds, "f", err);
		return r > 0 ? 0 : r;
	default:
		return corral_files_client_tar_in(c, &bounds, "d", &source, &copied, err);
	}
}

/* Bit 0 of the flags: the size is made right; bit 1: the id is the one that waits. */
static void say(int sock, const uint8_t *data, size_t len, unsigned int flags, uint64_t id)
{
	uint8_t message[4096];
	struct corral_files_head head;

	if (len > sizeof(message))
		len = sizeof(message);
	memcpy(message, data, len);
	if (len >= sizeof(head)) {
		memcpy(&head, message, sizeof(head));
		if (flags & 1)
			head.size = (uint32_t)len;
		if (flags & 2)
			head.id = id;
		memcpy(message, &head, sizeof(head));
	}
	(void)!send(sock, message, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct corral_files_client *c;
	unsigned int which, flags;
	int socks[2];

	if (size < 2 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return 0;
	which = data[0];
	flags = data[1];
	data += 2;
	size -= 2;
	if (corral_files_client_new_take(socks[0], &c, NULL) < 0) {
		(void)close(socks[1]);
		return 0;
	}
	for (int i = 0; i < MESSAGES_MAX && size > 2; i++) {
		size_t len = (size_t)data[0] << 4 | data[1] >> 4;

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		say(socks[1], data, len, flags, 1);
		data += len;
		size -= len;
	}
	/* Then it is gone, unless it is to be silent. */
	if (flags & 4)
		(void)shutdown(socks[1], SHUT_WR);
	for (unsigned int i = 0; i < 2; i++) {
		struct corral_error err = { 0 };
		int r = ask(c, which + i, &err);

		assert((r < 0) == (err.code != 0));
		assert(r == 0 || (err.code == -r && err.text[0]));
	}
	corral_files_client_free(c);
	(void)close(socks[1]);
	return 0;
}
