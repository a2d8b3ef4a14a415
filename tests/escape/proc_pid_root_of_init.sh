# Open: only chroot(1) between us and the root of PID 1.
[ "$MODE" = open ] || { guest; exit; }
tiny_root "$TMP/root"
mkdir "$TMP/root/proc"
cp -L "$PROGRAMS/$NAME" "$TMP/root/escape/$NAME"
# shellcheck disable=SC2016
unshare -Urmpf --mount-proc sh -c \
	'mount --rbind /proc "$1/proc" && chroot "$1" "/escape/$2" --open; exit $?' sh "$TMP/root" "$NAME" 2>&1
