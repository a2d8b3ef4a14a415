# A workspace of the caller's; refusing to start in it is as good.
mkdir "$TMP/ws"
if [ "$MODE" = open ]; then
	(cd "$TMP/ws" && bare)
	exit
fi
guest --cap-drop setfcap --workspace "$TMP/ws" || exit
rm -rf "$TMP/ws" && mkdir "$TMP/ws"
# Of an ordinary user's it says that user, whom only his own namespaces obey.
[ "$(id -u)" = 0 ] || exit 0
guest_or_refused --workspace "$TMP/ws"
