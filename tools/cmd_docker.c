/* corral docker: what corral has at an engine, and what it would take from one. */
#include "tools/commands.h"
#include "tools/docker/docker.h"
#include "tools/docker_exec.h"
#include "tools/family.h"

#define ANY CORRAL_FAMILY_ANY

static int run(struct corral_call *call, struct corral_error *err)
{
	int r = corral_docker_exec(call->main_argv, err);

	return r < 0 ? r : corral_docker_command(call->command->option, &call->options, err);
}

/* clang-format off */
static const struct corral_family_command commands[] = {
	{ "info", CORRAL_OPTION_DOCKER_INFO, "", 0, 0, "none",
	  "show which engine is used and how it was found, or why there is none",
	  "\nIt is looked for as docker(1) does: DOCKER_HOST, DOCKER_CONTEXT, the current context\n"
	  "of the user's configuration; then the sockets of a rootful engine, of a rootless one\n"
	  "and of Podman.\n", run },
	{ "list", CORRAL_OPTION_DOCKER_LIST, "", 0, 0, "none",
	  "show the containers that are corral's", NULL, run },
	{ "prune", CORRAL_OPTION_DOCKER_PRUNE, "", 0, 0, "none",
	  "remove what nobody will come back for",
	  "\nThat is: containers of corral's without a name whose maker, on this host, is gone;\n"
	  "and the volumes of its program that no container uses. Nothing of anybody else's.\n", run },
	{ "rm", CORRAL_OPTION_DOCKER_RM, " CONTAINER...", 1, ANY, "containers",
	  "remove containers that are corral's",
	  "\nA container is called by its name, its session, or the beginning of its id.\n", run },
	{ "pull", CORRAL_OPTION_DOCKER_PULL, " IMAGE", 1, 1, "none",
	  "have the engine fetch an image anew", NULL, run },
	{ "build", CORRAL_OPTION_DOCKER_BUILD, " RUNTIME|FILE.json", 1, 1, "runtimes",
	  "build the image of a runtime, unless it is there, and print its name", NULL, run },
	{ NULL, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};
/* clang-format on */

static const struct corral_family_alias aliases[] = {
	{ "ls", "docker list" },
	{ "ps", "docker list" },
	{ "run", "run --docker IMAGE -- COMMAND" },
	{ NULL, NULL },
};

const struct corral_family corral_docker_family = {
	.name = "docker",
	.about = "What corral has at a Docker engine, or at Podman's service. corral run --docker\n"
	         "IMAGE -- COMMAND runs a command in a container.\n",
	.ending = "",
	.commands = commands,
	.aliases = aliases,
};

int corral_cmd_docker(int argc, char **argv)
{
	return corral_family_main(&corral_docker_family, argc, argv);
}
