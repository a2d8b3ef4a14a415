# A directory is bound, its neighbour is not.
mkdir -p "$TMP/a/bound/deep"
echo secret >"$TMP/a/corral_secret"
ln -s .. "$TMP/a/bound/up"
ln -s "$TMP/a" "$TMP/a/bound/back"
if [ "$MODE" = open ]; then
	bare "$TMP/a/bound" corral_secret
	exit
fi
guest --bind "$TMP/a/bound:/mnt/bound" -- /mnt/bound corral_secret || exit
guest --bind "$TMP/a/bound:/mnt/bound" -- /mnt/bound/deep corral_secret || exit
guest --workspace "$TMP/a/bound" -- /workspace/up corral_secret || exit
guest --workspace "$TMP/a/bound" --workdir /workspace/deep -- . corral_secret
