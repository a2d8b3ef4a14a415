# A file of the host's, readable inside; its bytes must be the same.
head -c 4096 /dev/zero | tr '\0' 'a' >"$TMP/victim"
before=$(sha256sum <"$TMP/victim")
guest --ro-bind "$TMP/victim:/victim" -- /victim
status=$?
[ "$before" = "$(sha256sum <"$TMP/victim")" ] || { echo "the file has changed"; exit 1; }
exit $status
