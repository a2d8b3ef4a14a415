#include "backends/state_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"

/* What a node costs besides its path and content, so that a million empty files are not free. */
#define NODE_BYTES 128u

struct corral_state_content *corral_state_content_new(const char *data, size_t len)
{
	struct corral_state_content *c = malloc(sizeof(*c) + len + 1);

	if (!c)
		return NULL;
	atomic_init(&c->refs, 1);
	c->len = len;
	if (len)
		memcpy(c->data, data, len);
	c->data[len] = '\0';
	return c;
}

struct corral_state_content *corral_state_content_share(struct corral_state_content *c)
{
	if (c)
		(void)atomic_fetch_add(&c->refs, 1);
	return c;
}

void corral_state_content_free(struct corral_state_content *c)
{
	if (c && atomic_fetch_sub(&c->refs, 1) == 1)
		free(c);
}

struct corral_state_node *corral_state_node_new(const char *path)
{
	size_t len = strlen(path);
	struct corral_state_node *n = calloc(1, sizeof(*n) + len + 1);

	if (!n)
		return NULL;
	atomic_init(&n->refs, 1);
	memcpy(n->path, path, len + 1);
	return n;
}

struct corral_state_node *corral_state_node_share(struct corral_state_node *n)
{
	(void)atomic_fetch_add(&n->refs, 1);
	return n;
}

void corral_state_node_free(struct corral_state_node *n)
{
	if (!n || atomic_fetch_sub(&n->refs, 1) != 1)
		return;
	corral_state_content_free(n->content);
	free(n);
}

static uint64_t cost(const struct corral_state_node *n)
{
	return NODE_BYTES + strlen(n->path) + (n->content ? n->content->len : 0);
}

size_t corral_state_tree_at(const struct corral_state_tree *t, const char *path)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(t->nodes[middle]->path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct corral_state_node *corral_state_tree_find(const struct corral_state_tree *t,
                                                 const char *path)
{
	size_t i = corral_state_tree_at(t, path);

	return i < t->n && !strcmp(t->nodes[i]->path, path) ? t->nodes[i] : NULL;
}

size_t corral_state_tree_below(const struct corral_state_tree *t, const char *dir,
                               size_t *ret_begin)
{
	char edge[CORRAL_FILES_PATH_MAX + 1];
	size_t len = strlen(dir);

	if (len == 1) {
		*ret_begin = 0;
		return t->n;
	}
	memcpy(edge, dir, len);
	edge[len] = '/';
	edge[len + 1] = '\0';
	*ret_begin = corral_state_tree_at(t, edge);
	/* What sorts right behind everything that begins with "/". */
	edge[len] = '/' + 1;
	return corral_state_tree_at(t, edge);
}

/* With room for it. */
static void insert(struct corral_state_tree *t, struct corral_state_node *node)
{
	size_t i = corral_state_tree_at(t, node->path);

	memmove(t->nodes + i + 1, t->nodes + i, (t->n - i) * sizeof(*t->nodes));
	t->nodes[i] = node;
	t->n++;
	t->bytes += cost(node);
}

static int reserve(struct corral_state_tree *t, size_t more)
{
	size_t want = t->room ? t->room : 16;
	struct corral_state_node **nodes;

	while (want < t->n + more)
		want *= 2;
	if (want == t->room)
		return 0;
	nodes = reallocarray(t->nodes, want, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	t->nodes = nodes;
	t->room = want;
	return 0;
}

/* The directories that lead to the node and are not there, as a tree of their own. */
static int missing_parents(const struct corral_state_tree *t, const struct corral_state_node *node,
                           struct corral_state_tree *ret)
{
	char dir[CORRAL_FILES_PATH_MAX];

	for (size_t len = 1; node->path[len]; len++) {
		struct corral_state_node *parent;

		if (node->path[len] != '/')
			continue;
		memcpy(dir, node->path, len);
		dir[len] = '\0';
		parent = corral_state_tree_find(t, dir);
		if (parent && parent->content)
			return -ENOTDIR;
		if (parent)
			continue;
		parent = reserve(ret, 1) == 0 ? corral_state_node_new(dir) : NULL;
		if (!parent)
			return -ENOMEM;
		parent->created_nsec = parent->modified_nsec = node->modified_nsec;
		parent->mode = 0755;
		insert(ret, parent);
	}
	return 0;
}

int corral_state_tree_put_take(struct corral_state_tree *t, struct corral_state_node *node,
                               uint64_t max)
{
	struct corral_state_node *old = corral_state_tree_find(t, node->path);
	struct corral_state_tree parents = { 0 };
	uint64_t bytes;
	int r;

	if (old && !old->content != !node->content)
		r = old->content ? -EEXIST : -EISDIR;
	else
		r = missing_parents(t, node, &parents);
	bytes = t->bytes + parents.bytes + cost(node) - (old ? cost(old) : 0);
	/* Over the budget by a caller's doing, it may still become less. */
	if (r == 0 && bytes > max && bytes > t->bytes)
		r = -ENOSPC;
	if (r == 0)
		r = reserve(t, parents.n + 1);
	if (r < 0) {
		corral_state_tree_done(&parents);
		corral_state_node_free(node);
		return r;
	}
	if (old) {
		size_t i = corral_state_tree_at(t, node->path);

		corral_state_tree_cut(t, i, i + 1);
	}
	for (size_t i = 0; i < parents.n; i++)
		insert(t, parents.nodes[i]);
	insert(t, node);
	free(parents.nodes);
	return 0;
}

void corral_state_tree_cut(struct corral_state_tree *t, size_t begin, size_t end)
{
	for (size_t i = begin; i < end; i++) {
		t->bytes -= cost(t->nodes[i]);
		corral_state_node_free(t->nodes[i]);
	}
	memmove(t->nodes + begin, t->nodes + end, (t->n - end) * sizeof(*t->nodes));
	t->n -= end - begin;
}

int corral_state_tree_copy(const struct corral_state_tree *t, struct corral_state_tree *ret)
{
	*ret = (struct corral_state_tree) { .n = t->n, .room = t->n, .bytes = t->bytes };
	if (!t->n)
		return 0;
	ret->nodes = calloc(t->n, sizeof(*ret->nodes));
	if (!ret->nodes) {
		memset(ret, 0, sizeof(*ret));
		return -ENOMEM;
	}
	for (size_t i = 0; i < t->n; i++)
		ret->nodes[i] = corral_state_node_share(t->nodes[i]);
	return 0;
}

void corral_state_tree_done(struct corral_state_tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		corral_state_node_free(t->nodes[i]);
	free(t->nodes);
	memset(t, 0, sizeof(*t));
}
