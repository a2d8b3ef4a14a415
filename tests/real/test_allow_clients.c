/*
 * Network "allow" from inside the sandbox: ssh, Node, Java and QUIC, in the manner of test_allow.c.
 * What they try is in clients/; beside whether they get through it looks at the error that each is
 * told, and at how soon. ssh has a server that is the test's, and so has QUIC's client of Debian,
 * where they are installed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <sys/prctl.h>

#include "kernel/base/cleanup.h"
#include "tests/support.h"

#include "tests/real/sandbox_support.h"

#include "tests/real/allow_support.h"

/* Fewer where nothing of it is installed. */
#define CHECKS_MIN 4

static pid_t servers[2] = { -1, -1 };

/* Keys and certificates, and Java's class: what does not come about is skipped in the sandbox. */
static const char prepare[] =
        "umask 022; cd \"$0\" || exit 1\n"
        "for f in clients.sh clients.js quic.py initial.hex Clients.java; do\n"
        "cat <\"$1/$f\" >$f || exit 1\n"
        "done\n"
        "mkdir home\n"
        "if command -v dropbear && command -v ssh-keygen; then\n"
        "ssh-keygen -q -t ed25519 -N '' -C test -f key && dropbearkey -t ed25519 -f host_key &&\n"
        "mkdir -m 700 home/.ssh && mv key.pub home/.ssh/authorized_keys && chmod 700 home && "
        "chmod 644 key\n"
        "fi\n"
        "if command -v gtlsserver && command -v openssl; then\n"
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=allowed.example -keyout quic.key -out quic.pem\n"
        "fi\n"
        "! command -v javac || javac -J-XX:TieredStopAtLevel=1 -proc:none -d . Clients.java\n"
        "exit 0\n";

/* In the world, with a home of root's that is the test's. */
static const char ssh_server[] =
        "[ -e \"$0/key\" ] && mount --bind \"$0/home\" /root && "
        "exec dropbear -F -E -s -p 2222 -P \"$0/dropbear.pid\" -r \"$0/host_key\"";
static const char quic_server[] = "[ -e \"$0/quic.pem\" ] && exec gtlsserver -q -d \"$0/home\" '*' "
                                  "4433 \"$0/quic.key\" \"$0/quic.pem\"";

static pid_t server_start(const char *script)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setns(world.ns_fd, CLONE_NEWNET) == 0 && unshare(CLONE_NEWNS) == 0)
		(void)execl("/bin/sh", "sh", "-c", script, dir, (char *)NULL);
	_exit(99);
}

/* Of what each client prints; where it is not installed it says another word or none. */
#define SSH  "refused-ssh="
#define QUIC "-quic-initial="
#define NODE "-node-"
#define JAVA "-java-"

static bool one_was_there(const char *out, const char *const *clients, size_t n)
{
	for (size_t i = 0; i < n && clients[i]; i++)
		if (strstr(out, clients[i]))
			return true;
	return false;
}

static void clients_are_told_at_once(void **state)
{
	static const struct {
		const char *destination;
		const char *clients[3]; /* that try it */
	} denied[] = {
		{ "denied.example", { SSH, NODE, JAVA } },
		{ WORLD_DENIED ":22/tcp", { SSH } },
		{ WORLD_DENIED ":80/tcp", { NODE, JAVA } },
		{ WORLD_DENIED ":443/udp", { QUIC, NODE, JAVA } },
		{ "[" WORLD_DENIED6 "]:22/tcp", { SSH } },
		{ "[" WORLD_DENIED6 "]:80/tcp", { NODE, JAVA } },
		{ "[" WORLD_DENIED6 "]:443/udp", { QUIC, NODE, JAVA } },
		{ WORLD_FAR ":53/udp", { NODE, JAVA } },
	};
	char bind[64];
	struct run r = { 0 };

	(void)state;
	if (!can())
		return;
	(void)snprintf(bind, sizeof(bind), "%s:/t", dir);
	RUN(&r, "--ro-bind", bind, "--allow", "allowed.example", "--allow", "allowed.example:22",
	    "--allow", "allowed.example:2222", "--allow", "allowed.example:443/udp", "--allow",
	    "allowed.example:4433/udp", "--", "sh", "/t/clients.sh",
	    corral_test_slow() ? "60" : "6", corral_test_slow() ? "60000" : "2800", WORLD_ALLOWED,
	    WORLD_ALLOWED6, WORLD_DENIED, WORLD_DENIED6, WORLD_FAR);
	assert_status(&r, 0);
	assert_true(lines_check(r.out) >= CHECKS_MIN);
	for (size_t i = 0; i < CORRAL_COUNT(denied); i++)
		if (one_was_there(r.out, denied[i].clients, CORRAL_COUNT(denied[i].clients)))
			(void)denial_find(&r, denied[i].destination);
	run_done(&r);
}

static int setup(void **state)
{
	struct run r = { 0 };
	int status = allow_setup(state);

	if (status < 0 || missing)
		return status;
	run_argv(&r, ARGS("sh", "-c", prepare, dir, CORRAL_SOURCE_DIR "/tests/real/clients"));
	status = r.status;
	run_done(&r);
	servers[0] = server_start(ssh_server);
	servers[1] = server_start(quic_server);
	return status ? -1 : 0;
}

static int teardown(void **state)
{
	for (size_t i = 0; i < CORRAL_COUNT(servers); i++) {
		if (servers[i] <= 0)
			continue;
		(void)kill(servers[i], SIGKILL);
		(void)waitpid(servers[i], NULL, 0);
	}
	return allow_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_are_told_at_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
