/* corral image: the store of root filesystems that sandboxes run on. */
#include "tools/commands.h"
#include "tools/images/commands.h"
#include "tools/message.h"
#include "tools/program.h"

#define ANY CORRAL_FAMILY_ANY

/* What it takes to make images is in a program of its own: here are the words alone. */
#ifdef CORRAL_WITH_OCI
#define OCI(function) function
#else
#define OCI(function) NULL
#endif

/* clang-format off */
static const struct corral_family_command commands[] = {
	{ "pull", CORRAL_OPTION_IMAGE_PULL, " NAME...", 1, ANY, "images",
	  "fetch images from their registries",
	  "\nA NAME is written as everywhere: alpine, alpine:3.20, registry.example:5000/a/b,\n"
	  "alpine@sha256:... Credentials are those of the user's Docker configuration.\n"
	  "What was broken off is gone on with.\n"
	  "\nExamples:\n"
	  "  corral image pull debian:12-slim\n"
	  "  corral image pull --mirror docker.io=mirror.example python:3.12-slim\n",
	  OCI(corral_images_cmd_pull) },
	{ "load", CORRAL_OPTION_IMAGE_LOAD, " [FILE|DIR|-]", 0, 1, "files",
	  "read images from an archive",
	  "\nThat is one of docker save or an OCI archive, compressed or not, or the directory of\n"
	  "an OCI layout; without a word, standard input.\n"
	  "\nExamples:\n"
	  "  docker save python:3.12-slim | corral image load\n",
	  OCI(corral_images_cmd_load) },
	{ "import", CORRAL_OPTION_IMAGE_IMPORT, " FILE|DIR|- NAME", 2, 2, "files",
	  "make an image of one root: a tar archive, or a directory, which is copied",
	  "\nExamples:\n"
	  "  debootstrap --variant=minbase bookworm root && corral image import root mine:1\n",
	  OCI(corral_images_cmd_import) },
	{ "save", CORRAL_OPTION_IMAGE_SAVE, " IMAGE...", 1, ANY, "images",
	  "write images as an archive",
	  "\nExamples:\n"
	  "  corral image save mine:1 | docker load\n",
	  OCI(corral_images_cmd_save) },
	{ "list", CORRAL_OPTION_IMAGE_LIST, " [NAME...]", 0, ANY, "images",
	  "show the images that there are", NULL, corral_images_cmd_list },
	{ "inspect", CORRAL_OPTION_IMAGE_INSPECT, " IMAGE...", 1, ANY, "images",
	  "show all that is known of some", NULL, corral_images_cmd_inspect },
	{ "history", CORRAL_OPTION_IMAGE_HISTORY, " IMAGE", 1, 1, "images",
	  "show of which steps one was made, the last first", NULL, corral_images_cmd_history },
	{ "tag", CORRAL_OPTION_IMAGE_TAG, " IMAGE NAME", 2, 2, "images",
	  "give one another name, beside those that it has",
	  "\nIt may have been another image's, which then goes without.\n", corral_images_cmd_tag },
	{ "rm", CORRAL_OPTION_IMAGE_RM, " IMAGE...", 1, ANY, "images",
	  "take names away, and with the last one the image",
	  "\nBy its digest an image goes with all of its names. One that a sandbox or a session\n"
	  "uses stays.\n", corral_images_cmd_rm },
	{ "prune", CORRAL_OPTION_IMAGE_PRUNE, "", 0, 0, "none",
	  "remove images without a name, and what is left of broken pulls",
	  "\nNever what a sandbox, a session or a build uses.\n", corral_images_cmd_prune },
	{ NULL, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};
/* clang-format on */

static const struct corral_family_alias aliases[] = {
	{ "ls", "image list" },
	{ "images", "image list" },
	{ "show", "image inspect" },
	{ "info", "image inspect" },
	{ "remove", "image rm" },
	{ "delete", "image rm" },
	{ "rmi", "image rm" },
	{ "export", "image save" },
	{ "rename", "image tag" },
	{ "gc", "image prune" },
	{ "build", "runtime build" },
	{ NULL, NULL },
};

const struct corral_family corral_image_family = {
	.name = "image",
	.about = "Images: root filesystems to run on, without a container engine. corral run\n"
	         "--image NAME fetches one by itself.\n",
	.ending = "Images are kept in /var/lib/corral/images as root, else in\n"
	          "~/.local/share/corral/images; CORRAL_IMAGES says another place.\n",
	.commands = commands,
	.aliases = aliases,
};

int corral_cmd_image(int argc, char **argv)
{
#ifndef CORRAL_WITH_OCI
	const struct corral_family_command *c =
	        argc > 1 ? corral_family_find(&corral_image_family, argv[1]) : NULL;
	struct corral_error err = { 0 };

	/* main()'s argv. */
	if (c && !c->run &&
	    corral_program_exec(CORRAL_PROGRAM_OCI, "what fetches images", argv - 1, &err) < 0)
		return corral_complain(&err);
#endif
	return corral_family_main(&corral_image_family, argc, argv);
}
