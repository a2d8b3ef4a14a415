/* Killed in the middle, where layers are shared (store_kill.h). */
#include "tests/unit/backends/sessions/store_kill.h"

KILLED(create, 0, GIVEN, false)
KILLED(checkpoint, 0, GIVEN, false)
KILLED(restore, 0, GIVEN, false)
KILLED(restore_to_nothing, 0, GIVEN, false)
KILLED(drop, 0, GIVEN, false)
KILLED(fork, 0, GIVEN, false)
KILLED(fork_of_a_checkpoint, 0, GIVEN, false)
KILLED(command, 0, GIVEN, false)
KILLED(undo, 0, GIVEN, false)
KILLED(remove, 0, GIVEN, false)
KILLED(merge, CORRAL_SESSION_LAYERS_MERGE + 1, GIVEN, false)
KILLED(open_and_clean, 0, OPENED, false)
KILLED(open, 0, OPENED, false)
KILLED(make, 0, NEW, false)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_is_done_or_not),
		cmocka_unit_test(checkpoint_is_done_or_not),
		cmocka_unit_test(restore_is_done_or_not),
		cmocka_unit_test(restore_to_nothing_is_done_or_not),
		cmocka_unit_test(drop_is_done_or_not),
		cmocka_unit_test(fork_is_done_or_not),
		cmocka_unit_test(fork_of_a_checkpoint_is_done_or_not),
		cmocka_unit_test(command_is_done_or_not),
		cmocka_unit_test(undo_is_done_or_not),
		cmocka_unit_test(remove_is_done_or_not),
		cmocka_unit_test(merge_is_done_or_not),
		cmocka_unit_test(open_and_clean_is_done_or_not),
		cmocka_unit_test(open_is_done_or_not),
		cmocka_unit_test(make_is_done_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
