#include "tools/images/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

int corral_images_place(char **ret, struct corral_error *err)
{
	const char *said = getenv("CORRAL_IMAGES"), *base = getenv("XDG_DATA_HOME"),
	           *home = getenv("HOME");
	char *path = NULL;
	int n;

	if (said && *said) {
		if (said[0] != '/')
			return corral_error_set(err, EINVAL,
			                        "CORRAL_IMAGES: '%.200s' is no absolute path",
			                        said);
		n = asprintf(&path, "%s", said);
	} else if (geteuid() == 0) {
		n = asprintf(&path, "/var/lib/corral/images");
	} else if (base && base[0] == '/') {
		n = asprintf(&path, "%s/corral/images", base);
	} else if (home && home[0] == '/') {
		n = asprintf(&path, "%s/.local/share/corral/images", home);
	} else {
		return corral_error_set(err, ENOENT,
		                        "neither CORRAL_IMAGES nor HOME says where images are");
	}
	if (n < 0)
		return corral_error_sys(err, ENOMEM, "the place of images");
	*ret = path;
	return 0;
}

int corral_images_open(struct corral_image_store **ret, struct corral_error *err)
{
	corral_autofree char *path = NULL;
	int r = corral_images_place(&path, err);

	return r < 0 ? r : corral_image_store_open(path, true, ret, err);
}

int corral_images_look(struct corral_image_store **ret, struct corral_error *err)
{
	corral_autofree char *path = NULL;
	int r = corral_images_place(&path, err);

	if (r == 0)
		r = corral_image_store_open(path, false, ret, err);
	if (r != -ENOENT || !path)
		return r;
	*ret = NULL;
	return 0;
}
