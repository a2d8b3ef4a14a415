/*
 * A network of a test's own: this process moves into a network namespace that plays the host, with
 * one link to another that plays the internet. Include after tests/real/sandbox_support.h and
 * cli_support.h.
 *
 *     internet   198.51.100.1, 2001:db8::1 on the link; 203.0.113.5 behind it. Port 80 of each says
 *                who is asking; port 9 takes datagrams, and tells the test of each.
 *     host       198.51.100.2, 2001:db8::2; port 8000 of all its addresses says "the host"; its
 *                resolver is on 127.0.0.1, and says 203.0.113.5 to every question.
 */
#ifndef CORRAL_TESTS_REAL_NETWORK_SUPPORT_H
#define CORRAL_TESTS_REAL_NETWORK_SUPPORT_H

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define INTERNET  "203.0.113.5"
#define INTERNET6 "2001:db8::1"
#define HOST      "198.51.100.2"
#define HOST6     "2001:db8::2"
#define NET_PROBE "--ro-bind", CORRAL_TEST_NET ":/net"

static struct {
	bool missing; /* what makes it is not to be had here */
	pid_t internet, host;
	int heard_fd; /* datagrams that came to the internet: what they said */
	char dir[64]; /* everybody may write here */
} net;

/* A command of the host's; its status. */
static inline int sh(const char *command)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void file_set(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

static inline int net_socket(const char *address, int port, int type)
{
	struct sockaddr_storage at = { 0 };
	struct sockaddr_in *four = (void *)&at;
	struct sockaddr_in6 *six = (void *)&at;
	int one = 1, fd;

	if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
		at.ss_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
	} else if (inet_pton(AF_INET6, address, &six->sin6_addr) == 1) {
		at.ss_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
	}
	fd = socket(at.ss_family, type | SOCK_CLOEXEC, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (at.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 16) < 0))
		_exit(3);
	return fd;
}

/* With text, or with the address of whoever asks. */
static inline void net_greet(int listener, const char *text)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char address[INET6_ADDRSTRLEN] = "";
	int fd = accept(listener, (struct sockaddr *)&from, &len);

	if (from.ss_family == AF_INET)
		(void)inet_ntop(AF_INET, &((struct sockaddr_in *)&from)->sin_addr, address,
		                sizeof(address));
	else
		(void)inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&from)->sin6_addr, address,
		                sizeof(address));
	text = text ? text : address;
	(void)!write(fd, text, strlen(text));
	(void)close(fd);
}

_Noreturn static inline void internet_run(int heard_fd)
{
	const int fds[] = { net_socket(INTERNET, 80, SOCK_STREAM),
		            net_socket(INTERNET6, 80, SOCK_STREAM),
		            net_socket(INTERNET, 9, SOCK_DGRAM),
		            net_socket(INTERNET6, 9, SOCK_DGRAM) };
	struct pollfd pfd[4];
	char text[256];

	for (int i = 0; i < 4; i++)
		pfd[i] = (struct pollfd) { .fd = fds[i], .events = POLLIN };
	(void)!write(heard_fd, "up", 2);
	for (;;) {
		(void)poll(pfd, 4, -1);
		for (int i = 0; i < 2; i++)
			if (pfd[i].revents)
				net_greet(pfd[i].fd, NULL);
		for (int i = 2; i < 4; i++)
			if (pfd[i].revents)
				(void)!write(heard_fd, text,
				             (size_t)recv(pfd[i].fd, text, sizeof(text), 0));
	}
}

/* The question again, and behind it one address; what else came with it is left out. */
static inline size_t dns_answer(unsigned char *m, size_t n)
{
	static const unsigned char record[] = { 0xc0, 12, 0, 1, 0,   1, 0,   0,
		                                0,    60, 0, 4, 203, 0, 113, 5 };
	size_t at = 12;

	while (at < n && m[at])
		at += m[at] + 1u;
	at += 5;
	m[2] |= 0x80;
	m[7] = 1;
	memset(m + 8, 0, 4);
	memcpy(m + at, record, sizeof(record));
	return at + sizeof(record);
}

static inline void dns_tcp(int listener)
{
	unsigned char m[1024];
	int fd = accept(listener, NULL, NULL);
	ssize_t n = recv(fd, m, sizeof(m) - 64, 0);

	if (n > 14) {
		size_t len = dns_answer(m + 2, (size_t)n - 2);

		m[0] = (unsigned char)(len >> 8);
		m[1] = (unsigned char)len;
		(void)!write(fd, m, len + 2);
	}
	(void)close(fd);
}

_Noreturn static inline void host_run(int ready_fd)
{
	const int fds[] = { net_socket("0.0.0.0", 8000, SOCK_STREAM),
		            net_socket("::", 8000, SOCK_STREAM),
		            net_socket("127.0.0.1", 53, SOCK_DGRAM),
		            net_socket("127.0.0.1", 53, SOCK_STREAM) };
	unsigned char m[1024];
	struct pollfd pfd[4];

	for (int i = 0; i < 4; i++)
		pfd[i] = (struct pollfd) { .fd = fds[i], .events = POLLIN };
	(void)!write(ready_fd, "up", 2);
	for (;;) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);

		(void)poll(pfd, 4, -1);
		for (int i = 0; i < 2; i++)
			if (pfd[i].revents)
				net_greet(pfd[i].fd, "the host");
		if (pfd[2].revents) {
			ssize_t n = recvfrom(pfd[2].fd, m, sizeof(m) - 64, 0,
			                     (struct sockaddr *)&from, &len);

			(void)sendto(pfd[2].fd, m, dns_answer(m, (size_t)n), 0,
			             (struct sockaddr *)&from, len);
		}
		if (pfd[3].revents)
			dns_tcp(pfd[3].fd);
	}
}

static inline pid_t net_process(void (*run)(int), int fds[2], bool own_net)
{
	char up[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)alarm(280);
		if (own_net && unshare(CLONE_NEWNET) < 0)
			_exit(4);
		if (own_net) {
			/* Until the link is there. */
			(void)!write(fds[1], "ns", 2);
			(void)!read(fds[1], up, 2);
		}
		run(fds[1]);
	}
	(void)close(fds[1]);
	return pid;
}

static inline void internet_make(void)
{
	char command[900], word[2];
	int fds[2];

	net.internet = net_process(internet_run, fds, true);
	net.heard_fd = fds[0];
	assert_int_equal(read(fds[0], word, 2), 2);
	(void)snprintf(
	        command, sizeof(command),
	        "set -e; I='nsenter -t %d -n'\n"
	        "ip link set lo up\n"
	        "ip link add up0 type veth peer name inet0 netns %d\n"
	        "ip addr add " HOST "/24 dev up0; ip -6 addr add " HOST6 "/64 dev up0 nodad\n"
	        "ip link set up0 up\n"
	        "$I ip link set lo up; $I ip addr add 198.51.100.1/24 dev inet0\n"
	        "$I ip -6 addr add " INTERNET6 "/64 dev inet0 nodad\n"
	        "$I ip addr add " INTERNET "/32 dev lo; $I ip link set inet0 up\n"
	        "$I sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'\n"
	        "ip route add default via 198.51.100.1; ip -6 route add default via " INTERNET6
	        "\n",
	        (int)net.internet, (int)net.internet);
	assert_int_equal(sh(command), 0);
	assert_int_equal(write(fds[0], "go", 2), 2);
	assert_int_equal(read(fds[0], word, 2), 2);
}

static inline int net_open(void **state)
{
	char path[96], word[2];
	int fds[2];
	FILE *f;

	(void)state;
	(void)snprintf(net.dir, sizeof(net.dir), "/tmp/corral-net-test-%d", (int)getpid());
	if (!is_root() || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    sh("command -v ip nsenter nft >/dev/null 2>&1") != 0) {
		net.missing = true;
		return 0;
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	assert_int_equal(mkdir(net.dir, 0755), 0);
	assert_int_equal(mount("none", net.dir, "tmpfs", MS_NOSUID, "mode=1777"), 0);
	(void)snprintf(path, sizeof(path), "%s/resolv.conf", net.dir);
	f = fopen(path, "we");
	assert_non_null(f);
	(void)fputs("nameserver 127.0.0.1\n", f);
	(void)fclose(f);
	assert_int_equal(mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL), 0);
	internet_make();
	net.host = net_process(host_run, fds, false);
	assert_int_equal(read(fds[0], word, 2), 2);
	file_set("/proc/sys/net/ipv4/ip_forward", "1");
	file_set("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	return 0;
}

static inline int net_close(void **state)
{
	(void)state;
	if (net.missing)
		return 0;
	(void)kill(net.internet, SIGKILL);
	(void)kill(net.host, SIGKILL);
	(void)waitpid(net.internet, NULL, 0);
	(void)waitpid(net.host, NULL, 0);
	(void)umount2("/etc/resolv.conf", MNT_DETACH);
	(void)umount2(net.dir, MNT_DETACH);
	(void)rmdir(net.dir);
	return 0;
}

static inline bool net_missing(void)
{
	if (corral_test_needs_root("a network that is the test's"))
		return true;
	if (net.missing)
		corral_test_skip("root, iproute2, util-linux and nftables are needed to make a "
		                 "network");
	return net.missing;
}

/* Links and tables of corral's in this namespace, and processes of corral-net below this one. */
static inline bool net_is_clean(void)
{
	return sh("! ip -br link | grep -q '^crl' && ! nft list tables | grep -q corral") == 0;
}

#define NOBODY         65534
#define BRIDGE(r, ...) RUN((r), "--network", "bridge", NET_PROBE, "--", "/net", __VA_ARGS__)

#define assert_out(r, wanted)                                                              \
	do {                                                                               \
		if (strcmp((r)->out, wanted) != 0)                                         \
			fail_msg("'%s' instead of '%s' (%s)", (r)->out, wanted, (r)->err); \
	} while (0)

static inline bool says_behind(int fd, off_t at, const char *part)
{
	char text[4096];
	ssize_t n = pread(fd, text, sizeof(text) - 1, at);

	text[n > 0 ? n : 0] = '\0';
	return strstr(text, part) != NULL;
}

static inline bool says(int fd, const char *part)
{
	return says_behind(fd, 0, part);
}

/* What stands between two words of what was said. */
static inline void text_at(int fd, const char *before, const char *behind, char *ret, size_t size)
{
	char text[4096] = "";
	char *at, *end;

	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	at = strstr(text, before);
	assert_non_null(at);
	at += strlen(before);
	end = strstr(at, behind);
	assert_non_null(end);
	*end = '\0';
	(void)snprintf(ret, size, "%s", at);
}

/* The processes of corral-net below that one: the helper, and with child the first of its own. */
static inline pid_t net_process_of(pid_t caller, bool child)
{
	char path[64], name[32];
	pid_t found = 0, pid;
	FILE *list, *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)caller, (int)caller);
	list = fopen(path, "re");
	while (list && !found && fscanf(list, "%d", &pid) == 1) {
		(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
		f = fopen(path, "re");
		if (f && fgets(name, sizeof(name), f) && !strcmp(name, "corral-net\n"))
			found = pid;
		if (f)
			(void)fclose(f);
	}
	if (list)
		(void)fclose(list);
	return found && child ? net_process_of(found, false) : found;
}

/* What a line of a process' status says, as a number of that base. */
static inline unsigned long long status_number(const char *path, const char *key, int base)
{
	char line[256];
	unsigned long long value = ~0ull;
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			value = strtoull(line + strlen(key), NULL, base);
	if (f)
		(void)fclose(f);
	return value;
}

/* Every thread of it has these capabilities and no others, can gain none, and may not call what it
 * likes. */
static inline void assert_confined(pid_t pid, unsigned long long caps)
{
	static const char *const sets[] = { "CapInh:", "CapBnd:", "CapAmb:" };
	char path[96];
	int tid, n = 0;
	DIR *tasks;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	assert_non_null(tasks);
	for (struct dirent *e = readdir(tasks); e; e = readdir(tasks)) {
		if (sscanf(e->d_name, "%d", &tid) != 1)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)pid, tid);
		assert_int_equal(status_number(path, "CapEff:", 16), caps);
		assert_int_equal(status_number(path, "CapPrm:", 16), caps);
		for (size_t i = 0; i < CORRAL_COUNT(sets); i++)
			assert_int_equal(status_number(path, sets[i], 16), 0);
		assert_int_equal(status_number(path, "NoNewPrivs:", 10), 1);
		assert_int_equal(status_number(path, "Seccomp:", 10), 2);
		n++;
	}
	(void)closedir(tasks);
	assert_true(n > 0);
}

/* --- Published ports --- */

static inline int dial(int family, const char *place, int port)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	(void)inet_pton(AF_INET, place, &in.sin_addr);
	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", place);
	r = family == AF_UNIX ? connect(fd, (struct sockaddr *)&un, sizeof(un))
	                      : connect(fd, (struct sockaddr *)&in, sizeof(in));
	if (r < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* A megabyte there and back, while it is still being written. */
static inline void assert_echoes(int fd)
{
	const size_t size = 1 << 20;
	char *back = calloc(1, size);
	size_t got = 0;
	ssize_t n;
	pid_t writer;

	assert_true(fd >= 0);
	writer = fork();
	if (writer == 0) {
		char *text = malloc(size);

		for (size_t i = 0; i < size; i++)
			text[i] = (char)('a' + i % 23);
		for (size_t at = 0; at < size; at += (size_t)n)
			if ((n = send(fd, text + at, size - at, MSG_NOSIGNAL)) < 0)
				_exit(1);
		(void)shutdown(fd, SHUT_WR);
		_exit(0);
	}
	while (got < size && (n = recv(fd, back + got, size - got, 0)) > 0)
		got += (size_t)n;
	assert_int_equal(got, size);
	for (size_t i = 0; i < size; i++)
		if (back[i] != (char)('A' + i % 23))
			fail_msg("byte %zu is %c", i, back[i]);
	/* The end comes through as well. */
	assert_int_equal(recv(fd, back, 1, 0), 0);
	assert_int_equal(status_of(writer), 0);
	(void)close(fd);
	free(back);
}

static inline void assert_answers(const char *address, int port)
{
	const struct timeval patience = { .tv_sec = 5 };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[32] = "";

	(void)inet_pton(AF_INET, address, &to.sin_addr);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
	assert_int_equal(recv(fd, text, sizeof(text), 0), 5);
	assert_string_equal(text, "HELLO");
	(void)close(fd);
}

static inline void ports_are_published(const char *network, uid_t uid, const char *binary)
{
	char path[96], place[160];
	const char *argv[] = { binary,      "run",       "--network", network,
		               "--publish", "5000:7000", "--publish", "127.0.0.2:5001:7001/udp",
		               "--publish", place,       NET_PROBE,   "--",
		               "/net",      "serve",     "7000",      "7001",
		               NULL };
	struct run r = { 0 };
	struct stat st;
	int out = memfd_create("out", MFD_CLOEXEC);
	pid_t pid;

	(void)snprintf(path, sizeof(path), "%s/s%u", net.dir, (unsigned int)uid);
	(void)snprintf(place, sizeof(place), "unix:%s:7000", path);
	pid = fork();
	if (pid == 0) {
		(void)dup2(out, 1);
		(void)dup2(out, 2);
		if (uid && (setgid(uid) < 0 || setuid(uid) < 0))
			_exit(98);
		(void)execv(binary, (char *const *)(uintptr_t)argv);
		_exit(99);
	}
	if (!EVENTUALLY(says(out, "up\n"))) {
		char text[600] = "";

		(void)!pread(out, text, sizeof(text) - 1, 0);
		fail_msg("%s", text);
	}
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, uid);
	/* To mark its questions, over the sandbox's own network (pasta). */
	assert_confined(net_process_of(pid, true),
	                uid && !strcmp(network, "bridge") ? 1ull << CAP_NET_ADMIN : 0);
	assert_echoes(dial(AF_INET, "127.0.0.1", 5000));
	assert_echoes(dial(AF_UNIX, path, 0));
	assert_answers("127.0.0.2", 5001);
	/* Nowhere but where it was asked for. */
	assert_int_equal(dial(AF_INET, HOST, 5000), -1);
	/* Who is there stays. */
	RUN(&r, "--publish", "5000:7000", "--", "true");
	assert_error(&r, "publish '127.0.0.1:5000:7000': listen on port 5000 of the host: "
	                 "somebody does already");
	RUN(&r, "--publish", place, "--", "true");
	assert_error(&r, "corral does not replace it");
	assert_echoes(dial(AF_UNIX, path, 0));
	(void)kill(pid, SIGTERM);
	(void)status_of(pid);
	assert_eventually(access(path, F_OK) < 0 && dial(AF_INET, "127.0.0.1", 5000) < 0);
	(void)close(out);
	run_done(&r);
	assert_eventually(net_is_clean());
}

#endif
