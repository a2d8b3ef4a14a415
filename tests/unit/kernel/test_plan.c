/* kernel/plan.c: a policy becomes a list of steps whose order is what keeps the guest in. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/layers/layers.h"
#include "kernel/plan_build.h"
#include "kernel/receipt.h"

#define ALL_FEATURES                                                                     \
	(CORRAL_HOST_NEW_MOUNT_API | CORRAL_HOST_MOUNT_SETATTR | CORRAL_HOST_ID_MAPPED | \
	 CORRAL_HOST_CLONE_INTO_CGROUP | CORRAL_HOST_OPENAT2 | CORRAL_HOST_USER_NOTIF |  \
	 CORRAL_HOST_LANDLOCK | CORRAL_HOST_USERNS)

struct fixture {
	struct corral_config *config;
	struct corral_policy *policy;
	struct corral_host host;
	struct corral_etc etc;
	struct corral_plan_facts facts;
	struct corral_plan *plan;
	struct corral_error err;
};

static void fixture_init(struct fixture *f, enum corral_id_scheme scheme)
{
	memset(f, 0, sizeof(*f));
	f->config = corral_config_new();
	assert_non_null(f->config);
	f->host = (struct corral_host) { .features = ALL_FEATURES,
		                         .landlock_abi = 4,
		                         .kernel_major = 6 };
	f->host.features |= scheme == CORRAL_ID_RANGE ? CORRAL_HOST_PRIVILEGED : 0;
	f->etc.bind[f->etc.n_bind++] = "/etc/ld.so.cache";
	f->facts = (struct corral_plan_facts) {
		.host = &f->host,
		.etc = &f->etc,
		.scheme = scheme,
		.base = scheme == CORRAL_ID_RANGE ? 1u << 20 : 0,
		.netns_ready = scheme == CORRAL_ID_RANGE,
		.has_cgroup = scheme == CORRAL_ID_RANGE,
		.n_join = scheme == CORRAL_ID_RANGE ? 2 : 0,
	};
}

static void fixture_done(struct fixture *f)
{
	corral_plan_free(f->plan);
	corral_policy_free(f->policy);
	corral_config_free(f->config);
}

static int compile(struct fixture *f)
{
	corral_plan_free(f->plan);
	f->plan = NULL;
	corral_policy_free(f->policy);
	f->policy = NULL;
	if (corral_policy_compile(f->config, NULL, &f->policy, &f->err) < 0)
		fail_msg("%s", f->err.text);
	return corral_plan_compile(f->policy, &f->facts, &f->plan, &f->err);
}

static void compiled(struct fixture *f)
{
	if (compile(f) < 0)
		fail_msg("%s", f->err.text);
}

/* Where the first (or last) step of a kind is; -1 when there is none. */
static int first(const struct fixture *f, enum corral_step_kind kind)
{
	for (uint32_t i = 0; i < f->plan->message->n_steps; i++)
		if (f->plan->message->steps[i].kind == kind)
			return (int)i;
	return -1;
}

static int last(const struct fixture *f, enum corral_step_kind kind)
{
	for (uint32_t i = f->plan->message->n_steps; i-- > 0;)
		if (f->plan->message->steps[i].kind == kind)
			return (int)i;
	return -1;
}

static const struct corral_step *step(const struct fixture *f, enum corral_step_kind kind)
{
	int at = first(f, kind);

	if (at < 0)
		fail_msg("no step of kind %d", (int)kind);
	return &f->plan->message->steps[at];
}

static const enum corral_step_kind mounting[] = {
	CORRAL_STEP_SCRATCH, CORRAL_STEP_SKELETON, CORRAL_STEP_LAYER,        CORRAL_STEP_OVERLAY,
	CORRAL_STEP_ROOT,    CORRAL_STEP_BIND,     CORRAL_STEP_SCRATCH_BIND, CORRAL_STEP_FILE,
	CORRAL_STEP_TMPFS,   CORRAL_STEP_DEVICES,  CORRAL_STEP_PROC,         CORRAL_STEP_DEVPTS,
	CORRAL_STEP_MASK,
};

static void assert_order(const struct fixture *f)
{
	int n = (int)f->plan->message->n_steps, pivot = first(f, CORRAL_STEP_PIVOT);

	/* Nothing is mounted before propagation is off, nor after the host's root is gone. */
	assert_true(pivot >= 0);
	for (size_t i = 0; i < CORRAL_COUNT(mounting); i++) {
		int at = first(f, mounting[i]);

		if (at < 0)
			continue;
		assert_true(first(f, CORRAL_STEP_PRIVATE) < at);
		assert_true(last(f, mounting[i]) < pivot);
	}
	/* The mounts belong to the outside: the namespace comes after them, and what it grants is
	 * dropped after it. */
	assert_true(first(f, CORRAL_STEP_USERNS) > pivot);
	assert_true(first(f, CORRAL_STEP_IDS) > first(f, CORRAL_STEP_USERNS));
	assert_true(first(f, CORRAL_STEP_CAPS) > first(f, CORRAL_STEP_IDS));
	assert_true(first(f, CORRAL_STEP_CAPS) < first(f, CORRAL_STEP_SECCOMP));
	assert_true(first(f, CORRAL_STEP_LANDLOCK) >
	            first(f, CORRAL_STEP_CAPS)); /* needs no_new_privs */
	assert_int_equal(first(f, CORRAL_STEP_SECCOMP), n - 1);
	/* Groups and namespaces of the host are joined while there is the right to. */
	assert_true(last(f, CORRAL_STEP_JOIN_CGROUP) < first(f, CORRAL_STEP_USERNS));
	assert_true(last(f, CORRAL_STEP_SETNS) < first(f, CORRAL_STEP_USERNS));
	if (first(f, CORRAL_STEP_UNSHARE) >= 0)
		assert_true(last(f, CORRAL_STEP_JOIN_CGROUP) < first(f, CORRAL_STEP_UNSHARE));
	/* What hides something comes after what it hides. */
	assert_true(first(f, CORRAL_STEP_PROC) < last(f, CORRAL_STEP_MASK));
	assert_true(first(f, CORRAL_STEP_DEVICES) < first(f, CORRAL_STEP_DEVPTS));
}

static void order_is_the_one_that_contains(void **state)
{
	static const enum corral_id_scheme schemes[] = { CORRAL_ID_RANGE, CORRAL_ID_SINGLE,
		                                         CORRAL_ID_SUBIDS };
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(schemes); i++) {
		fixture_init(&f, schemes[i]);
		assert_int_equal(corral_config_put_mount(f.config, CORRAL_MOUNT_RO_BIND, "/opt",
		                                         "/opt", 0, &f.err),
		                 0);
		assert_int_equal(corral_config_put_mount(f.config, CORRAL_MOUNT_TMPFS, NULL,
		                                         "/opt/x", 0, &f.err),
		                 0);
		compiled(&f);
		assert_order(&f);
		assert_int_equal(corral_config_set_text(&f.config->rootfs, "/srv", &f.err), 0);
		compiled(&f);
		assert_order(&f);
		fixture_done(&f);
	}
}

static void compiling_is_pure(void **state)
{
	struct corral_plan *again = NULL;
	struct fixture f;

	(void)state;
	fixture_init(&f, CORRAL_ID_RANGE);
	/* Sources that do not exist are the launch's business. */
	assert_int_equal(corral_config_put_mount(f.config, CORRAL_MOUNT_BIND, "/no/such", "/data",
	                                         0, &f.err),
	                 0);
	assert_int_equal(corral_config_set_text(&f.config->workspace, "/no/such/either", &f.err),
	                 0);
	compiled(&f);
	assert_int_equal(corral_plan_compile(f.policy, &f.facts, &again, &f.err), 0);
	assert_int_equal(again->map_size, f.plan->map_size);
	assert_memory_equal(again->message, f.plan->message, f.plan->map_size);
	assert_int_equal(again->n_slots, f.plan->n_slots);
	assert_true(again->clone_flags == f.plan->clone_flags);
	corral_plan_free(again);
	fixture_done(&f);
}

static void descriptors_come_in_the_order_of_the_steps(void **state)
{
	struct fixture f;
	int seen = -1;

	(void)state;
	fixture_init(&f, CORRAL_ID_RANGE);
	assert_int_equal(corral_config_put_mount(f.config, CORRAL_MOUNT_BIND, "/data", "/data", 0,
	                                         &f.err),
	                 0);
	compiled(&f);
	for (uint32_t i = 0; i < f.plan->message->n_steps; i++) {
		int fd = f.plan->message->steps[i].fd;

		if (fd < 0)
			continue;
		assert_true(fd > seen);
		assert_true((unsigned int)fd < f.plan->n_slots);
		seen = fd;
	}
	fixture_done(&f);
}

static void root_gets_a_range_and_others_a_namespace_of_one_id(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, CORRAL_ID_RANGE);
	compiled(&f);
	assert_false(f.plan->clone_flags & CLONE_NEWUSER); /* entered last */
	assert_true(step(&f, CORRAL_STEP_USERNS)->fd >= 0);
	assert_int_equal(f.plan->slots[step(&f, CORRAL_STEP_USERNS)->fd].kind, CORRAL_SLOT_USERNS);
	assert_true(f.plan->layers & CORRAL_LAYER_ID_RANGE);
	assert_true(f.plan->layers & CORRAL_LAYER_ID_MAPPED);
	assert_int_equal(step(&f, CORRAL_STEP_SCRATCH)->uid, 1u << 20);
	assert_true(step(&f, CORRAL_STEP_DEVICES)->flags & CORRAL_STEP_MKNOD);
	fixture_done(&f);

	fixture_init(&f, CORRAL_ID_SINGLE);
	compiled(&f);
	assert_true(f.plan->clone_flags & CLONE_NEWUSER);
	assert_true(f.plan->clone_flags & CLONE_NEWNET);
	assert_int_equal(step(&f, CORRAL_STEP_USERNS)->fd, -1);
	assert_int_equal(step(&f, CORRAL_STEP_USERNS)->n[0], 1);
	assert_false(f.plan->layers & CORRAL_LAYER_ID_RANGE);
	assert_int_equal(f.plan->n_slots, 0); /* no privilege, nothing to hand over */
	assert_false(step(&f, CORRAL_STEP_DEVICES)->flags & CORRAL_STEP_MKNOD);
	fixture_done(&f);

	fixture_init(&f, CORRAL_ID_SUBIDS);
	compiled(&f);
	assert_int_equal(step(&f, CORRAL_STEP_USERNS)->n[0], 65536);
	fixture_done(&f);
}

static void every_bind_has_its_attributes(void **state)
{
	struct fixture f;
	unsigned int n = 0;

	(void)state;
	fixture_init(&f, CORRAL_ID_SINGLE);
	assert_int_equal(corral_config_put_mount(f.config, CORRAL_MOUNT_BIND, "/data", "/data", 0,
	                                         &f.err),
	                 0);
	assert_int_equal(corral_config_put_mount(f.config, CORRAL_MOUNT_RO_BIND, "/read", "/read",
	                                         0, &f.err),
	                 0);
	compiled(&f);
	for (uint32_t i = 0; i < f.plan->message->n_steps; i++) {
		const struct corral_step *s = &f.plan->message->steps[i];
		const char *to = corral_plan_text(f.plan, s->s[1]);

		if (s->kind != CORRAL_STEP_BIND)
			continue;
		n++;
		assert_true(s->attr & MOUNT_ATTR_NOSUID);
		assert_true(s->attr & MOUNT_ATTR_NODEV);
		assert_true(((s->attr & MOUNT_ATTR_RDONLY) == 0) == (strcmp(to, "/data") == 0));
	}
	assert_true(n >= 4); /* /usr, /etc/ld.so.cache and the two */
	fixture_done(&f);
}

static void writable_directory_needs_id_mapped_mounts_as_root(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, CORRAL_ID_RANGE);
	f.host.features &= ~(uint32_t)CORRAL_HOST_ID_MAPPED;
	compiled(&f);
	assert_int_equal(corral_config_put_mount(f.config, CORRAL_MOUNT_RO_BIND, "/opt", "/opt", 0,
	                                         &f.err),
	                 0);
	compiled(&f);
	assert_int_equal(corral_config_set_text(&f.config->workspace, "/srv", &f.err), 0);
	assert_int_equal(compile(&f), -EOPNOTSUPP);
	assert_non_null(strstr(f.err.text, "id-mapped mounts"));
	fixture_done(&f);

	fixture_init(&f, CORRAL_ID_SINGLE);
	f.host.features &= ~(uint32_t)CORRAL_HOST_ID_MAPPED;
	assert_int_equal(corral_config_set_text(&f.config->workspace, "/srv", &f.err), 0);
	compiled(&f);
	fixture_done(&f);
}

static void missing_features_leave_their_steps_out(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, CORRAL_ID_SINGLE);
	compiled(&f);
	assert_true(step(&f, CORRAL_STEP_SECCOMP)->flags & CORRAL_STEP_NOTIFY);
	assert_true(f.plan->layers & CORRAL_LAYER_LANDLOCK);
	assert_int_equal(step(&f, CORRAL_STEP_LANDLOCK)->n[0], 4);
	f.host.features &=
	        ~(uint32_t)(CORRAL_HOST_USER_NOTIF | CORRAL_HOST_LANDLOCK | CORRAL_HOST_OPENAT2);
	compiled(&f);
	assert_false(step(&f, CORRAL_STEP_SECCOMP)->flags & CORRAL_STEP_NOTIFY);
	assert_int_equal(first(&f, CORRAL_STEP_LANDLOCK), -1);
	assert_false(f.plan->layers & CORRAL_LAYER_LANDLOCK);
	assert_false(f.plan->message->features & CORRAL_WIRE_OPENAT2);
	fixture_done(&f);
}

static void network_of_the_host_is_no_layer(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, CORRAL_ID_RANGE);
	compiled(&f);
	assert_true(f.plan->layers & CORRAL_LAYER_NET_NS);
	assert_true(first(&f, CORRAL_STEP_SETNS) >= 0);
	f.config->network = CORRAL_NETWORK_HOST;
	compiled(&f);
	assert_false(f.plan->layers & CORRAL_LAYER_NET_NS);
	assert_int_equal(first(&f, CORRAL_STEP_SETNS), -1);
	assert_false(f.plan->clone_flags & CLONE_NEWNET);
	fixture_done(&f);
}

static void mounts_beyond_one_message_are_e2big(void **state)
{
	static const enum corral_id_scheme schemes[] = { CORRAL_ID_RANGE, CORRAL_ID_SINGLE };
	struct fixture f;
	char host_path[3600], guest_path[64];

	(void)state;
	memset(host_path, 'x', sizeof(host_path));
	for (size_t k = 0; k < sizeof(host_path); k += 200)
		host_path[k] = '/';
	host_path[sizeof(host_path) - 1] = '\0';
	for (size_t i = 0; i < CORRAL_COUNT(schemes); i++) {
		fixture_init(&f, schemes[i]);
		for (int k = 0; k < 100; k++) {
			(void)snprintf(guest_path, sizeof(guest_path), "/m%d", k);
			assert_int_equal(corral_config_put_mount(f.config, CORRAL_MOUNT_RO_BIND,
			                                         host_path, guest_path, 0, &f.err),
			                 0);
		}
		assert_int_equal(compile(&f), -E2BIG);
		assert_non_null(strstr(f.err.text, "too many mounts"));
		fixture_done(&f);
	}
}

static void plan_cannot_be_changed_once_compiled(void **state)
{
	struct fixture f;
	char line[256], wanted[64];
	int found = 0;
	FILE *maps;

	(void)state;
	fixture_init(&f, CORRAL_ID_SINGLE);
	compiled(&f);
	(void)snprintf(wanted, sizeof(wanted), "%zx-", (size_t)f.plan->message);
	maps = fopen("/proc/self/maps", "re");
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		if (!strncmp(line, wanted, strlen(wanted))) {
			assert_non_null(strstr(line, " r--p "));
			found = 1;
		}
	(void)fclose(maps);
	assert_true(found);
	fixture_done(&f);
}

static void every_step_can_be_said(void **state)
{
	static const enum corral_id_scheme schemes[] = { CORRAL_ID_RANGE, CORRAL_ID_SINGLE,
		                                         CORRAL_ID_SUBIDS };
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(schemes); i++) {
		fixture_init(&f, schemes[i]);
		assert_int_equal(corral_config_put_mount(f.config, CORRAL_MOUNT_TMPFS, NULL, "/x",
		                                         4096, &f.err),
		                 0);
		compiled(&f);
		assert_int_equal(corral_plan_count(f.plan), f.plan->message->n_steps + 1);
		for (size_t k = 0; k < corral_plan_count(f.plan); k++) {
			corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;

			assert_non_null(corral_plan_kind(f.plan, k));
			corral_plan_describe(f.plan, k, &text);
			assert_true(text.len > 0);
		}
		fixture_done(&f);
	}
}

static void kept(struct fixture *f, enum corral_id_scheme scheme, unsigned int n_layers)
{
	fixture_init(f, scheme);
	f->facts.template_path = scheme == CORRAL_ID_RANGE ? "/run/corral/root-1" : NULL;
	assert_int_equal(corral_config_set_text(&f->config->keep, "/keep/top", &f->err), 0);
	f->config->keep_work_dir = true;
	for (unsigned int i = 0; i < n_layers; i++)
		assert_int_equal(corral_config_add_layer(f->config, "/keep/frozen", &f->err), 0);
}

/* The step that puts something on a path of the guest's, or (NULL) is its root. */
static const struct corral_step *placed(const struct fixture *f, enum corral_step_kind kind,
                                        const char *guest_path)
{
	for (uint32_t i = 0; i < f->plan->message->n_steps; i++) {
		const struct corral_step *s = &f->plan->message->steps[i];
		uint32_t at = kind == CORRAL_STEP_OVERLAY ? s->s[0] : s->s[1];

		if (s->kind == kind &&
		    !strcmp(corral_plan_text(f->plan, at), guest_path ? guest_path : ""))
			return s;
	}
	fail_msg("no step of kind %d on %s", (int)kind, guest_path ? guest_path : "/");
	return NULL;
}

static void frozen_layers_lie_beneath_what_is_kept(void **state)
{
	static const enum corral_id_scheme schemes[] = { CORRAL_ID_RANGE, CORRAL_ID_SINGLE };
	const struct corral_step *s;
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(schemes); i++) {
		bool root = schemes[i] == CORRAL_ID_RANGE;

		kept(&f, schemes[i], CORRAL_LAYERS_MAX);
		compiled(&f);
		assert_order(&f);
		s = placed(&f, CORRAL_STEP_OVERLAY, NULL);
		assert_int_equal(s->attr, CORRAL_LAYERS_MAX);
		assert_int_equal(s->n[0], root ? 0 : ~0u);
		assert_true(s->flags & CORRAL_STEP_KEPT);
		assert_int_equal(!(s->flags & CORRAL_STEP_USERXATTR), root);
		s = placed(&f, CORRAL_STEP_OVERLAY, "/workspace");
		assert_int_equal(s->attr, CORRAL_LAYERS_MAX);
		assert_int_equal(s->n[0], ~0u);
		assert_int_equal(s->n[1], 2);
		/* A frozen layer is never written to, and nowhere has its own id 0. */
		for (unsigned int k = 0; k < f.plan->n_slots; k++)
			if (f.plan->slots[k].host_path &&
			    !strcmp(f.plan->slots[k].host_path, "/keep/frozen")) {
				assert_true(f.plan->slots[k].attr & MOUNT_ATTR_RDONLY);
				assert_int_equal(f.plan->slots[k].map, CORRAL_MAP_RANGE);
			}
		fixture_done(&f);
	}
}

static void work_directory_without_layers_costs_no_overlay(void **state)
{
	static const enum corral_id_scheme schemes[] = { CORRAL_ID_RANGE, CORRAL_ID_SINGLE };
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(schemes); i++) {
		kept(&f, schemes[i], 0);
		compiled(&f);
		assert_string_equal(
		        corral_plan_text(f.plan,
		                         placed(&f, CORRAL_STEP_SCRATCH_BIND, "/workspace")->s[0]),
		        "k/u2");
		if (schemes[i] == CORRAL_ID_SINGLE)
			assert_int_equal(first(&f, CORRAL_STEP_OVERLAY), -1);
		fixture_done(&f);
	}
}

static void layers_that_make_no_sense_are_refused(void **state)
{
	struct fixture f;

	(void)state;
	kept(&f, CORRAL_ID_SINGLE, 1);
	f.config->keep_work_dir = false;
	assert_int_equal(compile(&f), -EINVAL);
	fixture_done(&f);
	kept(&f, CORRAL_ID_SUBIDS, 0);
	assert_int_equal(compile(&f), -EOPNOTSUPP);
	assert_non_null(strstr(f.err.text, "could neither read nor remove"));
	fixture_done(&f);
	kept(&f, CORRAL_ID_RANGE, 0);
	f.facts.template_path = NULL;
	assert_int_equal(compile(&f), -EOPNOTSUPP);
	fixture_done(&f);
	kept(&f, CORRAL_ID_RANGE, 0);
	assert_int_equal(corral_config_set_text(&f.config->rootfs, "/rootfs", &f.err), 0);
	compiled(&f);
	f.host.features &= ~(uint32_t)CORRAL_HOST_ID_MAPPED;
	assert_int_equal(compile(&f), -EOPNOTSUPP);
	fixture_done(&f);
}

static void failed_step_is_explained_as_a_sentence(void **state)
{
	struct fixture f;
	int at;

	(void)state;
	fixture_init(&f, CORRAL_ID_SINGLE);
	assert_int_equal(corral_config_put_mount(f.config, CORRAL_MOUNT_TMPFS, NULL, "/data/x", 0,
	                                         &f.err),
	                 0);
	compiled(&f);
	at = first(&f, CORRAL_STEP_TMPFS);
	assert_int_equal(corral_plan_explain(f.plan, (uint32_t)at, EXDEV, 0, &f.err), -EXDEV);
	assert_non_null(strstr(f.err.text, "'/data/x'"));
	assert_non_null(strstr(f.err.text, "creates nothing in a directory of the host"));
	assert_int_equal(corral_plan_explain(f.plan, (uint32_t)at, ELOOP, 0, &f.err), -ELOOP);
	assert_non_null(strstr(f.err.text, "symbolic link"));
	assert_int_equal(corral_plan_explain(f.plan, 10000, ELOOP, 0, &f.err), -EPROTO);
	fixture_done(&f);
}

static const char *ids_said(const struct fixture *f, char *text, size_t size)
{
	struct corral_buf b = CORRAL_BUF_INIT;

	corral_plan_describe(f->plan, (size_t)first(f, CORRAL_STEP_IDS) + 1, &b);
	(void)snprintf(text, size, "%s", b.data);
	corral_buf_done(&b);
	return text;
}

/* Where setgroups(2) is to be had: in a namespace with a range, before anything is dropped. */
static void groups_are_set_where_there_is_a_range(void **state)
{
	static const struct {
		enum corral_id_scheme scheme;
		const char *says;
	} rows[] = {
		{ CORRAL_ID_RANGE, "uid 7 gid 8, groups 50 60; without 1 of its /etc/group above "
		                   "65535" },
		{ CORRAL_ID_SUBIDS, "uid 7 gid 8, groups 50 60; without 1 of its /etc/group above "
		                    "65535" },
		{ CORRAL_ID_SINGLE,
		  "uid 7 gid 8, no other groups: the 3 of its /etc/group take a range of ids" },
	};
	const uint32_t groups[] = { 50, 60 };
	char text[200];

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		const struct corral_step *s;
		struct fixture f;

		fixture_init(&f, rows[i].scheme);
		assert_int_equal(corral_config_set_user(f.config, "7:8", NULL), 0);
		compiled(&f);
		assert_string_equal(ids_said(&f, text, sizeof(text)),
		                    "uid 7 gid 8, no other groups");
		f.config->n_groups = 3;
		f.config->guest_groups[0] = 50;
		f.config->guest_groups[1] = 60;
		f.config->guest_groups[2] = 70000;
		compiled(&f);
		assert_order(&f);
		s = step(&f, CORRAL_STEP_IDS);
		if (rows[i].scheme == CORRAL_ID_SINGLE) {
			assert_int_equal(s->blob_len, 0);
		} else {
			assert_int_equal(s->blob_len, sizeof(groups));
			assert_int_equal(s->blob % sizeof(groups[0]), 0);
			assert_memory_equal((const char *)f.plan->message + s->blob, groups,
			                    sizeof(groups));
		}
		assert_string_equal(ids_said(&f, text, sizeof(text)), rows[i].says);
		fixture_done(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_the_one_that_contains),
		cmocka_unit_test(compiling_is_pure),
		cmocka_unit_test(descriptors_come_in_the_order_of_the_steps),
		cmocka_unit_test(root_gets_a_range_and_others_a_namespace_of_one_id),
		cmocka_unit_test(every_bind_has_its_attributes),
		cmocka_unit_test(writable_directory_needs_id_mapped_mounts_as_root),
		cmocka_unit_test(missing_features_leave_their_steps_out),
		cmocka_unit_test(network_of_the_host_is_no_layer),
		cmocka_unit_test(mounts_beyond_one_message_are_e2big),
		cmocka_unit_test(plan_cannot_be_changed_once_compiled),
		cmocka_unit_test(every_step_can_be_said),
		cmocka_unit_test(groups_are_set_where_there_is_a_range),
		cmocka_unit_test(frozen_layers_lie_beneath_what_is_kept),
		cmocka_unit_test(work_directory_without_layers_costs_no_overlay),
		cmocka_unit_test(layers_that_make_no_sense_are_refused),
		cmocka_unit_test(failed_step_is_explained_as_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
