/* Background processes of the live sandbox; when there is none, there are none of them. */
#include "backends/boxes.h"

static struct corral_boxes *boxes_of(struct corral_backend *b)
{
	return b->ops->boxes(b);
}

int corral_boxes_background_start(struct corral_backend *b, const char *command,
                                  struct corral_background *ret, struct corral_error *err)
{
	struct corral_boxes *l = boxes_of(b);
	struct corral_box *box;
	int r = corral_boxes_acquire(l, &box, err);

	if (r < 0)
		return r;
	r = corral_backgrounds_start(&box->backgrounds, box, command,
	                             atomic_fetch_add(&l->last_background, 1) + 1, ret, err);
	corral_boxes_release(l, box);
	return r;
}

int corral_boxes_background_read(struct corral_backend *b, const char *shell_id,
                                 struct corral_buf *out, struct corral_buf *err_out,
                                 struct corral_background *ret, struct corral_error *err)
{
	struct corral_box *box = corral_boxes_find(boxes_of(b));
	int r;

	if (!box)
		return corral_background_unknown(shell_id, err);
	r = corral_backgrounds_read(&box->backgrounds, shell_id, out, err_out, ret, err);
	corral_boxes_release(boxes_of(b), box);
	return r;
}

int corral_boxes_background_kill(struct corral_backend *b, const char *shell_id,
                                 struct corral_error *err)
{
	struct corral_box *box = corral_boxes_find(boxes_of(b));
	int r;

	(void)err;
	if (!box)
		return 0;
	r = corral_backgrounds_kill(&box->backgrounds, shell_id);
	corral_boxes_release(boxes_of(b), box);
	return r;
}

int corral_boxes_background_list(struct corral_backend *b, struct corral_background_list *ret,
                                 struct corral_error *err)
{
	struct corral_box *box = corral_boxes_find(boxes_of(b));
	int r;

	if (!box)
		return 0;
	r = corral_backgrounds_list(&box->backgrounds, ret, err);
	corral_boxes_release(boxes_of(b), box);
	return r;
}

int corral_boxes_background_kill_all(struct corral_backend *b, struct corral_error *err)
{
	struct corral_box *box = corral_boxes_find(boxes_of(b));

	(void)err;
	if (box) {
		corral_backgrounds_kill_all(&box->backgrounds);
		corral_boxes_release(boxes_of(b), box);
	}
	return 0;
}
