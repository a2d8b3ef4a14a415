# A caller that keeps descriptors open, low and high.
echo secret | tee "$TMP/secret" >"$TMP/other"
exec 5<"$TMP" 7<"$TMP/secret" 99<>"$TMP/other" 200</
[ "$MODE" = open ] && { bare; exit; }
guest
