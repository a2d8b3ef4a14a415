#include "backends/docker/dockerfile.h"

#include <errno.h>
#include <jansson.h>
#include <sha256.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/image/reference.h"
#include "kernel/base/cleanup.h"

/* A tag is at most 128 bytes: what the digest leaves to the name. */
#define TAG_NAME_MAX 115

static const char npm_install[] =
        "npm install --no-audit --no-fund \"$@\" && npm cache clean --force";

static const char apt_install[] =
        "export DEBIAN_FRONTEND=noninteractive && apt-get update && "
        "apt-get install -y --no-install-recommends \"$@\" && rm -rf /var/lib/apt/lists/*";

/*
 * $1 the user's number, $2 the working directory. Written to the files themselves: images have
 * useradd, adduser or none. In front of the others, since images may have a user of that number
 * already ("node" is 1000), and the first one names it. Without Python /opt/venv is an empty
 * directory of the user's; without the ensurepip of Debian's python3-venv it has no pip of its own.
 */
static const char user_make[] =
        "set -e; uid=$1; dir=$2; shell=/bin/bash; [ -x $shell ] || shell=/bin/sh; "
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
        "chown -R \"$uid:$uid\" /home/agent /opt/venv; "
        "[ \"$dir\" = / ] || chown \"$uid:$uid\" \"$dir\"; "
        "for f in node_modules package.json package-lock.json; do "
        "[ ! -e \"$dir/$f\" ] || chown -R -h \"$uid:$uid\" \"$dir/$f\"; done";

static void json_freep(json_t **v)
{
	json_decref(*v);
}

static int append(json_t *words, const char *word)
{
	return json_array_append_new(words, json_string(word));
}

/* RUN with exactly these words; takes them. */
static int run_add_take(struct corral_buf *b, json_t *words, struct corral_error *err)
{
	char *text = words ? json_dumps(words, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	json_decref(words);
	if (!text)
		return corral_error_set(err, EINVAL, "a command that is no UTF-8");
	corral_buf_fmt(b, "RUN %s\n", text);
	free(text);
	return 0;
}

static int shell_add(struct corral_buf *b, const char *command, struct corral_error *err)
{
	return run_add_take(b, json_pack("[sss]", "/bin/sh", "-c", command), err);
}

static int packages_add(struct corral_buf *b, const struct corral_runtime *r,
                        struct corral_error *err)
{
	json_t *words = NULL;

	switch (r->package_manager) {
	case CORRAL_PACKAGES_PIP:
		words = json_pack("[sss]", "pip", "install", "--no-cache-dir");
		break;
	case CORRAL_PACKAGES_NPM:
		words = json_pack("[ssss]", "/bin/sh", "-c", npm_install, "npm");
		break;
	case CORRAL_PACKAGES_APT:
		words = json_pack("[ssss]", "/bin/sh", "-c", apt_install, "apt");
		break;
	case CORRAL_PACKAGES_CARGO:
		words = json_pack("[ss]", "cargo", "install");
		break;
	}
	for (size_t i = 0; words && i < r->n_packages; i++)
		if (append(words, r->packages[i]) < 0) {
			json_decref(words);
			return corral_error_set(err, EINVAL, "packages[%zu]: no UTF-8", i);
		}
	return run_add_take(b, words, err);
}

/* Within double quotes the builder gives a meaning to these three alone. */
static void work_dir_add(struct corral_buf *b, const char *path)
{
	corral_buf_str(b, "WORKDIR \"");
	for (; *path; path++)
		corral_buf_fmt(b, strchr("\"\\$", *path) ? "\\%c" : "%c", *path);
	corral_buf_str(b, "\"\n");
}

static int user_add(struct corral_buf *b, const struct corral_runtime *r, struct corral_error *err)
{
	char uid[16];
	int result;

	(void)snprintf(uid, sizeof(uid), "%u", r->run_as_uid);
	/* Whoever the base image's user is. */
	corral_buf_str(b, "USER 0:0\n");
	result = run_add_take(b,
	                      json_pack("[ssssss]", "/bin/sh", "-c", user_make, "user", uid,
	                                r->work_dir),
	                      err);
	if (result < 0)
		return result;
	corral_buf_str(b, "ENV HOME=/home/agent VIRTUAL_ENV=/opt/venv UV_SYSTEM_PYTHON=0 "
	                  "PATH=/opt/venv/bin:${PATH:-/usr/local/sbin:/usr/local/bin:"
	                  "/usr/sbin:/usr/bin:/sbin:/bin}\n");
	corral_buf_fmt(b, "USER %s:%s\n", uid, uid);
	return 0;
}

static int base_check(const struct corral_runtime *r, struct corral_error *err)
{
	struct corral_image_reference reference;
	int result;

	if (!r->base_image)
		return corral_error_set(err, EINVAL, "there is no base_image to build on");
	result = corral_image_reference_init(&reference, r->base_image, err);
	if (result < 0)
		return corral_error_wrap(err, result, "base_image");
	corral_image_reference_done(&reference);
	return 0;
}

int corral_docker_dockerfile_add(struct corral_buf *b, const struct corral_runtime *r,
                                 struct corral_error *err)
{
	int result = base_check(r, err);

	if (result < 0)
		return result;
	corral_buf_fmt(b, "FROM %s\n", r->base_image);
	for (size_t i = 0; i < r->n_setup_commands; i++) {
		result = shell_add(b, r->setup_commands[i], err);
		if (result < 0)
			return result;
	}
	if (r->n_packages > 0) {
		/* npm installs where it stands. */
		if (r->package_manager == CORRAL_PACKAGES_NPM)
			work_dir_add(b, r->work_dir);
		result = packages_add(b, r, err);
		if (result < 0)
			return result;
	}
	if (r->has_run_as_uid) {
		result = user_add(b, r, err);
		if (result < 0)
			return result;
	}
	work_dir_add(b, r->work_dir);
	return b->failed ? corral_error_set(err, ENOMEM, "out of memory") : 0;
}

static json_t *texts(char *const *list, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < n; i++)
		if (append(array, list[i]) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

/* In the order of the contract's table, which is the order of insertion. */
static char *canonical(const struct corral_runtime *r, const char *platform)
{
	corral_auto(json_freep) json_t *v = json_object();

	if (!v || json_object_set_new(v, "recipe", json_integer(CORRAL_DOCKER_RECIPE)) < 0 ||
	    json_object_set_new(v, "name", json_string(r->name)) < 0 ||
	    json_object_set_new(v, "base_image", json_string(r->base_image)) < 0 ||
	    json_object_set_new(v, "packages", texts(r->packages, r->n_packages)) < 0 ||
	    json_object_set_new(v, "package_manager",
	                        json_string(corral_package_manager_name(r->package_manager))) < 0 ||
	    json_object_set_new(v, "setup_commands",
	                        texts(r->setup_commands, r->n_setup_commands)) < 0 ||
	    json_object_set_new(v, "work_dir", json_string(r->work_dir)) < 0 ||
	    json_object_set_new(v, "run_as_uid",
	                        r->has_run_as_uid ? json_integer(r->run_as_uid) : json_null()) <
	            0 ||
	    json_object_set_new(v, "platform", platform ? json_string(platform) : json_null()) < 0)
		return NULL;
	return json_dumps(v, JSON_COMPACT | JSON_ENSURE_ASCII);
}

int corral_docker_runtime_tag(const struct corral_runtime *r, const char *platform, char **ret,
                              struct corral_error *err)
{
	corral_autobuf struct corral_buf tag = CORRAL_BUF_INIT;
	corral_autofree char *text = NULL;
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA256_CTX ctx;

	if (!r->base_image)
		return corral_error_set(err, EINVAL, "there is no base_image to build on");
	text = canonical(r, platform);
	if (!text)
		return corral_error_set(err, EINVAL, "runtime: a text that is no UTF-8");
	SHA256Init(&ctx);
	SHA256Update(&ctx, (const uint8_t *)text, strlen(text));
	SHA256Final(digest, &ctx);

	corral_buf_str(&tag, CORRAL_DOCKER_RUNTIME_REPOSITORY ":");
	for (size_t i = 0; r->name[i] && i < TAG_NAME_MAX; i++) {
		char c = r->name[i];
		bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		            (c >= '0' && c <= '9') || c == '_' || (i > 0 && (c == '.' || c == '-'));

		corral_buf_add(&tag, fits ? &c : "_", 1);
	}
	corral_buf_str(&tag, "-");
	for (size_t i = 0; i < CORRAL_DOCKER_TAG_HEX / 2; i++)
		corral_buf_fmt(&tag, "%02x", digest[i]);
	*ret = corral_buf_take(&tag);
	return *ret ? 0 : corral_error_set(err, ENOMEM, "out of memory");
}
