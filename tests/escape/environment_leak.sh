# The caller holds a token.
export CORRAL_TEST_TOKEN=secret
[ "$MODE" = open ] && { bare CORRAL_TEST_TOKEN; exit; }
guest -- CORRAL_TEST_TOKEN
