/* An image's configuration: how it is to be run, and what its layers are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/image/oci/manifest.h"
#include "kernel/image/oci/manifest_json.h"
#include "policy/json_words.h"

#define ENV_MAX    1024
#define ARGS_MAX   16384
#define LABELS_MAX 4096
#define PORTS_MAX  1024
#define TEXT_MAX   (128u << 10) /* the kernel takes no longer argument (MAX_ARG_STRLEN) */
#define WORD_MAX   32
#define PATH_BYTES 4096

/* "2024-05-01T12:00:00.123456789+02:00"; 0 for what is none, or lies before 1970. */
static int64_t time_parse(const char *text)
{
	struct tm tm = { 0 };
	const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	unsigned int hours, minutes, scale = 100;
	int64_t ms;
	char sign;

	if (!at)
		return 0;
	ms = (int64_t)timegm(&tm) * 1000;
	if (*at == '.')
		for (at++; *at >= '0' && *at <= '9'; at++, scale /= 10)
			ms += (int64_t)scale * (*at - '0');
	if (sscanf(at, "%c%2u:%2u", &sign, &hours, &minutes) == 3 && (sign == '+' || sign == '-'))
		ms -= (sign == '-' ? -1 : 1) * (int64_t)(hours * 60 + minutes) * 60000;
	return ms > 0 ? ms : 0;
}

/* Some writers have one text for an array of one. */
static int arguments_parse(const json_t *o, const char *key, char ***ret, size_t *ret_n,
                           struct corral_error *err)
{
	const json_t *v = corral_manifest_member(o, key);

	if (!json_is_string(v))
		return corral_manifest_texts(o, key, ARGS_MAX, TEXT_MAX, ret, ret_n, err);
	*ret = calloc(2, sizeof(**ret));
	if (!*ret)
		return corral_error_set(err, ENOMEM, "out of memory");
	*ret_n = 1;
	return corral_manifest_text(o, key, TEXT_MAX, &(*ret)[0], err);
}

/* What has no name or no "=" is in nobody's environment: it is left out. */
static int env_parse(const json_t *o, struct corral_image *i, struct corral_error *err)
{
	size_t n = 0;
	int r = corral_manifest_texts(o, "Env", ENV_MAX, TEXT_MAX, &i->env, &i->n_env, err);

	/* Also of what came before a fault: whoever looks at it all the same finds assignments. */
	for (size_t k = 0; k < i->n_env; k++) {
		char *item = i->env[k];

		i->env[k] = NULL;
		if (item[0] != '=' && strchr(item, '='))
			i->env[n++] = item;
		else
			free(item);
	}
	i->n_env = n;
	return r;
}

static int texts_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int object_of(const json_t *o, const char *key, size_t max, const json_t **ret,
                     struct corral_error *err)
{
	const json_t *v = corral_manifest_member(o, key);

	if (v && !json_is_object(v))
		return corral_json_place(err, corral_json_wrong_kind(v, "an object", err), ".%s",
		                         key);
	if (json_object_size(v) > max)
		return corral_error_set(err, EINVAL, ".%s: more than %zu of them", key, max);
	*ret = v;
	return 0;
}

/* Keys, or "K=V" with values; sorted, so that the same image is told in the same way. */
static int members_parse(const json_t *o, const char *key, size_t max, bool values, char ***ret,
                         size_t *ret_n, struct corral_error *err)
{
	const json_t *v = NULL;
	const char *name;
	json_t *value;
	int r = object_of(o, key, max, &v, err);

	if (r < 0)
		return r;
	*ret = calloc(json_object_size(v) + 1, sizeof(**ret));
	if (!*ret)
		return corral_error_set(err, ENOMEM, "out of memory");
	json_object_foreach((json_t *)v, name, value)
	{
		struct corral_buf item = CORRAL_BUF_INIT;

		if (values && !json_is_string(value) && !json_is_null(value))
			return corral_json_place(err, corral_json_wrong_kind(value, "text", err),
			                         ".%s", key);
		corral_buf_str(&item, name);
		if (values)
			corral_buf_fmt(&item, "=%s",
			               json_is_string(value) ? json_string_value(value) : "");
		(*ret)[*ret_n] = corral_buf_take(&item);
		if (!(*ret)[*ret_n])
			return corral_error_set(err, ENOMEM, "out of memory");
		*ret_n += 1;
	}
	qsort(*ret, *ret_n, sizeof(**ret), texts_compare);
	return 0;
}

static int run_parse(const json_t *o, struct corral_image *i, struct corral_error *err)
{
	const json_t *c = NULL;
	int r = object_of(o, "config", SIZE_MAX, &c, err);

	if (r == 0)
		r = env_parse(c, i, err);
	if (r == 0)
		r = corral_manifest_text(c, "User", TEXT_MAX, &i->user, err);
	if (r == 0)
		r = corral_manifest_text(c, "WorkingDir", PATH_BYTES, &i->work_dir, err);
	if (r == 0)
		r = arguments_parse(c, "Entrypoint", &i->entrypoint, &i->n_entrypoint, err);
	if (r == 0)
		r = arguments_parse(c, "Cmd", &i->command, &i->n_command, err);
	if (r == 0)
		r = members_parse(c, "ExposedPorts", PORTS_MAX, false, &i->ports, &i->n_ports, err);
	if (r == 0)
		r = members_parse(c, "Labels", LABELS_MAX, true, &i->labels, &i->n_labels, err);
	if (r == 0)
		r = corral_manifest_word(c, "StopSignal", WORD_MAX, &i->stop_signal, err);
	return r < 0 && c ? corral_json_place(err, r, ".config") : r;
}

static int layers_parse(const json_t *o, struct corral_image *i, struct corral_error *err)
{
	const json_t *rootfs = corral_manifest_member(o, "rootfs");
	const json_t *ids = corral_manifest_member(rootfs, "diff_ids"), *id;
	size_t k;

	if (!json_is_object(rootfs))
		return corral_error_set(err, EINVAL, ".rootfs: is missing");
	if (ids && !json_is_array(ids))
		return corral_json_place(err, corral_json_wrong_kind(ids, "an array", err),
		                         ".rootfs.diff_ids");
	if (json_array_size(ids) > CORRAL_IMAGE_LAYERS_MAX)
		return corral_error_set(err, EINVAL, ".rootfs.diff_ids: more than %d of them",
		                        CORRAL_IMAGE_LAYERS_MAX);
	i->layers = calloc(json_array_size(ids) + 1, sizeof(*i->layers));
	if (!i->layers)
		return corral_error_set(err, ENOMEM, "out of memory");
	json_array_foreach(ids, k, id)
	{
		int r = corral_manifest_digest(id, &i->layers[k], err);

		if (r < 0) {
			free(i->layers[k]);
			i->layers[k] = NULL;
			return corral_json_place(err, r, ".rootfs.diff_ids[%zu]", k);
		}
		i->n_layers = k + 1;
	}
	return 0;
}

static int platform_parse(const json_t *o, struct corral_image *i, struct corral_error *err)
{
	int r = corral_manifest_word(o, "os", WORD_MAX, &i->os, err);

	if (r == 0)
		r = corral_manifest_word(o, "architecture", WORD_MAX, &i->arch, err);
	if (r == 0)
		r = corral_manifest_word(o, "variant", WORD_MAX, &i->variant, err);
	if (r < 0)
		return r;
	if (i->os[0] && strcmp(i->os, "linux") != 0)
		return corral_error_set(err, EOPNOTSUPP, "this is an image for %s", i->os);
	return 0;
}

static int parse(const char *text, size_t len, struct corral_image *i, struct corral_error *err)
{
	corral_autofree char *created = NULL;
	json_auto_t *o = NULL;
	int r;

	if (len > CORRAL_MANIFEST_MAX)
		return corral_error_set(err, EFBIG, "a configuration of more than %u bytes",
		                        CORRAL_MANIFEST_MAX);
	r = corral_manifest_json(text, len, &o, err);
	if (r == 0)
		r = platform_parse(o, i, err);
	if (r == 0)
		r = corral_manifest_text(o, "created", TEXT_MAX, &created, err);
	if (r == 0)
		r = run_parse(o, i, err);
	if (r == 0)
		r = layers_parse(o, i, err);
	if (r < 0)
		return r;
	i->created_ms = time_parse(created);
	return 0;
}

int corral_image_config_parse(const char *text, size_t len, struct corral_image *i,
                              struct corral_error *err)
{
	int r = parse(text, len, i, err);

	return r < 0 ? corral_json_place(err, r, "configuration") : 0;
}
