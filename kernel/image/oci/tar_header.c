#include "kernel/image/oci/tar_header.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"

#define OCTAL_7_MAX  07777777u
#define OCTAL_11_MAX 077777777777ull

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100];
	char magic[8], uname[32], gname[32], major[8], minor[8], prefix[155], rest[12];
};

void tar_record(struct corral_buf *b, const char *key, const void *value, size_t len)
{
	/* The length counts its own digits. */
	size_t rest = strlen(key) + len + 3, total = rest + 1;
	char digits[24];

	while (total != rest + (size_t)snprintf(digits, sizeof(digits), "%zu", total))
		total = rest + strlen(digits);
	corral_buf_fmt(b, "%zu %s=", total, key);
	corral_buf_add(b, value, len);
	corral_buf_add(b, "\n", 1);
}

static void record_number(struct corral_buf *b, const char *key, int64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRId64, value);

	tar_record(b, key, text, (size_t)n);
}

static void octal(char *field, size_t size, uint64_t value)
{
	for (size_t i = size - 1; i > 0; i--, value >>= 3)
		field[i - 1] = (char)('0' + (value & 7));
}

static void text(char *field, size_t size, const char *value)
{
	memcpy(field, value, strnlen(value, size));
}

static void block_add(struct corral_buf *b, const struct tar_entry *e)
{
	struct header h = { 0 };
	unsigned int sum = 0;

	_Static_assert(sizeof(h) == TAR_BLOCK, "a header is one block");
	text(h.name, sizeof(h.name), e->path);
	octal(h.mode, sizeof(h.mode), e->mode);
	octal(h.uid, sizeof(h.uid), e->uid > OCTAL_7_MAX ? 0 : e->uid);
	octal(h.gid, sizeof(h.gid), e->gid > OCTAL_7_MAX ? 0 : e->gid);
	octal(h.size, sizeof(h.size), e->size > OCTAL_11_MAX ? 0 : e->size);
	octal(h.mtime, sizeof(h.mtime),
	      e->mtime < 0 || (uint64_t)e->mtime > OCTAL_11_MAX ? 0 : (uint64_t)e->mtime);
	h.type = e->type;
	if (e->link)
		text(h.link, sizeof(h.link), e->link);
	memcpy(h.magic, "ustar\00000", 8);
	memset(h.sum, ' ', sizeof(h.sum));
	for (size_t i = 0; i < sizeof(h); i++)
		sum += ((const unsigned char *)&h)[i];
	octal(h.sum, 7, sum);
	h.sum[6] = '\0';
	corral_buf_add(b, &h, sizeof(h));
}

void tar_padding(struct corral_buf *b, uint64_t size)
{
	static const char zeros[TAR_BLOCK];

	if (size % TAR_BLOCK)
		corral_buf_add(b, zeros, TAR_BLOCK - size % TAR_BLOCK);
}

void tar_end(struct corral_buf *b)
{
	static const char zeros[TAR_BLOCK];

	corral_buf_add(b, zeros, sizeof(zeros));
	corral_buf_add(b, zeros, sizeof(zeros));
}

void tar_header(struct corral_buf *b, const struct tar_entry *e)
{
	corral_autobuf struct corral_buf pax = CORRAL_BUF_INIT;

	if (strlen(e->path) > sizeof(((struct header *)0)->name))
		tar_record(&pax, "path", e->path, strlen(e->path));
	if (e->link && strlen(e->link) > sizeof(((struct header *)0)->link))
		tar_record(&pax, "linkpath", e->link, strlen(e->link));
	if (e->uid > OCTAL_7_MAX)
		record_number(&pax, "uid", e->uid);
	if (e->gid > OCTAL_7_MAX)
		record_number(&pax, "gid", e->gid);
	if (e->size > OCTAL_11_MAX)
		record_number(&pax, "size", (int64_t)e->size);
	if (e->mtime < 0 || (uint64_t)e->mtime > OCTAL_11_MAX)
		record_number(&pax, "mtime", e->mtime);
	corral_buf_add(&pax, e->records, e->records_len);
	if (pax.len) {
		block_add(b, &(struct tar_entry) {
		                     .type = 'x', .path = "pax", .mode = 0644, .size = pax.len });
		corral_buf_add(b, pax.data, pax.len);
		tar_padding(b, pax.len);
	}
	b->failed = b->failed || pax.failed;
	block_add(b, e);
}
