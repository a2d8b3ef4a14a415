#!/bin/bash
# Each header compiles alone: whoever includes it needs to know nothing else.
# usage: tests/checks/headers.sh COMPILER [FLAG...]
set -euo pipefail

source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$source"
status=0
n=0
while read -r header; do
	n=$((n + 1))
	# A second time, as its guard is its own as well.
	if ! printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
		"$@" -std=gnu11 -D_GNU_SOURCE -DCORRAL_VERSION='""' -Wall -Wextra -Werror -fsyntax-only -I "$source" -x c -; then
		echo "$header does not compile alone"
		status=1
	fi
done < <(find kernel policy tools backends -name '*.h' 2>/dev/null | LC_ALL=C sort)
echo "$n headers"
[ "$n" -gt 0 ] && exit $status
