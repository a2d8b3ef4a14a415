#!/bin/bash
# Reads the code instead of running it: layout, the direction of includes, clang-tidy and cppcheck over
# every file that the given build compiles.
# usage: tools/lint.sh BUILD_DIR
set -u

build=$(realpath -e "${1:?usage: lint.sh BUILD_DIR}") || exit 1
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
folders=()
for folder in kernel policy backends tools tests; do
	[ ! -d "$folder" ] || folders+=("$folder")
done
status=0

part() { # NAME COMMAND...
	local name=$1 began=$SECONDS
	shift
	if "$@"; then
		printf '%-14s clean (%d s)\n' "$name" $((SECONDS - began))
	else
		printf '%-14s FAILED (%d s)\n' "$name" $((SECONDS - began))
		status=1
	fi
}

sources() { # compiled by this build, ours, written by hand
	sed -n 's/^  "file": "\(.*\)",\{0,1\}$/\1/p' "$build/compile_commands.json" | sort -u |
		grep "^$PWD/" | grep -v "^$build/" | grep '\.c$'
}

layout() {
	find "${folders[@]}" \( -name '*.c' -o -name '*.h' \) -print0 |
		xargs -0 clang-format --dry-run --Werror
}

# tools -> backends -> kernel -> policy -> kernel/base: whoever is named may be included.
arrows() {
	local bad
	bad=$(
		grep -rnE '^#include "' kernel/base --include='*.[ch]' | grep -vE '"kernel/base/'
		grep -rnE '^#include "' policy --include='*.[ch]' | grep -vE '"(kernel/base|policy)/'
		grep -rnE '^#include "' kernel/init kernel/files --include='*.[ch]' 2>/dev/null |
			grep -E '"(policy|backends|tools|tests)/' | grep -vE '"policy/limits\.h"'
		grep -rnE '^#include "(backends|tools|tests)/' kernel --include='*.[ch]'
		[ ! -d backends ] || grep -rnE '^#include "(tools|tests)/' backends --include='*.[ch]'
		grep -rnE '^#include "tests/' tools --include='*.[ch]'
	)
	[ -z "$bad" ] || printf 'an include against the arrow: %s\n' "$bad"
	[ -z "$bad" ]
}

tidy() {
	local log
	log=$(mktemp) || return 1
	sources | xargs -P "$(nproc)" -n 1 clang-tidy -p "$build" --quiet >"$log" 2>&1
	local result=$?
	grep -vE '^[0-9]+ warnings? generated|^Suppressed|^Use -header-filter|warnings treated as errors' "$log"
	rm -f "$log"
	return "$result"
}

check() {
	cppcheck --project="$build/compile_commands.json" -i "$build" --std=c11 --platform=unix64 "-D__$(uname -m)__=1" \
		--quiet -j "$(nproc)" \
		--enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppressions-list=.cppcheck --cppcheck-build-dir="$build/cppcheck"
}

scripts() {
	local file ok=0
	while read -r file; do
		bash -n "$file" || ok=1
	done < <(grep -rlE '^#!/bin/(ba)?sh' .ci tools tests)
	return "$ok"
}

mkdir -p "$build/cppcheck"
part layout layout
part includes arrows
part scripts scripts
part clang-tidy tidy
part cppcheck check
exit "$status"
