# The program is anybody's to write, so that nothing but the mount keeps it; it must be the same afterwards.
mkdir "$TMP/own"
cp -L "$PROGRAMS/$NAME" "$TMP/own/$NAME"
chmod 777 "$TMP/own" "$TMP/own/$NAME"
PROGRAMS=$TMP/own
[ "$MODE" = open ] && { bare; exit; }
before=$(picture "$TMP/own")
guest
status=$?
[ "$before" = "$(picture "$TMP/own")" ] || { echo "escaped: the program has changed"; exit 1; }
exit $status
