/* kernel/skeleton.c: the directories and small files of a composed root, packed for guest init. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/init/wire.h"
#include "kernel/skeleton.h"

static struct corral_policy *policy_of(const char *user, const char *hostname,
                                       enum corral_network_mode network)
{
	struct corral_config *c = corral_config_new();
	struct corral_policy *p = NULL;
	struct corral_error err = { 0 };

	assert_non_null(c);
	if (user)
		assert_int_equal(corral_config_set_user(c, user, &err), 0);
	if (hostname)
		assert_int_equal(corral_config_set_text(&c->hostname, hostname, &err), 0);
	c->network = network;
	if (corral_policy_compile(c, NULL, &p, &err) < 0)
		fail_msg("%s", err.text);
	corral_config_free(c);
	return p;
}

/* Walks all entries as guest init does, checking the form of each; the one at path, or NULL. */
static const struct corral_wire_entry *entry_at(const struct corral_buf *b, const char *path)
{
	const struct corral_wire_entry *found = NULL;
	size_t at = 0;

	while (at < b->len) {
		const struct corral_wire_entry *e = (const void *)(b->data + at);

		assert_true(b->len - at >= offsetof(struct corral_wire_entry, path));
		assert_int_equal(e->size % 4, 0);
		assert_true(e->size <= b->len - at);
		assert_true(offsetof(struct corral_wire_entry, path) + e->path_len + e->data_len +
		                    2u <=
		            e->size);
		assert_int_equal(strlen(e->path), e->path_len);
		assert_int_equal(strlen(e->path + e->path_len + 1), e->data_len);
		assert_true(e->path[0] && e->path[0] != '/');
		assert_null(strstr(e->path, ".."));
		if (!strcmp(e->path, path)) {
			assert_null(found); /* once */
			found = e;
		}
		at += e->size;
	}
	assert_int_equal(at, b->len);
	return found;
}

static const char *data_of(const struct corral_wire_entry *e)
{
	assert_non_null(e);
	return e->path + e->path_len + 1;
}

static void parents_come_before_children(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_etc etc = { .n_bind = 0 };
	struct corral_policy *p = policy_of(NULL, NULL, CORRAL_NETWORK_NONE);

	(void)state;
	corral_skeleton_build(&b, p, &etc);
	for (size_t at = 0; at < b.len;
	     at += ((const struct corral_wire_entry *)(const void *)(b.data + at))->size) {
		const struct corral_wire_entry *e = (const void *)(b.data + at), *parent;
		const char *slash = strrchr(e->path, '/');
		char dir[256];

		if (!slash)
			continue;
		(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - e->path), e->path);
		parent = entry_at(&b, dir);
		if (!parent)
			fail_msg("'%s' has no parent", e->path);
		assert_int_equal(parent->kind, 'd');
		assert_true((const char *)parent < (const char *)e);
	}
	corral_policy_free(p);
}

static void modes_are_those_of_a_root(void **state)
{
	static const struct {
		const char *path;
		unsigned int mode;
	} rows[] = { { "tmp", 01777 },
		     { "var/tmp", 01777 },
		     { "root", 0700 },
		     { "etc", 0755 },
		     { "proc", 0555 } };
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_etc etc = { .n_bind = 0 };
	struct corral_policy *p = policy_of(NULL, NULL, CORRAL_NETWORK_NONE);

	(void)state;
	corral_skeleton_build(&b, p, &etc);
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		const struct corral_wire_entry *e = entry_at(&b, rows[i].path);

		assert_non_null(e);
		assert_int_equal(e->kind, 'd');
		assert_int_equal(e->mode, rows[i].mode);
	}
	assert_null(entry_at(&b, "etc/shadow"));
	assert_null(entry_at(&b, "etc/machine-id"));
	corral_policy_free(p);
}

static void accounts_are_root_nobody_and_the_user(void **state)
{
	static const struct {
		const char *user, *passwd, *group;
	} rows[] = {
		{ NULL, NULL, NULL },
		{ "1000:1001", "user:x:1000:1001:user:/workspace:/bin/sh\n", "user:x:1001:\n" },
		{ "65534:65534", NULL, NULL },
		{ "0:5", NULL, NULL }, /* tty is there already */
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
		struct corral_etc etc = { .n_bind = 0 };
		struct corral_policy *p = policy_of(rows[i].user, NULL, CORRAL_NETWORK_NONE);
		char passwd[512], group[512];

		corral_skeleton_build(&b, p, &etc);
		(void)snprintf(passwd, sizeof(passwd),
		               "root:x:0:0:root:/root:/bin/sh\n"
		               "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n%s",
		               rows[i].passwd ? rows[i].passwd : "");
		(void)snprintf(group, sizeof(group), "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n%s",
		               rows[i].group ? rows[i].group : "");
		assert_string_equal(data_of(entry_at(&b, "etc/passwd")), passwd);
		assert_string_equal(data_of(entry_at(&b, "etc/group")), group);
		corral_policy_free(p);
	}
}

static void names_are_the_policys(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_etc etc = { .n_bind = 0 };
	struct corral_policy *p = policy_of(NULL, "some-host.example", CORRAL_NETWORK_NONE);

	(void)state;
	corral_skeleton_build(&b, p, &etc);
	assert_string_equal(data_of(entry_at(&b, "etc/hostname")), "some-host.example\n");
	assert_non_null(
	        strstr(data_of(entry_at(&b, "etc/hosts")), "127.0.1.1\tsome-host.example\n"));
	corral_policy_free(p);
}

static void resolver_is_empty_without_a_network_and_bound_with_one(void **state)
{
	(void)state;
	for (int host = 0; host < 2; host++) {
		corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
		struct corral_etc etc = { .n_bind = 0 };
		struct corral_policy *p =
		        policy_of(NULL, NULL, host ? CORRAL_NETWORK_HOST : CORRAL_NETWORK_NONE);
		const struct corral_wire_entry *e;

		corral_skeleton_build(&b, p, &etc);
		e = entry_at(&b, "etc/resolv.conf");
		if (host)
			assert_null(e);
		else
			assert_string_equal(data_of(e), "");
		corral_policy_free(p);
	}
}

static void links_of_the_host_are_made(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_etc etc = { .n_top_links = 1,
		                  .top_links = { { "/bin", "usr/bin" } },
		                  .localtime = "/usr/share/zoneinfo/Etc/UTC" };
	struct corral_policy *p = policy_of(NULL, NULL, CORRAL_NETWORK_NONE);

	(void)state;
	corral_skeleton_build(&b, p, &etc);
	assert_int_equal(entry_at(&b, "bin")->kind, 'l');
	assert_string_equal(data_of(entry_at(&b, "bin")), "usr/bin");
	assert_string_equal(data_of(entry_at(&b, "etc/localtime")), "/usr/share/zoneinfo/Etc/UTC");
	assert_string_equal(data_of(entry_at(&b, "etc/mtab")), "../proc/self/mounts");
	corral_policy_free(p);
}

static bool same_entry(const struct corral_wire_entry *a, const struct corral_wire_entry *b)
{
	return a->size == b->size && memcmp(a, b, a->size) == 0;
}

/* The layer that serves all, and what one sandbox has above it, are together what it would have had
 * alone. */
static void template_and_what_is_beside_it_make_the_same_root(void **state)
{
	static const struct {
		const char *user, *hostname;
		size_t beside; /* entries */
	} rows[] = {
		{ NULL, NULL, 0 },        { "65534:65534", NULL, 0 }, { "0:5", NULL, 0 },
		{ NULL, "other", 3 },     { "1000:1000", NULL, 3 },   { "0:7", NULL, 3 },
		{ "1000:0", "other", 5 },
	};
	const struct corral_etc etc = { .n_bind = 2,
		                        .bind = { "/etc/ld.so.cache", "/etc/ssl/certs" },
		                        .bind_is_dir = { false, true } };

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct corral_policy *p =
		        policy_of(rows[i].user, rows[i].hostname, CORRAL_NETWORK_NONE);
		corral_autobuf struct corral_buf alone = CORRAL_BUF_INIT, all = CORRAL_BUF_INIT,
		                                 beside = CORRAL_BUF_INIT;
		size_t n = 0;

		corral_skeleton_build(&alone, p, &etc);
		corral_skeleton_template(&all, &etc);
		corral_skeleton_beside_template(&beside, p);
		for (size_t at = 0; at < beside.len; n++)
			at += ((const struct corral_wire_entry *)(const void *)(beside.data + at))
			              ->size;
		assert_int_equal(n, rows[i].beside);
		for (size_t at = 0; at < alone.len;) {
			const struct corral_wire_entry *e = (const void *)(alone.data + at), *found;

			found = entry_at(&beside, e->path);
			if (!found)
				found = entry_at(&all, e->path);
			if (!found || !same_entry(e, found))
				fail_msg("row %zu: %s is %s", i, e->path,
				         found ? "another" : "missing");
			at += e->size;
		}
		corral_policy_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parents_come_before_children),
		cmocka_unit_test(modes_are_those_of_a_root),
		cmocka_unit_test(accounts_are_root_nobody_and_the_user),
		cmocka_unit_test(names_are_the_policys),
		cmocka_unit_test(resolver_is_empty_without_a_network_and_bound_with_one),
		cmocka_unit_test(links_of_the_host_are_made),
		cmocka_unit_test(template_and_what_is_beside_it_make_the_same_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
