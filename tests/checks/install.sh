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
if [ -x "$build/tools/corral-net" ] && [ ! -x "$prefix/libexec/corral/corral-net" ]; then
	fail "no libexec/corral/corral-net"
fi
if [ -x "$build/tools/image/corral-image" ] && [ ! -x "$prefix/libexec/corral/corral-image" ]; then
	fail "no libexec/corral/corral-image"
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
exports() { # LIBRARY: NAME@@VERSION of each symbol; versions are listed as symbols as well
	nm -D --defined-only "$1" | awk '$2 != "A" { print $3 }'
}
# The sanitizers' own names, where a build has them, are not ours to hide.
foreign() { # NAME...
	grep -vE '^(corral_|__asan|__odr_asan|__ubsan|__tsan|__sanitizer)' <<<"$*"
}
exported=$(exports "$library") || fail "nm cannot read libcorral.so"
found=$(foreign "$exported")
[ -z "$found" ] || fail "libcorral.so exports" $found
# What our other library calls has a version of its own, and is no part of the interface.
names=$(sed -n 's/@@CORRAL_[0-9]*$//p' <<<"$exported")
for name in corral_sandbox_open corral_policy_compile corral_config_parse corral_limits_default corral_doctor_run; do
	grep -qx "$name" <<<"$names" || fail "libcorral.so does not export $name"
done
for name in corral_init_image corral_skeleton_build corral_guest_path_normalise; do
	! grep -qx "$name" <<<"$names" || fail "libcorral.so exports $name, which no public header declares"
done
for needed in libseccomp libcap libjansson libmd; do
	readelf -d "$library" | grep -q "NEEDED.*\[$needed\.so" || fail "libcorral.so does not need $needed"
done

# So are sessions, and a program: corral finds it where it was installed.
"$prefix/bin/corral" session --help >/dev/null || fail "corral session does not run"
[ -n "$(find "$prefix" -path '*/corral/corral-session' -type f)" ] || fail "no corral/corral-session"

# The Docker backend is a library of its own, which loads what it takes and has no second copy of ours.
docker=
! grep -qx 'CORRAL_DOCKER:BOOL=ON' "$build/CMakeCache.txt" || docker=corral-docker
if [ -n "$docker" ]; then
	program=$(find "$prefix" -path '*/corral/corral-docker' -type f)
	[ "$("$program" --version 2>&1)" = "$("$prefix/bin/corral" --version)" ] || fail "corral/corral-docker does not run"
	library=$libdir/libcorral-docker.so
	exported=$(exports "$library") || fail "no libcorral-docker.so"
	found=$(foreign "$exported")$(grep -v '@@CORRAL_DOCKER_[0-9]*$' <<<"$exported" | grep -vE '^__')
	[ -z "$found" ] || fail "libcorral-docker.so exports" $found
	for name in $(grep -oE 'corral_docker_[a-z_]+\(' "$prefix"/include/corral/backends/docker/*.h | sed 's/.*://; s/($//' | sort -u); do
		grep -q "^$name@@" <<<"$exported" || fail "libcorral-docker.so does not export $name, which a header declares"
	done
	for needed in libcorral libcurl libarchive; do
		readelf -d "$library" | grep -q "NEEDED.*\[$needed\.so" || fail "libcorral-docker.so does not need $needed"
		! readelf -d "$libdir/libcorral.so" | grep -q "NEEDED.*\[$needed\.so" || fail "libcorral.so needs $needed"
	done
	! nm --defined-only "$library" 2>/dev/null | grep -qE ' corral_(error_set|policy_compile|backend_close)$' ||
		fail "libcorral-docker.so has a copy of what is libcorral's"
fi

# So are sessions.
library=$libdir/libcorral-sessions.so
exported=$(exports "$library") || fail "no libcorral-sessions.so"
found=$(foreign "$exported")$(grep -v '@@CORRAL_SESSIONS_[0-9]*$' <<<"$exported" | grep -vE '^__')
[ -z "$found" ] || fail "libcorral-sessions.so exports" $found
for name in $(grep -ohE 'corral_[a-z_]+\(' "$prefix"/include/corral/backends/sessions/*.h | grep -v "^corral_docker_" | sed 's/($//' | sort -u); do
	# What others have promised is named in comments.
	grep -q "^$name@@" <<<"$exported" || grep -qx "$name" <<<"$names" ||
		fail "libcorral-sessions.so does not export $name, which a header declares"
done
for needed in libcorral libsqlite3; do
	readelf -d "$library" | grep -q "NEEDED.*\[$needed\.so" || fail "libcorral-sessions.so does not need $needed"
done
! readelf -d "$libdir/libcorral.so" | grep -q "NEEDED.*\[libsqlite3\.so" || fail "libcorral.so needs libsqlite3"
! nm --defined-only "$library" 2>/dev/null | grep -qE ' corral_(error_set|policy_compile|backend_close)$' ||
	fail "libcorral-sessions.so has a copy of what is libcorral's"

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

# A program with containers takes corral-docker alone: pkg-config tells the rest.
if [ -n "$docker" ]; then
	cat >"$work/engine.c" <<-'TEXT'
		#include <stdio.h>
		#include <corral/backends/docker/docker.h>

		int main(void)
		{
			struct corral_docker_engine_options where = { .host = "unix:///nonexistent/engine.sock" };
			struct corral_docker_options options = { .image = "debian" };
			struct corral_docker_engine *engine = NULL;
			struct corral_backend *box = NULL;
			struct corral_error error = { 0 };
			int r = corral_docker_engine_open(&where, &engine, &error);

			if (r == 0)
				r = corral_docker_sandbox_new(engine, &options, &box, &error);
			corral_backend_close(box);
			corral_docker_engine_close(engine);
			return r < 0 && puts(error.text) >= 0 ? 0 : 1;
		}
	TEXT
	# shellcheck disable=SC2046 # flags are words
	"$cc" "$@" -Wall -Wextra -Werror $(pkg-config --cflags "$docker") "$work/engine.c" -o "$work/engine" \
		$(pkg-config --libs "$docker") -Wl,-rpath,"$libdir" || fail "a program with corral-docker does not compile"
	said=$("$work/engine") || fail "an engine that is not there is found"
	[ -n "$said" ] || fail "an engine that is not there is missed without a word"
fi

cat >"$work/sessions.c" <<-'TEXT'
	#include <stdio.h>
	#include <corral/backends/sessions/store.h>

	int main(int argc, char **argv)
	{
		struct corral_session_store *store = NULL;
		struct corral_session_record *list = NULL;
		struct corral_error error = { 0 };
		size_t n = 1;

		if (argc < 2 || corral_session_store_open(argv[1], &store, &error) < 0 ||
		    corral_session_store_list(store, &list, &n, &error) < 0)
			puts(error.text);
		corral_session_records_free(list, n);
		corral_session_store_close(store);
		return n ? 1 : 0;
	}
TEXT
# shellcheck disable=SC2046 # flags are words
"$cc" "$@" -Wall -Wextra -Werror $(pkg-config --cflags corral-sessions) "$work/sessions.c" -o "$work/sessions" \
	$(pkg-config --libs corral-sessions) -Wl,-rpath,"$libdir" || fail "a program with corral-sessions does not compile"
"$work/sessions" "$work/store" || fail "a store of sessions cannot be made"

if ! "$prefix/bin/corral" doctor >"$work/doctor"; then
	[ "${CORRAL_TESTS_MUST_RUN:-}" != 1 ] || { cat "$work/doctor" && fail "no isolation on this host"; }
	echo "skipped: compiled and not run, as native isolation is impossible on this host"
	exit 77
fi
said=$("$work/example") || fail "README.md's example ends with $?"
printf '%s\n' "$said"
[[ $said == *"hello from inside"*"exit 0, behind seccomp"* ]] || fail "README.md's example was not contained"
