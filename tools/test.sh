#!/bin/bash
# Every test there is, in one run of ctest: installs what the tests need, builds with the address and
# undefined-behaviour sanitizers, builds a release, and runs the suite as root, as an ordinary user, in
# virtual machines and in a container; clang, clang-tidy and cppcheck are entries of it like any other.
# Arguments go to ctest: tools/test.sh -R leak
#
# CORRAL_TESTS_MUST_RUN=1 makes a skipped test a failure; CORRAL_TEST_JOBS runs so many tests at a time, where they
# do not ask to be alone (as many as there are processors).
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. tools/packages.sh

test_packages=(libcmocka-dev clang clang-format clang-tidy cppcheck python3 bubblewrap crun runc uidmap docker.io
	docker-registry podman busybox-static iproute2 procps util-linux ripgrep git passt nftables curl wget
	netcat-openbsd openssh-client dropbear-bin skopeo umoci xz-utils openssl)
# From wherever they are; Debian's are as good as others.
command -v node >/dev/null && command -v npm >/dev/null || test_packages+=(nodejs npm)
if [ -f tools/vm/packages.txt ]; then
	mapfile -t vm_packages < <(sed 's/#.*//' tools/vm/packages.txt | tr -s ' \t' '\n\n' | sed '/^$/d')
	test_packages+=("${vm_packages[@]}")
fi
need_packages "${build_packages[@]}" "${test_packages[@]}"

if command -v ccache >/dev/null; then
	export CMAKE_C_COMPILER_LAUNCHER=ccache
fi
say "building a release"
build_preset release -DCORRAL_TESTS=ON
say "building with sanitizers"
# Virtual machines are emulated, too slow for sanitizers: they get the release.
build_preset dev -DCMAKE_C_FLAGS_DEBUG=-g1 -DCORRAL_TESTS=ON -DCORRAL_CHECKS=ON -DCORRAL_VM_BUILD_DIR="$PWD/build/release"

[ "$(id -u)" = 0 ] || say "not root: what needs root is skipped"
exec ctest --preset dev -j "${CORRAL_TEST_JOBS:-$(nproc)}" "$@"
