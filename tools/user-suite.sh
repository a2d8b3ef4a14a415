#!/bin/bash
# The suite once more, as an ordinary user: one with a name, a home and ranges in /etc/subuid, who is made
# for this and removed afterwards.
#
# The user sees a copy of the tree in the place of the tree (a mount namespace of this script's own), so
# that paths compiled into tests hold, nothing of the real tree is written to, and a clone below /root
# can be tested too.
# usage: tools/user-suite.sh BUILD_DIR [CTEST ARGUMENT...]
set -u

build=$(realpath -e "${1:?usage: user-suite.sh BUILD_DIR}") || exit 1
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
shift

if [ "$(id -u)" != 0 ]; then
	if [ "${CORRAL_TESTS_MUST_RUN:-}" = 1 ]; then
		echo "user-suite.sh: only root can make another user" >&2
		exit 1
	fi
	echo "skipped: not root, so the whole run was an ordinary user's"
	exit 77
fi
case $build in
"$source"/*) ;;
*) echo "user-suite.sh: $build is not within $source" >&2 && exit 1 ;;
esac

# From here on mounts are ours alone and go away with us.
if [ -z "${CORRAL_USER_SUITE_NS:-}" ]; then
	CORRAL_USER_SUITE_NS=1 exec unshare --mount -- "$0" "$build" "$@"
fi
unset CORRAL_USER_SUITE_NS

user=corral-tester
work=$(mktemp -d "${TMPDIR:-/tmp}/corral-user.XXXXXX") || exit 1
clean_up() {
	cd /
	umount -l "$source" 2>/dev/null
	[ -z "${cover:-}" ] || umount -l "$cover" 2>/dev/null
	userdel "$user" 2>/dev/null
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
chmod 755 "$work"

userdel "$user" 2>/dev/null # of a run that was killed
useradd --home-dir "$work/home" --create-home --shell /bin/bash "$user" || exit 1
mkdir -p "$work/tree" "$work/run" && chmod 700 "$work/run" || exit 1
tar -C "$source" --exclude=./.git --exclude='./build*' -c . | tar -C "$work/tree" -x || exit 1
mkdir -p "$work/tree/${build#"$source"/}" || exit 1
tar -C "$build" --exclude='*.o' -c . | tar -C "$work/tree/${build#"$source"/}" -x || exit 1
chown -R "$user:" "$work/tree" "$work/run" || exit 1

# The user is delegated no control group, so tests of those have nothing to run on.
# A directory on the way that the user may not pass is covered by an empty one.
as_user() {
	setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups --inh-caps=-all -- \
		env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$work/home" USER="$user" LOGNAME="$user" SHELL=/bin/bash \
		TERM="${TERM:-dumb}" LANG="${LANG:-C.UTF-8}" XDG_RUNTIME_DIR="$work/run" \
		CORRAL_TESTS_MUST_RUN="${CORRAL_TESTS_MUST_RUN:-}" CORRAL_TESTS_WITHOUT=cgroup "$@"
}
ancestor= cover=
while read -r -d / part; do
	ancestor=${ancestor%/}/$part
	if ! as_user test -x "$ancestor"; then
		cover=$ancestor
		break
	fi
done < <(printf '%s' "${source#/}")
if [ -n "$cover" ]; then
	exec {tree}<"$work/tree"
	mount -t tmpfs -o mode=755 corral "$cover" || exit 1
	mkdir -p "$source" || exit 1
	mount --bind "/proc/self/fd/$tree" "$source" || exit 1
	exec {tree}<&-
else
	mount --bind "$work/tree" "$source" || exit 1
fi

cd "$source" || exit 1
# escape.user and escape.open become another user, or none of ours, by themselves; and what asks the kernel for
# nothing (text in, text out), or for sockets alone, cannot tell users apart.
pure='golden|fuzz|unit\.(base|policy|tools)\.|unit\.oci\.test_registry_|unit\.layers\.test_textdiff|unit\.backends\.(docker\.test_(http|hung|stream|answer|progress_stream)|test_base|test_state|test_hashline|test_console)'
as_user timeout -k 10 840 ctest --test-dir "$build" --output-on-failure -L '^(unit|real|escape)$' -E "^escape\.(user|open)\$|^($pure)" \
	-j "${CORRAL_TEST_JOBS:-1}" "$@"
