#include "policy/config.h"

#include <stdlib.h>

#include "kernel/base/cleanup.h"
#include "policy/permission.h"

struct corral_config *corral_config_new(void)
{
	struct corral_config *c = calloc(1, sizeof(*c));

	if (c)
		c->limits = corral_limits_default;
	return c;
}

const char *corral_network_name(enum corral_network_mode mode)
{
	static const char *const names[] = {
		[CORRAL_NETWORK_NONE] = "none",
		[CORRAL_NETWORK_HOST] = "host",
		[CORRAL_NETWORK_BRIDGE] = "bridge",
		[CORRAL_NETWORK_ALLOW] = "allow",
	};

	return (size_t)mode < CORRAL_COUNT(names) ? names[mode] : NULL;
}

static void strings_free(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void corral_config_free(struct corral_config *c)
{
	if (!c)
		return;
	free(c->runtime);
	free(c->rootfs);
	free(c->image);
	free(c->user);
	if (c->rootfs_is_image)
		corral_fd_closep(&c->rootfs_lease_fd);
	if (c->has_disk)
		corral_fd_closep(&c->disk_fd);
	free(c->workspace);
	free(c->work_dir);
	free(c->work_dir_base);
	free(c->keep);
	free(c->hostname);
	free(c->seccomp);
	for (size_t i = 0; i < c->n_mounts; i++) {
		free(c->mounts[i].host_path);
		free(c->mounts[i].guest_path);
	}
	free(c->mounts);
	for (size_t i = 0; i < c->n_publish; i++)
		corral_publish_done(&c->publish[i]);
	free(c->publish);
	strings_free(c->layers, c->n_layers);
	strings_free(c->allow, c->n_allow);
	strings_free(c->env, c->n_env);
	strings_free(c->cap_add, c->n_cap_add);
	strings_free(c->cap_drop, c->n_cap_drop);
	strings_free(c->argv, c->n_argv);
	corral_permission_ruleset_free(c->permissions);
	free(c);
}
