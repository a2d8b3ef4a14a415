#!/bin/bash
# Help, manual page and completion know the same commands and options. Which options the page describes of which command is
# held against the table itself by tests/unit/tools/test_options.c.
#
# usage: words.sh CORRAL CORRAL.1
set -u
corral=$1 page=$2 failed=0

lack() {
	printf '%s\n' "$*" >&2
	failed=1
}

# The commands of help: lines "  NAME  what it does" below "Commands:".
commands_of() { # [FAMILY]
	"$corral" "$@" --help | awk '/^Commands/ { on = 1; next } on && /^  [a-z]/ { print $1 } on && /^$/ { on = 0 }'
}

options_of() { # COMMAND...
	"$corral" "$@" --help | sed -nE 's/^ +(-[a-zA-Z], )?(--[a-z][a-z-]*).*/\2/p' | sort -u
}

completed() { # WORD... : what the last one is completed to
	COMP_WORDS=("$corral" "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_corral 2>/dev/null
	printf '%s\n' "${COMPREPLY[@]}" | sort -u
}

compopt() { :; } # outside of a completion that is an error

hold_options() { # COMMAND...
	local help
	help=$(options_of "$@")
	[ -n "$help" ] || lack "corral $* --help shows no option"
	[ "$help" = "$(completed "$@" --)" ] ||
		lack "corral $*: help and completion differ in: $(comm -3 <(printf '%s\n' "$help") <(completed "$@" --) | tr -s '\t\n' ' ')"
}

script=$("$corral" completion bash) || exit
eval "$script"

synopsis=$(sed -n '/^\.SH SYNOPSIS/,/^\.SH DESCRIPTION/p' "$page")
top=$(commands_of)
[ -n "$top" ] || lack "corral --help shows no command"
for command in $top; do
	completed "" | grep -qx -- "$command" || lack "completion lacks: corral $command"
	grep -qE "^\.B corral $command|^\.BR .*\b$command\b" <<<"$synopsis" || lack "$page: SYNOPSIS lacks: corral $command"
	case $command in
	sandbox | session | runtime | image | docker) ;;
	doctor | completion | help | version) continue ;;
	*)
		hold_options "$command"
		continue
		;;
	esac
	below=$(commands_of "$command")
	[ -n "$below" ] || lack "corral $command --help shows no command"
	for name in $below; do
		completed "$command" "" | grep -qx -- "$name" || lack "completion lacks: corral $command $name"
		# The line below the family's name, with a bar between; sandbox create and exec have lines of their own.
		awk -v family="$command" '$0 == ".B corral " family { getline; print } /^\.B corral/ { print $4 }' <<<"$synopsis" |
			grep -qE "\b$name\b" || lack "$page: SYNOPSIS lacks: corral $command $name"
		grep -qE "corral $command.*(\b|\\\\fB)$name\b" "$page" || lack "$page: describes nowhere: corral $command $name"
		hold_options "$command" "$name"
	done
done
exit "$failed"
