# A stopped process of the same user on the host: it must stay as it is.
[ "$MODE" = open ] && { bare; exit; }
sleep 300 &
decoy=$!
kill -STOP "$decoy"
guest -- "$decoy"
status=$?
state=$(sed 's/.*) //; s/ .*//' "/proc/$decoy/stat" 2>/dev/null)
kill -KILL "$decoy" 2>/dev/null
[ $status = 0 ] && [ "$state" != T ] && { echo "the host's process went on ($state)"; exit 1; }
exit $status
