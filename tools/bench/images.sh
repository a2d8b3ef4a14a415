#!/bin/bash
# What it takes to have an image of about 200 MB from a registry on loopback, fetched and unpacked: corral image
# pull, skopeo copy with umoci unpack, and docker pull by an engine of its own, all on the same disk. Taken in turns, in
# one run; prints the median of each in ms, corral's as a ratio to the others', and what each keeps on disk. Then, how
# much memory it takes that many sandboxes of one image read the same file. Speed is never a test.
set -euo pipefail

usage() {
	cat <<'END'
usage: tools/bench/images.sh [--rounds N] [--size MB] [--layers N] [--sandboxes N] [--build DIR]

  --rounds N   of each (5)
  --size MB    of the image, unpacked, taken from the host's /usr (200)
  --layers N   that it is split into (4)
  --sandboxes N  that read the same 100 MB (100; 0: none)
  --build DIR  a build tree (build/release)
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rounds=5 size=200 layers=4 sandboxes=100 build=$here/../../build/release
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=${2:?--rounds needs a number} && shift ;;
	--size) size=${2:?--size needs a number} && shift ;;
	--layers) layers=${2:?--layers needs a number} && shift ;;
	--sandboxes) sandboxes=${2:?--sandboxes needs a number} && shift ;;
	--build) build=${2:?--build needs a directory} && shift ;;
	-h | --help) usage && exit 0 ;;
	*) usage >&2 && exit 2 ;;
	esac
	shift
done
corral=$(realpath -e "$build/tools/corral")
for program in docker-registry skopeo umoci; do
	command -v "$program" >/dev/null || {
		echo "images.sh: $program is not installed" >&2
		exit 1
	}
done
[ "$(id -u)" = 0 ] || {
	echo "images.sh: as root, as its peers" >&2
	exit 1
}

engines=$here/../../tests/docker
work=$(mktemp -d /var/tmp/corral-bench.XXXXXX)
registry=
end() {
	[ ! -e "$work/ids" ] || xargs -r "$corral" sandbox rm -f <"$work/ids" >/dev/null 2>&1 || true
	[ -z "$registry" ] || kill "$registry" 2>/dev/null || true
	"$engines/engine.sh" stop "$work/engine" || true
	rm -rf "$work"
}
trap end EXIT

# The first files of /usr that make so much, in as many shares as there are to be layers.
umoci init --layout "$work/layout"
umoci new --image "$work/layout:1"
umoci unpack --image "$work/layout:1" "$work/bundle" 2>/dev/null
find /usr/lib /usr/share -xdev -type f -size -20000k -printf '%s\t%p\0' | LC_ALL=C sort -z -t$'\t' -k2 |
	awk -v RS='\0' -v ORS='\0' -F'\t' -v max=$((size * 1000000)) '(n += $1) <= max { print $2 }' >"$work/files"
split -t '\0' -n "l/$layers" -a 3 "$work/files" "$work/share."
for share in "$work"/share.*; do
	tar -c --null --ignore-failed-read -T "$share" 2>/dev/null | tar -x -C "$work/bundle/rootfs"
	umoci repack --refresh-bundle --image "$work/layout:1" "$work/bundle" 2>/dev/null
done

port=$((20000 + RANDOM % 10000))
"$engines/registry.sh" serve "$work/registry" "$port" &
registry=$!
for ((i = 0; i < 100; i++)); do
	! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	sleep 0.1
done
image=127.0.0.1:$port/bench/image:1
skopeo copy -q --dest-tls-verify=false "oci:$work/layout:1" "docker://$image"

corral_pull() {
	CORRAL_IMAGES=$work/store "$corral" image pull -q "$image"
}
corral_pull_clear() {
	rm -rf "$work/store"
}
skopeo_umoci() {
	skopeo copy -q --src-tls-verify=false "docker://$image" "oci:$work/copied:1" &&
		umoci unpack --image "$work/copied:1" "$work/unpacked"
}
skopeo_umoci_clear() {
	rm -rf "$work/copied" "$work/unpacked"
}
docker_pull() {
	docker pull -q "$image"
}
docker_pull_clear() {
	docker rmi -f "$image" >/dev/null 2>&1 || true
}
disk() { # PATH...: what is there, in MB; without what an empty engine has
	du -sm --total "$@" 2>/dev/null | tail -1 | cut -f1
}
corral_pull_disk() {
	disk "$work/store"
}
skopeo_umoci_disk() {
	disk "$work/copied" "$work/unpacked"
}
docker_pull_disk() {
	disk "$work/docker/overlay2"
}

peers=(corral_pull skopeo_umoci)
# In no subshell, whose end would be the engine's.
if "$engines/engine.sh" bare "$work/engine" "$work/docker" >"$work/out" 2>&1; then
	set -a
	# shellcheck disable=SC1091 # made by the engine
	. "$work/engine/env"
	set +a
	peers+=(docker_pull)
else
	echo "without docker pull: $(tail -1 "$work/out")"
fi
for ((round = 0; round < rounds; round++)); do
	for peer in "${peers[@]}"; do
		"${peer}_clear"
		# What one wrote is not to be written while the next one is measured.
		sync -f "$work"
		begin=$(date +%s%N)
		"$peer" >"$work/out" 2>&1 || {
			echo "images.sh: $peer: $(tail -1 "$work/out")" >&2
			exit 1
		}
		echo $((($(date +%s%N) - begin) / 1000000)) >>"$work/$peer.ms"
		"${peer}_disk" >"$work/$peer.mb"
		"${peer}_clear"
	done
done

median() {
	sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
own=$(median "$work/corral_pull.ms")
printf 'an image of %s MB in %s layers, %s rounds\n\n%-28s %10s %10s %10s\n' "$size" "$layers" "$rounds" "" "p50 ms" \
	"corral's" "disk MB"
for peer in "${peers[@]}"; do
	ms=$(median "$work/$peer.ms")
	printf '%-28s %10s %10s %10s\n' "${peer//_/ }" "$ms" "$(awk -v a="$own" -v b="$ms" 'BEGIN { printf "%.2f", a / b }')" \
		"$(cat "$work/$peer.mb")"
done
cat <<'TEXT'

corral and skopeo keep what came as well as what was unpacked, so that the image can be passed on as it is; dockerd
keeps layers alone (overlay2). corral waits for the disk before it names the image; the others leave that to the
kernel. umoci makes one tree of all layers, the others share them between images.
TEXT
[ "$sandboxes" -gt 0 ] || exit 0

# The pages of what many sandboxes read, in the host's cache and in the sandboxes' accounts.
mkdir -p "$work/root/bin"
head -c 100000000 /dev/urandom >"$work/root/big"
cp "$(command -v busybox)" "$work/root/bin/cat"
CORRAL_IMAGES=$work/store "$corral" image import -q "$work/root" bench/big:1 >/dev/null
rm -r "$work/root"
sync -f "$work"
# Not in memory, as nobody reads it.
find "$work/store" -name big -type f -exec dd oflag=nocache conv=notrunc,fdatasync count=0 of={} status=none \;
cached() {
	awk '/^(Cached|Shmem):/ { n += $2 } END { print int(n / 1000) }' /proc/meminfo
}
for ((i = 0; i < sandboxes; i++)); do
	CORRAL_IMAGES=$work/store "$corral" sandbox create --pull never --image bench/big:1 >>"$work/ids"
done
before=$(cached)
while read -r id; do
	"$corral" exec "$id" -- cat /big >/dev/null
done <"$work/ids"
after=$(cached)
account=$(xargs "$corral" sandbox stats --json <"$work/ids" | python3 -c 'import json, sys
print(round(sum(s["memory_bytes"] for s in json.load(sys.stdin)) / 1e6))')
printf '\n%s sandboxes of one image, each of which read the same 100 MB\n\n%-28s %10s\n%-28s %10s\n' "$sandboxes" \
	"growth of the cache, MB" "$((after - before))" "on the sandboxes' accounts, MB" "$account"
