/*
 * Inside the state backend: its files and directories, as a sorted array of nodes that never
 * change. Whoever has a reference to one goes on with it, whatever becomes of the tree.
 */
#ifndef CORRAL_BACKENDS_STATE_TREE_H
#define CORRAL_BACKENDS_STATE_TREE_H

#include <stdatomic.h>

#include "backends/backend.h"

struct corral_state_content {
	atomic_uint refs;
	size_t len;
	char data[];
};

struct corral_state_node {
	atomic_uint refs;
	struct corral_state_content *content; /* NULL: a directory */
	int64_t created_nsec, modified_nsec;  /* since 1970 */
	uint32_t mode;
	char path[]; /* as corral_names_virtual() makes it, but for the root, which has no node */
};

struct corral_state_tree {
	struct corral_state_node **nodes; /* by path */
	size_t n, room;
	uint64_t bytes; /* what they cost of the budget */
};

/* A copy; NULL without memory. One reference, the caller's. */
struct corral_state_content *corral_state_content_new(const char *data, size_t len);
struct corral_state_content *corral_state_content_share(struct corral_state_content *c);
void corral_state_content_free(struct corral_state_content *c);

struct corral_state_node *corral_state_node_new(const char *path);
struct corral_state_node *corral_state_node_share(struct corral_state_node *n);
void corral_state_node_free(struct corral_state_node *n);

/* The first node whose path is not before this one. */
size_t corral_state_tree_at(const struct corral_state_tree *t, const char *path);
/* Borrowed; NULL when there is none. */
struct corral_state_node *corral_state_tree_find(const struct corral_state_tree *t,
                                                 const char *path);
/* The nodes below the directory: from *ret_begin up to what is returned. */
size_t corral_state_tree_below(const struct corral_state_tree *t, const char *dir,
                               size_t *ret_begin);

/*
 * Takes the node, also when it fails: added, or in the place of the one of that path, with
 * the directories that lead to it. max: the budget. -ENOTDIR: a file is on the way; -EISDIR,
 * -EEXIST: a directory or file is in the place of the other; -ENOSPC; -ENOMEM. Nothing has
 * changed then.
 */
int corral_state_tree_put_take(struct corral_state_tree *t, struct corral_state_node *node,
                               uint64_t max);
/* Takes out the nodes [begin, end). */
void corral_state_tree_cut(struct corral_state_tree *t, size_t begin, size_t end);
/* All nodes, shared. -ENOMEM. */
int corral_state_tree_copy(const struct corral_state_tree *t, struct corral_state_tree *ret);
void corral_state_tree_done(struct corral_state_tree *t);

#endif
