# What the runner and the hooks share. A hook is NAME.sh: it sets up a hostile workspace or root,
# runs the case and looks at the host afterwards. It gets
#   CORRAL PROGRAMS NAME TMP OPTIONS MODE
# with MODE "inside" or "open", and answers as the programs do: 0 held, 1 escaped, 2 untried.

HELD=0
UNTRIED=2

# The case inside a sandbox: options of `corral run`, then "--", then the case's arguments.
guest()
{
	local options=()
	[ -x "$CORRAL" ] || { echo "untried: no corral at '$CORRAL'"; return $UNTRIED; }
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	[ $# -gt 0 ] && shift
	# OPTIONS is a row of the table: words.
	# shellcheck disable=SC2086,SC2153
	timeout -k 5 60 "$CORRAL" run $OPTIONS --ro-bind "$PROGRAMS:/escape" "${options[@]}" -- \
		"/escape/$NAME" inside "$@" </dev/null 2>&1
}

# The same where refusing to start (125) is as good as containing. A hook that uses it runs guest()
# first, so that a corral that refuses everything does not pass.
guest_or_refused()
{
	local text status
	text=$(guest "$@")
	status=$?
	[ $status = 125 ] && return $HELD
	[ $status = 0 ] || echo "$text (options: $*)"
	return $status
}

# The case on the host itself, without any fence.
bare()
{
	timeout -k 5 60 "$PROGRAMS/$NAME" --open "$@" </dev/null 2>&1
}

# A picture of a directory: names, modes, owners, sizes and contents.
picture()
{
	(cd "$1" && find . -printf '%p %y %m %U %s %l\n' | LC_ALL=C sort)
	(cd "$1" && find . -type f -exec sha256sum {} + | LC_ALL=C sort)
}

# A root to be spoiled: enough directories for static programs.
tiny_root()
{
	mkdir -p "$1"/usr/bin "$1"/etc "$1"/tmp "$1"/var "$1"/run "$1"/workspace "$1"/escape
	echo 'root:x:0:0:root:/:/bin/sh' >"$1"/etc/passwd
}

# Waits until a file has a line, as a helper started in the background says it is ready.
wait_line()
{
	local _
	for _ in $(seq 200); do
		[ -s "$1" ] && return 0
		sleep 0.02
	done
	return 1
}

# The case in a root of ours by chroot(1) alone, with nothing that keeps it: for --open.
chrooted()
{
	mkdir -p "$1/escape"
	cp -L "$PROGRAMS/$NAME" "$1/escape/$NAME"
	timeout -k 5 60 unshare -Ur chroot "$1" "/escape/$NAME" --open </dev/null 2>&1
}
