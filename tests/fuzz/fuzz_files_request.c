/*
 * Requests as the server gets them: what is none is refused, what is one is done, beneath a small
 * directory and confined to it; the directory is as it was afterwards.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/files/server.h"
#include "tests/fuzz/fuzz.h"

static char root[] = "/tmp/corral-fuzz-XXXXXX";

static int wipe(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_root(void)
{
	(void)nftw(root, wipe, 32, FTW_DEPTH | FTW_PHYS);
}

/* Made once and gone at the end; what requests make in between is part of it. */
static struct corral_files *view(void)
{
	static struct corral_files *f;
	corral_autofd int fd = -1, file = -1;

	if (f || !mkdtemp(root))
		return f;
	(void)atexit(remove_root);
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(fd >= 0 && mkdirat(fd, "d", 0755) == 0 && symlinkat("d", fd, "l") == 0);
	assert(symlinkat("/etc", fd, "out") == 0);
	file = openat(fd, "d/a.txt", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert(file >= 0 && write(file, "one\ntwo\xff\n\nfoo\n", 15) == 15);
	assert(corral_files_open(fd, CORRAL_FILES_CONFINED, &f, NULL) == 0);
	return f;
}

static long no_more(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct corral_files_asked *q = ctx;
	size_t len = q->data_len < size ? q->data_len : size;

	(void)err;
	memcpy(data, q->data, len);
	q->data += len;
	q->data_len -= len;
	return (long)len;
}

static int count(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	(void)data;
	(void)err;
	assert(len > 0 && len <= CORRAL_FILES_CHUNK);
	*(size_t *)ctx += len;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct corral_files_asked asked;
	struct corral_error err = { 0 };
	corral_autofree char *message = malloc(size ? size : 1);
	size_t n = 0;
	struct corral_files_call call = {
		.f = view(),
		.asked = &asked,
		.source = { no_more, &asked },
		.sink = { count, &n },
	};
	struct corral_files_head head;
	int r;

	if (!message || !call.f || size > CORRAL_FILES_WIRE_MAX)
		return 0;
	memcpy(message, data, size);
	/* The size that a fuzzer never guesses. */
	if (size >= sizeof(head)) {
		memcpy(&head, message, sizeof(head));
		head.size = (uint32_t)size;
		memcpy(message, &head, sizeof(head));
	}
	r = corral_files_request_parse(message, size, &asked);
	assert(r == 0 || r == -EBADMSG);
	if (r < 0)
		return 0;
	for (int i = 0; i < 3; i++)
		assert(asked.text[i] > message &&
		       asked.text[i] + strlen(asked.text[i]) < message + size);
	(void)corral_files_call_is_long(&asked);
	call.stop.deadline_nsec = corral_now_nsec() + 1000000000u;
	r = corral_files_call_run(&call, &err);
	assert((r == 0) == (err.code == 0));
	assert(r == 0 || (err.code == -r && err.text[0]));
	return 0;
}
