#include "kernel/image/reference.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define HEX    DIGITS "abcdef"

#define TAG_MAX 128

/* Of a reference that is refused, so much is shown. */
#define SHOWN 100

static int refuse(const char *text, const char *why, struct corral_error *err)
{
	char shown[SHOWN + 1];
	size_t n = 0;

	for (; n < SHOWN && text[n]; n++)
		shown[n] = (char)(text[n] > 0x20 && text[n] < 0x7f ? text[n] : '?');
	shown[n] = '\0';
	return corral_error_set(err, EINVAL, "image name '%s': %s", shown, why);
}

static bool all_of(const char *text, size_t len, const char *set)
{
	for (size_t i = 0; i < len; i++)
		if (!text[i] || !strchr(set, text[i]))
			return false;
	return true;
}

/* Letters and digits, with ".", one or two "_", or any number of "-" between them. */
static bool is_component(const char *text, size_t len)
{
	bool after_word = false;

	for (size_t i = 0; i < len;) {
		size_t n = 1;

		if (strchr(LOWER DIGITS, text[i])) {
			after_word = true;
			i++;
			continue;
		}
		if (!after_word)
			return false;
		if (text[i] == '-')
			while (i + n < len && text[i + n] == '-')
				n++;
		else if (text[i] == '_')
			n = i + 1 < len && text[i + 1] == '_' ? 2 : 1;
		else if (text[i] != '.')
			return false;
		i += n;
		after_word = false;
	}
	return after_word;
}

static bool is_path(const char *text, size_t len)
{
	const char *end = text + len;

	for (;;) {
		const char *slash = memchr(text, '/', (size_t)(end - text));

		if (!is_component(text, (size_t)((slash ? slash : end) - text)))
			return false;
		if (!slash)
			return true;
		text = slash + 1;
	}
}

/* Labels of letters, digits and inner "-", with dots between them; or an address in brackets. */
static bool is_host(const char *text, size_t len)
{
	bool at_edge = true;

	if (len > 2 && text[0] == '[')
		return text[len - 1] == ']' && all_of(text + 1, len - 2, HEX "ABCDEF:.");
	for (size_t i = 0; i < len; i++) {
		bool edge = text[i] == '.' || i + 1 == len || text[i + 1] == '.';

		if (!strchr(LOWER UPPER DIGITS "-.", text[i]))
			return false;
		if (text[i] == '.' && at_edge)
			return false;
		if (text[i] == '-' && (at_edge || edge))
			return false;
		at_edge = text[i] == '.';
	}
	return len > 0 && !at_edge;
}

static bool is_registry(const char *text, size_t len)
{
	const char *close = memchr(text, ']', len);
	const char *from = close ? close : text;
	const char *colon = memchr(from, ':', len - (size_t)(from - text));
	size_t host_len = colon ? (size_t)(colon - text) : len;

	if (colon && (host_len + 1 == len || len - host_len > 6 ||
	              !all_of(colon + 1, len - host_len - 1, DIGITS)))
		return false;
	return is_host(text, host_len);
}

static bool is_tag(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= TAG_MAX && text[0] != '.' && text[0] != '-' &&
	       all_of(text, len, LOWER UPPER DIGITS "_.-");
}

static bool is_digest(const char *text)
{
	static const struct {
		const char *prefix;
		size_t digits;
	} known[] = { { "sha256:", 64 }, { "sha384:", 96 }, { "sha512:", 128 } };

	for (size_t i = 0; i < CORRAL_COUNT(known); i++) {
		size_t len = strlen(known[i].prefix);

		if (strncmp(text, known[i].prefix, len) == 0)
			return strlen(text + len) == known[i].digits &&
			       all_of(text + len, known[i].digits, HEX);
	}
	return false;
}

static bool is_id(const char *text)
{
	size_t len = strlen(text);

	/* Nobody has a repository whose name is that of a digest's kind. */
	if (strncmp(text, "sha256:", 7) == 0 && len >= 7 + 6 && len <= 7 + 64)
		return all_of(text + 7, len - 7, HEX);
	return len == 64 && all_of(text, 64, HEX);
}

/* A first part is a registry when it cannot be anything else; as every client decides. */
static size_t registry_len(const char *name)
{
	size_t len = strcspn(name, "/");

	if (!name[len])
		return 0;
	for (size_t i = 0; i < len; i++)
		if (name[i] == '.' || name[i] == ':' || (name[i] >= 'A' && name[i] <= 'Z'))
			return len;
	return len == 9 && strncmp(name, "localhost", 9) == 0 ? len : 0;
}

static int name_split(struct corral_image_reference *r, const char *text, struct corral_error *err)
{
	size_t n = registry_len(r->name);
	const char *path = n ? r->name + n + 1 : r->name;
	bool hub;
	int len;

	if (strlen(r->name) > CORRAL_IMAGE_NAME_MAX)
		return refuse(text, "longer than 255 bytes", err);
	if (strncmp(r->name, "http:/", 6) == 0 || strncmp(r->name, "https:/", 7) == 0)
		return refuse(text, "it begins with its registry: leave http:// or https:// out",
		              err);
	if (n && !is_registry(r->name, n))
		return refuse(text, "its registry is no host name", err);
	if (!*path || !is_path(path, strlen(path)))
		return refuse(text,
		              "parts of a name are lower case letters and digits, with single "
		              "'.', '_' or '-' between them",
		              err);
	if (strlen(path) == 64 && all_of(path, 64, HEX))
		return refuse(text, "64 hex digits are no name", err);
	hub = !n || (n == 9 && strncmp(r->name, "docker.io", n) == 0) ||
	      (n == 15 && strncmp(r->name, "index.docker.io", n) == 0);
	r->registry = hub ? strdup("docker.io") : strndup(r->name, n);
	len = asprintf(&r->path, "%s%s", hub && !strchr(path, '/') ? "library/" : "", path);
	if (len < 0)
		r->path = NULL;
	return r->registry && r->path ? 0 : corral_error_set(err, ENOMEM, "out of memory");
}

static int parts_take(struct corral_image_reference *r, const char *text, struct corral_error *err)
{
	char *at, *colon, *slash;

	r->name = strdup(text);
	if (!r->name)
		return corral_error_set(err, ENOMEM, "out of memory");
	at = strchr(r->name, '@');
	if (at) {
		*at = '\0';
		if (!is_digest(at + 1))
			return refuse(text, "what follows '@' is no digest (sha256:...)", err);
		r->digest = strdup(at + 1);
	}
	slash = strrchr(r->name, '/');
	colon = strrchr(slash ? slash : r->name, ':');
	if (colon) {
		*colon = '\0';
		if (!is_tag(colon + 1))
			return refuse(text,
			              "a tag is at most 128 letters, digits, '_', '.' and '-'",
			              err);
		r->tag = strdup(colon + 1);
	} else if (!at) {
		r->tag = strdup("latest");
	}
	if ((at && !r->digest) || ((colon || !at) && !r->tag))
		return corral_error_set(err, ENOMEM, "out of memory");
	return name_split(r, text, err);
}

int corral_image_reference_init(struct corral_image_reference *r, const char *text,
                                struct corral_error *err)
{
	int result;

	memset(r, 0, sizeof(*r));
	if (!*text)
		return refuse(text, "it is empty", err);
	if (strlen(text) > CORRAL_IMAGE_REFERENCE_MAX)
		return refuse(text, "longer than 512 bytes", err);
	if (is_id(text)) {
		r->is_id = true;
		return 0;
	}
	result = parts_take(r, text, err);
	if (result < 0)
		corral_image_reference_done(r);
	return result;
}

void corral_image_reference_done(struct corral_image_reference *r)
{
	free(r->name);
	free(r->registry);
	free(r->path);
	free(r->tag);
	free(r->digest);
	memset(r, 0, sizeof(*r));
}

int corral_image_reference_full(const char *text, char **ret, struct corral_error *err)
{
	corral_auto(corral_image_reference_done) struct corral_image_reference ref = { 0 };
	int r = corral_image_reference_init(&ref, text, err);

	if (r == 0 && ref.is_id)
		return refuse(text, "it is an id, and no name", err);
	if (r < 0)
		return r;
	if (asprintf(ret, "%s/%s%c%s", ref.registry, ref.path, ref.digest ? '@' : ':',
	             ref.digest ? ref.digest : ref.tag) < 0) {
		*ret = NULL;
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

const char *corral_image_reference_short(const char *full)
{
	static const char *const usual[] = { "docker.io/library/", "docker.io/" };

	for (size_t i = 0; i < CORRAL_COUNT(usual); i++)
		if (strncmp(full, usual[i], strlen(usual[i])) == 0)
			return full + strlen(usual[i]);
	return full;
}
