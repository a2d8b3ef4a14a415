#include "tools/docker_exec.h"

#include "tools/program.h"

#ifdef CORRAL_WITH_DOCKER

int corral_docker_exec(char **argv, struct corral_error *err)
{
	(void)argv;
	(void)err;
	return 0;
}

bool corral_docker_is_installed(void)
{
	return true;
}

#else

bool corral_docker_is_installed(void)
{
	return corral_program_is_installed(CORRAL_PROGRAM_DOCKER);
}

int corral_docker_exec(char **argv, struct corral_error *err)
{
	return corral_program_exec(CORRAL_PROGRAM_DOCKER, "Docker", argv, err);
}

#endif
