#!/bin/bash
# What it takes to have an image of about 200 MB from a registry on loopback, fetched and unpacked: corral image
# pull, skopeo copy with umoci unpack, and docker pull where an engine answers. Taken in turns, in one run; prints the
# median of each in ms, and corral's as a ratio to the others'. Speed is never a test.
set -euo pipefail

usage() {
	cat <<'END'
usage: tools/bench/images.sh [--rounds N] [--size MB] [--layers N] [--build DIR]

  --rounds N   of each (5)
  --size MB    of the image, unpacked, taken from the host's /usr (200)
  --layers N   that it is split into (4)
  --build DIR  a build tree (build/release)
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rounds=5 size=200 layers=4 build=$here/../../build/release
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=${2:?--rounds needs a number} && shift ;;
	--size) size=${2:?--size needs a number} && shift ;;
	--layers) layers=${2:?--layers needs a number} && shift ;;
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

work=$(mktemp -d /var/tmp/corral-bench.XXXXXX)
registry=
end() {
	[ -z "$registry" ] || kill "$registry" 2>/dev/null || true
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
	xargs -0 -a "$share" cp --parents -a -t "$work/bundle/rootfs"
	umoci repack --refresh-bundle --image "$work/layout:1" "$work/bundle" 2>/dev/null
done

port=$((20000 + RANDOM % 10000))
"$here/../../tests/docker/registry.sh" serve "$work/registry" "$port" &
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

peers=(corral_pull skopeo_umoci)
! docker info >/dev/null 2>&1 || peers+=(docker_pull)
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
		"${peer}_clear"
	done
done

median() {
	sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
own=$(median "$work/corral_pull.ms")
printf 'an image of %s MB in %s layers, %s rounds\n\n%-28s %10s %10s\n' "$size" "$layers" "$rounds" "" "p50 ms" \
	"corral's"
for peer in "${peers[@]}"; do
	ms=$(median "$work/$peer.ms")
	printf '%-28s %10s %10s\n' "${peer//_/ }" "$ms" "$(awk -v a="$own" -v b="$ms" 'BEGIN { printf "%.2f", a / b }')"
done
