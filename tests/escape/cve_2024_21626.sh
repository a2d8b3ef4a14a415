# A caller with directories open, and a working directory that names them.
exec 7</ 8<"$TMP" 9</etc
[ "$MODE" = open ] && { bare; exit; }
guest || exit
for number in 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
	guest_or_refused --workdir "/proc/self/fd/$number" || exit
done
for path in /proc/self/cwd /proc/1/cwd /proc/self/fd/7/../.. /proc/thread-self/fd/8 /dev/fd/7; do
	guest_or_refused --workdir "$path" || exit
done
