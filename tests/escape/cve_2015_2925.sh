# The accomplice on the host moves the directory in which the guest stands.
mkdir -p "$TMP/ws/a/b/c" "$TMP/outside"
chmod -R 777 "$TMP/ws"
echo secret >"$TMP/outside/corral_secret"
guest --workspace "$TMP/ws" -- corral_secret /workspace/ready /workspace/moved >"$TMP/out" &
guest=$!
for _ in $(seq 200); do
	[ -e "$TMP/ws/ready" ] && break
	sleep 0.02
done
mv "$TMP/ws/a/b" "$TMP/outside/b" && : >"$TMP/ws/moved"
wait $guest
status=$?
cat "$TMP/out"
exit $status
