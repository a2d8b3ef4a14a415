#!/bin/sh
# Clients under network "allow", inside the sandbox: prints NAME=WHAT for each check, as clients.js says. What is not
# installed is NAME=skip.
# usage: clients.sh MOST_S LATE_MS ALLOWED ALLOWED6 DENIED DENIED6 FAR
most_s=$1 late_ms=$2
shift 2
here=${0%/*}
allowed=$1 denied=$3 denied6=$4

# What a user is told.
word() {
	case $1 in
	*'onnection refused'* | *'No route to host'* | *'not permitted'*) echo refused ;;
	*'resolve host'*) echo unknown ;;
	*kex_exchange_identification*) echo banner ;;
	*) printf '%s\n' "$1" | tail -n 1 ;;
	esac
}

# usage: t NAME PROGRAM ARGUMENT...
t() {
	name=$1
	shift
	for _ in 1 2 3; do
		begun=$(date +%s%N)
		if said=$(timeout "$most_s" "$@" 2>&1 </dev/null); then what=yes; else what=$(word "$said"); fi
		[ $((($(date +%s%N) - begun) / 1000000)) -gt "$late_ms" ] || break
		what=late
	done
	echo "$name=$what"
}

# A file of somebody else's in the sandbox is none that ssh would take for a key.
install -m 600 "$here/key" /tmp/key 2>/dev/null
cat >/tmp/ssh_config <<-TEXT
	BatchMode yes
	ConnectTimeout 5
	StrictHostKeyChecking no
	UserKnownHostsFile /dev/null
	IdentityFile /tmp/key
	User root
TEXT
if command -v ssh >/dev/null; then
	s() {
		name=$1
		shift
		t "$name" ssh -F /tmp/ssh_config "$@"
	}
	# What answers on port 22 does not speak SSH.
	s banner-ssh allowed.example true
	s banner-ssh6 -6 allowed.example true
	s refused-ssh "$denied" true
	s refused-ssh6 "$denied6" true
	s refused-ssh-port -p 853 allowed.example true
	s unknown-ssh denied.example true
	s refused-ssh-elsewhere -o HostName="$denied" allowed.example true
	s unknown-ssh-jump -J denied.example allowed.example true
	s refused-ssh-jump -J "$denied" allowed.example true
	s refused-ssh-proxy-command -o ProxyCommand="nc -v -w 3 $denied 22" allowed.example true
	if [ -e /tmp/key ]; then
		s yes-ssh -p 2222 allowed.example true
		s yes-ssh6 -6 -p 2222 allowed.example true
		s yes-ssh-mapped -p 2222 "::ffff:$allowed" true
		# Who is on the list and takes others along decides himself where.
		s yes-ssh-jump -J allowed.example:2222 -p 2222 "$denied" true
		s refused-ssh-no-jump -p 2222 "$denied" true
	else
		echo yes-ssh=skip
	fi
else
	echo yes-ssh=skip
fi

if command -v gtlsclient >/dev/null; then
	q() { # NAME ADDRESS PORT
		t "$1" gtlsclient -q --timeout=3s --handshake-timeout=3s --exit-on-all-streams-close "$2" "$3" \
			"https://allowed.example:$3/"
	}
	if [ -e "$here/quic.pem" ]; then
		q yes-quic-client allowed.example 4433
		q yes-quic-client6 "$2" 4433
	else
		echo yes-quic-client=skip
	fi
	q refused-quic-client "$denied" 443
else
	echo yes-quic-client=skip
fi

if command -v python3 >/dev/null; then
	python3 "$here/quic.py" "$late_ms" "$@"
else
	echo yes-quic=skip
fi
if command -v node >/dev/null; then
	node "$here/clients.js" "$late_ms" "$@"
else
	echo yes-node=skip
fi
if command -v java >/dev/null && [ -e "$here/Clients.class" ]; then
	quick='-XX:TieredStopAtLevel=1 -XX:+UseSerialGC'
	# shellcheck disable=SC2086 # options
	java $quick -cp "$here" Clients java "$late_ms" "$@"
	# shellcheck disable=SC2086
	java $quick -Djava.net.preferIPv4Stack=true -cp "$here" Clients java4 "$late_ms" "$@"
else
	echo yes-java=skip
fi
