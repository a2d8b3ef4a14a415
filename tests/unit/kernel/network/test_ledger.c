/* kernel/network/ledger.h: bounded, told in words, and told once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "kernel/network/ledger.h"

static struct corral_ledger l, before;

static int setup(void **state)
{
	(void)state;
	memset(&l, 0, sizeof(l));
	memset(&before, 0, sizeof(before));
	return 0;
}

static struct corral_refusal refusal(uint8_t last, uint16_t port, uint64_t count)
{
	const uint8_t bytes[4] = { 1, 2, 3, last };

	return (struct corral_refusal) { .reason = CORRAL_REFUSAL_ADDRESS,
		                         .protocol = IPPROTO_TCP,
		                         .port = port,
		                         .address = corral_address_of(bytes, 4),
		                         .count = count };
}

static void the_most_refused_stay(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		const struct corral_refusal r = refusal((uint8_t)i, 80, i + 1);

		corral_ledger_add_refusal(&l, &r, NULL);
	}
	assert_int_equal(l.n_refusals, CORRAL_REFUSALS_MAX);
	assert_int_equal(l.refusals_dropped, 100 - CORRAL_REFUSALS_MAX);
	for (unsigned int i = 0; i < l.n_refusals; i++)
		assert_true(l.refusals[i].count > 100 - CORRAL_REFUSALS_MAX);
	assert_int_equal(corral_ledger_check(&l), 0);
}

static void names_are_kept_once_and_within_bounds(void **state)
{
	const struct corral_refusal r = refusal(1, 80, 1);
	char name[254];

	(void)state;
	corral_ledger_add_refusal(&l, &r, "a.example");
	corral_ledger_add_refusal(&l, &r, "a.example");
	assert_int_equal(l.refusals[0].name, l.refusals[1].name);
	assert_string_equal(corral_ledger_name(&l, l.refusals[0].name), "a.example");
	for (unsigned int i = 0; i < 30; i++) {
		memset(name, 'a', sizeof(name) - 1);
		(void)snprintf(name + 240, sizeof(name) - 240, "%u", i);
		corral_ledger_add_refusal(&l, &r, name);
	}
	assert_int_equal(corral_ledger_check(&l), 0);
	assert_string_equal(corral_ledger_name(&l, l.refusals[31].name), "");
	assert_string_equal(corral_ledger_name(&l, 60000), "");
}

static void what_another_process_says_is_held_to_its_bounds(void **state)
{
	(void)state;
	assert_int_equal(corral_ledger_check(&l), 0);
	l.n_contacts = CORRAL_CONTACTS_MAX + 1;
	assert_int_equal(corral_ledger_check(&l), -EBADMSG);
	l.n_contacts = 0;
	l.names_len = 3;
	memcpy(l.names, "\0ab", 3);
	assert_int_equal(corral_ledger_check(&l), -EBADMSG);
	memcpy(l.names, "\0\x1b", 3);
	assert_int_equal(corral_ledger_check(&l), -EBADMSG);
	l.names_len = 0;
	l.n_refusals = 1;
	l.refusals[0].reason = 9;
	assert_int_equal(corral_ledger_check(&l), -EBADMSG);
}

static void only_what_is_new_is_told_again(void **state)
{
	struct corral_refusal r = refusal(1, 80, 5);
	struct corral_contact c = { .address = r.address,
		                    .port = 443,
		                    .connections = 2,
		                    .sent_bytes = 100,
		                    .received_bytes = 50 };

	(void)state;
	corral_ledger_add_refusal(&before, &r, NULL);
	corral_ledger_add_contact(&before, &c, "a.example");
	corral_ledger_add_refusal(&l, &r, NULL);
	r.port = 81;
	corral_ledger_add_refusal(&l, &r, NULL);
	c.connections = 3;
	c.sent_bytes = 160;
	corral_ledger_add_contact(&l, &c, "a.example");
	corral_ledger_subtract(&l, &before);
	assert_int_equal(l.n_refusals, 1);
	assert_int_equal(l.refusals[0].port, 81);
	assert_int_equal(l.n_contacts, 1);
	assert_int_equal(l.contacts[0].connections, 1);
	assert_int_equal(l.contacts[0].sent_bytes, 60);
	assert_int_equal(l.contacts[0].received_bytes, 0);
	assert_string_equal(corral_ledger_name(&l, l.contacts[0].name), "a.example");
}

static void advice_is_what_the_list_would_take(void **state)
{
	struct corral_refusal r = refusal(1, 5432, 1);
	char buf[CORRAL_REFUSAL_TEXT_SIZE];

	(void)state;
	corral_ledger_add_refusal(&l, &r, "db.example");
	assert_string_equal(corral_refusal_text(&l, &l.refusals[0], buf),
	                    "db.example:5432/tcp (1.2.3.1)");
	assert_string_equal(corral_refusal_remedy(&l, &l.refusals[0], buf),
	                    "--allow db.example:5432");
	r.port = 53;
	r.protocol = IPPROTO_UDP;
	corral_ledger_add_refusal(&l, &r, "db.example");
	assert_string_equal(corral_refusal_remedy(&l, &l.refusals[1], buf),
	                    "--allow 1.2.3.1:53/udp");
	r.protocol = IPPROTO_SCTP;
	assert_null(corral_refusal_remedy(&l, &r, buf));
	r = refusal(1, 5353, 1);
	r.address = corral_address_of((const uint8_t[]) { 224, 0, 0, 251 }, 4);
	assert_null(corral_refusal_remedy(&l, &r, buf));
	assert_null(corral_refusal_why(&r));
	r.reason = CORRAL_REFUSAL_SPECIAL;
	assert_non_null(strstr(corral_refusal_why(&r), "not of the public internet"));
	/* What no entry opens. */
	r = refusal(1, 80, 1);
	r.reason = CORRAL_REFUSAL_BEYOND;
	assert_string_equal(corral_refusal_remedy(&l, &r, buf), "--network host");
	r.address = corral_address_of((const uint8_t[]) { 127, 0, 0, 1 }, 4);
	assert_null(corral_refusal_remedy(&l, &r, buf));
	r = (struct corral_refusal) { .reason = CORRAL_REFUSAL_NAME, .count = 1 };
	corral_ledger_add_refusal(&l, &r, "odd?name");
	assert_null(corral_refusal_remedy(&l, &l.refusals[2], buf));
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_most_refused_stay),
		T(names_are_kept_once_and_within_bounds),
		T(what_another_process_says_is_held_to_its_bounds),
		T(only_what_is_new_is_told_again),
		T(advice_is_what_the_list_would_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
