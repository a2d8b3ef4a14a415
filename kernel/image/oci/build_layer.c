#include "kernel/image/oci/build_layer.h"

#include "kernel/image/oci/layer_tar.h"

int build_layer_digest(const char *layer_path, char ret[CORRAL_DIGEST_SIZE],
                       struct corral_error *err)
{
	return corral_layer_tar_digest(layer_path, ret, NULL, err);
}
