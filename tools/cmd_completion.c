/* corral completion bash: made from the same table as the parser, so that it cannot fall behind. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "tools/commands.h"
#include "tools/family.h"
#include "tools/message.h"
#include "tools/options.h"

static void print_option_words(enum corral_option_command command)
{
	for (size_t i = 0; i < corral_option_count; i++)
		if (corral_option_table[i].commands & command)
			(void)printf(" --%s", corral_option_table[i].name);
}

/* "--memory|-m|--pids": what takes a value, as a pattern of case. */
static void print_valued(enum corral_option_command command)
{
	const char *bar = "";

	for (size_t i = 0; i < corral_option_count; i++) {
		const struct corral_option *row = &corral_option_table[i];

		if (!(row->commands & command) || !row->arg)
			continue;
		(void)printf("%s--%s", bar, row->name);
		bar = "|";
		if (row->letter)
			(void)printf("|-%c", row->letter);
	}
}

/* The words of a value like "none|host" or "host|DIR" that stand for themselves. */
static void print_literals(const char *arg)
{
	while (*arg) {
		size_t len = strcspn(arg, "|");

		if (arg[0] >= 'a' && arg[0] <= 'z')
			(void)printf("%.*s ", (int)len, arg);
		arg += len;
		arg += *arg == '|';
	}
}

static void print_values(void)
{
	static const struct {
		const char *word, *action;
	} kinds[] = {
		{ "DIR", "d" },
		{ "FILE", "f" },
		{ "SRC", "f" },
	};

	(void)fputs("\t--container) _corral_containers \"$cur\" ;;\n"
	            "\t--runtime|--docker-runtime) _corral_runtimes \"$cur\" ;;\n"
	            "\t--image) _corral_images \"$cur\" ;;\n"
	            "\t--session) _corral_sandboxes \"$cur\" ;;\n"
	            "\t--from|--since|--until) _corral_checkpoints \"$cur\" ;;\n",
	            stdout);
	for (size_t i = 0; i < corral_option_count; i++) {
		const struct corral_option *row = &corral_option_table[i];
		const char *action = NULL;

		if (!row->arg)
			continue;
		for (size_t k = 0; k < CORRAL_COUNT(kinds); k++)
			if (strstr(row->arg, kinds[k].word))
				action = kinds[k].action;
		if (!action && !strchr(row->arg, '|'))
			continue;
		(void)printf("\t--%s)\n", row->name);
		if (action)
			(void)fputs("\t\tcompopt -o filenames 2>/dev/null\n", stdout);
		(void)fputs("\t\tmapfile -t COMPREPLY < <(compgen ", stdout);
		if (action)
			(void)printf("-%s ", action);
		(void)fputs("-W '", stdout);
		print_literals(row->arg);
		(void)fputs("' -- \"$cur\") ;;\n", stdout);
	}
}

static const char head[] = "# bash completion for corral: printed by corral completion bash\n"
                           "\n"
                           "_corral_value()\n"
                           "{\n"
                           "\tcase $1 in\n";

static const char middle[] =
        "\tesac\n"
        "}\n"
        "\n"
        "# Ids, names and sessions of the sandboxes that are alive.\n"
        "_corral_sandboxes()\n"
        "{\n"
        "\tmapfile -t COMPREPLY < <(compgen -W \"$(\"${COMP_WORDS[0]}\" sandbox list "
        "2>/dev/null |\n"
        "\t\tawk 'NR > 1 { print $1; if ($2 != \"-\") print $2; if ($7 != \"-\") print "
        "$7 }')\" -- \"$1\")\n"
        "}\n"
        "\n"
        "# What a command of corral session prints, with the directory that was named.\n"
        "_corral_of_sessions()\n"
        "{\n"
        "\tlocal root=() i\n"
        "\tfor ((i = 3; i + 1 < COMP_CWORD; i++)); do\n"
        "\t\t[[ ${COMP_WORDS[i]} == --root ]] && root=(--root \"${COMP_WORDS[i + 1]}\")\n"
        "\tdone\n"
        "\t\"${COMP_WORDS[0]}\" session \"$@\" \"${root[@]}\" 2>/dev/null\n"
        "}\n"
        "\n"
        "_corral_sessions()\n"
        "{\n"
        "\tmapfile -t COMPREPLY < <(compgen -W \"$(_corral_of_sessions list -q)\" -- "
        "\"$1\")\n"
        "}\n"
        "\n"
        "# Names of checkpoints, of the first word that is a session's id.\n"
        "_corral_checkpoints()\n"
        "{\n"
        "\tlocal ids=\" $(_corral_of_sessions list -q | tr '\\n' ' ')\" i\n"
        "\tfor ((i = 3; i < COMP_CWORD; i++)); do\n"
        "\t\t[[ $ids == *\" ${COMP_WORDS[i]} \"* ]] || continue\n"
        "\t\tmapfile -t COMPREPLY < <(compgen -W \"$(_corral_of_sessions checkpoints "
        "\"${COMP_WORDS[i]}\" |\n"
        "\t\t\tawk 'NR > 1 && $1 != \"-\" { print $1 }')\" -- \"$1\")\n"
        "\t\treturn\n"
        "\tdone\n"
        "}\n"
        "\n"
        "# Names of the containers that are corral's.\n"
        "_corral_containers()\n"
        "{\n"
        "\tmapfile -t COMPREPLY < <(compgen -W \"$(\"${COMP_WORDS[0]}\" docker list "
        "2>/dev/null |\n"
        "\t\tawk 'NR > 1 { print $2 }')\" -- \"$1\")\n"
        "}\n"
        "\n"
        "# Names of runtimes, and files that describe one.\n"
        "_corral_runtimes()\n"
        "{\n"
        "\tcompopt -o filenames 2>/dev/null\n"
        "\tmapfile -t COMPREPLY < <(compgen -f -W \"$(\"${COMP_WORDS[0]}\" runtime list "
        "2>/dev/null |\n"
        "\t\tawk 'NR > 1 { print $1 }')\" -- \"$1\")\n"
        "}\n"
        "\n"
        "# Names of the images that there are; bash makes words of their own of ':'.\n"
        "_corral_images()\n"
        "{\n"
        "\tlocal word=$1 before\n"
        "\tif declare -F _get_comp_words_by_ref >/dev/null; then\n"
        "\t\t_get_comp_words_by_ref -n : -c word\n"
        "\tfi\n"
        "\tbefore=${word%\"$1\"}\n"
        "\tmapfile -t COMPREPLY < <(compgen -W \"$(\"${COMP_WORDS[0]}\" image list "
        "2>/dev/null |\n"
        "\t\tawk 'NR > 1 && $1 != \"-\" { print $1 }')\" -- \"$word\")\n"
        "\tCOMPREPLY=(\"${COMPREPLY[@]#\"$before\"}\")\n"
        "}\n"
        "\n"
        "_corral()\n"
        "{\n"
        "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words valued i word first=2 "
        "operands=command given=\n"
        "\tCOMPREPLY=()\n"
        "\tif ((COMP_CWORD == 1)); then\n"
        "\t\tmapfile -t COMPREPLY < <(compgen -W '";

static const char tail[] =
        "\t*) return ;;\n"
        "\tesac\n"
        "\t# From the first word on that is neither an option nor a value, it is the command's\n"
        "\t# turn. bash makes words of their own of '=' and ':'.\n"
        "\tfor ((i = first; i < COMP_CWORD; i++)); do\n"
        "\t\tword=${COMP_WORDS[i]}\n"
        "\t\tif [[ $word == -- ]]; then\n"
        "\t\t\t((i++))\n"
        "\t\t\tbreak\n"
        "\t\telif [[ $word == [=:] ]]; then\n"
        "\t\t\t((i++))\n"
        "\t\telif [[ $word =~ ^($valued)$ ]]; then\n"
        "\t\t\t[[ ${COMP_WORDS[i + 1]} == '=' ]] && ((i++))\n"
        "\t\t\tif ((i + 1 >= COMP_CWORD)); then\n"
        "\t\t\t\t[[ $cur == '=' ]] && cur=\n"
        "\t\t\t\t_corral_value \"$word\"\n"
        "\t\t\t\treturn\n"
        "\t\t\tfi\n"
        "\t\t\t((i++))\n"
        "\t\telif [[ $word != -* ]]; then\n"
        "\t\t\tgiven=1\n"
        "\t\t\t# Here options may stand behind other words.\n"
        "\t\t\t[[ $operands == sessions || $operands == checkpoints || $operands == "
        "images || $operands == runtimes ]] || break\n"
        "\t\tfi\n"
        "\tdone\n"
        "\tif ((i == COMP_CWORD)) && [[ $cur == -* && ${COMP_WORDS[i - 1]} != -- ]]; then\n"
        "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
        "\t\treturn\n"
        "\tfi\n"
        "\tcase $operands in\n"
        "\tnone) return ;;\n"
        "\tfiles)\n"
        "\t\tcompopt -o filenames 2>/dev/null\n"
        "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
        "\t\treturn ;;\n"
        "\tcontainers) _corral_containers \"$cur\"; return ;;\n"
        "\truntimes) _corral_runtimes \"$cur\"; return ;;\n"
        "\timages) _corral_images \"$cur\"; return ;;\n"
        "\tsandboxes) _corral_sandboxes \"$cur\"; return ;;\n"
        "\tsessions) _corral_sessions \"$cur\"; return ;;\n"
        "\tcheckpoints)\n"
        "\t\tif [[ ! $given ]]; then _corral_sessions \"$cur\"; else "
        "_corral_checkpoints \"$cur\"; fi\n"
        "\t\treturn ;;\n"
        "\tcopies | session_copies)\n"
        "\t\tcompopt -o filenames -o nospace 2>/dev/null\n"
        "\t\tif [[ $operands == copies ]]; then _corral_sandboxes \"$cur\"; else "
        "_corral_sessions \"$cur\"; fi\n"
        "\t\tCOMPREPLY=(\"${COMPREPLY[@]/%/:}\")\n"
        "\t\tmapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$cur\")\n"
        "\t\treturn ;;\n"
        "\texec | sessions_exec)\n"
        "\t\tif ((i == COMP_CWORD)); then\n"
        "\t\t\tif [[ $operands == exec ]]; then _corral_sandboxes \"$cur\"; else "
        "_corral_sessions \"$cur\"; fi\n"
        "\t\t\treturn\n"
        "\t\tfi\n"
        "\t\t((i++))\n"
        "\t\t((i < COMP_CWORD)) && [[ ${COMP_WORDS[i]} == -- ]] && ((i++)) ;;\n"
        "\tesac\n"
        "\tif ((i < COMP_CWORD)) && declare -F _command_offset >/dev/null; then\n"
        "\t\t_command_offset \"$i\"\n"
        "\telif ((i == COMP_CWORD)); then\n"
        "\t\tmapfile -t COMPREPLY < <(compgen -c -- \"$cur\")\n"
        "\telif ((i < COMP_CWORD)); then\n"
        "\t\tcompopt -o filenames 2>/dev/null\n"
        "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
        "\tfi\n"
        "}\n"
        "complete -F _corral corral\n";

static void print_command(const char *indent, const char *name, enum corral_option_command command,
                          const char *operands)
{
	(void)printf("%s%s)\n%s\twords='", indent, name, indent);
	print_option_words(command);
	(void)printf("'\n%s\tvalued='", indent);
	print_valued(command);
	(void)printf("'\n%s\toperands=%s ;;\n", indent, operands);
}

static void print_family(const struct corral_family *f)
{
	const struct corral_family_command *c;

	(void)printf("\t%s)\n\t\tif ((COMP_CWORD == 2)); then\n"
	             "\t\t\tmapfile -t COMPREPLY < <(compgen -W '",
	             f->name);
	for (c = f->commands; c->name; c++)
		(void)printf("%s ", c->name);
	(void)fputs("--help' -- \"$cur\")\n\t\t\treturn\n\t\tfi\n"
	            "\t\tfirst=3\n\t\tcase ${COMP_WORDS[2]} in\n",
	            stdout);
	for (c = f->commands; c->name; c++)
		print_command("\t\t", c->name, c->option, c->completes);
	(void)fputs("\t\t*) return ;;\n\t\tesac ;;\n", stdout);
}

static void print_bash(void)
{
	static const enum corral_option_command on_files[] = {
		CORRAL_OPTION_LS,   CORRAL_OPTION_READ, CORRAL_OPTION_WRITE,
		CORRAL_OPTION_EDIT, CORRAL_OPTION_GLOB, CORRAL_OPTION_GREP,
	};

	(void)fputs(head, stdout);
	print_values();
	(void)fputs(middle, stdout);
	for (const struct corral_subcommand *s = corral_subcommands; s->name; s++)
		(void)printf("%s ", s->name);
	(void)fputs("--help --version' -- \"$cur\")\n\t\treturn\n\tfi\n"
	            "\tcase ${COMP_WORDS[1]} in\n",
	            stdout);
	print_command("\t", "run", CORRAL_OPTION_RUN, "command");
	print_command("\t", "plan", CORRAL_OPTION_PLAN, "command");
	print_command("\t", "exec", CORRAL_OPTION_EXEC, "exec");
	print_command("\t", "mcp", CORRAL_OPTION_MCP, "none");
	for (size_t i = 0; i < CORRAL_COUNT(on_files); i++)
		print_command("\t", corral_option_command_name(on_files[i]), on_files[i], "files");
	print_family(&corral_sandbox_family);
	print_family(&corral_session_family);
	print_family(&corral_runtime_family);
	print_family(&corral_image_family);
	print_family(&corral_docker_family);
	(void)fputs(
	        "\tdoctor)\n\t\tmapfile -t COMPREPLY < <(compgen -W '--json --help' -- \"$cur\")\n"
	        "\t\treturn ;;\n"
	        "\tcompletion)\n\t\tmapfile -t COMPREPLY < <(compgen -W 'bash' -- \"$cur\")\n"
	        "\t\treturn ;;\n"
	        "\thelp)\n\t\tmapfile -t COMPREPLY < <(compgen -W '",
	        stdout);
	for (const struct corral_subcommand *s = corral_subcommands; s->name; s++)
		(void)printf("%s ", s->name);
	(void)fputs("' -- \"$cur\")\n\t\treturn ;;\n", stdout);
	(void)fputs(tail, stdout);
}

int corral_cmd_completion(int argc, char **argv)
{
	struct corral_error err = { 0 };

	if (argc == 2 && !strcmp(argv[1], "bash")) {
		print_bash();
		return 0;
	}
	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		(void)fputs("Usage: corral completion bash\n"
		            "Prints the completion script. For this shell alone:\n"
		            "  source <(corral completion bash)\n",
		            stdout);
		return 0;
	}
	(void)corral_error_set(&err, EINVAL, "completion: for which shell? corral completion bash");
	return corral_complain(&err);
}
