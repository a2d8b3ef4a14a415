#include "tools/docker_exec.h"

int corral_docker_exec_wanted(enum corral_option_command command, int argc, char **argv,
                              struct corral_error *err)
{
	if (corral_with_docker || !corral_options_want_docker(command, argc, argv))
		return 0;
	return corral_docker_exec(argv - 1, err);
}
