#!/bin/bash
# From a clean clone to a Python program in a sandbox: installs what is missing, builds a release, runs a
# program in a fresh sandbox and shows what contained it and how long each stage took. As root or as an
# ordinary user; a second time it only builds what changed.
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. tools/packages.sh

[ -w . ] && { [ ! -e build ] || [ -w build ]; } ||
	fail "$PWD is not writable for $(id -un 2>/dev/null || id -u): clone it as the user who runs this"
need_packages "${build_packages[@]}" python3

say "building a release"
build_preset release -DCORRAL_TESTS=OFF

# The sandbox sees the host's /usr and no home directory, so it is that python3 which runs.
read -r -d '' program <<'END'
import os, platform

sieve = bytearray([1]) * 1_000_000
sieve[:2] = b"\0\0"
for i in range(2, 1000):
    if sieve[i]:
        sieve[i * i::i] = bytes(len(range(i * i, len(sieve), i)))
print(f"{sum(sieve)} primes below a million, by Python {platform.python_version()}")
print(f"on host '{platform.node()}', as process {os.getpid()} of {sum(p.isdigit() for p in os.listdir('/proc'))}, in {os.getcwd()}")

for path in ("/etc/shadow", "/root", "/home", "/proc/kcore"):
    try:
        what = os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
        print(f"{path}: {'nothing in it' if not what else 'readable'}")
    except OSError as e:
        print(f"{path}: {e.strerror}")
END
set -- build/release/tools/corral run --summary -- python3 -c "$program"
say "running: $1 run --summary -- python3 -c '...'"
echo
"$@" || {
	status=$?
	echo >&2
	say "the sandbox did not run (status $status); what this host lacks, says: $1 doctor" >&2
	exit "$status"
}
echo
say "that worked. Next: $1 run --help; $1 doctor; tools/test.sh; tools/bench/run.sh"
