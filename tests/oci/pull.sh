#!/bin/bash
# corral image pull against Debian's docker-registry: plain, with passwords, with tokens, by https; broken off, killed
# and gone on with; and registries that lie. In a network and a mount namespace of its own, whose loopback device
# has an address that is none of loopback's, too.
#
# usage: pull.sh CORRAL            exit 77: what it takes is not there
set -euo pipefail
trap 'echo "line $LINENO: status $?"' ERR

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
corral=$(realpath "$1")

skip() {
	echo "skipped: $1"
	[ "${CORRAL_TESTS_MUST_RUN:-}" != 1 ] || exit 1
	exit 77
}

if [ "${2:-}" != inside ]; then
	[ "$(id -u)" = 0 ] || skip "the registry is started by root alone"
	"$here/../docker/registry.sh" --check || skip "no registry"
	for program in skopeo umoci openssl python3 ip; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
	unshare -nm true 2>/dev/null || skip "no namespaces of network and mounts here"
	work=$(mktemp -d /tmp/corral-pull.XXXXXX)
	trap 'rm -rf "$work"' EXIT
	# PID 1 of a namespace: all that it starts goes with it.
	CORRAL_TEST_WORK=$work unshare -nmpf --kill-child "${BASH_SOURCE[0]}" "$corral" inside
	exit
fi

work=$CORRAL_TEST_WORK
cd "$work"
mount -t proc proc /proc
ip link set lo up
ip address add 192.0.2.1/32 dev lo
export CORRAL_IMAGES=$work/store HOME=$work/home XDG_CONFIG_HOME=$work/config
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY DOCKER_CONFIG
mkdir -p "$HOME/.docker" "$XDG_CONFIG_HOME/corral"
failures=0

fail() {
	echo "FAIL: $*"
	failures=$((failures + 1))
}

# usage: says TEXT COMMAND...: it fails, and says so
says() {
	local text=$1 out status=0
	shift
	out=$("$@" 2>&1) || status=$?
	[ "$status" = 125 ] || fail "status $status of: $*: $out"
	grep -qF -- "$text" <<<"$out" || fail "'$text' is not in: $out"
}

fresh() {
	rm -rf "$CORRAL_IMAGES"
}

pull() {
	timeout 60 "$corral" image pull "$@"
}

listens() { # ADDRESS PORT
	local tries
	for ((tries = 0; tries < 400; tries++)); do
		! (: <>"/dev/tcp/$1/$2") 2>/dev/null || return 0
		sleep 0.1
	done
	fail "nobody listens on $1:$2"
}

# One line for each file: kind, mode, owner, size or target, path; contents as a sum.
tree() {
	(cd "$1" && find . ! -name . -printf '%y %m %U:%G %l %p\n' | LC_ALL=C sort &&
		find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum)
}

# ---- an image, by others ----

umoci init --layout layout
umoci new --image layout:1
umoci unpack --image layout:1 bundle
mkdir -p bundle/rootfs/{bin,etc/sub,tmp}
echo one >bundle/rootfs/etc/one
echo two >bundle/rootfs/etc/sub/two
chmod 1777 bundle/rootfs/tmp
chmod 4755 bundle/rootfs/etc/sub/two
ln bundle/rootfs/etc/one bundle/rootfs/etc/hard
ln -s ../one bundle/rootfs/etc/sub/soft
chown 7:8 bundle/rootfs/etc/sub/two
head -c 12000000 /dev/urandom >bundle/rootfs/etc/big
umoci repack --refresh-bundle --image layout:1 bundle
rm bundle/rootfs/etc/one && rm -r bundle/rootfs/etc/sub && mkdir bundle/rootfs/etc/sub
echo three >bundle/rootfs/etc/three
umoci repack --refresh-bundle --image layout:1 bundle
umoci config --image layout:1 --config.env A=b --config.workingdir /etc
umoci unpack --image layout:1 expected

serve() { # DIR PORT [auth]
	setpriv --pdeathsig KILL "$here/../docker/registry.sh" serve "$@" &
	listens 127.0.0.1 "$2"
}

n_layers=$(umoci stat --image layout:1 --json | python3 -c 'import json,sys; print(len([h for h in json.load(sys.stdin)["history"] if h["layer"]]))')
serve "$work/registry" 5000
plain=127.0.0.1:5000
skopeo copy -q --dest-tls-verify=false oci:layout:1 "docker://$plain/a/b:1"
skopeo copy -q --dest-tls-verify=false -f v2s2 oci:layout:1 "docker://$plain/a/b:docker"

# ---- plain ----

check_tree() {
	local root
	root=$("$corral" image inspect --json "$1" | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["root"])')
	diff <(tree expected/rootfs) <(tree "$CORRAL_IMAGES/roots/$root/tree") >diff.out ||
		fail "the tree of $1 differs from umoci's: $(head -5 diff.out)"
}

pull "$plain/a/b:1" >out 2>&1 || fail "plain: $(cat out)"
grep -q "^$plain/a/b:1  sha256:" out || fail "pull says: $(cat out)"
check_tree "$plain/a/b:1"
digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$plain/a/b:1")
[ "$(pull -q "$plain/a/b:1")" = "$digest" ] || fail "the digest is not skopeo's"
pull -q "$plain/a/b:docker" >/dev/null || fail "schema 2"
check_tree "$plain/a/b:docker"
pull -q "$plain/a/b@$digest" >/dev/null || fail "by digest"
[ "$(find "$CORRAL_IMAGES/layers" -mindepth 1 -maxdepth 1 | wc -l)" = "$n_layers" ] ||
	fail "layers are there more than once: $(ls "$CORRAL_IMAGES/layers")"
[ -z "$(ls "$CORRAL_IMAGES/partial")" ] || fail "something is left in partial"
pull --json "$plain/a/b:1" | python3 -c 'import json,sys; assert json.load(sys.stdin)[0]["env"] == ["A=b"]' ||
	fail "--json"
says "404 (manifest unknown" pull "$plain/a/b:2"
says "nobody answers at 127.0.0.1:1" pull 127.0.0.1:1/a/b
says "no image for linux/arm64" pull --platform linux/arm64 "$plain/a/b:1"

# ---- mirrors and insecure registries, of the configuration ----

fresh
says "Could not" pull registry.invalid/a/b:1
echo '{"mirrors": {"registry.invalid": ["'$plain'"]}}' >"$XDG_CONFIG_HOME/corral/registries.json"
pull -q registry.invalid/a/b:1 >/dev/null || fail "a mirror of the configuration"
echo '{"mirors": {}}' >"$XDG_CONFIG_HOME/corral/registries.json"
says "registries.json': mirors: not known here" pull "$plain/a/b:1"
rm "$XDG_CONFIG_HOME/corral/registries.json"
fresh
pull -q --mirror "registry.invalid=$plain" registry.invalid/a/b:1 >/dev/null || fail "--mirror"

# ---- killed, and gone on with ----

# Lets so many bytes through of each connection, then no more: a line that breaks. usage: relay.py PORT TO BYTES LOG
cat >relay.py <<'PYTHON'
import socket, sys, threading
port, to, limit, log = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), open(sys.argv[4], "a")
def serve(c):
    u = socket.create_connection(("127.0.0.1", to))
    def up():
        try:
            while d := c.recv(65536):
                for line in d.split(b"\r\n"):
                    if line[:5] in (b"GET /", b"Range"):
                        print(line.decode(), file=log, flush=True)
                u.sendall(d)
        except OSError:
            pass
    threading.Thread(target=up, daemon=True).start()
    n = 0
    try:
        while d := u.recv(65536):
            n += len(d)
            c.sendall(d)
            if limit > 0 and n > limit:
                break
            if limit < 0 and n > -limit:
                threading.Event().wait()
    except OSError:
        pass
    try:
        # Closed alone, it would stay open while the other thread reads from it.
        c.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    u.close()
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", port))
s.listen(64)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
PYTHON
python3 relay.py 5001 5000 3000000 breaks.log &
listens 127.0.0.1 5001
fresh
pull -q 127.0.0.1:5001/a/b:1 >/dev/null || fail "a line that breaks"
grep -q '^Range: bytes=' breaks.log || fail "what broke off was not gone on with"

python3 relay.py 5002 5000 -5000000 stalls.log &
listens 127.0.0.1 5002
fresh
"$corral" image pull -q 127.0.0.1:5002/a/b:1 >out 2>&1 &
pid=$!
for ((i = 0; i < 800; i++)); do
	size=$( (find "$CORRAL_IMAGES/partial" -name 'blob-*' -size +4000k 2>/dev/null || true) | wc -l)
	[ "$size" = 0 ] || break
	sleep 0.05
done
[ "$size" != 0 ] || fail "nothing came through the relay: $(cat out)"
kill -KILL "$pid"
wait "$pid" 2>/dev/null || true
: >stalls.log
pull -q "127.0.0.1:5001/a/b:1" >/dev/null || fail "after a kill"
grep -qE '^Range: bytes=[4-9][0-9]{6}-' breaks.log || fail "a killed pull was not gone on with: $(cat breaks.log)"
# Interrupted, it ends by itself and says so.
fresh
"$corral" image pull -q 127.0.0.1:5002/a/b:1 >out 2>&1 &
pid=$!
sleep 0.7
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
[ "$status" = 143 ] || fail "status $status after SIGTERM: $(cat out)"
[ -z "$("$corral" image list --quiet)" ] || fail "an interrupted pull left an image"

# Two at once: each blob comes once.
fresh
python3 relay.py 5003 5000 0 both.log &
listens 127.0.0.1 5003
pull -q 127.0.0.1:5003/a/b:1 >/dev/null &
one=$!
pull -q 127.0.0.1:5003/a/b:1 >/dev/null || fail "the second of two"
wait "$one" || fail "the first of two"
[ "$(grep -c '^GET /v2/a/b/blobs/' both.log)" = 3 ] || fail "two at once: $(cat both.log)"

# ---- who asks ----

serve "$work/auth" 5004 auth
skopeo copy -q --dest-tls-verify=false --dest-creds joe:s3cret oci:layout:1 docker://127.0.0.1:5004/a/b:1
fresh
says "; try: docker login 127.0.0.1:5004" pull 127.0.0.1:5004/a/b:1
echo '{"auths":{"127.0.0.1:5004":{"auth":"am9lOnMzY3JldA=="}}}' >"$HOME/.docker/config.json"
pull -q 127.0.0.1:5004/a/b:1 >/dev/null || fail "with a password"
echo '{"auths":{"127.0.0.1:5004":{"auth":"am9lOngK"}}}' >"$HOME/.docker/config.json"
says "with credentials of '$HOME/.docker/config.json'" pull 127.0.0.1:5004/a/b:1

# Tokens: the registry trusts a key; this server signs with it what it is asked for.
openssl req -x509 -newkey rsa:2048 -nodes -keyout token.key -out token.crt -days 2 -subj /CN=tokens 2>/dev/null
cat >tokens.py <<'PYTHON'
import base64, http.server, json, subprocess, sys, time, urllib.parse
def b64(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=")
crt = "".join(open("token.crt").read().split("\n")[1:-2])
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a):
        pass
    def do_GET(self):
        q = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        print(self.path, self.headers.get("Authorization"), file=open("tokens.log", "a"))
        access = []
        if self.headers.get("Authorization") == "Basic am9lOnMzY3JldA==":
            for s in q.get("scope", []):
                kind, name, actions = s.rsplit(":", 2)[0].split(":")[0], s.split(":")[1], s.rsplit(":", 1)[1].split(",")
                access.append({"type": kind, "name": name, "actions": actions})
        now = int(time.time())
        head = b64(json.dumps({"typ": "JWT", "alg": "RS256", "x5c": [crt]}).encode())
        body = b64(json.dumps({"iss": "tests", "sub": "joe", "aud": q["service"][0], "exp": now + 300, "nbf": now - 10,
                               "iat": now, "jti": str(now), "access": access}).encode())
        sign = subprocess.run(["openssl", "dgst", "-sha256", "-sign", "token.key"], input=head + b"." + body,
                              stdout=subprocess.PIPE, check=True).stdout
        answer = json.dumps({"token": (head + b"." + body + b"." + b64(sign)).decode(), "expires_in": 300}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
http.server.ThreadingHTTPServer(("127.0.0.1", 5006), Handler).serve_forever()
PYTHON
python3 tokens.py &
listens 127.0.0.1 5006
cat >token.yml <<TEXT
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/registry/data}}
http: {addr: "127.0.0.1:5005"}
auth: {token: {realm: "http://127.0.0.1:5006/token", service: tests, issuer: tests, rootcertbundle: $work/token.crt}}
TEXT
setpriv --pdeathsig KILL docker-registry serve token.yml >token.log 2>&1 &
listens 127.0.0.1 5005
echo '{"auths":{"127.0.0.1:5005":{"auth":"am9lOnMzY3JldA=="}}}' >"$HOME/.docker/config.json"
fresh
pull -q 127.0.0.1:5005/a/b:1 >/dev/null || fail "with a token"
[ "$(wc -l <tokens.log)" = 1 ] || fail "tokens: $(cat tokens.log)"
grep -q 'scope=repository%3Aa%2Fb%3Apull Basic' tokens.log || fail "tokens: $(cat tokens.log)"
rm "$HOME/.docker/config.json"
fresh
says "; try: docker login 127.0.0.1:5005" pull 127.0.0.1:5005/a/b:1

# ---- https, at an address that is not loopback's ----

openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.crt -days 2 -subj /CN=192.0.2.1 \
	-addext subjectAltName=IP:192.0.2.1 2>/dev/null
mkdir -p /etc/containers
mount -t tmpfs none /etc/containers
cat >tls.yml <<TEXT
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/registry/data}}
http: {addr: "192.0.2.1:443", tls: {certificate: $work/tls.crt, key: $work/tls.key}}
TEXT
setpriv --pdeathsig KILL docker-registry serve tls.yml >tls.log 2>&1 &
sed 's/192.0.2.1:443, tls.*/x/; s/^http: .*/http: {addr: "192.0.2.1:5007"}/' tls.yml >http.yml
echo "auth: {htpasswd: {realm: x, path: $work/auth/htpasswd}}" >>http.yml
setpriv --pdeathsig KILL docker-registry serve http.yml >http.log 2>&1 &
listens 192.0.2.1 443
listens 192.0.2.1 5007
fresh
says "certificate" pull 192.0.2.1/a/b:1
mkdir -p /etc/containers/certs.d/192.0.2.1
cp tls.crt /etc/containers/certs.d/192.0.2.1/ca.crt
pull -q 192.0.2.1/a/b:1 >/dev/null || fail "a certificate of certs.d"
rm -r /etc/containers/certs.d
fresh
pull -q --insecure 192.0.2.1 192.0.2.1/a/b:1 >/dev/null || fail "a certificate that nobody looks at"
# By http only when it is said; and then it is told no password.
says "pull 192.0.2.1:5007/a/b:1" pull 192.0.2.1:5007/a/b:1
echo '{"auths":{"192.0.2.1:5007":{"auth":"am9lOnMzY3JldA=="}}}' >"$HOME/.docker/config.json"
says "not sent where anybody could listen" pull --insecure 192.0.2.1:5007 192.0.2.1:5007/a/b:1

# ---- registries that lie ----

blob=$(find "$work/registry/data" -path '*blobs/sha256*' -name data -size +5000k)
cp "$blob" blob.good
fresh
printf 'x' | dd of="$blob" bs=1 seek=1000 conv=notrunc status=none
says "what came for blob sha256:" pull "$plain/a/b:1"
[ -z "$(find "$CORRAL_IMAGES/"{partial,images} -mindepth 1)" ] || fail "something is left of a lie"
truncate -s 1000000 "$blob"
says "it has 1000000 bytes, and its manifest says" pull "$plain/a/b:1"
cp blob.good "$blob"
manifest=$(find "$work/registry/data" -path "*blobs/sha256/*/${digest#sha256:}/data")
sed -i 's/"schemaVersion": *2/"schemaVersion":  2/' "$manifest"
says "what came for manifest sha256:" pull "$plain/a/b@$digest"

# ---- one that is silent ----

cat >silent.py <<'END'
# Answers what is no HTTP as registries do, and all else with nothing.
import socketserver

class Silent(socketserver.BaseRequestHandler):
    def handle(self):
        if not self.request.recv(4096).startswith(b"GET"):
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return
        self.request.recv(1)

socketserver.ThreadingTCPServer(("127.0.0.1", 5008), Silent).serve_forever()
END
setpriv --pdeathsig KILL python3 silent.py &
listens 127.0.0.1 5008
status=0
out=$(timeout -s INT 2 "$corral" image pull 127.0.0.1:5008/a:1 2>&1) || status=$?
[ "$status" = 124 ] || fail "status $status of a pull that was interrupted"
[ "$out" = $'corral: fetching 127.0.0.1:5008/a:1\ncorral: pull 127.0.0.1:5008/a:1: canceled' ] ||
	fail "a pull that was interrupted says: $out"

[ "$failures" = 0 ] || exit 1
echo "all as expected"
