#include <errno.h>
#include <dirent.h>
#include "kernel/layers/layers.h"
__attribute__((weak)) int corral_layers_diff(const struct corral_layer_stack *stack,
                                             const struct corral_layers_diff_options *o,
                                             int (*told)(void *, const struct corral_change *),
                                             void *ctx, struct corral_error *err)
{
	(void)stack;
	(void)o;
	(void)told;
	(void)ctx;
	return corral_error_set(err, ENOSYS, "stub");
}
__attribute__((weak)) char corral_change_letter(enum corral_change_kind k)
{
	return " ACD"[k];
}
__attribute__((weak)) int corral_layer_is_empty(const char *path, struct corral_error *err)
{
	(void)path;
	(void)err;
	return 0;
}
__attribute__((weak)) int corral_layer_merge(const char *a, const char *b, const char *c, bool d,
                                             struct corral_error *err)
{
	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return corral_error_set(err, ENOSYS, "stub");
}
__attribute__((weak)) int corral_layer_remove(int fd, const char *n, struct corral_error *err)
{
	(void)fd;
	(void)n;
	(void)err;
	return 0;
}
__attribute__((weak)) int corral_layer_usage(const char *p, uint64_t *a, uint64_t *b,
                                             struct corral_error *err)
{
	(void)p;
	(void)err;
	*a = *b = 0;
	return 0;
}
