# A directory of the host's, read-only inside; open: the same directory bound for writing.
mkdir "$TMP/victims"
chmod 777 "$TMP/victims"
echo text >"$TMP/victims/file"
chmod 666 "$TMP/victims/file"
before=$(picture "$TMP/victims")
if [ "$MODE" = open ]; then
	guest --bind "$TMP/victims:/victims" -- /victims
	exit
fi
guest --ro-bind "$TMP/victims:/victims" -- /victims
status=$?
[ "$before" = "$(picture "$TMP/victims")" ] || { echo "the directory has changed"; exit 1; }
exit $status
