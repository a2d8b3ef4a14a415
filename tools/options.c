#include "tools/options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"
#include "kernel/base/suggest.h"

#define RUN  (CORRAL_OPTION_RUN | CORRAL_OPTION_PLAN)
#define MAKE (RUN | CORRAL_OPTION_CREATE | CORRAL_OPTION_MCP)
#define FILES                                                                               \
	(CORRAL_OPTION_LS | CORRAL_OPTION_READ | CORRAL_OPTION_WRITE | CORRAL_OPTION_EDIT | \
	 CORRAL_OPTION_GLOB | CORRAL_OPTION_GREP)
#define IN_DOCKER (CORRAL_OPTION_RUN | CORRAL_OPTION_MCP | FILES)
#define EVERY     (((uint64_t)CORRAL_OPTION_LAST << 1) - 1)
#define SESSIONS \
	(((uint64_t)CORRAL_OPTION_SESSION_RM << 1) - (uint64_t)CORRAL_OPTION_SESSION_CREATE)
#define IMAGES (EVERY & ~((uint64_t)CORRAL_OPTION_IMAGE_LIST - 1))
#define RUNTIME_IMAGES \
	(CORRAL_OPTION_RUNTIME_BUILD | CORRAL_OPTION_RUNTIME_PREWARM | CORRAL_OPTION_RUNTIME_RM)
/* Those that may have to wake one. */
#define WAKE (CORRAL_OPTION_SESSION_EXEC | CORRAL_OPTION_SESSION_SHELL | CORRAL_OPTION_SESSION_CP)
/* Those that are about files at rest. */
#define AT_REST                                                          \
	(CORRAL_OPTION_SESSION_FORK | CORRAL_OPTION_SESSION_CHECKPOINT | \
	 CORRAL_OPTION_SESSION_RESTORE | CORRAL_OPTION_SESSION_DIFF | CORRAL_OPTION_SESSION_UNDO)
/* No command follows whose options would be taken for these. */
#define ANYWHERE \
	((SESSIONS & ~(uint64_t)CORRAL_OPTION_SESSION_EXEC) | IMAGES | CORRAL_OPTION_RUNTIME)
#define EXECS  (CORRAL_OPTION_EXEC | CORRAL_OPTION_SESSION_EXEC)
#define SHELLS (EXECS | CORRAL_OPTION_SESSION_SHELL)
/* Those that make a session, and so may say what its sandboxes are to be. */
#define BEGIN \
	(CORRAL_OPTION_SESSION_CREATE | CORRAL_OPTION_SESSION_EXEC | CORRAL_OPTION_SESSION_SHELL)

static int set_text(struct corral_options *o, const struct corral_option *row, const char *value,
                    struct corral_error *err)
{
	char **field = (char **)(void *)((char *)o->config + row->detail);

	return corral_config_set_text(field, value, err);
}

static int set_flag(struct corral_options *o, const struct corral_option *row, const char *value,
                    struct corral_error *err)
{
	(void)value;
	(void)err;
	*(bool *)(void *)((char *)o->config + row->detail) = true;
	return 0;
}

static int set_limit(struct corral_options *o, const struct corral_option *row, const char *value,
                     struct corral_error *err)
{
	o->limits_said |= (uint32_t)row->detail;
	return corral_config_set_limit(o->config, (enum corral_limit)row->detail, value, err);
}

static int set_mount(struct corral_options *o, const struct corral_option *row, const char *value,
                     struct corral_error *err)
{
	return corral_config_add_mount(o->config, (enum corral_mount_kind)row->detail, value, err);
}

/* "NAME" alone hands on the caller's value and, as with docker run, nothing when there is none. */
static int set_env(struct corral_options *o, const struct corral_option *row, const char *value,
                   struct corral_error *err)
{
	corral_autofree char *assignment = NULL;
	const char *own;

	(void)row;
	/* Forgotten, and the next word taken for it. */
	if (*value == '-')
		return corral_error_set(err, EINVAL, "--env '%.64s': write --env NAME=VALUE",
		                        value);
	if (!*value || strchr(value, '='))
		return corral_config_add_env(o->config, value, err);
	own = getenv(value);
	if (!own)
		return 0;
	if (asprintf(&assignment, "%s=%s", value, own) < 0) {
		assignment = NULL;
		return corral_error_sys(err, ENOMEM, "'%s'", value);
	}
	return corral_config_add_env(o->config, assignment, err);
}

/* An image may have users with names. */
static int set_user(struct corral_options *o, const struct corral_option *row, const char *value,
                    struct corral_error *err)
{
	(void)row;
	if (corral_options_have_docker(o) && *value) {
		o->user = value;
		return 0;
	}
	return corral_config_set_user(o->config, value, err);
}

/* An engine may have networks of its own. */
static int set_network(struct corral_options *o, const struct corral_option *row, const char *value,
                       struct corral_error *err)
{
	(void)row;
	if (corral_options_have_docker(o) && *value) {
		o->network = value;
		return 0;
	}
	o->network_said = true;
	if (corral_config_set_network(o->config, value, NULL) == 0) {
		/* A file's list is for its network; one of the command line is a contradiction. */
		if (o->config->network != CORRAL_NETWORK_ALLOW && !o->allow_said)
			corral_config_clear_allow(o->config);
		return 0;
	}
	return corral_error_set(
	        err, EINVAL,
	        "'%.64s' is not one of 'none', 'host', 'bridge', 'allow', 'pasta'; an engine's "
	        "networks are for containers, with --docker",
	        value);
}

static int set_allow(struct corral_options *o, const struct corral_option *row, const char *value,
                     struct corral_error *err)
{
	(void)row;
	/* The whole list is the command line's then: whoever narrows a file's has none of it. */
	if (!o->allow_said) {
		corral_config_clear_allow(o->config);
		if (!o->network_said)
			(void)corral_config_set_network(o->config, "allow", NULL);
	}
	o->allow_said = true;
	return corral_config_add_allow(o->config, value, err);
}

static int set_publish(struct corral_options *o, const struct corral_option *row, const char *value,
                       struct corral_error *err)
{
	(void)row;
	return corral_config_add_publish(o->config, value, err);
}

static int set_ids(struct corral_options *o, const struct corral_option *row, const char *value,
                   struct corral_error *err)
{
	(void)row;
	return corral_config_set_ids(o->config, value, err);
}

static int set_backing(struct corral_options *o, const struct corral_option *row, const char *value,
                       struct corral_error *err)
{
	(void)row;
	for (unsigned int i = CORRAL_DISK_HOST; i <= CORRAL_DISK_IMAGE; i++) {
		if (strcmp(value, corral_disk_backing_name((enum corral_disk_backing)i)) != 0)
			continue;
		o->backing_said = true;
		o->disk_backing = (enum corral_disk_backing)i;
		return 0;
	}
	return corral_error_set(err, EINVAL, "'%.64s' is neither 'host' nor 'image'", value);
}

static int set_cap(struct corral_options *o, const struct corral_option *row, const char *value,
                   struct corral_error *err)
{
	return corral_config_add_cap(o->config, row->detail, value, err);
}

static int set_config(struct corral_options *o, const struct corral_option *row, const char *value,
                      struct corral_error *err)
{
	(void)row;
	return corral_config_texts_add(&o->config_texts, value, o->config, err);
}

/* Read before all others, as it decides how a runtime is contained. */
static int set_consent(struct corral_options *o, const struct corral_option *row, const char *value,
                       struct corral_error *err)
{
	(void)value;
	(void)err;
	o->allow_weaker = true;
	if (row->commands & RUN)
		o->of_sandbox = row->name;
	return 0;
}

/* The same. */
static int set_early(struct corral_options *o, const struct corral_option *row, const char *value,
                     struct corral_error *err)
{
	if (!*value)
		return corral_error_set(err, EINVAL, "empty where a value is expected");
	*(const char **)(void *)((char *)o + row->detail) = value;
	o->of_sandbox = row->name;
	return 0;
}

/* Asked before anything runs: a receipt that cannot be delivered is no receipt. */
static int set_json_fd(struct corral_options *o, const struct corral_option *row, const char *value,
                       struct corral_error *err)
{
	uint64_t fd = 0;
	int r = corral_parse_u64(value, INT_MAX, &fd, err), mode;

	(void)row;
	if (r < 0)
		return corral_error_set(
		        err, EINVAL,
		        "'%.*s' is not the number of a descriptor: try --json 3 with "
		        "3>FILE",
		        64, value);
	mode = fcntl((int)fd, F_GETFL);
	if (mode < 0 || (mode & O_ACCMODE) == O_RDONLY || (mode & O_PATH))
		return corral_error_set(err, EBADF,
		                        "descriptor %d is not open for writing: add %d>FILE",
		                        (int)fd, (int)fd);
	o->json_fd = (int)fd;
	return 0;
}

static int set_own(struct corral_options *o, const struct corral_option *row, const char *value,
                   struct corral_error *err)
{
	(void)value;
	(void)err;
	*(bool *)(void *)((char *)o + row->detail) = true;
	return 0;
}

/* A text that lives as long as argv does. */
static int set_word(struct corral_options *o, const struct corral_option *row, const char *value,
                    struct corral_error *err)
{
	if (!*value)
		return corral_error_set(err, EINVAL, "empty");
	*(const char **)(void *)((char *)o + row->detail) = value;
	return 0;
}

static int set_build_network(struct corral_options *o, const struct corral_option *row,
                             const char *value, struct corral_error *err)
{
	static const char *const words[] = { "none", "host", "bridge", "pasta" };

	(void)row;
	for (size_t i = 0; i < CORRAL_COUNT(words); i++) {
		if (strcmp(value, words[i]) != 0)
			continue;
		o->build_network = value;
		return 0;
	}
	return corral_error_set(err, EINVAL, "'%.64s' is not one of none, host, bridge", value);
}

/* The same; it decides which program goes on, and how others are read. */
static int set_place(struct corral_options *o, const struct corral_option *row, const char *value,
                     struct corral_error *err)
{
	return set_word(o, row, value, err);
}

/* One more of several; the last place stays NULL. */
static int set_words(struct corral_options *o, const struct corral_option *row, const char *value,
                     struct corral_error *err)
{
	const char **words = (const char **)(void *)((char *)o + row->detail);

	if (!*value)
		return corral_error_set(err, EINVAL, "empty");
	for (size_t i = 0; i < CORRAL_OPTION_WORDS_MAX; i++) {
		if (words[i])
			continue;
		words[i] = value;
		return 0;
	}
	return corral_error_set(err, E2BIG, "more than %d of them", CORRAL_OPTION_WORDS_MAX);
}

static int set_time(struct corral_options *o, const struct corral_option *row, const char *value,
                    struct corral_error *err)
{
	return corral_parse_duration(value, (uint64_t *)(void *)((char *)o + row->detail), err);
}

static int set_number(struct corral_options *o, const struct corral_option *row, const char *value,
                      struct corral_error *err)
{
	return corral_parse_u64(value, INT64_MAX, (uint64_t *)(void *)((char *)o + row->detail),
	                        err);
}

static int set_size(struct corral_options *o, const struct corral_option *row, const char *value,
                    struct corral_error *err)
{
	return corral_parse_bytes(value, (uint64_t *)(void *)((char *)o + row->detail), err);
}

static int set_parallel(struct corral_options *o, const struct corral_option *row,
                        const char *value, struct corral_error *err)
{
	int r = set_number(o, row, value, err);

	if (r == 0 && !o->parallel)
		r = corral_error_set(err, EINVAL, "'%.64s' is no number of layers: 1 or more",
		                     value);
	return r;
}

static int set_name(struct corral_options *o, const struct corral_option *row, const char *value,
                    struct corral_error *err)
{
	int r = corral_sandbox_name_check(value, err);

	(void)row;
	if (r == 0)
		(void)snprintf(o->name, sizeof(o->name), "%s", value);
	return r;
}

static int set_idle(struct corral_options *o, const struct corral_option *row, const char *value,
                    struct corral_error *err)
{
	(void)row;
	return corral_parse_duration(value, &o->idle_ms, err);
}

/* "last", or its number. */
static int set_command(struct corral_options *o, const struct corral_option *row, const char *value,
                       struct corral_error *err)
{
	(void)row;
	if (!strcmp(value, "last")) {
		o->command = CORRAL_OPTION_UNSAID;
		return 0;
	}
	if (corral_parse_u64(value, UINT32_MAX, &o->command, NULL) < 0 || !o->command)
		return corral_error_set(err, EINVAL,
		                        "'%.64s' is no command's number: write 1, 2, ... or last",
		                        value);
	return 0;
}

static int set_grace(struct corral_options *o, const struct corral_option *row, const char *value,
                     struct corral_error *err)
{
	uint64_t ms = 0;
	int r = corral_parse_duration(value, &ms, err);

	(void)row;
	if (r == 0)
		o->grace_ms = (int64_t)ms;
	return r;
}

#define TEXT(field)    .set = set_text, .detail = offsetof(struct corral_config, field)
#define FLAG(field)    .set = set_flag, .detail = offsetof(struct corral_config, field)
#define OWN(field)     .set = set_own, .detail = offsetof(struct corral_options, field)
#define WORD(field)    .set = set_word, .detail = offsetof(struct corral_options, field)
#define PLACE(field)   .set = set_place, .detail = offsetof(struct corral_options, field)
#define EARLY(field)   .set = set_early, .detail = offsetof(struct corral_options, field)
#define SEVERAL(field) .set = set_words, .detail = offsetof(struct corral_options, field)
#define TIME(field)    .set = set_time, .detail = offsetof(struct corral_options, field)
#define NUMBER(field)  .set = set_number, .detail = offsetof(struct corral_options, field)
#define SIZE(field)    .set = set_size, .detail = offsetof(struct corral_options, field)
#define LIMIT(limit)   .set = set_limit, .detail = CORRAL_LIMIT_##limit
#define MOUNT(kind)    .set = set_mount, .detail = CORRAL_MOUNT_##kind

/* clang-format off */
const struct corral_option corral_option_table[] = {
	{ "local", 0, "DIR", "the host's directory DIR, without a sandbox: commands run as you",
	  "Where", CORRAL_OPTION_MCP, false, WORD(local) },
	{ "local", 0, "DIR", "the host's directory DIR (default: the current one)",
	  NULL, FILES, false, WORD(local) },
	{ "session", 0, "SANDBOX", "a sandbox that stays, which corral sandbox create has made",
	  NULL, CORRAL_OPTION_MCP | FILES, false, WORD(session) },
	{ "docker", 0, "IMAGE", "a container of IMAGE, of a Docker engine or Podman's",
	  NULL, IN_DOCKER, true, PLACE(docker) },
	{ "container", 0, "NAME", "the container NAME: one that is there, or one made of --docker, which stays",
	  NULL, IN_DOCKER, true, PLACE(container) },
	{ "docker-runtime", 0, "NAME|FILE", "a container of a runtime's image, built when missing: one known here, or a FILE that describes it",
	  NULL, IN_DOCKER, true, PLACE(docker_runtime) },
	{ "permissions", 0, "NAME|FILE", "rules to hold: a preset (default, permissive, readonly, strict), or JSON",
	  NULL, CORRAL_OPTION_MCP | FILES, false, WORD(permissions) },
	{ "config", 0, "FILE", "JSON whose \"permissions\" are the rules, - for standard input; flags win",
	  NULL, FILES, true, .set = set_config },
	{ "no-execute", 0, NULL, "no tools that run commands",
	  "Tools", CORRAL_OPTION_MCP, false, OWN(no_execute) },
	{ "hashline", 0, NULL, "edit by line numbers with a hash, in the place of exact texts",
	  NULL, CORRAL_OPTION_MCP, false, OWN(hashline) },
	{ "images", 0, NULL, "give images as images",
	  NULL, CORRAL_OPTION_MCP, false, OWN(images) },
	{ "documents", 0, NULL, "give PDF files as documents",
	  NULL, CORRAL_OPTION_MCP, false, OWN(documents) },
	{ "offset", 0, "N", "skip N lines",
	  "What", CORRAL_OPTION_READ, false, NUMBER(offset) },
	{ "limit", 0, "N", "at most N lines (default: 2000)",
	  NULL, CORRAL_OPTION_READ, false, NUMBER(limit) },
	{ "bytes", 0, NULL, "the file as it is, whatever it holds",
	  NULL, CORRAL_OPTION_READ, false, OWN(bytes) },
	{ "all", 0, NULL, "replace every occurrence, not only the one there is",
	  NULL, CORRAL_OPTION_EDIT, false, OWN(all) },
	{ "glob", 'g', "PATTERN", "only files whose name matches",
	  NULL, CORRAL_OPTION_GREP, false, WORD(name_glob) },
	{ "ignore-case", 'i', NULL, "capital letters are small ones",
	  NULL, CORRAL_OPTION_GREP, false, OWN(ignore_case) },
	{ "hidden", 0, NULL, "names that begin with a dot as well",
	  NULL, CORRAL_OPTION_GLOB | CORRAL_OPTION_GREP, false, OWN(hidden) },
	{ "workspace", 0, "DIR", "host directory, read-write at the work directory (default: an empty one in memory)",
	  "Files", MAKE, false, TEXT(workspace) },
	{ "workdir", 'w', "PATH", "work directory inside (default: /workspace)",
	  NULL, MAKE, false, TEXT(work_dir) },
	{ "workdir", 'w', "PATH", "directory to start in (default: the sandbox's work directory)",
	  NULL, SHELLS, false, TEXT(work_dir) },
	{ "keep", 0, "DIR", "keep in host directory DIR what is changed elsewhere, and begin with what is there",
	  NULL, MAKE, false, TEXT(keep) },
	{ "rootfs", 0, "host|DIR", "root: the host's /usr with a small /etc (default), or a directory",
	  NULL, MAKE, true, EARLY(rootfs) },
	{ "image", 0, "NAME", "root: an image of corral's store, fetched where it is missing; its variables, user, directory and command where nothing else is said; a COMMAND runs without its entrypoint",
	  NULL, MAKE, true, EARLY(image) },
	{ "pull", 0, "missing|always|never", "when to fetch --image (default: missing)",
	  NULL, MAKE, true, EARLY(pull) },
	{ "bind", 0, "SRC:DST", "host directory or file SRC, read-write at DST",
	  NULL, MAKE, false, MOUNT(BIND) },
	{ "ro-bind", 0, "SRC:DST", "the same, read-only",
	  NULL, MAKE, false, MOUNT(RO_BIND) },
	{ "tmpfs", 0, "DST[:SIZE]", "empty directory in memory at DST",
	  NULL, MAKE, false, MOUNT(TMPFS) },

	{ "env", 'e', "NAME[=VALUE]", "environment variable; NAME alone takes the caller's value",
	  "Process", MAKE | SHELLS, false, .set = set_env },
	{ "clear-env", 0, NULL, "nothing but --env: not even PATH and HOME",
	  NULL, MAKE, false, FLAG(clear_env) },
	{ "user", 'u', "NAME|UID[:GROUP|GID]", "user inside, of the root's own /etc/passwd or by number (default: 0:0)",
	  NULL, MAKE, false, .set = set_user },
	{ "hostname", 0, "NAME", "host name inside (default: corral)",
	  NULL, MAKE, false, TEXT(hostname) },
	{ "tty", 't', NULL, "a terminal of its own; implies --stdin",
	  NULL, RUN | EXECS, false, FLAG(tty) },
	{ "stdin", 'i', NULL, "pass standard input on (default: /dev/null)",
	  NULL, RUN | EXECS, false, FLAG(use_stdin) },
	{ "detach", 'd', NULL, "print its name and leave it running; output goes to the file that corral's own goes to, else it is kept for sandbox logs",
	  NULL, EXECS, false, OWN(detach) },

	{ "runtime", 0, "NAME", "named environment, or a file that describes one: corral runtime list shows those known here",
	  "Isolation", MAKE, true, EARLY(runtime_name) },
	{ "network", 0, "none|host|bridge|allow|pasta", "loopback only (default), the caller's network, or one of its own that reaches what the host reaches, or what --allow lists; with Docker one of the engine's",
	  NULL, MAKE, false, .set = set_network },
	{ "allow", 0, "WHAT", "a NAME, *.NAME or ADDRESS[/LEN] it may reach, with [:PORT[-PORT][/udp]]; implies --network allow, where nothing else is reached",
	  NULL, MAKE | BEGIN, false, .set = set_allow },
	{ "publish", 0, "[ADDR:]PORT:PORT[/udp]", "a port of the sandbox at a port of the host's loopback, or at a socket: unix:/PATH:PORT",
	  NULL, MAKE, false, .set = set_publish },
	{ "network", 0, "none|host|bridge|allow|pasta", "of a new session: as of corral run (default: what its runtime says)",
	  NULL, BEGIN, false, .set = set_network },
	{ "ids", 0, "auto|single|range", "how ids map: one id, a range of 65536, or what fits (default: auto)",
	  NULL, MAKE, false, .set = set_ids },
	{ "cap-add", 0, "CAP", "keep a capability, in the sandbox's own user namespace; or ALL",
	  NULL, MAKE, false, .set = set_cap, .detail = true },
	{ "cap-drop", 0, "CAP", "drop a capability that was added; or ALL",
	  NULL, MAKE, false, .set = set_cap, .detail = false },
	{ "seccomp", 0, "FILE|default", "system call profile in the OCI JSON format; with Docker also engine, its own",
	  NULL, MAKE, false, TEXT(seccomp) },
	{ "allow-weaker", 0, NULL, "accept a weaker tier where the host cannot do better, or a --container that contains less",
	  NULL, MAKE, true, .set = set_consent },
	{ "allow-weaker", 0, NULL, "take a container that somebody else made as it is, though it contains less",
	  NULL, FILES, true, .set = set_consent },

	{ "memory", 'm', "SIZE", "memory (default: 1G); sizes as 512K, 64M, 1.5G",
	  "Limits (0: none; one asked for by name must hold, or nothing runs)",
	  MAKE | BEGIN, false, LIMIT(MEMORY) },
	{ "memory-swap", 0, "SIZE", "swap on top of memory (default: 0, no swap)",
	  NULL, MAKE | BEGIN, false, LIMIT(MEMORY_SWAP) },
	{ "cpus", 0, "N", "processor time, as 0.5 or 2 (default: no limit)",
	  NULL, MAKE | BEGIN, false, LIMIT(CPUS) },
	{ "cpu-weight", 0, "N", "share under contention, 1 to 10000 (default: 100)",
	  NULL, MAKE | BEGIN, false, LIMIT(CPU_WEIGHT) },
	{ "pids", 0, "N", "processes and threads (default: 512)",
	  NULL, MAKE | BEGIN, false, LIMIT(PIDS) },
	{ "disk", 0, "SIZE", "all that is written outside of bound directories (default: 1G)",
	  NULL, MAKE | BEGIN, false, LIMIT(DISK) },
	{ "disk-inodes", 0, "N", "files in it (default: 200000)",
	  NULL, MAKE | BEGIN, false, LIMIT(DISK_INODES) },
	{ "file-size", 0, "SIZE", "one file (default: 1G)",
	  NULL, MAKE | BEGIN, false, LIMIT(FILE_SIZE) },
	{ "open-files", 0, "N", "descriptors of one process (default: 4096)",
	  NULL, MAKE | BEGIN, false, LIMIT(OPEN_FILES) },
	{ "output", 0, "SIZE", "standard output and error together (default: no limit)",
	  NULL, RUN, false, LIMIT(OUTPUT) },
	{ "timeout", 0, "TIME", "wall time, as 10s, 500ms, 2m (default: no limit)",
	  NULL, RUN, false, LIMIT(TIMEOUT) },
	{ "output", 0, "SIZE", "output of each command (default: no limit)",
	  NULL, CORRAL_OPTION_CREATE | CORRAL_OPTION_MCP | CORRAL_OPTION_SESSION_CREATE, false, LIMIT(OUTPUT) },
	{ "timeout", 0, "TIME", "wall time of each command (default: no limit)",
	  NULL, CORRAL_OPTION_CREATE | CORRAL_OPTION_MCP | CORRAL_OPTION_SESSION_CREATE, false, LIMIT(TIMEOUT) },
	{ "output", 0, "SIZE", "standard output and error together (default: what create said)",
	  NULL, CORRAL_OPTION_EXEC, false, LIMIT(OUTPUT) },
	{ "timeout", 0, "TIME", "wall time, as 10s, 500ms, 2m (default: what create said)",
	  NULL, CORRAL_OPTION_EXEC, false, LIMIT(TIMEOUT) },
	{ "output", 0, "SIZE", "standard output and error together (default: what create or its runtime said)",
	  NULL, CORRAL_OPTION_SESSION_EXEC, false, LIMIT(OUTPUT) },
	{ "timeout", 0, "TIME", "wall time, as 10s, 500ms, 2m (default: what create or its runtime said)",
	  NULL, CORRAL_OPTION_SESSION_EXEC, false, LIMIT(TIMEOUT) },

	{ "name", 0, "NAME", "a name for it, beside its id",
	  "Sandbox", CORRAL_OPTION_CREATE, false, .set = set_name },
	{ "idle", 0, "TIME", "its end after so long without a command (default: none)",
	  NULL, CORRAL_OPTION_CREATE, false, .set = set_idle },

	{ "runtime", 0, "NAME", "what a new session is made of (default: host)",
	  "Session", CORRAL_OPTION_SESSION_CREATE | CORRAL_OPTION_SESSION_EXEC | CORRAL_OPTION_SESSION_SHELL, false, WORD(runtime_name) },
	{ "pull", 0, "missing|never", "whether to fetch or build what its runtime is made from, where that is not there (default: missing)",
	  NULL, BEGIN, false, WORD(pull) },
	{ "disk-backing", 0, "host|image", "of a new one: its files on the host's file system (default), or in an image file of --disk's size, which needs no quotas, and root",
	  NULL, BEGIN, false, .set = set_backing },
	{ "history", 0, NULL, "keep the files as they are before each command, for undo and diff --command",
	  NULL, CORRAL_OPTION_SESSION_CREATE, false, OWN(history) },
	{ "idle", 0, "TIME", "if this wakes it: hibernation after so long without a command, 0 for none (default: 30m)",
	  NULL, WAKE, false, .set = set_idle },
	{ "diff", 0, NULL, "print at the end which files the command has changed, and hibernate",
	  NULL, CORRAL_OPTION_SESSION_EXEC, false, OWN(diff) },
	{ "from", 0, "CHECKPOINT", "begin with the files of CHECKPOINT (default: with those of now)",
	  NULL, CORRAL_OPTION_SESSION_FORK, false, WORD(from) },
	{ "since", 0, "CHECKPOINT", "what was changed after CHECKPOINT (default: since the session's beginning)",
	  NULL, CORRAL_OPTION_SESSION_DIFF, false, WORD(since) },
	{ "until", 0, "CHECKPOINT", "what was changed before CHECKPOINT (default: until now)",
	  NULL, CORRAL_OPTION_SESSION_DIFF, false, WORD(until) },
	{ "command", 0, "N|last", "what the command of that number has changed, in a session with --history",
	  NULL, CORRAL_OPTION_SESSION_DIFF, false, .set = set_command },
	{ "text", 'u', NULL, "also the lines by which text files differ",
	  NULL, CORRAL_OPTION_SESSION_DIFF, false, OWN(text) },
	{ "root", 0, "DIR", "where sessions are kept (default: /var/lib/corral as root, else ~/.local/share/corral)",
	  NULL, SESSIONS, false, WORD(root) },

	{ "platform", 0, "OS/ARCH[/VARIANT]", "of an image that there is for several, as linux/arm64/v8 (default: this host's)",
	  "Image", CORRAL_OPTION_IMAGE_PULL | CORRAL_OPTION_IMAGE_LOAD, false, WORD(platform) },
	{ "mirror", 0, "REGISTRY=ADDRESS", "ask ADDRESS first, in the place of REGISTRY; may be there several times",
	  NULL, CORRAL_OPTION_IMAGE_PULL, false, SEVERAL(mirrors) },
	{ "insecure", 0, "REGISTRY", "one reached by http, or whose certificate is not looked at; may be there several times",
	  NULL, CORRAL_OPTION_IMAGE_PULL, false, SEVERAL(insecure) },
	{ "parallel", 0, "N", "layers fetched at a time, 1 or more (default: 4)",
	  NULL, CORRAL_OPTION_IMAGE_PULL, false, .set = set_parallel, .detail = offsetof(struct corral_options, parallel) },
	{ "name", 0, "NAME", "what to call the one in the archive (default: as it says itself)",
	  NULL, CORRAL_OPTION_IMAGE_LOAD, false, WORD(image_name) },
	{ "env", 'e', "NAME[=VALUE]", "an environment variable of the image",
	  NULL, CORRAL_OPTION_IMAGE_IMPORT, false, .set = set_env },
	{ "workdir", 'w', "PATH", "the directory to start in",
	  NULL, CORRAL_OPTION_IMAGE_IMPORT, false, TEXT(work_dir) },
	{ "user", 'u', "USER[:GROUP]", "whom its commands run as",
	  NULL, CORRAL_OPTION_IMAGE_IMPORT, false, WORD(user) },
	{ "max-size", 0, "SIZE", "of an image, unpacked; above that it is an error (default: 32G)",
	  NULL, CORRAL_OPTION_IMAGE_PULL | CORRAL_OPTION_IMAGE_LOAD | CORRAL_OPTION_IMAGE_IMPORT, false, SIZE(max_size) },
	{ "max-files", 0, "N", "files in it, of any kind (default: 2000000)",
	  NULL, CORRAL_OPTION_IMAGE_PULL | CORRAL_OPTION_IMAGE_LOAD | CORRAL_OPTION_IMAGE_IMPORT, false, NUMBER(max_files) },
	{ "output", 'o', "FILE", "write it there (default: standard output, which must be no terminal)",
	  NULL, CORRAL_OPTION_IMAGE_SAVE, false, WORD(output) },
	{ "format", 0, "docker|oci", "which kind of archive (default: docker)",
	  NULL, CORRAL_OPTION_IMAGE_SAVE, false, WORD(format) },
	{ "all", 'a', NULL, "also those with a name, which nothing uses",
	  "Which", CORRAL_OPTION_IMAGE_PRUNE, false, OWN(all_images) },
	{ "caches", 0, NULL, "also what was downloaded for builds of runtimes",
	  NULL, CORRAL_OPTION_IMAGE_PRUNE, false, OWN(caches) },
	{ "unused", 0, "TIME", "only those stored that long ago, as 10m, 12h, 7d",
	  NULL, CORRAL_OPTION_IMAGE_PRUNE, false, TIME(unused_ms) },
	{ "dry-run", 'n', NULL, "show what would go, and let it be",
	  NULL, CORRAL_OPTION_IMAGE_PRUNE, false, OWN(dry_run) },

	{ "network", 0, "MODE", "what its commands reach: none, host, or bridge, a network of its own (default: bridge)",
	  "Build", CORRAL_OPTION_RUNTIME_BUILD | CORRAL_OPTION_RUNTIME_PREWARM, false, .set = set_build_network },
	{ "no-cache", 0, NULL, "build though there is one, and without what was downloaded for others",
	  NULL, CORRAL_OPTION_RUNTIME_BUILD, false, OWN(no_cache) },
	{ "max-size", 0, "SIZE", "of an image, and of what a build writes; above that it is an error (default: 32G)",
	  NULL, CORRAL_OPTION_RUNTIME_BUILD | CORRAL_OPTION_RUNTIME_PREWARM, false, SIZE(max_size) },
	{ "max-files", 0, "N", "files in it, of any kind (default: 2000000)",
	  NULL, CORRAL_OPTION_RUNTIME_BUILD | CORRAL_OPTION_RUNTIME_PREWARM, false, NUMBER(max_files) },

	{ "config", 0, "FILE", "the same as JSON, - for standard input; flags win",
	  "Other", MAKE, true, .set = set_config },
	{ "json", 0, "FD", "write the receipt, one JSON object, to descriptor FD at the end",
	  NULL, CORRAL_OPTION_RUN | EXECS, true, .set = set_json_fd },
	{ "json", 0, NULL, "print the plan as a JSON array",
	  NULL, CORRAL_OPTION_PLAN, false, OWN(json) },
	{ "json", 0, NULL, "print a JSON array",
	  NULL, CORRAL_OPTION_LIST | CORRAL_OPTION_PS | CORRAL_OPTION_STATS | CORRAL_OPTION_DOCKER_LIST | CORRAL_OPTION_SESSION_LIST | CORRAL_OPTION_SESSION_CHECKPOINTS | CORRAL_OPTION_SESSION_DIFF | CORRAL_OPTION_IMAGE_LIST | CORRAL_OPTION_IMAGE_HISTORY | CORRAL_OPTION_IMAGE_INSPECT | CORRAL_OPTION_IMAGE_PULL | CORRAL_OPTION_IMAGE_LOAD | RUNTIME_IMAGES, false, OWN(json) },
	{ "json", 0, NULL, "print a JSON array of them; of one, an object with what it wrote",
	  NULL, CORRAL_OPTION_LOGS, false, OWN(json) },
	{ "json", 0, NULL, "print JSON",
	  NULL, FILES | CORRAL_OPTION_DOCKER_INFO | CORRAL_OPTION_DOCKER_PRUNE | CORRAL_OPTION_RUNTIME | CORRAL_OPTION_SESSION_SHOW | CORRAL_OPTION_IMAGE_PRUNE | CORRAL_OPTION_IMAGE_RM | CORRAL_OPTION_IMAGE_IMPORT, false, OWN(json) },
	{ "quiet", 'q', NULL, "print ids alone",
	  NULL, CORRAL_OPTION_LIST | CORRAL_OPTION_DOCKER_LIST | CORRAL_OPTION_SESSION_LIST | CORRAL_OPTION_IMAGE_LIST, false, OWN(quiet) },
	{ "quiet", 'q', NULL, "say nothing of how it goes on; print the image's digest alone",
	  NULL, CORRAL_OPTION_IMAGE_PULL | CORRAL_OPTION_IMAGE_LOAD | CORRAL_OPTION_IMAGE_IMPORT | CORRAL_OPTION_RUNTIME_BUILD | CORRAL_OPTION_RUNTIME_PREWARM, false, OWN(quiet) },
	{ "quiet", 'q', NULL, "say nothing of how it goes on",
	  NULL, CORRAL_OPTION_IMAGE_SAVE, false, OWN(quiet) },
	{ "force", 'f', NULL, "also one that is alive: kills all that runs in it",
	  NULL, CORRAL_OPTION_RM | CORRAL_OPTION_DOCKER_RM, false, OWN(force) },
	{ "force", 'f', NULL, "end the commands that run in it",
	  NULL, AT_REST | CORRAL_OPTION_SESSION_HIBERNATE | CORRAL_OPTION_SESSION_RM, false, OWN(force) },
	{ "time", 't', "TIME", "between asking commands to end and killing them (default: 5s)",
	  NULL, CORRAL_OPTION_STOP, false, .set = set_grace },
	{ "summary", 0, NULL, "say at the end what contained it and where time and memory went",
	  NULL, CORRAL_OPTION_RUN, false, OWN(summary) },
	{ "help", 'h', NULL, "this text",
	  NULL, EVERY, false, OWN(help) },
};
/* clang-format on */
const size_t corral_option_count = CORRAL_COUNT(corral_option_table);

int corral_options_init(struct corral_options *o, struct corral_error *err)
{
	memset(o, 0, sizeof(*o));
	o->json_fd = -1;
	o->grace_ms = -1;
	o->config = corral_config_new();
	return o->config ? 0 : corral_error_sys(err, ENOMEM, "options");
}

void corral_options_done(struct corral_options *o)
{
	corral_config_free(o->config);
	o->config = NULL;
	corral_runtime_free(o->runtime);
	o->runtime = NULL;
	corral_config_texts_done(&o->config_texts);
}

const char *corral_option_command_name(enum corral_option_command command)
{
	switch (command) {
	case CORRAL_OPTION_RUN:
		return "run";
	case CORRAL_OPTION_PLAN:
		return "plan";
	case CORRAL_OPTION_CREATE:
		return "sandbox create";
	case CORRAL_OPTION_EXEC:
		return "exec";
	case CORRAL_OPTION_LIST:
		return "sandbox list";
	case CORRAL_OPTION_PS:
		return "sandbox ps";
	case CORRAL_OPTION_STATS:
		return "sandbox stats";
	case CORRAL_OPTION_STOP:
		return "sandbox stop";
	case CORRAL_OPTION_RM:
		return "sandbox rm";
	case CORRAL_OPTION_LOGS:
		return "sandbox logs";
	case CORRAL_OPTION_CP:
		return "sandbox cp";
	case CORRAL_OPTION_PAUSE:
		return "sandbox pause";
	case CORRAL_OPTION_RESUME:
		return "sandbox resume";
	case CORRAL_OPTION_MCP:
		return "mcp";
	case CORRAL_OPTION_LS:
		return "ls";
	case CORRAL_OPTION_READ:
		return "read";
	case CORRAL_OPTION_WRITE:
		return "write";
	case CORRAL_OPTION_EDIT:
		return "edit";
	case CORRAL_OPTION_GLOB:
		return "glob";
	case CORRAL_OPTION_GREP:
		return "grep";
	case CORRAL_OPTION_DOCKER_INFO:
		return "docker info";
	case CORRAL_OPTION_DOCKER_LIST:
		return "docker list";
	case CORRAL_OPTION_DOCKER_PRUNE:
		return "docker prune";
	case CORRAL_OPTION_DOCKER_RM:
		return "docker rm";
	case CORRAL_OPTION_DOCKER_PULL:
		return "docker pull";
	case CORRAL_OPTION_DOCKER_BUILD:
		return "docker build";
	case CORRAL_OPTION_RUNTIME:
		return "runtime";
	case CORRAL_OPTION_SESSION_CREATE:
		return "session create";
	case CORRAL_OPTION_SESSION_LIST:
		return "session list";
	case CORRAL_OPTION_SESSION_SHOW:
		return "session show";
	case CORRAL_OPTION_SESSION_EXEC:
		return "session exec";
	case CORRAL_OPTION_SESSION_SHELL:
		return "session shell";
	case CORRAL_OPTION_SESSION_CP:
		return "session cp";
	case CORRAL_OPTION_SESSION_FORK:
		return "session fork";
	case CORRAL_OPTION_SESSION_CHECKPOINT:
		return "session checkpoint";
	case CORRAL_OPTION_SESSION_CHECKPOINTS:
		return "session checkpoints";
	case CORRAL_OPTION_SESSION_DROP:
		return "session drop";
	case CORRAL_OPTION_SESSION_RESTORE:
		return "session restore";
	case CORRAL_OPTION_SESSION_DIFF:
		return "session diff";
	case CORRAL_OPTION_SESSION_UNDO:
		return "session undo";
	case CORRAL_OPTION_SESSION_HIBERNATE:
		return "session hibernate";
	case CORRAL_OPTION_SESSION_RM:
		return "session rm";
	case CORRAL_OPTION_IMAGE_LIST:
		return "image list";
	case CORRAL_OPTION_IMAGE_INSPECT:
		return "image inspect";
	case CORRAL_OPTION_IMAGE_HISTORY:
		return "image history";
	case CORRAL_OPTION_IMAGE_TAG:
		return "image tag";
	case CORRAL_OPTION_IMAGE_RM:
		return "image rm";
	case CORRAL_OPTION_IMAGE_PRUNE:
		return "image prune";
	case CORRAL_OPTION_IMAGE_PULL:
		return "image pull";
	case CORRAL_OPTION_IMAGE_LOAD:
		return "image load";
	case CORRAL_OPTION_IMAGE_IMPORT:
		return "image import";
	case CORRAL_OPTION_IMAGE_SAVE:
		return "image save";
	case CORRAL_OPTION_RUNTIME_BUILD:
		return "runtime build";
	case CORRAL_OPTION_RUNTIME_PREWARM:
		return "runtime prewarm";
	case CORRAL_OPTION_RUNTIME_RM:
		return "runtime rm";
	}
	return "";
}

static const struct corral_option *find_long(const char *name, size_t len, uint64_t command)
{
	for (size_t i = 0; i < corral_option_count; i++) {
		const struct corral_option *row = &corral_option_table[i];

		if ((row->commands & command) && !strncmp(row->name, name, len) && !row->name[len])
			return row;
	}
	return NULL;
}

static const struct corral_option *find_letter(char letter, uint64_t command)
{
	for (size_t i = 0; i < corral_option_count; i++)
		if ((corral_option_table[i].commands & command) &&
		    corral_option_table[i].letter == letter)
			return &corral_option_table[i];
	return NULL;
}

/* Words that people bring along from other tools. */
static const struct {
	const char *foreign, *hint;
} hints[] = {
	{ "volume", "write --bind SRC:DST or --ro-bind SRC:DST" },
	{ "mount", "write --bind SRC:DST, --ro-bind SRC:DST or --tmpfs DST" },
	{ "rm", "leave it out: nothing of a sandbox is kept" },
	{ "name", "one that stays has a name: corral sandbox create --name NAME" },
	{ "detach", "one that stays runs commands in the background: corral sandbox create, then "
	            "corral exec -d" },
	{ "interactive", "write --stdin" },
	{ "env-file", "write --env NAME=VALUE for each, or \"env\" in a file for --config" },
	{ "entrypoint", "a command that is given runs without the image's entrypoint" },
	{ "port", "write --publish PORT:PORT" },
	{ "expose", "write --publish PORT:PORT" },
	{ "net", "write --network none, bridge, allow or host" },
	{ "pids-limit", "write --pids N" },
	{ "cpu-shares", "write --cpu-weight N (1 to 10000)" },
	{ "chdir", "write --workdir PATH" },
	{ "user", "a sandbox's user is said when it is made (--user of run and sandbox create), a "
	          "session's by \"user\" of its runtime" },
	{ "security-opt", "write --seccomp FILE" },
	{ "storage-opt", "write --disk SIZE" },
	{ "privileged", "a sandbox is never privileged; write --cap-add CAP for one capability" },
};

/* --image where a command has no such option: what says the image instead. */
static const char *image_hint(enum corral_option_command command)
{
	uint64_t sessions = CORRAL_OPTION_SESSION_CREATE | CORRAL_OPTION_SESSION_EXEC |
	                    CORRAL_OPTION_SESSION_SHELL | CORRAL_OPTION_SESSION_FORK;

	if (command & sessions)
		return "a session has that of its runtime: --runtime FILE, with { \"image\": "
		       "\"NAME\" } in it";
	if (command & CORRAL_OPTION_EXEC)
		return "a sandbox has that which it was made with: corral sandbox create --image "
		       "NAME";
	for (size_t i = 0; i < corral_option_count; i++)
		if (corral_option_table[i].commands & command &&
		    strcmp(corral_option_table[i].name, "docker") == 0)
			return "write --docker IMAGE";
	return NULL;
}

/* Where a command follows, its own options may have been taken for corral's. */
static const char *dashes(enum corral_option_command command)
{
	return command & (CORRAL_OPTION_RUN | CORRAL_OPTION_PLAN | CORRAL_OPTION_EXEC |
	                  CORRAL_OPTION_SESSION_EXEC)
	               ? ", and put -- before the command"
	               : "";
}

/* Letters that people bring along from other tools. */
static const char *letter_hint(char letter, enum corral_option_command command)
{
	if (letter == 'v')
		return " (--bind mounts a directory)";
	if (letter == 'p' && find_long("publish", 7, command))
		return " (--publish PORT:PORT gives a port)";
	if (letter == 'u' && command & (CORRAL_OPTION_EXEC | CORRAL_OPTION_SESSION_EXEC))
		return " (a sandbox's user is said when it is made, a session's by its runtime)";
	return "";
}

static int unknown_option(const char *name, size_t len, enum corral_option_command command,
                          struct corral_error *err)
{
	char word[40] = "";
	struct corral_guess guess;
	const char *hint;

	(void)snprintf(word, sizeof(word), "%.*s", (int)(len < 39 ? len : 39), name);
	for (size_t i = 0; i < CORRAL_COUNT(hints); i++)
		if (!strcmp(hints[i].foreign, word))
			return corral_error_set(err, EINVAL, "unknown option --%s: %s", word,
			                        hints[i].hint);
	hint = strcmp(word, "image") == 0 ? image_hint(command) : NULL;
	if (hint)
		return corral_error_set(err, EINVAL, "unknown option --%s: %s", word, hint);
	guess = corral_guess_begin(word);
	for (size_t i = 0; i < corral_option_count; i++)
		if (corral_option_table[i].commands & command)
			corral_guess_look(&guess, corral_option_table[i].name);
	if (guess.best)
		return corral_error_set(err, EINVAL, "unknown option --%s: did you mean --%s?",
		                        word, guess.best);
	return corral_error_set(err, EINVAL, "unknown option --%s: see corral %s --help%s", word,
	                        corral_option_command_name(command), dashes(command));
}

/* Where the reading of argv stands. */
struct cursor {
	int argc;
	char **argv;
	int next; /* the word after the one being read */
	enum corral_option_command command;
	bool config_pass; /* only is_config rows take effect, else only the others */
	bool place_pass;  /* of them, only those that name a container */
	char **words; /* of those that are no options and may stand before some; NULL: none may */
	size_t n_words;
};

static int apply(struct corral_options *o, const struct cursor *at, const struct corral_option *row,
                 const char *value, struct corral_error *err)
{
	int r;

	if (row->is_config != at->config_pass || (at->place_pass && row->set != set_place))
		return 0;
	/* A file may hold permissions alone: its keys are looked at by whoever makes no sandbox. */
	if ((row->commands & RUN) && row->set != set_own && !row->is_config)
		o->of_sandbox = row->name;
	r = row->set(o, row, value, err);
	return r < 0 ? corral_error_wrap(err, r, "--%s", row->name) : 0;
}

static int need_value(struct cursor *at, const struct corral_option *row, const char **ret,
                      struct corral_error *err)
{
	if (at->next >= at->argc)
		return corral_error_set(err, EINVAL, "--%s: a value is missing: write --%s %s",
		                        row->name, row->name, row->arg);
	*ret = at->argv[at->next++];
	return 0;
}

static int read_long(struct corral_options *o, struct cursor *at, const char *word,
                     struct corral_error *err)
{
	size_t len = strcspn(word, "=");
	const struct corral_option *row = find_long(word, len, at->command);
	const char *value = word[len] ? word + len + 1 : NULL;
	int r;

	if (!row || !len)
		return unknown_option(word, len, at->command, err);
	if (!row->arg && value)
		return corral_error_set(err, EINVAL, "--%s: takes no value: leave '=%.*s' out",
		                        row->name, 64, value);
	if (row->arg && !value) {
		r = need_value(at, row, &value, err);
		if (r < 0)
			return r;
	}
	return apply(o, at, row, value, err);
}

/* "-it", "-m64M", "-m 64M", "-m=64M". */
static int read_letters(struct corral_options *o, struct cursor *at, const char *word,
                        struct corral_error *err)
{
	for (; *word; word++) {
		const struct corral_option *row = find_letter(*word, at->command);
		const char *value = NULL;
		int r;

		if (!row)
			return corral_error_set(err, EINVAL,
			                        "unknown option -%c%s: see corral %s --help%s",
			                        *word, letter_hint(*word, at->command),
			                        corral_option_command_name(at->command),
			                        dashes(at->command));
		if (!row->arg) {
			r = apply(o, at, row, NULL, err);
			if (r < 0)
				return r;
			continue;
		}
		if (word[1])
			value = word + 1 + (word[1] == '=');
		r = value ? 0 : need_value(at, row, &value, err);
		return r < 0 ? r : apply(o, at, row, value, err);
	}
	return 0;
}

static int read_words(struct corral_options *o, struct cursor *at, struct corral_error *err)
{
	at->next = 1;
	at->n_words = 0;
	while (at->next < at->argc) {
		char *word = at->argv[at->next];
		bool is_option = word[0] == '-' && word[1];
		int r;

		if (!is_option && !at->words)
			break;
		at->next++;
		if (!is_option) {
			at->words[at->n_words++] = word;
			continue;
		}
		if (!strcmp(word, "--"))
			break;
		r = word[1] == '-' ? read_long(o, at, word + 2, err)
		                   : read_letters(o, at, word + 1, err);
		if (r < 0)
			return r;
		if (o->help)
			return 0;
	}
	while (at->words && at->next < at->argc)
		at->words[at->n_words++] = at->argv[at->next++];
	return 0;
}

/* The runtime that was named, the flag's before the file's. */
static const char *runtime_named(const struct corral_options *o)
{
	if (o->docker_runtime)
		return o->docker ? NULL : o->docker_runtime;
	return o->runtime_name ? o->runtime_name : o->config->runtime;
}

/* Puts it beneath what the files said. What asks for a container of its own is left as it is, for
 * whoever tells that both make no sense. */
static int runtime_put(struct corral_options *o, enum corral_option_command command,
                       struct corral_error *err)
{
	const char *name = runtime_named(o);
	const char *option = o->docker_runtime ? "--docker-runtime"
	                     : o->runtime_name ? "--runtime"
	                                       : "--config: runtime";
	struct corral_config *base = NULL;
	int r = 0;

	if (o->runtime_name)
		r = corral_config_set_text(&o->config->runtime, o->runtime_name, err);
	if (r < 0 || !name || !o->use_runtime ||
	    (!o->docker_runtime && corral_options_have_docker(o)))
		return r;
	r = o->use_runtime(o, command, name, &base, err);
	if (r < 0)
		return corral_error_wrap(err, r, "%s", option);
	o->n_usual_env = base->n_env;
	r = corral_config_texts_apply(&o->config_texts, base, err);
	corral_config_free(o->config);
	o->config = base;
	/* From now on it is no name that anybody has to know. */
	if (!o->docker_runtime) {
		free(base->runtime);
		base->runtime = NULL;
	}
	return r;
}

/* A root is one thing; of flags and files the flags win. */
static int roots_check(const struct corral_options *o, struct corral_error *err)
{
	if (o->rootfs && o->image)
		return corral_error_set(err, EINVAL, "--rootfs and --image: leave one of them out");
	if (o->config->rootfs && o->config->image)
		return corral_error_set(err, EINVAL,
		                        "--config: rootfs and image: leave one of them out");
	return 0;
}

static int root_put(struct corral_options *o, struct corral_error *err)
{
	struct corral_config *c = o->config;

	if (o->rootfs || o->image) {
		free(c->image);
		free(c->rootfs);
		c->image = c->rootfs = NULL;
	}
	if (o->rootfs)
		return corral_config_set_text(&c->rootfs, o->rootfs, err);
	return o->image ? corral_config_set_text(&c->image, o->image, err) : 0;
}

static void usual_env_drop(struct corral_config *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(c->env[i]);
	memmove(c->env, c->env + n, (c->n_env - n) * sizeof(*c->env));
	c->n_env -= n;
}

int corral_options_parse(struct corral_options *o, enum corral_option_command command, int argc,
                         char **argv, struct corral_error *err)
{
	struct cursor at = { argc, argv, 1, command, true, false, NULL, 0 };
	corral_autofree char **words = NULL;
	char **rest;
	size_t n_rest;
	int r;

	if (command & WAKE)
		o->idle_ms = CORRAL_OPTION_UNSAID;
	if (command & ANYWHERE) {
		words = at.words = calloc((size_t)argc, sizeof(*words));
		if (!words)
			return corral_error_sys(err, ENOMEM, "read the options");
	}
	r = read_words(o, &at, err);
	if (r == 0)
		r = roots_check(o, err);
	if (r == 0)
		r = runtime_put(o, command, err);
	if (r < 0)
		return r;
	at.config_pass = false;
	r = read_words(o, &at, err);
	if (r < 0 || o->help)
		return r;
	r = root_put(o, err);
	if (r < 0)
		return r;
	o->config->allow_weaker |= o->allow_weaker;
	if (o->config->clear_env && o->n_usual_env)
		usual_env_drop(o->config, o->n_usual_env);
	rest = words ? words : argv + at.next;
	n_rest = words ? at.n_words : (size_t)(argc - at.next);
	/* The command that a file names is for those that run one at once. */
	if (!n_rest && (command & RUN))
		return 0;
	if (n_rest && !*rest[0] && !(command & RUN))
		return corral_error_set(err, EINVAL, "%s: its first word is empty",
		                        corral_option_command_name(command));
	return corral_config_set_argv(o->config, rest, n_rest, err);
}

const char *corral_options_have_docker(const struct corral_options *o)
{
	if (o->in_docker)
		return "runtime";
	if (o->docker_runtime)
		return "docker-runtime";
	return o->container ? "container" : o->docker ? "docker" : NULL;
}

bool corral_options_want_docker(enum corral_option_command command, int argc, char **argv)
{
	struct cursor at = { argc, argv, 1, command, true, true, NULL, 0 };
	struct corral_options o = { .config = NULL };

	(void)read_words(&o, &at, NULL);
	return corral_options_have_docker(&o) != NULL;
}

#define HELP_COLUMN 26
#define HELP_WIDTH  80

/* Breaks text between words, so that every line but the first begins in the column. */
static void print_wrapped(FILE *out, const char *text, int column)
{
	int at = column;

	while (*text) {
		int len = (int)strcspn(text, " ");

		if (at > column && at + 1 + len > HELP_WIDTH) {
			(void)fprintf(out, "\n%*s", column, "");
			at = column;
		}
		at += fprintf(out, "%s%.*s", at > column ? " " : "", len, text);
		text += len;
		text += strspn(text, " ");
	}
	(void)fputc('\n', out);
}

void corral_options_print(FILE *out, enum corral_option_command command)
{
	const char *heading = NULL;

	for (size_t i = 0; i < corral_option_count; i++) {
		const struct corral_option *row = &corral_option_table[i];
		char left[64], letter[8] = "    ";

		/* One that no row of this command stands below is left out. */
		if (row->group)
			heading = row->group;
		if (!(row->commands & command))
			continue;
		if (heading)
			(void)fprintf(out, "\n%s:\n", heading);
		heading = NULL;
		if (row->letter)
			(void)snprintf(letter, sizeof(letter), "-%c, ", row->letter);
		(void)snprintf(left, sizeof(left), "  %s--%s%s%s", letter, row->name,
		               row->arg ? " " : "", row->arg ? row->arg : "");
		if (strlen(left) > HELP_COLUMN - 2)
			(void)fprintf(out, "%s\n%*s", left, HELP_COLUMN, "");
		else
			(void)fprintf(out, "%-*s", HELP_COLUMN, left);
		print_wrapped(out, row->help, HELP_COLUMN);
	}
}
