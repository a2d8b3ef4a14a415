/* Where users keep what is theirs to say: ~/.config/corral. */
#ifndef CORRAL_TOOLS_CONFIG_DIR_H
#define CORRAL_TOOLS_CONFIG_DIR_H

/* What root says for all. */
#define CORRAL_CONFIG_ETC "/etc/corral"

/* "$XDG_CONFIG_HOME/corral/NAME", else "~/.config/corral/NAME"; the caller's to free. NULL without
 * one, or without memory. */
char *corral_config_dir_path(const char *name);

#endif
