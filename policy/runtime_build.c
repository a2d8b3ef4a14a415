#include "policy/runtime_build.h"

#include <errno.h>
#include <jansson.h>
#include <sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"

/* A tag is at most 128 bytes: what the digest leaves to the name. */
#define TAG_NAME_MAX  115
#define HEX_DIGITS    "0123456789abcdef"
#define DIGEST_PREFIX "sha256:"

static const char npm_install[] = "npm install --no-audit --no-fund \"$@\"";
static const char npm_clean[] =
        "npm install --no-audit --no-fund \"$@\" && npm cache clean --force";

static const char apt_install[] =
        "export DEBIAN_FRONTEND=noninteractive && apt-get update && "
        "apt-get install -y --no-install-recommends \"$@\" && rm -rf /var/lib/apt/lists/*";

/*
 * Cargo has its downloads, its configuration and the programs that it installs in one directory:
 * the first is the cache, the others stay where the image has them.
 */
static const char cargo_install[] =
        "set -e; home=${CARGO_HOME:-${HOME:-/root}/.cargo}; CARGO_HOME=$CORRAL_CARGO_CACHE; "
        "export CARGO_HOME; for f in config config.toml; do rm -f \"$CARGO_HOME/$f\"; "
        "[ ! -f \"$home/$f\" ] || cp \"$home/$f\" \"$CARGO_HOME/$f\"; done; "
        "exec cargo install --root \"$home\" \"$@\"";

/*
 * $1 the user's number, $2 the working directory. Written to the files themselves: images have
 * useradd, adduser or none. In front of the others, since images may have a user of that number
 * already ("node" is 1000), and the first one names it. Where there is one id alone, all is its
 * own. Without Python /opt/venv is an empty
 * directory of the user's; without the ensurepip of Debian's python3-venv it has no pip of its own.
 */
static const char user_make[] =
        "set -e; uid=$1; dir=$2; "
        "own() { chown \"$@\" || { read -r a b n </proc/self/uid_map && "
        "[ \"$n\" = 1 ]; }; }; "
        "shell=/bin/bash; [ -x $shell ] || shell=/bin/sh; "
        "front() { { echo \"$2\"; cat \"$1\"; } >\"$1.new\"; cat \"$1.new\" >\"$1\"; "
        "rm \"$1.new\"; }; "
        "if grep -q '^agent:' /etc/passwd && ! grep -q \"^agent:[^:]*:$uid:\" /etc/passwd; then "
        "echo 'the base image has another user named agent' >&2; exit 1; fi; "
        "grep -q '^agent:' /etc/passwd || "
        "front /etc/passwd \"agent:x:$uid:$uid:agent:/home/agent:$shell\"; "
        "grep -q '^agent:' /etc/group || front /etc/group \"agent:x:$uid:\"; "
        "[ ! -f /etc/shadow ] || grep -q '^agent:' /etc/shadow || "
        "echo 'agent:!:1:0:99999:7:::' >>/etc/shadow; "
        "mkdir -p /home/agent /opt/venv/bin \"$dir\"; "
        "if command -v python3 >/dev/null; then "
        "python3 -m venv --system-site-packages /opt/venv || "
        "python3 -m venv --system-site-packages --without-pip /opt/venv; fi; "
        "own -R \"$uid:$uid\" /home/agent /opt/venv; "
        "[ \"$dir\" = / ] || own \"$uid:$uid\" \"$dir\"; "
        "for f in node_modules package.json package-lock.json; do "
        "[ ! -e \"$dir/$f\" ] || own -R -h \"$uid:$uid\" \"$dir/$f\"; done";

const char *const corral_runtime_account_env[] = {
	"HOME=/home/agent",
	"VIRTUAL_ENV=/opt/venv",
	"UV_SYSTEM_PYTHON=0",
	NULL,
};

static const struct corral_runtime_cache caches_of[CORRAL_RUNTIME_MANAGERS] = {
	[CORRAL_PACKAGES_PIP] = { "pip", "", "PIP_CACHE_DIR", "" },
	[CORRAL_PACKAGES_NPM] = { "npm", "", "npm_config_cache", "" },
	[CORRAL_PACKAGES_APT] = { "apt", "archives:archives/partial:lists:lists/partial",
	                          "APT_CONFIG", ".conf" },
	[CORRAL_PACKAGES_CARGO] = { "cargo", "", "CORRAL_CARGO_CACHE", "" },
};

const struct corral_runtime_cache *corral_runtime_cache(enum corral_package_manager manager)
{
	return &caches_of[manager];
}

void corral_runtime_apt_conf(const char *guest_dir, struct corral_buf *ret)
{
	/*
	 * Not in /var/cache/apt and /var/lib/apt/lists: images have hooks that empty the one, and
	 * setup commands that remove the other. Without files of its own of what it has read in
	 * memory, which are large and would be in the layer. As root, since nobody else owns what
	 * is there. dpkg need not wait for the disk after each file: of a build that broke off
	 * nothing is kept, and what is kept is on the disk before it has a name.
	 */
	corral_buf_fmt(ret,
	               "Dir::Cache::archives \"%s/archives\";\n"
	               "Dir::State::lists \"%s/lists\";\n"
	               "Dir::Cache::pkgcache \"\";\n"
	               "Dir::Cache::srcpkgcache \"\";\n"
	               "APT::Keep-Downloaded-Packages \"true\";\n"
	               "Binary::apt::APT::Keep-Downloaded-Packages \"true\";\n"
	               "APT::Sandbox::User \"root\";\n"
	               "DPkg::Options:: \"--force-unsafe-io\";\n",
	               guest_dir, guest_dir);
}

/* --- the tag --- */

static void json_freep(json_t **v)
{
	json_decref(*v);
}

static json_t *texts(char *const *list, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < n; i++)
		if (json_array_append_new(array, json_string(list[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

/* In the order of the contract's table, which is the order of insertion. */
static char *canonical(const struct corral_runtime *rt, const char *platform)
{
	corral_auto(json_freep) json_t *v = json_object();

	if (!v || json_object_set_new(v, "recipe", json_integer(CORRAL_RUNTIME_RECIPE)) < 0 ||
	    json_object_set_new(v, "name", json_string(rt->name)) < 0 ||
	    json_object_set_new(v, "base_image", json_string(rt->base_image)) < 0 ||
	    json_object_set_new(v, "packages", texts(rt->packages, rt->n_packages)) < 0 ||
	    json_object_set_new(v, "package_manager",
	                        json_string(corral_package_manager_name(rt->package_manager))) <
	            0 ||
	    json_object_set_new(v, "setup_commands",
	                        texts(rt->setup_commands, rt->n_setup_commands)) < 0 ||
	    json_object_set_new(v, "work_dir", json_string(rt->work_dir)) < 0 ||
	    json_object_set_new(v, "run_as_uid",
	                        rt->has_run_as_uid ? json_integer(rt->run_as_uid) : json_null()) <
	            0 ||
	    json_object_set_new(v, "platform", platform ? json_string(platform) : json_null()) < 0)
		return NULL;
	return json_dumps(v, JSON_COMPACT | JSON_ENSURE_ASCII);
}

int corral_runtime_definition(const struct corral_runtime *rt, const char *platform,
                              char ret[CORRAL_RUNTIME_DEFINITION_SIZE], struct corral_error *err)
{
	corral_autofree char *text = NULL;

	if (!rt->base_image)
		return corral_error_set(err, EINVAL, "there is no base_image to build on");
	text = canonical(rt, platform);
	if (!text)
		return corral_error_set(err, EINVAL, "runtime: a text that is no UTF-8");
	(void)snprintf(ret, CORRAL_RUNTIME_DEFINITION_SIZE, "%s", DIGEST_PREFIX);
	(void)SHA256Data((const uint8_t *)text, strlen(text), ret + strlen(DIGEST_PREFIX));
	return 0;
}

int corral_runtime_tag(const struct corral_runtime *rt, const char *platform, char **ret,
                       struct corral_error *err)
{
	corral_autobuf struct corral_buf tag = CORRAL_BUF_INIT;
	char definition[CORRAL_RUNTIME_DEFINITION_SIZE];
	int r = corral_runtime_definition(rt, platform, definition, err);

	if (r < 0)
		return r;
	corral_buf_str(&tag, CORRAL_RUNTIME_REPOSITORY ":");
	for (size_t i = 0; i < TAG_NAME_MAX && rt->name[i]; i++) {
		char c = rt->name[i];
		bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		            (c >= '0' && c <= '9') || c == '_' || (i > 0 && (c == '.' || c == '-'));

		corral_buf_add(&tag, fits ? &c : "_", 1);
	}
	corral_buf_fmt(&tag, "-%.*s", CORRAL_RUNTIME_TAG_HEX, definition + strlen(DIGEST_PREFIX));
	*ret = corral_buf_take(&tag);
	return *ret ? 0 : corral_error_set(err, ENOMEM, "out of memory");
}

bool corral_runtime_tag_is_superseded(const char *tag, const char *ours)
{
	size_t len = strlen(ours), same;

	if (len < CORRAL_RUNTIME_TAG_HEX)
		return false;
	same = len - CORRAL_RUNTIME_TAG_HEX;
	return strlen(tag) == len && strncmp(tag, ours, same) == 0 &&
	       strspn(tag + same, HEX_DIGITS) == CORRAL_RUNTIME_TAG_HEX && strcmp(tag, ours) != 0;
}

int corral_runtime_image_name(const struct corral_runtime *rt, char **ret, struct corral_error *err)
{
	if (rt->rootfs || (!rt->image && !rt->base_image)) {
		*ret = NULL;
		return 0;
	}
	if (!rt->image)
		return corral_runtime_tag(rt, NULL, ret, err);
	*ret = strdup(rt->image);
	return *ret ? 0 : corral_error_set(err, ENOMEM, "out of memory");
}

/* --- the steps --- */

static void argv_free(char **argv)
{
	for (char **a = argv; a && *a; a++)
		free(*a);
	free(argv);
}

void corral_runtime_steps_done(struct corral_runtime_steps *s)
{
	for (size_t i = 0; i < s->n; i++)
		argv_free(s->items[i].argv);
	free(s->items);
	memset(s, 0, sizeof(*s));
}

/* Two lists of words one after the other, NULL ends the first. */
static char **argv_new(const char *const *first, char *const *more, size_t n_more)
{
	size_t n = 0, at = 0;
	char **argv;

	while (first[n])
		n++;
	argv = calloc(n + n_more + 1, sizeof(*argv));
	for (; argv && at < n + n_more; at++) {
		argv[at] = strdup(at < n ? first[at] : more[at - n]);
		if (!argv[at]) {
			argv_free(argv);
			return NULL;
		}
	}
	return argv;
}

static int step_add(struct corral_runtime_steps *s, enum corral_runtime_step_kind kind,
                    const char *const *first, char *const *more, size_t n_more,
                    struct corral_error *err)
{
	struct corral_runtime_step *step = &s->items[s->n];

	*step = (struct corral_runtime_step) { .kind = kind };
	step->argv = argv_new(first, more, n_more);
	if (!step->argv)
		return corral_error_set(err, ENOMEM, "out of memory");
	s->n++;
	return 0;
}

static int packages_add(const struct corral_runtime *rt, bool caches,
                        struct corral_runtime_steps *s, struct corral_error *err)
{
	static const char *const pip[] = { "pip", "install", NULL };
	static const char *const pip_bare[] = { "pip", "install", "--no-cache-dir", NULL };
	static const char *const npm[] = { "/bin/sh", "-c", npm_install, "npm", NULL };
	static const char *const npm_bare[] = { "/bin/sh", "-c", npm_clean, "npm", NULL };
	static const char *const apt[] = { "/bin/sh", "-c", apt_install, "apt", NULL };
	static const char *const cargo[] = { "/bin/sh", "-c", cargo_install, "cargo", NULL };
	static const char *const cargo_bare[] = { "cargo", "install", NULL };
	static const char *const *const words[CORRAL_RUNTIME_MANAGERS][2] = {
		[CORRAL_PACKAGES_PIP] = { pip_bare, pip },
		[CORRAL_PACKAGES_NPM] = { npm_bare, npm },
		[CORRAL_PACKAGES_APT] = { apt, apt },
		[CORRAL_PACKAGES_CARGO] = { cargo_bare, cargo },
	};
	int r = step_add(s, CORRAL_RUNTIME_STEP_PACKAGES, words[rt->package_manager][caches],
	                 rt->packages, rt->n_packages, err);

	/* npm installs where it stands. */
	if (r == 0)
		s->items[s->n - 1].in_work_dir = rt->package_manager == CORRAL_PACKAGES_NPM;
	return r;
}

static int account_add(const struct corral_runtime *rt, struct corral_runtime_steps *s,
                       struct corral_error *err)
{
	char uid[16];
	const char *const words[] = { "/bin/sh", "-c", user_make, "user", uid, rt->work_dir, NULL };
	int r;

	(void)snprintf(uid, sizeof(uid), "%u", rt->run_as_uid);
	r = step_add(s, CORRAL_RUNTIME_STEP_ACCOUNT, words, NULL, 0, err);
	if (r == 0)
		s->items[s->n - 1].as_root = true;
	return r;
}

int corral_runtime_steps(const struct corral_runtime *rt, bool caches,
                         struct corral_runtime_steps *ret, struct corral_error *err)
{
	struct corral_runtime_steps s = CORRAL_RUNTIME_STEPS_INIT;
	int r = 0;

	if (!rt->base_image)
		return corral_error_set(err, EINVAL, "there is no base_image to build on");
	s.items = calloc(rt->n_setup_commands + 2, sizeof(*s.items));
	if (!s.items)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; r == 0 && i < rt->n_setup_commands; i++) {
		static const char *const shell[] = { "/bin/sh", "-c", NULL };

		r = step_add(&s, CORRAL_RUNTIME_STEP_SETUP, shell, &rt->setup_commands[i], 1, err);
	}
	if (r == 0 && rt->n_packages > 0)
		r = packages_add(rt, caches, &s, err);
	if (r == 0 && rt->has_run_as_uid)
		r = account_add(rt, &s, err);
	if (r < 0)
		corral_runtime_steps_done(&s);
	else
		*ret = s;
	return r;
}
