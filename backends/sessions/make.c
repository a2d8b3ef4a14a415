/*
 * What a session is made of: which isolation, and a backend of it. Native ones come from a policy,
 * which the store writes, or which binds a directory of the manager's own, so that files outlive
 * their sandbox in either case.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/call.h"
#include "backends/native_box.h"
#include "backends/sessions/manager_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/image/apply.h"
#include "kernel/isolation.h"

/* With the lock of what is made; NULL and the reason where native isolation is impossible. */
static int launcher_get(struct corral_session_manager *m, struct corral_launcher **ret,
                        struct corral_error *err)
{
	int r = 0;

	if (!m->launcher) {
		r = corral_launcher_open(CORRAL_LAUNCHER_POOLED | CORRAL_LAUNCHER_WARM,
		                         &m->launcher, err);
		m->launcher_is_own = r == 0;
	}
	*ret = m->launcher;
	return r;
}

/* --- Images --- */

struct corral_image_store *manager_images(const struct corral_session_manager *m)
{
	return m->o.store ? store_images(m->o.store) : m->o.images;
}

/* Without a store, a session has its image as long as its policy is there. */
static int image_apply(struct session *s, struct corral_config *c, struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *image = NULL;
	int r = c->image ? corral_image_of_runtime(manager_images(s->m), s->runtime, &image, err)
	                 : 0;

	return r < 0 || !c->image ? r : corral_image_apply(manager_images(s->m), c, err);
}

/* --- Isolation --- */

static void look_docker(struct corral_session_manager *m, struct corral_isolation_facts *facts,
                        struct corral_error *why)
{
	const struct corral_session_maker *docker = m->o.docker;

	facts->docker = docker && (!docker->look || docker->look(docker->ctx, why) == 0);
	facts->docker_why = !docker ? "there is no Docker engine to ask" : why->text;
}

static int look_and_choose(struct corral_session_manager *m, const struct corral_runtime *rt,
                           struct corral_isolation_choice *ret, struct corral_error *err)
{
	struct corral_isolation_look *look = calloc(1, sizeof(*look));
	struct corral_error trouble = { 0 }, docker_why = { 0 };
	struct corral_launcher *launcher = NULL;
	bool weaker;
	int r;

	if (!look)
		return corral_error_set(err, ENOMEM, "isolation: out of memory");
	if (rt->isolation != CORRAL_ISOLATION_DOCKER) {
		(void)launcher_get(m, &launcher, &trouble);
		corral_isolation_look(launcher, &trouble, manager_images(m), rt, look);
	}
	/* An engine is only asked where the answer matters: it may take its time. */
	if (rt->isolation == CORRAL_ISOLATION_DOCKER ||
	    (rt->isolation == CORRAL_ISOLATION_AUTO &&
	     !corral_isolation_native(rt, &look->facts, &weaker, NULL)))
		look_docker(m, &look->facts, &docker_why);
	r = corral_isolation_choose(rt, &look->facts, ret, err);
	free(look);
	return r;
}

/* What this host can is found by doing, once for each runtime of the catalogue. */
static void remember(struct corral_session_manager *m, const struct corral_runtime *rt,
                     const struct corral_isolation_choice *choice)
{
	struct manager_choice *more =
	        realloc(m->choices, (m->n_choices + 1) * sizeof(struct manager_choice));

	if (!more)
		return;
	m->choices = more;
	m->choices[m->n_choices++] = (struct manager_choice) { rt, *choice };
}

int session_choose(struct corral_session_manager *m, const struct corral_runtime *rt,
                   struct corral_isolation_choice *ret, struct corral_error *err)
{
	int r = 0;
	size_t i = 0;

	if (m->o.custom) {
		ret->isolation = rt->isolation == CORRAL_ISOLATION_DOCKER ? CORRAL_ISOLATION_DOCKER
		                                                          : CORRAL_ISOLATION_NATIVE;
		ret->weaker = false;
		(void)snprintf(ret->reason, sizeof(ret->reason),
		               "its backend is made by the manager's caller");
		return 0;
	}
	(void)pthread_mutex_lock(&m->make_lock);
	while (i < m->n_choices && m->choices[i].runtime != rt)
		i++;
	if (i < m->n_choices) {
		*ret = m->choices[i].choice;
	} else {
		r = look_and_choose(m, rt, ret, err);
		/* An engine may go, and what was impossible be mended. */
		if (r == 0 && ret->isolation == CORRAL_ISOLATION_NATIVE)
			remember(m, rt, ret);
	}
	(void)pthread_mutex_unlock(&m->make_lock);
	return r;
}

/* --- Workspaces without a store --- */

static int dir_get(struct corral_session_manager *m, struct corral_error *err)
{
	int r = 0;

	(void)pthread_mutex_lock(&m->make_lock);
	if (!m->dir[0]) {
		char dir[sizeof(m->dir)] = "/tmp/corral-sessions-XXXXXX";

		if (!mkdtemp(dir)) {
			r = corral_error_sys(err, errno, "create a directory for workspaces");
		} else {
			(void)snprintf(m->dir, sizeof(m->dir), "%s", dir);
			m->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (m->dir_fd < 0)
				r = corral_error_sys(err, errno, "open '%s'", dir);
		}
	}
	(void)pthread_mutex_unlock(&m->make_lock);
	return r;
}

static int workspace_make(struct session *s, char **ret, struct corral_error *err)
{
	struct corral_session_manager *m = s->m;
	char *path = NULL;
	int r = dir_get(m, err);

	if (r < 0)
		return r;
	if (mkdirat(m->dir_fd, s->id, 0700) < 0 && errno != EEXIST)
		return corral_error_sys(err, errno, "create '%s/%s'", m->dir, s->id);
	s->has_workspace = true;
	if (asprintf(&path, "%s/%s", m->dir, s->id) < 0)
		return corral_error_set(err, ENOMEM, "out of memory");
	*ret = path;
	return 0;
}

/* --- Backends --- */

/* Where the files of one that we do not build a root for are; NULL: nowhere in particular. */
static int workspace_get(struct session *s, char **ret, struct corral_error *err)
{
	if (s->m->o.store)
		return corral_session_store_workspace(s->m->o.store, s->id, ret, err);
	/* A container that stays keeps its own; what lives for a call has nowhere else. */
	if (s->maker && s->runtime->scope != CORRAL_SCOPE_CALL)
		return 0;
	return workspace_make(s, ret, err);
}

static int policy_make(struct session *s, struct corral_policy **ret, struct corral_error *err)
{
	corral_auto(corral_config_freep) struct corral_config *c = NULL;
	corral_autofree char *workspace = NULL;
	int r;

	if (s->m->o.store) {
		r = corral_session_store_config(s->m->o.store, s->id, &c, err);
	} else {
		r = workspace_make(s, &workspace, err);
		if (r == 0)
			r = corral_runtime_config(s->runtime, &c, err);
		if (r == 0)
			r = image_apply(s, c, err);
		if (r == 0)
			r = corral_rootfs_account_apply(c, err);
		if (r == 0)
			r = corral_config_set_text(&c->workspace, workspace, err);
	}
	return r < 0 ? r : corral_policy_compile(c, NULL, ret, err);
}

static int make_native(struct session *s, struct corral_backend **ret, struct corral_error *err)
{
	struct corral_session_manager *m = s->m;
	const struct corral_native_options o = { .id = s->id };
	corral_auto(corral_policy_freep) struct corral_policy *policy = NULL;
	struct corral_launcher *launcher = NULL;
	int r;

	(void)pthread_mutex_lock(&m->make_lock);
	r = launcher_get(m, &launcher, err);
	(void)pthread_mutex_unlock(&m->make_lock);
	if (r == 0)
		r = policy_make(s, &policy, err);
	if (r < 0)
		return r;
	return s->runtime->scope == CORRAL_SCOPE_CALL
	               ? corral_call_sandbox_new(launcher, policy, s->id, ret, err)
	               : corral_native_sandbox_new(launcher, policy, &o, ret, err);
}

int session_make(struct session *s, struct corral_error *err)
{
	struct corral_session_make what = { .id = s->id, .runtime = s->runtime };
	corral_autofree char *workspace = NULL;
	struct corral_backend *b = NULL;
	int r;

	s->maker = s->m->o.custom                            ? s->m->o.custom
	           : s->isolation == CORRAL_ISOLATION_DOCKER ? s->m->o.docker
	                                                     : NULL;
	if (!s->maker && s->isolation == CORRAL_ISOLATION_DOCKER)
		return corral_error_set(err, EOPNOTSUPP,
		                        "session '%s' is a container's, and there is no engine",
		                        s->id);
	if (!s->maker) {
		r = make_native(s, &b, err);
	} else {
		r = workspace_get(s, &workspace, err);
		what.workspace_path = workspace;
		if (r == 0)
			r = s->maker->make(s->maker->ctx, &what, &b, err);
	}
	if (r < 0)
		return corral_error_wrap(err, r, "session '%s'", s->id);
	(void)pthread_mutex_lock(&s->m->lock);
	s->backend = b;
	(void)pthread_mutex_unlock(&s->m->lock);
	return 0;
}

int session_remake(struct session *s, struct corral_error *err)
{
	corral_auto(corral_policy_freep) struct corral_policy *policy = NULL;
	int r = policy_make(s, &policy, err);

	if (r < 0)
		return corral_error_wrap(err, r, "session '%s'", s->id);
	corral_native_set_policy(s->backend, policy);
	return 0;
}

int session_forget(struct session *s, struct corral_error *err)
{
	struct corral_session_manager *m = s->m;
	int r = s->maker && s->maker->forget ? s->maker->forget(s->maker->ctx, s->id, err) : 0;

	if (s->has_workspace) {
		int removed = corral_layer_remove(m->dir_fd, s->id, r < 0 ? NULL : err);

		r = r < 0 ? r : removed;
	}
	return r;
}

void manager_made_done(struct corral_session_manager *m)
{
	if (m->launcher_is_own)
		corral_launcher_close(m->launcher);
	m->launcher = NULL;
	m->launcher_is_own = false;
	free(m->choices);
	m->choices = NULL;
	m->n_choices = 0;
	corral_fd_closep(&m->dir_fd);
	if (m->dir[0])
		(void)rmdir(m->dir);
	m->dir[0] = '\0';
}
