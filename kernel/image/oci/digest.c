/* Digests by libcrypto, which uses what the processor has for SHA-256. */
#include "kernel/image/oci/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"

#define READ_SIZE  (256u << 10)
#define TICK_BYTES (32u << 20) /* some times a second */

struct corral_digest {
	EVP_MD_CTX *ctx;
	bool failed; /* then it ends as "", which equals no digest */
};

bool corral_digest_is_valid(const char *text)
{
	size_t n;

	if (strncmp(text, "sha256:", 7) != 0)
		return false;
	n = strspn(text + 7, "0123456789abcdef");
	return n == 64 && !text[7 + n];
}

int corral_digest_new(struct corral_digest **ret, struct corral_error *err)
{
	struct corral_digest *d = calloc(1, sizeof(*d));

	if (d)
		d->ctx = EVP_MD_CTX_new();
	if (!d || !d->ctx || EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1) {
		corral_digest_free(d);
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	*ret = d;
	return 0;
}

void corral_digest_free(struct corral_digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void corral_digest_add(struct corral_digest *d, const void *data, size_t len)
{
	if (EVP_DigestUpdate(d->ctx, data, len) != 1)
		d->failed = true;
}

int corral_digest_add_fd(struct corral_digest *d, int fd, const struct corral_image_tick *tick,
                         uint64_t *ret_size, struct corral_error *err)
{
	corral_autofree char *data = malloc(READ_SIZE);
	uint64_t size = 0;

	if (!data)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (;;) {
		ssize_t n = read(fd, data, READ_SIZE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return corral_error_sys(err, errno, "read what is to be hashed");
		if (n == 0)
			break;
		corral_digest_add(d, data, (size_t)n);
		size += (uint64_t)n;
		if (tick && tick->call && size / TICK_BYTES != (size - (uint64_t)n) / TICK_BYTES) {
			int r = tick->call(tick->ctx, err);

			if (r < 0)
				return r;
		}
	}
	if (ret_size)
		*ret_size = size;
	return 0;
}

static void digest_print(const unsigned char *md, unsigned int len, char ret[CORRAL_DIGEST_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	char *at = ret + 7;

	(void)stpcpy(ret, "sha256:");
	for (unsigned int i = 0; i < len; i++) {
		*at++ = hex[md[i] >> 4];
		*at++ = hex[md[i] & 15];
	}
	*at = '\0';
}

void corral_digest_end(struct corral_digest *d, char ret[CORRAL_DIGEST_SIZE])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	ret[0] = '\0';
	if (!d->failed && EVP_DigestFinal_ex(d->ctx, md, &len) == 1 && len == 32)
		digest_print(md, len, ret);
	d->failed = true;
}

void corral_digest_of(const void *data, size_t len, char ret[CORRAL_DIGEST_SIZE])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	ret[0] = '\0';
	if (EVP_Digest(data, len, md, &n, EVP_sha256(), NULL) == 1 && n == 32)
		digest_print(md, n, ret);
}
