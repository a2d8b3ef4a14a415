#!/bin/bash
# kill -9 of corral in the middle of whatever changes the store of images: of pull, load, import, save, build, rm and
# prune, each before one of its system calls that change anything, or one of those it started (tests/kill.c). The store
# then can be listed, no half image is in it, the same command does it all, and nothing is left behind for good.
#
# Some calls in each run; CORRAL_STORE_KILLS=all (or a number) says at how many of each command's.
#
# usage: kill.sh CORRAL KILL            exit 77: what it takes is not there
set -euo pipefail
trap 'echo "line $LINENO: status $?"' ERR

corral=$(realpath -e "$1") kill=$(realpath -e "$2")

skip() {
	echo "skipped: $1"
	[ "${CORRAL_TESTS_MUST_RUN:-}" != 1 ] || exit 1
	exit 77
}

[ "$(id -u)" = 0 ] || {
	echo "not for an ordinary user: tracing what has ids of its own"
	exit 77
}
for program in python3 busybox; do
	command -v "$program" >/dev/null || skip "$program is not installed"
done
! file -L "$(command -v busybox)" 2>/dev/null | grep -q dynamic || skip "busybox is not static (busybox-static)"
! reason=$("$corral" run -- true 2>&1) || reason=
[ -z "$reason" ] || skip "no sandboxes here: $reason"
"$kill" 0 true 2>/dev/null || skip "ptrace(2) of a child"

# In memory where that can be: the disk is waited for often.
base=${TMPDIR:-/tmp}
[ ! -w /dev/shm ] || base=/dev/shm
work=$(mktemp -d "$base/corral-kill.XXXXXX")
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
# Sanitizers look for leaks by ptrace(2) themselves.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
export CORRAL_IMAGES=$work/store HOME=$work XDG_CONFIG_HOME=$work
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY DOCKER_CONFIG
failures=0

fail() {
	echo "FAIL: $*"
	failures=$((failures + 1))
}

# ---- what there is: a root that knows what belongs to it, an image built upon it, and both as files and by a registry ----

mkdir -p root/{bin,dev,proc,tmp,etc,d/e}
cp "$(command -v busybox)" root/bin/busybox
for applet in sh cat md5sum find sort xargs rm mkdir ln; do
	ln -s busybox "root/bin/$applet"
done
for n in 1 2 3 4; do
	head -c 20000 /dev/urandom >"root/d/$n"
done
ln root/d/1 root/d/e/link
sum='cd / && find bin d -type f | sort | xargs md5sum >/sums'
(cd root && find bin d -type f | LC_ALL=C sort | xargs md5sum >sums)
cat >b.json <<JSON
{ "name": "b", "base_image": "base:1", "packages": [],
  "setup_commands": [ "rm /d/2; rm -r /d/e; mkdir /d/e; echo new >/d/e/new; ln /d/1 /d/hard", "$sum" ] }
JSON
"$corral" image import -q root base:1 >/dev/null
"$corral" runtime build --network none ./b.json >build.log 2>&1 || { cat build.log && exit 1; }
built=$("$corral" image list --json | python3 -c 'import json,sys
print([n for i in json.load(sys.stdin) for n in i["names"] if "corral-runtime:" in n][0])')
"$corral" image tag "$built" both:1
"$corral" image save -q -o base.tar base:1
"$corral" image save -q -o both.tar both:1
"$corral" image save -q --format oci -o both.oci both:1
mv store both
mkdir layout && tar -C layout -xf both.oci
CORRAL_IMAGES=$work/base "$corral" image load -q base.tar >/dev/null
mkdir -m 700 empty
cat >registry.py <<'PYTHON'
import http.server, json, os, sys
index = json.load(open("layout/index.json"))["manifests"][0]
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a):
        pass
    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        manifest = "/manifests/" in self.path
        digest = index["digest"] if manifest and ":" not in name else name
        path = "layout/blobs/sha256/" + digest[7:]
        found = ":" in digest and os.path.exists(path)
        data = open(path, "rb").read() if found else b"{}"
        self.send_response(200 if found or self.path == "/v2/" else 404)
        self.send_header("Content-Type", index["mediaType"] if manifest else "application/octet-stream")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)
    do_HEAD = do_GET
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(s.server_address[1], file=open("port.new", "w"), flush=True)
os.rename("port.new", "port")
s.serve_forever()
PYTHON
python3 registry.py &
server=$!
for ((i = 0; i < 100; i++)); do
	[ ! -e port ] || break
	sleep 0.1
done
pulled=127.0.0.1:$(cat port)/both:1

# ---- what is seen ----

# Names and what they are, but for what a build makes another each time. usage: names
names() {
	"$corral" image list --json | python3 -c 'import json, sys
print("\n".join(sorted("%s %d" % (n, len(i["names"])) for i in json.load(sys.stdin) for n in i["names"])))'
}

# How many of what there are in the store; nothing is in the making.
entries() {
	local dir
	for dir in blobs/sha256 layers roots images names partial; do
		echo "$dir $(find "$CORRAL_IMAGES/$dir" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)"
	done
}

# usage: whole WHAT: whatever can be named is all there
whole() {
	local id
	"$corral" image list -q >ids 2>err || fail "$1: list: $(cat err)"
	while read -r id; do
		# shellcheck disable=SC2016 # for the shell in there
		"$corral" run --pull never --image "$id" -- /bin/sh -c 'cd / && md5sum -c -s /sums && [ "$(cat /sums)" ]' \
			</dev/null >err 2>&1 || fail "$1: half an image: $(head -3 err)"
	done <ids
}

fresh() { # STORE
	rm -rf "$CORRAL_IMAGES"
	cp -a "$work/$1" "$CORRAL_IMAGES"
}

# usage: killed NAME STORE KILLS COMMAND...
killed() {
	local name=$1 store=$2 few=$3 calls k status n=0
	shift 3
	fresh "$store"
	"$kill" 0 "$corral" "$@" >out 2>err || fail "$name: $(cat err)"
	calls=$(sed -n 's/^calls //p' err)
	names >"$name.names"
	"$corral" image prune >/dev/null
	entries >"$name.entries"
	for k in $("$kill" --at "$calls" "$few"); do
		fresh "$store"
		status=0
		"$kill" "$k" "$corral" "$@" >out 2>err || status=$?
		# With fewer calls than before it came to its end.
		[ "$status" = 137 ] || [ "$status" = 0 ] || fail "$name killed at $k: status $status: $(cat err)"
		whole "$name killed at $k of $calls"
		status=0
		"$corral" "$@" >out 2>err || status=$?
		# Of what is to be removed, some may be gone already; the rest goes all the same.
		[ "$status" = 0 ] || [ "$name" = rm ] || fail "$name after a kill at $k of $calls: $(cat err)"
		names | diff "$name.names" - >diff.out || fail "$name killed at $k of $calls, and again: $(cat diff.out)"
		"$corral" image prune >/dev/null || fail "$name killed at $k of $calls: prune"
		entries | diff "$name.entries" - >diff.out ||
			fail "$name killed at $k of $calls, again and pruned: $(cat diff.out)"
		n=$((n + 1))
	done
	whole "$name killed at $k of $calls, and again"
	echo "$name: killed at $n of $calls calls"
}

killed pull empty 2 image pull -q "$pulled"
killed load base 2 image load -q both.tar
killed import empty 1 image import -q root base:1
killed build base 2 runtime build --network none ./b.json
killed rm both 1 image rm both:1 "$built"
killed prune both 1 image prune --all

# What is saved to a file is there as a whole or not at all (under another name it may be in part).
rm -rf store && cp -a both store
for k in 1 10 30 40; do
	rm -f saved.tar
	"$kill" "$k" "$corral" image save -q -o saved.tar base:1 >out 2>err || true
	[ ! -e saved.tar ] || cmp saved.tar base.tar || fail "save killed at $k: half a file"
done
[ "$failures" = 0 ] || exit 1
