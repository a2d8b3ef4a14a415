/*
 * Inside kernel/image/oci: what reading JSON of somebody hostile takes. What is absent or null is
 * no mistake: writers in Go put null for what is empty.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_MANIFEST_JSON_H
#define CORRAL_KERNEL_IMAGE_OCI_MANIFEST_JSON_H

#include <jansson.h>

#include "kernel/base/error.h"

/* The object that text is. -EINVAL says where it stops being one. Free with json_decref(). */
int corral_manifest_json(const char *text, size_t len, json_t **ret, struct corral_error *err);
/* A member, NULL when absent or null. */
json_t *corral_manifest_member(const json_t *o, const char *key);
/* A copy of a text of at most max bytes, "" when absent; the caller's, also over what *ret was. */
int corral_manifest_text(const json_t *o, const char *key, size_t max, char **ret,
                         struct corral_error *err);
/* The same for what has printable ASCII without blanks alone: such may stand in any message. */
int corral_manifest_word(const json_t *o, const char *key, size_t max, char **ret,
                         struct corral_error *err);
/* An array of texts, max of them, text_max bytes each; the array ends in NULL. */
int corral_manifest_texts(const json_t *o, const char *key, size_t max, size_t text_max,
                          char ***ret, size_t *ret_n, struct corral_error *err);
/* A copy of text when it is a digest known here. -EOPNOTSUPP for other algorithms. */
int corral_manifest_digest(const json_t *v, char **ret, struct corral_error *err);

#endif
