#!/bin/bash
# Images between corral and a container engine, as files and by a registry: what the engine saves runs with us, what we
# save runs with the engine, and a program of theirs sees the same root, variables, user, directory and command either
# way. For keep.sh, which says where the engine is.
#
# usage: exchange.sh CORRAL            exit 77: what it takes is not there
set -euo pipefail
trap 'echo "line $LINENO: status $?"' ERR

corral=$(realpath -e "$1")

skip() {
	echo "skipped: $1"
	[ "${CORRAL_TESTS_MUST_RUN:-}" != 1 ] || exit 1
	exit 77
}

[ -n "${CORRAL_TEST_ENGINE:-}" ] || skip "no engine: ${CORRAL_TEST_DOCKER_WHY:-keep.sh knows of none}"
[ "$(id -u)" = 0 ] || skip "as root, as the engine is"
for program in busybox python3 curl; do
	command -v "$program" >/dev/null || skip "$program is not installed"
done
! reason=$("$corral" run -- true 2>&1) || reason=
[ -z "$reason" ] || skip "no sandboxes here: $reason"
work=$(mktemp -d /tmp/corral-exchange.XXXXXX)
tag=corral-test/exchange-$$
failures=0

end() {
	local image
	for image in $(docker image ls -q "$tag" 2>/dev/null); do
		docker image rm -f "$image" >/dev/null 2>&1 || true
	done
	rm -rf "$work"
}
trap end EXIT
cd "$work"
export CORRAL_IMAGES=$work/store

fail() {
	echo "FAIL: $*"
	failures=$((failures + 1))
}

# ---- a root that says what it is like ----

# All that an image decides, in one order: what it was called with, who it is, where, with which variables, and each
# file but those that engines and sandboxes put over it.
cat >show <<'SH'
#!/bin/sh
echo "called: $0 $*"
echo "who: $(id -u):$(id -g) in $PWD, home ${HOME-none}"
env | grep -vE '^(HOSTNAME|PWD|OLDPWD|SHLVL|_|TERM|container|LANG|USER)=' | sort
cd / && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run -o -path ./etc/hosts -o \
	-path ./etc/hostname -o -path ./etc/resolv.conf -o -path ./etc/mtab -o -path ./etc/passwd -o -path ./etc/group -o -path ./.dockerenv \) -prune -o \
	! -path ./etc ! -path . ! -path './tmp*' -print | sort >/tmp/list
tr '\n' '\0' </tmp/list | xargs -0 stat -c '%F %a %u:%g %Y %n'
while read -r f; do
	[ ! -h "$f" ] || echo "$f: $(readlink "$f")"
	[ -h "$f" ] || [ ! -f "$f" ] || cat "$f" 2>&1 | md5sum
done </tmp/list
stat -c '%a %u:%g %n' /tmp
# Of how many names a file has, those here: a root of ours shares files with the layer that they came with.
tr '\n' '\0' </tmp/list | xargs -0 stat -c '%i' | sort | uniq -d | wc -l
SH

root=$work/root
mkdir -p "$root"/{bin,etc,root,tmp,proc,sys,dev,srv/app,home/app,opt/full,opt/gone,"odd näme"}
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in sh cat chmod chown env find grep id ln md5sum mkdir mv readlink rm sort stat touch tr uniq wc xargs; do
	ln -s busybox "$root/bin/$applet"
done
install -m 755 show "$root/bin/show"
printf '%s\n' root:x:0:0:root:/root:/bin/sh app:x:1000:50:app:/home/app:/bin/sh >"$root/etc/passwd"
printf '%s\n' root:x:0: staff:x:50: >"$root/etc/group"
chmod 1777 "$root/tmp"
chown 1000:50 "$root/srv/app" "$root/home/app"
echo code >"$root/srv/app/code"
ln "$root/srv/app/code" "$root/opt/hard"
ln -s ../srv/app/code "$root/opt/soft"
echo secret >"$root/opt/secret"
chmod 600 "$root/opt/secret"
echo x >"$root/bin/set"
chmod 4755 "$root/bin/set"
chmod 2750 "$root/opt/full"
echo 1 >"$root/opt/full/1"
echo 1 >"$root/opt/gone/1"
truncate -s 1M "$root/opt/sparse"
mkfifo "$root/opt/pipe"
find "$root" -exec touch -h -d '2020-02-02 02:02:02' {} +
tar -C "$root" --numeric-owner -cf root.tar .

in_engine() { # IMAGE [ARG...]
	docker run --rm --pull never --network none "$@"
}

in_corral() { # IMAGE [ARG...]: as an engine takes them, behind the image's entrypoint
	local image=$1 entry
	shift
	if [ $# -gt 0 ]; then
		mapfile -t entry < <("$corral" image inspect --json "$image" |
			python3 -c 'import json,sys
for word in json.load(sys.stdin)[0].get("entrypoint") or []: print(word)')
		set -- -- "${entry[@]}" "$@"
	fi
	"$corral" run --pull never --image "$image" "$@"
}

# Both see the same. usage: same WHAT IMAGE [ARG...]
same() {
	local what=$1
	shift
	in_engine "$@" >engine.out 2>engine.err || fail "$what: in the engine: $(cat engine.err)"
	in_corral "$@" >corral.out 2>corral.err || fail "$what: in corral: $(cat corral.err)"
	[ -s corral.out ] || fail "$what: nothing is said"
	diff engine.out corral.out >diff.out || fail "$what: $(head -20 diff.out)"
}

said() { # WHAT LINE
	grep -qxF -- "$2" corral.out || fail "$1: '$2' is not what it says: $(head -5 corral.out)"
}

field() { # IMAGE NAME
	"$corral" image inspect --json "$1" | python3 -c 'import json,sys; print(json.load(sys.stdin)[0][sys.argv[1]])' "$2"
}

# ---- the engine's: one layer, and a second that takes away from it, replaces and adds ----

docker import --change 'ENV A=one=two' --change 'ENV EMPTY=' --change 'ENV PATH=/bin' --change 'WORKDIR /srv/app' --change 'USER app:staff' \
	--change 'ENTRYPOINT ["/bin/show", "always"]' --change 'CMD ["by itself", "$A"]' --change 'EXPOSE 80/tcp' \
	--change 'LABEL a=b' root.tar "$tag:one" >/dev/null
container=$(docker run -d --network none -u 0 --entrypoint /bin/sh "$tag:one" -c '
	rm -r /opt/gone /opt/soft; rm -r /opt/full; mkdir /opt/full; echo 2 >/opt/full/2; chown 7:8 /opt/full/2
	echo more >>/srv/app/code; chmod 711 /opt/secret; ln -s nowhere /opt/dangling; mv "/odd näme" /renamed
	touch -h -d "2021-01-01 01:01:01" /opt/full /opt/full/2 /srv/app/code /opt/secret /opt/dangling /opt /srv/app /renamed')
docker wait "$container" >/dev/null
# By hand: Podman's service wants a body, which docker(1) does not send.
curl -sS --fail-with-body --unix-socket "${DOCKER_HOST#unix://}" -d '{}' -H 'Content-Type: application/json' \
	http://engine/commit --url-query "container=$container" --url-query "repo=${tag}" --url-query tag=two \
	--url-query 'changes=USER 1000' --url-query 'changes=ENTRYPOINT ["/bin/show"]' \
	--url-query 'changes=CMD ["two"]' >commit.out || fail "commit: $(cat commit.out)"
docker rm "$container" >/dev/null
docker save "$tag:one" "$tag:two" >engine.tar
"$corral" image load -q engine.tar >engine.ids || fail "load of what the engine saved"
same "one layer of the engine's" "$tag:one"
# shellcheck disable=SC2016 # for no shell
said "one layer of the engine's" 'called: /bin/show always by itself $A'
said "one layer of the engine's" 'who: 1000:50 in /srv/app, home /home/app'
said "one layer of the engine's" 'A=one=two'
same "two layers of the engine's" "$tag:two" other 'two words'
said "two layers of the engine's" 'called: /bin/show other two words'
said "two layers of the engine's" 'who: 1000:50 in /srv/app, home /home/app'

# ---- and back: the same images under the same ids ----

ids() {
	docker image inspect --format '{{.Id}} {{.Config.Labels}}' "$tag:one" "$tag:two"
}
ids >before.ids
there_and_back() { # FORMAT IMAGE...
	local format=$1
	shift
	"$corral" image save -q --format "$format" "$@" >"$format.tar" || fail "save as $format"
	docker image rm "$@" >/dev/null
	docker load -q -i "$format.tar" >/dev/null || fail "the engine does not load what we save as $format"
}
there_and_back docker "$tag:two" "$tag:one"
# Which Docker's own does not read, and Podman one by one.
if [ "${CORRAL_TEST_ENGINE:-}" = podman ]; then
	there_and_back oci "$tag:two"
	there_and_back oci "$tag:one"
fi
ids | diff before.ids - >diff.out || fail "other images than before: $(cat diff.out)"
in_engine "$tag:two" other 'two words' >engine.out
diff engine.out corral.out >diff.out || fail "two layers, there and back: $(head -20 diff.out)"

# ---- by a registry ----

if [ -n "${CORRAL_TEST_REGISTRY:-}" ]; then
	docker tag "$tag:two" "$CORRAL_TEST_REGISTRY/$tag:two"
	docker push -q "$CORRAL_TEST_REGISTRY/$tag:two" >/dev/null || fail "push"
	docker image rm "$CORRAL_TEST_REGISTRY/$tag:two" >/dev/null
	CORRAL_IMAGES=$work/pulled "$corral" image pull -q "$CORRAL_TEST_REGISTRY/$tag:two" >/dev/null || fail "pull"
	pulled=$(CORRAL_IMAGES=$work/pulled field "$CORRAL_TEST_REGISTRY/$tag:two" root)
	[ "$pulled" = "$(field "$tag:two" root)" ] || fail "what was pushed has another root than what was saved"
fi

# ---- ours: a root, and what was built upon it ----

"$corral" image import -q root.tar "$tag:ours" >/dev/null
cat >built.json <<JSON
{ "name": "exchange", "base_image": "$tag:ours", "run_as_uid": 1234, "work_dir": "/work", "setup_commands": [
  "rm -r /opt/gone /opt/full && mkdir /opt/full && echo 3 >/opt/full/3 && chown 12:34 /opt/full/3 && chmod 4711 /opt/full/3",
  "echo new >>/srv/app/code; ln /opt/full/3 /opt/linked; ln -s gone /opt/dangling; mkfifo /opt/full/pipe 2>/dev/null || true" ] }
JSON
"$corral" runtime build --network none ./built.json >build.log 2>&1 || fail "build: $(cat build.log)"
built=$("$corral" image list --json | python3 -c 'import json,sys
print([n for i in json.load(sys.stdin) for n in i["names"] if "corral-runtime:" in n][0])')
"$corral" image save -q "$built" >built.tar || fail "save of what was built"
docker load -q -i built.tar >/dev/null || fail "the engine does not load what we built"
docker tag "$built" "$tag:built"
docker image rm "$built" >/dev/null
"$corral" image tag "$built" "$tag:built"
same "what we built" "$tag:built" /bin/show own words
said "what we built" 'called: /bin/show own words'
said "what we built" 'who: 1234:1234 in /work, home /home/agent'
said "what we built" 'regular file 4711 12:34 '"$(stat -c %Y "$CORRAL_IMAGES/roots/$(field "$tag:built" root)/tree/opt/full/3")"' ./opt/full/3'

[ "$failures" = 0 ] || exit 1
echo "all as expected"
