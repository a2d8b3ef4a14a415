/*
 * Globs and archives as a caller may hold them: in bounded time, with no file outside. The first
 * byte says what the rest is.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/files/files.h"
#include "kernel/files/glob.h"
#include "tests/fuzz/fuzz.h"

static void try_glob(const char *pattern, const char *path)
{
	struct files_glob *g;
	struct corral_error err = { 0 };

	if (files_glob_compile(pattern, 0, &g, &err) < 0) {
		assert(err.code && err.text[0]);
		return;
	}
	(void)files_glob_path(g, path);
	files_glob_free(g);
}

struct rest {
	const uint8_t *data;
	size_t len;
};

static long get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct rest *r = ctx;
	size_t len = r->len < size ? r->len : size;

	(void)err;
	if (len)
		memcpy(data, r->data, len);
	r->data += len;
	r->len -= len;
	return (long)len;
}

/* An archive into a directory; what it made goes again, and nothing was made beside it. */
static void try_archive(const uint8_t *data, size_t size)
{
	char path[] = "/tmp/corral-fuzz-XXXXXX";
	struct rest rest = { data, size };
	const struct corral_files_source source = { get, &rest };
	struct corral_files_copied copied;
	struct corral_error err = { 0 };
	struct corral_files_rows rows = { 0 };
	struct corral_files *f = NULL;
	corral_autofd int fd = -1;
	int r;

	assert(mkdtemp(path));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(corral_files_open(fd, CORRAL_FILES_CONFINED, &f, NULL) == 0);
	r = corral_files_tar_in(f, "in", NULL, &source, &copied, &err);
	assert((r == 0) == (err.code == 0));
	assert(corral_files_ls(f, "", 0, NULL, &rows, NULL) == 0);
	assert(rows.n == 1 && !strcmp(rows.rows[0].path, "in"));
	corral_files_rows_done(&rows);
	(void)corral_files_remove(f, "in", CORRAL_FILES_RECURSIVE, NULL, NULL);
	corral_files_close(f);
	(void)rmdir(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	corral_autofree char *text = malloc(size + 1);
	const char *second;

	if (!text || !size)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	second = text + strlen(text) + (strlen(text) < size - 1);
	if (data[0] & 1)
		try_archive(data + 1, size - 1);
	else
		try_glob(text, second);
	return 0;
}
