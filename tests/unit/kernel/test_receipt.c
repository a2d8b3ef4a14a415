/* kernel/receipt.c: what a receipt owns, and how large it may be where nothing of it is asked. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "kernel/receipt.h"

/* Each open sandbox has two of them, and each result one. */
static void a_receipt_without_an_allowlist_is_small(void **state)
{
	(void)state;
	assert_true(sizeof(struct corral_receipt) < 3072);
}

static void a_copy_has_a_ledger_of_its_own(void **state)
{
	struct corral_receipt first = { .exit_code = 3 }, second;

	(void)state;
	corral_receipt_copy(&first, &second);
	assert_null(second.ledger);
	first.ledger = calloc(1, sizeof(*first.ledger));
	assert_non_null(first.ledger);
	first.ledger->contacts_dropped = 7;
	corral_receipt_copy(&first, &second);
	corral_receipt_done(&first);
	assert_null(first.ledger);
	assert_int_equal(second.exit_code, 3);
	assert_non_null(second.ledger);
	assert_int_equal(second.ledger->contacts_dropped, 7);
	corral_receipt_done(&second);
	corral_receipt_done(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_receipt_without_an_allowlist_is_small),
		cmocka_unit_test(a_copy_has_a_ledger_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
