# Nothing that the guest left lends rights to those who start it.
mkdir "$TMP/ws"
if [ "$MODE" = open ]; then
	(cd "$TMP/ws" && bare >/dev/null)
else
	guest --workspace "$TMP/ws" || exit
fi
left=$(find "$TMP/ws" -type f -perm /6000 -printf '%f is %M of uid %U  ')
[ -z "$left" ] && exit 0
echo "escaped: $left"
exit 1
