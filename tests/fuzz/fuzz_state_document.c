/*
 * Documents of the state backend: whatever the text, an error with a place and nothing changed, or
 * files that go out into a valid document and come back the same.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "backends/state.h"
#include "kernel/base/utf8.h"
#include "tests/fuzz/fuzz.h"

static char *export(struct corral_backend *b)
{
	struct corral_buf text = CORRAL_BUF_INIT;

	assert(corral_state_backend_export(b, &text, NULL) == 0);
	assert(corral_utf8_valid(text.data, text.len));
	return corral_buf_take(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct corral_backend *b = NULL;
	struct corral_error err = { 0 };
	char *first, *again;
	int r;

	if (corral_state_backend_new(NULL, &b, NULL) < 0)
		return 0;
	r = corral_state_backend_import(b, (const char *)data, size, &err);
	assert((r == 0) == (err.code == 0));
	first = export(b);
	if (r < 0) {
		assert(err.text[0] && !strcmp(first, "{}"));
	} else {
		r = corral_state_backend_import(b, first, strlen(first), &err);
		assert(r == 0);
		again = export(b);
		assert(!strcmp(first, again));
		free(again);
	}
	free(first);
	corral_backend_close(b);
	return 0;
}
