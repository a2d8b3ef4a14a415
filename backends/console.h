/*
 * The tools of an agent at a console: list, read, write, edit, find and run, on any backend. What a
 * model is told about them, and what it reads of them, is text; everything that can go wrong inside
 * a tool is such a text as well, so that no agent's run ends by it.
 */
#ifndef CORRAL_BACKENDS_CONSOLE_H
#define CORRAL_BACKENDS_CONSOLE_H

#include "backends/console_schema.h"
#include "backends/sandbox.h"
#include "policy/permission.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_CONSOLE_BINARY_MAX ((uint64_t)50 << 20)

struct corral_console_toolset_options {
	struct corral_console_options tools;
	struct corral_backend *backend; /* borrowed: must live longer, as tools.permissions */
	bool guarded; /* the backend holds to the permissions itself: nothing is checked twice */
	uint64_t binary_max; /* of one image or document; 0: CORRAL_CONSOLE_BINARY_MAX */
	/*
	 * The program corral-image, borrowed, which makes pictures smaller that a model would not
	 * take; NULL: they are given as they are, and the text says so.
	 */
	const char *image_program;
	int64_t timeout_max_ms; /* of a command, whatever it asks for; 0: none */
	uint64_t output_bytes;  /* kept of one; 0: CORRAL_EXECUTE_OUTPUT_BYTES */
	/* A sandbox that went, out of memory for instance, is begun anew for the next call, and the
	 * one that saw it go is told what that means. */
	bool restarts;
};

struct corral_console_toolset;

/* Tools that the backend cannot do are left out. */
int corral_console_toolset_new(const struct corral_console_toolset_options *o,
                               struct corral_console_toolset **ret, struct corral_error *err);
/* Nobody may be in a call. Takes NULL. */
void corral_console_toolset_free(struct corral_console_toolset *t);

/* Which tools there are, what a model is told of them and in the system prompt. Borrowed. */
const struct corral_console_schema *corral_console_toolset_schema(
        const struct corral_console_toolset *t);

/* What a call may be told while it runs; NULL or zero fields for nothing. */
struct corral_console_control {
	struct corral_cancel *cancel;
	/* How many bytes of output there were since the last time; on the calling thread. */
	void (*on_output)(void *ctx, size_t bytes);
	void *ctx;
};

struct corral_console_result {
	struct corral_buf text; /* valid UTF-8 */
	bool failed;            /* the text says what went wrong */
	bool fixable;           /* with other arguments, or after reading again, it may work */
	struct corral_buf data; /* an image or a document; the text, if any, is about it */
	const char *media_type; /* NULL without; static */
};

/*
 * One call; many threads may. arguments: a JSON object as the tool's schema says. -ENOENT: there is
 * no such tool; -EINVAL: the arguments are not such; both with a text for the model. Everything
 * else is a result and 0. ret is the caller's to give to corral_console_result_done() in either
 * case.
 */
int corral_console_toolset_call(struct corral_console_toolset *t, const char *name,
                                const char *arguments, size_t len,
                                const struct corral_console_control *control,
                                struct corral_console_result *ret, struct corral_error *err);
void corral_console_result_done(struct corral_console_result *r);

#ifdef __cplusplus
}
#endif

#endif
