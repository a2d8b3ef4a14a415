/*
 * .gitignore files of anybody's making, two levels of them, and paths that are held against them:
 * in bounded time, with the same answer each time. The input is two files, then paths, between
 * NULs.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/files/ignore.h"
#include "tests/fuzz/fuzz.h"

static const char *next(const char **at, const char *end, size_t *ret_len)
{
	const char *text = *at;

	*ret_len = strnlen(text, (size_t)(end - text));
	*at = text + *ret_len + (text + *ret_len < end);
	return text;
}

static void hold(const struct files_ignore *i, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	bool file = files_ignore_has(i, path, name, false);

	assert(file == files_ignore_has(i, path, name, false));
	/* What holds for all kinds holds for directories as well, unless a "!x/" takes it back. */
	(void)files_ignore_has(i, path, name, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	corral_autofree char *text = malloc(size + 1);
	struct files_ignore *above = NULL, *below = NULL;
	const char *at = text, *end, *file;
	size_t len;

	if (!text || size > 1 << 14)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	end = text + size;
	file = next(&at, end, &len);
	if (files_ignore_parse(file, len, 0, NULL, &above) == 0) {
		file = next(&at, end, &len);
		if (files_ignore_parse(file, len, 2, above, &below) == 0) {
			for (int i = 0; i < 16 && at < end; i++) {
				const char *path = next(&at, end, &len);

				if (len && len < 4000 && path[0] != '/' && path[len - 1] != '/')
					hold(below, path);
			}
			files_ignore_free(below, above);
		}
		files_ignore_free(above, NULL);
	}
	return 0;
}
