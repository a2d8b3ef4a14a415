# A segment of shared memory on the host.
key=$((RANDOM * 32768 + RANDOM + 1))
id=$("$PROGRAMS/$NAME" --host $key) || exit 2
trap '"$PROGRAMS/$NAME" --host $key remove' EXIT
if [ "$MODE" = open ]; then bare $key "$id"; else guest -- $key "$id"; fi
