# A root whose /dev is full of links.
[ "$MODE" = open ] || guest || exit
tiny_root "$TMP/root"
mkdir -p "$TMP/root/dev"
for name in null zero full random urandom tty; do
	ln -s /proc/sys/kernel/core_pattern "$TMP/root/dev/$name"
done
ln -s /etc "$TMP/root/dev/pts"
ln -s /etc "$TMP/root/dev/shm"
ln -s /etc/passwd "$TMP/root/dev/ptmx"
ln -s /etc/passwd "$TMP/root/dev/console"
[ "$MODE" = open ] && { chrooted "$TMP/root"; exit; }
before=$(picture "$TMP/root")
guest_or_refused --rootfs "$TMP/root" || exit
[ "$before" = "$(picture "$TMP/root")" ] || { echo "escaped: the given root has changed"; exit 1; }
