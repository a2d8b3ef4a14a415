#include "backends/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/state_files.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"
#include "kernel/files/content.h"

int64_t corral_state_now_nsec(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	/* Whole microseconds: documents have no finer times, and what goes out is to come back. */
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec / 1000 * 1000;
}

int corral_state_full(const struct corral_state *s, struct corral_error *err)
{
	return corral_error_set(err, ENOSPC, "No space left: the files would be over %llu bytes",
	                        (unsigned long long)s->max_bytes);
}

int corral_state_path(const char *path, char ret[CORRAL_FILES_PATH_MAX], struct corral_error *err)
{
	int r = corral_names_virtual(path, ret, err);

	if (r < 0)
		return r;
	if (path[0] == '~')
		return corral_error_set(err, EINVAL, "Path cannot start with '~'");
	/* "/:x" has none. */
	if (path[0] && path[0] != '/' && path[1] == ':')
		return corral_error_set(err, EINVAL, "Windows absolute paths are not allowed");
	if (!corral_utf8_valid(path, strlen(path)))
		return corral_error_set(err, EILSEQ, "Path is not valid UTF-8");
	return 0;
}

bool corral_state_means_dir(const char *path)
{
	return path[0] && path[strlen(path) - 1] == '/';
}

void corral_state_stat_of(const struct corral_state_node *node, struct corral_files_stat *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->type = node && node->content ? CORRAL_FILES_REGULAR : CORRAL_FILES_DIRECTORY;
	ret->mode = node ? node->mode : 0755;
	ret->uid = getuid();
	ret->gid = getgid();
	ret->size = node && node->content ? node->content->len : 0;
	ret->mtime_nsec = node ? node->modified_nsec : 0;
}

/* A reference to the file's node; the caller's. */
static int file_find(struct corral_state *s, const char *path, struct corral_state_node **ret,
                     struct corral_error *err)
{
	char name[CORRAL_FILES_PATH_MAX];
	struct corral_state_node *node;
	bool dir, as_dir = corral_state_means_dir(path);
	int r = corral_state_path(path, name, err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&s->lock);
	node = corral_state_tree_find(&s->tree, name);
	dir = !name[1] || (node && !node->content);
	if (node)
		(void)corral_state_node_share(node);
	pthread_mutex_unlock(&s->lock);
	if (node && !dir && !as_dir) {
		*ret = node;
		return 0;
	}
	corral_state_node_free(node);
	return files_fail(err, dir ? EISDIR : ENOENT, path);
}

static bool state_exists(struct corral_backend *b, const char *path)
{
	struct corral_state_node *node = NULL;
	bool answer = file_find(to_state(b), path, &node, NULL) == 0;

	corral_state_node_free(node);
	return answer;
}

static int state_stat(struct corral_backend *b, const char *path, unsigned int flags,
                      struct corral_files_stat *ret, struct corral_error *err)
{
	struct corral_state *s = to_state(b);
	const struct corral_state_node *node;
	char name[CORRAL_FILES_PATH_MAX];
	int r = corral_state_path(path, name, err);

	(void)flags;
	if (r < 0)
		return r;
	pthread_mutex_lock(&s->lock);
	node = corral_state_tree_find(&s->tree, name);
	if ((node && (!node->content || !corral_state_means_dir(path))) || !name[1])
		corral_state_stat_of(node, ret);
	else
		r = -ENOENT;
	pthread_mutex_unlock(&s->lock);
	return r < 0 ? files_fail(err, -r, path) : 0;
}

static int state_read(struct corral_backend *b, const char *path, uint64_t offset, uint64_t limit,
                      struct corral_buf *ret, struct corral_error *err)
{
	struct corral_state_node *node = NULL;
	struct files_content c;
	int r = file_find(to_state(b), path, &node, err);

	if (r < 0)
		return r;
	c = files_content_memory(node->content->data, node->content->len);
	r = files_text_read(&c, path, offset, limit, NULL, ret, err);
	corral_state_node_free(node);
	return r;
}

static int state_read_stream(struct corral_backend *b, const char *path, uint64_t offset,
                             uint64_t length, uint64_t max, const struct corral_files_sink *sink,
                             struct corral_error *err)
{
	struct corral_state_node *node = NULL;
	uint64_t left;
	int r = file_find(to_state(b), path, &node, err);

	if (r < 0)
		return r;
	left = offset < node->content->len ? node->content->len - offset : 0;
	left = left < length ? left : length;
	if (max && left > max)
		r = files_too_large(err, node->content->len, max);
	while (r == 0 && left) {
		size_t n = left < CORRAL_FILES_CHUNK ? (size_t)left : CORRAL_FILES_CHUNK;

		r = sink->put(sink->ctx, node->content->data + offset, n, err);
		offset += n;
		left -= n;
	}
	corral_state_node_free(node);
	return r;
}

/* The file, new or in the place of one. Takes the content, which may be NULL for want of memory.
 * With only_if: only when the path still has this node, else -EAGAIN. */
static int file_put(struct corral_state *s, const char *path, const char *name,
                    struct corral_state_content *content, unsigned int mode,
                    const struct corral_state_node *only_if, struct corral_error *err)
{
	struct corral_state_node *node = corral_state_node_new(name);
	const struct corral_state_node *old;
	int r;

	if (!node || !content) {
		corral_state_node_free(node);
		corral_state_content_free(content);
		return files_fail(err, ENOMEM, path);
	}
	node->content = content;
	node->created_nsec = node->modified_nsec = corral_state_now_nsec();
	node->mode = mode ? mode & 0777 : 0644;
	pthread_mutex_lock(&s->lock);
	old = corral_state_tree_find(&s->tree, name);
	if (old && old->content) {
		node->created_nsec = old->created_nsec;
		node->mode = old->mode;
	}
	if (only_if && old != only_if) {
		corral_state_node_free(node);
		r = -EAGAIN;
	} else {
		r = corral_state_tree_put_take(&s->tree, node, s->max_bytes);
	}
	pthread_mutex_unlock(&s->lock);
	/* To be tried again: no failure yet. */
	if (r == -EAGAIN)
		return r;
	if (r == -ENOSPC)
		return corral_state_full(s, err);
	if (r == -ENOTDIR)
		return corral_error_set(err, ENOTDIR, "'%s': Not a directory", path);
	return r < 0 ? files_fail(err, -r, path) : 0;
}

static int state_edit(struct corral_backend *b, const char *path,
                      const struct corral_files_edit *edit, uint64_t *ret_occurrences,
                      struct corral_error *err)
{
	struct corral_state *s = to_state(b);
	char name[CORRAL_FILES_PATH_MAX];
	int r;

	do {
		corral_autobuf struct corral_buf out = CORRAL_BUF_INIT;
		struct corral_state_node *node = NULL;
		uint64_t n = 0;

		r = file_find(s, path, &node, err);
		if (!node)
			return r;
		r = files_text_edit(node->content->data, node->content->len, path, edit, &out, &n,
		                    err);
		if (r == -ENOMSG || r == -ENOTUNIQ)
			*ret_occurrences = n;
		if (r == 0)
			r = corral_state_path(path, name, err);
		if (r == 0)
			r = file_put(s, path, name, corral_state_content_new(out.data, out.len), 0,
			             node, err);
		if (r == 0)
			*ret_occurrences = edit->replace_all ? n : 1;
		corral_state_node_free(node);
		/* Somebody else wrote it meanwhile: that is what is to be edited. */
	} while (r == -EAGAIN);
	return r;
}

/* Room in the budget for what is being written. */
static int coming_add(struct corral_state *s, size_t n, struct corral_error *err)
{
	bool fits;

	pthread_mutex_lock(&s->lock);
	fits = s->tree.bytes + s->coming + n <= s->max_bytes;
	if (fits)
		s->coming += n;
	pthread_mutex_unlock(&s->lock);
	return fits ? 0 : corral_state_full(s, err);
}

/* *coming: what was made room for. */
static int source_take(struct corral_state *s, const struct corral_files_source *source,
                       struct corral_buf *ret, uint64_t *coming, struct corral_error *err)
{
	corral_autofree char *chunk = malloc(CORRAL_FILES_CHUNK);
	long got;

	if (!chunk)
		return files_fail(err, ENOMEM, "");
	while ((got = source->get(source->ctx, chunk, CORRAL_FILES_CHUNK, err)) > 0) {
		int r = coming_add(s, (size_t)got, err);

		if (r < 0)
			return r;
		*coming += (uint64_t)got;
		corral_buf_add(ret, chunk, (size_t)got);
		if (ret->failed)
			return files_fail(err, ENOMEM, "");
	}
	return (int)got;
}

static int state_write_stream(struct corral_backend *b, const char *path, unsigned int mode,
                              bool known, const struct corral_files_source *source,
                              struct corral_error *err)
{
	corral_autobuf struct corral_buf data = CORRAL_BUF_INIT;
	struct corral_state *s = to_state(b);
	char name[CORRAL_FILES_PATH_MAX];
	uint64_t coming = 0;
	int r = corral_state_path(path, name, err);

	(void)known;
	if (r < 0)
		return r;
	if (!name[1] || corral_state_means_dir(path))
		return files_fail(err, EISDIR, path);
	r = source_take(s, source, &data, &coming, err);
	if (r == 0)
		r = file_put(s, path, name, corral_state_content_new(data.data, data.len), mode,
		             NULL, err);
	pthread_mutex_lock(&s->lock);
	s->coming -= coming;
	pthread_mutex_unlock(&s->lock);
	return r;
}

static const char *state_root_path(const struct corral_backend *b)
{
	(void)b;
	return "/";
}

static void state_close(struct corral_backend *b)
{
	struct corral_state *s = to_state(b);

	corral_state_tree_done(&s->tree);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct corral_backend_ops state_ops = {
	.kind = "state",
	.close = state_close,
	.root_path = state_root_path,
	.exists = state_exists,
	.stat = state_stat,
	.ls = corral_state_ls,
	.read = state_read,
	.edit = state_edit,
	.glob = corral_state_glob,
	.grep = corral_state_grep,
	.mkdir = corral_state_mkdir,
	.remove = corral_state_remove,
	.rename = corral_state_rename,
	.read_stream = state_read_stream,
	.write_stream = state_write_stream,
};

struct corral_state *corral_state_of(struct corral_backend *b, struct corral_error *err)
{
	if (b->ops == &state_ops)
		return to_state(b);
	(void)corral_error_set(err, EINVAL, "the %s backend has no documents", b->ops->kind);
	return NULL;
}

uint64_t corral_state_backend_bytes(struct corral_backend *b)
{
	struct corral_state *s = corral_state_of(b, NULL);
	uint64_t bytes;

	if (!s)
		return 0;
	pthread_mutex_lock(&s->lock);
	bytes = s->tree.bytes + s->coming;
	pthread_mutex_unlock(&s->lock);
	return bytes;
}

int corral_state_backend_new(const struct corral_state_options *options,
                             struct corral_backend **ret, struct corral_error *err)
{
	struct corral_state *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return corral_error_set(err, ENOMEM, "state backend: out of memory");
	r = corral_backend_init(&s->base, &state_ops, options ? options->id : NULL, err);
	if (r < 0) {
		free(s);
		return r;
	}
	s->max_bytes = options && options->max_bytes ? options->max_bytes : CORRAL_STATE_BYTES;
	(void)pthread_mutex_init(&s->lock, NULL);
	*ret = &s->base;
	return 0;
}
