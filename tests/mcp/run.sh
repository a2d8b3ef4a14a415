#!/bin/bash
# corral mcp as other people's clients see it: the protocol's official TypeScript SDK, and the Inspector's
# command line.
# usage: tests/mcp/run.sh CORRAL WORK_DIR
set -euo pipefail

corral=$1 work=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

skip() {
	if [ "${CORRAL_TESTS_MUST_RUN:-}" = 1 ]; then
		echo "mcp: $*" >&2
		exit 1
	fi
	echo "skipped: $*"
	exit 77
}

command -v node >/dev/null || skip "node is not installed (nodejs)"
command -v npm >/dev/null || skip "npm is not installed (npm)"
# What they are made of is named in the lock file, to the digest.
mkdir -p "$work"
cp "$here/package.json" "$here/package-lock.json" "$here/sdk.mjs" "$work/"
cd "$work"
if ! cmp -s package-lock.json node_modules/.corral-lock 2>/dev/null; then
	npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1 || {
		tail -n 20 npm.log >&2
		skip "the packages of the clients are not to be had"
	}
	cp package-lock.json node_modules/.corral-lock
fi

export CORRAL_BINARY=$corral
timeout 200 node --test sdk.mjs

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
inspect() { # ARG...
	timeout 60 node node_modules/@modelcontextprotocol/inspector/cli/build/cli.js --cli "$corral" mcp --local "$dir" "$@"
}
echo "words" >"$dir/some.txt"
inspect --method tools/list | grep -q '"name": "read_file"' || { echo "the Inspector sees no tools" >&2; exit 1; }
inspect --method tools/call --tool-name read_file --tool-arg path=some.txt | grep -q 'words' ||
	{ echo "the Inspector cannot call a tool" >&2; exit 1; }
echo "Inspector: tools are listed and called"
