# For the scripts beside it, to be sourced: installs Debian or Ubuntu packages when they are missing, and
# does nothing at all when they are not.

# What building takes; also what a static program is linked from.
build_packages=(cmake ninja-build gcc libc6-dev pkg-config libseccomp-dev libcap-dev libjansson-dev libmd-dev
	libpcre2-dev libcurl4-openssl-dev libarchive-dev libssl-dev libsqlite3-dev libgd-dev libnl-3-dev libnl-route-3-dev)

say() {
	printf '%s: %s\n' "$(basename "$0")" "$*"
}

fail() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

missing_packages() { # PACKAGE... : those that are not installed
	local installed
	# "pkg-config" may be provided by "pkgconf", as later releases do.
	installed=$(dpkg-query -W -f '${Package} ${Provides} ${db:Status-Status}\n' 2>/dev/null |
		awk '$NF == "installed" { for (i = 1; i < NF; i++) print $i }' | sed 's/,$//' | sort -u)
	printf '%s\n' "$@" | sort -u | comm -23 - <(printf '%s\n' "$installed")
}

need_packages() { # PACKAGE...
	local missing log as_root=()
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		say "no apt here: if the build fails, install what corresponds to: $*"
		return
	fi
	missing=$(missing_packages "$@" | tr '\n' ' ')
	missing=${missing% }
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null && sudo -n true 2>/dev/null ||
			fail "packages are missing and this user cannot install them; as root: apt-get install $missing"
		as_root=(sudo)
	fi
	say "installing $missing"
	log=$(mktemp) || exit 1
	# shellcheck disable=SC2086 # one word a package
	if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update >"$log" 2>&1 ||
		! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y --no-install-recommends $missing >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		rm -f "$log"
		fail "could not install: $missing"
	fi
	rm -f "$log"
}

# Says now and then how far a build has come, until it is killed.
tell_progress() { # LOG OF NINJA
	local step
	# What sleeps on after the end holds no stream of ours.
	while sleep 15 >/dev/null 2>&1; do
		step=$(sed -n 's/^\[\([0-9]*\)\/\([0-9]*\)\].*/step \1 of \2/p' "$1" | tail -n 1)
		say "still building${step:+: $step}"
	done
}

# Configures and builds one preset of the CMakePresets.json beside us; prints no more than how far it is, unless it fails.
build_preset() { # PRESET [CMAKE OPTION...]
	local preset=$1 log teller built=0
	shift
	log=$(mktemp) || exit 1
	tell_progress "$log" &
	teller=$!
	cmake --preset "$preset" "$@" >"$log" 2>&1 && cmake --build --preset "$preset" >"$log" 2>&1 || built=$?
	kill "$teller"
	wait "$teller" 2>/dev/null
	if [ "$built" != 0 ]; then
		tail -n 60 "$log" >&2
		rm -f "$log"
		fail "preset '$preset' does not build"
	fi
	rm -f "$log"
}
