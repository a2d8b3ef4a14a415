/* kernel/network/helper/dns_message.h: what is meant is read, and nothing else is handed on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/dns_message.h"

/* A message under construction. */
struct made {
	uint8_t data[4096];
	size_t len;
};

static void put(struct made *m, const void *data, size_t n)
{
	assert_true(m->len + n <= sizeof(m->data));
	memcpy(m->data + m->len, data, n);
	m->len += n;
}

static void put16(struct made *m, unsigned int v)
{
	put(m, (const uint8_t[]) { (uint8_t)(v >> 8), (uint8_t)v }, 2);
}

static void put_name(struct made *m, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");

		put(m, &(uint8_t) { (uint8_t)n }, 1);
		put(m, name, n);
		name += n + (name[n] == '.');
	}
	put(m, "", 1);
}

static struct made head(unsigned int id, unsigned int flags, unsigned int n_answers)
{
	struct made m = { .len = 0 };

	put16(&m, id);
	put16(&m, flags);
	put16(&m, 1);
	put16(&m, n_answers);
	put16(&m, 0);
	put16(&m, 0);
	return m;
}

static struct made question(const char *name, unsigned int type)
{
	struct made m = head(7, 0x0100, 0);

	put_name(&m, name);
	put16(&m, type);
	put16(&m, 1);
	return m;
}

static void put_record(struct made *m, const char *owner, unsigned int type, uint32_t ttl,
                       const void *data, size_t len)
{
	put_name(m, owner);
	put16(m, type);
	put16(m, 1);
	put16(m, ttl >> 16);
	put16(m, ttl & 0xffff);
	put16(m, (unsigned int)len);
	put(m, data, len);
}

static struct made answer(const char *name, unsigned int type, unsigned int n)
{
	struct made m = head(99, 0x8180, n);

	put_name(&m, name);
	put16(&m, type);
	put16(&m, 1);
	return m;
}

static struct corral_dns_question asked(const char *name, unsigned int type)
{
	struct made m = question(name, type);
	struct corral_dns_question q;

	assert_int_equal(corral_dns_question_parse(m.data, m.len, &q), 0);
	return q;
}

static const uint8_t one[4] = { 1, 2, 3, 4 }, two[4] = { 5, 6, 7, 8 };

static void a_question_is_read(void **state)
{
	struct corral_dns_question q = asked("WWW.Example.org", CORRAL_DNS_AAAA);
	char name[CORRAL_EGRESS_NAME_SIZE];

	(void)state;
	assert_int_equal(q.id, 7);
	assert_int_equal(q.type, CORRAL_DNS_AAAA);
	assert_true(q.recursion);
	assert_false(q.edns);
	assert_int_equal(q.udp_size, 512);
	corral_dns_name_text(&q.name, name);
	assert_string_equal(name, "www.example.org");
}

static void odd_bytes_match_no_name(void **state)
{
	struct made m = head(7, 0, 0);
	struct corral_dns_question q;
	char name[CORRAL_EGRESS_NAME_SIZE];

	(void)state;
	put(&m,
	    "\x0b"
	    "example.org"
	    "\x02"
	    "\xff\n",
	    15);
	put(&m, "", 1);
	put16(&m, 1);
	put16(&m, 1);
	assert_int_equal(corral_dns_question_parse(m.data, m.len, &q), 0);
	corral_dns_name_text(&q.name, name);
	assert_string_equal(name, "example?org.??");
}

static void broken_questions_are_told_from_none(void **state)
{
	struct made m = question("a.b", 1);
	struct corral_dns_question q;

	(void)state;
	for (size_t len = 0; len < m.len; len++)
		assert_int_equal(corral_dns_question_parse(m.data, len, &q),
		                 len < 12 ? -EBADMSG : -EINVAL);
	m.data[2] |= 0x80; /* an answer */
	assert_int_equal(corral_dns_question_parse(m.data, m.len, &q), -EBADMSG);
	m.data[2] = 0x28; /* an update */
	assert_int_equal(corral_dns_question_parse(m.data, m.len, &q), -EOPNOTSUPP);
	m.data[2] = 0;
	m.data[5] = 2; /* two questions */
	assert_int_equal(corral_dns_question_parse(m.data, m.len, &q), -EINVAL);
	assert_int_equal(q.id, 7);
}

static void pointers_lead_nowhere_but_back(void **state)
{
	struct made m = head(7, 0, 0);
	struct corral_dns_question q;

	(void)state;
	put(&m, "\xc0\x0c", 2); /* to itself */
	put16(&m, 1);
	put16(&m, 1);
	assert_int_equal(corral_dns_question_parse(m.data, m.len, &q), -EINVAL);
	m.data[13] = 0x0e; /* forward */
	assert_int_equal(corral_dns_question_parse(m.data, m.len, &q), -EINVAL);
	m.data[12] = 0x80; /* of a kind that nobody uses */
	assert_int_equal(corral_dns_question_parse(m.data, m.len, &q), -EINVAL);
}

static void a_query_can_be_read_again(void **state)
{
	struct corral_dns_question q = asked("a.Example.org", 1), again;
	struct corral_dns_question small = asked("a.example.org", 1);
	uint8_t buf[CORRAL_DNS_QUERY_MAX];
	size_t len = corral_dns_query_write(&q, 4711, buf);

	(void)state;
	assert_int_equal(corral_dns_question_parse(buf, len, &again), 0);
	assert_int_equal(again.id, 4711);
	assert_true(again.edns);
	assert_int_equal(again.udp_size, CORRAL_DNS_UDP_MAX);
	assert_int_equal(again.name.len, q.name.len);
	/* In small letters: others would be a channel. */
	assert_memory_equal(again.name.wire, small.name.wire, q.name.len);
}

static void addresses_of_the_name_alone_are_taken(void **state)
{
	struct corral_dns_question q = asked("a.org", 1);
	struct made m = answer("A.ORG", 1, 4);
	struct corral_dns_answer a;

	(void)state;
	put_record(&m, "b.org", 1, 60, two, 4);
	put_record(&m, "a.org", 1, 60, one, 4);
	put_record(&m, "a.org", 28, 60, "0123456789abcdef", 16);
	put_record(&m, "a.org", 1, 30, "123456", 6);
	assert_int_equal(corral_dns_answer_parse(m.data, m.len, &q, 99, &a), 0);
	assert_int_equal(a.n_addresses, 1);
	assert_memory_equal(a.addresses[0].bytes, one, 4);
	assert_int_equal(a.ttl_s, 60);
}

static void aliases_are_followed_in_whatever_order(void **state)
{
	struct corral_dns_question q = asked("a.org", 1);
	struct made m = answer("a.org", 1, 3);
	struct corral_dns_answer a;

	(void)state;
	put_record(&m, "c.net", 1, 60, one, 4);
	put_record(&m, "b.net", 5, 20, "\1c\3net", 7);
	put_record(&m, "a.org", 5, 40, "\1b\3net", 7);
	assert_int_equal(corral_dns_answer_parse(m.data, m.len, &q, 99, &a), 0);
	assert_int_equal(a.n_chain, 2);
	assert_int_equal(a.n_addresses, 1);
	assert_int_equal(a.ttl_s, 20);
}

static void a_circle_of_aliases_ends(void **state)
{
	struct corral_dns_question q = asked("a.org", 1);
	struct made m = answer("a.org", 1, 2);
	struct corral_dns_answer a;

	(void)state;
	put_record(&m, "a.org", 5, 40, "\1b\3org", 7);
	put_record(&m, "b.org", 5, 40, "\1a\3org", 7);
	assert_int_equal(corral_dns_answer_parse(m.data, m.len, &q, 99, &a), -EBADMSG);
}

static void answers_to_something_else_are_none(void **state)
{
	struct corral_dns_question q = asked("a.org", 1);
	struct made m = answer("a.org", 1, 1);
	struct corral_dns_answer a;

	(void)state;
	put_record(&m, "a.org", 1, 60, one, 4);
	assert_int_equal(corral_dns_answer_parse(m.data, m.len, &q, 98, &a), -EBADMSG);
	assert_int_equal(corral_dns_answer_parse(m.data, m.len - 1, &q, 99, &a), -EBADMSG);
	q = asked("b.org", 1);
	assert_int_equal(corral_dns_answer_parse(m.data, m.len, &q, 99, &a), -EBADMSG);
	q = asked("a.org", 28);
	assert_int_equal(corral_dns_answer_parse(m.data, m.len, &q, 99, &a), -EBADMSG);
	q = asked("a.org", 1);
	m.data[2] &= 0x7f;
	assert_int_equal(corral_dns_answer_parse(m.data, m.len, &q, 99, &a), -EBADMSG);
}

static void codes_and_truncation_are_told(void **state)
{
	struct corral_dns_question q = asked("a.org", 1);
	struct made m = answer("a.org", 1, 0);
	struct corral_dns_answer a;

	(void)state;
	m.data[3] |= 3;
	assert_int_equal(corral_dns_answer_parse(m.data, m.len, &q, 99, &a), 0);
	assert_int_equal(a.code, CORRAL_DNS_NXDOMAIN);
	m.data[3] &= 0xf0;
	m.data[2] |= 2;
	assert_int_equal(corral_dns_answer_parse(m.data, m.len, &q, 99, &a), 0);
	assert_true(a.truncated);
}

static void thousands_of_addresses_are_cut(void **state)
{
	struct corral_dns_question q = asked("a.org", 1);
	struct made m = answer("a.org", 1, 200);
	struct corral_dns_answer a;

	(void)state;
	for (unsigned int i = 0; i < 200; i++)
		put_record(&m, "", 1, 60, one, 4);
	assert_int_equal(corral_dns_answer_parse(m.data, m.len, &q, 99, &a), 0);
	assert_int_equal(a.n_addresses, 0);
	m = answer("a.org", 1, 150);
	for (unsigned int i = 0; i < 150; i++)
		put_record(&m, "a.org", 1, 60, one, 4);
	assert_int_equal(corral_dns_answer_parse(m.data, m.len, &q, 99, &a), 0);
	assert_int_equal(a.n_addresses, CORRAL_DNS_ADDRESSES_MAX);
	assert_int_equal(a.left_out, 150 - CORRAL_DNS_ADDRESSES_MAX);
}

/* What is written is read again as the same; what does not fit says so and is empty. */
static void an_answer_can_be_read_again(void **state)
{
	struct corral_dns_question q = asked("a.Org", 1);
	struct corral_dns_answer a = { .ttl_s = 30, .n_chain = 2, .n_addresses = 30 }, again;
	uint8_t buf[4096];
	size_t len;

	(void)state;
	assert_true(corral_dns_name_from_text("b.net", &a.chain[0].target));
	assert_true(corral_dns_name_from_text("c.net", &a.chain[1].target));
	for (unsigned int i = 0; i < 30; i++)
		a.addresses[i] = corral_address_of(i % 2 ? one : two, 4);
	len = corral_dns_answer_write(&q, &a, NULL, buf, sizeof(buf));
	assert_int_equal(corral_dns_answer_parse(buf, len, &q, 7, &again), 0);
	assert_int_equal(again.n_chain, 2);
	assert_int_equal(again.n_addresses, 30);
	assert_int_equal(again.ttl_s, 30);
	assert_memory_equal(again.addresses, a.addresses, sizeof(a.addresses));
	len = corral_dns_answer_write(&q, &a, NULL, buf, 512);
	assert_true(len <= 512);
	assert_int_equal(corral_dns_answer_parse(buf, len, &q, 7, &again), 0);
	assert_true(again.truncated);
	assert_int_equal(again.n_addresses, 0);
}

static void refusals_say_why_to_those_who_can_read_it(void **state)
{
	struct corral_dns_question q = asked("a.org", 1);
	struct corral_dns_answer a = { .code = CORRAL_DNS_NXDOMAIN };
	uint8_t buf[512];
	size_t len = corral_dns_answer_write(&q, &a, "because", buf, sizeof(buf));

	(void)state;
	assert_null(memmem(buf, len, "because", 7));
	q.edns = true;
	len = corral_dns_answer_write(&q, &a, "because", buf, sizeof(buf));
	assert_non_null(memmem(buf, len,
	                       "\0\x0f\0\x09\0\x11"
	                       "because",
	                       13));
}

static void what_is_no_plain_question_is_not_forwarded(void **state)
{
	static const unsigned int meta[] = { 128, 249, 250, 251, 252, 253, 254, 255 };
	struct corral_dns_question q;
	struct made m = question("a.example", CORRAL_DNS_A);

	(void)state;
	assert_int_equal(corral_dns_may_forward(m.data, m.len, &q), CORRAL_DNS_NOERROR);
	m = question("a.example", 65);
	assert_int_equal(corral_dns_may_forward(m.data, m.len, &q), CORRAL_DNS_NOERROR);
	for (size_t i = 0; i < CORRAL_COUNT(meta); i++) {
		m = question("a.example", meta[i]);
		assert_int_equal(corral_dns_may_forward(m.data, m.len, &q), CORRAL_DNS_REFUSED);
		assert_int_equal(q.id, 7);
	}
	m = question("a.example", CORRAL_DNS_OPT);
	assert_int_equal(corral_dns_may_forward(m.data, m.len, &q), CORRAL_DNS_FORMERR);
	/* Another class, another operation. */
	m = question("a.example", CORRAL_DNS_A);
	m.data[m.len - 1] = 3;
	assert_int_equal(corral_dns_may_forward(m.data, m.len, &q), CORRAL_DNS_NOTIMP);
	m = question("a.example", CORRAL_DNS_A);
	m.data[2] = 5 << 3;
	assert_int_equal(corral_dns_may_forward(m.data, m.len, &q), CORRAL_DNS_NOTIMP);
	/* Two questions, none, an answer along with it. */
	m = question("a.example", CORRAL_DNS_A);
	m.data[5] = 2;
	assert_int_equal(corral_dns_may_forward(m.data, m.len, &q), CORRAL_DNS_FORMERR);
	m.data[5] = 0;
	assert_int_equal(corral_dns_may_forward(m.data, m.len, &q), CORRAL_DNS_FORMERR);
	m = question("a.example", CORRAL_DNS_A);
	m.data[7] = 1;
	put_record(&m, "a.example", CORRAL_DNS_A, 60, "\1\2\3\4", 4);
	assert_int_equal(corral_dns_may_forward(m.data, m.len, &q), CORRAL_DNS_REFUSED);
	/* An answer, and what is too short for anything. */
	m = question("a.example", CORRAL_DNS_A);
	m.data[2] = 0x81;
	assert_int_equal(corral_dns_may_forward(m.data, m.len, &q), -EBADMSG);
	assert_int_equal(corral_dns_may_forward(m.data, 11, &q), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_is_read),
		cmocka_unit_test(odd_bytes_match_no_name),
		cmocka_unit_test(broken_questions_are_told_from_none),
		cmocka_unit_test(pointers_lead_nowhere_but_back),
		cmocka_unit_test(a_query_can_be_read_again),
		cmocka_unit_test(addresses_of_the_name_alone_are_taken),
		cmocka_unit_test(aliases_are_followed_in_whatever_order),
		cmocka_unit_test(a_circle_of_aliases_ends),
		cmocka_unit_test(answers_to_something_else_are_none),
		cmocka_unit_test(codes_and_truncation_are_told),
		cmocka_unit_test(thousands_of_addresses_are_cut),
		cmocka_unit_test(an_answer_can_be_read_again),
		cmocka_unit_test(refusals_say_why_to_those_who_can_read_it),
		cmocka_unit_test(what_is_no_plain_question_is_not_forwarded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
