/*
 * What a registry says when it refuses: its own words, fit to be shown.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_REGISTRY_REFUSAL_H
#define CORRAL_KERNEL_IMAGE_OCI_REGISTRY_REFUSAL_H

#include "kernel/image/oci/registry_http.h"

#define CORRAL_REGISTRY_WORDS_MAX 160

/* "404 (manifest unknown)", or "502" when it says nothing that is understood. One line of printable
 * text. */
void corral_registry_refusal_add(struct corral_buf *b, const struct corral_registry_answer *a);

#endif
