#include "kernel/image/oci/unpack/meta.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#define ATTRIBUTES_MAX 256
#define VALUE_MAX      65536u /* the kernel's own (XATTR_SIZE_MAX) */
#define CAPABILITY     "security.capability"

/*
 * Of other attributes the host's kernel would understand some, and they would mean something where
 * nobody asked for it: trusted.* and user.overlay.* to an overlay, security.* to the host's policy.
 */
static bool is_kept(const char *name)
{
	if (strncmp(name, "user.", 5) == 0)
		return strncmp(name, "user.overlay.", 13) != 0;
	return strcmp(name, "system.posix_acl_access") == 0 ||
	       strcmp(name, "system.posix_acl_default") == 0;
}

static void *copy(const void *data, size_t size)
{
	void *c = malloc(size + 1);

	if (c)
		memcpy(c, data, size);
	return c;
}

static int attribute_add(struct meta *m, const char *name, const void *value, size_t size,
                         struct corral_error *err)
{
	struct meta_attribute *a;

	if (size > VALUE_MAX)
		return corral_error_set(err, E2BIG, "an attribute of more than %u bytes",
		                        VALUE_MAX);
	if (strcmp(name, CAPABILITY) == 0) {
		free(m->capability);
		m->capability = copy(value, size);
		m->capability_size = size;
		return m->capability ? 0 : corral_error_set(err, ENOMEM, "out of memory");
	}
	if (!is_kept(name))
		return 0;
	if (m->n_attributes == ATTRIBUTES_MAX)
		return corral_error_set(err, E2BIG, "more than %d attributes", ATTRIBUTES_MAX);
	a = realloc(m->attributes, (m->n_attributes + 1) * sizeof(*a));
	if (!a)
		return corral_error_set(err, ENOMEM, "out of memory");
	m->attributes = a;
	a += m->n_attributes;
	a->name = strdup(name);
	a->value = copy(value, size);
	a->size = size;
	m->n_attributes++;
	return a->name && a->value ? 0 : corral_error_set(err, ENOMEM, "out of memory");
}

void meta_done(struct meta *m)
{
	for (size_t i = 0; i < m->n_attributes; i++) {
		free(m->attributes[i].name);
		free(m->attributes[i].value);
	}
	free(m->attributes);
	free(m->capability);
	*m = (struct meta) { 0 };
}

static unsigned int id_of(int64_t id)
{
	return id < 0 || id > META_ID_LAST ? META_ID_LAST : (unsigned int)id;
}

int meta_read(struct archive_entry *e, bool squash, struct meta *ret, struct corral_error *err)
{
	const char *name;
	const void *value;
	size_t size;

	*ret = (struct meta) {
		.mode = archive_entry_mode(e) & 07777,
		.uid = id_of(archive_entry_uid(e)),
		.gid = id_of(archive_entry_gid(e)),
		.times[1] = { archive_entry_mtime(e), archive_entry_mtime_nsec(e) },
	};
	ret->times[0] = ret->times[1];
	if (archive_entry_atime_is_set(e))
		ret->times[0] =
		        (struct timespec) { archive_entry_atime(e), archive_entry_atime_nsec(e) };
	if (squash)
		ret->mode = (ret->mode & 01777) | S_IRUSR | S_IWUSR |
		            (archive_entry_filetype(e) == AE_IFDIR ? S_IXUSR : 0);
	if (archive_entry_xattr_reset(e) == 0)
		return 0;
	while (archive_entry_xattr_next(e, &name, &value, &size) == ARCHIVE_OK) {
		int r = name ? attribute_add(ret, name, value, size, err) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* An ACL that names somebody whom nobody is here, and a filesystem without attributes, are no
 * reason to have no image. */
static bool can_be_missed(int code, const char *name)
{
	return code == EOPNOTSUPP || code == EPERM || (code == EINVAL && name[0] == 's');
}

int meta_apply(const struct meta *m, int fd, bool squash, struct corral_error *err)
{
	/* Before the owner: whoever is not may not set them. */
	for (size_t i = 0; i < m->n_attributes; i++) {
		const struct meta_attribute *a = &m->attributes[i];

		if (fsetxattr(fd, a->name, a->value, a->size, 0) < 0 &&
		    !can_be_missed(errno, a->name))
			return corral_error_sys(err, errno, "attribute '%.100s' of %zu bytes",
			                        a->name, a->size);
	}
	if (!squash && (m->uid || m->gid) && fchown(fd, m->uid, m->gid) < 0)
		return corral_error_sys(err, errno, "give to %u:%u", m->uid, m->gid);
	/* After the owner, since a change of that takes set-id bits away. */
	if (fchmod(fd, m->mode) < 0)
		return corral_error_sys(err, errno, "mode %04o", m->mode);
	if (futimens(fd, m->times) < 0)
		return corral_error_sys(err, errno, "time");
	return 0;
}

int meta_apply_at(const struct meta *m, int dir_fd, const char *name, bool squash,
                  struct corral_error *err)
{
	if (!squash && (m->uid || m->gid) &&
	    fchownat(dir_fd, name, m->uid, m->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return corral_error_sys(err, errno, "give to %u:%u", m->uid, m->gid);
	if (utimensat(dir_fd, name, m->times, AT_SYMLINK_NOFOLLOW) < 0)
		return corral_error_sys(err, errno, "time");
	return 0;
}
