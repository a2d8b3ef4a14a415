#!/bin/bash
# A Docker engine that listens on the loopback with TLS, for test_tls.c: it has a certificate for 127.0.0.1 alone,
# and talks to nobody without one of the same authority. Kept and ended as the others are (../keep.sh).
#
# Beside its socket in DIR are directories as DOCKER_CERT_PATH names them: certs (all that is right), anonymous
# (no certificate of one's own), strangers (another authority), broken (an authority that is no certificate).
#
# usage: tls.sh start DIR
#        tls.sh stop DIR
#        tls.sh run PROGRAM [ARG...]                an engine for this one program
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/docker/images.sh
. "$here/images.sh"

check() { # DIR
	command -v dockerd >/dev/null || skip "$1" "dockerd is not installed (docker.io)"
	command -v docker >/dev/null || skip "$1" "docker is not installed (docker.io or docker-cli)"
	command -v openssl >/dev/null || skip "$1" "openssl is not installed"
	check_common "$1" "$1/docker.sock"
}

authority() { # DIR
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
		-subj "/CN=corral test authority $1" -keyout "$1/ca-key.pem" -out "$1/ca.pem" 2>/dev/null
}

certificate() { # NAME EXTENSIONS
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
		-keyout "certs/$1-key.pem" -out "certs/$1.csr" 2>/dev/null
	openssl x509 -req -in "certs/$1.csr" -CA certs/ca.pem -CAkey certs/ca-key.pem -CAcreateserial -days 2 \
		-extfile <(echo "$2") -out "certs/$1-cert.pem" 2>/dev/null
}

certificates() { # DIR
	cd "$1"
	rm -rf certs anonymous strangers broken
	mkdir certs anonymous strangers broken
	authority certs
	authority strangers
	certificate server 'subjectAltName=IP:127.0.0.1
extendedKeyUsage=serverAuth'
	certificate client 'extendedKeyUsage=clientAuth'
	mv certs/client-cert.pem certs/cert.pem
	mv certs/client-key.pem certs/key.pem
	cp certs/ca.pem anonymous/
	cp certs/cert.pem certs/key.pem strangers/
	cp certs/cert.pem certs/key.pem broken/
	echo 'no certificate' >broken/ca.pem
}

# Prints nothing; true when it listens. Ports are tried until one is free.
launch() { # WORK PORT
	local tries
	dockerd --config-file "$1/daemon.json" -H "$DOCKER_HOST" -H "tcp://127.0.0.1:$2" --tlsverify \
		--tlscacert "$KEEP_DIR/certs/ca.pem" --tlscert "$KEEP_DIR/certs/server-cert.pem" \
		--tlskey "$KEEP_DIR/certs/server-key.pem" --data-root "$1/data" --exec-root "$1/exec" -p "$1/pid" \
		--storage-driver overlay2 --iptables=false --ip6tables=false --ip-masq=false --ip-forward=false \
		--bridge=none --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$KEEP_CGROUP" &
	engine=$!
	for ((tries = 0; tries < 300; tries++)); do
		! docker version >/dev/null 2>&1 || return 0
		kill -0 "$engine" 2>/dev/null || return 1
		sleep 0.1
	done
	return 1
}

serve() {
	local work=/run/corral-docker engine='' port tries
	certificates "$KEEP_DIR"
	mount -t tmpfs -o mode=755 none /run
	mkdir "$work" "$work/etc" "$work/etc-work"
	# The engine writes a key of its own to /etc/docker.
	mount -t overlay -o "lowerdir=/etc,upperdir=$work/etc,workdir=$work/etc-work" none /etc
	mount --make-rshared /
	export DOCKER_HOST=unix://$KEEP_DIR/docker.sock DOCKER_CONFIG=$work/config HOME=$work
	echo '{}' >"$work/daemon.json"
	for ((tries = 0; tries < 5; tries++)); do
		port=$((20000 + RANDOM % 10000))
		! launch "$work" "$port" || break
		kill -KILL "$engine" 2>/dev/null || true
		wait "$engine" || true
	done
	busybox_root "$work/busybox"
	tar -C "$work/busybox" -c . | docker import --change 'CMD ["cat"]' - corral-test/busybox:latest >/dev/null
	{
		printf 'DOCKER_HOST=%q\n' "tcp://127.0.0.1:$port"
		printf 'CORRAL_TEST_DOCKER_TLS=%q\n' "$KEEP_DIR"
	} >"$KEEP_DIR/env.new"
	mv "$KEEP_DIR/env.new" "$KEEP_DIR/env"
	wait "$engine"
}

case ${1:-} in
start)
	dir=$(absolute "$2")
	check "$dir"
	exec "$here/keep.sh" start "$dir" "$here/tls/tls.sh" --serve
	;;
stop)
	dir=$(absolute "$2")
	"$here/keep.sh" stop "$dir"
	rm -rf "$dir"/{certs,anonymous,strangers,broken}
	;;
run)
	dir=$(mktemp -d "${TMPDIR:-/tmp}/corral-engine.XXXXXX")
	trap '"$here/keep.sh" stop "$dir"; rm -rf "$dir"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	status=0
	"$here/tls/tls.sh" start "$dir" >&2 || exit
	"$here/keep.sh" with "$dir" -- "${@:2}" || status=$?
	exit "$status"
	;;
--serve) serve ;;
*)
	sed -n 's/^# usage: /usage: /p; s/^#        tls/       tls/p' "$here/tls/tls.sh" >&2
	exit 2
	;;
esac
