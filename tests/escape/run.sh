#!/bin/bash
# Runs the catalogue: every case in table.txt is tried inside a sandbox and must be held; with --open
# the same case is run with its fence taken away, and must get out: a test that cannot fail proves nothing.
#
#   run.sh [--corral PATH] [--programs DIR] [--user] [--open] [--part K/N] [NAME...]
#
# --part: every Nth case from the Kth on, so that N runners beside each other try them all.
# --user: as root, become an ordinary user first (CORRAL_TEST_UID, 1000). Needs bash, coreutils, findutils;
# setpriv(1) and unshare(1) for --user and --open. CORRAL_TESTS_MUST_RUN=1 makes a skipped case a failure,
# except those whose names are among the words of CORRAL_TESTS_WITHOUT.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
corral=$(command -v corral)
programs=$here/programs
user=no
mode=inside
part=1/1
names=()
while [ $# -gt 0 ]; do
	case $1 in
	--corral) corral=$2 && shift ;;
	--programs) programs=$2 && shift ;;
	--user) user=yes ;;
	--open) mode=open ;;
	--part) part=$2 && shift ;;
	-*) echo "run.sh: unknown option '$1'" >&2 && exit 2 ;;
	*) names+=("$1") ;;
	esac
	shift
done
[ $mode = open ] || [ -x "${corral:-}" ] || { echo "run.sh: no corral at '${corral:-}'" >&2; exit 2; }
[ -x "$programs/escape" ] || { echo "run.sh: no programs in '$programs'" >&2; exit 2; }

base=$(mktemp -d "${TMPDIR:-/tmp}/corral-escape-XXXXXX") || exit 2
trap 'rm -rf "$base"' EXIT
trap 'exit 130' INT TERM HUP
chmod 755 "$base"

# An ordinary user may not be able to read where we are built: he gets copies.
if [ $user = yes ] && [ "$(id -u)" = 0 ]; then
	uid=${CORRAL_TEST_UID:-1000}
	mkdir "$base/bin" "$base/cases" "$base/home"
	cp -a "$programs" "$base/programs"
	[ -x "${corral:-}" ] && cp -L "$corral" "$base/bin/corral"
	cp "$here"/*.sh "$here/table.txt" "$base/cases"
	chmod -R a+rX "$base"
	chown "$uid:$uid" "$base/home"
	open=()
	[ $mode = open ] && open=(--open)
	cd "$base/home" || exit 2
	# The user is on no list of ours, so the environment is all that tells him apart from root.
	setpriv --reuid "$uid" --regid "$uid" --clear-groups \
		env -u XDG_RUNTIME_DIR -u DBUS_SESSION_BUS_ADDRESS HOME="$base/home" TMPDIR="$base/home" \
		bash "$base/cases/run.sh" --corral "$base/bin/corral" --programs "$base/programs" \
		--part "$part" "${open[@]}" ${names[@]+"${names[@]}"}
	exit
fi

case $programs in /*) ;; *) programs=$PWD/$programs ;; esac
case ${corral:-/} in /*) ;; *) corral=$PWD/$corral ;; esac
export CORRAL=${corral:-} PROGRAMS=$programs MODE=$mode LIB=$here/lib.sh NAME OPTIONS TMP
# shellcheck source=tests/escape/lib.sh
. "$LIB"

# A case without a row would never run.
for program in "$programs"/*; do
	name=${program##*/}
	[ "$name" = escape ] || grep -q "^$name *|" "$here/table.txt" || {
		echo "run.sh: '$name' has no row in table.txt" >&2
		exit 2
	}
done

trim()
{
	local text=$1
	text=${text#"${text%%[! ]*}"}
	printf '%s' "${text%"${text##*[! ]}"}"
}

hook()
{
	bash -c '. "$LIB"; . "$1"' hook "$here/$NAME.sh" 2>&1
}

inside()
{
	if [ -e "$here/$NAME.sh" ]; then hook; else guest; fi
}

opened()
{
	# Options of unshare and corral are words; bare takes no arguments here.
	# shellcheck disable=SC2086,SC2119
	case $1 in
	host) [ "$(id -u)" = 0 ] || return 200; bare ;;
	user) bare ;;
	hook) hook ;;
	unshare:*)
		# PID 1 is a shell, the case its child.
		# shellcheck disable=SC2016
		timeout -k 5 60 unshare ${1#unshare:} sh -c '"$@"; exit $?' sh "$PROGRAMS/$NAME" --open </dev/null 2>&1 ;;
	corral:*) OPTIONS=${1#corral:} guest ;;
	esac
}

held=0 failed=0 skipped=0 excused=0
result()
{
	local word=$1 status=$2 text=$3
	text=$(printf '%s' "$text" | tail -n 3 | tr '\n' ' ')
	label=$NAME${OPTIONS:+ ($OPTIONS)}
	case $mode.$status in
	inside.0) echo "held $label"; held=$((held + 1)) ;;
	inside.1) echo "ESCAPED $label $text"; failed=$((failed + 1)) ;;
	open.1) echo "open $NAME [$word] $text"; held=$((held + 1)) ;;
	open.0 | open.2)
		if [ "${word%\?}" != "$word" ]; then
			echo "skip $NAME [$word] nothing to attack on this kernel: $text"
			skipped_ok=$((skipped_ok + 1))
		else
			echo "UNPROVEN $NAME [$word] held without its fence: $text"
			failed=$((failed + 1))
		fi ;;
	open.200) skipped_ok=$((skipped_ok + 1)) ;;
	*.2)
		echo "skip $label $text"
		skipped=$((skipped + 1))
		case " ${CORRAL_TESTS_WITHOUT:-} " in *" $NAME "*) excused=$((excused + 1)) ;; esac ;;
	*) echo "error $label exit $status: $text"; failed=$((failed + 1)) ;;
	esac
}

skipped_ok=0
count=0 last=
while IFS='|' read -r NAME OPTIONS open; do
	NAME=$(trim "$NAME") OPTIONS=$(trim "$OPTIONS") open=$(trim "$open")
	case $NAME in '' | '#'*) continue ;; esac
	if [ ${#names[@]} -gt 0 ]; then
		case " ${names[*]} " in *" $NAME "*) ;; *) continue ;; esac
	fi
	[ "$NAME" = "$last" ] || count=$((count + 1)) last=$NAME
	[ $(((count - ${part%/*}) % ${part#*/})) = 0 ] || continue
	[ $mode = open ] && [ "$open" = none ] && continue
	TMP=$(mktemp -d "$base/$NAME-XXXXXX") || exit 2
	cd "$TMP" || exit 2
	if [ $mode = open ]; then text=$(opened "${open%\?}"); else text=$(inside); fi
	result "$open" $? "$text"
	cd "$base" && rm -rf "$TMP"
done <"$here/table.txt"

if [ $mode = open ]; then
	echo "$held got out without their fence, $failed did not, $skipped_ok have nothing to attack here"
else
	echo "$held held, $failed escaped or failed, $skipped skipped"
fi
[ "${CORRAL_TESTS_MUST_RUN:-0}" = 1 ] && failed=$((failed + skipped - excused))
[ $failed = 0 ] && [ $((held + skipped)) -gt 0 ]
