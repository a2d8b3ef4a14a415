/*
 * Network "allow" from inside the sandbox: clients as people use them, against what is on the list,
 * what is not, and the tricks by which one might get past it. The host is this process, in
 * namespaces of its own; world.h plays everybody else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/base/cleanup.h"
#include "tests/support.h"

#include "tests/real/sandbox_support.h"

#include "tests/real/allow_support.h"

/* What needs more than a command line. Exit status 0: it got through. */
static const char python[] =
        "import socket, struct, sys, urllib.request\n"
        "what, args = sys.argv[1], sys.argv[2:]\n"
        "def question(name):\n"
        "    q = struct.pack('>6H', 7, 0x100, 1, 0, 0, 0)\n"
        "    for part in name.split('.'):\n"
        "        q += bytes([len(part)]) + part.encode()\n"
        "    return q + struct.pack('>xHH', 1, 1)\n"
        "def told(answer):\n"
        "    sys.exit(0 if answer[3] & 15 == 0 and answer[7] > 0 else 1)\n"
        "socket.setdefaulttimeout(3)\n"
        "if what == 'http':\n"
        "    print(urllib.request.urlopen(args[0]).read())\n"
        "elif what == 'udp':\n"
        "    s = socket.socket(socket.AF_INET6 if ':' in args[0] else socket.AF_INET, "
        "socket.SOCK_DGRAM)\n"
        "    s.connect((args[0], int(args[1])))\n"
        "    s.send(b'x' * int(args[2]))\n"
        "    s.recv(9000)\n"
        "elif what == 'udp-name':\n"
        "    a = socket.getaddrinfo(args[0], int(args[1]), socket.AF_INET, socket.SOCK_DGRAM)\n"
        "    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "    s.connect(a[0][4])\n"
        "    s.send(b'x' * int(args[2]))\n"
        "    s.recv(9000)\n"
        "elif what == 'dns-udp':\n"
        "    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "    s.connect((args[0], 53))\n"
        "    s.send(question(args[1]))\n"
        "    told(s.recv(4096))\n"
        "elif what == 'dns-tcp':\n"
        "    s = socket.create_connection((args[0], 53))\n"
        "    q = question(args[1])\n"
        "    s.send(struct.pack('>H', len(q)) + q)\n"
        "    told(s.recv(4096)[2:])\n"
        "elif what == 'raw':\n"
        "    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)\n"
        "elif what == 'packet':\n"
        "    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n"
        "elif what == 'netlink':\n"
        "    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)\n"
        "    s.bind((0, 0))\n"
        /* Delete every table of nftables. */
        "    m = struct.pack('=LHHLLBBH', 20, 16, 1, 1, 0, 0, 0, 10 << 8)\n"
        "    m += struct.pack('=LHHLLBBH', 20, (10 << 8) | 2, 5, 2, 0, 0, 0, 0)\n"
        "    m += struct.pack('=LHHLLBBH', 20, 17, 1, 3, 0, 0, 0, 10 << 8)\n"
        "    s.send(m)\n"
        "    sys.exit(1 if struct.unpack('=i', s.recv(4096)[16:20])[0] else 0)\n"
        "elif what == 'route':\n"
        "    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "    s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes([0x83, 7, 4, 11, 1, 0, 1, "
        "0]))\n"
        "    s.sendto(b'x', (args[0], 443))\n"
        "elif what == 'mark':\n"
        "    s = socket.socket()\n"
        "    s.setsockopt(socket.SOL_SOCKET, 36, 0x636f7273)\n"
        "    s.connect((args[0], 80))\n";

static const char javascript[] =
        "require('http').get(process.argv[2], r => { r.resume(); r.on('end', () => "
        "process.exit(0)); }).on('error', () => process.exit(1));\n";

/* What is late because others have the processors is not late each time. */
static const char function[] =
        "t() { command -v \"$2\" >/dev/null || { echo \"$1=skip\"; return; }\n"
        "n=$1; shift\n"
        "for i in 1 2 3; do\n"
        "b=$(date +%s%N); r=no\n"
        "timeout $most_s \"$@\" >/dev/null 2>&1 && r=yes\n"
        "[ $((($(date +%s%N) - b) / 1000000)) -gt $late_ms ] || break\n"
        "r=late\n"
        "done; echo \"$n=$r\"; }\n";

/* Whether it gets through is what each name begins with. */
static const char matrix[] =
        /* allowed */
        "t yes-curl curl -fsS http://allowed.example/\n"
        "t yes-curl-443 curl -fsS http://allowed.example:443/\n"
        "t yes-upper-case curl -fsS http://ALLOWED.Example/\n"
        "t yes-trailing-dot curl -fsS http://allowed.example./\n"
        "t yes-below curl -fsS http://www.allowed.example/\n"
        "t yes-idna curl -fsS http://xn--bcher-kva.example/\n"
        "t yes-alias curl -fsS http://alias.example:8080/\n"
        "t yes-ipv6 curl -fsS -6 http://allowed.example/\n"
        "t yes-address curl -fsS http://" WORLD_FAR "/\n"
        "t yes-mapped curl -fsS 'http://[::ffff:" WORLD_ALLOWED "]/'\n"
        "t yes-wget wget -q -O - http://allowed.example/\n"
        "t yes-python python3 /t/p.py http http://allowed.example/\n"
        "t yes-node node /t/n.js http://allowed.example/\n"
        "t yes-nc nc -z -w 3 allowed.example 443\n"
        "t yes-bash bash -c 'exec 3<>/dev/tcp/allowed.example/80'\n"
        "t yes-quic python3 /t/p.py udp-name allowed.example 443 100\n"
        "t yes-fragments python3 /t/p.py udp-name allowed.example 443 3000\n"
        "t yes-dns-tcp python3 /t/p.py dns-tcp 127.0.0.53 allowed.example\n"
        "t yes-private curl -fsS http://" WORLD_PRIVATE ":8080/\n"
        /* denied: another name, port, address, protocol */
        "t no-curl curl -fsS http://denied.example/\n"
        "t no-wget wget -q -t 1 -O - http://denied.example/\n"
        "t no-python python3 /t/p.py http http://denied.example/\n"
        "t no-node node /t/n.js http://denied.example/\n"
        "t no-port nc -z -w 3 allowed.example 22\n"
        "t no-ssh ssh -o BatchMode=yes -o ConnectTimeout=5 allowed.example true\n"
        "t no-address curl -fsS http://" WORLD_DENIED "/\n"
        "t no-ipv6 curl -fsS 'http://[" WORLD_DENIED6 "]/'\n"
        "t no-bash bash -c 'exec 3<>/dev/tcp/" WORLD_DENIED "/80'\n"
        "t no-quic python3 /t/p.py udp " WORLD_DENIED " 443 100\n"
        "t no-quic6 python3 /t/p.py udp " WORLD_DENIED6 " 443 100\n"
        "t no-udp-port python3 /t/p.py udp " WORLD_ALLOWED " 5000 100\n"
        "t no-fragments python3 /t/p.py udp " WORLD_DENIED " 443 3000\n"
        "t no-metadata curl -fsS http://" WORLD_METADATA "/\n"
        /* tricks */
        "t no-redirect curl -fsSL http://allowed.example/to-denied\n"
        "t no-own-answer curl -fsS --resolve allowed.example:80:" WORLD_DENIED
        " http://allowed.example/\n"
        "t no-other-place curl -fsS --connect-to ::" WORLD_DENIED ": http://allowed.example/\n"
        "t no-rebinding curl -fsS http://rebind.example/\n"
        "t no-rebinding-mapped curl -fsS http://mapped.example/\n"
        "t no-rebinding-metadata curl -fsS http://metadata.example/\n"
        "t no-mapped curl -fsS 'http://[::ffff:" WORLD_DENIED "]/'\n"
        "t no-dns-udp python3 /t/p.py dns-udp " WORLD_FAR " denied.example\n"
        "t no-dns-tcp python3 /t/p.py dns-tcp " WORLD_FAR " denied.example\n"
        "t no-dns-of-allowed python3 /t/p.py dns-udp " WORLD_ALLOWED " denied.example\n"
        "t no-dot nc -z -w 3 " WORLD_FAR " 853\n"
        "t no-unlisted-name python3 /t/p.py dns-udp 127.0.0.53 denied.example\n"
        "t no-suffix curl -fsS http://allowed.example.denied.example/\n"
        "t no-raw python3 /t/p.py raw\n"
        "t no-packet python3 /t/p.py packet\n"
        "t no-netlink python3 /t/p.py netlink\n"
        "t no-source-route python3 /t/p.py route " WORLD_DENIED "\n"
        "t no-mark python3 /t/p.py mark " WORLD_DENIED "\n"
        "t no-namespace unshare -Urn curl -fsS http://" WORLD_DENIED "/\n"
        "t no-host curl -fsS http://" WORLD_NEAR ":7777/\n"
        "t no-gateway sh -c 'curl -fsS http://$(ip route | sed -n \"s/^default via \\\\([^ "
        "]*\\\\).*/\\\\1/p\"):7777/'\n";

static unsigned int count(const char *text, const char *part)
{
	unsigned int n = 0;

	for (; (text = strstr(text, part)); text++)
		n++;
	return n;
}

static void clients_get_to_what_is_on_the_list_alone(void **state)
{
	char script[sizeof(function) + sizeof(matrix) + 32], bind[64];
	struct run r = { 0 };
	const json_t *contact;
	size_t i;
	bool found = false;

	(void)state;
	if (!can())
		return;
	(void)snprintf(script, sizeof(script), "most_s=%d late_ms=%d\n%s%s",
	               corral_test_slow() ? 60 : 6, corral_test_slow() ? 60000 : 2800, function,
	               matrix);
	(void)snprintf(bind, sizeof(bind), "%s:/t", dir);
	RUN(&r, "--ro-bind", bind, "--allow", "allowed.example", "--allow", "*.allowed.example:80",
	    "--allow", "allowed.example:443/udp", "--allow", "xn--bcher-kva.example", "--allow",
	    "alias.example:8080", "--allow", WORLD_FAR ":80", "--allow", "rebind.example:443",
	    "--allow", "mapped.example", "--allow", "metadata.example", "--allow",
	    WORLD_PRIVATE ":8080", "--", "sh", "-c", script);
	assert_status(&r, 0);
	assert_int_equal(lines_check(r.out), count(matrix, "\nt ") + 1);
	json_array_foreach(json_object_get(r.receipt, "contacts"), i, contact)
	{
		const char *name = json_string_value(json_object_get(contact, "name"));

		if (!name || strcmp(name, "alias.example") != 0)
			continue;
		found = true;
		assert_int_equal(json_integer_value(json_object_get(contact, "port")), 8080);
		assert_int_equal(json_integer_value(json_object_get(contact, "connections")), 1);
		assert_true(json_integer_value(json_object_get(contact, "received_bytes")) > 100);
	}
	assert_true(found);
	run_done(&r);
}

static void denials_say_what_would_allow_it(void **state)
{
	struct run r = { 0 };
	const json_t *d;

	(void)state;
	if (!can())
		return;
	RUN(&r, "--allow", "allowed.example", "--", "sh", "-c",
	    "curl -s http://denied.example/; curl -4 -s http://allowed.example:8080/; "
	    "curl -s http://" WORLD_DENIED "/; true");
	assert_status(&r, 0);
	d = denial_find(&r, "denied.example");
	assert_string_equal(json_string_value(json_object_get(d, "rule")), "egress-allowlist");
	assert_string_equal(json_string_value(json_object_get(d, "remedy")),
	                    "--allow denied.example");
	assert_null(json_object_get(d, "why"));
	d = denial_find(&r, "allowed.example:8080/tcp (" WORLD_ALLOWED ")");
	assert_string_equal(json_string_value(json_object_get(d, "remedy")),
	                    "--allow allowed.example:8080");
	d = denial_find(&r, WORLD_DENIED ":80/tcp");
	assert_int_equal(json_integer_value(json_object_get(d, "count")), 1);
	run_done(&r);
}

/* What bridge does not reach either: refused whatever the list, and nobody who was talked to. */
static void no_entry_opens_what_is_the_hosts_alone(void **state)
{
	struct run r = { 0 };
	const json_t *d;

	(void)state;
	if (!can())
		return;
	RUN(&r, "--allow", "0.0.0.0/0:*", "--allow", "11.0.0.0/24", "--allow", "100.64.0.0/10",
	    "--allow", "metadata.example", "--", "sh", "-c",
	    "curl -s http://" WORLD_NEAR "/; curl -s http://" WORLD_METADATA "/; "
	    "curl -s http://100.100.100.200/; curl -s http://metadata.example/; true");
	assert_status(&r, 0);
	assert_int_equal(json_array_size(json_object_get(r.receipt, "contacts")), 0);
	d = denial_find(&r, WORLD_NEAR ":80/tcp");
	assert_string_equal(json_string_value(json_object_get(d, "remedy")), "--network host");
	d = denial_find(&r, WORLD_METADATA ":80/tcp");
	assert_string_equal(json_string_value(json_object_get(d, "remedy")), "--network host");
	d = denial_find(&r, "100.100.100.200:80/tcp");
	assert_string_equal(json_string_value(json_object_get(d, "remedy")), "--network host");
	d = denial_find(&r, "metadata.example (" WORLD_METADATA ")");
	assert_string_equal(json_string_value(json_object_get(d, "remedy")), "--network host");
	assert_string_equal(json_string_value(json_object_get(d, "why")), "no entry opens it");
	RUN(&r, "--allow", WORLD_NEAR ":80", "--", "true");
	assert_refused(&r, "is the host's own, which is reached under network 'host' alone");
	RUN(&r, "--allow", WORLD_METADATA, "--", "true");
	assert_refused(&r, "reached under network 'host' alone");
	run_done(&r);
}

static void an_empty_list_is_no_network(void **state)
{
	struct run r = { 0 };
	unsigned int asked;

	(void)state;
	if (!can())
		return;
	asked = world_questions();
	RUN(&r, "--network", "allow", "--", "sh", "-c",
	    "curl -s http://allowed.example/; echo $?; curl -s http://" WORLD_ALLOWED "/; echo $?");
	assert_status(&r, 0);
	assert_string_equal(r.out, "6\n7\n");
	assert_int_equal(world_questions(), asked);
	run_done(&r);
}

static void what_contradicts_itself_is_refused(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can())
		return;
	RUN(&r, "--allow", "a.example", "--network", "bridge", "--", "true");
	assert_refused(&r, "only network 'allow' holds to it");
	RUN(&r, "--allow", "a.example", "--cap-add", "net_raw", "--", "true");
	assert_refused(&r, "does not hold against CAP_NET_RAW");
	RUN(&r, "--allow", "http://a.example", "--", "true");
	assert_refused(&r, "host alone");
	run_done(&r);
}

/* The processes of that name below pid whose parent has it as well: corral-net's children. */
static int net_child(int pid, bool parent_is)
{
	char path[96], name[32] = "", list[4096] = "", *rest = NULL;
	FILE *f;
	bool is;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (f && !fgets(name, sizeof(name), f))
		name[0] = '\0';
	if (f)
		(void)fclose(f);
	is = !strcmp(name, "corral-net\n");
	if (is && parent_is)
		return pid;
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = fopen(path, "re");
	if (f && !fgets(list, sizeof(list), f))
		list[0] = '\0';
	if (f)
		(void)fclose(f);
	for (char *word = strtok_r(list, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		int found = net_child((int)strtol(word, NULL, 10), is);

		if (found > 0)
			return found;
	}
	return -1;
}

static void its_death_closes_all(void **state)
{
	static const char script[] =
	        "exec 4<>/dev/tcp/" WORLD_DENIED "/80; echo stay >&4\n"
	        "curl -fs http://allowed.example/; echo ready; read go\n"
	        "curl -s http://allowed.example/; echo $?\n"
	        "curl -s http://" WORLD_ALLOWED "/; echo $?\n"
	        "curl -s http://" WORLD_DENIED "/; echo $?\n"
	        /* With the link gone as well nobody resets it; but nothing is heard. */
	        "echo again >&4; [ -z \"$(timeout 2 cat <&4 2>/dev/null)\" ] && echo closed || "
	        "echo open\n";
	int in[2], out[2], status, child;
	char text[512] = "";
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	(void)state;
	if (!can())
		return;
	assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		(void)alarm(RUN_DEADLINE_S);
		(void)execl(CORRAL_BINARY, "corral", "run", "-i", "--allow", "allowed.example",
		            "--allow", WORLD_DENIED ":80", "--", "bash", "-c", script,
		            (char *)NULL);
		_exit(99);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	while (!strstr(text, "ready\n") &&
	       (n = read(out[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	assert_string_equal(text, "hello\nready\n");
	child = net_child((int)pid, false);
	assert_true(child > 0);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(write(in[1], "go\n", 3), 3);
	while ((n = read(out[0], text + len, sizeof(text) - 1 - len)) > 0)
		text[len += (size_t)n] = '\0';
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_string_equal(text, "hello\nready\n6\n7\n7\nclosed\n");
	(void)close(in[1]);
	(void)close(out[0]);
}

/* Commands of one sandbox: each is told of its own. */
static void a_live_sandbox_tells_what_is_new(void **state)
{
	static const char *const twice[] = { "curl -s http://denied.example/; true", "true" };
	struct run r = { 0 };

	(void)state;
	if (!can())
		return;
	run_argv(&r, ARGS(CORRAL_BINARY, "sandbox", "create", "--name", "allow-test", "--allow",
	                  "allowed.example"));
	assert_status(&r, 0);
	for (size_t i = 0; i < 2; i++) {
		run_argv(&r, ARGS(CORRAL_BINARY, "sandbox", "exec", "--json", "9", "allow-test",
		                  "--", "sh", "-c", twice[i]));
		assert_status(&r, 0);
		assert_int_equal(json_array_size(json_object_get(r.receipt, "denials")), 1 - i);
	}
	run_argv(&r, ARGS(CORRAL_BINARY, "sandbox", "rm", "-f", "allow-test"));
	assert_status(&r, 0);
	run_done(&r);
}

static int setup(void **state)
{
	int r = allow_setup(state);

	return r < 0 || missing || (file_put("p.py", python) && file_put("n.js", javascript)) ? r
	                                                                                      : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_get_to_what_is_on_the_list_alone),
		cmocka_unit_test(denials_say_what_would_allow_it),
		cmocka_unit_test(no_entry_opens_what_is_the_hosts_alone),
		cmocka_unit_test(an_empty_list_is_no_network),
		cmocka_unit_test(what_contradicts_itself_is_refused),
		cmocka_unit_test(its_death_closes_all),
		cmocka_unit_test(a_live_sandbox_tells_what_is_new),
	};

	return cmocka_run_group_tests(tests, setup, allow_teardown);
}
