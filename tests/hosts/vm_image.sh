#!/bin/bash
# The base system of the virtual machines and of the container, made once: the first of their tests would
# otherwise pay for it out of its own time.
# usage: tests/hosts/vm_image.sh
set -euo pipefail

image=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../tools/vm" && pwd)/image.sh

if ! reason=$("$image" --check 2>&1); then
	if [ "${CORRAL_TESTS_MUST_RUN:-}" = 1 ]; then
		echo "vm_image.sh: $reason" >&2
		exit 1
	fi
	echo "skipped: $reason"
	exit 77
fi
exec "$image"
