/* Names of files in memory made, removed and changed: what has no effect on content. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/state_files.h"
#include "kernel/base/cleanup.h"
#include "kernel/files/content.h"

int corral_state_mkdir(struct corral_backend *b, const char *path, struct corral_error *err)
{
	struct corral_state *s = to_state(b);
	char name[CORRAL_FILES_PATH_MAX];
	const struct corral_state_node *old;
	struct corral_state_node *node;
	int r = corral_state_path(path, name, err);

	if (r < 0 || !name[1])
		return r;
	node = corral_state_node_new(name);
	if (!node)
		return files_fail(err, ENOMEM, path);
	node->created_nsec = node->modified_nsec = corral_state_now_nsec();
	node->mode = 0755;
	pthread_mutex_lock(&s->lock);
	old = corral_state_tree_find(&s->tree, name);
	if (old && !old->content)
		corral_state_node_free(node);
	else
		r = corral_state_tree_put_take(&s->tree, node, s->max_bytes);
	pthread_mutex_unlock(&s->lock);
	if (r == -ENOSPC)
		return corral_state_full(s, err);
	if (r == -ENOTDIR || r == -EEXIST)
		return corral_error_set(err, ENOTDIR, "'%s': a file is in the way", path);
	return r < 0 ? files_fail(err, -r, path) : 0;
}

/* With the lock held. */
static int remove_locked(struct corral_state *s, const char *name, bool recursive)
{
	const struct corral_state_node *node = corral_state_tree_find(&s->tree, name);
	size_t begin, end, at;

	if (!node)
		return -ENOENT;
	end = corral_state_tree_below(&s->tree, name, &begin);
	if (end > begin && !recursive)
		return -ENOTEMPTY;
	corral_state_tree_cut(&s->tree, begin, end);
	at = corral_state_tree_at(&s->tree, name);
	corral_state_tree_cut(&s->tree, at, at + 1);
	return 0;
}

int corral_state_remove(struct corral_backend *b, const char *path, unsigned int flags,
                        struct corral_error *err)
{
	struct corral_state *s = to_state(b);
	char name[CORRAL_FILES_PATH_MAX];
	int r = corral_state_path(path, name, err);

	if (r < 0)
		return r;
	if (!name[1])
		return corral_error_set(err, EBUSY, "'%s' is the root and stays", path);
	pthread_mutex_lock(&s->lock);
	r = remove_locked(s, name, flags & CORRAL_FILES_RECURSIVE);
	pthread_mutex_unlock(&s->lock);
	return r < 0 ? files_fail(err, -r, path) : 0;
}

/* The node and all below it, under their new names. */
static int moved(const struct corral_state *s, const char *from, const char *to,
                 struct corral_state_tree *ret)
{
	size_t begin, end = corral_state_tree_below(&s->tree, from, &begin);
	size_t self = corral_state_tree_at(&s->tree, from);
	int r = 0;

	for (size_t i = begin; r == 0 && i <= end; i++) {
		const struct corral_state_node *old = s->tree.nodes[i < end ? i : self];
		char path[CORRAL_FILES_PATH_MAX];
		struct corral_state_node *node;

		if (corral_names_join(to, corral_names_below(from, old->path), path) < 0)
			return -ENAMETOOLONG;
		node = corral_state_node_new(path);
		if (!node)
			return -ENOMEM;
		node->content = corral_state_content_share(old->content);
		node->created_nsec = old->created_nsec;
		node->modified_nsec = old->modified_nsec;
		node->mode = old->mode;
		r = corral_state_tree_put_take(ret, node, UINT64_MAX);
	}
	return r;
}

/* Whether one may take the other's place, as rename(2) says. */
static int may_replace(const struct corral_state *s, const char *from, const char *to,
                       unsigned int flags)
{
	const struct corral_state_node *source = corral_state_tree_find(&s->tree, from);
	const struct corral_state_node *target = corral_state_tree_find(&s->tree, to);
	size_t begin, end;

	if (!source)
		return -ENOENT;
	if (!strcmp(from, to))
		return flags & CORRAL_FILES_NOREPLACE ? -EEXIST : 0;
	if (corral_names_below(from, to))
		return -EINVAL;
	if (!target)
		return 0;
	if (flags & CORRAL_FILES_NOREPLACE)
		return -EEXIST;
	if (!target->content && source->content)
		return -EISDIR;
	if (target->content && !source->content)
		return -ENOTDIR;
	end = corral_state_tree_below(&s->tree, to, &begin);
	return end > begin ? -ENOTEMPTY : 0;
}

/* With the lock held. All that can fail comes before the first change, but for the place. */
static int rename_locked(struct corral_state *s, const char *from, const char *to,
                         unsigned int flags)
{
	struct corral_state_tree before = { 0 }, out = { 0 };
	int r = may_replace(s, from, to, flags);

	if (r < 0 || !strcmp(from, to))
		return r;
	r = moved(s, from, to, &out);
	if (r == 0)
		r = corral_state_tree_copy(&s->tree, &before);
	if (r == 0)
		r = remove_locked(s, from, true);
	if (r == 0 && corral_state_tree_find(&s->tree, to))
		r = remove_locked(s, to, false);
	for (size_t i = corral_state_tree_at(&out, to); r == 0 && i < out.n; i++)
		r = corral_state_tree_put_take(&s->tree, corral_state_node_share(out.nodes[i]),
		                               s->max_bytes);
	if (r < 0 && before.nodes) {
		struct corral_state_tree broken = s->tree;

		s->tree = before;
		before = broken;
	}
	corral_state_tree_done(&before);
	corral_state_tree_done(&out);
	return r;
}

int corral_state_rename(struct corral_backend *b, const char *path, const char *new_path,
                        unsigned int flags, struct corral_error *err)
{
	char from[CORRAL_FILES_PATH_MAX], to[CORRAL_FILES_PATH_MAX];
	struct corral_state *s = to_state(b);
	int r = corral_state_path(path, from, err);

	if (r < 0)
		return r;
	r = corral_state_path(new_path, to, err);
	if (r < 0)
		return r;
	if (!from[1] || !to[1])
		return corral_error_set(err, EBUSY, "'%s' is the root and stays",
		                        from[1] ? new_path : path);
	pthread_mutex_lock(&s->lock);
	r = rename_locked(s, from, to, flags);
	pthread_mutex_unlock(&s->lock);
	if (r == -ENOSPC)
		return corral_state_full(s, err);
	return r < 0 ? files_fail(err, -r, r == -EEXIST || r == -EISDIR ? new_path : path) : 0;
}
