/*
 * A runtime's description: whatever the text, an error with a place, or a runtime that keeps what
 * the builder of images relies on, and that is read again from what is written of it.
 */
#include <assert.h>
#include <string.h>

#include "policy/runtime.h"
#include "tests/fuzz/fuzz.h"

static void check_runtime(const struct corral_runtime *rt)
{
	assert(rt->name && rt->name[0] && rt->description);
	assert(rt->work_dir && rt->work_dir[0] == '/');
	assert(!strpbrk(rt->work_dir, ";&|$()<>`\r\n"));
	assert(!rt->image || rt->image[0]);
	assert(!rt->base_image || rt->base_image[0]);
	for (size_t i = 0; i < rt->n_packages; i++)
		assert(rt->packages[i][0] != '-' && !strpbrk(rt->packages[i], " '\"\\$`;&|()\n"));
	for (size_t i = 0; i < rt->n_setup_commands; i++)
		assert(!strpbrk(rt->setup_commands[i], "\r\n"));
	for (size_t i = 0; i < rt->n_env_vars; i++) {
		assert(strchr(rt->env_vars[i], '=') > rt->env_vars[i]);
		assert(!strpbrk(rt->env_vars[i], "\r\n"));
	}
	assert(!rt->has_run_as_uid || rt->run_as_uid > 0);
	assert(rt->run_as_uid <= CORRAL_RUNTIME_UID_MAX);
}

static void check_round(const struct corral_runtime *rt)
{
	struct corral_buf once = CORRAL_BUF_INIT, twice = CORRAL_BUF_INIT;
	struct corral_runtime *again = NULL;

	assert(corral_runtime_write(rt, &once, NULL) == 0);
	assert(corral_runtime_parse(once.data, once.len, &again, NULL) == 0);
	assert(corral_runtime_write(again, &twice, NULL) == 0);
	assert(once.len == twice.len && !memcmp(once.data, twice.data, once.len));
	assert(rt->sandbox->limits_asked == again->sandbox->limits_asked);
	assert(!memcmp(&rt->sandbox->limits, &again->sandbox->limits, sizeof(rt->sandbox->limits)));
	corral_runtime_free(again);
	corral_buf_done(&once);
	corral_buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct corral_runtime *rt = NULL;
	struct corral_error err = { 0 };
	int r = corral_runtime_parse((const char *)data, size, &rt, &err);

	assert((r == 0) == (err.code == 0));
	assert(r == 0 || (err.code == -r && err.text[0] && !rt));
	if (r == 0) {
		check_runtime(rt);
		check_round(rt);
	}
	corral_runtime_free(rt);
	return 0;
}
