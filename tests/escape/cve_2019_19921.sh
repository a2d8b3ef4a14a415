# Roots whose /proc and /sys are links, files or directories full of somebody else's.
if [ "$MODE" = open ]; then
	tiny_root "$TMP/root"
	ln -s /tmp "$TMP/root/proc"
	chrooted "$TMP/root"
	exit
fi
guest || exit
victim=$TMP/victim
mkdir "$victim"
before=$(picture "$victim")
for target in "$victim" /tmp /etc /proc/1 ../tmp; do
	rm -rf "$TMP/root"
	tiny_root "$TMP/root"
	ln -s "$target" "$TMP/root/proc"
	ln -s "$target" "$TMP/root/sys"
	guest_or_refused --rootfs "$TMP/root" || exit
done
rm -rf "$TMP/root"
tiny_root "$TMP/root"
: >"$TMP/root/proc"
guest_or_refused --rootfs "$TMP/root" || exit
rm "$TMP/root/proc"
mkdir -p "$TMP/root/proc/self/attr" "$TMP/root/proc/sys"
ln -s /etc/passwd "$TMP/root/proc/kcore"
guest_or_refused --rootfs "$TMP/root" || exit
[ "$before" = "$(picture "$victim")" ] || { echo "escaped: the host's directory has changed"; exit 1; }
