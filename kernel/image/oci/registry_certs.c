#include "kernel/image/oci/registry_certs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

static void dir_closep(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

void corral_registry_certs_done(struct corral_registry_certs *c)
{
	corral_buf_done(&c->trusted);
	free(c->cert);
	free(c->key);
	memset(c, 0, sizeof(*c));
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && strcmp(name + n - m, end) == 0;
}

static int add_file(int dir_fd, const char *name, struct corral_buf *to, struct corral_error *err)
{
	corral_autofd int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r;

	if (fd < 0)
		return corral_error_sys(err, errno, "%s", name);
	r = corral_buf_read_fd(to, fd, CORRAL_REGISTRY_CERTS_MAX);
	if (r < 0)
		return corral_error_sys(err, -r, "%s", name);
	corral_buf_str(to, "\n");
	return to->failed ? corral_error_set(err, ENOMEM, "out of memory") : 0;
}

/* NAME.cert and, beside it, NAME.key. */
static int take_pair(const char *path, const char *name, struct corral_registry_certs *c,
                     struct corral_error *err)
{
	if (c->cert)
		return 0;
	if (asprintf(&c->cert, "%s/%s", path, name) < 0)
		c->cert = NULL;
	else if (asprintf(&c->key, "%s/%.*s.key", path, (int)strlen(name) - 5, name) < 0)
		c->key = NULL;
	return c->cert && c->key ? 0 : corral_error_set(err, ENOMEM, "out of memory");
}

static int read_dir(const char *path, const char *bundle, struct corral_registry_certs *c,
                    struct corral_error *err)
{
	corral_auto(dir_closep) DIR *d = opendir(path);
	const struct dirent *entry;
	int r = 0;

	if (!d)
		return errno == ENOENT || errno == ENOTDIR
		               ? -ENOENT
		               : corral_error_sys(err, errno, "%s", path);
	while (r == 0 && (entry = readdir(d))) {
		if (ends_with(entry->d_name, ".crt"))
			r = add_file(dirfd(d), entry->d_name, &c->trusted, err);
		else if (ends_with(entry->d_name, ".cert"))
			r = take_pair(path, entry->d_name, c, err);
	}
	if (r == 0 && c->trusted.len && bundle && access(bundle, R_OK) == 0)
		r = add_file(AT_FDCWD, bundle, &c->trusted, err);
	return r < 0 ? corral_error_wrap(err, r, "%s", path) : 0;
}

int corral_registry_certs_find(const char *const *dirs, const char *bundle,
                               const struct corral_registry_origin *o,
                               struct corral_registry_certs *ret, struct corral_error *err)
{
	bool usual = o->port == (o->is_tls ? 443 : 80);

	memset(ret, 0, sizeof(*ret));
	/* A host's name becomes part of a path. */
	if (strchr(o->host, '/') || o->host[0] == '.')
		return 0;
	for (; dirs && *dirs; dirs++)
		for (int with_port = usual ? 0 : 1; with_port < 2; with_port++) {
			corral_autofree char *path = NULL;
			int r;

			if ((with_port ? asprintf(&path, "%s/%s:%u", *dirs, o->host, o->port)
			               : asprintf(&path, "%s/%s", *dirs, o->host)) < 0) {
				path = NULL;
				return corral_error_set(err, ENOMEM, "out of memory");
			}
			r = read_dir(path, bundle, ret, err);
			if (r == 0)
				return 0;
			if (r != -ENOENT) {
				corral_registry_certs_done(ret);
				return r;
			}
		}
	return 0;
}
