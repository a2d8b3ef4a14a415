/* The one function that a fuzzer and replay_main.c call. */
#ifndef CORRAL_TESTS_FUZZ_FUZZ_H
#define CORRAL_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
