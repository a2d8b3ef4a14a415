# Input that is the caller's to read, and a log that is the caller's to append to.
echo input >"$TMP/in"
echo before >"$TMP/log"
chmod 666 "$TMP/in" "$TMP/log"
if [ "$MODE" = open ]; then
	timeout -k 5 60 "$PROGRAMS/$NAME" --open <"$TMP/in" 2>>"$TMP/log"
	exit
fi
# OPTIONS is a row of the table: words.
# shellcheck disable=SC2086
timeout -k 5 60 "$CORRAL" run -i $OPTIONS --ro-bind "$PROGRAMS:/escape" -- "/escape/$NAME" inside \
	<"$TMP/in" 2>>"$TMP/log" || exit
[ "$(cat "$TMP/in")" = input ] || { echo "escaped: the input was changed"; exit 1; }
[ "$(head -n 1 "$TMP/log")" = before ] || { echo "escaped: the log was changed"; exit 1; }
