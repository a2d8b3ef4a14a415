/* What a container may use up, and what it may do, seen from within. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "tests/docker/sandbox_support.h"

#define MEMORY ((uint64_t)64 << 20)
#define PIDS   50

/* A machine that faults pages slowly has the small memory filled soon. */
static const struct corral_limits small = {
	.memory_bytes = MEMORY,
	.cpu_millis = 400,
	.pids = PIDS,
	.file_size_bytes = 1 << 20,
	.open_files = 100,
};

static struct corral_docker_options own_options(void)
{
	return (struct corral_docker_options) { .limits = &small };
}

static void memory_that_is_used_up_is_told(void **state)
{
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	/* tail(1) keeps a line until its end. */
	e = execute(&f->on,
	            &(struct corral_execute) { .command = "head -c 200000000 /dev/zero | tail",
	                                       .timeout_ms = 60000 });
	assert_int_equal(e.exit_code, 137);
	/* Podman has no such event to tell of. */
	if (corral_test_engine_is("docker"))
		assert_int_equal(e.receipt.reason, CORRAL_REASON_OOM);
	corral_executed_done(&e);
	assert_true(corral_backend_is_alive(f->on.b));
	assert_shell(&f->on, "echo on", 0, "on\n");
}

/* It is one counter: what the other processes hold is not there for anybody. */
static void limits_are_told_in_the_usage(void **state)
{
	struct fixture *f = *state;
	struct corral_usage u;

	if (missing(f))
		return;
	OK(f, corral_backend_start(f->on.b, &f->on.err));
	OK(f, corral_backend_usage(f->on.b, &u, &f->on.err));
	assert_int_equal(u.memory_limit_bytes, MEMORY);
	assert_int_equal(u.pids_limit, PIDS);
	assert_true(u.memory_bytes <= MEMORY && u.pids <= PIDS);
	assert_int_equal(u.disk_limit_bytes, UINT64_MAX);
}

static void swap_is_no_way_out(void **state)
{
	struct fixture *f = *state;
	corral_autojson json_t *answer = NULL;
	const json_t *host;
	char path[200];

	if (missing(f))
		return;
	(void)snprintf(path, sizeof(path), "/containers/%s/json",
	               corral_docker_sandbox_container(f->on.b));
	answer = ask(f, "GET", path, NULL);
	host = json_object_get(answer, "HostConfig");
	assert_int_equal(json_integer_value(json_object_get(host, "Memory")), MEMORY);
	/* Both together: nothing on top. Where swap is not counted, an engine says that. */
	if (json_integer_value(json_object_get(host, "MemorySwap")) >= 0)
		assert_int_equal(json_integer_value(json_object_get(host, "MemorySwap")), MEMORY);
}

static void forks_without_end_come_to_an_end(void **state)
{
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	/* exec: there may be no place for a child any more. */
	e = execute(&f->on, &(struct corral_execute) {
	                            .command = "b() { b | b & }; b 2>/dev/null; exec sleep 20",
	                            .timeout_ms = 700 });
	assert_true(e.timed_out);
	corral_executed_done(&e);
	/* Ours, the file server perhaps, and those that look. */
	assert_shell(&f->on, "test $(ls -d /proc/[0-9]* | wc -l) -lt 12 && echo few", 0, "few\n");
	assert_shell(&f->on,
	             "n=0; while test $n -lt 80; do sleep 9 & n=$((n + 1)); done 2>/dev/null", 2,
	             "");
}

static void rlimits_are_those_asked_for(void **state)
{
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	assert_shell(&f->on, "ulimit -n; ulimit -f; ulimit -c", 0, "100\n2048\n0\n");
	e = shell(&f->on, "(head -c 2000000 /dev/zero >big; echo $?) 2>/dev/null; stat -c %s big");
	assert_text(&e.out, "153\n1048576\n");
	corral_executed_done(&e);
	/* The file server as well. */
	assert_shell(&f->on, "ls >/dev/null", 0, "");
	assert_true(corral_backend_exists(f->on.b, "big"));
	assert_shell(&f->on,
	             "for p in /proc/[0-9]*; do test \"$(tr '\\0' ' ' <$p/cmdline)\" = "
	             "'/.corral/corral-inside files ' && grep -c 'open files *100 ' $p/limits; "
	             "done; true",
	             0, "1\n");
}

static void processor_time_is_rationed(void **state)
{
	struct fixture *f = *state;
	struct corral_executed e;
	uint64_t used;

	if (missing(f))
		return;
	e = execute(&f->on, &(struct corral_execute) { .command = "while :; do :; done",
	                                               .timeout_ms = 1500 });
	used = e.receipt.user_usec + e.receipt.system_usec;
	/* 0.4 of a core; and what a period gives at once. */
	assert_true(used > 0 && used < e.receipt.wall_usec * 6 / 10);
	corral_executed_done(&e);
}

static void privileges_are_few(void **state)
{
	static const char line[] = "grep -hE '^(CapPrm|CapEff|CapBnd|NoNewPrivs|Seccomp):' "
	                           "/proc/1/status /proc/self/status | tr '\\t' ' '";
	/* chown, dac_override, fowner, fsetid, kill, setgid, setuid, net_bind_service. */
	static const char facts[] = "CapPrm: 00000000000004fb\nCapEff: 00000000000004fb\n"
	                            "CapBnd: 00000000000004fb\nNoNewPrivs: 1\nSeccomp: 2\n";
	struct fixture *f = *state;
	char wanted[2 * sizeof(facts)];

	if (missing(f))
		return;
	(void)snprintf(wanted, sizeof(wanted), "%s%s", facts, facts);
	assert_shell(&f->on, line, 0, wanted);
	assert_shell(&f->on,
	             "mount -t tmpfs none /mnt 2>/dev/null || echo refused; "
	             "unshare -m true 2>/dev/null || echo refused; "
	             "mknod n b 1 1 2>/dev/null || echo refused; "
	             "chroot / true 2>/dev/null || echo refused; "
	             "(echo x >/proc/sys/kernel/hostname) 2>/dev/null || echo refused",
	             0, "refused\nrefused\nrefused\nrefused\nrefused\n");
}

static void network_is_loopback_alone(void **state)
{
	struct fixture *f = *state;

	if (missing(f))
		return;
	assert_shell(&f->on,
	             "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; wc -l "
	             "</proc/net/route",
	             0, "lo\n1\n");
	assert_shell(&f->on,
	             "python3 -c 'import socket; s = socket.create_server((\"127.0.0.1\", 0)); "
	             "c = socket.create_connection(s.getsockname()); print(\"self\")'",
	             0, "self\n");
}

/* --- Of other options --- */

static void options_say_who_and_what(void **state)
{
	char *const add[] = { (char *)"SYS_CHROOT", NULL }, *const drop[] = { (char *)"CAP_KILL",
		                                                              NULL };
	char *const env[] = { (char *)"ONE=1", NULL };
	struct fixture *f = *state;
	struct corral_buf text = CORRAL_BUF_INIT;
	struct corral_backend *b;

	if (missing(f))
		return;
	b = sandbox(f, (struct corral_docker_options) { .user = "1234:1235",
	                                                .hostname = "elsewhere",
	                                                .work_dir = "/srv/work",
	                                                .cap_add = add,
	                                                .cap_drop = drop,
	                                                .seccomp = "unconfined",
	                                                .env = env });
	assert_shell_in(f, b, "id -u; id -g; hostname; pwd; echo $ONE; umask", 0,
	                "1234\n1235\nelsewhere\n/srv/work\n1\n0022\n");
	assert_shell_in(f, b, "stat -c %u:%g . && touch mine && stat -c %u:%g mine", 0,
	                "1234:1235\n1234:1235\n");
	OK(f, corral_backend_write(b, "sub/file", "x", 1, &f->on.err));
	assert_shell_in(f, b, "stat -c %u:%g sub sub/file", 0, "1234:1235\n1234:1235\n");
	assert_int_equal(corral_backend_read_bytes(b, "/etc/shadow", 0, &text, &f->on.err),
	                 -EACCES);
	corral_buf_done(&text);
	assert_shell_in(f, b, "grep -E '^(CapBnd|Seccomp):' /proc/self/status | tr '\\t' ' '", 0,
	                "CapBnd: 0000000000040000\nSeccomp: 0\n");
}

static void root_that_is_read_only_leaves_places_to_write(void **state)
{
	struct fixture *f = *state;
	struct corral_background g;
	struct corral_backend *b;

	if (missing(f))
		return;
	b = sandbox(f, (struct corral_docker_options) { .read_only_root = true });
	assert_shell_in(f, b, "touch /x /usr/x /.corral/x 2>&1 | grep -c 'Read-only'", 0, "3\n");
	assert_shell_in(f, b,
	                "touch here /tmp/there && echo '#!/bin/sh' >run && chmod +x run && "
	                "./run && echo ran",
	                0, "ran\n");
	OK(f, corral_backend_write(b, "file", "x", 1, &f->on.err));
	OK(f, corral_backend_background_start(b, "sleep 9", &g, &f->on.err));
	assert_int_equal(corral_backend_background_kill(b, g.shell_id, &f->on.err), 1);
}

static void mounts_are_there(void **state)
{
	char dir[] = "/tmp/corral-test-XXXXXX", path[64];
	const struct corral_docker_mount mounts[] = {
		{ .host_path = dir, .guest_path = "/shared" },
		{ .host_path = dir, .guest_path = "/shown", .read_only = true },
		{ .guest_path = "/scratch", .tmpfs_options = "size=1m,mode=700" },
	};
	struct fixture *f = *state;
	struct corral_backend *b;
	struct stat st;

	if (missing(f))
		return;
	assert_non_null(mkdtemp(dir));
	b = sandbox(f, (struct corral_docker_options) { .mounts = mounts,
	                                                .n_mounts = CORRAL_COUNT(mounts) });
	(void)snprintf(path, sizeof(path), "%s/out", dir);
	assert_shell_in(f, b,
	                "echo mine >/shared/out; cat /shown/out; touch /shown/x 2>&1 | grep -o "
	                "'Read-only'; stat -c %a /scratch; head -c 3000000 /dev/zero "
	                ">/scratch/f 2>/dev/null; stat -c %s /scratch/f",
	                0, "mine\nRead-only\n700\n1048576\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 5);
	close_one(f, b);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* A limit that was asked for by name is held, or the sandbox is not to be had. */
static void limits_that_cannot_be_held_are_refused(void **state)
{
	struct corral_limits limits = { .disk_bytes = 1 << 20, .disk_inodes = 10 };
	struct corral_docker_options o = { .image = corral_test_image(),
		                           .limits = &limits,
		                           .limits_asked = CORRAL_LIMIT_DISK_INODES };
	struct fixture *f = *state;
	struct corral_backend *b = NULL;
	struct corral_usage u;
	int r;

	if (missing(f))
		return;
	FAILS(f, corral_docker_sandbox_new(f->engine, &o, &b, &f->on.err), EOPNOTSUPP,
	      "disk_inodes");
	o.limits_asked = CORRAL_LIMIT_DISK;
	b = sandbox(f, o);
	memset(&f->on.err, 0, sizeof(f->on.err));
	r = corral_backend_start(b, &f->on.err);
	/* By the engine's storage. */
	if (r < 0) {
		assert_int_equal(r, -EOPNOTSUPP);
		assert_says(f->on.err.text, "disk");
	} else {
		OK(f, corral_backend_usage(b, &u, &f->on.err));
		assert_int_equal(u.disk_limit_bytes, 1 << 20);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ROW(limits_are_told_in_the_usage),
		ROW(swap_is_no_way_out),
		ROW(memory_that_is_used_up_is_told),
		ROW(forks_without_end_come_to_an_end),
		ROW(rlimits_are_those_asked_for),
		ROW(processor_time_is_rationed),
		ROW(privileges_are_few),
		ROW(network_is_loopback_alone),
		ROW(options_say_who_and_what),
		ROW(root_that_is_read_only_leaves_places_to_write),
		ROW(mounts_are_there),
		ROW(limits_that_cannot_be_held_are_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, all_setup, all_teardown);
}
