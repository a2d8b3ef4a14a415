/*
 * What an allowlist costs: connections and throughput of a sandbox under --network allow, to those
 * of one under --network bridge, and what either is to "corral run" without a network, from its
 * start to its end; in one run. As root; makes itself a host with a network beside it, in
 * namespaces of its own. usage: corral-bench-network CORRAL [ROUNDS [TSV]]
 *
 * Theory of operation: a process in a network namespace of its own plays the rest of the world: a
 * name server that knows one address, a port that takes connections and one that swallows bytes.
 * Each round starts a sandbox of either kind, in which this program measures itself.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tools/bench/samples.h"

#define HOST_ADDRESS  "11.0.0.2"
#define WORLD_ADDRESS "11.0.0.1"
#define NAME          "\7allowed\7example"
#define PORT_CONNECT  7001
#define PORT_SINK     7002
#define CONNECTS      400
#define LOOKUPS       200
#define BULK_BYTES    (768ull << 20)
#define ROUNDS_MAX    50
#define WHOLE_RUNS    10 /* a round */

/* --- the world ----------------------------------------------------------------------------- */

static int bound(int type, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 128) < 0))
		_exit(3);
	return fd;
}

/* One question of one name: the same, and WORLD_ADDRESS behind it. */
static void name_tell(int fd)
{
	static const uint8_t record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 11, 0, 0, 1 };
	uint8_t buf[600];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, buf, 512, 0, (struct sockaddr *)&from, &len);
	size_t end = 12 + sizeof(NAME) + 4;

	if (n < (ssize_t)end)
		return;
	buf[2] = 0x81;
	buf[3] = 0x80;
	memset(buf + 6, 0, 6);
	buf[7] = 1;
	memcpy(buf + end, record, sizeof(record));
	(void)!sendto(fd, buf, end + sizeof(record), 0, (struct sockaddr *)&from, len);
}

static void swallow(int listener)
{
	static char buf[1u << 20];
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	while (fd >= 0 && read(fd, buf, sizeof(buf)) > 0)
		;
	/* Having it all is what is timed. */
	(void)!write(fd, "", 1);
	corral_fd_closep(&fd);
}

static void __attribute__((noreturn)) serve(int ready_fd)
{
	struct pollfd p[3];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) < 0)
		_exit(2);
	p[0] = (struct pollfd) { bound(SOCK_DGRAM, 53), POLLIN, 0 };
	p[1] = (struct pollfd) { bound(SOCK_STREAM, PORT_CONNECT), POLLIN, 0 };
	p[2] = (struct pollfd) { bound(SOCK_STREAM, PORT_SINK), POLLIN, 0 };
	(void)!write(ready_fd, "1", 1);
	for (;;) {
		(void)poll(p, 3, -1);
		if (p[0].revents)
			name_tell(p[0].fd);
		if (p[1].revents)
			(void)close(accept4(p[1].fd, NULL, NULL, SOCK_CLOEXEC));
		if (p[2].revents)
			swallow(p[2].fd);
	}
}

/* --- inside -------------------------------------------------------------------------------- */

static int connect_to(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)inet_pton(AF_INET, WORLD_ADDRESS, &to.sin_addr);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("connect");
		_exit(4);
	}
	return fd;
}

static void look_up(int fd)
{
	static const uint8_t question[] = "\0\7\1\0\0\1\0\0\0\0\0\0" NAME "\0\0\1\0\1";
	uint8_t buf[600];

	if (send(fd, question, sizeof(question) - 1, 0) < 0 || recv(fd, buf, sizeof(buf), 0) < 12 ||
	    (buf[3] & 15) || !buf[7]) {
		(void)fprintf(stderr, "no answer to a question of names\n");
		_exit(5);
	}
}

static void report(const char *what, uint64_t nsec)
{
	(void)printf("%s %llu\n", what, (unsigned long long)nsec);
}

static void measure(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(53) };
	static char bulk[1u << 18];
	int names = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), fd;
	uint64_t t;

	(void)inet_pton(AF_INET, "127.0.0.53", &at.sin_addr);
	if (connect(names, (struct sockaddr *)&at, sizeof(at)) < 0)
		_exit(6);
	look_up(names);
	for (unsigned int i = 0; i < CONNECTS; i++) {
		t = bench_now();
		fd = connect_to(PORT_CONNECT);
		report("connect", bench_now() - t);
		(void)close(fd);
	}
	for (unsigned int i = 0; i < LOOKUPS; i++) {
		t = bench_now();
		look_up(names);
		fd = connect_to(PORT_CONNECT);
		report("lookup", bench_now() - t);
		(void)close(fd);
		(void)usleep(6000); /* not so many a second as to be held back */
	}
	fd = connect_to(PORT_SINK);
	t = bench_now();
	for (uint64_t left = BULK_BYTES; left; left -= sizeof(bulk))
		for (size_t at_byte = 0; at_byte < sizeof(bulk);) {
			ssize_t n = write(fd, bulk + at_byte, sizeof(bulk) - at_byte);

			if (n < 0)
				_exit(7);
			at_byte += (size_t)n;
		}
	(void)shutdown(fd, SHUT_WR);
	(void)!read(fd, bulk, 1);
	report("bulk", bench_now() - t);
	(void)close(fd);
}

/* --- outside ------------------------------------------------------------------------------- */

enum { BRIDGE, ALLOW, KINDS };
enum { CONNECT, LOOKUP, BULK, TASKS };

static const char *const tasks[TASKS] = { "connect", "lookup", "bulk" };

static int sandbox_run(const char *corral, const char *self, int kind,
                       struct bench_series series[TASKS][KINDS])
{
	char bind[512], line[128];
	const char *argv[] = { corral, "run",       "--ro-bind",
		               bind,   "--network", kind == ALLOW ? "allow" : "bridge",
		               "--",   "/bench",    "--inside",
		               NULL,   NULL,        NULL };
	int out[2], status;
	FILE *f;
	pid_t pid;

	(void)snprintf(bind, sizeof(bind), "%s:/bench", self);
	if (kind == ALLOW) {
		const char *const list[] = { "--allow", "allowed.example:7000-7100", "--", "/bench",
			                     "--inside" };

		memcpy(argv + 6, list, sizeof(list));
	}
	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		(void)dup2(out[1], 1);
		(void)execv(corral, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	(void)close(out[1]);
	f = fdopen(out[0], "re");
	while (f && fgets(line, sizeof(line), f))
		for (int task = 0; task < TASKS; task++) {
			size_t len = strlen(tasks[task]);

			if (!strncmp(line, tasks[task], len))
				(void)bench_series_add(&series[task][kind],
				                       strtoull(line + len, NULL, 10), NULL);
		}
	if (f)
		(void)fclose(f);
	(void)waitpid(pid, &status, 0);
	return status ? -EIO : 0;
}

/* "corral run -- true" as a whole process, to each network in turn. */
enum { WHOLE_NONE, WHOLE_BRIDGE, WHOLE_ALLOW, WHOLE };

static int whole_run(const char *corral, int kind, struct bench_series series[WHOLE])
{
	static const char *const options[WHOLE][2] = { { "--network", "none" },
		                                       { "--network", "bridge" },
		                                       { "--allow", "allowed.example" } };
	const char *argv[] = { corral,      "run", options[kind][0], options[kind][1], "--",
		               "/bin/true", NULL };
	uint64_t t = bench_now();
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		(void)execv(corral, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	(void)waitpid(pid, &status, 0);
	return status ? -EIO : bench_series_add(&series[kind], bench_now() - t, NULL);
}

static int shell(const char *command)
{
	int status, pid = fork();

	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	(void)waitpid(pid, &status, 0);
	return status;
}

static bool host_make(int *ret_world)
{
	char command[1024], byte, file[] = "/tmp/corral-bench-resolv-XXXXXX";
	static const char names[] = "nameserver " WORLD_ADDRESS "\n";
	int ready[2], fd;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || pipe2(ready, O_CLOEXEC) < 0)
		return false;
	fd = mkostemp(file, O_CLOEXEC);
	if (fd < 0 || write(fd, names, sizeof(names) - 1) < 0 ||
	    mount(file, "/etc/resolv.conf", NULL, MS_BIND, NULL) < 0)
		return false;
	(void)fchmod(fd, 0644);
	(void)unlink(file);
	(void)close(fd);
	*ret_world = fork();
	if (*ret_world == 0)
		serve(ready[1]);
	(void)close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		return false;
	(void)snprintf(command, sizeof(command),
	               "set -e; ip link set lo up; ip link add world0 type veth peer name near0 "
	               "netns %d; ip addr add " HOST_ADDRESS "/24 dev world0; "
	               "ip link set world0 up; nsenter -t %d -n sh -c 'ip link set lo up; "
	               "ip addr add " WORLD_ADDRESS "/24 dev near0; ip link set near0 up'; "
	               "ip route add default via " WORLD_ADDRESS
	               "; echo 1 >/proc/sys/net/ipv4/ip_forward",
	               *ret_world, *ret_world);
	return shell(command) == 0;
}

int main(int argc, char **argv)
{
	static struct bench_series series[TASKS][KINDS];
	static struct bench_series whole[WHOLE] = { { .name = "corral run" },
		                                    { .name = "corral run, bridge" },
		                                    { .name = "corral run, allow" } };
	static const char *const titles[TASKS] = { "a new connection, to an address that is open",
		                                   "a name looked up and connected to",
		                                   "768 MB sent" };
	static const char *const names[TASKS][KINDS] = {
		{ "connection, bridge", "connection, allow" },
		{ "look-up, bridge", "look-up, allow" },
		{ "bulk, bridge", "bulk, allow" },
	};
	FILE *tsv = argc > 3 ? fopen(argv[3], "we") : NULL;
	unsigned int rounds = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 5;
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int world = -1, status = 0;

	if (argc == 2 && !strcmp(argv[1], "--inside")) {
		measure();
		return 0;
	}
	if (argc < 2 || n < 0 || rounds > ROUNDS_MAX) {
		(void)fprintf(stderr, "usage: corral-bench-network CORRAL [ROUNDS [TSV]]\n");
		return 2;
	}
	self[n] = '\0';
	if (geteuid() != 0 || !host_make(&world)) {
		(void)fprintf(stderr, "corral-bench-network: takes root, ip(8) and nsenter(1)\n");
		return 77;
	}
	for (int task = 0; task < TASKS; task++) {
		series[task][BRIDGE].name = names[task][BRIDGE];
		series[task][ALLOW].name = names[task][ALLOW];
	}
	for (unsigned int i = 0; i < rounds && !status; i++)
		for (int k = 0; k < KINDS && !status; k++)
			status = sandbox_run(argv[1], self, i % 2 ? k : KINDS - 1 - k, series);
	for (unsigned int i = 0; i < rounds * WHOLE_RUNS && !status; i++)
		for (int k = 0; k < WHOLE && !status; k++)
			status = whole_run(argv[1], i % 2 ? k : WHOLE - 1 - k, whole);
	for (int task = 0; task < TASKS; task++) {
		bench_print(titles[task], series[task], KINDS, BRIDGE);
		if (tsv)
			bench_write_tsv(tsv, series[task], KINDS, BRIDGE);
		bench_series_done(&series[task][BRIDGE]);
		bench_series_done(&series[task][ALLOW]);
	}
	bench_print("a program run once, from beginning to end", whole, WHOLE, WHOLE_NONE);
	if (tsv)
		bench_write_tsv(tsv, whole, WHOLE, WHOLE_NONE);
	for (int k = 0; k < WHOLE; k++)
		bench_series_done(&whole[k]);
	if (tsv && fclose(tsv))
		status = 1;
	(void)kill(world, SIGKILL);
	(void)waitpid(world, NULL, 0);
	return status ? 1 : 0;
}
