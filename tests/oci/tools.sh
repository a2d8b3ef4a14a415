#!/bin/bash
# Images through the command line, with others who make and read them: umoci and skopeo. What umoci unpacks and what is
# in our store must be the same tree; what we save, they read, and so do we.
# usage: tools.sh CORRAL root|user
set -u

corral=$1 who=$2
if [ "$(id -u)" != 0 ]; then
	[ "$who" = user ] || { echo "not root"; exit 77; }
elif [ "$who" = user ]; then
	command -v setpriv >/dev/null || { echo "no setpriv"; exit 77; }
	[ -n "${CORRAL_TEST_AS_USER:-}" ] || {
		export CORRAL_TEST_AS_USER=1 HOME=/tmp
		exec setpriv --reuid 65533 --regid 65533 --clear-groups "$0" "$@"
	}
fi
for tool in umoci skopeo python3; do
	command -v $tool >/dev/null || { echo "no $tool"; exit 77; }
done
TMP=$(mktemp -d /tmp/corral-oci-tools-XXXXXX) || exit 1
trap 'chmod -R u+rwX "$TMP" 2>/dev/null; rm -rf "$TMP"' EXIT
cd "$TMP" || exit 1
mkdir root
echo x >root/f
if ! "$corral" run -- true >/dev/null 2>"$TMP/why"; then
	echo "no sandboxes here: $(cat "$TMP/why")"
	exit 77
fi
failed=0
fail() {
	echo "FAILED: $*"
	failed=1
}
store() { # N COMMAND...
	local n=$1
	shift
	CORRAL_IMAGES="$TMP/store$n" "$corral" image "$@"
}
rootless=()
[ "$(id -u)" = 0 ] || rootless=(--rootless)

cat >same.py <<'PY'
# usage: same.py A B squashed: says where two trees differ, but for what an ordinary user cannot have.
import os, stat, sys
squashed = sys.argv[3] == 'user'

def look(root):
	seen, inodes = {}, {}
	root = os.fsencode(root)
	for d, ds, fs in os.walk(root):
		for n in [b'.'] + ds + fs:
			p = os.path.normpath(os.path.join(d, n))
			s, rel = os.lstat(p), os.path.relpath(p, root)
			mode, attributes, data = s.st_mode, {}, None
			if squashed:
				mode = mode & ~0o6000 | (0o600 if stat.S_ISREG(mode) else 0o700 if stat.S_ISDIR(mode) else 0)
			if stat.S_ISREG(s.st_mode) or stat.S_ISDIR(s.st_mode):
				attributes = {a: os.getxattr(p, a) for a in os.listxattr(p) if not a.startswith('user.rootlesscontainers')}
			if stat.S_ISREG(s.st_mode):
				if squashed: os.chmod(p, s.st_mode | 0o400)
				data = open(p, 'rb').read()
				inodes.setdefault(s.st_ino, set()).add(rel)
			elif stat.S_ISLNK(s.st_mode):
				data = os.readlink(p)
			seen[rel] = (oct(mode), s.st_uid, s.st_gid, s.st_mtime_ns, data, sorted(attributes.items()))
	return seen, sorted(sorted(v) for v in inodes.values() if len(v) > 1)

(a, la), (b, lb) = look(sys.argv[1]), look(sys.argv[2])
bad = [k for k in sorted(set(a) | set(b)) if a.get(k) != b.get(k)]
for k in bad:
	x, y = a.get(k), b.get(k)
	print(k[:80], [v if not isinstance(v, bytes) else v[:40] for v in x or ()], [v if not isinstance(v, bytes) else v[:40] for v in y or ()])
if la != lb:
	print('links', la, lb)
sys.exit(1 if bad or la != lb else 0)
PY

# ---- an image of umoci's, with what roots have of odd files ----
fill() { # ROOT
	local r=$1 long
	long=$(printf 'x%.0s' $(seq 200))
	mkdir -p "$r/usr/bin" "$r/d/e/f" "$r/tmp" "$r/odd näme" "$r/s" "$r/$long/$long"
	chmod 1777 "$r/tmp"
	echo program >"$r/usr/bin/tool"
	chmod 4755 "$r/usr/bin/tool"
	ln "$r/usr/bin/tool" "$r/usr/bin/other"
	ln -s usr/bin "$r/bin"
	ln -s /nowhere "$r/dangling"
	mkfifo "$r/s/p"
	truncate -s 3M "$r/s/sparse"
	echo end >>"$r/s/sparse"
	echo deep >"$r/$long/$long/$long"
	echo secret >"$r/closed"
	chmod 0 "$r/closed"
	if [ "$(id -u)" = 0 ]; then
		chown 1000:100 "$r/d/e/f"
		chown -h 12:34 "$r/dangling"
		python3 -c 'import os, sys
os.setxattr(sys.argv[1], "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))' \
			"$r/usr/bin/other" 2>/dev/null
	fi
	python3 -c 'import os, sys
os.setxattr(sys.argv[1] + "/s", "user.a", b"\0binary\n")' "$r" 2>/dev/null
	chmod 2750 "$r/d/e/f"
	touch -d '2003-04-05 06:07:08.123456789' "$r/d/e/f" "$r/s"
}
umoci init --layout lay && umoci new --image lay:v1 && umoci unpack "${rootless[@]}" --image lay:v1 one >/dev/null || exit 1
fill one/rootfs
umoci repack --image lay:v1 one >/dev/null || exit 1
umoci unpack "${rootless[@]}" --image lay:v1 two >/dev/null || exit 1
rm -rf two/rootfs/d/e two/rootfs/usr/bin/tool two/rootfs/s
mkdir two/rootfs/s
echo new >two/rootfs/s/new
umoci repack --image lay:v2 two >/dev/null || exit 1
for v in v1 v2; do
	umoci unpack "${rootless[@]}" --image lay:$v is-$v >/dev/null || exit 1
	skopeo copy -q oci:lay:$v oci-archive:$v.tar:mine:$v || exit 1
	store 1 load -q $v.tar >$v.id || fail "load of $v"
	root=$(grep -o '"root":"[0-9a-f]*' "store1/images/$(cut -d: -f2 $v.id)" | cut -d'"' -f4)
	python3 same.py is-$v/rootfs "store1/roots/$root/tree" "$who" || fail "$v: umoci's tree is another"
done

# ---- what is saved is read again, by us and by others, and is always the same ----
for format in docker oci; do
	store 1 save -q --format $format mine:v1 mine:v2 >$format.tar || fail "save as $format"
	store 1 save -q --format $format mine:v1 mine:v2 | cmp - $format.tar || fail "$format: saved twice, two archives"
	gzip -c $format.tar | store 2$format load -q >ids || fail "load of $format"
	cat v1.id v2.id | cmp - ids || fail "$format: other digests"
	store 2$format save -q --format $format mine:v1 mine:v2 | cmp - $format.tar || fail "$format: saved by who loaded it"
done
store 1 save -q mine:v1 >v1-docker.tar
skopeo --tmpdir "$TMP" inspect docker-archive:v1-docker.tar >/dev/null || fail "skopeo and our docker archive"
store 1 save -q --format oci -o v1-oci.tar mine:v1
skopeo --tmpdir "$TMP" copy -q oci-archive:v1-oci.tar oci:back:v1 || fail "skopeo and our OCI archive"
[ "$(skopeo inspect --raw oci:back:v1 | sha256sum | cut -d' ' -f1)" = "$(cut -d: -f2 v1.id)" ] || fail "skopeo: another digest"
# As older Docker writes it, and a layout's directory.
skopeo --tmpdir "$TMP" copy -q oci:lay:v1 docker-archive:old.tar:old:1 || exit 1
store 3 load -q old.tar >/dev/null || fail "load of a docker archive"
store 4 load -q --name dir:1 back >/dev/null || fail "load of a directory"
store 4 list | grep -q dir:1 || fail "load --name"

# ---- imports: the same root is the same image, from a directory and from an archive ----
mkdir -p root/etc
ln -s etc root/link
touch -d '2020-01-01' root/etc root/f root
touch -h -d '2020-01-01' root/link
store 5 import -q root dir:1 >a || fail "import of a directory"
tar -C root --owner 0 --group 0 -cf root.tar .
xz -k root.tar
store 5 import -q root.tar.xz tar:1 >b || fail "import of an archive"
cmp a b || fail "a directory and its archive are two images"
store 5 save -q tar:1 | store 6 load -q >c || fail "load of what was imported"
cmp a c || fail "what was imported and saved is another image"

# ---- for programs ----
json() { python3 -c 'import json, sys
i = json.load(sys.stdin)[0]
assert i["built_for"] is None and sys.argv[1] in i["names"][0], i' "$1"; }
store 9 load --json v1.tar | json mine:v1 || fail "load --json"
store 9 import --json root.tar json:1 | json json:1 || fail "import --json"
store 9 import --workdir rel root no:1 2>err && fail "import with a relative directory"
grep -q "'rel' is not absolute" err || fail "import --workdir: $(cat err)"
store 9 import --env 'A B=1' root no:1 2>err && fail "import with half a variable"
grep -q "does not begin with a name" err || fail "import --env: $(cat err)"
# The name just given, whatever others it has.
store 9 import root.tar zz:1 | grep -q '^[^ ]*zz:1 ' || fail "import tells another name"
store 9 load --name yy:1 v1.tar | grep -q '^[^ ]*yy:1 ' || fail "load tells another name"
store 9 inspect --json json:1 | json json:1 || fail "inspect --json"

# ---- what is no image ----
echo junk | store 7 load -q 2>err && fail "junk was loaded"
tar -cf nothing.tar root
store 7 load -q nothing.tar 2>err && fail "a root was loaded"
grep -q "'nothing.tar': .*corral image import" err || fail "nobody says what to do: $(cat err)"
python3 - v1.tar bad.tar <<'PY'
import sys
data = bytearray(open(sys.argv[1], 'rb').read())
at = data.index(b'\x1f\x8b') + 300
data[at] ^= 0x40
open(sys.argv[2], 'wb').write(data)
PY
store 7 load -q bad.tar 2>err && fail "a changed layer was loaded"
grep -q 'is not what its name says' err || fail "another reason: $(cat err)"
[ -z "$(store 7 list -q)" ] || fail "something is there"
[ -z "$(ls store7/layers store7/partial 2>/dev/null | grep -v :)" ] || fail "left over: $(ls store7/*)"

# ---- killed at any time ----
for ms in 20 60 100 150 200 300 400 600; do
	CORRAL_IMAGES="$TMP/store8" timeout -s KILL 0.$(printf '%03d' $ms) "$corral" image load -q v2.tar >/dev/null 2>&1
	for id in $(store 8 list -q); do
		[ "$id" = "$(cat v2.id)" ] || fail "half an image after $ms ms: $id"
	done
done
store 8 load -q v2.tar >ids || fail "load after kills"
cmp v2.id ids || fail "another image after kills"
root=$(grep -o '"root":"[0-9a-f]*' "store8/images/$(cut -d: -f2 v2.id)" | cut -d'"' -f4)
python3 same.py is-v2/rootfs "store8/roots/$root/tree" "$who" || fail "another tree after kills"
exit $failed
