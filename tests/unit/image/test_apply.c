/*
 * kernel/image/apply.h: what an image says beneath what was asked for, and whom it names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/base/buf.h"
#include "kernel/image/account.h"
#include "kernel/image/apply.h"
#include "policy/policy.h"
#include "tests/unit/image/store_support.h"

#define HOST_SECRET "root:x:0:0:root:/host:/bin/sh\nhostuser:x:4242:4242::/host:/bin/sh\n"

static int make(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	place_make(p);
	layer_make(p, "base",
	           WORDS("etc/", "srv/", "srv/app/",
	                 "etc/passwd=root:x:0:0:root:/root:/bin/sh\nbad:x:99999999999:1::/:/x\n"
	                 "short:x\napp:x:1000:1001::/home/app:/bin/sh\n12:x:34:35::/twelve:/x\n",
	                 "etc/group=root:x:0:\nstaff:x:50:\n"));
	*state = p;
	return 0;
}

static int unmake(void **state)
{
	place_remove(*state);
	free(*state);
	return 0;
}

static void said_make(struct place *p, const char *name, const char *user, const char *work_dir)
{
	corral_auto(corral_image_freep) struct corral_image *i = image_of(p, name, WORDS("base"));

	i->env = texts_of(WORDS("A=image", "B=image", "=nothing", "nothing"), &i->n_env);
	i->user = strdup(user);
	i->work_dir = strdup(work_dir);
	i->entrypoint = texts_of(WORDS("/entry"), &i->n_entrypoint);
	i->command = texts_of(WORDS("one", "two"), &i->n_command);
	OK(p, corral_image_commit(p->store, i, name, NULL, &p->err));
}

static struct corral_config *asked(const char *json)
{
	struct corral_config *c = corral_config_new();

	assert_non_null(c);
	assert_int_equal(corral_config_parse(c, json, strlen(json), NULL), 0);
	return c;
}

static void env_is(const struct corral_config *c, const char *wanted)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;

	for (size_t i = 0; i < c->n_env; i++)
		corral_buf_fmt(&text, "%s%s", i ? " " : "", c->env[i]);
	assert_string_equal(text.data ? text.data : "", wanted);
}

static void image_says_what_nobody_else_does(void **state)
{
	corral_auto(corral_config_freep) struct corral_config *c = asked("{\"image\":\"i\"}");
	struct place *p = *state;

	said_make(p, "i", "app:staff", "/srv/app/");
	OK(p, corral_image_apply(p->store, c, &p->err));
	env_is(c, "HOME=/home/app USER=app A=image B=image");
	assert_true(c->has_user);
	assert_int_equal(c->guest_uid, 1000);
	assert_int_equal(c->guest_gid, 50);
	assert_string_equal(c->work_dir, "/srv/app");
	assert_true(c->bare_work_dir);
	assert_int_equal(c->n_argv, 3);
	assert_string_equal(c->argv[0], "/entry");
	assert_string_equal(c->argv[2], "two");
	assert_true(c->rootfs_is_image);
	assert_non_null(strstr(c->rootfs, "/roots/"));
	/* Again is no mistake. */
	OK(p, corral_image_apply(p->store, c, &p->err));
	assert_int_equal(c->n_env, 4);
}

static void what_is_said_counts(void **state)
{
	corral_auto(corral_config_freep) struct corral_config *c = asked(
	        "{\"image\":\"i\",\"env\":{\"B\":\"said\"},\"user\":\"12:13\",\"work_dir\":\"/w\","
	        "\"command\":[\"true\"]}");
	struct place *p = *state;

	said_make(p, "i", "app:staff", "/srv/app");
	OK(p, corral_image_apply(p->store, c, &p->err));
	env_is(c, "A=image B=image B=said");
	assert_int_equal(c->guest_uid, 12);
	assert_int_equal(c->guest_gid, 13);
	assert_string_equal(c->work_dir, "/w");
	assert_false(c->bare_work_dir);
	assert_int_equal(c->n_argv, 1);
}

static void cleared_environment_has_nothing_of_the_image(void **state)
{
	corral_auto(corral_config_freep) struct corral_config *c =
	        asked("{\"image\":\"i\",\"clear_env\":true,\"env\":{\"B\":\"said\"}}");
	struct place *p = *state;

	said_make(p, "i", "", "/never/there");
	OK(p, corral_image_apply(p->store, c, &p->err));
	env_is(c, "B=said");
	assert_false(c->has_user);
	/* A directory that the image does not have is an empty one. */
	assert_string_equal(c->work_dir, "/never/there");
	assert_false(c->bare_work_dir);
}

static void bad_directory_is_an_error(void **state)
{
	static const char *const bad[] = { "relative", "/a/../b", "/a\nb" };
	struct place *p = *state;

	for (size_t i = 0; i < CORRAL_COUNT(bad); i++) {
		corral_auto(corral_config_freep) struct corral_config *c = asked("{}");
		char name[8];

		(void)snprintf(name, sizeof(name), "i%zu", i);
		said_make(p, name, "", bad[i]);
		OK(p, corral_config_set_text(&c->image, name, &p->err));
		assert_int_equal(corral_image_apply(p->store, c, &p->err), -EINVAL);
		assert_non_null(strstr(p->err.text, "its work directory"));
		assert_false(c->rootfs_is_image);
	}
}

static void policy_holds_the_image(void **state)
{
	corral_auto(corral_config_freep) struct corral_config *c = asked("{\"image\":\"i\"}");
	corral_auto(corral_policy_freep) struct corral_policy *a = NULL, *b = NULL, *other = NULL;
	struct corral_image_removal gone = { 0 };
	struct place *p = *state;

	said_make(p, "i", "app", "/srv/app");
	OK(p, corral_image_apply(p->store, c, &p->err));
	OK(p, corral_policy_compile(c, NULL, &a, &p->err));
	OK(p, corral_policy_compile(c, NULL, &b, &p->err));
	/* A sandbox made for one serves the other. */
	assert_true(corral_policy_interchangeable(a, b));
	b->bare_work_dir = !b->bare_work_dir;
	assert_false(corral_policy_interchangeable(a, b));
	b->bare_work_dir = !b->bare_work_dir;
	b->rootfs_path[strlen(b->rootfs_path) - 6] ^= 1;
	assert_false(corral_policy_interchangeable(a, b));
	corral_config_free(c);
	c = asked("{}");
	OK(p, corral_policy_compile(c, NULL, &other, &p->err));
	assert_false(corral_policy_interchangeable(a, other));
	corral_policy_free(b);
	b = NULL;
	assert_int_equal(corral_image_remove(p->store, "i", &gone, &p->err), -EBUSY);
	corral_policy_free(a);
	a = NULL;
	OK(p, corral_image_remove(p->store, "i", &gone, &p->err));
	corral_image_removal_done(&gone);
}

/* --- accounts --- */

static void accounts_are(struct place *p, int root_fd, const char *user, int uid, int gid,
                         const char *home)
{
	corral_auto(corral_account_done) struct corral_account a = { 0 };
	int r = corral_image_account_find(root_fd, user, true, &a, &p->err);

	if (uid < 0) {
		if (r != -EINVAL)
			fail_msg("'%s' was found", user);
		return;
	}
	if (r < 0)
		fail_msg("'%s': %s", user, p->err.text);
	assert_int_equal(a.guest_uid, uid);
	assert_int_equal(a.guest_gid, gid);
	assert_string_equal(a.guest_home ? a.guest_home : "", home);
}

static int root_open(struct place *p)
{
	char id[80], path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/tree", digest_of("base", id) + 7);
	fd = openat(p->store->dirs[STORE_LAYERS], path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void accounts_are_those_of_the_image(void **state)
{
	struct place *p = *state;
	corral_autofd int fd = root_open(p);

	accounts_are(p, fd, "", 0, 0, "/root");
	accounts_are(p, fd, "root", 0, 0, "/root");
	accounts_are(p, fd, "app", 1000, 1001, "/home/app");
	accounts_are(p, fd, "app:staff", 1000, 50, "/home/app");
	accounts_are(p, fd, "app:7", 1000, 7, "/home/app");
	accounts_are(p, fd, "1000", 1000, 1001, "/home/app");
	accounts_are(p, fd, "4000", 4000, 0, "");
	accounts_are(p, fd, "4000:staff", 4000, 50, "");
	accounts_are(p, fd, "12", 34, 35, "/twelve");
	accounts_are(p, fd, "ghost", -1, 0, "");
	accounts_are(p, fd, "app:ghosts", -1, 0, "");
	accounts_are(p, fd, "bad", -1, 0, "");
	accounts_are(p, fd, "short", -1, 0, "");
	accounts_are(p, fd, "-1", -1, 0, "");
	accounts_are(p, fd, "4294967295", -1, 0, "");
}

/* What a stranger's tree has in the place of the file. */
static void nothing_outside_of_the_image_is_read(void **state)
{
	struct place *p = *state;
	corral_autofd int fd = root_open(p);
	char outside[128];

	(void)snprintf(outside, sizeof(outside), "%s/outside", p->root);
	text_put(AT_FDCWD, outside, HOST_SECRET, 0644);
	assert_int_equal(unlinkat(fd, "etc/passwd", 0), 0);
	accounts_are(p, fd, "root", -1, 0, "");
	accounts_are(p, fd, "0", 0, 0, "");
	assert_int_equal(symlinkat(outside, fd, "etc/passwd"), 0);
	accounts_are(p, fd, "hostuser", -1, 0, "");
	assert_int_equal(unlinkat(fd, "etc/passwd", 0), 0);
	assert_int_equal(symlinkat("../../../../../../../../etc/passwd", fd, "etc/passwd"), 0);
	accounts_are(p, fd, "daemon", -1, 0, "");
	/* A link within it is followed, within it. */
	assert_int_equal(unlinkat(fd, "etc/passwd", 0), 0);
	assert_int_equal(symlinkat("/etc/../srv/accounts", fd, "etc/passwd"), 0);
	text_put(fd, "srv/accounts", "in:x:5:6::/in:/x\n", 0644);
	accounts_are(p, fd, "in", 5, 6, "/in");
	/* Nothing is waited for. */
	assert_int_equal(unlinkat(fd, "etc/passwd", 0), 0);
	assert_int_equal(mkfifoat(fd, "etc/passwd", 0666), 0);
	accounts_are(p, fd, "root", -1, 0, "");
}

static void numbers_beside_names_are_those_of_the_image(void **state)
{
	static const struct {
		const char *user;
		uint32_t uid, gid, n_groups;
		const char *env;
	} rows[] = {
		{ "app", 1000, 1001, 2, "HOME=/home/app USER=app A=image B=image" },
		{ "1000", 1000, 1001, 2, "HOME=/home/app USER=app A=image B=image" },
		{ "app:staff", 1000, 50, 0, "HOME=/home/app USER=app A=image B=image" },
		{ "1000:7", 1000, 7, 0, "HOME=/home/app USER=app A=image B=image" },
		/* Of a number alone that nobody knows, its group's as well, as on any root. */
		{ "4000", 4000, 4000, 0, "A=image B=image" },
		/* An account is called so, and has another. */
		{ "12", 12, 12, 0, "A=image B=image" },
	};
	struct place *p = *state;
	corral_autofd int fd = root_open(p);
	corral_auto(corral_config_freep) struct corral_config *ghost =
	        asked("{\"image\":\"i\",\"user\":\"ghost\"}");

	text_put(fd, "etc/group", "staff:x:50:app\naudio:x:29:app\n", 0644);
	said_make(p, "i", "12", "");
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		corral_auto(corral_config_freep) struct corral_config *c =
		        asked("{\"image\":\"i\"}");

		OK(p, corral_config_set_user(c, rows[i].user, &p->err));
		OK(p, corral_image_apply(p->store, c, &p->err));
		assert_true(c->has_user);
		assert_int_equal(c->guest_uid, rows[i].uid);
		assert_int_equal(c->guest_gid, rows[i].gid);
		assert_int_equal(c->n_groups, rows[i].n_groups);
		env_is(c, rows[i].env);
	}
	assert_int_equal(corral_image_apply(p->store, ghost, &p->err), -EINVAL);
	assert_string_equal(p->err.text, "image 'i': user 'ghost' is not in its /etc/passwd: give "
	                                 "one that is, or numbers (UID:GID)");
	assert_false(ghost->has_user);
}

static void directory_has_users_as_an_image_has(void **state)
{
	corral_auto(corral_config_freep) struct corral_config *c =
	        asked("{\"user\":\"hostuser\",\"env\":{\"USER\":\"said\"}}");
	struct place *p = *state;
	char dir[160], path[220], outside[160];

	(void)snprintf(dir, sizeof(dir), "%s/dir", p->root);
	(void)snprintf(path, sizeof(path), "%s/etc", dir);
	(void)snprintf(outside, sizeof(outside), "%s/outside", p->root);
	text_put(AT_FDCWD, outside, HOST_SECRET, 0644);
	assert_int_equal(mkdir(dir, 0755), 0);
	OK(p, corral_config_set_text(&c->rootfs, dir, &p->err));
	/* Without any /etc there, and with one that leads out of it. */
	assert_int_equal(corral_rootfs_account_apply(c, &p->err), -EINVAL);
	assert_int_equal(symlink("/etc", path), 0);
	assert_int_equal(corral_rootfs_account_apply(c, &p->err), -EINVAL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/etc/passwd", dir);
	assert_int_equal(symlink(outside, path), 0);
	assert_int_equal(corral_rootfs_account_apply(c, &p->err), -EINVAL);
	assert_non_null(strstr(p->err.text, "user 'hostuser' is not in its /etc/passwd: give"));
	assert_true(!c->has_user && !c->user_is_found && c->n_env == 1);
	assert_int_equal(unlink(path), 0);
	text_put(AT_FDCWD, path, HOST_SECRET, 0644);
	OK(p, corral_rootfs_account_apply(c, &p->err));
	OK(p, corral_rootfs_account_apply(c, &p->err));
	assert_true(c->has_user);
	assert_int_equal(c->guest_uid, 4242);
	env_is(c, "HOME=/host USER=hostuser USER=said");
	/* Larger than any file of accounts is: refused, and not read to its end. */
	assert_int_equal(truncate(path, (5 << 20)), 0);
	OK(p, corral_config_set_user(c, "root", &p->err));
	assert_int_equal(corral_rootfs_account_apply(c, &p->err), -EFBIG);
	assert_non_null(strstr(p->err.text, "read its /etc/passwd"));
}

static void runtime_finds_its_image(void **state)
{
	static const char json[] = "{\"name\":\"r\",\"image\":\"i\"}",
	                  built[] = "{\"name\":\"b\",\"base_image\":\"i\"}",
	                  host[] = "{\"name\":\"h\"}";
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	struct corral_runtime *rt = NULL;
	struct place *p = *state;

	OK(p, corral_runtime_parse(host, sizeof(host) - 1, &rt, &p->err));
	OK(p, corral_image_of_runtime(NULL, rt, &i, &p->err));
	assert_null(i);
	corral_runtime_free(rt);
	OK(p, corral_runtime_parse(json, sizeof(json) - 1, &rt, &p->err));
	assert_int_equal(corral_image_of_runtime(NULL, rt, &i, &p->err), -ENOENT);
	assert_int_equal(corral_image_of_runtime(p->store, rt, &i, &p->err), -ENOENT);
	assert_string_equal(p->err.text, "its root filesystem is the image 'i', which is not in "
	                                 "corral's store: corral image pull i");
	said_make(p, "i", "", "");
	OK(p, corral_image_of_runtime(p->store, rt, &i, &p->err));
	assert_string_equal(i->names[0], "docker.io/library/i:latest");
	corral_runtime_free(rt);
	OK(p, corral_runtime_parse(built, sizeof(built) - 1, &rt, &p->err));
	assert_int_equal(corral_image_of_runtime(p->store, rt, &i, &p->err), -ENOENT);
	assert_non_null(strstr(p->err.text, "corral runtime build b"));
	corral_runtime_free(rt);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(image_says_what_nobody_else_does),
		TEST(what_is_said_counts),
		TEST(cleared_environment_has_nothing_of_the_image),
		TEST(bad_directory_is_an_error),
		TEST(policy_holds_the_image),
		TEST(accounts_are_those_of_the_image),
		TEST(nothing_outside_of_the_image_is_read),
		TEST(numbers_beside_names_are_those_of_the_image),
		TEST(directory_has_users_as_an_image_has),
		TEST(runtime_finds_its_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
