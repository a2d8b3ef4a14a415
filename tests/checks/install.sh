#!/bin/bash
# What `cmake --install` puts down is enough to build on: the C example of README.md is compiled with nothing but
# pkg-config's flags, and runs a program in a sandbox. The library shows no names but ours.
# usage: install.sh BUILD_DIR CC [CFLAG...]
set -u

build=$(realpath -e "${1:?usage: install.sh BUILD_DIR CC [CFLAG...]}") || exit 1
cc=${2:?usage: install.sh BUILD_DIR CC [CFLAG...]}
shift 2
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd) || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/corral-install.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

fail() {
	printf 'install: %s\n' "$*" >&2
	exit 1
}

prefix=$work/prefix
cmake --install "$build" --prefix "$prefix" >"$work/log" 2>&1 || { cat "$work/log" >&2 && fail "cmake --install failed"; }
[ -x "$prefix/bin/corral" ] || fail "no bin/corral"
"$prefix/bin/corral" --version >/dev/null || fail "bin/corral does not run"
if [ -x "$build/tools/image/corral-image" ] && [ ! -x "$prefix/libexec/corral-image" ]; then
	fail "no libexec/corral-image"
fi
for file in share/man/man1/corral.1 share/bash-completion/completions/corral; do
	[ -s "$prefix/$file" ] || fail "no $file"
done

pc=$(find "$prefix" -name corral.pc)
[ -n "$pc" ] || fail "no corral.pc"
export PKG_CONFIG_PATH=${pc%/*}
cflags=$(pkg-config --cflags corral) && libs=$(pkg-config --libs corral) && libdir=$(pkg-config --variable=libdir corral) ||
	fail "pkg-config does not take corral.pc"

# Names: ours alone, and those that make the interface.
library=$libdir/libcorral.so
soname=$(readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[ "$soname" = libcorral.so.0 ] || fail "soname is '$soname'"
names=$(nm -D --defined-only "$library" | awk '{ print $3 }') || fail "nm cannot read libcorral.so"
# The sanitizers' own names, where a build has them, are not ours to hide.
foreign=$(grep -vE '^(corral_|__asan|__odr_asan|__ubsan|__tsan|__sanitizer)' <<<"$names")
[ -z "$foreign" ] || fail "libcorral.so exports" $foreign
for name in corral_sandbox_open corral_policy_compile corral_config_parse corral_limits_default corral_doctor_run; do
	grep -qx "$name" <<<"$names" || fail "libcorral.so does not export $name"
done
for name in corral_init_image corral_skeleton_build corral_guest_path_normalise; do
	! grep -qx "$name" <<<"$names" || fail "libcorral.so exports $name, which no public header declares"
done
for needed in libseccomp libcap libjansson libmd; do
	readelf -d "$library" | grep -q "NEEDED.*\[$needed\.so" || fail "libcorral.so does not need $needed"
done

# Every header stands alone, in both spellings of its path, whatever the standard.
while read -r header; do
	printf '#include <corral/%s>\n#include <%s>\n' "$header" "$header" >"$work/header.c"
	# shellcheck disable=SC2086 # flags are words
	"$cc" -std=c11 -Wall -Wextra -Werror $cflags -fsyntax-only "$work/header.c" || fail "$header does not compile alone"
done < <(cd "$prefix/include/corral" && find . -name '*.h' -printf '%P\n')

# README's example is one that works.
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$source/README.md" >"$work/example.c"
[ -s "$work/example.c" ] || fail "README.md has no example in C"
# shellcheck disable=SC2086
"$cc" "$@" -Wall -Wextra -Werror $cflags "$work/example.c" -o "$work/example" $libs -Wl,-rpath,"$libdir" ||
	fail "README.md's example does not compile"

if ! "$prefix/bin/corral" doctor >"$work/doctor"; then
	[ "${CORRAL_TESTS_MUST_RUN:-}" != 1 ] || { cat "$work/doctor" && fail "no isolation on this host"; }
	echo "skipped: compiled and not run, as native isolation is impossible on this host"
	exit 77
fi
said=$("$work/example") || fail "README.md's example ends with $?"
printf '%s\n' "$said"
[[ $said == *"hello from inside"*"exit 0, behind seccomp"* ]] || fail "README.md's example was not contained"
