#!/bin/bash
# kernel/child.c runs between clone3() and the exec of guest init, in memory that the caller's threads go on
# using: it may call nothing, not even libc's memset(). Guest init has no libc at all.
# usage: tests/checks/imports.sh BUILD_DIR
set -euo pipefail

build=$1
status=0

# usage: imports OBJECT: what it needs of others; a sanitizer's registration of the file runs before main()
imports() {
	nm -u "$1" | sed 's/^ *U //' | grep -vE '^__(asan|ubsan|tsan)_(init|register_globals|register_elf_globals|unregister_globals|unregister_elf_globals|version_mismatch_check.*)$' || true
}

child=$(find "$build/kernel" -path '*corral_kernel.dir/child.c.o' | head -n 1)
[ -n "$child" ] || { echo "imports.sh: no object of kernel/child.c in $build: build it first" >&2; exit 1; }
found=$(imports "$child")
if [ -n "$found" ]; then
	echo "kernel/child.c calls what it must not:" "$found"
	status=1
fi

# Its own functions and the compiler's four, all of them its own.
own=$(find "$build/kernel" -path '*corral-init.dir/*.o' -exec nm --defined-only {} + | awk 'NF == 3 { print $3 }' | LC_ALL=C sort -u)
[ -n "$own" ] || { echo "imports.sh: no objects of guest init in $build: build it first" >&2; exit 1; }
while read -r object; do
	found=$(imports "$object" | LC_ALL=C sort -u | LC_ALL=C comm -23 - <(printf '%s\n' "$own"))
	if [ -n "$found" ]; then
		echo "${object##*/} calls what guest init does not have:" "$found"
		status=1
	fi
done < <(find "$build/kernel" -path '*corral-init.dir/*.o')
exit $status
