/*
 * --user by name, as it is from inside: of an image, of a directory and of the host's root; with
 * the groups that the root's own /etc/group gives.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "tests/support.h"

#include "tests/real/image_support.h"
#include "tests/real/sandbox_support.h"

#include "tests/real/cli_support.h"

#define SAY      "id -u; id -G; echo $HOME $USER"
#define SH(line) "--", "/bin/sh", "-c", (line)

static char *dir;
static char images[600], sessions[600], rootfs[600];
static struct run r;

static void users_fill(const char *root)
{
	char path[600];

	image_busybox(root);
	for (const char *const *d = ARGS("tmp", "dev", "proc", "sys", "home/app", "workspace"); *d;
	     d++) {
		(void)snprintf(path, sizeof(path), "%s/%s", root, *d);
		image_folder(path);
	}
	image_file(root, "etc/passwd",
	           "root:x:0:0:root:/root:/bin/sh\n"
	           "broken\n"
	           "app:x:1000:1001:App:/home/app:/bin/sh\n"
	           "plain:x:1002:1002::/home/plain:/bin/sh\n"
	           "app:x:0:0:again:/root:/bin/sh\n",
	           0644);
	image_file(root, "etc/group",
	           "root:x:0:\nstaff:x:50:app\napple:x:70:apple\naudio:x:29:root,app\n"
	           "far:x:100000:app\nown:x:1001:app",
	           0644);
	image_file(root, "staffs", "for staff\n", 0040);
	(void)snprintf(path, sizeof(path), "%s/staffs", root);
	if (geteuid() == 0)
		assert_int_equal(chown(path, 0, 50), 0);
}

static int setup(void **state)
{
	struct corral_image_store *s = NULL;

	(void)umask(022);
	if (!has_busybox())
		return cli_setup(state);
	dir = dir_make();
	(void)snprintf(images, sizeof(images), "%s/images", dir);
	(void)snprintf(sessions, sizeof(sessions), "%s/sessions", dir);
	(void)snprintf(rootfs, sizeof(rootfs), "%s/rootfs", dir);
	(void)setenv("CORRAL_IMAGES", images, 1);
	(void)setenv("XDG_CONFIG_HOME", dir, 1);
	(void)setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock", 1);
	assert_int_equal(corral_image_store_open(images, true, &s, NULL), 0);
	image_make(s, "users:1", "{\"Env\":[\"PATH=/bin\"]}", users_fill);
	image_make(s, "app:1", "{\"Env\":[\"PATH=/bin\"],\"User\":\"app\"}", users_fill);
	corral_image_store_close(s);
	assert_int_equal(mkdir(rootfs, 0755), 0);
	users_fill(rootfs);
	return cli_setup(state);
}

static int teardown(void **state)
{
	run_done(&r);
	if (dir)
		dir_remove(dir);
	return cli_teardown(state);
}

/* As root, who has a range for each sandbox: an ordinary user's one id has no groups. */
static bool can(void)
{
	static int answer = -1;

	if (corral_test_needs_root("groups take a range of ids"))
		return false;
	if (answer < 0 && dir) {
		RUN(&r, "--rootfs", rootfs, "--", "true");
		answer = r.status == 0;
	}
	if (answer < 1)
		corral_test_skip("a sandbox with a root of its own, and a static %s",
		                 IMAGE_BUSYBOX);
	return answer == 1;
}

static void says(const char *const *root, const char *user, const char *wanted)
{
	const char *args[16] = { "--env", "PATH=/bin" };
	size_t n = 2;

	for (; *root; root++)
		args[n++] = *root;
	if (user) {
		args[n++] = "--user";
		args[n++] = user;
	}
	for (const char *const *w = ARGS(SH(SAY)); *w; w++)
		args[n++] = *w;
	args[n] = NULL;
	run_after(&r, NULL, args);
	if (r.status != 0 || strcmp(r.out, wanted) != 0)
		fail_msg("%s: '%s' (%d, %s), not '%s'", user ? user : "nobody said", r.out,
		         r.status, r.err, wanted);
}

static void users_of_a_root_are_there_by_name(void **state)
{
	static const struct {
		const char *user, *says;
	} rows[] = {
		{ "app", "1000\n1001 29 50\n/home/app app\n" },
		{ "1000", "1000\n1001 29 50\n/home/app app\n" },
		{ "app:audio", "1000\n29\n/home/app app\n" },
		{ "1000:7", "1000\n7\n/home/app app\n" },
		{ "plain", "1002\n1002\n/home/plain plain\n" },
		{ "root", "0\n0 29\n/root root\n" },
		{ "4000", "4000\n4000\n/workspace user\n" },
	};
	const char *const *image = ARGS("--pull", "never", "--image", "users:1"),
	                  *const *folder = ARGS("--rootfs", rootfs);

	(void)state;
	if (!can())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		says(image, rows[i].user, rows[i].says);
		says(folder, rows[i].user, rows[i].says);
	}
}

static void user_that_an_image_says_has_its_groups(void **state)
{
	(void)state;
	if (!can())
		return;
	says(ARGS("--pull", "never", "--image", "app:1"), NULL,
	     "1000\n1001 29 50\n/home/app app\n");
	says(ARGS("--pull", "never", "--image", "users:1"), NULL, "0\n0 29\n/root root\n");
}

/* What a group may read its members read; and none takes another, or gives one up. */
static void groups_count_and_stay(void **state)
{
	(void)state;
	if (!can())
		return;
	RUN(&r, "--rootfs", rootfs, "--user", "app", SH("/bin/cat /staffs"));
	assert_status(&r, 0);
	assert_string_equal(r.out, "for staff\n");
	RUN(&r, "--rootfs", rootfs, "--user", "plain", SH("/bin/cat /staffs"));
	assert_status(&r, 1);
	RUN(&r, "--rootfs", rootfs, "--user", "app",
	    SH("/bin/grep -E '^(Groups|CapEff|CapBnd|NoNewPrivs)' /proc/self/status"));
	assert_string_equal(r.out, "Groups:\t29 50 \nCapEff:\t0000000000000000\n"
	                           "CapBnd:\t0000000000000000\nNoNewPrivs:\t1\n");
	CORRAL(&r, "plan", "--rootfs", rootfs, "--user", "app", "--", "true");
	assert_status(&r, 0);
	assert_says(r.out, "uid 1000 gid 1001, groups 50 29; without 1 of its /etc/group above");
}

static void hosts_root_has_few_names(void **state)
{
	(void)state;
	if (!can())
		return;
	RUN(&r, "--user", "nobody", "--", "id", "-G");
	assert_status(&r, 0);
	assert_string_equal(r.out, "65534\n");
	RUN(&r, "--user", "root:tty", "--", "id", "-G");
	assert_status(&r, 0);
	assert_string_equal(r.out, "5\n");
	/* Of the host's own there is none, though it has one of that name. */
	RUN(&r, "--user", "daemon", "--", "true");
	assert_status(&r, 125);
	assert_says(r.err, "'daemon' is not in the /etc/passwd and /etc/group of a sandbox on the "
	                   "host's root");
	assert_says(r.err, "give numbers, as 1000:1000, or take a root that has it");
}

/* Nobody is let out of a root by what lies there, nor waits for it. */
static void hostile_accounts_lead_nowhere(void **state)
{
	char path[700], kept[700];

	(void)state;
	if (!can())
		return;
	(void)snprintf(path, sizeof(path), "%s/etc/passwd", rootfs);
	(void)snprintf(kept, sizeof(kept), "%s/kept", rootfs);
	assert_int_equal(rename(path, kept), 0);
	assert_int_equal(symlink("../../../../../../../../../etc/passwd", path), 0);
	RUN(&r, "--rootfs", rootfs, "--user", "daemon", "--", "true");
	assert_status(&r, 125);
	assert_says(r.err, "': user 'daemon' is not in its /etc/passwd: give one that is, or");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0666), 0);
	RUN(&r, "--rootfs", rootfs, "--user", "app", "--", "true");
	assert_status(&r, 125);
	assert_says(r.err, "user 'app' is not in its /etc/passwd");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rename(kept, path), 0);
}

static void sandbox_and_session_have_the_same_users(void **state)
{
	char id[64] = "";

	(void)state;
	if (!can())
		return;
	CORRAL(&r, "sandbox", "create", "--pull", "never", "--image", "users:1", "--user", "app");
	assert_status(&r, 0);
	(void)snprintf(id, sizeof(id), "%s", r.out);
	id[strcspn(id, "\n")] = '\0';
	CORRAL(&r, "exec", id, SH(SAY));
	assert_string_equal(r.out, "1000\n1001 29 50\n/home/app app\n");
	CORRAL(&r, "sandbox", "rm", "-f", id);
	assert_status(&r, 0);
	for (int i = 0; i < 2; i++) {
		char file[700], text[900];

		(void)snprintf(text, sizeof(text),
		               "{\"name\":\"users\",\"%s\":\"%s\",\"user\":\"%s\","
		               "\"isolation\":\"native\",\"env_vars\":{\"PATH\":\"/bin\"}}",
		               i ? "rootfs" : "image", i ? rootfs : "users:1", i ? "1000" : "app");
		file_make(dir, "users.json", text);
		(void)snprintf(file, sizeof(file), "%s/users.json", dir);
		CORRAL(&r, "runtime", "validate", file);
		assert_status(&r, 0);
		CORRAL(&r, "session", "create", "--root", sessions, "--runtime", file, "one");
		assert_status(&r, 0);
		CORRAL(&r, "session", "exec", "--root", sessions, "one", SH(SAY "; echo x > mine"));
		assert_status(&r, 0);
		assert_string_equal(r.out, "1000\n1001 29 50\n/home/app app\n");
		CORRAL(&r, "session", "rm", "-f", "--root", sessions, "one");
		assert_status(&r, 0);
	}
}

static void runtimes_users_are_looked_up_beforehand(void **state)
{
	char file[700], text[900];

	(void)state;
	if (!can())
		return;
	(void)snprintf(file, sizeof(file), "%s/lookup.json", dir);
	for (int i = 0; i < 4; i++) {
		bool known = i < 2;

		(void)snprintf(text, sizeof(text),
		               "{\"%s\":\"%s\",\"user\":\"%s\",\"isolation\":\"native\"}",
		               i % 2 ? "rootfs" : "image", i % 2 ? rootfs : "users:1",
		               known ? "app" : "nobody-such");
		file_make(dir, "lookup.json", text);
		CORRAL(&r, "runtime", "validate", file);
		assert_status(&r, known ? 0 : 1);
		if (!known)
			assert_says(r.err, "user 'nobody-such' is not in its /etc/passwd");
		CORRAL(&r, "runtime", "explain", file);
		assert_status(&r, known ? 0 : 1);
		assert_says(r.out, known ? "  user    app is 1000:1001\n" : "  user    no: ");
		if (!known)
			assert_says(r.out, "user 'nobody-such' is not in its /etc/passwd");
		CORRAL(&r, "runtime", "explain", "--json", file);
		assert_says(r.out, known ? "\"gid\": 1001" : "'nobody-such'");
	}
	/* What is not here yet has no accounts to look in. */
	file_make(dir, "lookup.json",
	          "{\"image\":\"none:1\",\"user\":\"app\",\"isolation\":\"native\"}");
	CORRAL(&r, "runtime", "validate", file);
	assert_status(&r, 0);
}

static void configuration_says_names_as_well(void **state)
{
	char file[700], text[900];

	(void)state;
	if (!can())
		return;
	(void)snprintf(text, sizeof(text), "{\"rootfs\":\"%s\",\"user\":\"app:staff\"}", rootfs);
	file_make(dir, "config.json", text);
	(void)snprintf(file, sizeof(file), "%s/config.json", dir);
	says(ARGS("--config", file), NULL, "1000\n50\n/home/app app\n");
	says(ARGS("--config", file), "plain", "1002\n1002\n/home/plain plain\n");
}

/* Of the host's: what is bound has the directory's owner, whom the guest is there, and nobody
 * else's ids. */
static void groups_are_none_of_a_workspace(void **state)
{
	char ws[600], file[700];
	FILE *f;

	(void)state;
	if (!can())
		return;
	(void)snprintf(ws, sizeof(ws), "%s/ws", dir);
	(void)snprintf(file, sizeof(file), "%s/theirs", ws);
	assert_int_equal(mkdir(ws, 0755), 0);
	f = fopen(file, "w");
	assert_non_null(f);
	(void)fputs("secret\n", f);
	(void)fclose(f);
	assert_int_equal(chown(ws, 1000, 1001), 0);
	assert_int_equal(chown(file, 1234, 29), 0);
	assert_int_equal(chmod(file, 0660), 0);
	RUN(&r, "--rootfs", rootfs, "--user", "app", "--workspace", ws, SH("/bin/cat theirs"));
	assert_status(&r, 1);
	assert_string_equal(r.out, "");
	RUN(&r, "--rootfs", rootfs, "--user", "app", "--workspace", ws, SH(": >mine"));
	assert_status(&r, 0);
}

/* A number needs no entry, and no file to look for one in. */
static void number_needs_no_file_of_accounts(void **state)
{
	char bare[700], etc[720];

	(void)state;
	if (!can())
		return;
	(void)snprintf(bare, sizeof(bare), "%s/etc/passwd", rootfs);
	(void)snprintf(etc, sizeof(etc), "%s/etc/passwd.large", rootfs);
	assert_int_equal(rename(bare, etc), 0);
	assert_int_equal(close(open(bare, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)), 0);
	assert_int_equal(truncate(bare, 8 << 20), 0);
	says(ARGS("--rootfs", rootfs), "1000", "1000\n1000\n/workspace user\n");
	RUN(&r, "--rootfs", rootfs, "--user", "app", "--", "true");
	assert_int_equal(rename(etc, bare), 0);
	assert_status(&r, 125);
	assert_says(r.err, "name the user by numbers");
}

/* One id is all that an ordinary user's sandbox has, and no groups come with it. */
static void one_id_has_no_groups(void **state)
{
	(void)state;
	if (!can())
		return;
	(void)chmod(dir, 0755);
	run_argv(&r, ARGS("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env",
	                  "HOME=/tmp", CORRAL_BINARY, "plan", "--rootfs", rootfs, "--user", "app",
	                  "--", "true"));
	if (r.status != 0) {
		corral_test_skip("an ordinary user's plan: %s", r.err);
		return;
	}
	assert_says(r.out, "uid 1000 gid 1001, no other groups: the 3 of its /etc/group take a "
	                   "range of ids");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_of_a_root_are_there_by_name),
		cmocka_unit_test(user_that_an_image_says_has_its_groups),
		cmocka_unit_test(groups_count_and_stay),
		cmocka_unit_test(hosts_root_has_few_names),
		cmocka_unit_test(hostile_accounts_lead_nowhere),
		cmocka_unit_test(sandbox_and_session_have_the_same_users),
		cmocka_unit_test(runtimes_users_are_looked_up_beforehand),
		cmocka_unit_test(configuration_says_names_as_well),
		cmocka_unit_test(groups_are_none_of_a_workspace),
		cmocka_unit_test(number_needs_no_file_of_accounts),
		cmocka_unit_test(one_id_has_no_groups),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
