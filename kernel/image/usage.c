/*
 * How much a tree holds, and whether that is more than an image may.
 */
#include "kernel/image/bounds.h"
#include "kernel/image/layer.h"
#include "kernel/layers/layers.h"

static int watch(void *ctx, uint64_t bytes, uint64_t names, struct corral_error *err)
{
	int r = corral_image_bounds_check(ctx, bytes, names, err);

	return r < 0 ? r : corral_image_bounds_look(ctx, err);
}

int corral_image_tree_usage(const char *path, struct corral_image_bounds *bounds,
                            uint64_t *ret_bytes, uint64_t *ret_files, struct corral_error *err)
{
	const struct corral_layer_watch w = { watch, bounds };

	return corral_tree_usage(path, bounds ? &w : NULL, ret_bytes, ret_files, err);
}
