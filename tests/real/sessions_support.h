/*
 * A manager of sessions with a directory of its own: a store if wanted, and runtimes. Include after
 * <cmocka.h> and tests/support.h.
 */
#ifndef CORRAL_TESTS_REAL_SESSIONS_SUPPORT_H
#define CORRAL_TESTS_REAL_SESSIONS_SUPPORT_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/sessions/manager.h"
#include "kernel/base/cleanup.h"
#include "kernel/layers/layers.h"

struct sessions {
	struct corral_session_manager_options o;
	struct corral_runtime_catalogue *catalogue;
	struct corral_session_manager *m;
	struct corral_error err;
	char dir[40];
};

static inline void sessions_runtime(struct sessions *f, const char *name, const char *json)
{
	const mode_t mask = umask(077);
	char path[100];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/runtimes/%s.json", f->dir, name);
	file = fopen(path, "we");
	(void)umask(mask);
	assert_non_null(file);
	assert_true(fputs(json, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Its directory, with runtimes "plain", "call" and "small". More can be added before the next. */
static inline void sessions_init(struct sessions *f)
{
	char path[100];

	memset(f, 0, sizeof(*f));
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/corral-test-sessions-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(path, sizeof(path), "%s/runtimes", f->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	sessions_runtime(f, "plain", "{\"isolation\": \"native\"}");
	sessions_runtime(f, "call", "{\"isolation\": \"native\", \"scope\": \"call\"}");
	/* Less than any host has, so that it is the limit and not the host that is met. */
	sessions_runtime(f, "small",
	                 "{\"isolation\": \"native\", \"limits\": {\"memory\": \"48M\"}}");
}

static inline void sessions_catalogue(struct sessions *f)
{
	char path[100];
	const char *const dirs[] = { path, NULL };

	(void)snprintf(path, sizeof(path), "%s/runtimes", f->dir);
	if (corral_runtime_catalogue_open(dirs, &f->catalogue, &f->err) < 0)
		fail_msg("%s", f->err.text);
	f->o.catalogue = f->catalogue;
	f->o.default_runtime = "plain";
}

static inline void sessions_store(struct sessions *f)
{
	char path[100];

	(void)snprintf(path, sizeof(path), "%s/store", f->dir);
	if (corral_session_store_open(path, &f->o.store, &f->err) < 0)
		fail_msg("%s", f->err.text);
}

static inline void sessions_begin(struct sessions *f)
{
	if (corral_session_manager_new(&f->o, &f->m, &f->err) < 0)
		fail_msg("%s", f->err.text);
}

static inline void sessions_end(struct sessions *f)
{
	corral_session_manager_free(f->m);
	f->m = NULL;
	corral_session_store_close(f->o.store);
	f->o.store = NULL;
}

static inline void sessions_done(struct sessions *f)
{
	corral_autofd int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct corral_error err = { 0 };

	sessions_end(f);
	corral_runtime_catalogue_close(f->catalogue);
	if (corral_layer_remove(tmp_fd, f->dir + strlen("/tmp/"), &err) < 0)
		fail_msg("%s", err.text);
}

static inline struct corral_backend *sessions_open(struct sessions *f,
                                                   const struct corral_session_ask *ask)
{
	struct corral_backend *b = NULL;

	if (corral_session_manager_get_or_create(f->m, ask, &b, &f->err) < 0)
		fail_msg("%s: %s", ask->id ? ask->id : "(new)", f->err.text);
	return b;
}

#endif
