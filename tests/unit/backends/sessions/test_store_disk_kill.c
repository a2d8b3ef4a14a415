/* Killed in the middle, where each session has a disk of its own (store_kill.h). */
#include "tests/unit/backends/sessions/store_kill.h"

KILLED(create, 0, GIVEN, true)
KILLED(checkpoint, 0, GIVEN, true)
KILLED(restore, 0, GIVEN, true)
KILLED(fork, 0, GIVEN, true)
KILLED(fork_of_a_checkpoint, 0, GIVEN, true)
KILLED(undo, 0, GIVEN, true)
KILLED(remove, 0, GIVEN, true)
KILLED(merge, CORRAL_SESSION_LAYERS_MERGE + 1, GIVEN, true)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_is_done_or_not),
		cmocka_unit_test(checkpoint_is_done_or_not),
		cmocka_unit_test(restore_is_done_or_not),
		cmocka_unit_test(fork_is_done_or_not),
		cmocka_unit_test(fork_of_a_checkpoint_is_done_or_not),
		cmocka_unit_test(undo_is_done_or_not),
		cmocka_unit_test(remove_is_done_or_not),
		cmocka_unit_test(merge_is_done_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
