# A service of the host's that listens on its loopback.
"$PROGRAMS/$NAME" --host >"$TMP/port" &
listener=$!
trap 'kill $listener' EXIT
wait_line "$TMP/port" || exit 2
if [ "$MODE" = open ]; then bare "$(cat "$TMP/port")"; else guest -- "$(cat "$TMP/port")"; fi
