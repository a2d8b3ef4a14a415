# A file of the caller's, read-only inside.
mkdir "$TMP/victims"
echo text >"$TMP/victims/file"
if [ "$MODE" = open ]; then
	bare "$TMP/victims/file"
	exit
fi
guest --ro-bind "$TMP/victims:/victims" -- /victims/file
