#!/bin/bash
# Runtimes built with the package managers themselves: pip, npm, cargo and apt, in a Debian of which mirrors are in a
# network that is the test's, which builds reach by network bridge. What was installed runs, as what it was built for.
#
# usage: packages.sh CORRAL            exit 77: what it takes is not there
set -euo pipefail
trap 'echo "line $LINENO: status $?"' ERR

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
corral=$(realpath -e "$1")

skip() {
	echo "skipped: $1"
	[ "${CORRAL_TESTS_MUST_RUN:-}" != 1 ] || exit 1
	exit 77
}

if [ "${2:-}" != inside ]; then
	[ "$(id -u)" = 0 ] || {
		echo "not for an ordinary user: a network that is the test's"
		exit 77
	}
	for program in ip nsenter python3 dpkg-deb zstd nft; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
	unshare -nm true 2>/dev/null || skip "no namespaces of network and mounts here"
	reason=$("$here/../../tools/vm/image.sh" --check 2>&1) || skip "no base system: $reason"
	base=$("$here/../../tools/vm/image.sh")/root.tar.zst
	work=$(mktemp -d /tmp/corral-packages.XXXXXX)
	trap 'rm -rf "$work"' EXIT
	# PID 1 of a namespace: all that it starts goes with it.
	CORRAL_TEST_WORK=$work unshare -nmpf --kill-child "${BASH_SOURCE[0]}" "$corral" inside "$base"
	exit
fi

work=$CORRAL_TEST_WORK base=$3
cd "$work"
mount -t proc proc /proc
# What rustup has in PATH chooses among toolchains of its user's home, and is none itself.
cargo=$(rustc --print sysroot 2>/dev/null || true)/bin/cargo
[ -x "$cargo" ] || cargo=$(readlink -f "$(command -v cargo)" || true)
export CORRAL_IMAGES=$work/store HOME=$work/home XDG_CONFIG_HOME=$work/config
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY
failures=0

fail() {
	echo "FAIL: $*"
	failures=$((failures + 1))
}

# ---- what the mirrors have ----

mkdir -p www/simple/corral-hello www/npm/files www/apt www/cargo/{dl,co/rr}
python3 - <<'PYTHON'
import base64, hashlib, io, json, tarfile, zipfile

name = "corral_hello-1.0-py3-none-any.whl"
with zipfile.ZipFile("www/simple/corral-hello/" + name, "w") as z:
    z.writestr("corral_hello.py", "def main():\n    print('hello of pip')\n")
    info = "corral_hello-1.0.dist-info/"
    z.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: corral-hello\nVersion: 1.0\n")
    z.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    z.writestr(info + "entry_points.txt", "[console_scripts]\ncorral-hello = corral_hello:main\n")
    z.writestr(info + "RECORD", "".join(n + ",,\n" for n in z.namelist() + [info + "RECORD"]))
digest = hashlib.sha256(open("www/simple/corral-hello/" + name, "rb").read()).hexdigest()
open("www/simple/corral-hello/index.html", "w").write(f'<a href="{name}#sha256={digest}">{name}</a>')

about = {"name": "corral-hello", "version": "1.0.0", "main": "index.js", "bin": {"corral-hello": "index.js"}}
files = {"package.json": json.dumps(about), "index.js": "#!/usr/bin/env node\nconsole.log('hello of npm')\n"}
with tarfile.open("www/npm/files/corral-hello-1.0.0.tgz", "w:gz") as t:
    for path, text in files.items():
        i = tarfile.TarInfo("package/" + path)
        i.size, i.mode = len(text), 0o755
        t.addfile(i, io.BytesIO(text.encode()))
data = open("www/npm/files/corral-hello-1.0.0.tgz", "rb").read()
about["dist"] = {"tarball": "http://11.0.0.1/npm/files/corral-hello-1.0.0.tgz",
                 "integrity": "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()}
json.dump({"name": "corral-hello", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": about}},
          open("www/npm/corral-hello", "w"))

files = {"Cargo.toml": '[package]\nname = "corral-hello"\nversion = "1.0.0"\n', "src/main.rs": "fn main() {}\n"}
with tarfile.open("www/cargo/dl/corral-hello-1.0.0.crate", "w:gz") as t:
    for path, text in files.items():
        i = tarfile.TarInfo("corral-hello-1.0.0/" + path)
        i.size = len(text)
        t.addfile(i, io.BytesIO(text.encode()))
digest = hashlib.sha256(open("www/cargo/dl/corral-hello-1.0.0.crate", "rb").read()).hexdigest()
json.dump({"dl": "http://11.0.0.1/cargo/dl/{crate}-{version}.crate"}, open("www/cargo/config.json", "w"))
json.dump({"name": "corral-hello", "vers": "1.0.0", "deps": [], "cksum": digest, "features": {}, "yanked": False},
          open("www/cargo/co/rr/corral-hello", "w"))
PYTHON
mkdir -p deb/{DEBIAN,usr/bin,var/lib/corral-hello}
printf '#!/bin/sh\necho hello of apt\n' >deb/usr/bin/corral-hello
# Of another owner than root, and with a script, as packages are.
printf '#!/bin/sh\nset -e\nchown daemon:daemon /var/lib/corral-hello\nchmod 2750 /var/lib/corral-hello\n' >deb/DEBIAN/postinst
chmod 755 deb/usr/bin/corral-hello deb/DEBIAN/postinst
printf '%s\n' 'Package: corral-hello' 'Version: 1.0' 'Architecture: all' 'Maintainer: tests <tests@localhost>' \
	'Description: says hello' >deb/DEBIAN/control
dpkg-deb --root-owner-group -Zxz -b deb www/apt/corral-hello.deb >/dev/null
{
	cat deb/DEBIAN/control
	printf 'Filename: ./corral-hello.deb\nSize: %s\nSHA256: %s\n' "$(stat -c %s www/apt/corral-hello.deb)" \
		"$(sha256sum <www/apt/corral-hello.deb | cut -d' ' -f1)"
} >www/apt/Packages

# ---- where they are ----

unshare -n sleep 600 &
mirror=$!
for ((i = 0; i < 100; i++)); do
	[ "$(readlink /proc/$mirror/ns/net)" = "$(readlink /proc/self/ns/net)" ] || break
	sleep 0.05
done
ip link set lo up
ip link add up0 type veth peer name mirror0 netns "$mirror"
ip address add 11.0.0.2/24 dev up0
ip link set up0 up
nsenter -t "$mirror" -n sh -c 'ip link set lo up; ip address add 11.0.0.1/24 dev mirror0; ip link set mirror0 up'
ip route add default via 11.0.0.1
echo 1 >/proc/sys/net/ipv4/ip_forward
(cd www && exec nsenter -t "$mirror" -n python3 -u -m http.server 80) >www.log 2>&1 &
for ((i = 0; i < 100; i++)); do
	! (: <>/dev/tcp/11.0.0.1/80) 2>/dev/null || break
	sleep 0.1
done

# ---- the base: Debian, with what of pip, npm and cargo the host has ----

# Libraries of a program, but for those that the base has in another version.
libraries_of() { # PROGRAM
	ldd "$1" | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | while read -r library; do
		case $library in */libc.so.* | */libm.so.* | */libdl.so.* | */libpthread.so.* | */librt.so.*) continue ;; esac
		mkdir -p more/usr/local/lib && cp -L "$library" more/usr/local/lib/
	done
}

managers=(apt)
mkdir -p more/{etc/apt,usr/etc,usr/bin,usr/lib/node_modules,usr/lib/python3/dist-packages}
echo 'deb [trusted=yes] http://11.0.0.1/apt ./' >more/etc/apt/sources.list
printf '[global]\nindex-url = http://11.0.0.1/simple\ntrusted-host = 11.0.0.1\ndisable-pip-version-check = true\n' \
	>more/etc/pip.conf
echo 'registry=http://11.0.0.1/npm/' >more/usr/etc/npmrc
wheel=$(find /usr/share/python-wheels "$(python3 -c 'import ensurepip; print(ensurepip.__path__[0])' 2>/dev/null || echo /)/_bundled" \
	-maxdepth 1 -name 'pip-*.whl' 2>/dev/null | tail -n 1)
if [ -n "$wheel" ]; then
	python3 -m zipfile -e "$wheel" more/usr/lib/python3/dist-packages
	printf '#!/usr/bin/python3\nfrom pip._internal.cli.main import main\nraise SystemExit(main())\n' >more/usr/bin/pip
	chmod 755 more/usr/bin/pip
	managers+=(pip)
else
	echo "skipped: pip: no wheel of it on this host"
fi
npm=$(readlink -f "$(command -v npm)" || true) node=$(readlink -f "$(command -v node)" || true)
case $npm in
*/node_modules/npm/bin/npm-cli.js)
	cp -a "${npm%/bin/npm-cli.js}" more/usr/lib/node_modules/
	ln -s ../lib/node_modules/npm/bin/npm-cli.js more/usr/bin/npm
	cp "$node" more/usr/bin/node
	libraries_of "$node"
	managers+=(npm)
	;;
*) echo "skipped: npm: it is not installed as usual on this host" ;;
esac
# Indexes that are fetched file by file came with 1.68.
version=$("${cargo:-false}" --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\).*/\1/p')
if [ "${version:-0}" -ge 68 ]; then
	cp "$cargo" more/usr/bin/cargo
	libraries_of "$cargo"
	# Half a gigabyte of compiler is not what this is about.
	cp "$here/rustc.sh" more/usr/bin/rustc
	mkdir -p more/root/.cargo
	printf '[source.crates-io]\nreplace-with = "test"\n[source.test]\nregistry = "sparse+http://11.0.0.1/cargo/"\n' \
		>more/root/.cargo/config.toml
	managers+=(cargo)
else
	echo "skipped: cargo: none of 1.68 or later on this host"
fi
zstd -qdc "$base" >root.tar
# Devices are in no image.
tar --delete -f root.tar --wildcards './dev/*'
tar -rf root.tar --owner 0 --group 0 -C more .
"$corral" image import -q root.tar debian:1 >/dev/null
rm root.tar

# ---- built, and used ----

# usage: build MANAGER SETUP_COMMAND...
build() {
	local manager=$1
	shift
	python3 - "$manager" "$@" >"$manager.json" <<'PYTHON'
import json, sys
json.dump({"name": "by-" + sys.argv[1], "base_image": "debian:1", "packages": ["corral-hello"], "work_dir": "/srv/app",
           "package_manager": sys.argv[1], "setup_commands": sys.argv[2:]}, sys.stdout)
PYTHON
	"$corral" runtime build "./$manager.json" >"$manager.log" 2>&1 || {
		fail "$manager: $(tail -n 20 "$manager.log")"
		return 0
	}
	image=$("$corral" image list --json | python3 -c 'import json,sys
print([n for i in json.load(sys.stdin) for n in i["names"] if "corral-runtime:by-" + sys.argv[1] in n][0])' "$manager")
	tree=$CORRAL_IMAGES/roots/$("$corral" image inspect --json "$image" |
		python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["root"])')/tree
}

# usage: prints TEXT MANAGER COMMAND...
prints() {
	local text=$1 manager=$2 said
	shift 2
	said=$("$corral" run --runtime "./$manager.json" -- "$@" 2>&1) || true
	[ "$said" = "$text" ] || fail "$manager: '$*' says '$said'"
}

nothing_in() { # MANAGER PATH...
	local manager=$1 path
	shift
	for path; do
		[ -z "$(find "$tree/$path" -type f 2>/dev/null | head -n 1)" ] ||
			fail "$manager: in the image is $(find "$tree/$path" -type f | head -n 1)"
	done
}

for manager in "${managers[@]}"; do
	tree=
	case $manager in
	apt)
		build apt
		[ -n "$tree" ] || continue
		prints 'hello of apt' apt corral-hello
		# shellcheck disable=SC2016 # for dpkg-query
		prints 'ii  corral-hello' apt dpkg-query -W -f '${db:Status-Abbrev} ${Package}' corral-hello
		prints 'daemon daemon 2750' apt stat -c '%U %G %a' /var/lib/corral-hello
		nothing_in apt var/cache/apt/archives/partial var/lib/apt/lists/partial
		[ -z "$(find "$tree/var" -name '*.deb' -o -name '*11.0.0.1*')" ] || fail "apt: what it fetched is in the image"
		;;
	pip)
		# Where the distribution would rather have its own.
		build pip 'rm -f /usr/lib/python3*/EXTERNALLY-MANAGED'
		[ -n "$tree" ] || continue
		prints 'hello of pip' pip corral-hello
		nothing_in pip root/.cache
		;;
	npm)
		build npm ldconfig
		[ -n "$tree" ] || continue
		prints 'hello of npm' npm /srv/app/node_modules/.bin/corral-hello
		nothing_in npm root/.npm
		;;
	cargo)
		build cargo ldconfig
		[ -n "$tree" ] || continue
		prints 'hello of cargo' cargo /root/.cargo/bin/corral-hello
		nothing_in cargo root/.cargo/registry
		# Anew, of what the first build fetched.
		build cargo ldconfig true
		prints 'hello of cargo' cargo /root/.cargo/bin/corral-hello
		[ "$(grep -c 'GET /cargo/dl/' www.log)" = 1 ] || fail "cargo fetches again what is there"
		;;
	esac
	echo "$manager: as expected"
done
grep -q 'GET /apt/corral-hello.deb' www.log || grep -q 'GET /apt/./corral-hello.deb' www.log || fail "nobody asked the mirror"

# ---- what is not there is said ----

sed 's/corral-hello/corral-no-such/' apt.json >none.json
! "$corral" runtime build ./none.json >none.log 2>&1 || fail "a package that is not there was installed"
grep -q 'Unable to locate package corral-no-such' none.log || fail "what is not there: $(tail -n 5 none.log)"
if [ -e cargo.json ]; then
	sed 's/corral-hello/corral-no-such/' cargo.json >none.json
	! "$corral" runtime build ./none.json >none.log 2>&1 || fail "a crate that is not there was installed"
	grep -q 'could not find .corral-no-such. in registry' none.log || fail "what is not there: $(tail -n 5 none.log)"
fi
[ "$failures" = 0 ] || exit 1
