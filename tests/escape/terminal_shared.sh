# The caller sits at a terminal, which script(1) plays.
command -v script >/dev/null || { echo "untried: no script(1)"; exit 2; }
# shellcheck disable=SC2016
if [ "$MODE" = open ]; then
	script -qec '"$PROGRAMS/$NAME" --open' /dev/null </dev/null 2>&1
else
	# Standard input is the terminal as well, as for somebody who types.
	script -qec 'exec "$CORRAL" run $OPTIONS --ro-bind "$PROGRAMS:/escape" -- "/escape/$NAME" inside' \
		/dev/null </dev/null 2>&1
fi
