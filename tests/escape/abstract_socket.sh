# A service of the host's that listens on an abstract socket.
name=corral-escape-$$-$RANDOM
# shellcheck disable=SC2153
"$PROGRAMS/$NAME" --host "$name" >"$TMP/ready" &
listener=$!
trap 'kill $listener' EXIT
wait_line "$TMP/ready" || exit 2
if [ "$MODE" = open ]; then bare "$name"; else guest -- "$name"; fi
