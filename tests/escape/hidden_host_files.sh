# Files that are on this host for certain.
echo secret >"$TMP/secret"
[ "$MODE" = open ] && { bare "$TMP/secret"; exit; }
guest -- "$TMP/secret" "$(readlink -f "$CORRAL")" "$PROGRAMS"
