#!/bin/bash
# Golden plans: each NAME.json is a configuration, NAME.root.plan and NAME.user.plan what `corral plan` makes of it.
# What depends on the host (its /etc, its control groups, Landlock's version, whether a composed root is a layer) is taken out before
# comparing.
#
#   run.sh [--renew] --corral PATH root|user [NAME...]
#
# user: as root, become an ordinary user first (CORRAL_TEST_UID, 1000). --renew writes the plans anew.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
renew=no
corral=
while [ $# -gt 0 ]; do
	case $1 in
	--renew) renew=yes ;;
	--corral) corral=$(realpath -e "$2") && shift ;;
	-*) echo "run.sh: unknown option '$1'" >&2 && exit 2 ;;
	*) break ;;
	esac
	shift
done
who=${1:-}
case $who in root | user) shift ;; *) echo "usage: run.sh [--renew] --corral PATH root|user [NAME...]" >&2 && exit 2 ;; esac
[ -x "$corral" ] || { echo "run.sh: no corral at '$corral'" >&2; exit 2; }
if [ "$who" = root ] && [ "$(id -u)" != 0 ]; then
	echo "skipped: root's plans are for root"
	exit 77
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/corral-golden-XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

# An ordinary user may not be able to read where we are built.
as=()
if [ "$who" = user ] && [ "$(id -u)" = 0 ]; then
	uid=${CORRAL_TEST_UID:-1000}
	cp -L "$corral" "$work/corral"
	corral=$work/corral
	as=(setpriv --reuid "$uid" --regid "$uid" --clear-groups env -u XDG_RUNTIME_DIR HOME=/)
fi

# Numbers of steps move with what is taken out, and columns with the longest word.
normalise() {
	sed -E -e 's/^ *[0-9]+ +//' -e 's/^([a-z-]+) +/\1: /' \
		-e '/^(join-cgroup|landlock): /d' -e '/^unshare: cgroup$/d' -e '/^clone: /s/, cgroup//' \
		-e '/^seccomp: /s/[0-9]+ instructions/# instructions/' -e '/^rlimits: /s/nproc [0-9]+/nproc #/' \
		-e '/^bind: \/etc\/resolv\.conf /!{/^bind: (\/etc\/[^ ]+) on \1 /d}' \
		-e '/^(skeleton|root): /d' -e '/^layer: \/run\/corral\/root-/d' -e '/^overlay: on \/: a composed root /d' \
		-e '/^bind: an empty directory of the scratch on \/tmp /d' \
		-e '/^bind: \/(bin|sbin|lib|lib32|lib64|libx32) on /d'
}

failed=0
names=("$@")
if [ ${#names[@]} = 0 ]; then
	for config in "$here"/*.json; do
		config=${config##*/}
		names+=("${config%.json}")
	done
fi
for name in "${names[@]}"; do
	golden=$here/$name.$who.plan
	if ${as[@]+"${as[@]}"} "$corral" plan --config - <"$here/$name.json" >"$work/out" 2>"$work/err"; then
		normalise <"$work/out" >"$work/plan"
	else
		# A refusal is a plan as well, of one line.
		echo "exit $?: $(cat "$work/err")" >"$work/plan"
	fi
	if [ $renew = yes ]; then
		cp "$work/plan" "$golden"
		echo "wrote $name.$who.plan"
	elif diff -u --label "$name.$who.plan" --label "corral plan" "$golden" "$work/plan"; then
		echo "ok   $name"
	else
		echo "FAIL $name: see above; when it is meant, run.sh --renew"
		failed=$((failed + 1))
	fi
done
[ $failed = 0 ]
