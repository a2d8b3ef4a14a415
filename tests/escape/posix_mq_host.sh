# A message queue on the host.
queue=/corral-escape-$$-$RANDOM
"$PROGRAMS/$NAME" --host "$queue" || { echo "untried: no message queue on this host"; exit 2; }
trap '"$PROGRAMS/$NAME" --host "$queue" remove' EXIT
if [ "$MODE" = open ]; then bare "$queue"; else guest -- "$queue"; fi
