#include "tools/bench/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

#define WORDS         3000
#define WORD_SIZE     16
#define FILES_PER_DIR 15
#define RARE_EVERY    2000 /* files */
#define FREQUENT      70   /* lines */

struct maker {
	uint64_t random;
	char words[WORDS][WORD_SIZE];
	char path[4096];
	struct bench_tree made;
};

/* splitmix64: the same everywhere. */
static uint64_t draw(struct maker *m, uint64_t below)
{
	uint64_t z = m->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % below;
}

static void make_words(struct maker *m)
{
	static const char consonants[] = "bcdfghjklmnprstvw", vowels[] = "aeiou";

	for (size_t i = 0; i < WORDS; i++) {
		size_t len = 2 + (size_t)draw(m, 9);

		for (size_t k = 0; k < len; k++)
			m->words[i][k] = k % 2 ? vowels[draw(m, sizeof(vowels) - 1)]
			                       : consonants[draw(m, sizeof(consonants) - 1)];
	}
}

/* The first words come more often, as in any language. */
static const char *word(struct maker *m)
{
	return m->words[draw(m, draw(m, WORDS) + 1)];
}

static void put_line(struct maker *m, struct corral_buf *b)
{
	uint64_t kind = draw(m, 16), words;

	if (kind == 0) {
		corral_buf_str(b, "\n");
		return;
	}
	for (uint64_t depth = draw(m, 4); depth; depth--)
		corral_buf_str(b, "\t");
	if (kind < 4) {
		corral_buf_fmt(b, "%s_%s(%s->%s, %llu);\n", word(m), word(m), word(m), word(m),
		               (unsigned long long)draw(m, 4096));
		return;
	}
	if (kind == 4) {
		corral_buf_fmt(b, "if (%s == 0x%04llx) { /* %s %s */\n", word(m),
		               (unsigned long long)draw(m, 65536), word(m), word(m));
		return;
	}
	words = 2 + draw(m, 10);
	for (uint64_t i = 0; i < words; i++)
		corral_buf_fmt(b, "%s%s", i ? " " : "", word(m));
	if (!draw(m, FREQUENT * 11 / 16))
		corral_buf_str(b, " " BENCH_TREE_FREQUENT "d");
	corral_buf_str(b, draw(m, 2) ? ";\n" : "\n");
}

/* Most files are small, and a few have much of the bytes. */
static size_t draw_size(struct maker *m)
{
	uint64_t power = draw(m, 50) ? 7 + draw(m, 6) : 14 + draw(m, 3);

	return (size_t)((1ull << power) + draw(m, 1ull << power));
}

static int make_file(struct maker *m, struct corral_buf *b, struct corral_error *err)
{
	size_t size = draw_size(m), rare = SIZE_MAX;
	corral_autofd int fd = -1;

	b->len = 0;
	if (m->made.files % RARE_EVERY == RARE_EVERY / 2)
		rare = size / 2;
	while (b->len < size && !b->failed) {
		if (b->len >= rare) {
			corral_buf_str(b, "\t" BENCH_TREE_RARE "(HANDLE_0451);\n");
			rare = SIZE_MAX;
		}
		put_line(m, b);
	}
	if (b->failed)
		return corral_error_sys(err, ENOMEM, "a file of %zu bytes", size);
	fd = open(m->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, b->data, b->len) != (ssize_t)b->len)
		return corral_error_sys(err, errno, "write '%s'", m->path);
	m->made.files++;
	m->made.bytes += b->len;
	return 0;
}

/* A directory's files, then its directories, until there are so many files. */
static int make_dir(struct maker *m, struct corral_buf *b, uint64_t until, unsigned int depth,
                    struct corral_error *err)
{
	static const char *const kinds[] = { "c",  "c",  "c",  "h",   "h",
		                             "py", "js", "md", "txt", "json" };
	size_t base = strlen(m->path);
	uint64_t n = 5 + draw(m, 2ull * FILES_PER_DIR - 10), dirs = depth < 5 ? draw(m, 7) : 0;
	int r = 0;

	if (mkdir(m->path, 0755) < 0 && errno != EEXIST)
		return corral_error_sys(err, errno, "make '%s'", m->path);
	m->made.dirs++;
	for (uint64_t i = 0; r == 0 && i < n && m->made.files < until; i++) {
		(void)snprintf(m->path + base, sizeof(m->path) - base, "/%s_%s%llu.%s", word(m),
		               word(m), (unsigned long long)i, kinds[draw(m, CORRAL_COUNT(kinds))]);
		r = make_file(m, b, err);
	}
	for (uint64_t i = 0; r == 0 && i < dirs && m->made.files < until; i++) {
		(void)snprintf(m->path + base, sizeof(m->path) - base, "/%s%llu", word(m),
		               (unsigned long long)i);
		r = make_dir(m, b, until, depth + 1, err);
	}
	m->path[base] = '\0';
	return r;
}

int bench_tree_make(const char *dir, uint64_t n_files, struct bench_tree *ret,
                    struct corral_error *err)
{
	struct maker *m = calloc(1, sizeof(*m));
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	int r = 0;

	if (!m || strlen(dir) > 1000) {
		free(m);
		return corral_error_sys(err, m ? ENAMETOOLONG : ENOMEM, "a tree in '%s'", dir);
	}
	m->random = 1;
	make_words(m);
	for (uint64_t i = 0; r == 0 && m->made.files < n_files; i++) {
		(void)snprintf(m->path, sizeof(m->path), "%s/%s%llu", dir, word(m),
		               (unsigned long long)i);
		r = make_dir(m, &b, n_files, 1, err);
	}
	if (r == 0)
		*ret = m->made;
	free(m);
	return r;
}

static int wipe(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void bench_tree_remove(const char *dir)
{
	(void)nftw(dir, wipe, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
