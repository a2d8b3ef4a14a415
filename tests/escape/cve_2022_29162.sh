# Open: a launcher that leaves an inheritable set.
[ "$MODE" = open ] || { guest; exit; }
unshare -Ur setpriv --inh-caps +chown "$PROGRAMS/$NAME" --open 2>&1
