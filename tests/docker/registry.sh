#!/bin/bash
# A registry of images on the loopback address, for one test program: Debian's docker-registry, with what it
# stores in DIR. It runs until it is killed; whoever starts it sees to that (setpriv --pdeathsig) and removes DIR.
#
# usage: registry.sh --check                exit 1 and say why when none is to be had here
#        registry.sh serve DIR PORT         everybody may pull and push
#        registry.sh serve DIR PORT auth    only the user "joe" with the password "s3cret" may
set -euo pipefail

case ${1:-} in
--check)
	command -v docker-registry >/dev/null || {
		echo "docker-registry is not installed (docker-registry)"
		exit 1
	}
	;;
serve)
	dir=$2 port=$3
	mkdir -p "$dir"
	cat >"$dir/config.yml" <<TEXT
version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: $dir/data
http:
  addr: 127.0.0.1:$port
TEXT
	if [ "${4:-}" = auth ]; then
		# The password's hash by bcrypt, which is all that the registry reads.
		# shellcheck disable=SC2016 # no variables: a hash
		echo 'joe:HASH' >"$dir/htpasswd"
		printf 'auth:\n  htpasswd:\n    realm: corral\n    path: %s\n' "$dir/htpasswd" >>"$dir/config.yml"
	fi
	exec docker-registry serve "$dir/config.yml"
	;;
*)
	sed -n 's/^# usage: /usage: /p; s/^#        registry/       registry/p' "${BASH_SOURCE[0]}" >&2
	exit 2
	;;
esac
