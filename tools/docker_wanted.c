#include <errno.h>

#include "tools/docker_exec.h"

int corral_docker_exec_wanted(enum corral_option_command command, int argc, char **argv,
                              struct corral_error *err)
{
	if (corral_with_docker || !corral_options_want_docker(command, argc, argv))
		return 0;
	return corral_docker_exec(argv - 1, err);
}

int corral_docker_exec_runtime(const struct corral_options *o, char **argv,
                               struct corral_error *err)
{
	if (corral_with_docker || !o->in_docker)
		return 0;
	if (o->config_texts.gone)
		return corral_error_set(
		        err, EINVAL,
		        "--config: runtime '%.60s' runs in a container, for which it "
		        "is read twice: give a file's name",
		        o->runtime->name);
	return corral_docker_exec(argv - 1, err);
}
