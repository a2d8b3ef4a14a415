/*
 * Compiled programs kept in a directory of the caller's own: one file each, named by the digest of
 * everything that the program depends on. A file that anybody else could have written, that is cut
 * short, changed, or another program's under this name, is as good as none: it is compiled anew.
 */
#include "policy/seccomp_profile.h"

#include <errno.h>
#include <fcntl.h>
#include <sha256.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

#define WRITABLE_BY_OTHERS (S_IWGRP | S_IWOTH)

struct head {
	char magic[8];
	uint32_t n_insns;
	uint8_t key[32];
	uint8_t digest[32]; /* of key, n_insns and the instructions */
};

static const char magic[8] = { 'c', 'o', 'r', 'r', 'a', 'l', 'b', '1' };

void corral_seccomp_hex(const uint8_t digest[32], char text[65])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 32; i++) {
		text[2 * i] = digits[digest[i] >> 4];
		text[2 * i + 1] = digits[digest[i] & 15];
	}
	text[64] = '\0';
}

void corral_seccomp_sha256(const void *data, size_t len, uint8_t digest[32])
{
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	SHA256Update(&ctx, data, len);
	SHA256Final(digest, &ctx);
}

static void head_digest(const struct head *h, const void *insns, uint8_t digest[32])
{
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	SHA256Update(&ctx, h->key, sizeof(h->key));
	SHA256Update(&ctx, (const uint8_t *)&h->n_insns, sizeof(h->n_insns));
	SHA256Update(&ctx, insns, h->n_insns * sizeof(struct sock_filter));
	SHA256Final(digest, &ctx);
}

static int open_dir(const char *cache_dir)
{
	corral_autofd int fd = open(cache_dir, O_DIRECTORY | O_NOFOLLOW | O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & WRITABLE_BY_OTHERS))
		return -EPERM;
	return corral_take_fd(&fd);
}

static int read_file(int dir, const char *name, struct corral_buf *content)
{
	/* O_NONBLOCK: a FIFO put there must not hold us up before fstat() can tell. */
	corral_autofd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & WRITABLE_BY_OTHERS))
		return -EPERM;
	return corral_buf_read_fd(content, fd,
	                          sizeof(struct head) +
	                                  CORRAL_SECCOMP_INSNS_MAX * sizeof(struct sock_filter));
}

int corral_seccomp_cache_load(const char *cache_dir, const uint8_t key[32],
                              struct corral_seccomp_program *ret)
{
	corral_autobuf struct corral_buf content = CORRAL_BUF_INIT;
	corral_autofd int dir = open_dir(cache_dir);
	uint8_t digest[32];
	struct head head;
	char name[65];
	size_t size;

	corral_seccomp_hex(key, name);
	if (dir < 0 || read_file(dir, name, &content) < 0 || content.len < sizeof(head))
		return -ENOENT;
	memcpy(&head, content.data, sizeof(head));
	if (memcmp(head.magic, magic, sizeof(magic)) != 0 || memcmp(head.key, key, 32) != 0 ||
	    head.n_insns == 0 || head.n_insns > CORRAL_SECCOMP_INSNS_MAX)
		return -ENOENT;
	size = head.n_insns * sizeof(struct sock_filter);
	if (content.len != sizeof(head) + size)
		return -ENOENT;
	head_digest(&head, content.data + sizeof(head), digest);
	if (memcmp(digest, head.digest, sizeof(digest)) != 0)
		return -ENOENT;
	ret->insns = malloc(size);
	if (!ret->insns)
		return -ENOENT;
	memcpy(ret->insns, content.data + sizeof(head), size);
	ret->n = head.n_insns;
	return 0;
}

static int write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int corral_seccomp_cache_store(const char *cache_dir, const uint8_t key[32],
                               const struct sock_filter *insns, size_t n_insns)
{
	corral_autofd int dir = open_dir(cache_dir), fd = -1;
	struct head head = { .n_insns = (uint32_t)n_insns };
	char name[65], temporary[96];
	uint64_t unique;
	int r;

	if (dir < 0)
		return dir;
	if (getrandom(&unique, sizeof(unique), 0) != (ssize_t)sizeof(unique))
		return -EIO;
	memcpy(head.magic, magic, sizeof(magic));
	memcpy(head.key, key, sizeof(head.key));
	head_digest(&head, insns, head.digest);
	corral_seccomp_hex(key, name);
	(void)snprintf(temporary, sizeof(temporary), ".%.16s.%016llx", name,
	               (unsigned long long)unique);
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, &head, sizeof(head));
	if (r == 0)
		r = write_all(fd, insns, n_insns * sizeof(*insns));
	/* A reader sees the old file, the new one or none; what a crash tears, its digest tells. */
	if (r == 0 && renameat(dir, temporary, dir, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir, temporary, 0);
	return r;
}
