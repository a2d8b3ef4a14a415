# A root whose /dev, /tmp, /etc and work directory are links to a directory of the host's.
if [ "$MODE" = open ]; then
	tiny_root "$TMP/root"
	ln -s /etc "$TMP/root/dev"
	chrooted "$TMP/root"
	exit
fi
guest || exit
mkdir "$TMP/victim"
chmod 777 "$TMP/victim"
echo text >"$TMP/victim/file"
before=$(picture "$TMP/victim")
for name in dev tmp etc run var workspace escape root home; do
	for target in "$TMP/victim" "../../../../../../..$TMP/victim"; do
		rm -rf "$TMP/root"
		tiny_root "$TMP/root"
		rm -rf "${TMP:?}/root/$name"
		ln -s "$target" "$TMP/root/$name"
		guest_or_refused --rootfs "$TMP/root" || exit
		[ "$before" = "$(picture "$TMP/victim")" ] || { echo "escaped: changed by /$name -> $target"; exit 1; }
	done
done
