/*
 * What the state backend's files share.
 */
#ifndef CORRAL_BACKENDS_STATE_FILES_H
#define CORRAL_BACKENDS_STATE_FILES_H

#include <pthread.h>

#include "backends/backend_ops.h"
#include "backends/names.h"
#include "backends/state.h"
#include "backends/state_tree.h"

struct corral_state {
	struct corral_backend base;
	uint64_t max_bytes;
	pthread_mutex_t lock; /* of what follows */
	struct corral_state_tree tree;
	uint64_t coming; /* bytes of writes under way */
};

static inline struct corral_state *to_state(struct corral_backend *b)
{
	return (struct corral_state *)b;
}

/* NULL, and an error, when it is another kind of backend. */
struct corral_state *corral_state_of(struct corral_backend *b, struct corral_error *err);

/* The path as the tree has it; the contract's words when it cannot be one. */
int corral_state_path(const char *path, char ret[CORRAL_FILES_PATH_MAX], struct corral_error *err);
/* Whether it ends with a slash: a file of that name is then not what is meant. */
bool corral_state_means_dir(const char *path);
void corral_state_stat_of(const struct corral_state_node *node, struct corral_files_stat *ret);
int64_t corral_state_now_nsec(void);
int corral_state_full(const struct corral_state *s, struct corral_error *err);

/* state_search.c */
int corral_state_ls(struct corral_backend *b, const char *path, struct corral_files_rows *ret,
                    struct corral_error *err);
int corral_state_glob(struct corral_backend *b, const char *pattern, const char *path,
                      unsigned int flags, struct corral_files_rows *ret, struct corral_error *err);
int corral_state_grep(struct corral_backend *b, const struct corral_files_grep *grep,
                      struct corral_files_matches *ret, struct corral_error *err);

/* state_names.c */
int corral_state_mkdir(struct corral_backend *b, const char *path, struct corral_error *err);
int corral_state_remove(struct corral_backend *b, const char *path, unsigned int flags,
                        struct corral_error *err);
int corral_state_rename(struct corral_backend *b, const char *path, const char *new_path,
                        unsigned int flags, struct corral_error *err);

/* state_text.c: times and bytes as a document has them. */
#define CORRAL_STATE_TIME_SIZE 40
void corral_state_time_format(int64_t nsec, char ret[CORRAL_STATE_TIME_SIZE]);
/* 0, or -EINVAL without a text. */
int corral_state_time_parse(const char *text, int64_t *ret_nsec);

/*
 * state_surrogates.c: for a JSON text with escapes of lone surrogates U+DC80 to U+DCFF, the same
 * text with private characters, 128 from *ret_first on, that it does not use otherwise. An empty
 * buffer when there are none. -EINVAL when no private characters are left; -ENOMEM.
 */
int corral_state_surrogates_hide(const char *json, size_t len, struct corral_buf *ret,
                                 uint32_t *ret_first);
/* UTF-8 text with those characters as the bytes that they stand for; first 0: as it is. */
void corral_state_surrogates_bytes(const char *text, size_t len, uint32_t first,
                                   struct corral_buf *ret);

#endif
