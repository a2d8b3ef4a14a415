/*
 * The tables of nf_tables that corral-net writes, message by message, against the same in nftables'
 * own language (rules/): both are loaded, each in a network namespace of its own, and have to list
 * alike. And who is in a bridge's way, by rules that the nft program has made.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/network/helper/beyond.h"
#include "kernel/network/helper/block.h"
#include "kernel/network/helper/filter.h"
#include "kernel/network/helper/filter_rules.h"
#include "kernel/network/helper/firewall.h"
#include "kernel/network/helper/guard.h"
#include "kernel/network/helper/nft_words.h"
#include "tests/support.h"

#define RULES CORRAL_SOURCE_DIR "/tests/real/rules/"

/* The program with what it prints; its status. */
static int nft(struct corral_buf *out, const char *const *argv)
{
	corral_autofd int from = -1;
	int pipes[2], status = -1, pid;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	from = pipes[0];
	pid = fork();
	if (pid == 0) {
		(void)dup2(pipes[1], 1);
		(void)execvp("nft", (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	(void)close(pipes[1]);
	assert_int_equal(corral_buf_read_fd(out, from, 1u << 20), 0);
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define NFT(out, ...) nft(out, (const char *const[]) { "nft", __VA_ARGS__, NULL })

static int quietly(const char *const *argv)
{
	corral_autobuf struct corral_buf out = CORRAL_BUF_INIT;

	return nft(&out, argv);
}

#define NFT_QUIETLY(...) quietly((const char *const[]) { "nft", __VA_ARGS__, NULL })

static bool missing(void)
{
	if (corral_test_needs_root("rules of a network namespace"))
		return true;
	if (unshare(CLONE_NEWNET) == 0 && NFT_QUIETLY("list", "ruleset") == 0)
		return false;
	corral_test_skip("root and nftables are needed to compare rules");
	return true;
}

/* From now on no rules of anybody's. */
static void fresh(void)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
}

/* All rules that there are. */
static char *listing(void)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;

	assert_int_equal(NFT(&text, "-n", "list", "ruleset"), 0);
	return text.len ? corral_buf_take(&text) : strdup("");
}

static void none(void)
{
	corral_autofree char *text = listing();

	assert_string_equal(text, "");
}

static void send_all(struct corral_nft_batch *b)
{
	struct corral_error err = { 0 };
	corral_autofd int fd = -1;

	if (corral_nft_open(&fd, &err) < 0 || corral_nft_batch_send(b, fd, &err) < 0)
		fail_msg("%s", err.text);
	corral_nft_batch_done(b);
}

/* The rules of the batch, which is sent, are those of the file. */
static void same(struct corral_nft_batch *b, const char *file)
{
	corral_autofree char *wanted = NULL, *got = NULL;
	char path[256];
	size_t at = 0;

	fresh();
	(void)snprintf(path, sizeof(path), RULES "%s", file);
	assert_int_equal(NFT_QUIETLY("-f", path), 0);
	wanted = listing();
	assert_true(*wanted);
	fresh();
	send_all(b);
	got = listing();
	while (wanted[at] && wanted[at] == got[at])
		at++;
	if (wanted[at] || got[at]) {
		while (at && got[at - 1] != '\n')
			at--;
		fail_msg("%s: '%.*s' instead of '%.*s'", file, (int)strcspn(got + at, "\n"),
		         got + at, (int)strcspn(wanted + at, "\n"), wanted + at);
	}
}

/* --- tables --------------------------------------------------------------------------------- */

#define BASE                                  \
	{                                     \
		htonl(10u << 24 | 213u << 16) \
	}

static void table_of_a_block_is_what_its_text_says(void **state)
{
	const struct corral_net_host of_ipv4 = { .base = BASE };
	const struct corral_net_host of_both = { .base = BASE,
		                                 .has_ipv6 = true,
		                                 .conntrack_max = 8192 };
	struct corral_nft_batch b;

	(void)state;
	if (missing())
		return;
	corral_nft_batch_begin(&b, "corral-3", 1);
	corral_net_block_rules(3, &of_ipv4, false, &b);
	same(&b, "block4.nft");
	corral_nft_batch_begin(&b, "corral-511", 1);
	corral_net_block_rules(511, &of_both, false, &b);
	same(&b, "block6.nft");
}

/* Where the kernel cannot be told how long what has ended stays, it is begun more slowly: the bound
 * is the same. */
static void table_without_timeouts_lets_fewer_begin(void **state)
{
	const struct corral_net_host old = { .base = BASE, .time_wait_s = 120 };
	corral_autofree char *text = NULL;
	struct corral_nft_batch b;

	(void)state;
	if (missing())
		return;
	fresh();
	corral_nft_batch_begin(&b, "corral-3", 1);
	corral_net_block_rules(3, &old, false, &b);
	send_all(&b);
	text = listing();
	assert_null(strstr(text, "timeout"));
	assert_non_null(strstr(text, "ct count over 512 "));
	assert_non_null(strstr(text, "limit rate over 477/second burst 8192 packets"));
}

static const char *const own[] = { "192.0.2.9", "198.51.100.128/25", "2606:4700::1",
	                           "2001:db8:0:1::/64" };

static struct corral_prefix prefix(const char *text)
{
	struct corral_error err = { 0 };
	struct corral_prefix p;

	if (corral_address_parse(text, &p, &err) < 0)
		fail_msg("%s", err.text);
	return p;
}

static void allowlist(const char *file, const char *const *texts, size_t n, bool with_own)
{
	corral_auto(corral_egress_freep) struct corral_egress *e = NULL;
	struct corral_error err = { 0 };
	struct corral_nft_batch b;

	if (corral_egress_compile((char *const *)(uintptr_t)texts, n, &e, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; with_own && i < CORRAL_COUNT(own); i++) {
		const struct corral_prefix p = prefix(own[i]);

		assert_int_equal(corral_egress_own(e, &p, &err), 0);
	}
	corral_nft_batch_begin(&b, CORRAL_FILTER_TABLE, 1);
	if (corral_filter_rules(e, &b, &err) < 0)
		fail_msg("%s", err.text);
	same(&b, file);
}

static void table_of_an_allowlist_is_what_its_text_says(void **state)
{
	static const char *const names[] = { "example.org", "*.example.net:443", "ping.example:*",
		                             "range.example:1000-2000/udp", "one.example:22" };
	static const char *const addresses[] = {
		"192.0.2.7",
		"198.51.100.0/24:8000-9000",
		"203.0.113.9:53/udp",
		"10.1.2.0/24:*",
		"[2001:db8::7]:443",
		"[2001:db8:4::/47]:8443",
		"2001:db8:0:2::/63",
		"2606:4700::/32",
		"192.0.2.0/25:123/udp",
	};
	static const char *const all[] = { "0.0.0.0/0:*", "::/0", "example.org" };

	(void)state;
	if (missing())
		return;
	allowlist("allow_empty.nft", NULL, 0, false);
	allowlist("allow_names.nft", names, CORRAL_COUNT(names), false);
	allowlist("allow_addresses.nft", addresses, CORRAL_COUNT(addresses), true);
	allowlist("allow_all.nft", all, CORRAL_COUNT(all), true);
}

static void table_of_a_guard_is_what_its_text_says(void **state)
{
	struct corral_prefix list[CORRAL_COUNT(own)];
	struct corral_nft_batch b;

	(void)state;
	if (missing())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(own); i++)
		list[i] = prefix(own[i]);
	corral_net_guard_rules(list, CORRAL_COUNT(list), &b);
	same(&b, "guard.nft");
}

static void prefixes_may_overlap_and_touch_and_end_with_the_last_address(void **state)
{
	const struct corral_prefix mixed[] = { prefix("192.0.2.3"),          prefix("11.0.0.0/8"),
		                               prefix("10.1.0.0/16"),        prefix("10.0.0.0/8"),
		                               prefix("255.255.255.254/31"), prefix("192.0.2.1") };
	const struct corral_prefix halves[] = { prefix("128.0.0.0/1"), prefix("0.0.0.0/1") };
	const struct corral_prefix whole = prefix("0.0.0.0/0");
	const struct corral_prefix ipv6[] = { prefix("ffff::/16"), prefix("2001:db8:8000::/33"),
		                              prefix("::/16"), prefix("2001:db8::/33") };
	struct corral_nft_batch b;

	(void)state;
	if (missing())
		return;
	corral_nft_batch_begin(&b, "t", 1);
	corral_nft_table_add(&b, 0);
	corral_nft_chain_add(&b, "c");
	RULE(&b, "c", TO_ONE_OF(mixed, CORRAL_COUNT(mixed)), DROP);
	RULE(&b, "c", TO_ONE_OF(halves, CORRAL_COUNT(halves)), DROP);
	RULE(&b, "c", TO(&whole), DROP);
	RULE(&b, "c", TO_NONE_OF(ipv6, CORRAL_COUNT(ipv6)), DROP);
	same(&b, "prefixes.nft");
}

/* More than go into one message, and into one send with the buffer that a socket has. */
static void set_of_many_is_sent_in_parts(void **state)
{
	enum { MANY = 5000 };
	corral_autofree struct corral_prefix *list = calloc(MANY, sizeof(*list));
	corral_autofree char *text = NULL;
	struct corral_nft_batch b;
	size_t found = 0;

	(void)state;
	if (missing())
		return;
	assert_non_null(list);
	for (unsigned int i = 0; i < MANY; i++)
		list[i] = (struct corral_prefix) {
			.address = { .family = 6,
			             .bytes = { 0x20, 1, [14] = (uint8_t)(i >> 7),
			                        [15] = (uint8_t)(2 * i) } },
			.len = 128,
		};
	fresh();
	corral_nft_batch_begin(&b, "t", 1);
	corral_nft_table_add(&b, 0);
	corral_nft_chain_add(&b, "c");
	RULE(&b, "c", TO_ONE_OF(list, MANY), DROP);
	assert_true(b.buf.len > 300u << 10);
	send_all(&b);
	text = listing();
	for (const char *at = text; (at = strstr(at, "2001::")); at++)
		found++;
	assert_int_equal(found, MANY);
}

static void table_with_an_owner_goes_with_the_last_copy_of_its_socket(void **state)
{
	struct corral_nft_batch b;
	struct corral_error err = { 0 };
	corral_autofree char *text = NULL;
	int fd = -1, copy, other = -1;

	(void)state;
	if (missing())
		return;
	fresh();
	corral_nft_batch_begin(&b, "corral-3", 1);
	corral_net_block_rules(3, &(struct corral_net_host) { .base = BASE }, true, &b);
	assert_int_equal(corral_nft_open(&fd, &err), 0);
	assert_int_equal(corral_nft_batch_send(&b, fd, &err), 0);
	corral_nft_batch_done(&b);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	(void)close(fd);
	text = listing();
	assert_non_null(strstr(text, "flags owner"));
	/* Nobody else takes it away, also to make it anew. */
	corral_nft_batch_begin(&b, "corral-3", 1);
	corral_nft_table_clear(&b);
	assert_int_equal(corral_nft_open(&other, &err), 0);
	assert_int_equal(corral_nft_batch_send(&b, other, &err), -EPERM);
	corral_nft_batch_done(&b);
	(void)close(other);
	(void)close(copy);
	none();
}

/* --- what the kernel refuses ---------------------------------------------------------------- */

static void refused(struct corral_nft_batch *b, int error, const char *text)
{
	struct corral_error err = { 0 };
	corral_autofd int fd = -1;

	assert_int_equal(corral_nft_open(&fd, &err), 0);
	assert_int_equal(corral_nft_batch_send(b, fd, &err), -error);
	if (!strstr(err.text, text))
		fail_msg("'%s' has not '%s'", err.text, text);
	corral_nft_batch_done(b);
}

static void refusal_says_of_what(void **state)
{
	static const uint8_t address[4] = { 192, 0, 2, 1 };
	struct corral_nft_elements e;
	struct corral_nft_batch b;

	(void)state;
	if (missing())
		return;
	fresh();
	corral_nft_batch_begin(&b, "t", 1);
	corral_nft_table_add(&b, 0);
	corral_nft_chain_add(&b, "c");
	RULE(&b, "c", ACCEPT);
	RULE(&b, "c", GOTO("nowhere"));
	refused(&b, ENOENT, "table 't': a rule of chain 'c'");
	corral_nft_batch_begin(&b, "t", 1);
	corral_nft_table_add(&b, 0);
	corral_nft_chain_hook(&b, "c", "nonsense", NF_INET_FORWARD, 0, NF_ACCEPT);
	refused(&b, ENOENT, "chain 'c', nonsense");
	corral_nft_batch_begin(&b, "t", 7);
	corral_nft_elements_begin(&e, &b, NFT_MSG_NEWSETELEM, "s", 0, 1);
	corral_nft_element(&e, address, sizeof(address), 0, 0);
	corral_nft_elements_end(&e);
	refused(&b, ENOENT, "elements of set 's'");
	/* All of it or nothing. */
	none();
	assert_int_equal(NFT_QUIETLY("table inet t { }"), 0);
	corral_nft_batch_begin(&b, "t", 1);
	corral_nft_table_add(&b, 0);
	refused(&b, EEXIST, "table 't'");
}

/* --- who is in the way ---------------------------------------------------------------------- */

#define TABLE(name, chains)    "table " name " {\n" chains "}\n"
#define CHAIN(name, rules)     "chain " name " {\n" rules "\n}\n"
#define DROPPING               "type filter hook forward priority 0; policy drop;\n"
#define DROPS(name, rules)     TABLE(name, CHAIN("f", DROPPING rules))
#define AND_DROPS(name, other) TABLE(name, other CHAIN("f", DROPPING))

/* table: whom the error names; NULL: nobody is in the way. */
static void firewall(const char *rules, const char *table)
{
	struct corral_error err = { 0 };
	char wanted[64];
	int r;

	fresh();
	assert_int_equal(NFT_QUIETLY(rules), 0);
	r = corral_net_firewall_look("eth7", &err);
	if (!table) {
		if (r < 0)
			fail_msg("%s: %s", rules, err.text);
		return;
	}
	(void)snprintf(wanted, sizeof(wanted), "firewall (table %s) drops", table);
	if (r != -EPERM || !strstr(err.text, wanted) || !strstr(err.text, "-i crl+ -o eth7 -j"))
		fail_msg("%s: %d, %s", rules, r, err.text);
}

static void firewall_is_in_the_way_when_it_drops_and_knows_nothing_of_us(void **state)
{
	(void)state;
	if (missing())
		return;
	firewall(TABLE("ip nat", ""), NULL);
	firewall(DROPS("ip filter", ""), "ip filter");
	firewall(TABLE("ip nat", "") DROPS("inet fw", "") TABLE("ip x", ""), "inet fw");
	firewall(DROPS("ip6 filter", "iifname \"eth*\" accept"), "ip6 filter");
	/* Drops nothing of what is forwarded. */
	firewall(TABLE("ip a", CHAIN("f", "type filter hook forward priority 0; policy accept;"))
	                 TABLE("inet b",
	                       CHAIN("i", "type filter hook input priority 0; policy drop;"))
	                         DROPS("bridge c", ""),
	         NULL);
	/* Somebody has thought of us there. */
	firewall(DROPS("ip filter", "iifname \"crl*\" accept"), NULL);
	firewall(AND_DROPS("inet fw", CHAIN("ours", "oifname \"crl0-1\" accept")), NULL);
	firewall(DROPS("inet fw", "iifname { \"eth0\", \"crl0-1\" } accept"), NULL);
	firewall(AND_DROPS("inet fw", "set s { type ifname; flags interval; elements = { "
	                              "\"crl*\" }; }\n"),
	         NULL);
	firewall(DROPS("inet fw", "ip saddr . iifname vmap { 10.0.0.1 . \"crl0-0\" : accept }"),
	         NULL);
	/* Not by the bytes of something else: 99.114.108.0/24. */
	firewall(DROPS("ip fw", "ip saddr 99.114.108.0/24 accept\n"
	                        "ip saddr { 99.114.108.1, 99.114.108.2 } accept"),
	         "ip fw");
	/* One that knows us does not speak for another. */
	firewall(DROPS("ip a", "iifname \"crl*\" accept") DROPS("ip b", ""), "ip b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_of_a_block_is_what_its_text_says),
		cmocka_unit_test(table_without_timeouts_lets_fewer_begin),
		cmocka_unit_test(table_of_an_allowlist_is_what_its_text_says),
		cmocka_unit_test(table_of_a_guard_is_what_its_text_says),
		cmocka_unit_test(prefixes_may_overlap_and_touch_and_end_with_the_last_address),
		cmocka_unit_test(set_of_many_is_sent_in_parts),
		cmocka_unit_test(table_with_an_owner_goes_with_the_last_copy_of_its_socket),
		cmocka_unit_test(refusal_says_of_what),
		cmocka_unit_test(firewall_is_in_the_way_when_it_drops_and_knows_nothing_of_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
