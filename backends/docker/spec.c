#include "backends/docker/spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/environment.h"
#include "backends/docker/inside.h"
#include "backends/docker/json.h"
#include "backends/docker/security.h"
#include "kernel/base/cleanup.h"
#include "policy/caps.h"
#include "policy/policy.h"

#define CPU_SHARES_MIN 2
#define CPU_SHARES_MAX 262144

/* What containers keep: ownership of files, ids, signals to others' processes, low ports. Not raw
 * sockets, device nodes, chroot or file capabilities, which engines leave to them by default. */
static const char *const caps_kept[] = { "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID",
	                                 "KILL",  "SETGID",       "SETUID", "NET_BIND_SERVICE",
	                                 NULL };

bool corral_docker_spec_owner(const struct corral_docker_spec *s, uint32_t *ret_uid,
                              uint32_t *ret_gid)
{
	unsigned int uid = 0, gid = 0;
	int n = s->user ? sscanf(s->user, "%u:%u", &uid, &gid) : 0;

	if (n < 1 || !uid)
		return false;
	*ret_uid = uid;
	*ret_gid = n == 2 ? gid : uid;
	return true;
}

static int out_of_memory(struct corral_error *err)
{
	return corral_error_set(err, ENOMEM, "container: out of memory");
}

static int copy_text(char **ret, const char *text, struct corral_error *err)
{
	if (!text)
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : out_of_memory(err);
}

static void free_list(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

static int copy_list(char ***ret, char *const *list, struct corral_error *err)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	*ret = calloc(n + 1, sizeof(**ret));
	for (size_t i = 0; *ret && i < n; i++) {
		(*ret)[i] = strdup(list[i]);
		if (!(*ret)[i])
			return out_of_memory(err);
	}
	return *ret ? 0 : out_of_memory(err);
}

/* Adds to an array or object; a value that could not be made is told at the end. */
static bool put(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value) == 0;
}

/* kept: those of caps_kept as well. */
static int caps_put(json_t *host, bool kept, char *const *add, char *const *drop,
                    uint64_t *ret_caps, struct corral_error *err)
{
	json_t *list = json_array();
	uint64_t set = 0, one;
	bool ok;
	int r = 0;

	for (size_t i = 0; kept && caps_kept[i]; i++)
		if (corral_caps_parse(caps_kept[i], &one, NULL) == 0)
			set |= one;
	for (size_t i = 0; r == 0 && add && add[i]; i++) {
		r = corral_caps_parse(add[i], &one, err);
		set |= r == 0 ? one : 0;
	}
	for (size_t i = 0; r == 0 && drop && drop[i]; i++) {
		r = corral_caps_parse(drop[i], &one, err);
		set &= r == 0 ? ~one : set;
	}
	ok = put(host, "CapDrop", json_pack("[s]", "ALL"));
	if (set == CORRAL_CAPS_ALL) {
		ok &= json_array_append_new(list, json_string("ALL")) == 0;
	} else {
		for (unsigned int cap = 0; corral_caps_name(cap); cap++)
			if (set & (1ull << cap))
				ok &= json_array_append_new(list,
				                            json_string(corral_caps_name(cap) +
				                                        strlen("CAP_"))) == 0;
	}
	ok &= put(host, "CapAdd", list);
	if (r < 0)
		return corral_error_wrap(err, r, "capabilities");
	if (!ok)
		return out_of_memory(err);
	*ret_caps = set;
	return 0;
}

static bool ulimit_add(json_t *list, const char *name, uint64_t value)
{
	return !value || json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "Name", name,
	                                                       "Soft", (json_int_t)value, "Hard",
	                                                       (json_int_t)value)) == 0;
}

static uint64_t shares(const struct corral_docker_options *o, const struct corral_limits *l)
{
	uint64_t n = o->cpu_shares ? o->cpu_shares : l->cpu_weight * 1024 / 100;

	if (!n)
		return 0;
	return n < CPU_SHARES_MIN ? CPU_SHARES_MIN : n > CPU_SHARES_MAX ? CPU_SHARES_MAX : n;
}

static int limits_put(json_t *host, const struct corral_docker_options *o,
                      const struct corral_limits *l, struct corral_error *err)
{
	json_t *ulimits;
	bool ok = true;

	if (o->limits_asked & CORRAL_LIMIT_DISK_INODES)
		return corral_error_set(err, EOPNOTSUPP,
		                        "limits: disk_inodes: container engines have no such");
	ulimits = json_array();
	if (l->memory_bytes) {
		ok &= put(host, "Memory", json_integer((json_int_t)l->memory_bytes));
		/* The engine counts both together. */
		ok &= put(host, "MemorySwap",
		          json_integer((json_int_t)(l->memory_bytes + l->memory_swap_bytes)));
	}
	if (l->cpu_millis)
		ok &= put(host, "NanoCpus", json_integer((json_int_t)l->cpu_millis * 1000000));
	if (shares(o, l))
		ok &= put(host, "CpuShares", json_integer((json_int_t)shares(o, l)));
	if (l->pids)
		ok &= put(host, "PidsLimit", json_integer((json_int_t)l->pids));
	if (l->disk_bytes && (o->limits_asked & CORRAL_LIMIT_DISK)) {
		json_t *size = json_sprintf("%llu", (unsigned long long)l->disk_bytes);

		ok &= put(host, "StorageOpt", json_pack("{s:o}", "size", size));
	}
	ok &= json_array_append_new(ulimits, json_pack("{s:s, s:i, s:i}", "Name", "core", "Soft", 0,
	                                               "Hard", 0)) == 0;
	ok &= ulimit_add(ulimits, "nofile", l->open_files);
	ok &= ulimit_add(ulimits, "fsize", l->file_size_bytes);
	ok &= put(host, "Ulimits", ulimits);
	return ok ? 0 : out_of_memory(err);
}

static bool tmpfs_put(json_t *tmpfs, const char *guest_path, const char *options)
{
	/* Engines mount them noexec; what runs here is contained by other means. */
	json_t *text =
	        strstr(options, "exec") ? json_string(options) : json_sprintf("%s,exec", options);

	return json_object_set_new(tmpfs, guest_path, text) == 0;
}

static int mount_put(json_t *mounts, json_t *tmpfs, const struct corral_docker_mount *m,
                     struct corral_error *err)
{
	bool ok;

	if (!m->guest_path || m->guest_path[0] != '/' || strstr(m->guest_path, ".."))
		return corral_error_set(err, EINVAL, "guest path '%.100s': not an absolute path",
		                        m->guest_path ? m->guest_path : "");
	if (m->host_path && m->host_path[0] != '/')
		return corral_error_set(err, EINVAL, "host path '%.100s': not an absolute path",
		                        m->host_path);
	if (m->host_path)
		ok = json_array_append_new(mounts,
		                           json_pack("{s:s, s:s, s:s, s:b}", "Type", "bind",
		                                     "Source", m->host_path, "Target",
		                                     m->guest_path, "ReadOnly", m->read_only)) == 0;
	else
		ok = tmpfs_put(tmpfs, m->guest_path,
		               m->tmpfs_options ? m->tmpfs_options : "size=64m");
	return ok ? 0 : out_of_memory(err);
}

static bool is_mounted(const struct corral_docker_options *o, const char *guest_path)
{
	for (size_t i = 0; i < o->n_mounts; i++)
		if (!strcmp(o->mounts[i].guest_path, guest_path))
			return true;
	return false;
}

static int mounts_put(json_t *host, const struct corral_docker_spec *s,
                      const struct corral_docker_options *o, struct corral_error *err)
{
	json_t *mounts = json_array(), *tmpfs = json_object();
	bool ok = put(host, "Mounts", mounts);
	int r = 0;

	ok &= put(host, "Tmpfs", tmpfs);
	for (size_t i = 0; ok && r == 0 && i < o->n_mounts; i++) {
		r = mount_put(mounts, tmpfs, &o->mounts[i], err);
		if (r < 0)
			return corral_error_wrap(err, r, "mounts[%zu]", i);
	}
	ok &= put(host, "ReadonlyRootfs", json_boolean(o->read_only_root));
	/* Without places to write to, nothing much runs. */
	if (o->read_only_root && !is_mounted(o, "/tmp"))
		ok &= tmpfs_put(tmpfs, "/tmp", "size=64m,mode=1777");
	if (o->read_only_root && !is_mounted(o, s->work_dir))
		ok &= tmpfs_put(tmpfs, s->work_dir, "size=256m,mode=1777");
	return ok ? 0 : out_of_memory(err);
}

/* Whose network it is, whose name it has, and engines refuse another one in a container's. */
static bool shares_network(const char *mode)
{
	return !strcmp(mode, "host") || !strncmp(mode, "container:", strlen("container:"));
}

static int texts_init(struct corral_docker_spec *s, const struct corral_docker_options *o,
                      const char *id, struct corral_error *err)
{
	const struct corral_runtime *rt = o->runtime;
	const char *work_dir = rt ? rt->work_dir : o->work_dir ? o->work_dir : NULL;
	bool own = rt && (rt->image || rt->base_image);
	int r;

	if (!work_dir)
		work_dir = CORRAL_WORK_DIR_DEFAULT;
	/* Somebody else's container may have no other. */
	if (work_dir[0] != '/' || (!work_dir[1] && !o->container_name) || strstr(work_dir, ".."))
		return corral_error_set(err, EINVAL, "work_dir '%.100s': not an absolute path",
		                        work_dir);
	r = copy_text(&s->session, id, err);
	if (r == 0 && !own)
		r = copy_text(&s->image, o->image ? o->image : CORRAL_DOCKER_IMAGE_DEFAULT, err);
	if (r == 0)
		r = copy_text(&s->work_dir, work_dir, err);
	if (r == 0)
		r = copy_text(&s->container_name, o->container_name, err);
	if (r == 0)
		r = copy_text(&s->network_mode, o->network_mode ? o->network_mode : "none", err);
	if (r == 0)
		r = copy_text(&s->hostname,
		              o->hostname                       ? o->hostname
		              : shares_network(s->network_mode) ? NULL
		                                                : CORRAL_HOSTNAME_DEFAULT,
		              err);
	if (r == 0)
		r = copy_text(&s->oci_runtime, o->oci_runtime, err);
	if (r == 0)
		r = copy_text(&s->user, o->user, err);
	if (r == 0 && !o->user && rt && rt->has_run_as_uid) {
		struct corral_buf b = CORRAL_BUF_INIT;

		corral_buf_fmt(&b, "%u:%u", rt->run_as_uid, rt->run_as_uid);
		s->user = corral_buf_take(&b);
		r = s->user ? 0 : out_of_memory(err);
	}
	return r;
}

/* As engines have it: [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
static int name_check(const char *name, struct corral_error *err)
{
	static const char plain[] =
	        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t n = name ? strlen(name) : 2;

	if (name && (n < 2 || n > 128 || !strchr(plain, name[0]) ||
	             name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                               "0123456789_.-")]))
		return corral_error_set(
		        err, EINVAL,
		        "container_name '%.64s': letters, digits, '_', '.' and '-', 2 to 128 of "
		        "them, a letter or digit first",
		        name);
	return 0;
}

static int labels_check(char *const *labels, struct corral_error *err)
{
	for (size_t i = 0; labels && labels[i]; i++) {
		const char *eq = strchr(labels[i], '=');

		if (!eq || eq == labels[i])
			return corral_error_set(err, EINVAL, "labels[%zu]: not key=value", i);
		if (!strncmp(labels[i], "corral.", 7) || !strncmp(labels[i], "corral=", 7))
			return corral_error_set(err, EINVAL, "labels[%zu]: 'corral' is ours", i);
	}
	return 0;
}

static int environment_check(char *const *env, struct corral_error *err)
{
	for (size_t i = 0; env && env[i]; i++)
		if (!strchr(env[i], '=') || env[i][0] == '=')
			return corral_error_set(err, EINVAL, "env[%zu]: not NAME=VALUE", i);
	return 0;
}

static int spec_fill(struct corral_docker_spec *s, const struct corral_docker_options *o,
                     const char *id, struct corral_error *err)
{
	uint64_t caps = 0;
	uint32_t uid, gid;
	int r = name_check(o->container_name, err);

	if (r == 0)
		r = labels_check(o->labels, err);
	if (r == 0)
		r = environment_check(o->env, err);
	if (r == 0)
		r = texts_init(s, o, id, err);
	if (r == 0)
		r = copy_list(&s->labels, o->labels, err);
	if (r < 0)
		return r;
	s->env = corral_docker_environment(o->runtime, o->env);
	s->host_config = json_object();
	if (!s->env || !s->host_config)
		return out_of_memory(err);
	r = mounts_put(s->host_config, s, o, err);
	if (r == 0)
		r = limits_put(s->host_config, o, &s->limits, err);
	if (r == 0)
		/* For who is not root they are of no use, since nothing gives privileges here; but
		 * Podman would give them to who is not root as well. */
		r = caps_put(s->host_config, !corral_docker_spec_owner(s, &uid, &gid), o->cap_add,
		             o->cap_drop, &caps, err);
	if (r == 0)
		r = corral_docker_security_put(s->host_config, o->seccomp, caps, err);
	if (r == 0 &&
	    (!put(s->host_config, "NetworkMode", json_string(s->network_mode)) ||
	     (s->oci_runtime && !put(s->host_config, "Runtime", json_string(s->oci_runtime)))))
		r = out_of_memory(err);
	return r;
}

int corral_docker_spec_init(struct corral_docker_spec *s, const struct corral_docker_options *o,
                            const char *id, struct corral_error *err)
{
	int r;

	memset(s, 0, sizeof(*s));
	s->limits = o->limits ? *o->limits : corral_limits_default;
	s->limits_asked = o->limits_asked;
	s->leave_running = o->leave_running;
	s->allow_weaker = o->allow_weaker;
	r = spec_fill(s, o, id, err);
	if (r < 0)
		corral_docker_spec_done(s);
	return r;
}

void corral_docker_spec_done(struct corral_docker_spec *s)
{
	free(s->session);
	free(s->image);
	free(s->container_name);
	free(s->work_dir);
	free(s->hostname);
	free(s->network_mode);
	free(s->user);
	free(s->oci_runtime);
	free_list(s->env);
	free_list(s->labels);
	json_decref(s->host_config);
	memset(s, 0, sizeof(*s));
}

static json_t *labels_of(const struct corral_docker_spec *s, const struct corral_docker_main *m)
{
	json_t *labels =
	        json_pack("{s:s, s:s, s:s, s:s}", CORRAL_DOCKER_LABEL, "container",
	                  CORRAL_DOCKER_LABEL_SESSION, s->session, CORRAL_DOCKER_LABEL_OWNER,
	                  m->owner, CORRAL_DOCKER_LABEL_SELF, m->self);
	bool ok = labels != NULL;

	if (s->container_name)
		ok &= put(labels, CORRAL_DOCKER_LABEL_NAMED, json_string("1"));
	for (size_t i = 0; ok && s->labels[i]; i++) {
		const char *eq = strchr(s->labels[i], '=');

		ok = json_object_setn_new(labels, s->labels[i], (size_t)(eq - s->labels[i]),
		                          json_string(eq + 1)) == 0;
	}
	if (!ok) {
		json_decref(labels);
		return NULL;
	}
	return labels;
}

/* With our program in it, that is the main process; else a sleep behind the engine's own init. */
static bool main_put(json_t *body, json_t *host, const struct corral_docker_main *m)
{
	json_t *mount;

	if (!m->volume)
		return put(body, "Entrypoint", json_pack("[s,s]", "sleep", "infinity")) &&
		       put(body, "Cmd", json_array()) && put(host, "Init", json_true());
	mount = json_pack("{s:s, s:s, s:s, s:b, s:{s:b}}", "Type", "volume", "Source", m->volume,
	                  "Target", CORRAL_DOCKER_INSIDE_DIR, "ReadOnly", 1, "VolumeOptions",
	                  "NoCopy", 1);
	return put(body, "Entrypoint", json_pack("[s]", CORRAL_DOCKER_INSIDE_PATH)) &&
	       put(body, "Cmd",
	           m->tied ? json_pack("[s,s]", "idle", "tied") : json_pack("[s]", "idle")) &&
	       json_array_append_new(json_object_get(host, "Mounts"), mount) == 0;
}

json_t *corral_docker_spec_create(const struct corral_docker_spec *s, const char *image,
                                  const struct corral_docker_main *m)
{
	json_t *host = json_deep_copy(s->host_config);
	json_t *body = json_pack("{s:s, s:b, s:b, s:b, s:b, s:b, s:b}", "Image", image, "OpenStdin",
	                         m->tied, "StdinOnce", m->tied, "AttachStdin", m->tied,
	                         "AttachStdout", 0, "AttachStderr", 0, "Tty", 0);
	uint32_t uid, gid;
	/* Missing ones that it is told of, an engine makes at once and for root; so it could not be
	 * seen any more whether there was one. Each exec is told of it. */
	bool given = corral_docker_spec_owner(s, &uid, &gid);
	bool ok = host && body &&
	          (!s->hostname || put(body, "Hostname", json_string(s->hostname))) &&
	          (given || put(body, "WorkingDir", json_string(s->work_dir))) &&
	          put(body, "Env", corral_json_texts(s->env)) &&
	          put(body, "Labels", labels_of(s, m)) && main_put(body, host, m) &&
	          (!s->user || put(body, "User", json_string(s->user))) &&
	          /* A container's health is none of the image's business here. */
	          put(body, "Healthcheck", json_pack("{s:[s]}", "Test", "NONE")) &&
	          put(host, "AutoRemove", json_boolean(!s->container_name)) &&
	          put(host, "LogConfig", json_pack("{s:s}", "Type", "none"));

	if (!ok || !put(body, "HostConfig", json_incref(host))) {
		json_decref(body);
		body = NULL;
	}
	json_decref(host);
	return body;
}
