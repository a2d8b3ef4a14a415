/*
 * What somebody asked for: the JSON of --config and the flags of the command line end up here, as
 * text and numbers that are well formed and no more. Whether they make sense is policy/policy.h's
 * question. The struct owns every string in it.
 */
#ifndef CORRAL_POLICY_CONFIG_H
#define CORRAL_POLICY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"
#include "policy/account.h"
#include "policy/limits.h"
#include "policy/publish.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_CONFIG_MOUNTS_MAX 256
#define CORRAL_CONFIG_ENV_MAX    1024
#define CORRAL_CONFIG_ARGS_MAX   16384
#define CORRAL_CONFIG_LAYERS_MAX 24

struct corral_permission_ruleset;

enum corral_mount_kind {
	CORRAL_MOUNT_BIND,    /* host directory or file, read-write */
	CORRAL_MOUNT_RO_BIND, /* the same, read-only */
	CORRAL_MOUNT_TMPFS,   /* memory of its own, size_bytes of it (0: the policy's default) */
};

struct corral_config_mount {
	enum corral_mount_kind kind;
	char *host_path;  /* NULL for tmpfs */
	char *guest_path; /* absolute */
	uint64_t size_bytes;
	bool from_json; /* a flag for the same guest_path replaces it; two flags are a mistake */
};

enum corral_network_mode {
	CORRAL_NETWORK_NONE,   /* loopback only */
	CORRAL_NETWORK_HOST,   /* the caller's own network namespace */
	CORRAL_NETWORK_BRIDGE, /* its own, connected to what the host reaches, but not to the host
	                        */
	CORRAL_NETWORK_ALLOW,  /* the same, for what is on a list alone */
};
/* "none", "host", "bridge", "allow"; static. */
const char *corral_network_name(enum corral_network_mode mode);

enum corral_ids_mode {
	CORRAL_IDS_AUTO,   /* a range of its own as root, one id otherwise */
	CORRAL_IDS_SINGLE, /* one id inside, which is the caller's outside */
	CORRAL_IDS_RANGE,  /* 65536 ids; without root from /etc/subuid through newuidmap(1) */
};

struct corral_config {
	char *runtime;   /* NULL: "host" */
	char *rootfs;    /* NULL or "host": the host's /usr; else a directory */
	char *image;     /* NULL; the name of one whose root is taken (kernel/image/apply.h) */
	char *workspace; /* host directory at work_dir; NULL: an empty one in memory */
	char *work_dir;  /* guest path; NULL: /workspace */
	char *keep;      /* host directory for all other changes; NULL: they go with the sandbox */
	/*
	 * Not from JSON: of sessions. Layers that earlier sandboxes kept, frozen, beneath keep, the
	 * nearest first; and whether the work directory is one of the things that are kept there,
	 * which goes without a workspace.
	 */
	char **layers;
	size_t n_layers;
	bool keep_work_dir;
	/*
	 * Not from JSON: of sessions with a disk of their own, whose root this descriptor is, which
	 * is owned; keep, layers and workspace are then names beneath it.
	 */
	bool has_disk;
	int disk_fd;
	/*
	 * Not from JSON: of images, and what makes rootfs and the rest of them. Nobody changes such
	 * a root as long as the descriptor is open, which is owned; and nothing is mounted on the
	 * work directory, which is the root's own.
	 */
	bool rootfs_is_image;
	int rootfs_lease_fd;
	bool bare_work_dir;
	char *work_dir_base; /* what the root has there, on the host; NULL: nothing */
	char *hostname;      /* NULL: "corral" */
	char *seccomp;       /* NULL or "default": the built-in profile; else a host path */
	struct corral_config_mount *mounts;
	size_t n_mounts;
	char **env; /* "K=V", later ones win */
	size_t n_env;
	bool clear_env;     /* nothing but env: not even PATH, HOME and TERM */
	char *user;         /* as it was said, "NAME" or "UID", with ":GROUP" or ":GID"; or NULL */
	bool has_user;      /* its numbers are known */
	bool user_is_found; /* they are as the root's accounts say (kernel/image/account.h) */
	uint32_t guest_uid, guest_gid;
	uint32_t guest_groups[CORRAL_ACCOUNT_GROUPS_MAX]; /* beside guest_gid */
	uint32_t n_groups;
	enum corral_network_mode network;
	bool network_pasta; /* bridge by pasta(1), also where root could do better ("pasta") */
	bool network_said;  /* by name, not by an allowlist */
	char **allow;       /* what network "allow" allows: policy/egress.h */
	size_t n_allow;
	bool allow_said; /* a list was given, if only an empty one */
	struct corral_publish *publish;
	size_t n_publish;
	enum corral_ids_mode ids;
	char **cap_add, **cap_drop; /* names as given: "CAP_CHOWN", "chown", "ALL" */
	size_t n_cap_add, n_cap_drop;
	struct corral_limits limits;
	uint32_t
	        limits_asked; /* set of enum corral_limit: named by the caller, so they must hold */
	bool allow_weaker;    /* consent to a weaker tier of isolation (design, section 4) */
	bool tty, use_stdin;
	/* What tools may do (policy/permission.h), or NULL: says nothing of the sandbox itself. */
	struct corral_permission_ruleset *permissions;
	const char *sandbox_key; /* a key of the JSON but permissions, static; NULL without */
	char **argv;             /* the command, NULL-terminated; NULL when none was given */
	size_t n_argv;
};

/* An empty configuration with the default limits; NULL when memory ran out. */
struct corral_config *corral_config_new(void);
void corral_config_free(struct corral_config *c);
/* For corral_auto(). */
static inline void corral_config_freep(struct corral_config **p)
{
	corral_config_free(*p);
}

/*
 * Parses JSON text into c, over what is there already (so flags, applied later, win). Unknown keys,
 * wrong types and values out of range are -EINVAL with the place in the text: "mounts[2].source:
 * ...".
 *
 * Keys: runtime, rootfs, image, workspace, work_dir, keep, hostname, seccomp, network ("none",
 * "host", "bridge", "allow", "pasta"), allow (array of text as corral_egress_entry_parse() takes
 * it), publish (array of text as corral_publish_parse() takes it), ids
 * ("auto", "single", "range"), user (text as corral_config_set_user() takes it, or a number), env
 * (object), clear_env, mounts (array of {type: "bind"|"ro-bind"|"tmpfs", source, target, size}),
 * cap_add, cap_drop (arrays), limits (object: memory, memory_swap, disk, file_size, output as
 * number of bytes or text with unit; cpus as number; cpu_weight, pids, disk_inodes, open_files as
 * numbers; timeout as seconds or text with unit), allow_weaker, tty, stdin, command (array of
 * text), permissions (a ruleset's object or a preset's name; a later one replaces it).
 */
int corral_config_parse(struct corral_config *c, const char *json, size_t len,
                        struct corral_error *err);

/* What flags do, one at a time; each copies its text. 0, -EINVAL or -ENOMEM. */
int corral_config_set_text(char **field, const char *text, struct corral_error *err);
int corral_config_add_env(struct corral_config *c, const char *assignment,
                          struct corral_error *err);
/* Beneath those that are there; what is no assignment is left out. */
int corral_config_put_env(struct corral_config *c, char *const *more, size_t n,
                          struct corral_error *err);
/* "SRC:DST" for binds (a colon in SRC is written "\:"), "DST[:SIZE]" for tmpfs. */
int corral_config_add_mount(struct corral_config *c, enum corral_mount_kind kind, const char *spec,
                            struct corral_error *err);
/* The same with its parts known; host_path is NULL for tmpfs. */
int corral_config_put_mount(struct corral_config *c, enum corral_mount_kind kind,
                            const char *host_path, const char *guest_path, uint64_t size_bytes,
                            struct corral_error *err);
/* Beneath keep and those added before. */
int corral_config_add_layer(struct corral_config *c, const char *host_path,
                            struct corral_error *err);
int corral_config_add_cap(struct corral_config *c, bool add, const char *name,
                          struct corral_error *err);
/*
 * "NAME" or "UID", either with ":GROUP" or ":GID". The numbers of names are known when the root's
 * own accounts were asked; a number alone is the group's as well, unless these say another.
 */
int corral_config_set_user(struct corral_config *c, const char *text, struct corral_error *err);
int corral_config_set_network(struct corral_config *c, const char *text, struct corral_error *err);
/* policy/egress.h says what text is. Implies network "allow" where none was said. */
int corral_config_add_allow(struct corral_config *c, const char *text, struct corral_error *err);
/* Whoever says a list says all of it. */
void corral_config_clear_allow(struct corral_config *c);
/* policy/publish.h says what text is. */
int corral_config_add_publish(struct corral_config *c, const char *text, struct corral_error *err);
int corral_config_set_ids(struct corral_config *c, const char *text, struct corral_error *err);
/*
 * Sets one limit from its text as on the command line and marks it as asked for; 0 takes the limit
 * away (memory_swap: no swap at all; cpu_weight: the kernel's own), and nothing then has to hold.
 */
int corral_config_set_limit(struct corral_config *c, enum corral_limit limit, const char *text,
                            struct corral_error *err);
int corral_config_set_argv(struct corral_config *c, char *const *argv, size_t n,
                           struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
