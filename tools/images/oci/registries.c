#include "tools/images/oci/registries.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "tools/config_dir.h"

#define FILE_NAME "registries.json"
/* Of one list. */
#define WORDS_MAX 1024

static void json_freep(json_t **v)
{
	json_decref(*v);
}

static void list_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

void corral_images_registries_done(struct corral_images_registries *r)
{
	list_free(r->mirrors);
	list_free(r->insecure);
	memset(r, 0, sizeof(*r));
}

/* Takes word; NULL is out of memory. */
static int list_add_take(char ***list, unsigned int *n, char *word, struct corral_error *err)
{
	corral_autofree char *owned = word;
	char **more;

	if (*n == WORDS_MAX)
		return corral_error_set(err, E2BIG, "more than %d of them", WORDS_MAX);
	more = word ? reallocarray(*list, *n + 2, sizeof(*more)) : NULL;
	if (!more)
		return corral_error_set(err, ENOMEM, "out of memory");
	*list = more;
	more[(*n)++] = corral_take_ptr(&owned);
	more[*n] = NULL;
	return 0;
}

int corral_images_registries_add(struct corral_images_registries *r, const char *const *mirrors,
                                 const char *const *insecure, struct corral_error *err)
{
	int result = 0;

	for (; mirrors && *mirrors && result == 0; mirrors++)
		result = list_add_take(&r->mirrors, &r->n_mirrors, strdup(*mirrors), err);
	for (; insecure && *insecure && result == 0; insecure++)
		result = list_add_take(&r->insecure, &r->n_insecure, strdup(*insecure), err);
	return result;
}

/* A name or an address: what is wrong in it is said by whoever uses it. */
static bool is_word(const json_t *v)
{
	const char *text = json_string_value(v);

	return text && *text && strlen(text) == json_string_length(v) &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                    "._-:[]/") == strlen(text);
}

static int mirrors_of(struct corral_images_registries *r, const char *registry, const json_t *list,
                      struct corral_error *err)
{
	const json_t *one;
	size_t i;

	if (!json_is_array(list) || !*registry || strchr(registry, '='))
		return corral_error_set(err, EINVAL,
		                        "mirrors.%.100s: a list of addresses is expected",
		                        registry);
	json_array_foreach(list, i, one)
	{
		char *word = NULL;
		int result;

		if (!is_word(one))
			return corral_error_set(err, EINVAL,
			                        "mirrors.%.100s[%zu]: an address is expected, as "
			                        "\"mirror.example/hub\"",
			                        registry, i);
		if (asprintf(&word, "%s=%s", registry, json_string_value(one)) < 0)
			word = NULL;
		result = list_add_take(&r->mirrors, &r->n_mirrors, word, err);
		if (result < 0)
			return corral_error_wrap(err, result, "mirrors");
	}
	return 0;
}

static int mirrors_take(struct corral_images_registries *r, json_t *all, struct corral_error *err)
{
	const char *registry;
	json_t *list;
	int result = 0;

	if (!json_is_object(all))
		return corral_error_set(err, EINVAL,
		                        "mirrors: an object of lists by registry is expected");
	json_object_foreach(all, registry, list)
	{
		result = mirrors_of(r, registry, list, err);
		if (result < 0)
			return result;
	}
	return 0;
}

static int insecure_take(struct corral_images_registries *r, const json_t *list,
                         struct corral_error *err)
{
	const json_t *one;
	size_t i;

	if (!json_is_array(list))
		return corral_error_set(err, EINVAL, "insecure: a list of registries is expected");
	json_array_foreach(list, i, one)
	{
		int result;

		if (!is_word(one) || strchr(json_string_value(one), '/'))
			return corral_error_set(err, EINVAL,
			                        "insecure[%zu]: a registry is expected, as "
			                        "\"registry.lan:5000\"",
			                        i);
		result = list_add_take(&r->insecure, &r->n_insecure, strdup(json_string_value(one)),
		                       err);
		if (result < 0)
			return corral_error_wrap(err, result, "insecure");
	}
	return 0;
}

int corral_images_registries_parse(struct corral_images_registries *r, const char *text, size_t len,
                                   struct corral_error *err)
{
	json_error_t where;
	corral_auto(json_freep) json_t *root =
	        json_loadb(text ? text : "", len, JSON_REJECT_DUPLICATES, &where);
	const char *key;
	json_t *value;
	int result = 0;

	if (!root)
		return corral_error_set(err, EINVAL, "line %d: %.200s", where.line, where.text);
	if (!json_is_object(root))
		return corral_error_set(err, EINVAL, "an object is expected");
	json_object_foreach(root, key, value)
	{
		if (strcmp(key, "mirrors") == 0)
			result = mirrors_take(r, value, err);
		else if (strcmp(key, "insecure") == 0)
			result = insecure_take(r, value, err);
		else
			result =
			        corral_error_set(err, EINVAL,
			                         "%.100s: not known here; mirrors and insecure are",
			                         key);
		if (result < 0)
			return result;
	}
	return 0;
}

static int load(struct corral_images_registries *r, const char *path, struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int result;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0)
		return corral_error_sys(err, errno, "'%.200s'", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return corral_error_set(err, EINVAL, "'%.200s' is no file", path);
	result = corral_buf_read_fd(&text, fd, CORRAL_REGISTRIES_FILE_MAX);
	if (result < 0)
		return corral_error_sys(err, -result, "'%.200s'", path);
	result = corral_images_registries_parse(r, text.data, text.len, err);
	return result < 0 ? corral_error_wrap(err, result, "'%.200s'", path) : 0;
}

int corral_images_registries_load(struct corral_images_registries *r, struct corral_error *err)
{
	corral_autofree char *own = corral_config_dir_path(FILE_NAME);
	int result = own ? load(r, own, err) : 0;

	return result < 0 ? result : load(r, CORRAL_CONFIG_ETC "/" FILE_NAME, err);
}
