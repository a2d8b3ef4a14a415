#include "kernel/image/oci/archive_manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

const char *corral_archive_ending(int fd)
{
	unsigned char d[4] = { 0 };

	if (pread(fd, d, sizeof(d), 0) != (ssize_t)sizeof(d))
		return "";
	if (d[0] == 0x1f && d[1] == 0x8b)
		return "+gzip";
	return memcmp(d, "\x28\xb5\x2f\xfd", 4) == 0 ? "+zstd" : "";
}

int corral_archive_manifest_write(const char *config_digest, uint64_t config_size,
                                  const struct corral_archive_layer *layers, size_t n,
                                  struct corral_buf *ret, struct corral_error *err)
{
	corral_buf_fmt(ret,
	               "{\"schemaVersion\":2,\"mediaType\":\"application/"
	               "vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":\"application/"
	               "vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%" PRIu64
	               "},\"layers\":[",
	               config_digest, config_size);
	for (size_t i = 0; i < n; i++)
		corral_buf_fmt(ret,
		               "%s{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar%s\","
		               "\"digest\":\"%s\",\"size\":%" PRIu64 "}",
		               i ? "," : "", layers[i].ending, layers[i].digest, layers[i].size);
	corral_buf_str(ret, "]}");
	return ret->failed ? corral_error_set(err, ENOMEM, "out of memory") : 0;
}
