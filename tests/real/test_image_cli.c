/*
 * corral image, and --image, by the command line: images made by hand in a store of the test's own,
 * and what is seen of them from inside. No registry is asked.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>

#include "tests/support.h"

#include "tests/real/image_support.h"
#include "tests/real/sandbox_support.h"

#include "tests/real/cli_support.h"

#define IMAGE_RUN(p, ...) run_after(&(p)->r, NULL, ARGS("--pull", "never", "--image", __VA_ARGS__))
#define SESSION(p, command, ...) \
	CORRAL(&(p)->r, "session", command, "--root", (p)->sessions, __VA_ARGS__)

struct place {
	char *dir;
	char images[600], sessions[600], runtime[600], built[600];
	struct run r;
};

static void app_fill(const char *root)
{
	char path[512];

	image_busybox(root);
	for (const char *const *d = ARGS("tmp", "dev", "proc", "sys"); *d; d++) {
		(void)snprintf(path, sizeof(path), "%s/%s", root, *d);
		image_folder(path);
	}
	image_file(root, "marker", "of the image\n", 0644);
	image_file(root, "srv/app/code", "code\n", 0644);
	image_file(root, "etc/passwd",
	           "root:x:0:0:root:/root:/bin/sh\n"
	           "broken\n"
	           "app:x:1000:1001:App:/home/app:/bin/sh\n",
	           0644);
	image_file(root, "etc/group", "root:x:0:\nstaff:x:50:\n", 0644);
	image_file(root, "home/app/.profile", "", 0644);
}

static void other_fill(const char *root)
{
	image_busybox(root);
	image_file(root, "marker", "of the other\n", 0644);
}

/* To make one takes a wait for the disk: what a test left is taken. */
static void image_once(struct corral_image_store *s, const char *name, const char *config,
                       void (*fill)(const char *root))
{
	struct corral_image *i = NULL;

	if (corral_image_find(s, name, &i, NULL) < 0)
		image_make(s, name, config, fill);
	corral_image_free(i);
}

static char *group_dir; /* NULL: no images */

static int group_setup(void **state)
{
	(void)umask(022);
	if (access(IMAGE_BUSYBOX, X_OK) == 0)
		group_dir = dir_make();
	return cli_setup(state);
}

static int group_teardown(void **state)
{
	if (group_dir)
		dir_remove(group_dir);
	return cli_teardown(state);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct corral_image_store *s = NULL;

	if (!p)
		return -1;
	*state = p;
	if (!group_dir || !has_busybox())
		return 0;
	p->dir = group_dir;
	(void)snprintf(p->images, sizeof(p->images), "%s/images", p->dir);
	(void)snprintf(p->sessions, sizeof(p->sessions), "%s/sessions", p->dir);
	(void)snprintf(p->runtime, sizeof(p->runtime), "%s/app.json", p->dir);
	(void)snprintf(p->built, sizeof(p->built), "%s/built.json", p->dir);
	(void)setenv("CORRAL_IMAGES", p->images, 1);
	(void)setenv("XDG_CONFIG_HOME", p->dir, 1);
	(void)setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock", 1);
	assert_int_equal(corral_image_store_open(p->images, true, &s, NULL), 0);
	image_once(s, "app:1",
	           "{\"Env\":[\"A=of the image\",\"PATH=/bin\",\"LANG=of the image\"],"
	           "\"User\":\"app:staff\",\"WorkingDir\":\"/srv/app\","
	           "\"Entrypoint\":[\"/bin/sh\",\"-c\"],"
	           "\"Cmd\":[\"echo $A $PWD $HOME $USER; cat code; id -u; id -g\"],"
	           "\"Labels\":{\"l\":\"v\"},\"ExposedPorts\":{\"80/tcp\":{}}}",
	           app_fill);
	image_once(s, "other:1", "{\"Env\":[\"PATH=/bin\"]}", other_fill);
	image_once(s, "group:1", "{\"User\":\"app:ghosts\"}", app_fill);
	image_once(s, "nobody:1", "{\"Env\":[\"PATH=/bin\"],\"User\":\"ghost\"}", app_fill);
	corral_image_store_close(s);
	file_make(p->dir, "app.json",
	          "{\"name\":\"app\",\"image\":\"app:1\",\"isolation\":\"auto\","
	          "\"env_vars\":{\"PATH\":\"/bin\",\"OWN\":\"runtime\"}}");
	file_make(p->dir, "built.json", "{\"name\":\"built\",\"base_image\":\"app:1\"}");
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	run_done(&p->r);
	free(p);
	return 0;
}

static bool can(const struct place *p)
{
	static int answer = -1;
	struct run r = { 0 };

	if (!p->dir)
		return false;
	if (answer < 0) {
		run_after(&r, NULL, ARGS("--pull", "never", "--image", "other:1", "--", "true"));
		answer = r.status == 0;
		if (!answer)
			print_message("%s\n", r.err);
		run_done(&r);
	}
	if (!answer)
		corral_test_skip("a sandbox with a root of its own");
	return answer;
}

#define NEEDS_SANDBOX(p)        \
	do {                    \
		if (!can(p))    \
			return; \
	} while (0)

/* --- run --- */

static void root_is_the_images(void **state)
{
	struct place *p = *state;

	NEEDS_SANDBOX(p);
	IMAGE_RUN(p, "app:1", "-u", "0", "--", "/bin/sh", "-c",
	          "cat /marker; ls /; echo changed > /marker; cat /marker; echo new > /bin/new");
	assert_status(&p->r, 0);
	assert_string_equal(
	        p->r.out,
	        "of the image\nbin\ndev\netc\nhome\nmarker\nproc\nsrv\nsys\ntmp\nchanged\n");
	/* And stays it, whatever was done to it. */
	IMAGE_RUN(p, "app:1", "--", "/bin/sh", "-c", "cat /marker; ls /bin/new");
	assert_status(&p->r, 1);
	assert_string_equal(p->r.out, "of the image\n");
}

static void owners_and_ids_are_the_images(void **state)
{
	struct place *p = *state;

	NEEDS_SANDBOX(p);
	IMAGE_RUN(p, "app:1", "-u", "0", "--", "stat", "-c", "%u %g %a", "/marker", "/srv/app");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "0 0 644\n0 0 755\n");
}

static void command_user_and_directory_are_the_images(void **state)
{
	struct place *p = *state;

	NEEDS_SANDBOX(p);
	CORRAL(&p->r, "run", "--pull", "never", "--image", "app:1");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "of the image /srv/app /home/app app\ncode\n1000\n50\n");
	/* Of a configuration, the same. */
	file_make(p->dir, "config.json", "{\"image\": \"app:1\"}");
	{
		char path[600];

		(void)snprintf(path, sizeof(path), "%s/config.json", p->dir);
		CORRAL(&p->r, "run", "--config", path);
		assert_status(&p->r, 0);
		assert_string_equal(p->r.out,
		                    "of the image /srv/app /home/app app\ncode\n1000\n50\n");
	}
}

static void what_is_said_wins(void **state)
{
	struct place *p = *state;

	NEEDS_SANDBOX(p);
	IMAGE_RUN(p, "app:1", "-e", "A=said", "-u", "0", "-w", "/tmp", "--", "/bin/sh", "-c",
	          "echo $A $PWD $HOME $LANG; id -u; ls /srv/app");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "said /tmp /root of the image\n0\ncode\n");
	/* Nothing of the image's own. */
	IMAGE_RUN(p, "app:1", "--clear-env", "-u", "0", "--", "/bin/sh", "-c", "echo [$A$HOME]");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "[]\n");
	/* A workspace is where it always is, and hides nothing of the image. */
	IMAGE_RUN(p, "app:1", "--workspace", p->dir, "-u", "0", "--", "/bin/sh", "-c",
	          "echo $PWD; ls /srv/app; ls app.json");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "/workspace\ncode\napp.json\n");
}

static void without_a_command_there_is_a_sentence(void **state)
{
	struct place *p = *state;

	NEEDS_SANDBOX(p);
	CORRAL(&p->r, "run", "--pull", "never", "--image", "other:1");
	assert_error(&p->r, "no command given, and the image 'other:1' has none of its own");
}

static void unknown_user_is_a_sentence(void **state)
{
	struct place *p = *state;

	NEEDS_SANDBOX(p);
	IMAGE_RUN(p, "nobody:1", "--", "true");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "image 'nobody:1': its user 'ghost' is not in its /etc/passwd");
	IMAGE_RUN(p, "group:1", "--", "true");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "image 'group:1': its group 'ghosts' is not in its /etc/group: ");
	IMAGE_RUN(p, "nobody:1", "-u", "7:8", "--", "id", "-u");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "7\n");
}

static void missing_image_says_what_brings_it(void **state)
{
	struct place *p = *state;

	if (!p->dir)
		return;
	IMAGE_RUN(p, "none", "--", "true");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "image 'none' is not in corral's store");
	assert_says(p->r.err, "corral image pull none");
	CORRAL(&p->r, "run", "--pull", "perhaps", "--image", "none", "--", "true");
	assert_error(&p->r, "--pull: 'perhaps' is not one of missing, always, never");
	CORRAL(&p->r, "run", "--image", "a", "--rootfs", "/", "--", "true");
	assert_error(&p->r, "--rootfs and --image: leave one of them out");
	CORRAL(&p->r, "run", "--image", "No Name", "--", "true");
	assert_error(&p->r, "image name 'No?Name'");
}

/* What fetches it is another program: its words are the receipt's as well, and are told once. */
static void receipt_says_why_there_is_no_image(void **state)
{
	struct place *p = *state;
	const char *err;
	json_t *o;

	if (!p->dir)
		return;
	file_make(p->dir, "none.json",
	          "{\"name\":\"none\",\"isolation\":\"native\",\"image\":\"127.0.0.1:1/a\"}");
	for (const char *const *w = ARGS("--image", "127.0.0.1:1/a", "--runtime", "none.json"); *w;
	     w += 2) {
		char path[700];

		(void)snprintf(path, sizeof(path), "%s/%s", p->dir, w[1]);
		CORRAL(&p->r, "run", "--json", "1", w[0], strstr(w[1], ".json") ? path : w[1], "--",
		       "true");
		assert_status(&p->r, 125);
		assert_says(p->r.err, "nobody answers at 127.0.0.1:1\n");
		assert_null(strstr(strstr(p->r.err, "nobody answers") + 1, "nobody answers"));
		o = json_loads(p->r.out, 0, NULL);
		assert_non_null(o);
		err = json_string_value(json_object_get(o, "error"));
		assert_non_null(err);
		assert_says(p->r.err, err);
		assert_says(err, "nobody answers at 127.0.0.1:1");
		json_decref(o);
	}
}

static void plan_shows_it(void **state)
{
	struct place *p = *state;

	NEEDS_SANDBOX(p);
	CORRAL(&p->r, "plan", "--pull", "never", "--image", "app:1");
	assert_status(&p->r, 0);
	assert_says(p->r.out, "/images/roots/");
	assert_says(p->r.out, "/bin/sh -c 'echo $A");
}

/* --- what uses one keeps it --- */

static void id_of(struct place *p, const char *name, char ret[80])
{
	json_t *list;

	CORRAL(&p->r, "image", "inspect", "--json", name);
	assert_status(&p->r, 0);
	list = json_loads(p->r.out, 0, NULL);
	(void)snprintf(ret, 80, "%s",
	               json_string_value(json_object_get(json_array_get(list, 0), "id")));
	json_decref(list);
}

/* Guest init itself has it open, whatever becomes of its holder. */
static bool init_holds(pid_t init)
{
	bool found = false;
	char path[64], target[600];

	for (int fd = 0; fd < 64 && !found; fd++) {
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)init, fd);
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		found = strstr(target, "/images/roots/") && strstr(target, "/lock");
	}
	return found;
}

static void image_of_a_sandbox_stays_until_its_end(void **state)
{
	struct place *p = *state;
	char id[64] = "";
	json_t *list, *o;
	pid_t holder;

	NEEDS_SANDBOX(p);
	CORRAL(&p->r, "sandbox", "create", "--pull", "never", "--image", "other:1");
	assert_status(&p->r, 0);
	(void)snprintf(id, sizeof(id), "%s", p->r.out);
	id[strcspn(id, "\n")] = '\0';
	CORRAL(&p->r, "exec", id, "--", "cat", "/marker");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "of the other\n");
	CORRAL(&p->r, "image", "rm", "other:1");
	assert_error(&p->r, "image 'other:1' is in use: a sandbox runs on it");
	CORRAL(&p->r, "image", "prune", "--all", "--json");
	assert_status(&p->r, 0);
	CORRAL(&p->r, "exec", id, "--", "cat", "/marker");
	assert_status(&p->r, 0);
	CORRAL(&p->r, "sandbox", "list", "--json");
	list = json_loads(p->r.out, 0, NULL);
	o = object_with(p->r.out, ARGS("id", id));
	assert_non_null(o);
	assert_true(object_has(o, "rootfs", "image"));
	holder = (pid_t)json_integer_value(json_object_get(o, "holder_pid"));
	if (geteuid() == 0)
		assert_true(init_holds((pid_t)json_integer_value(json_object_get(o, "init_pid"))));
	json_decref(o);
	json_decref(list);
	/* Guest init holds it as long as it lives, which it does not without its holder. */
	assert_true(holder > 1);
	assert_int_equal(kill(holder, SIGKILL), 0);
	for (int i = 0; i < 100; i++) {
		CORRAL(&p->r, "image", "rm", "other:1");
		if (p->r.status == 0)
			break;
		nap(50);
	}
	assert_status(&p->r, 0);
	CORRAL(&p->r, "sandbox", "list");
}

/* --- runtimes --- */

static void runtime_runs_on_its_image(void **state)
{
	struct place *p = *state;

	NEEDS_SANDBOX(p);
	run_after(&p->r, NULL,
	          ARGS("--runtime", p->runtime, "--", "/bin/sh", "-c",
	               "cat /marker; echo $OWN $A $PWD; id -u"));
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "of the image\nruntime of the image /workspace\n1000\n");
	CORRAL(&p->r, "runtime", "explain", p->runtime);
	assert_status(&p->r, 0);
	assert_says(p->r.out, "native  yes");
	CORRAL(&p->r, "image", "rm", "app:1");
	assert_status(&p->r, 0);
	CORRAL(&p->r, "runtime", "explain", p->runtime);
	assert_says(p->r.out, "its root filesystem is the image 'app:1', which is not in corral's "
	                      "store: corral image pull app:1");
	run_after(&p->r, NULL, ARGS("--pull", "never", "--runtime", p->runtime, "--", "true"));
	assert_status(&p->r, 125);
	assert_says(p->r.err, "corral image pull app:1");
	run_after(&p->r, NULL, ARGS("--pull", "never", "--runtime", p->built, "--", "true"));
	assert_status(&p->r, 125);
	assert_says(p->r.err, "corral runtime build /");
	assert_says(p->r.err, "/built.json");
}

static void image_over_a_runtime_is_the_root(void **state)
{
	struct place *p = *state;

	NEEDS_SANDBOX(p);
	run_after(&p->r, NULL,
	          ARGS("--runtime", p->runtime, "--image", "other:1", "--pull", "never", "--",
	               "/bin/sh", "-c", "cat /marker; echo $OWN"));
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "of the other\nruntime\n");
}

/* --- sessions --- */

/* As what npm installs, which builds put into the work directory. */
static void session_has_what_the_image_has_in_its_directory(void **state)
{
	struct place *p = *state;

	NEEDS_SANDBOX(p);
	file_make(p->dir, "there.json",
	          "{\"name\":\"there\",\"image\":\"app:1\",\"isolation\":\"native\","
	          "\"work_dir\":\"/srv/app\",\"user\":\"0\",\"env_vars\":{\"PATH\":\"/bin\"}}");
	(void)snprintf(p->built, sizeof(p->built), "%s/there.json", p->dir);
	SESSION(p, "create", "--history", "--runtime", p->built, "there");
	assert_status(&p->r, 0);
	SESSION(p, "exec", "there", "--", "/bin/sh", "-c",
	        "cat code; echo more >> code; echo a > new");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "code\n");
	SESSION(p, "diff", "there");
	assert_string_equal(p->r.out, "C /srv/app/code\nA /srv/app/new\n");
	SESSION(p, "exec", "there", "--", "/bin/sh", "-c", "cat code; rm code; ls");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "code\nmore\nnew\n");
	SESSION(p, "diff", "there");
	assert_string_equal(p->r.out, "D /srv/app/code\nA /srv/app/new\n");
	/* What is gone stays so when layers become one. */
	for (int i = 0; i < 12; i++)
		SESSION(p, "exec", "there", "--", "/bin/sh", "-c", "echo b >> new");
	SESSION(p, "exec", "there", "--", "ls");
	assert_string_equal(p->r.out, "new\n");
	SESSION(p, "undo", "there", "15");
	assert_status(&p->r, 0);
	SESSION(p, "exec", "there", "--", "ls");
	assert_string_equal(p->r.out, "code\n");
	SESSION(p, "rm", "-f", "there");
	assert_status(&p->r, 0);
}

static void session_keeps_its_image(void **state)
{
	struct place *p = *state;
	char id[80];

	NEEDS_SANDBOX(p);
	SESSION(p, "create", "--runtime", p->runtime, "one");
	assert_status(&p->r, 0);
	SESSION(p, "exec", "one", "--", "/bin/sh", "-c", "echo mine > f; cat /marker");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "of the image\n");
	id_of(p, "app:1", id);
	SESSION(p, "hibernate", "one");
	CORRAL(&p->r, "image", "rm", "app:1");
	assert_error(&p->r, "is kept by '");
	assert_says(p->r.err, "/sessions/sessions/one'");
	/* Its name may go to another, which is nothing to the session. */
	CORRAL(&p->r, "image", "tag", "other:1", "app:1");
	assert_status(&p->r, 0);
	SESSION(p, "exec", "one", "--", "/bin/sh", "-c", "cat f /marker");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "mine\nof the image\n");
	SESSION(p, "hibernate", "one");
	SESSION(p, "diff", "one");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "A /workspace/f\n");
	/* Nor to its forks. */
	SESSION(p, "fork", "one", "two");
	assert_status(&p->r, 0);
	SESSION(p, "rm", "one");
	assert_status(&p->r, 0);
	CORRAL(&p->r, "image", "rm", id);
	assert_error(&p->r, "/sessions/sessions/two'");
	SESSION(p, "exec", "two", "--", "cat", "f", "/marker");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "mine\nof the image\n");
	SESSION(p, "rm", "-f", "two");
	assert_status(&p->r, 0);
	CORRAL(&p->r, "image", "rm", id);
	assert_status(&p->r, 0);
	CORRAL(&p->r, "image", "rm", "app:1");
	assert_status(&p->r, 0);
}

/* Of an image that has neither /dev nor /proc: what is mounted there is nobody's change. */
static void diff_of_a_bare_image_has_what_was_changed_alone(void **state)
{
	struct place *p = *state;
	char path[700];

	NEEDS_SANDBOX(p);
	file_make(p->dir, "bare.json",
	          "{\"name\":\"bare\",\"image\":\"other:1\",\"env_vars\":{\"PATH\":\"/bin\"}}");
	(void)snprintf(path, sizeof(path), "%s/bare.json", p->dir);
	SESSION(p, "exec", "--runtime", path, "bare", "--", "sh", "-c", "echo 1 >/new");
	assert_status(&p->r, 0);
	SESSION(p, "diff", "bare");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "A /new\n");
	SESSION(p, "rm", "-f", "bare");
	assert_status(&p->r, 0);
}

static void session_of_a_missing_image_is_a_sentence(void **state)
{
	struct place *p = *state;

	NEEDS_SANDBOX(p);
	CORRAL(&p->r, "image", "rm", "app:1");
	assert_status(&p->r, 0);
	SESSION(p, "create", "--pull", "never", "--runtime", p->runtime, "one");
	assert_error(&p->r, "corral image pull app:1");
	SESSION(p, "list", "-q");
	assert_string_equal(p->r.out, "");
}

/* --- corral image --- */

static void list_shows_what_there_is(void **state)
{
	struct place *p = *state;
	json_t *list, *o;

	if (!p->dir)
		return;
	CORRAL(&p->r, "image", "list");
	assert_status(&p->r, 0);
	assert_says(p->r.out, "NAME      DIGEST");
	assert_says(p->r.out, "\napp:1     ");
	assert_says(p->r.out, "linux/amd64");
	CORRAL(&p->r, "image", "list", "--json", "app");
	assert_status(&p->r, 0);
	list = json_loads(p->r.out, 0, NULL);
	assert_int_equal(json_array_size(list), 1);
	o = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_array_get(json_object_get(o, "names"), 0)),
	                    "docker.io/library/app:1");
	assert_string_equal(json_string_value(json_object_get(o, "user")), "app:staff");
	assert_true(json_integer_value(json_object_get(o, "bytes")) > 0);
	json_decref(list);
	CORRAL(&p->r, "image", "ls");
	assert_error(&p->r, "write corral image list");
	(void)setenv("CORRAL_IMAGES", "relative", 1);
	CORRAL(&p->r, "image", "list");
	assert_error(&p->r, "CORRAL_IMAGES: 'relative' is no absolute path");
	(void)setenv("CORRAL_IMAGES", p->images, 1);
}

static void inspect_and_history_show_one(void **state)
{
	struct place *p = *state;
	json_t *steps;

	if (!p->dir)
		return;
	CORRAL(&p->r, "image", "inspect", "app:1");
	assert_status(&p->r, 0);
	assert_says(p->r.out, "  names       docker.io/library/app:1\n");
	assert_says(p->r.out, "  work dir    /srv/app\n");
	assert_says(p->r.out, "  user        app:staff\n");
	assert_says(p->r.out, "  ports       80/tcp\n");
	CORRAL(&p->r, "image", "history", "app:1", "--json");
	assert_status(&p->r, 0);
	steps = json_loads(p->r.out, 0, NULL);
	assert_int_equal(json_array_size(steps), 1);
	json_decref(steps);
	CORRAL(&p->r, "image", "inspect", "none");
	assert_error(&p->r, "there is no image 'none' (docker.io/library/none:latest)");
}

static void entries_count(const struct place *p, const char *name, size_t *ret)
{
	char path[700];
	struct dirent *e;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/%s", p->images, name);
	*ret = 0;
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)))
		*ret += e->d_name[0] != '.';
	(void)closedir(d);
}

struct contents {
	size_t blobs, layers, images, partial;
};

static struct contents contents_of(const struct place *p)
{
	struct contents c;

	entries_count(p, "blobs/sha256", &c.blobs);
	entries_count(p, "layers", &c.layers);
	entries_count(p, "images", &c.images);
	entries_count(p, "partial", &c.partial);
	return c;
}

static void assert_same(const struct place *p, const struct contents *before)
{
	const struct contents c = contents_of(p);

	assert_memory_equal(&c, before, sizeof(c));
}

static void words_are_looked_at_before_anything_is_copied(void **state)
{
	struct place *p = *state;
	struct contents before;

	if (!can(p))
		return;
	before = contents_of(p);
	CORRAL(&p->r, "image", "import", "/usr", "Not a name");
	assert_error(&p->r, "image name 'Not?a?name'");
	CORRAL(&p->r, "image", "import", "-e", "A=\xff", "/usr", "mine:1");
	assert_error(&p->r, "no UTF-8");
	assert_same(p, &before);
	CORRAL(&p->r, "image", "load", "--help");
	assert_status(&p->r, 0);
	assert_null(strstr(strstr(p->r.out, "Image:") + 1, "\nImage:"));
}

static void what_is_too_large_leaves_nothing(void **state)
{
	struct place *p = *state;
	char root[600], tar[600];
	struct contents before;

	if (!can(p))
		return;
	(void)snprintf(root, sizeof(root), "%s/root", p->dir);
	(void)snprintf(tar, sizeof(tar), "%s/one.tar", p->dir);
	image_folder(root);
	app_fill(root);
	before = contents_of(p);
	CORRAL(&p->r, "image", "import", "-q", "--max-size", "64K", root, "large:1");
	assert_error(&p->r, "more than 65536 bytes unpacked");
	CORRAL(&p->r, "image", "import", "-q", "--max-files", "5", root, "large:1");
	assert_error(&p->r, "more than 5 files");
	assert_same(p, &before);
	CORRAL(&p->r, "image", "import", root, "large:1");
	assert_status(&p->r, 0);
	CORRAL(&p->r, "image", "save", "-q", "-o", tar, "large:1");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "");
	CORRAL(&p->r, "image", "rm", "large:1");
	assert_status(&p->r, 0);
	assert_same(p, &before);
	(void)setenv("CORRAL_IMAGES_MAX_SIZE", "64K", 1);
	CORRAL(&p->r, "image", "load", "-q", tar);
	assert_error(&p->r, "more than 65536 bytes unpacked");
	assert_same(p, &before);
	/* Options win. */
	CORRAL(&p->r, "image", "load", "--max-size", "1G", tar);
	assert_status(&p->r, 0);
	(void)setenv("CORRAL_IMAGES_MAX_SIZE", "much", 1);
	CORRAL(&p->r, "image", "load", "-q", tar);
	assert_error(&p->r, "CORRAL_IMAGES_MAX_SIZE: ");
	(void)unsetenv("CORRAL_IMAGES_MAX_SIZE");
	CORRAL(&p->r, "image", "rm", "large:1");
	assert_status(&p->r, 0);
}

static void a_name_that_moves_is_told(void **state)
{
	struct place *p = *state;
	char root[600], tar[600], id[80], line[200];

	if (!can(p))
		return;
	(void)snprintf(root, sizeof(root), "%s/root2", p->dir);
	(void)snprintf(tar, sizeof(tar), "%s/two.tar", p->dir);
	image_folder(root);
	other_fill(root);
	CORRAL(&p->r, "image", "import", root, "fresh:1");
	assert_status(&p->r, 0);
	assert_null(strstr(p->r.err, "pointed to"));
	CORRAL(&p->r, "image", "save", "-o", tar, "fresh:1");
	assert_status(&p->r, 0);
	CORRAL(&p->r, "image", "tag", "app:1", "moved:1");
	assert_status(&p->r, 0);
	id_of(p, "app:1", id);
	CORRAL(&p->r, "image", "load", "--name", "moved:1", tar);
	assert_status(&p->r, 0);
	(void)snprintf(line, sizeof(line), "moved:1 pointed to %s before", id);
	assert_says(p->r.err, line);
	/* Once more it is where it was. */
	CORRAL(&p->r, "image", "load", "--name", "moved:1", tar);
	assert_status(&p->r, 0);
	assert_null(strstr(p->r.err, "pointed to"));
	/* One image alone is for its platform, too. */
	CORRAL(&p->r, "image", "load", "-q", "--platform", "linux/s390x", tar);
	assert_error(&p->r, "no image for linux/s390x: there is linux/");
	CORRAL(&p->r, "image", "rm", "moved:1", "fresh:1");
	assert_status(&p->r, 0);
}

static void digits_are_taken_wherever_a_name_is(void **state)
{
	struct place *p = *state;
	char id[80], some[32];

	if (!p->dir)
		return;
	id_of(p, "app:1", id);
	(void)snprintf(some, sizeof(some), "%.15s", id);
	CORRAL(&p->r, "image", "inspect", some);
	assert_status(&p->r, 0);
	assert_says(p->r.out, "docker.io/library/app:1");
	CORRAL(&p->r, "image", "list", "-q", some);
	assert_says(p->r.out, id);
	CORRAL(&p->r, "image", "tag", some + 7, "digits:1");
	assert_status(&p->r, 0);
	CORRAL(&p->r, "image", "rm", "digits:1");
	assert_status(&p->r, 0);
	if (can(p)) {
		run_after(&p->r, NULL, ARGS("--image", some, "--", "cat", "/marker"));
		assert_status(&p->r, 0);
		assert_string_equal(p->r.out, "of the image\n");
		/* What is not there is asked of no registry. */
		run_after(&p->r, NULL, ARGS("--image", "sha256:0123456", "--", "true"));
		assert_int_equal(p->r.status, 125);
		assert_says(p->r.err, "is the digest of an image, and no registry is in it");
	}
}

static void what_broken_pulls_left_is_counted(void **state)
{
	struct place *p = *state;
	char path[900];

	if (!p->dir)
		return;
	(void)snprintf(path, sizeof(path), "%s/partial/layer-new-1/tree", p->images);
	image_folder(path);
	(void)snprintf(path, sizeof(path), "%s/partial", p->images);
	image_file(path, "layer-new-1/tree/a", "some\n", 0600);
	image_file(path, "blob-1", "some\n", 0600);
	CORRAL(&p->r, "image", "prune", "-n");
	assert_status(&p->r, 0);
	assert_says(p->r.out, "would remove ");
	(void)snprintf(path, sizeof(path), "%s/partial/blob-1", p->images);
	assert_int_equal(access(path, F_OK), 0);
	CORRAL(&p->r, "image", "prune");
	assert_status(&p->r, 0);
	assert_says(p->r.out, "removed ");
	assert_int_equal(access(path, F_OK), -1);
}

/* One that is not there does not keep the others. */
static void several_are_removed_each_for_itself(void **state)
{
	struct place *p = *state;

	if (!p->dir)
		return;
	CORRAL(&p->r, "image", "rm", "none", "nobody:1", "no:2", "other:1");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "there is no image 'none'");
	assert_says(p->r.err, "there is no image 'no:2'");
	assert_says(p->r.out, "removed nobody:1\nremoved other:1\n");
	CORRAL(&p->r, "image", "list", "-q", "nobody", "other");
	assert_string_equal(p->r.out, "");
}

static void names_come_and_go(void **state)
{
	struct place *p = *state;
	char id[80];

	if (!p->dir)
		return;
	id_of(p, "app:1", id);
	CORRAL(&p->r, "image", "tag", "app:1", "mine");
	assert_status(&p->r, 0);
	CORRAL(&p->r, "image", "rm", "app:1");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "removed app:1\n");
	CORRAL(&p->r, "image", "prune");
	assert_status(&p->r, 0);
	assert_string_equal(p->r.out, "");
	CORRAL(&p->r, "image", "rm", "mine");
	assert_status(&p->r, 0);
	assert_says(p->r.out, "removed mine:latest\nremoved sha256:");
	CORRAL(&p->r, "image", "prune", "--all", "--dry-run");
	assert_says(p->r.out, "would remove other:1\n");
	CORRAL(&p->r, "image", "prune", "--all", "--unused", "1h");
	assert_string_equal(p->r.out, "");
	CORRAL(&p->r, "image", "prune", "--all");
	assert_says(p->r.out, "removed nobody:1\n");
	CORRAL(&p->r, "image", "list", "-q");
	assert_string_equal(p->r.out, "");
}

static void caches_are_pruned_with_their_sizes(void **state)
{
	struct place *p = *state;
	corral_autofd int used_fd = -1;
	char path[700];

	if (!p->dir)
		return;
	for (const char *const *name = ARGS("used", "free"); *name; name++) {
		(void)snprintf(path, sizeof(path), "%s/cache/%s", p->images, *name);
		image_folder(path);
		image_file(path, "tarball", *name, 0600);
	}
	(void)snprintf(path, sizeof(path), "%s/cache/used", p->images);
	used_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(used_fd, LOCK_EX), 0);
	CORRAL(&p->r, "image", "prune", "--caches", "--dry-run");
	assert_says(p->r.out, "would remove 1 cache of builds, ");
	CORRAL(&p->r, "image", "prune", "--caches");
	assert_status(&p->r, 0);
	assert_says(p->r.out, "removed 1 cache of builds, ");
	assert_says(p->r.out, "1 cache is in use by builds, and stays\n");
	corral_fd_closep(&used_fd);
	CORRAL(&p->r, "image", "prune", "--caches", "--json");
	assert_says(p->r.out, "\"caches\": 1,");
	assert_int_equal(access(path, F_OK), -1);
}

/* Each word for itself: a line for one that fails, and the rest is done. */
static void a_wrong_word_keeps_nobody_from_the_others(void **state)
{
	struct place *p = *state;
	json_t *list;

	if (!p->dir)
		return;
	CORRAL(&p->r, "image", "inspect", "--json", "none:1", "other:1", "gone:2", "app:1");
	assert_status(&p->r, 125);
	list = json_loads(p->r.out, 0, NULL);
	assert_int_equal(json_array_size(list), 2);
	json_decref(list);
	assert_says(p->r.err, "corral: there is no image 'none:1'");
	assert_says(p->r.err, "\ncorral: there is no image 'gone:2'");
	CORRAL(&p->r, "image", "pull", "127.0.0.1:1/a", "/wrong", "127.0.0.1:1/b");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "corral: pull 127.0.0.1:1/a: ");
	assert_says(p->r.err, "\ncorral: image name '/wrong'");
	assert_says(p->r.err, "\ncorral: pull 127.0.0.1:1/b: ");
	CORRAL(&p->r, "image", "pull", "--parallel", "0", "x");
	assert_error(&p->r, "--parallel: '0' is no number of layers: 1 or more");
	CORRAL(&p->r, "runtime", "rm", "nothing", "none");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "runtime 'nothing'\ncorral: nothing is built for runtime 'none'\n");
	CORRAL(&p->r, "runtime", "build", "nope", "host");
	assert_status(&p->r, 125);
	assert_says(p->r.err, "corral: Unknown runtime 'nope'");
	assert_says(p->r.err, "\ncorral: runtime 'host' has nothing to build");
	CORRAL(&p->r, "image", "rm", "none:1", "app:1", "gone:2", "other:1");
	assert_status(&p->r, 125);
	assert_says(p->r.out, "removed app:1\n");
	assert_says(p->r.out, "removed other:1\n");
	assert_says(p->r.err, "\ncorral: ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(root_is_the_images),
		TEST(owners_and_ids_are_the_images),
		TEST(command_user_and_directory_are_the_images),
		TEST(what_is_said_wins),
		TEST(without_a_command_there_is_a_sentence),
		TEST(unknown_user_is_a_sentence),
		TEST(missing_image_says_what_brings_it),
		TEST(receipt_says_why_there_is_no_image),
		TEST(plan_shows_it),
		TEST(image_of_a_sandbox_stays_until_its_end),
		TEST(runtime_runs_on_its_image),
		TEST(image_over_a_runtime_is_the_root),
		TEST(session_keeps_its_image),
		TEST(session_has_what_the_image_has_in_its_directory),
		TEST(diff_of_a_bare_image_has_what_was_changed_alone),
		TEST(session_of_a_missing_image_is_a_sentence),
		TEST(list_shows_what_there_is),
		TEST(inspect_and_history_show_one),
		TEST(words_are_looked_at_before_anything_is_copied),
		TEST(what_is_too_large_leaves_nothing),
		TEST(a_name_that_moves_is_told),
		TEST(digits_are_taken_wherever_a_name_is),
		TEST(what_broken_pulls_left_is_counted),
		TEST(several_are_removed_each_for_itself),
		TEST(names_come_and_go),
		TEST(caches_are_pruned_with_their_sizes),
		TEST(a_wrong_word_keeps_nobody_from_the_others),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
