/*
 * The options of all commands that have some: one table, from which the parser, the help text
 * and the shell completion are made (and which a test holds against the manual page).
 */
#ifndef CORRAL_TOOLS_OPTIONS_H
#define CORRAL_TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "kernel/base/error.h"
#include "policy/config.h"
#include "policy/runtime.h"
#include "tools/config_texts.h"
#include "tools/sandbox_name.h"

enum corral_option_command {
	CORRAL_OPTION_RUN = 1u << 0,
	CORRAL_OPTION_PLAN = 1u << 1,
	CORRAL_OPTION_CREATE = 1u << 2, /* sandbox create, and so on */
	CORRAL_OPTION_EXEC = 1u << 3,
	CORRAL_OPTION_LIST = 1u << 4,
	CORRAL_OPTION_PS = 1u << 5,
	CORRAL_OPTION_STATS = 1u << 6,
	CORRAL_OPTION_STOP = 1u << 7,
	CORRAL_OPTION_RM = 1u << 8,
	CORRAL_OPTION_CP = 1u << 9,
	CORRAL_OPTION_PAUSE = 1u << 10,
	CORRAL_OPTION_RESUME = 1u << 11,
	CORRAL_OPTION_MCP = 1u << 12,
	CORRAL_OPTION_LS = 1u << 13,
	CORRAL_OPTION_READ = 1u << 14,
	CORRAL_OPTION_WRITE = 1u << 15,
	CORRAL_OPTION_EDIT = 1u << 16,
	CORRAL_OPTION_GLOB = 1u << 17,
	CORRAL_OPTION_GREP = 1u << 18,
	CORRAL_OPTION_LOGS = 1u << 19,
	CORRAL_OPTION_DOCKER_INFO = 1u << 20, /* docker info, and so on */
	CORRAL_OPTION_DOCKER_LIST = 1u << 21,
	CORRAL_OPTION_DOCKER_PRUNE = 1u << 22,
	CORRAL_OPTION_DOCKER_RM = 1u << 23,
	CORRAL_OPTION_DOCKER_PULL = 1u << 24,
	CORRAL_OPTION_DOCKER_BUILD = 1u << 25,
	CORRAL_OPTION_RUNTIME = 1u << 26,        /* runtime list, show, explain, validate */
	CORRAL_OPTION_SESSION_CREATE = 1u << 27, /* session create, and so on */
	CORRAL_OPTION_SESSION_LIST = 1u << 28,
	CORRAL_OPTION_SESSION_SHOW = 1u << 29,
	CORRAL_OPTION_SESSION_EXEC = 1u << 30,
	/* More than an int has bits: gcc and clang make the type a longer one. */
	CORRAL_OPTION_SESSION_SHELL = UINT64_C(1) << 31,
	CORRAL_OPTION_SESSION_CP = UINT64_C(1) << 32,
	CORRAL_OPTION_SESSION_FORK = UINT64_C(1) << 33,
	CORRAL_OPTION_SESSION_CHECKPOINT = UINT64_C(1) << 34,
	CORRAL_OPTION_SESSION_CHECKPOINTS = UINT64_C(1) << 35,
	CORRAL_OPTION_SESSION_DROP = UINT64_C(1) << 36,
	CORRAL_OPTION_SESSION_RESTORE = UINT64_C(1) << 37,
	CORRAL_OPTION_SESSION_DIFF = UINT64_C(1) << 38,
	CORRAL_OPTION_SESSION_UNDO = UINT64_C(1) << 39,
	CORRAL_OPTION_SESSION_HIBERNATE = UINT64_C(1) << 40,
	CORRAL_OPTION_SESSION_RM = UINT64_C(1) << 41,
	CORRAL_OPTION_IMAGE_LIST = UINT64_C(1) << 42, /* image list, and so on */
	CORRAL_OPTION_IMAGE_INSPECT = UINT64_C(1) << 43,
	CORRAL_OPTION_IMAGE_HISTORY = UINT64_C(1) << 44,
	CORRAL_OPTION_IMAGE_TAG = UINT64_C(1) << 45,
	CORRAL_OPTION_IMAGE_RM = UINT64_C(1) << 46,
	CORRAL_OPTION_IMAGE_PRUNE = UINT64_C(1) << 47,
	CORRAL_OPTION_IMAGE_PULL = UINT64_C(1) << 48,
	CORRAL_OPTION_IMAGE_LOAD = UINT64_C(1) << 49,
	CORRAL_OPTION_IMAGE_IMPORT = UINT64_C(1) << 50,
	CORRAL_OPTION_IMAGE_SAVE = UINT64_C(1) << 51,
	CORRAL_OPTION_RUNTIME_BUILD = UINT64_C(1) << 52,
	CORRAL_OPTION_RUNTIME_PREWARM = UINT64_C(1) << 53,
	CORRAL_OPTION_RUNTIME_RM = UINT64_C(1) << 54,
	CORRAL_OPTION_LAST = UINT64_C(1) << 54, /* of these */
};

/* A limit of exec's that was not named, so that the sandbox's own counts. */
#define CORRAL_OPTION_UNSAID UINT64_MAX
/* Of an option that may be there several times. */
#define CORRAL_OPTION_WORDS_MAX 32

struct corral_options {
	struct corral_config *config; /* owned */
	int json_fd;                  /* run and exec --json FD; -1 without */
	bool json;                    /* plan --json, and others' */
	bool summary;
	bool help;
	bool detach;                         /* exec */
	bool force;                          /* sandbox rm, docker rm */
	bool quiet;                          /* sandbox list, docker list */
	char name[CORRAL_SANDBOX_NAME_SIZE]; /* sandbox create; "" without */
	uint64_t idle_ms; /* sandbox create, 0: never; of sessions, UNSAID: as usual */
	int64_t grace_ms; /* sandbox stop; -1: as usual */

	/*
	 * Of those that take a runtime. use_runtime, set by the caller: finds it, and makes what
	 * its sandboxes are made from, over which configuration and flags come
	 * (tools/runtime_use.h); without it a name stays a name.
	 */
	int (*use_runtime)(struct corral_options *o, enum corral_option_command command,
	                   const char *name, struct corral_config **ret, struct corral_error *err);
	const char *runtime_name, *rootfs, *image, *pull; /* of the flags; NULL without */
	bool image_is_settled; /* nobody is to fetch it: it was, or it is a runtime's own */
	struct corral_runtime *runtime; /* owned; NULL without */
	bool in_docker;                 /* its sandboxes are containers */
	size_t n_usual_env;             /* variables of config that nobody here asked for */
	bool allow_weaker;
	struct corral_config_texts config_texts;

	/* Of those that can work in a container; texts are argv's, NULL without. */
	const char *docker, *container, *docker_runtime;
	const char *network, *user; /* as they were said, with one of these */

	/* Of mcp and the file commands; texts are argv's, NULL without. */
	const char *local, *session, *permissions;
	const char
	        *of_sandbox; /* the first option that says how a sandbox is to be; NULL without */
	bool no_execute, hashline, images, documents; /* mcp */
	bool bytes, all, ignore_case, hidden;         /* read, edit, grep, glob and grep */
	const char *name_glob;                        /* grep */
	uint64_t offset, limit;                       /* read */

	/* Of sessions; texts are argv's, NULL without. */
	const char *root;
	const char *from, *since, *until; /* checkpoints */
	uint64_t command;                 /* 0: none; CORRAL_OPTION_UNSAID: the last */
	bool history, diff, text;
	enum corral_disk_backing disk_backing; /* where backing_said */
	bool backing_said;

	/* Of images; texts are argv's, NULL without. */
	const char *platform, *image_name, *output, *format;
	const char *mirrors[CORRAL_OPTION_WORDS_MAX + 1]; /* end with NULL */
	const char *insecure[CORRAL_OPTION_WORDS_MAX + 1];
	uint64_t parallel;            /* downloads; 0: as usual */
	uint64_t max_size, max_files; /* of an image, unpacked; 0: as usual */
	uint64_t unused_ms;           /* image prune; 0: no matter */
	bool all_images, caches, dry_run;

	/* Of builds of runtimes. */
	const char *build_network;
	bool no_cache;
	/* Of what a session's sandboxes are to be: set of enum corral_limit, and whether its
	 * network was named; the values are config's. */
	uint32_t limits_said;
	bool network_said;
	bool allow_said; /* what a file or a runtime lists is not among config->allow */
};

struct corral_option {
	const char *name; /* without the dashes */
	char letter;      /* 0 without a short form */
	const char *arg;  /* what stands for the value in help; NULL when it takes none */
	const char *help;
	const char *group; /* heading in help; NULL: as the row before */
	uint64_t commands;
	bool is_config; /* read before all others: the configuration, so that flags win, and where
	                   mistakes are told */
	int (*set)(struct corral_options *o, const struct corral_option *row, const char *value,
	           struct corral_error *err);
	size_t detail; /* of the setter: a field's offset, a limit, a kind of mount */
};

extern const struct corral_option corral_option_table[];
extern const size_t corral_option_count;

/* 0 or -ENOMEM. */
int corral_options_init(struct corral_options *o, struct corral_error *err);
void corral_options_done(struct corral_options *o);

/*
 * Reads argv[1] and on. "--" or the first word that is no option ends them; what follows becomes
 * config->argv. Those of sessions, where no command follows, may also stand behind other words.
 * Stops at --help. -EINVAL names the option and what to write instead.
 */
int corral_options_parse(struct corral_options *o, enum corral_option_command command, int argc,
                         char **argv, struct corral_error *err);

/* The option by which a container is asked for, without its dashes; NULL without. */
const char *corral_options_have_docker(const struct corral_options *o);
/* Whether there is one, before anything is read: mistakes are no matter here. */
bool corral_options_want_docker(enum corral_option_command command, int argc, char **argv);

/* "run", "sandbox create", ...: what is written after corral. */
const char *corral_option_command_name(enum corral_option_command command);

/* The table as help text. */
void corral_options_print(FILE *out, enum corral_option_command command);

#endif
