# An accomplice exchanges a directory of the workspace for a link, all the while.
mkdir -p "$TMP/victim" "$TMP/ws/d" "$TMP/source"
chmod -R 777 "$TMP/victim" "$TMP/ws"
: >"$TMP/source/corral_marker"
ln -s "$TMP/victim" "$TMP/ws/l"
[ "$MODE" = open ] || guest || exit
before=$(picture "$TMP/victim")
"$PROGRAMS/$NAME" --host "$TMP/ws/d" "$TMP/ws/l" >/dev/null &
racer=$!
trap 'kill $racer' EXIT
# What a launcher does that makes a mount's target by name.
if [ "$MODE" = open ]; then
	for _ in $(seq 500); do
		mkdir -p "$TMP/ws/d/x" 2>/dev/null
		[ "$before" = "$(picture "$TMP/victim")" ] || { echo "escaped: changed by mkdir -p"; exit 1; }
	done
	exit 0
fi
for _ in $(seq "${CORRAL_TEST_RACES:-25}"); do
	guest_or_refused --workspace "$TMP/ws" --bind "$TMP/source:/workspace/d/x" -- \
		"$TMP/victim/corral_marker" || exit
	guest_or_refused --workspace "$TMP/ws" --tmpfs /workspace/d/y/z || exit
	[ "$before" = "$(picture "$TMP/victim")" ] || { echo "escaped: the host's directory has changed"; exit 1; }
done
kill -0 $racer 2>/dev/null || { echo "untried: the racer had stopped"; exit 2; }
