# Links in the workspace that lead out, each as part of a mount's target or as the working directory.
mkdir -p "$TMP/victim/inner" "$TMP/source"
chmod -R 777 "$TMP/victim"
echo text >"$TMP/source/file"
before=$(picture "$TMP/victim")
if [ "$MODE" = open ]; then
	# What a launcher does that makes a mount's target by name.
	mkdir "$TMP/ws"
	ln -s "$TMP/victim" "$TMP/ws/a"
	mkdir -p "$TMP/ws/a/b"
	[ "$before" = "$(picture "$TMP/victim")" ] || { echo "escaped: changed by mkdir -p"; exit 1; }
	exit 0
fi
guest || exit
for target in "/oldroot$TMP/victim" "/old$TMP/victim" "$TMP/victim" "../../../../../../..$TMP/victim" \
	"/proc/1/root$TMP/victim" "/proc/self/cwd" "/newroot/..$TMP/victim" "/tmp/../..$TMP/victim"; do
	rm -rf "$TMP/ws"
	mkdir "$TMP/ws"
	ln -s "$target" "$TMP/ws/a"
	ws=$(picture "$TMP/ws")
	guest_or_refused --workspace "$TMP/ws" --bind "$TMP/source:/workspace/a/b" || exit
	guest_or_refused --workspace "$TMP/ws" --ro-bind "$TMP/source/file:/workspace/a/inner/f" || exit
	guest_or_refused --workspace "$TMP/ws" --tmpfs "/workspace/a/b/c" || exit
	guest_or_refused --workspace "$TMP/ws" --tmpfs "/workspace/a" || exit
	guest_or_refused --workspace "$TMP/ws" --workdir "/workspace/a/new" || exit
	[ "$before" = "$(picture "$TMP/victim")" ] || { echo "escaped: changed by a -> $target"; exit 1; }
	[ "$ws" = "$(picture "$TMP/ws")" ] || { echo "escaped: the workspace got a mount point ($target)"; exit 1; }
done
