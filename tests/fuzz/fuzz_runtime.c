/*
 * A runtime's description: whatever the text, an error with a place, or a runtime that keeps what
 * the builder of images relies on.
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct corral_runtime *rt = NULL;
	struct corral_error err = { 0 };
	int r = corral_runtime_parse((const char *)data, size, &rt, &err);

	assert((r == 0) == (err.code == 0));
	assert(r == 0 || (err.code == -r && err.text[0] && !rt));
	if (r == 0)
		check_runtime(rt);
	corral_runtime_free(rt);
	return 0;
}
