# While the guest watches, the host and another sandbox start programs, and want the locks.
[ "$(id -u)" = 0 ] || { echo "an ordinary user's guest has the host's own files"; exit 0; }
mkdir "$TMP/said" "$TMP/kept" "$TMP/others"

watched()
{
	local file status
	rm -f "$TMP/said/ready"
	if [ "$MODE" = open ]; then
		bare "$TMP/said/ready" >"$TMP/answer" &
	else
		guest --bind "$TMP/said:/said" "$@" -- /said/ready >"$TMP/answer" &
	fi
	local watcher=$!
	if wait_line "$TMP/said/ready"; then
		for file in /etc/ld.so.cache /etc/services /etc/protocols; do
			[ -e $file ] || continue
			cat $file >/dev/null
			flock -n $file true || { echo "the guest's lock on $file is the host's"; kill $watcher; return 1; }
		done
		for keep in '' "--keep $TMP/others"; do
			[ "$MODE" = open ] && break
			# shellcheck disable=SC2086
			"$CORRAL" run $keep -- /bin/sh -c 'cat /etc/services; flock -n /etc/services true' >/dev/null ||
				{ echo "the guest's lock is another sandbox's"; kill $watcher; return 1; }
		done
	fi
	wait $watcher
	status=$?
	cat "$TMP/answer"
	return $status
}

watched || exit
[ "$MODE" = open ] || watched --keep "$TMP/kept"
