/*
 * The registry: which sessions, layers and states there are, in SQLite. Everything that speaks SQL
 * is in registry.c; who asks begins a transaction first, which also keeps other threads off the
 * connection, and asks nothing after its end.
 */
#ifndef CORRAL_BACKENDS_SESSIONS_REGISTRY_H
#define CORRAL_BACKENDS_SESSIONS_REGISTRY_H

#include <stdint.h>

#include "kernel/base/error.h"

struct registry;

/* Made when it is not there. -EPROTONOSUPPORT: of a later corral. */
int registry_open(const char *path, struct registry **ret, struct corral_error *err);
/* Takes NULL. */
void registry_close(struct registry *r);

enum registry_kind {
	REGISTRY_READ,
	/* May be lost with the power, never half of it, and never one before it. */
	REGISTRY_WRITE,
	/* Is on disk when it returns: what is taken away afterwards is named no more, and what is
	 * named is not taken for a stray. */
	REGISTRY_DURABLE,
};
int registry_begin(struct registry *r, enum registry_kind kind, struct corral_error *err);
/* The transaction is over, also when it fails. */
int registry_commit(struct registry *r, struct corral_error *err);
void registry_rollback(struct registry *r);

/* What can be asked; what each takes and gives is beside its text in registry.c. */
enum registry_question {
	REGISTRY_RUNTIME_ADD,
	REGISTRY_RUNTIME_NUMBER,
	REGISTRY_RUNTIMES_DROP,
	REGISTRY_LAYER_ADD,
	REGISTRY_LAYER_DEPTH,
	REGISTRY_LAYER_PUT_ON,
	REGISTRY_LAYER_DROP,
	REGISTRY_LAYER_CHAIN,
	REGISTRY_LAYER_NUMBERS,
	REGISTRY_LAYERS_LOST,
	REGISTRY_COVERS_ADD,
	REGISTRY_COVERS_INHERIT,
	REGISTRY_COVERS,
	REGISTRY_SESSION_ADD,
	REGISTRY_SESSION_FORK,
	REGISTRY_SESSION_EXISTS,
	REGISTRY_SESSION_GET,
	REGISTRY_SESSION_LIST,
	REGISTRY_SESSION_NOW,
	REGISTRY_SESSION_IDS,
	REGISTRY_SESSION_TOUCH,
	REGISTRY_SESSION_CLOSED,
	REGISTRY_SESSION_DATA,
	REGISTRY_SESSION_MOVE,
	REGISTRY_SESSION_COMMAND,
	REGISTRY_SESSION_DROP,
	REGISTRY_STATE_ADD,
	REGISTRY_STATE_FIND,
	REGISTRY_STATE_COMMAND,
	REGISTRY_STATE_AFTER,
	REGISTRY_STATE_FIRST,
	REGISTRY_STATE_LAST,
	REGISTRY_STATE_COUNT,
	REGISTRY_STATE_LIST,
	REGISTRY_STATE_NAMES,
	REGISTRY_STATE_DROP,
	REGISTRY_STATES_FORGET,
	REGISTRY_STATES_LOST,
	REGISTRY_STATES_DROP,
	REGISTRY_QUESTIONS
};

struct registry_value {
	enum { REGISTRY_END, REGISTRY_NUMBER, REGISTRY_TEXT, REGISTRY_NULL } kind;
	int64_t number;
	const char *text; /* NULL is NULL */
};
#define REGISTRY_N(n)                               \
	{                                           \
		REGISTRY_NUMBER, (int64_t)(n), NULL \
	}
#define REGISTRY_T(t)                 \
	{                             \
		REGISTRY_TEXT, 0, (t) \
	}
/* 0 is NULL: of layers. */
#define REGISTRY_L(n)                                            \
	{                                                        \
		(n) ? REGISTRY_NUMBER : REGISTRY_NULL, (n), NULL \
	}
#define REGISTRY_VALUES(...) \
	((const struct registry_value[]) { __VA_ARGS__, { REGISTRY_END, 0, NULL } })

/* Asks, and gives how many rows it changed. */
int registry_do(struct registry *r, enum registry_question q, const struct registry_value *values,
                struct corral_error *err);
/* 1 and the first number of the first row, or 0 without a row. */
int registry_one(struct registry *r, enum registry_question q, const struct registry_value *values,
                 int64_t *ret, struct corral_error *err);
/* Asks; then registry_next() row for row until it gives 0 or -errno, or registry_stop(). What a row
 * gives is borrowed until the next one; NULL is 0 and "". */
int registry_ask(struct registry *r, enum registry_question q, const struct registry_value *values,
                 struct corral_error *err);
int registry_next(struct registry *r, enum registry_question q, struct corral_error *err);
void registry_stop(struct registry *r, enum registry_question q);
int64_t registry_number(struct registry *r, enum registry_question q, int column);
const char *registry_text(struct registry *r, enum registry_question q, int column);

#endif
