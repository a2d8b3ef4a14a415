/*
 * Layers upon layers: what earlier sandboxes kept is what a later one begins with, and stays as it
 * was.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support.h"

#include "kernel/layers/layers.h"
#include "tests/real/layers_support.h"

static struct layered l;

static int setup(void **state)
{
	(void)state;
	return layered_init(&l);
}

static int teardown(void **state)
{
	(void)state;
	layered_done(&l);
	return 0;
}

/* All there is of a layer: names, owners, modes, times to the nanosecond, attributes, content. */
static char *picture(const char *name)
{
	const char *argv[] = {
		"sh", "-c",
		"cd \"$0\" && find . ! -name work -printf '%p %y %m %U:%G %n %s %l %T@ %C@\\n' | "
		"LC_ALL=C sort && find . -type f -exec cksum {} + | LC_ALL=C sort",
		layer_path(&l, name), NULL
	};
	struct run r = { 0 };
	char *text;

	run_argv(&r, argv);
	assert_int_equal(r.status, 0);
	text = corral_take_ptr(&r.out);
	run_done(&r);
	return text;
}

static void assert_same_picture(const char *name, char *before)
{
	char *now = picture(name);

	if (strcmp(now, before) != 0)
		fail_msg("layer %s is not what it was:\n%s\n---\n%s", name, before, now);
	free(now);
	free(before);
}

static void each_generation_begins_with_what_the_last_one_left(void **state)
{
	char *one, *two;

	(void)state;
	if (!can_stack(&l))
		return;
	assert_layers_say(&l, "1",
	                  "mkdir d d/in && echo a >a && echo b >b && echo x >d/in/x && ln -s a l "
	                  "&& ln b hard && echo root >/root/r && mkdir /opt/o && chmod 640 b",
	                  "");
	one = picture("1");
	assert_layers_say(&l, "2 1",
	                  "cat a b d/in/x l hard /root/r && stat -c '%a %h' b && test -d /opt/o",
	                  "a\nb\nx\na\nb\nroot\n640 2\n");
	assert_layers_say(&l, "2 1",
	                  "rm a && echo B >b && mv d e && mkdir d && echo new >d/new && rm "
	                  "/root/r && rmdir /opt/o && echo file >/opt/o && chmod 700 .",
	                  "");
	assert_same_picture("1", one);
	one = picture("1");
	two = picture("2");
	/* Beside it, from the same one. */
	assert_layers_say(&l, "other 1", "cat a && ls d && rm -r d", "a\nin\n");
	assert_layers_say(&l, "3 2 1",
	                  "cat b; cat a l; ls -A d e e/in; cat /root/r; cat /opt/o; stat -c %a .",
	                  NULL);
	assert_layers_say(
	        &l, "3 2 1",
	        "cat b e/in/x /opt/o && ls d && ls -d a /root/r 2>/dev/null; stat -c %a . "
	        "&& test -L l && echo three >three && rm -r d && mkdir -p d/in",
	        "B\nx\nfile\nnew\n700\n");
	assert_layers_say(&l, "4 3 2 1", "ls -AR d; cat three", "d:\nin\n\nd/in:\nthree\n");
	assert_same_picture("1", one);
	assert_same_picture("2", two);
}

/* As a program that lived on would see it: the same layer, again and again. */
static void one_layer_is_written_by_sandbox_after_sandbox(void **state)
{
	(void)state;
	if (!can_stack(&l))
		return;
	assert_layers_say(&l, "0", "echo zero >f", "");
	for (int i = 0; i < 3; i++)
		assert_layers_say(&l, "1 0", "echo more >>f; echo more >>/root/f", "");
	assert_layers_say(&l, "1 0", "cat f /root/f | sort | uniq -c | tr -s ' '",
	                  " 6 more\n 1 zero\n");
	assert_layers_say(&l, "0", "cat f", "zero\n");
}

static void programs_of_the_host_are_changed_layer_by_layer(void **state)
{
	(void)state;
	if (!can_stack(&l))
		return;
	if (!is_root()) {
		skip_without_root("an overlay on /usr");
		return;
	}
	assert_layers_say(&l, "1", "echo mine >/usr/local/mine && rm /usr/bin/yes", "");
	assert_layers_say(&l, "2 1",
	                  "cat /usr/local/mine; test ! -e /usr/bin/yes && rm /usr/local/mine",
	                  "mine\n");
	assert_layers_say(&l, "3 2 1", "test ! -e /usr/local/mine && test ! -e /usr/bin/yes", "");
	assert_layers_say(&l, "other 1", "cat /usr/local/mine", "mine\n");
	assert_int_equal(access("/usr/bin/yes", F_OK), 0);
}

static void sandboxes_share_a_frozen_layer(void **state)
{
	struct corral_backend *left, *right;
	struct corral_error err = { 0 };
	char *base, *out;

	(void)state;
	if (!can_stack(&l))
		return;
	assert_layers_say(&l, "base", "echo base >f && mkdir d && touch d/x", "");
	base = picture("base");
	left = layers_open(&l, "{}", "left base");
	right = layers_open(&l, "{}", "right base");
	free(layers_say(left, "echo left >f && rm -r d", NULL, &err));
	free(layers_say(right, "cat f && echo right >d/y", NULL, &err));
	out = layers_say(left, "cat f && ls", NULL, &err);
	assert_string_equal(out, "left\nf\n");
	free(out);
	out = layers_say(right, "cat f && ls d", NULL, &err);
	assert_string_equal(out, "base\nx\ny\n");
	free(out);
	/* Nobody writes to what they stand on. */
	assert_layers_refused(&l, "base", "another sandbox has it");
	assert_layers_refused(&l, "left base", "another sandbox has it");
	/* Nor stands on what is written. */
	assert_layers_refused(&l, "third left base", "a sandbox still writes to it");
	corral_backend_close(left);
	corral_backend_close(right);
	assert_layers_say(&l, "third left base", "cat f", "left\n");
	assert_same_picture("base", base);
}

static void unsuitable_layers_are_refused(void **state)
{
	(void)state;
	if (!can_stack(&l))
		return;
	assert_layers_say(&l, "1", "true", "");
	assert_int_equal(chmod(layer_path(&l, "1"), 0777), 0);
	assert_layers_refused(&l, "2 1", "others may write to it: chmod go-w");
	assert_int_equal(chmod(layer_path(&l, "1"), 0700), 0);
	assert_layers_refused(&l, "2 1 0 1", "it is there twice");
	assert_layers_refused(&l, "1 1", "it is there twice");
	assert_int_equal(symlink("1", layer_path(&l, "loop")), 0);
	assert_layers_refused(&l, "2 1 loop", "it is there twice");
}

static void as_many_as_are_allowed_work(void **state)
{
	char stack[600] = "m0", line[64], expected[600] = "";

	(void)state;
	if (!can_stack(&l))
		return;
	for (int i = 1; i <= CORRAL_LAYERS_MAX + 1; i++) {
		char next[16];

		(void)snprintf(line, sizeof(line), "echo %d >>log; touch f%d g%d; rm -f f%d", i, i,
		               i, i - 2);
		assert_layers_say(&l, stack, line, "");
		if (i == CORRAL_LAYERS_MAX + 1)
			break;
		(void)snprintf(next, sizeof(next), "m%d", i);
		layers_push(stack, sizeof(stack), next);
	}
	(void)snprintf(expected, sizeof(expected), "f%d\nf%d\n%d\n%d\n", CORRAL_LAYERS_MAX,
	               CORRAL_LAYERS_MAX + 1, CORRAL_LAYERS_MAX + 1, CORRAL_LAYERS_MAX + 1);
	assert_layers_say(&l, stack, "ls -d f*; ls -d g* | wc -l; wc -l <log", expected);
}

/* A layer whose sandbox never came to be holds nothing. */
static void empty_layers_change_nothing(void **state)
{
	(void)state;
	if (!can_stack(&l))
		return;
	assert_layers_say(&l, "2 1 0", "echo two >f; ls /etc/hostname", "/etc/hostname\n");
	assert_layers_say(&l, "4 3 2 1 0", "cat f; ls /etc/hostname", "two\n/etc/hostname\n");
}

static void work_directory_is_the_guests_own(void **state)
{
	static const char json[] = "{\"user\":\"1234:2345\"}";
	struct stat st;
	char *out;

	(void)state;
	if (!can_stack(&l))
		return;
	for (int i = 0; i < 2; i++) {
		out = layers_run_as(&l, json, i ? "2 1" : "1",
		                    "stat -c %u:%g . && touch f$$ && test -O f$$ && umask 077 && "
		                    "mkdir -p d && touch d/f");
		assert_string_equal(out, "1234:2345\n");
		free(out);
	}
	/* On disk as the sandbox numbers them, with one id as the caller's. */
	assert_int_equal(stat(layer_path(&l, "2/u2"), &st), 0);
	assert_int_equal(st.st_uid, is_root() ? 1234 : geteuid());
}

/* Composed files are no change of anybody's. */
static void nothing_but_changes_is_kept(void **state)
{
	(void)state;
	if (!can_stack(&l))
		return;
	free(layers_run_as(&l, "{\"user\":\"1234:2345\",\"hostname\":\"elsewhere\"}", "1",
	                   "cat /etc/hostname && grep 1234 /etc/passwd"));
	if (is_root())
		assert_int_equal(rmdir(layer_path(&l, "1/u0")), 0);
	assert_int_equal(access(layer_path(&l, "1/b0/etc/hostname"), F_OK), 0);
	assert_layers_say(&l, "1", "true", "");
	free(layers_run_as(&l, "{\"user\":\"1234:2345\",\"hostname\":\"elsewhere\"}", "2 1",
	                   "cat /etc/hostname"));
	assert_int_equal(rmdir(layer_path(&l, "2/u0")), 0);
	assert_int_equal(rmdir(layer_path(&l, "2/u2")), 0);
}

/* What a user deleted is not back when the sandbox wakes. */
static void deleted_files_of_the_root_stay_deleted(void **state)
{
	(void)state;
	if (!can_stack(&l))
		return;
	assert_layers_say(&l, "1", "rm /etc/shells && echo mine >/etc/nsswitch.conf", "");
	assert_layers_say(&l, "1", "test ! -e /etc/shells && cat /etc/nsswitch.conf", "mine\n");
	assert_layers_say(&l, "2 1", "test ! -e /etc/shells && cat /etc/nsswitch.conf", "mine\n");
}

static void mount_points_are_made_in_what_is_kept(void **state)
{
	static const char json[] =
	        "{\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/data/deep/er\"}],"
	        "\"work_dir\":\"/elsewhere/it/is\"}";
	char *out;

	(void)state;
	if (!can_stack(&l))
		return;
	for (int i = 0; i < 2; i++) {
		out = layers_run_as(&l, json, i ? "2 1" : "1",
		                    "pwd; touch /data/deep/er/x /data/y ./z");
		assert_string_equal(out, "/elsewhere/it/is\n");
		free(out);
	}
	assert_layers_say(&l, "3 2 1", "ls /data /data/deep/er",
	                  "/data:\ndeep\ny\n\n/data/deep/er:\n");
}

/* Whatever a guest leaves in the place of what the next root is made of leads nowhere. */
static void hostile_layers_lead_nowhere(void **state)
{
	static const char *const lines[] = {
		"mv /etc /e2; ln -s VICTIM /etc; mv /var /v2; ln -s VICTIM /var; ln -s VICTIM "
		"/data",
		"rm -rf /root; ln -s VICTIM /root; ln -s VICTIM x; ln -s VICTIM/../.. y",
		"chmod 0 /etc; chmod 0 /var; mkdir -m 0 closed; chmod 0 .",
		"rm -rf /opt /srv /home /mnt; mknod /opt c 0 0; mknod w c 0 0; echo >/srv",
		"for i in 0 1 2 3 4 5 6 7 8 9; do mkdir -p a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p && mv a "
		"b"
		" && mkdir a && mv b a/b; done; cd /; i=0; while [ $i -lt 300 ]; do mkdir "
		"dddddddddddd"
		"dddddddd && cd dddddddddddddddddddd || exit; i=$((i+1)); done",
	};
	char *victim = dir_make(), line[900], stack[64] = "h";

	(void)state;
	if (!can_stack(&l)) {
		dir_remove(victim);
		return;
	}
	for (size_t i = 0; i < CORRAL_COUNT(lines); i++) {
		struct corral_backend *b;
		struct corral_error err = { 0 };
		char next[16];
		int status;

		line[0] = '\0';
		for (const char *p = lines[i]; *p; p++) {
			size_t len = strlen(line);

			if (!strncmp(p, "VICTIM", 6)) {
				(void)snprintf(line + len, sizeof(line) - len, "%s", victim);
				p += 5;
			} else {
				line[len] = *p;
				line[len + 1] = '\0';
			}
		}
		/* In the layer that is written, in frozen ones, and through mount points. */
		b = layers_open(&l, "{}", stack);
		free(layers_say(b, line, &status, &err));
		corral_backend_close(b);
		b = layers_open(
		        &l,
		        "{\"hostname\":\"elsewhere\",\"mounts\":[{\"type\":\"tmpfs\",\"target\":"
		        "\"/data/x\"},{\"type\":\"tmpfs\",\"target\":\"/var/lib/x\"}]}",
		        stack);
		free(layers_say(b, "true", &status, &err));
		corral_backend_close(b);
		(void)snprintf(next, sizeof(next), "h%zu", i);
		layers_push(stack, sizeof(stack), next);
		b = layers_open(&l, "{}", stack);
		free(layers_say(b, "touch /etc/x /var/x /root/x /data/x x/x y/x", &status, &err));
		corral_backend_close(b);
	}
	/* Nothing was made in it. */
	assert_int_equal(rmdir(victim), 0);
	free(victim);
}

static void marks_that_a_guest_sets_are_its_own_loss(void **state)
{
	(void)state;
	if (!can_stack(&l))
		return;
	assert_layers_say(
	        &l, "1",
	        "mkdir d && echo x >d/x && python3 -c 'import os\n"
	        "for n in (\"user.overlay.opaque\",\"user.overlay.redirect\",\"user.overlay."
	        "metacopy\",\"trusted.overlay.opaque\"):\n"
	        "  for p in (\"d\",\"d/x\"):\n"
	        "    try: os.setxattr(p,n,b\"/../../../etc\")\n"
	        "    except OSError: pass\n' || true",
	        NULL);
	assert_layers_say(&l, "2 1", "ls d; cat d/x 2>/dev/null; true", NULL);
}

static void root_filesystem_of_a_directory_can_be_kept(void **state)
{
	char *rootfs = layer_make(&l, "rootfs"), json[1200], *before, *out;
	struct run r = { 0 };
	const char *copy[] = { "sh",
		               "-c",
		               "mkdir -p \"$0/bin\" \"$0/etc\" && cp \"$1\" \"$0/bin/sh\" && echo "
		               "it >\"$0/etc/os\"",
		               rootfs,
		               NULL,
		               NULL };

	(void)state;
	if (!can_stack(&l))
		return;
	copy[4] = access("/bin/busybox", X_OK) == 0 ? "/bin/busybox" : "/usr/bin/busybox";
	run_argv(&r, copy);
	if (r.status != 0) {
		corral_test_skip("busybox: %s", r.err);
		run_done(&r);
		return;
	}
	run_done(&r);
	assert_int_equal(chmod(rootfs, 0755), 0);
	before = tree_listing(rootfs);
	(void)snprintf(json, sizeof(json), "{\"rootfs\":\"%s\"}", rootfs);
	out = layers_run_as(&l, json, "1",
	                    "read x </etc/os; echo $x >/etc/new; echo w >w; echo t >/tmp/t");
	assert_string_equal(out, "");
	free(out);
	out = layers_run_as(&l, json, "2 1",
	                    "read x </etc/new; read y <w; echo $x $y; test ! -e /tmp/t || echo t");
	assert_string_equal(out, "it w\n");
	free(out);
	out = tree_listing(rootfs);
	assert_string_equal(out, before);
	free(out);
	free(before);
	/* By the command line, without the work directory. */
	for (int i = 0; i < 2; i++) {
		RUN(&r, "--rootfs", rootfs, "--keep", layer_make(&l, "cli"), "--", "/bin/sh", "-c",
		    "test ! -e w && echo >w; read x </etc/kept; echo kept >/etc/kept; echo $x");
		assert_status(&r, 0);
		assert_string_equal(r.out, i ? "kept\n" : "\n");
	}
	RUN(&r, "--rootfs", l.dir, "--keep", layer_path(&l, "cli"), "--", "/bin/sh");
	assert_refused(&r, "one lies in the other");
	run_done(&r);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(each_generation_begins_with_what_the_last_one_left),
		ROW(one_layer_is_written_by_sandbox_after_sandbox),
		ROW(programs_of_the_host_are_changed_layer_by_layer),
		ROW(sandboxes_share_a_frozen_layer),
		ROW(unsuitable_layers_are_refused),
		ROW(as_many_as_are_allowed_work),
		ROW(empty_layers_change_nothing),
		ROW(work_directory_is_the_guests_own),
		ROW(nothing_but_changes_is_kept),
		ROW(deleted_files_of_the_root_stay_deleted),
		ROW(mount_points_are_made_in_what_is_kept),
		ROW(hostile_layers_lead_nowhere),
		ROW(marks_that_a_guest_sets_are_its_own_loss),
		ROW(root_filesystem_of_a_directory_can_be_kept),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
