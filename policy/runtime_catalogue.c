#include "policy/runtime_catalogue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "policy/runtime_json.h"

#define SUFFIX    ".json"
#define FILE_MAX  ((size_t)1 << 20)
#define COUNT_MAX 1024

/* policy/runtimes.json, as it was when corral was built. */
extern const char corral_runtimes_json[], corral_runtimes_json_end[];

struct corral_runtime_catalogue {
	struct corral_runtime_entry *entries; /* each owns what it points to */
	size_t n;
	struct corral_runtime_fault *faults; /* likewise; no name is in both */
	size_t n_faults;
};

static void catalogue_closep(struct corral_runtime_catalogue **c)
{
	corral_runtime_catalogue_close(*c);
}

static void dir_closep(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

static void entry_done(struct corral_runtime_entry *e)
{
	corral_runtime_free((struct corral_runtime *)(uintptr_t)e->runtime);
	free((char *)(uintptr_t)e->path);
}

static void fault_done(struct corral_runtime_fault *f)
{
	free((char *)(uintptr_t)f->name);
	free((char *)(uintptr_t)f->path);
	free((char *)(uintptr_t)f->text);
}

void corral_runtime_catalogue_close(struct corral_runtime_catalogue *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		entry_done(&c->entries[i]);
	for (size_t i = 0; i < c->n_faults; i++)
		fault_done(&c->faults[i]);
	free(c->entries);
	free(c->faults);
	free(c);
}

/* The file's name, without its folders and ".json"; NULL without memory. */
static char *stem(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t len = strlen(name), tail = strlen(SUFFIX);

	if (len > tail && !strcmp(name + len - tail, SUFFIX))
		len -= tail;
	return strndup(name, len);
}

static struct corral_runtime_entry *find(const struct corral_runtime_catalogue *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->entries[i].runtime->name, name))
			return &c->entries[i];
	return NULL;
}

/* What an earlier directory had under that name, whether it could be read or not. */
static void forget(struct corral_runtime_catalogue *c, const char *name)
{
	struct corral_runtime_entry *e = c->n ? find(c, name) : NULL;

	if (e) {
		entry_done(e);
		*e = c->entries[--c->n];
	}
	for (size_t i = 0; i < c->n_faults; i++) {
		if (!strcmp(c->faults[i].name, name)) {
			fault_done(&c->faults[i]);
			c->faults[i] = c->faults[--c->n_faults];
			return;
		}
	}
}

static int fault_add(struct corral_runtime_catalogue *c, const char *dir, const char *file,
                     const struct corral_error *why, struct corral_error *err)
{
	struct corral_runtime_fault f = { .name = stem(file), .code = why->code }, *grown;
	char *path = NULL, *text = NULL;

	if (asprintf(&path, "%s/%s", dir, file) < 0)
		path = NULL;
	if (asprintf(&text, "%.200s/%s: %s", dir, file, why->text) < 0)
		text = NULL;
	f.path = path;
	f.text = text;
	grown = f.name && path && text && c->n_faults < COUNT_MAX
	                ? realloc(c->faults, (c->n_faults + 1) * sizeof(*grown))
	                : NULL;
	if (!grown) {
		fault_done(&f);
		return c->n_faults < COUNT_MAX
		               ? corral_error_set(err, ENOMEM, "runtimes: out of memory")
		               : corral_error_set(err, E2BIG, "more than %d runtimes", COUNT_MAX);
	}
	c->faults = grown;
	forget(c, f.name);
	c->faults[c->n_faults++] = f;
	return 0;
}

/* In the place of one of the same name. Takes both. */
static int put_take(struct corral_runtime_catalogue *c, struct corral_runtime *runtime, char *path,
                    struct corral_error *err)
{
	struct corral_runtime_entry e = { runtime, path }, *grown;

	forget(c, runtime->name);
	grown = c->n < COUNT_MAX ? realloc(c->entries, (c->n + 1) * sizeof(*grown)) : NULL;
	if (!grown) {
		entry_done(&e);
		return c->n < COUNT_MAX
		               ? corral_error_set(err, ENOMEM, "runtimes: out of memory")
		               : corral_error_set(err, E2BIG, "more than %d runtimes", COUNT_MAX);
	}
	c->entries = grown;
	c->entries[c->n++] = e;
	return 0;
}

static int builtin_add(struct corral_runtime_catalogue *c, struct corral_error *err)
{
	json_auto_t *all = json_loadb(corral_runtimes_json,
	                              (size_t)(corral_runtimes_json_end - corral_runtimes_json),
	                              JSON_REJECT_DUPLICATES, NULL);
	json_t *one;
	size_t i;

	if (!all)
		return corral_error_set(err, ENOMEM, "runtimes: out of memory");
	json_array_foreach(all, i, one)
	{
		struct corral_runtime *rt = NULL;
		int r = corral_runtime_from_json(one, NULL, &rt, err);

		if (rt)
			r = put_take(c, rt, NULL, err);
		if (r < 0)
			return corral_error_wrap(err, r, "built-in runtime %zu", i);
	}
	return 0;
}

/* Nobody else can make something else of it. */
static int trust(int fd, struct corral_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return corral_error_sys(err, errno, "stat");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return corral_error_set(err, EPERM,
		                        "belongs to user %u: a runtime names mounts and "
		                        "capabilities, so it must be root's or the caller's own",
		                        st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return corral_error_set(err, EPERM,
		                        "others can write to it, and a runtime names mounts and "
		                        "capabilities: chmod go-w");
	return 0;
}

static int file_parse(int fd, const char *path, struct corral_runtime **ret,
                      struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofree char *name = stem(path);
	int r = name ? corral_buf_read_fd(&text, fd, FILE_MAX) : -ENOMEM;

	if (r == -EFBIG)
		return corral_error_set(err, EFBIG, "larger than 1M");
	if (r < 0)
		return corral_error_sys(err, -r, "read");
	return corral_runtime_parse_named(text.data ? text.data : "", text.len, name, ret, err);
}

int corral_runtime_load(const char *path, struct corral_runtime **ret, struct corral_error *err)
{
	corral_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	corral_auto(corral_runtime_freep) struct corral_runtime *rt = NULL;
	int r;

	if (fd < 0)
		return corral_error_sys(err, errno, "'%.200s'", path);
	r = trust(fd, err);
	if (r == 0)
		r = file_parse(fd, path, &rt, err);
	if (r != 0)
		return corral_error_wrap(err, r, "'%.200s'", path);
	rt->path = strdup(path);
	if (!rt->path)
		return corral_error_set(err, ENOMEM, "'%.200s': out of memory", path);
	*ret = corral_take_ptr(&rt);
	return 0;
}

static int file_load(int dir_fd, const char *name, struct corral_runtime **ret,
                     struct corral_error *err)
{
	/* A pipe would keep us waiting. */
	corral_autofd int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	corral_auto(corral_runtime_freep) struct corral_runtime *rt = NULL;
	corral_autofree char *expected = stem(name);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return corral_error_sys(err, errno, "open");
	if (!expected)
		return corral_error_set(err, ENOMEM, "out of memory");
	if (!S_ISREG(st.st_mode))
		return corral_error_set(err, EINVAL, "not a regular file");
	r = trust(fd, err);
	if (r == 0)
		r = file_parse(fd, name, &rt, err);
	if (r == 0 && strcmp(rt->name, expected) != 0)
		r = corral_error_set(err, EINVAL, "name: '%.60s', but the file's name says '%.60s'",
		                     rt->name, expected);
	if (r == 0)
		*ret = corral_take_ptr(&rt);
	return r;
}

static bool is_runtime_file(const char *name)
{
	size_t len = strlen(name), tail = strlen(SUFFIX);

	return name[0] != '.' && len > tail && !strcmp(name + len - tail, SUFFIX);
}

static int file_add(struct corral_runtime_catalogue *c, int dir_fd, const char *dir,
                    const char *name, struct corral_error *err)
{
	corral_autofree char *path = NULL;
	struct corral_runtime *rt = NULL;
	struct corral_error why = { 0 };
	int r = file_load(dir_fd, name, &rt, &why);

	if (!rt && r != -ENOMEM)
		return fault_add(c, dir, name, &why, err);
	if (!rt)
		return corral_error_set(err, ENOMEM, "runtimes: out of memory");
	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		corral_runtime_free(rt);
		return corral_error_set(err, ENOMEM, "runtimes: out of memory");
	}
	return put_take(c, rt, corral_take_ptr(&path), err);
}

static int dir_add(struct corral_runtime_catalogue *c, const char *path, struct corral_error *err)
{
	corral_autofd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	corral_auto(dir_closep) DIR *dir = NULL;
	struct dirent *d;
	int r;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return corral_error_sys(err, errno, "open '%.200s'", path);
	r = trust(fd, err);
	if (r < 0)
		return corral_error_wrap(err, r, "%.200s", path);
	dir = fdopendir(fd);
	if (!dir)
		return corral_error_sys(err, errno, "read '%.200s'", path);
	(void)corral_take_fd(&fd);
	while ((errno = 0, d = readdir(dir))) {
		r = is_runtime_file(d->d_name) ? file_add(c, dirfd(dir), path, d->d_name, err) : 0;
		if (r < 0)
			return r;
	}
	return errno ? corral_error_sys(err, errno, "read '%.200s'", path) : 0;
}

static int faults_by_name(const void *a, const void *b)
{
	const struct corral_runtime_fault *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
	const struct corral_runtime_entry *x = a, *y = b;

	return strcmp(x->runtime->name, y->runtime->name);
}

int corral_runtime_catalogue_open(const char *const *dirs, struct corral_runtime_catalogue **ret,
                                  struct corral_error *err)
{
	corral_auto(catalogue_closep) struct corral_runtime_catalogue *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return corral_error_set(err, ENOMEM, "runtimes: out of memory");
	r = builtin_add(c, err);
	for (; dirs && *dirs && r == 0; dirs++)
		r = dir_add(c, *dirs, err);
	if (r < 0)
		return r;
	if (c->n)
		qsort(c->entries, c->n, sizeof(*c->entries), by_name);
	if (c->n_faults)
		qsort(c->faults, c->n_faults, sizeof(*c->faults), faults_by_name);
	*ret = corral_take_ptr(&c);
	return 0;
}

size_t corral_runtime_catalogue_count(const struct corral_runtime_catalogue *c)
{
	return c->n;
}

const struct corral_runtime_entry *corral_runtime_catalogue_at(
        const struct corral_runtime_catalogue *c, size_t i)
{
	return &c->entries[i];
}

size_t corral_runtime_catalogue_faults(const struct corral_runtime_catalogue *c,
                                       const struct corral_runtime_fault **ret)
{
	*ret = c->faults;
	return c->n_faults;
}

int corral_runtime_catalogue_get(const struct corral_runtime_catalogue *c, const char *name,
                                 const struct corral_runtime **ret, struct corral_error *err)
{
	const struct corral_runtime_entry *e = find(c, name);
	corral_autobuf struct corral_buf names = CORRAL_BUF_INIT;

	if (e) {
		*ret = e->runtime;
		return 0;
	}
	for (size_t i = 0; i < c->n_faults; i++)
		if (!strcmp(c->faults[i].name, name))
			return corral_error_set(err, c->faults[i].code, "%s", c->faults[i].text);
	for (size_t i = 0; i < c->n; i++)
		corral_buf_fmt(&names, "%s%s", i ? ", " : "", c->entries[i].runtime->name);
	return corral_error_set(err, ENOENT, "Unknown runtime '%.60s'. Available: %s", name,
	                        names.data ? names.data : "");
}

int corral_runtime_get(const char *name, struct corral_runtime **ret, struct corral_error *err)
{
	corral_auto(catalogue_closep) struct corral_runtime_catalogue *c = NULL;
	const struct corral_runtime *rt = NULL;
	int r = corral_runtime_catalogue_open(NULL, &c, err);

	if (r == 0)
		r = corral_runtime_catalogue_get(c, name, &rt, err);
	return r < 0 ? r : corral_runtime_dup(rt, ret, err);
}
