# shellcheck shell=bash
# For scripts that start a container engine, to be sourced: the control groups that remain of one.
#
# Everything an engine of ours makes lies below one group named corral-docker-[WORD-]PID, where PID is the
# process that removes it; so whoever finds such a group knows whether somebody still answers for it.

# Groups are emptied by the end of the processes, a moment after it. usage: remove_cgroups NAME
# shellcheck disable=SC2317 # a trap calls it
remove_cgroups() {
	local tries left
	for ((tries = 0; tries < 25; tries++)); do
		left=$(find /sys/fs/cgroup -depth -type d -path "*/$1*" 2>/dev/null || true)
		[ -n "$left" ] || return 0
		xargs -r -d '\n' rmdir 2>/dev/null <<<"$left" || true
		sleep 0.2
	done
	left=$(find /sys/fs/cgroup -depth -type d -path "*/$1*" 2>/dev/null || true)
	[ -z "$left" ] || echo "${0##*/}: left behind: $left" >&2
	[ -z "$left" ]
}

# Of runs that were killed outright.
sweep_cgroups() {
	local path
	find /sys/fs/cgroup -type d -name 'corral-docker-*' 2>/dev/null | while read -r path; do
		kill -0 "${path##*-}" 2>/dev/null || remove_cgroups "${path##*/}"
	done
}
