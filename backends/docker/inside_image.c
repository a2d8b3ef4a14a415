/* The program within a container, as bytes to be put there. */
#include "backends/docker/inside.h"

extern const char corral_docker_inside_bytes[], corral_docker_inside_bytes_end[];

void corral_docker_inside_image(const void **ret_data, size_t *ret_len)
{
	*ret_data = corral_docker_inside_bytes;
	*ret_len = (size_t)(corral_docker_inside_bytes_end - corral_docker_inside_bytes);
}

const char *corral_docker_inside_arch(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#elif defined(__riscv) && __riscv_xlen == 64
	return "riscv64";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
	return "ppc64le";
#else
#error "which processors run this is not known"
#endif
}
