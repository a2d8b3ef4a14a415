/*
 * kernel/image/oci/build.h: runtimes are built here, in a sandbox on a base image that is made by
 * hand, with package managers that are scripts and say how they were called.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/image/oci/build.h"
#include "kernel/image/store_state.h"
#include "kernel/layers/layers.h"
#include "tests/real/census.h"
#include "tests/real/image_support.h"
#include "tests/real/library_support.h"
#include "tests/real/sandbox_support.h"

static char dir[64], store_path[96], profiles[64];
static struct corral_launcher *launcher;
static struct corral_image_store *store;

/* Each says how it was called, in a file of the root and in its cache. */
static void base_fill(const char *root)
{
	char path[512];

	image_busybox(root);
	image_file(root, "usr/bin/pip",
	           "#!/bin/sh\necho \"pip $*\" >>/calls\n"
	           "if [ -n \"$PIP_CACHE_DIR\" ]; then mkdir -p \"$PIP_CACHE_DIR\"; "
	           "[ ! -f \"$PIP_CACHE_DIR/wheel\" ] || echo 'pip: cached' >>/calls; "
	           "echo x >\"$PIP_CACHE_DIR/wheel\"; fi\n",
	           0755);
	image_file(root, "usr/bin/npm",
	           "#!/bin/sh\necho \"npm $* in $PWD\" >>/calls; "
	           "[ -n \"$npm_config_cache\" ] && echo y >\"$npm_config_cache/tarball\"\n"
	           "mkdir -p node_modules/thing; echo '{}' >package.json\n",
	           0755);
	image_file(root, "usr/bin/apt-get",
	           "#!/bin/sh\necho \"apt-get $* $DEBIAN_FRONTEND\" >>/calls; "
	           "cat \"$APT_CONFIG\" >/apt.conf; "
	           "for d in $(grep -o '\"/.*\"' \"$APT_CONFIG\"); do d=${d#?}; echo deb "
	           ">${d%?}/partial/x; done\n",
	           0755);
	image_file(root, "usr/bin/cargo",
	           "#!/bin/sh\necho \"cargo $* home $CARGO_HOME\" >>/calls; "
	           "cat \"$CARGO_HOME/config.toml\" >>/calls; echo z >\"$CARGO_HOME/crate\"\n",
	           0755);
	image_file(root, "usr/local/cargo/config.toml", "a setting\n", 0644);
	image_file(root, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0644);
	image_file(root, "etc/group", "root:x:0:\n", 0644);
	image_file(root, "etc/old", "old\n", 0644);
	image_file(root, "opt/full/a", "a\n", 0644);
	(void)snprintf(path, sizeof(path), "%s/root", root);
	image_folder(path);
	(void)snprintf(path, sizeof(path), "%s/var/tmp", root);
	image_folder(path);
}

static void store_make(void)
{
	struct corral_error err = { 0 };

	(void)snprintf(store_path, sizeof(store_path), "%s/images", dir);
	if (corral_image_store_open(store_path, true, &store, &err) < 0)
		fail_msg("%s", err.text);
	store->unsynced = true;
	image_make(store, "base",
	           "{\"Env\":[\"PATH=/usr/bin:/bin\",\"CARGO_HOME=/usr/local/cargo\"],\"Cmd\":["
	           "\"sh\"]}",
	           base_fill);
}

static void tree_remove(const char *path)
{
	struct corral_error err = { 0 };
	char above[64];
	int fd;

	(void)snprintf(above, sizeof(above), "%.*s", (int)(strrchr(path, '/') - path), path);
	fd = open(*above ? above : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	if (corral_layer_remove(fd, strrchr(path, '/') + 1, &err) < 0)
		fail_msg("%s", err.text);
	(void)close(fd);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%s/corral-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
	store_make();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	corral_image_store_close(store);
	tree_remove(dir);
	return 0;
}

/* --- what one does --- */

/* In a child: nothing is shared with its parent. */
static void begin_anew(void)
{
	corral_image_store_close(store);
	if (corral_image_store_open(store_path, false, &store, NULL) < 0 ||
	    corral_launcher_open(0, &launcher, NULL) < 0)
		_exit(1);
	store->unsynced = true;
}

struct watcher {
	struct corral_buf lines;
	const char *stop_at; /* a line that begins so: kill or cancel */
	bool kill;
	unsigned int told; /* that it is still on */
};

static int watch(void *ctx, const char *what, const char *doing, uint64_t current, uint64_t total)
{
	struct watcher *w = ctx;

	(void)current;
	(void)total;
	if (strcmp(doing, "log") != 0) {
		w->told++;
		return 0;
	}
	corral_buf_fmt(&w->lines, "%s\n", what);
	if (!w->stop_at || strncmp(what, w->stop_at, strlen(w->stop_at)) != 0)
		return 0;
	if (w->kill)
		(void)kill(getpid(), SIGKILL);
	return 1;
}

static struct corral_runtime *parsed(const char *json)
{
	struct corral_runtime *rt = NULL;
	struct corral_error err = { 0 };

	if (corral_runtime_parse(json, strlen(json), &rt, &err) < 0)
		fail_msg("%s: %s", json, err.text);
	return rt;
}

static int build_with(const char *json, const struct corral_build_options *wanted,
                      struct watcher *w, struct corral_image **ret, struct corral_error *err)
{
	corral_auto(corral_runtime_freep) struct corral_runtime *rt = parsed(json);
	const struct corral_progress progress = { watch, w };
	struct corral_build_options o = wanted ? *wanted : (struct corral_build_options) { 0 };

	o.launcher = launcher;
	o.progress = w ? &progress : NULL;
	o.seccomp_cache_dir = profiles;
	if (!o.network)
		o.network = "none";
	return corral_runtime_build(store, rt, &o, ret, err);
}

static struct corral_image *built(const char *json)
{
	struct corral_image *i = NULL;
	struct corral_error err = { 0 };

	if (build_with(json, NULL, NULL, &i, &err) < 0)
		fail_msg("%s", err.text);
	return i;
}

/* A file of the image's root; "" when it is not there. The caller's. */
static char *content(const struct corral_image *i, const char *name)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofree char *root = NULL;
	corral_autofd int use = -1, fd = -1;
	char path[512];

	assert_int_equal(corral_image_use(store, i, &root, &use, NULL), 0);
	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	corral_buf_str(&text, "");
	if (fd >= 0)
		assert_int_equal(corral_buf_read_fd(&text, fd, 1 << 20), 0);
	return text.data ? corral_buf_take(&text) : strdup("");
}

static bool has(const struct corral_image *i, const char *name)
{
	corral_autofree char *root = NULL;
	corral_autofd int use = -1;
	char path[512];
	struct stat st;

	assert_int_equal(corral_image_use(store, i, &root, &use, NULL), 0);
	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	return lstat(path, &st) == 0;
}

static void contains(const struct corral_image *i, const char *name, const char *wanted)
{
	corral_autofree char *text = content(i, name);

	assert_string_equal(text, wanted);
}

static void holds(const char *text, const char *part)
{
	if (!strstr(text ? text : "", part))
		fail_msg("'%s' is not in:\n%s", part, text ? text : "(nothing)");
}

static void nothing_is_half_made(void)
{
	assert_int_equal(image_entries(store_path, "partial"), 0);
}

#define RT(rest) "{\"name\":\"x\",\"base_image\":\"base\"" rest "}"

/* --- what is built --- */

static void setup_commands_run_in_order_and_become_one_layer(void **state)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;

	(void)state;
	i = built(RT(",\"setup_commands\":[\"echo 1 >/made && rm /etc/old\",\"cat /made && echo 2 "
	             ">>/made\",\"rm -r /opt/full && mkdir /opt/full && echo b >/opt/full/b\"]"));
	assert_int_equal(i->n_layers, 2);
	assert_string_equal(i->built_for, "x");
	assert_int_equal(i->n_names, 1);
	assert_non_null(strstr(i->names[0], "corral-runtime:x-"));
	assert_string_equal(i->work_dir, "/workspace");
	assert_string_equal(i->command[0], "sh");
	contains(i, "made", "1\n2\n");
	assert_false(has(i, "etc/old"));
	assert_false(has(i, "opt/full/a"));
	assert_true(has(i, "opt/full/b"));
	assert_true(has(i, "workspace"));
	assert_true(has(i, "etc/passwd"));
	nothing_is_half_made();
}

static void nothing_of_the_sandbox_is_in_the_layer(void **state)
{
	static const char *const names[] = { ".corral-build", "dev", "proc", "sys",
		                             "etc/resolv.conf" };
	corral_auto(corral_image_freep) struct corral_image *i = NULL;

	(void)state;
	i = built(RT(",\"setup_commands\":[\"ls / /.corral-build/cache && test -w /tmp && echo x "
	             ">/tmp/x\"]"));
	for (size_t k = 0; k < CORRAL_COUNT(names); k++)
		if (has(i, names[k]))
			fail_msg("/%s is in the image", names[k]);
	assert_false(has(i, "tmp/x"));
}

static void what_was_built_is_not_built_again(void **state)
{
	static const char json[] = RT(",\"setup_commands\":[\"echo $$ >/made\"]");
	corral_auto(corral_image_freep) struct corral_image *one = NULL, *two = NULL, *three = NULL,
	                                                    *four = NULL;
	struct watcher w = { .lines = CORRAL_BUF_INIT };
	struct corral_error err = { 0 };

	(void)state;
	one = built(json);
	assert_int_equal(build_with(json, NULL, &w, &two, &err), 0);
	assert_string_equal(one->id, two->id);
	assert_null(w.lines.data);
	assert_int_equal(build_with(json, &(struct corral_build_options) { .no_cache = true }, &w,
	                            &three, &err),
	                 0);
	holds(w.lines.data, "step 1 of 1: echo $$ >/made\n");
	nap(10);
	assert_int_equal(build_with(RT(",\"cache_image\":false,\"setup_commands\":[\"echo $$ "
	                               ">/made\"]"),
	                            NULL, NULL, &four, &err),
	                 0);
	corral_buf_done(&w.lines);
	nothing_is_half_made();
}

static void a_base_alone_has_no_layer_of_its_own(void **state)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;

	(void)state;
	i = built(RT(",\"work_dir\":\"/app\""));
	assert_int_equal(i->n_layers, 1);
	assert_string_equal(i->work_dir, "/app");
	assert_true(has(i, "bin/sh"));
}

static void downloads_are_kept_for_the_next_build_and_are_in_no_layer(void **state)
{
	corral_auto(corral_image_freep) struct corral_image *one = NULL, *two = NULL, *none = NULL;
	struct corral_error err = { 0 };

	(void)state;
	one = built(RT(",\"packages\":[\"a>=1\",\"b[c]\"]"));
	contains(one, "calls", "pip install a>=1 b[c]\n");
	two = built(RT(",\"packages\":[\"d\"]"));
	contains(two, "calls", "pip install d\npip: cached\n");
	assert_int_equal(build_with(RT(",\"packages\":[\"e\"]"),
	                            &(struct corral_build_options) { .no_cache = true }, NULL,
	                            &none, &err),
	                 0);
	contains(none, "calls", "pip install --no-cache-dir e\n");
	assert_int_equal(image_entries(store_path, "cache"), 1);
}

/* A file's may have the name of another, which has other downloads. */
static void a_files_runtime_has_downloads_of_its_own(void **state)
{
	static const char json[] = RT(",\"packages\":[\"a\"]");
	const struct corral_build_options o = { .launcher = launcher,
		                                .seccomp_cache_dir = profiles,
		                                .network = "none" };
	corral_auto(corral_runtime_freep) struct corral_runtime *rt = parsed(RT(",\"packages\":["
	                                                                        "\"b\"]"));
	corral_auto(corral_image_freep) struct corral_image *two = NULL;
	struct corral_error err = { 0 };

	(void)state;
	corral_image_free(built(json));
	rt->path = strdup("/nowhere/x.json");
	if (corral_runtime_build(store, rt, &o, &two, &err) < 0)
		fail_msg("%s", err.text);
	contains(two, "calls", "pip install b\n");
	assert_int_equal(image_entries(store_path, "cache"), 2);
}

static void npm_installs_in_the_working_directory(void **state)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;

	(void)state;
	i = built(RT(",\"packages\":[\"@a/b\"],\"package_manager\":\"npm\",\"work_dir\":"
	             "\"/srv/app\""));
	contains(i, "calls", "npm install --no-audit --no-fund @a/b in /srv/app\n");
	assert_true(has(i, "srv/app/node_modules/thing"));
	assert_true(has(i, "srv/app/package.json"));
}

static void apt_keeps_what_it_downloads_elsewhere(void **state)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	corral_autofree char *conf = NULL;

	(void)state;
	i = built(RT(",\"packages\":[\"jq\"],\"package_manager\":\"apt\",\"setup_commands\":["
	             "\"mkdir -p /var/lib/apt/lists\"]"));
	contains(i, "calls",
	         "apt-get update noninteractive\napt-get install -y --no-install-recommends jq "
	         "noninteractive\n");
	conf = content(i, "apt.conf");
	holds(conf, "Dir::Cache::archives \"/.corral-build/cache/apt/archives\";");
	holds(conf, "APT::Sandbox::User \"root\";");
	holds(conf, "DPkg::Options:: \"--force-unsafe-io\";");
}

static void cargo_has_its_own_home_for_downloads_and_installs_to_the_images(void **state)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;

	(void)state;
	i = built(RT(",\"packages\":[\"rg\"],\"package_manager\":\"cargo\""));
	contains(i, "calls",
	         "cargo install --root /usr/local/cargo rg home "
	         "/.corral-build/cache/cargo\na setting\n");
	assert_false(has(i, "usr/local/cargo/crate"));
}

static void an_account_is_made_and_is_the_images_user(void **state)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	corral_autofree char *passwd = NULL, *root = NULL;
	corral_autofd int use = -1;
	corral_autobuf struct corral_buf env = CORRAL_BUF_INIT;
	char path[512];
	struct stat st;

	(void)state;
	i = built(RT(",\"run_as_uid\":1234,\"env_vars\":{\"TOKEN\":\"secret\"},\"setup_commands\":"
	             "[\"env >/env\"]"));
	assert_string_equal(i->user, "1234:1234");
	for (size_t k = 0; k < i->n_env; k++)
		corral_buf_fmt(&env, "%s\n", i->env[k]);
	holds(env.data, "PATH=/opt/venv/bin:/usr/bin:/bin\n");
	holds(env.data, "HOME=/home/agent\n");
	passwd = content(i, "env");
	assert_true(env.data && !strstr(env.data, "TOKEN"));
	assert_null(strstr(passwd, "TOKEN"));
	free(passwd);
	passwd = content(i, "etc/passwd");
	holds(passwd, "agent:x:1234:1234:agent:/home/agent:/bin/sh\nroot:x:0:0:");
	assert_int_equal(corral_image_use(store, i, &root, &use, NULL), 0);
	(void)snprintf(path, sizeof(path), "%s/home/agent", root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, geteuid() == 0 ? 1234 : geteuid());
}

static void owners_modes_and_links_are_what_the_commands_made_them(void **state)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	corral_autofree char *root = NULL;
	corral_autofd int use = -1;
	char path[512];
	struct stat st, other;

	(void)state;
	if (corral_test_needs_root("other owners"))
		return;
	i = built(RT(",\"setup_commands\":[\"echo x >/f && ln /f /g && chown 12:34 /f && chmod "
	             "6755 /f && ln -s /etc/passwd /l\"]"));
	assert_int_equal(corral_image_use(store, i, &root, &use, NULL), 0);
	(void)snprintf(path, sizeof(path), "%s/f", root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 12);
	assert_int_equal(st.st_gid, 34);
	assert_int_equal(st.st_mode & 07777, 06755);
	(void)snprintf(path, sizeof(path), "%s/g", root);
	assert_int_equal(stat(path, &other), 0);
	assert_int_equal(st.st_ino, other.st_ino);
	(void)snprintf(path, sizeof(path), "%s/l", root);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

/* --- what the sandbox lets be --- */

static void a_build_sees_neither_the_host_nor_the_store(void **state)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	char json[1024];

	(void)state;
	image_file(dir, "secret", "told to nobody\n", 0644);
	(void)snprintf(json, sizeof(json),
	               RT(",\"setup_commands\":[\"test ! -e %s\",\"test ! -e /usr/bin/gcc\",\"test "
	                  "$(ls /proc | grep -c '^[0-9]') -lt 9\",\"! grep -v lo: "
	                  "/proc/net/dev | grep -q :\"]"),
	               dir);
	i = built(json);
	assert_non_null(i);
}

static void a_later_build_does_not_find_another_bases_downloads(void **state)
{
	corral_auto(corral_image_freep) struct corral_image *two = NULL;

	(void)state;
	image_make(store, "other", "{\"Env\":[\"PATH=/usr/bin:/bin\"]}", base_fill);
	corral_image_free(built(RT(",\"packages\":[\"a\"]")));
	two = built("{\"name\":\"x\",\"base_image\":\"other\",\"packages\":[\"a\"]}");
	contains(two, "calls", "pip install a\n");
	assert_int_equal(image_entries(store_path, "cache"), 2);
}

/* A guest leaves a link where the host writes: to what the host would make, or make things in. */
static void planted(const char *command, const char *made)
{
	char json[1024], path[256];
	struct stat st;

	(void)snprintf(json, sizeof(json),
	               RT(",\"setup_commands\":[\"cd /.corral-build/cache && D=%s; %s\"]"), dir,
	               command);
	corral_image_free(built(json));
	(void)snprintf(json, sizeof(json),
	               RT(",\"packages\":[\"jq\"],\"package_manager\":\"apt\",\"setup_commands\":"
	                  "[\"echo %s\"]"),
	               made);
	corral_image_free(built(json));
	(void)snprintf(path, sizeof(path), "%s/%s", dir, made);
	if (lstat(path, &st) == 0)
		fail_msg("the host followed a link to %s", path);
}

static void what_a_guest_left_in_the_cache_is_not_followed(void **state)
{
	(void)state;
	planted("rm apt.conf; ln -s $D/planted apt.conf", "planted");
	planted("rm -r apt; ln -s $D apt", "archives");
	planted("rm apt.conf; mkdir apt.conf; ln -s $D/other apt.conf/x", "other");
}

/* --- failures --- */

static void a_failing_step_is_explained_and_leaves_nothing(void **state)
{
	struct corral_image *i = NULL;
	struct corral_error err = { 0 };
	char log[256];

	(void)state;
	assert_int_equal(build_with(RT(",\"setup_commands\":[\"true\",\"echo some words; echo 'no "
	                               "such thing' >&2; exit 7\",\"echo never\"]"),
	                            NULL, NULL, &i, &err),
	                 -EIO);
	holds(err.text, "Building corral-runtime:x-");
	holds(err.text, "some words\nno such thing\nstep 2 of 3 ('echo some words");
	holds(err.text, "exit code 7; the log is '");
	assert_null(i);
	nothing_is_half_made();
	assert_int_equal(image_entries(store_path, "logs"), 1);
	(void)snprintf(log, sizeof(log), "%.*s",
	               (int)strcspn(strstr(err.text, "log is '") + 8, "'"),
	               strstr(err.text, "log is '") + 8);
	assert_int_equal(access(log, R_OK), 0);
	assert_int_equal(image_entries(store_path, "images"), 1);
}

static void what_is_not_there_is_said(void **state)
{
	struct corral_image *i = NULL;
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(build_with("{\"name\":\"x\",\"base_image\":\"nowhere\"}", NULL, NULL, &i,
	                            &err),
	                 -ENOENT);
	holds(err.text, "base image: there is no image 'nowhere'");
	assert_int_equal(build_with(RT(",\"packages\":[\"a\"],\"setup_commands\":[\"rm "
	                               "/usr/bin/pip\"]"),
	                            NULL, NULL, &i, &err),
	                 -EIO);
	holds(err.text, "step 2 of 2 ('pip install a'): cannot be executed: No such file");
	nothing_is_half_made();
}

static int fetch(void *ctx, const char *name, struct corral_error *err)
{
	*(int *)ctx += 1;
	(void)err;
	image_make(store, name, "{}", base_fill);
	return 0;
}

static void a_base_image_is_fetched(void **state)
{
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	struct corral_error err = { 0 };
	int n = 0;
	const struct corral_build_options o = { .fetch = fetch, .fetch_ctx = &n };

	(void)state;
	if (build_with("{\"name\":\"x\",\"base_image\":\"far\"}", &o, NULL, &i, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(n, 1);
}

static void a_build_can_be_called_off(void **state)
{
	struct watcher w = { .lines = CORRAL_BUF_INIT, .stop_at = "now" };
	uint64_t began = corral_now_ms();
	struct corral_image *i = NULL;
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(build_with(RT(",\"setup_commands\":[\"echo now; sleep 600\"]"), NULL, &w,
	                            &i, &err),
	                 -ECANCELED);
	assert_true(corral_now_ms() - began < corral_test_most_ms(10000));
	corral_buf_done(&w.lines);
	nothing_is_half_made();
}

static void a_build_that_takes_too_long_ends(void **state)
{
	const struct corral_build_options o = { .timeout_ms = 1500 };
	struct corral_image *i = NULL;
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(build_with(RT(",\"setup_commands\":[\"sleep 60\"]"), &o, NULL, &i, &err),
	                 -ETIMEDOUT);
	holds(err.text, "takes too long");
	nothing_is_half_made();
}

/* --- many at once --- */

#define MANY 6

/* What one process of many says of its build: image, and whether it was the one that built. */
struct said {
	char id[CORRAL_DIGEST_SIZE];
	int r;
	bool built, waited;
};

static void others(const char *json, struct said *said)
{
	pid_t pids[MANY];
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	for (int k = 0; k < MANY; k++) {
		pids[k] = fork();
		assert_true(pids[k] >= 0);
		if (pids[k] == 0) {
			struct watcher w = { .lines = CORRAL_BUF_INIT };
			struct corral_image *i = NULL;
			struct said mine = { "", 0, false, false };
			struct corral_error err = { 0 };

			begin_anew();
			mine.r = build_with(json, NULL, &w, &i, &err);
			if (i)
				(void)snprintf(mine.id, sizeof(mine.id), "%s", i->id);
			mine.built = w.lines.data && strstr(w.lines.data, "step 1 of");
			mine.waited = w.lines.data && strstr(w.lines.data, "waiting for another");
			_exit(write(fds[1], &mine, sizeof(mine)) != sizeof(mine));
		}
	}
	(void)close(fds[1]);
	for (int k = 0; k < MANY; k++)
		assert_int_equal(read(fds[0], &said[k], sizeof(said[k])), sizeof(said[k]));
	(void)close(fds[0]);
	for (int k = 0; k < MANY; k++) {
		int status;

		assert_int_equal(waitpid(pids[k], &status, 0), pids[k]);
		assert_int_equal(status, 0);
	}
}

static void many_who_ask_at_once_share_one_build(void **state)
{
	struct said said[MANY];
	int n_built = 0, n_waited = 0;

	(void)state;
	others(RT(",\"setup_commands\":[\"sleep 1; echo x >/made\"]"), said);
	for (int k = 0; k < MANY; k++) {
		assert_int_equal(said[k].r, 0);
		assert_string_equal(said[k].id, said[0].id);
		n_built += said[k].built;
		n_waited += said[k].waited;
	}
	assert_int_equal(n_built, 1);
	assert_int_equal(n_waited, MANY - 1);
	nothing_is_half_made();
}

static void many_who_ask_for_it_anew_share_one_build_as_well(void **state)
{
	struct said said[MANY];
	int n_built = 0;

	(void)state;
	others(RT(",\"cache_image\":false,\"setup_commands\":[\"sleep 1; echo x >/made\"]"), said);
	for (int k = 0; k < MANY; k++) {
		assert_int_equal(said[k].r, 0);
		n_built += said[k].built;
	}
	assert_int_equal(n_built, 1);
}

static void those_who_waited_hear_of_its_failure(void **state)
{
	struct said said[MANY];
	int n_built = 0;

	(void)state;
	others(RT(",\"setup_commands\":[\"sleep 1; exit 3\"]"), said);
	for (int k = 0; k < MANY; k++) {
		assert_int_equal(said[k].r, -EIO);
		n_built += said[k].built;
	}
	assert_int_equal(n_built, 1);
	nothing_is_half_made();
}

/* --- killed --- */

static const char killed_json[] =
        RT(",\"setup_commands\":[\"echo 1 >/made; echo one\",\"echo 2 >>/made; "
           "echo two\"],\"packages\":[\"p\"]");

/* A process that kills itself when the build says so; or somebody does, after so many ms. */
static void killed_at(const char *line, unsigned int after_ms)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct watcher w = { .lines = CORRAL_BUF_INIT, .stop_at = line, .kill = true };
		struct corral_image *i = NULL;

		begin_anew();
		_exit(build_with(killed_json, NULL, &w, &i, NULL) < 0);
	}
	if (after_ms) {
		nap(after_ms);
		(void)kill(pid, SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!after_ms)
		assert_true(WIFSIGNALED(status));
}

static void whole_or_not_at_all(void)
{
	corral_auto(corral_runtime_freep) struct corral_runtime *rt = parsed(killed_json);
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	struct corral_error err = { 0 };
	int r = corral_runtime_build_find(store, rt, &i, &err);

	if (r == -ENOENT)
		return;
	assert_int_equal(r, 0);
	contains(i, "made", "1\n2\n");
	assert_true(has(i, "calls"));
}

static void killed_at_any_line_it_is_built_anew(void **state)
{
	static const char *const lines[] = { "building ", "step 1", "one",    "step 2",
		                             "two",       "step 3", "keeping" };
	struct census before;

	(void)state;
	if (!census_adopt())
		return;
	census_take(&before);
	for (size_t k = 0; k < CORRAL_COUNT(lines); k++) {
		killed_at(lines[k], 0);
		whole_or_not_at_all();
		assert_int_equal(image_entries(store_path, "images"), 1);
	}
	corral_image_free(built(killed_json));
	whole_or_not_at_all();
	nothing_is_half_made();
	assert_nothing_left(&before);
}

static void killed_at_any_moment_it_is_whole_or_not_there(void **state)
{
	const struct corral_image_prune_options options = { 0 };
	struct corral_image_removal gone = { 0 };
	struct corral_error err = { 0 };
	int times = corral_test_times(10);

	(void)state;
	for (int k = 0; k < times; k++) {
		size_t n;

		killed_at("never", 5 + (unsigned int)(k * 97) % 120);
		whole_or_not_at_all();
		assert_int_equal(corral_runtime_build_remove(store, "x", &n, &(uint64_t) { 0 },
		                                             &err),
		                 0);
	}
	corral_image_free(built(killed_json));
	whole_or_not_at_all();
	if (corral_image_prune(store, &options, &gone, &err) < 0)
		fail_msg("%s", err.text);
	corral_image_removal_done(&gone);
	nothing_is_half_made();
	assert_int_equal(image_entries(store_path, "layers"), 2);
}

static void somebody_pruning_does_not_harm_a_build(void **state)
{
	static const char json[] = RT(",\"setup_commands\":[\"echo x >/made; sleep 1; echo y "
	                              ">>/made\"]");
	const struct corral_image_prune_options options = { 0 };
	corral_auto(corral_runtime_freep) struct corral_runtime *rt = parsed(json);
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		begin_anew();
		_exit(build_with(json, NULL, NULL, &i, NULL) < 0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		struct corral_image_removal gone = { 0 };

		(void)corral_image_prune(store, &options, &gone, NULL);
		corral_image_removal_done(&gone);
		nap(50);
	}
	assert_int_equal(status, 0);
	assert_int_equal(corral_runtime_build_find(store, rt, &i, NULL), 0);
	contains(i, "made", "x\ny\n");
}

/* --- what goes --- */

/* By hand: an image that is two hours old. */
static void make_old(const struct corral_image *i)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	char path[256], number[32], *at;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/images/%s", store_path, i->id + 7);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(corral_buf_read_fd(&text, fd, 1 << 20), 0);
	(void)snprintf(number, sizeof(number), "%lld", (long long)i->stored_ms);
	at = strstr(text.data, number);
	assert_non_null(at);
	(void)snprintf(number, sizeof(number), "%lld", (long long)i->stored_ms - 2ll * 3600 * 1000);
	memcpy(at, number, strlen(number));
	assert_int_equal(pwrite(fd, text.data, text.len, 0), text.len);
	(void)close(fd);
}

static void older_builds_of_the_same_runtime_go_but_for_those_in_use(void **state)
{
	corral_auto(corral_image_freep) struct corral_image *one = NULL, *two = NULL, *gone = NULL,
	                                                    *other = NULL;
	corral_autofree char *root = NULL;
	corral_autofd int use = -1;

	(void)state;
	other = built("{\"name\":\"y\",\"base_image\":\"base\"}");
	one = built(RT(",\"setup_commands\":[\"echo 1 >/made\"]"));
	make_old(one);
	make_old(other);
	assert_int_equal(corral_image_use(store, one, &root, &use, NULL), 0);
	two = built(RT(",\"setup_commands\":[\"echo 2 >/made\"]"));
	assert_int_equal(corral_image_find(store, one->id, &gone, NULL), 0);
	corral_image_free(corral_take_ptr(&gone));
	corral_fd_closep(&use);
	corral_image_free(built(RT(",\"setup_commands\":[\"echo 3 >/made\"]")));
	assert_int_equal(corral_image_find(store, one->id, &gone, NULL), -ENOENT);
	/* Younger than an hour, and another runtime's. */
	assert_int_equal(corral_image_find(store, two->id, &gone, NULL), 0);
	corral_image_free(corral_take_ptr(&gone));
	assert_int_equal(corral_image_find(store, other->id, &gone, NULL), 0);
}

static void removing_takes_all_of_a_runtimes_builds(void **state)
{
	struct corral_error err = { 0 };
	uint64_t bytes;
	size_t n;

	(void)state;
	corral_image_free(built(RT(",\"setup_commands\":[\"echo 1 >/made\"]")));
	corral_image_free(built(RT(",\"setup_commands\":[\"echo 2 >/made\"]")));
	assert_int_equal(corral_runtime_build_remove(store, "x", &n, &bytes, &err), 0);
	assert_int_equal(n, 2);
	assert_int_equal(image_entries(store_path, "images"), 1);
	assert_int_equal(corral_runtime_build_remove(store, "x", &n, &bytes, &err), 0);
	assert_int_equal(n, 0);
}

/* --- the command line --- */

/*
 * A build that nobody gave a network has one of its own, which takes a host that forwards: this
 * thread's from now on, and that of what it starts. A user's takes pasta and its device:
 * test_network_pasta.c.
 */
static bool forwarding_host(void)
{
	static bool made;
	corral_autofd int fd = -1;

	if (geteuid() != 0)
		return false;
	if (made)
		return true;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	fd = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "1", 1), 1);
	made = true;
	return true;
}

static void the_first_run_of_a_runtime_builds_it(void **state)
{
	struct run r = { 0 };
	char json[128];

	(void)state;
	if (!forwarding_host())
		return;
	image_file(dir, "x.json",
	           RT(",\"package_manager\":\"npm\",\"work_dir\":\"/srv/app\",\"isolation\":"
	              "\"native\",\"packages\":[\"thing\"]"),
	           0644);
	(void)snprintf(json, sizeof(json), "%s/x.json", dir);
	assert_int_equal(setenv("CORRAL_IMAGES", store_path, 1), 0);
	RUN(&r, "--pull", "never", "--runtime", json, "--", "true");
	assert_status(&r, 125);
	holds(r.err, json); /* after "corral runtime build" */
	holds(r.err, "corral runtime build ");
	RUN(&r, "--runtime", json, "--", "ls");
	assert_status(&r, 0);
	holds(r.err, "step 1 of 1: npm thing");
	assert_string_equal(r.out, "node_modules\npackage.json\n");
	RUN(&r, "--runtime", json, "--", "touch", "new");
	assert_status(&r, 0);
	assert_string_equal(r.err, "");
	run_done(&r);
	assert_int_equal(unsetenv("CORRAL_IMAGES"), 0);
}

static void a_run_says_why_its_runtime_could_not_be_built(void **state)
{
	struct run r = { 0 };
	char json[128];

	(void)state;
	if (!forwarding_host())
		return;
	image_file(dir, "x.json",
	           RT(",\"isolation\":\"native\",\"setup_commands\":[\"echo alas; exit 4\"]"),
	           0644);
	(void)snprintf(json, sizeof(json), "%s/x.json", dir);
	assert_int_equal(setenv("CORRAL_IMAGES", store_path, 1), 0);
	RUN(&r, "--runtime", json, "--", "true");
	assert_status(&r, 125);
	holds(r.err, "alas\n");
	holds(r.err, "step 1 of 1 ('echo alas; exit 4'): exit code 4");
	holds(r.err, "could not be prepared");
	run_done(&r);
	assert_int_equal(unsetenv("CORRAL_IMAGES"), 0);
}

static void needs_busybox_and_sandboxes(void **state)
{
	(void)state;
	if (!has_busybox())
		corral_test_skip("a static " IMAGE_BUSYBOX " (package busybox-static)");
	else
		(void)can_launch();
}

static int suite_setup(void **state)
{
	struct corral_error err = { 0 };
	const char *tmp = getenv("TMPDIR");

	(void)state;
	if (corral_launcher_open(0, &launcher, &err) < 0)
		fail_msg("%s", err.text);
	/* To compile those anew for each takes longer than all else. */
	(void)snprintf(profiles, sizeof(profiles), "%s/corral-test-XXXXXX",
	               tmp && *tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(profiles));
	return 0;
}

static int suite_teardown(void **state)
{
	(void)state;
	corral_launcher_close(launcher);
	tree_remove(profiles);
	return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(setup_commands_run_in_order_and_become_one_layer),
		CASE(nothing_of_the_sandbox_is_in_the_layer),
		CASE(what_was_built_is_not_built_again),
		CASE(a_base_alone_has_no_layer_of_its_own),
		CASE(downloads_are_kept_for_the_next_build_and_are_in_no_layer),
		CASE(a_files_runtime_has_downloads_of_its_own),
		CASE(npm_installs_in_the_working_directory),
		CASE(apt_keeps_what_it_downloads_elsewhere),
		CASE(cargo_has_its_own_home_for_downloads_and_installs_to_the_images),
		CASE(an_account_is_made_and_is_the_images_user),
		CASE(owners_modes_and_links_are_what_the_commands_made_them),
		CASE(a_build_sees_neither_the_host_nor_the_store),
		CASE(a_later_build_does_not_find_another_bases_downloads),
		CASE(what_a_guest_left_in_the_cache_is_not_followed),
		CASE(a_failing_step_is_explained_and_leaves_nothing),
		CASE(what_is_not_there_is_said),
		CASE(a_base_image_is_fetched),
		CASE(a_build_can_be_called_off),
		CASE(a_build_that_takes_too_long_ends),
		CASE(many_who_ask_at_once_share_one_build),
		CASE(many_who_ask_for_it_anew_share_one_build_as_well),
		CASE(those_who_waited_hear_of_its_failure),
		CASE(killed_at_any_line_it_is_built_anew),
		CASE(killed_at_any_moment_it_is_whole_or_not_there),
		CASE(somebody_pruning_does_not_harm_a_build),
		CASE(older_builds_of_the_same_runtime_go_but_for_those_in_use),
		CASE(removing_takes_all_of_a_runtimes_builds),
		CASE(the_first_run_of_a_runtime_builds_it),
		CASE(a_run_says_why_its_runtime_could_not_be_built),
	};
	const struct CMUnitTest none[] = { cmocka_unit_test(needs_busybox_and_sandboxes) };
	struct corral_launcher *l = NULL;

	if (!has_busybox() || corral_launcher_open(0, &l, NULL) < 0)
		return cmocka_run_group_tests(none, NULL, NULL);
	corral_launcher_close(l);
	return cmocka_run_group_tests(tests, suite_setup, suite_teardown);
}
