#include "kernel/image/oci/registry_blob.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/base/whole.h"
#include "kernel/image/oci/digest.h"

/* libcurl hands out small pieces. */
#define CHUNK_SIZE (256u << 10)

struct blob {
	struct corral_registry_client *c;
	struct corral_registry_http *h;
	struct corral_image_store *store;
	const struct corral_registry_blob_wanted *w;
	struct corral_image_blob *b;  /* NULL while it is waited for */
	struct corral_digest *digest; /* of the first `have` bytes, which are in the file */
	uint64_t have;
	char *chunk; /* what came behind them */
	size_t n_chunk;
	uint64_t told_ms;
	bool is_odd; /* a server answered a range with something else */
};

static void blob_done(struct blob *b)
{
	corral_digest_free(b->digest);
	free(b->chunk);
}

static uint64_t size_of(const struct blob *b)
{
	return b->w->descriptor->size;
}

static int tell(struct blob *b, struct corral_error *err)
{
	return b->w->tell ? b->w->tell(b->w->ctx, b->have + b->n_chunk, err) : 0;
}

/* -EALREADY: somebody else was faster. */
static int on_tick(void *ctx, struct corral_error *err)
{
	struct blob *b = ctx;
	uint64_t now = corral_now_ms();

	if (now - b->told_ms < CORRAL_REGISTRY_TICK_MS)
		return 0;
	b->told_ms = now;
	if (!b->b && b->w->tell_others)
		return b->w->tell_others(b->w->ctx,
		                         corral_image_blob_others(b->store,
		                                                  b->w->descriptor->digest),
		                         err);
	if (b->b && corral_image_blob_is_there(b->store, b->w->descriptor->digest))
		return corral_error_set(err, EALREADY, "another was faster");
	return tell(b, err);
}

/* Nothing is there any more. */
static int begin_anew(struct blob *b, struct corral_error *err)
{
	corral_digest_free(b->digest);
	b->digest = NULL;
	b->have = 0;
	b->n_chunk = 0;
	if (ftruncate(corral_image_blob_fd(b->b), 0) < 0)
		return corral_error_sys(err, errno, "truncate what was there of a blob");
	return corral_digest_new(&b->digest, err);
}

/* What a broken pull left. */
static int go_on(struct blob *b, uint64_t size, struct corral_error *err)
{
	const struct corral_image_tick tick = { on_tick, b };
	int fd = corral_image_blob_fd(b->b);
	uint64_t read_size = 0;
	int r;

	if (!size || size > size_of(b))
		return begin_anew(b, err);
	r = corral_digest_new(&b->digest, err);
	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return corral_error_sys(err, errno, "read what was there of a blob");
	r = corral_digest_add_fd(b->digest, fd, &tick, &read_size, err);
	if (r < 0)
		return r;
	b->have = read_size;
	return read_size > size_of(b) ? begin_anew(b, err) : 0;
}

static int flush(struct blob *b, struct corral_error *err)
{
	int r;

	corral_digest_add(b->digest, b->chunk, b->n_chunk);
	r = corral_whole_write_at(corral_image_blob_fd(b->b), b->chunk, b->n_chunk,
	                          (int64_t)b->have);
	if (r < 0)
		return corral_error_sys(err, -r, "write a blob");
	b->have += b->n_chunk;
	b->n_chunk = 0;
	return corral_image_bounds_disk(b->w->bounds, err);
}

/* ---- one answer ---- */

static int on_begin(void *ctx, const struct corral_registry_answer *a, struct corral_error *err)
{
	struct blob *b = ctx;
	int r = 0;

	if (a->status == 206 && b->have &&
	    corral_registry_range_is(a->content_range, b->have, size_of(b)))
		return 0;
	if (a->status != 200) {
		b->is_odd = true;
		return corral_error_set(err, EBADMSG,
		                        "it answers with another part than asked for");
	}
	/* It does not know of ranges: what it sends begins at the beginning. */
	if (b->have)
		r = begin_anew(b, err);
	if (r == 0 && a->length >= 0 && (uint64_t)a->length != size_of(b))
		r = corral_error_set(err, EBADMSG,
		                     "it has %" PRId64 " bytes, and its manifest says %" PRIu64,
		                     a->length, size_of(b));
	return r;
}

static int on_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	struct blob *b = ctx;
	const char *at = data;

	if (len > size_of(b) - b->have - b->n_chunk)
		return corral_error_set(err, EBADMSG,
		                        "it sends more than the %" PRIu64 " bytes of its manifest",
		                        size_of(b));
	while (len > 0) {
		size_t n = CHUNK_SIZE - b->n_chunk < len ? CHUNK_SIZE - b->n_chunk : len;
		int r = 0;

		memcpy(b->chunk + b->n_chunk, at, n);
		b->n_chunk += n;
		at += n;
		len -= n;
		if (b->n_chunk == CHUNK_SIZE)
			r = flush(b, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Asks for what is missing. 0 when all is there; what came is kept in any case. */
static int attempt(struct blob *b, struct corral_registry_ask *q, struct corral_registry_answer *a,
                   struct corral_error *err)
{
	char range[64];
	const char *const headers[] = { range, NULL };
	int r, flushed;

	(void)snprintf(range, sizeof(range), "Range: bytes=%" PRIu64 "-", b->have);
	q->headers = b->have ? headers : NULL;
	r = corral_registry_ask(b->c, b->h, q, a, err);
	q->headers = NULL;
	flushed = flush(b, r < 0 ? NULL : err);
	if (r < 0 || flushed < 0)
		return r < 0 ? r : flushed;
	if (b->have == size_of(b))
		return 0;
	a->is_broken = true;
	return corral_error_set(err, ECONNRESET,
	                        "registry %s: blob %.19s ends after %" PRIu64 " of %" PRIu64
	                        " bytes",
	                        b->c->servers.items[q->server].name, q->reference, b->have,
	                        size_of(b));
}

static int verify(struct blob *b, const char *server, struct corral_error *err)
{
	char is[CORRAL_DIGEST_SIZE];

	corral_digest_end(b->digest, is);
	if (strcmp(is, b->w->descriptor->digest) == 0)
		return 0;
	return corral_error_set(err, EBADMSG, "registry %s: what came for blob %s is %s", server,
	                        b->w->descriptor->digest, *is ? is : "not to be hashed");
}

/* Until all is there and verified. */
static int load_from(struct blob *b, size_t server, struct corral_error *err)
{
	corral_auto(corral_registry_answer_done) struct corral_registry_answer a = { 0 };
	struct corral_registry_ask q = { .server = server,
		                         .kind = "blobs",
		                         .reference = b->w->descriptor->digest,
		                         .begin = on_begin,
		                         .put = on_put,
		                         .tick = on_tick,
		                         .ctx = b };
	struct corral_registry_patience patience = { 0 };
	bool is_anew = false;
	int r = 0;

	while (r == 0) {
		uint64_t had = b->have;

		b->is_odd = false;
		r = b->have == size_of(b) ? 0 : attempt(b, &q, &a, err);
		if (r == 0)
			r = verify(b, b->c->servers.items[server].name, err);
		if (r == 0)
			return 0;
		/* Some of it was left by who knows whom, or came in pieces: once more, at one go.
		 */
		if ((r == -EBADMSG || r == -ERANGE || b->is_odd) && !is_anew) {
			is_anew = true;
			r = begin_anew(b, err);
			continue;
		}
		/* The digest has ended. */
		if (r == -EBADMSG) {
			(void)begin_anew(b, NULL);
			break;
		}
		r = corral_registry_again(b->c, &patience, &q, &a, b->have > had, r, err);
	}
	return r;
}

/* From whichever server has it; what the last of them had to say. */
static int load(struct blob *b, struct corral_error *err)
{
	int r = -ENOENT;

	for (size_t i = b->w->server; i < b->c->servers.n; i = corral_registry_next(b->c, i)) {
		if (err)
			memset(err, 0, sizeof(*err));
		r = load_from(b, i, err);
		if (r == 0 || !b->digest || r == -ECANCELED || r == -EALREADY || r == -ENOSPC ||
		    r == -EDQUOT)
			break;
	}
	return r;
}

int corral_registry_blob_pull(struct corral_registry_client *c, struct corral_registry_http *h,
                              struct corral_image_store *store,
                              const struct corral_registry_blob_wanted *w, struct corral_error *err)
{
	corral_auto(blob_done) struct blob b = { .c = c, .h = h, .store = store, .w = w };
	const struct corral_image_tick tick = { on_tick, &b };
	uint64_t size = 0;
	int r;

	r = corral_image_blob_begin(store, w->descriptor->digest, &tick, &b.b, &size, err);
	if (r < 0 || !b.b)
		return r;
	b.chunk = malloc(CHUNK_SIZE);
	if (!b.chunk)
		r = corral_error_set(err, ENOMEM, "out of memory");
	if (r == 0)
		r = go_on(&b, size, err);
	if (r == 0)
		r = load(&b, err);
	if (r == 0)
		r = tell(&b, err);
	if (r == 0)
		return corral_image_blob_commit_take(b.b, err);
	corral_image_blob_abandon(b.b,
	                          r != -EBADMSG && r != -ENOSPC && r != -EDQUOT && r != -EALREADY);
	if (r != -EALREADY)
		return r;
	if (err)
		memset(err, 0, sizeof(*err));
	b.have = size_of(&b);
	b.n_chunk = 0;
	return tell(&b, err);
}
