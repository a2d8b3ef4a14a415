#include "kernel/image/oci/unpack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/image/oci/unpack_tree.h"

/* "sha256:4f4fb700ef54...": what people see of a layer. */
static void shown(const char *diff_id, char ret[16])
{
	(void)snprintf(ret, 13, "%s", diff_id ? diff_id + 7 : "layer");
}

static int unpack(struct corral_image_layer_making *m, int blob_fd, const char *diff_id,
                  const struct corral_unpack_options *o, struct corral_unpacked *ret,
                  struct corral_error *err)
{
	char what[16];
	int r;

	shown(diff_id, what);
	r = corral_unpack_tree(blob_fd, corral_image_layer_making_path(m), what, o, ret, err);
	if (r < 0)
		return r;
	if (diff_id && strcmp(diff_id, ret->diff_id) != 0)
		return corral_error_set(err, EBADMSG,
		                        "what was unpacked is %s, and its image says %s",
		                        ret->diff_id, diff_id);
	return 0;
}

int corral_unpack_layer(struct corral_image_store *s, int blob_fd, const char *diff_id,
                        const struct corral_unpack_options *o, char *ret_diff_id,
                        struct corral_error *err)
{
	struct corral_image_layer_making *m = NULL;
	struct corral_unpacked done = { 0 };
	char what[16];
	struct corral_progress_tick wait = { o->progress, what, "wait" };
	const struct corral_image_tick tick = { corral_progress_tick, &wait };
	int r;

	shown(diff_id, what);
	if (diff_id && !corral_digest_is_valid(diff_id))
		return corral_error_set(err, EINVAL, "'%.80s' is no digest", diff_id);
	r = corral_image_layer_begin(s, diff_id, &tick, &m, err);
	if (r < 0)
		return r;
	if (m) {
		r = unpack(m, blob_fd, diff_id, o, &done, err);
		if (r < 0) {
			corral_image_layer_abandon(m);
			return corral_error_wrap(err, r, "layer %.19s", diff_id ? diff_id : "");
		}
		r = corral_image_layer_commit_take(m, done.diff_id, err);
		if (r < 0)
			return r;
		diff_id = done.diff_id;
	}
	if (ret_diff_id)
		memcpy(ret_diff_id, diff_id, CORRAL_DIGEST_SIZE);
	return 0;
}
