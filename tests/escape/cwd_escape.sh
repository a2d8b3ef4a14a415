# The caller stands in a directory with a file.
mkdir "$TMP/here"
cd "$TMP/here" || exit 2
echo secret >corral_secret_file
[ "$MODE" = open ] && { bare corral_secret_file; exit; }
guest -- corral_secret_file
