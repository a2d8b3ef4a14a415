#include "kernel/image/oci/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/whole.h"
#include "kernel/image/oci/digest.h"
#include "kernel/image/oci/naming.h"
#include "kernel/image/oci/registry_layers.h"
#include "kernel/image/reference.h"

#define RETRY_MS 500
/* An index may name indexes. */
#define INDEX_DEPTH_MAX 3

static const char *const certs_dirs_usual[] = { "/etc/containers/certs.d", "/etc/docker/certs.d",
	                                        NULL };

static const char *const accept[] = {
	"Accept: application/vnd.oci.image.index.v1+json",
	"Accept: application/vnd.oci.image.manifest.v1+json",
	"Accept: application/vnd.docker.distribution.manifest.list.v2+json",
	"Accept: application/vnd.docker.distribution.manifest.v2+json",
	NULL,
};

struct pull {
	struct corral_image_store *store;
	const struct corral_pull_options *o;
	struct corral_image_reference name;
	struct corral_registry_client client;
	struct corral_registry_http *http;    /* of the caller's thread */
	size_t server;                        /* the one that has the image */
	char digest[CORRAL_DIGEST_SIZE];      /* of the manifest */
	struct corral_registry_answer answer; /* its text */
	struct corral_manifest *manifest;
	struct corral_image *image;
	const char *doing;                 /* what of it, for those who watch: "manifest" */
	struct corral_image_bounds bounds; /* of all layers */
};

static void pull_done(struct pull *p)
{
	corral_registry_answer_done(&p->answer);
	corral_manifest_free(p->manifest);
	corral_image_free(p->image);
	corral_registry_http_free(p->http);
	corral_registry_client_done(&p->client);
	corral_image_reference_done(&p->name);
}

static int watch(void *ctx, struct corral_error *err)
{
	const struct pull *p = ctx;
	const struct corral_progress *progress = p->o->unpack.progress;

	if (progress && progress->tell(progress->ctx, p->doing, "download", 0, 0))
		return corral_error_set(err, ECANCELED, "canceled");
	return 0;
}

static int watch_blob(void *ctx, uint64_t current, struct corral_error *err)
{
	(void)current;
	return watch(ctx, err);
}

static int watch_done(const struct pull *p, struct corral_error *err)
{
	const struct corral_progress *progress = p->o->unpack.progress;

	if (progress && progress->tell(progress->ctx, p->doing, "done", 0, 0))
		return corral_error_set(err, ECANCELED, "canceled");
	return 0;
}

/* ---- manifests ---- */

/* What is said of a document before it is there: by whom, and what it must be. */
struct expected {
	const char *reference; /* tag or digest */
	const char *digest;    /* or NULL */
	uint64_t size;         /* 0: not known */
};

static bool digests_differ(const char *is, const char *wanted)
{
	return wanted && strcmp(is, wanted) != 0;
}

/* p->answer and p->digest, verified as far as anything is known of it. */
static int document(struct pull *p, size_t server, const struct expected *e,
                    struct corral_error *err)
{
	const struct corral_registry_ask q = { .server = server,
		                               .kind = "manifests",
		                               .reference = e->reference,
		                               .headers = accept,
		                               .body_max = CORRAL_MANIFEST_MAX,
		                               .timeout_ms = CORRAL_REGISTRY_DOCUMENT_MS,
		                               .tick = watch,
		                               .ctx = p };
	const struct corral_buf *body = &p->answer.body;
	const char *named = p->client.servers.items[server].name;
	const char *claimed;
	int r = corral_registry_document(&p->client, p->http, &q, &p->answer, err);

	if (r < 0)
		return r;
	corral_digest_of(body->data ? body->data : "", body->len, p->digest);
	claimed = p->answer.digest && corral_digest_is_valid(p->answer.digest) ? p->answer.digest
	                                                                       : NULL;
	if (digests_differ(p->digest, e->digest) || digests_differ(p->digest, claimed))
		return corral_error_set(err, EBADMSG,
		                        "registry %s: what came for manifest %s is %s", named,
		                        e->digest ? e->digest : claimed, p->digest);
	if (e->size && e->size != body->len)
		return corral_error_set(
		        err, EBADMSG,
		        "registry %s: manifest %s has %zu bytes, and its index says "
		        "%llu",
		        named, p->digest, body->len, (unsigned long long)e->size);
	return 0;
}

static int manifest_parse(struct pull *p, const char *media_type, struct corral_error *err)
{
	const struct corral_buf *body = &p->answer.body;
	int r;

	corral_manifest_free(corral_take_ptr(&p->manifest));
	r = corral_manifest_parse(body->data ? body->data : "", body->len, media_type, &p->manifest,
	                          err);
	return r < 0 ? corral_error_wrap(err, r, "manifest %.19s", p->digest) : 0;
}

/* From an index to what it has for the platform. */
static int descend(struct pull *p, size_t server, struct corral_error *err)
{
	for (int depth = 0; p->manifest->is_index; depth++) {
		corral_auto(corral_manifest_freep) struct corral_manifest *index =
		        corral_take_ptr(&p->manifest);
		const struct corral_descriptor *entry = NULL;
		struct expected e = { 0 };
		int r;

		if (depth == INDEX_DEPTH_MAX)
			return corral_error_set(err, ELOOP, "an index of indexes does not end");
		r = corral_manifest_choose(index, p->o->platform, &entry, err);
		if (r < 0)
			return r;
		if (entry->size > CORRAL_MANIFEST_MAX)
			return corral_error_set(err, EMSGSIZE, "a manifest of %llu bytes",
			                        (unsigned long long)entry->size);
		e = (struct expected) { entry->digest, entry->digest, entry->size };
		r = document(p, server, &e, err);
		if (r == 0)
			r = manifest_parse(p, *entry->media_type ? entry->media_type : NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int manifest_from(struct pull *p, size_t server, struct corral_error *err)
{
	const char *digest = p->name.digest;
	const struct expected e = { digest ? digest : p->name.tag, digest, 0 };
	int r = document(p, server, &e, err);

	if (r == 0)
		r = manifest_parse(p, p->answer.content_type, err);
	return r < 0 ? r : descend(p, server, err);
}

/* Whether what the second way to a server says is worth more than the first way's failure: of one
 * that does not speak TLS it always is. */
static bool is_better_told(struct pull *p, size_t server, const struct corral_error *first,
                           bool first_is_plain)
{
	return !first->code || !p->client.servers.items[server].is_otherwise || first_is_plain ||
	       (corral_registry_has_answered(&p->client, server) && p->answer.status != 400);
}

/* From whichever server has it. */
static int manifest_find(struct pull *p, struct corral_error *err)
{
	const struct corral_registry_servers *servers = &p->client.servers;
	struct corral_error of_mirrors = { 0 }, why = { 0 };
	bool is_plain = false;
	int r = -ENOENT;

	for (size_t i = 0; i < servers->n; i = corral_registry_next(&p->client, i)) {
		struct corral_error one = { 0 };
		int code = manifest_from(p, i, &one);

		if (code == 0) {
			p->server = i;
			return 0;
		}
		if (servers->items[i].is_mirror && code != -ECANCELED) {
			of_mirrors = one;
		} else if (code == -ECANCELED || is_better_told(p, i, &why, is_plain)) {
			why = one;
			r = code;
		}
		is_plain = p->answer.is_plain;
		if (code == -ECANCELED || code == -ENOMEM)
			break;
	}
	if (of_mirrors.code && r != -ECANCELED)
		return corral_error_set(err, -r, "%s (%.180s)", why.text, of_mirrors.text);
	return corral_error_set(err, -r, "%s", why.text);
}

/* ---- the configuration ---- */

static int read_all(int fd, uint64_t size, struct corral_buf *b, struct corral_error *err)
{
	int r = corral_buf_read_fd(b, fd, (size_t)size);

	return r < 0 ? corral_error_sys(err, -r, "read a configuration") : 0;
}

static int config_take(struct pull *p, struct corral_error *err)
{
	const struct corral_descriptor *config = &p->manifest->config;
	const struct corral_registry_blob_wanted wanted = {
		.descriptor = config, .server = p->server, .tell = watch_blob, .ctx = p
	};
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int fd = -1;
	int r;

	if (config->size > CORRAL_MANIFEST_MAX)
		return corral_error_set(err, EMSGSIZE, "a configuration of %llu bytes",
		                        (unsigned long long)config->size);
	r = corral_registry_blob_pull(&p->client, p->http, p->store, &wanted, err);
	if (r == 0)
		r = corral_image_blob_open(p->store, config->digest, &fd, err);
	if (r == 0)
		r = read_all(fd, config->size, &text, err);
	if (r < 0)
		return r;
	r = corral_image_config_parse(text.data ? text.data : "", text.len, p->image, err);
	if (r < 0)
		return corral_error_wrap(err, r, "configuration %.19s", config->digest);
	if (p->image->n_layers != p->manifest->n_layers)
		return corral_error_set(err, EBADMSG,
		                        "the configuration names %zu layers, and the manifest %zu",
		                        p->image->n_layers, p->manifest->n_layers);
	return corral_manifest_platform_check(p->o->platform, p->image, err);
}

/* ---- what is kept ---- */

/* The manifest as it came, under its digest. */
static int manifest_keep(struct pull *p, struct corral_error *err)
{
	const struct corral_buf *body = &p->answer.body;
	struct corral_image_blob *b = NULL;
	uint64_t had = 0;
	int r = corral_image_blob_begin(p->store, p->digest, &p->bounds.tick, &b, &had, err);

	if (r < 0 || !b)
		return r;
	if (ftruncate(corral_image_blob_fd(b), 0) < 0)
		r = -errno;
	if (r == 0)
		r = corral_whole_write_at(corral_image_blob_fd(b), body->data, body->len, 0);
	if (r < 0)
		r = corral_error_sys(err, -r, "keep a manifest");
	if (r == 0)
		return corral_image_blob_commit_take(b, err);
	corral_image_blob_abandon(b, false);
	return r;
}

/* Which blobs there are; a layer that was there may have come some other way. */
static int image_blobs(struct pull *p, struct corral_error *err)
{
	struct corral_image *i = p->image;

	i->id = strdup(p->digest);
	i->config_id = strdup(p->manifest->config.digest);
	i->blobs = calloc(i->n_layers ? i->n_layers : 1, sizeof(*i->blobs));
	if (!i->id || !i->config_id || !i->blobs)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (size_t n = 0; n < i->n_layers; n++) {
		const char *digest = p->manifest->layers[n].digest;
		corral_autofd int fd = -1;
		int r = corral_image_blob_open(p->store, digest, &fd, err);

		if (r < 0 && r != -ENOENT)
			return r;
		i->blobs[n] = strdup(r == 0 ? digest : "");
		if (!i->blobs[n])
			return corral_error_set(err, ENOMEM, "out of memory");
	}
	if (err)
		memset(err, 0, sizeof(*err));
	return 0;
}

static int client_init(struct pull *p, struct corral_error *err)
{
	const struct corral_pull_options *o = p->o;
	int r;

	p->client = (struct corral_registry_client) {
		.http = { .insecure = o->insecure,
		          .certs_dirs = o->certs_dirs ? o->certs_dirs : certs_dirs_usual,
		          .proxy = o->proxy,
		          .no_proxy = o->no_proxy,
		          .stall_ms = o->stall_ms,
		          .slow_ms = o->slow_ms },
		.config_dir = o->config_dir,
		.registry = p->name.registry,
		.path = p->name.path,
		.retry_ms = o->retry_ms ? o->retry_ms : RETRY_MS,
	};
	r = corral_registry_servers_list(p->name.registry, o->mirrors, o->insecure,
	                                 &p->client.servers, err);
	if (r == 0)
		r = corral_registry_client_init(&p->client, err);
	return r < 0 ? r : corral_registry_http_new(&p->client.http, &p->http, err);
}

/* What there is now, as the store itself tells it. */
static int pull(struct pull *p, const char *name, struct corral_image **ret,
                struct corral_error *err)
{
	int r = client_init(p, err);

	p->doing = "manifest";
	if (r == 0)
		r = manifest_find(p, err);
	if (r == 0)
		r = manifest_keep(p, err);
	if (r == 0)
		r = config_take(p, err);
	if (r == 0)
		r = watch_done(p, err);
	if (r == 0)
		r = corral_registry_layers_pull(&p->client, p->server, p->store, p->manifest,
		                                p->image->layers, p->o, err);
	if (r == 0)
		r = image_blobs(p, err);
	if (r == 0)
		r = corral_naming_commit(p->store, p->image, name, false, &p->bounds,
		                         p->o->unpack.progress, err);
	return r < 0 ? r : corral_image_find(p->store, p->image->id, ret, err);
}

/* One that is there under that name and for that platform. */
static bool is_there(struct corral_image_store *s, const char *name,
                     const struct corral_pull_options *o, struct corral_image **ret)
{
	return !o->always && corral_image_find(s, name, ret, NULL) == 0 &&
	       corral_manifest_platform_check(o->platform, *ret, NULL) == 0;
}

int corral_image_pull(struct corral_image_store *s, const char *name,
                      const struct corral_pull_options *o, struct corral_image **ret,
                      struct corral_error *err)
{
	struct corral_pull_options own = *o;
	corral_auto(pull_done) struct pull p = { .store = s, .o = &own };
	corral_auto(corral_image_freep) struct corral_image *there = NULL;
	corral_autofd int hold = -1;
	int r = corral_image_reference_init(&p.name, name, err);

	if (r == 0 && p.name.is_id)
		r = corral_error_set(err, EINVAL,
		                     "'%.200s' is the digest of an image, and no registry "
		                     "is in it",
		                     name);
	if (r < 0)
		return r;
	if (is_there(s, name, o, &there)) {
		*ret = corral_take_ptr(&there);
		return 0;
	}
	p.image = calloc(1, sizeof(*p.image));
	if (!p.image)
		return corral_error_set(err, ENOMEM, "out of memory");
	corral_image_bounds_init(&p.bounds, &o->unpack.limits.image, corral_image_store_fd(s));
	p.bounds.tick = (struct corral_image_tick) { watch, &p };
	own.unpack.bounds = &p.bounds;
	r = corral_image_name_may_be(s, name, err);
	if (r == 0)
		r = corral_image_store_hold(s, &hold, err);
	if (r == 0)
		r = pull(&p, name, ret, err);
	corral_fd_closep(&hold);
	if (corral_image_bounds_is_full(r))
		corral_image_store_sweep(s);
	return r < 0 ? corral_error_wrap(err, r, "pull %.200s", name) : 0;
}
