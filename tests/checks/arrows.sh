#!/bin/bash
# Which folder includes which: tools -> backends -> kernel -> policy -> kernel/base, never the other way; and each
# library enters where the house plan says, and nowhere else.
# usage: tests/checks/arrows.sh [SOURCE_DIR]
set -euo pipefail

cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}"
status=0

# Answers are left in REPLY: a subshell for each of thousands of lines takes a minute.
# The folder of a path, as the plan counts folders.
folder() {
	case $1 in
	kernel/image/oci/*) REPLY=kernel/image/oci ;;
	kernel/network/helper/*) REPLY=kernel/network/helper ;;
	kernel/base/* | kernel/init/* | kernel/files/* | kernel/image/* | kernel/layers/* | kernel/network/*)
		local rest=${1#kernel/}
		REPLY=kernel/${rest%%/*} ;;
	tools/image/*) REPLY=tools/image ;;
	*) REPLY=${1%%/*} ;;
	esac
}

# usage: may FOLDER: the folders that it may include besides itself
may() {
	case $1 in
	kernel/base) REPLY= ;;
	policy) REPLY='kernel/base' ;;
	kernel/files) REPLY='kernel/base' ;;
	kernel/init | kernel/layers) REPLY='kernel/base kernel/files' ;;
	kernel/image) REPLY='kernel/base policy kernel/files kernel/layers' ;;
	kernel/image/oci) REPLY='kernel/base policy kernel kernel/files kernel/image kernel/layers' ;;
	kernel/network) REPLY='kernel/base policy' ;;
	kernel/network/helper) REPLY='kernel/base policy kernel/network' ;;
	# The wire format between caller and guest init is the one thing of init's that the caller knows.
	kernel) REPLY='kernel/base policy kernel/files kernel/image kernel/init kernel/layers kernel/network' ;;
	backends) REPLY='kernel/base policy kernel kernel/files kernel/image kernel/image/oci kernel/layers kernel/network' ;;
	tools) REPLY='kernel/base policy kernel kernel/files kernel/image kernel/image/oci kernel/layers kernel/network backends' ;;
	*) REPLY= ;;
	esac
}

# usage: libraries FOLDER: headers of libraries that enter there
libraries() {
	case $1 in
	policy) REPLY='jansson|seccomp|sys/capability|sha256' ;;
	kernel/network/helper) REPLY='netlink/.*' ;;
	kernel/init | kernel/files) REPLY='pcre2' ;;
	kernel/image) REPLY='jansson|sha256' ;;
	kernel/image/oci) REPLY='curl/curl|archive|archive_entry|openssl/.*|jansson|zstd' ;;
	backends) REPLY='curl/curl|archive|archive_entry|jansson|sqlite3|md5|sha256' ;;
	tools) REPLY='microhttpd|jansson' ;;
	tools/image) REPLY='gd|seccomp' ;;
	*) REPLY='nothing' ;;
	esac
}
known='jansson|seccomp|sys/capability|sha256|md5|netlink/.*|pcre2|curl/curl|archive|archive_entry|openssl/.*|sqlite3|microhttpd|gd'

while IFS=: read -r file line text; do
	folder "$file"
	from=$REPLY
	case $text in
	*'"'*)
		header=${text#*\"}
		header=${header%%\"*}
		folder "$header"
		to=$REPLY
		may "$from"
		if [ ! -f "$header" ]; then
			echo "$file:$line: \"$header\" is no path from the root"
			status=1
		elif [ "$from" != "$to" ] && [[ " $REPLY " != *" $to "* ]]; then
			echo "$file:$line: $from must not include $to (\"$header\")"
			status=1
		elif [ "$from" = kernel ] && [ "$to" = kernel/init ] &&
			[ "$header" != kernel/init/wire.h ] && [ "$header" != kernel/init/sys.h ]; then
			echo "$file:$line: of guest init the caller knows the wire alone (\"$header\")"
			status=1
		fi ;;
	*'<'*)
		header=${text#*<}
		header=${header%%>*}
		libraries "$from"
		if [[ ${header%.h} =~ ^($known)$ ]] && ! [[ ${header%.h} =~ ^($REPLY)$ ]]; then
			echo "$file:$line: <$header> does not enter in $from"
			status=1
		fi ;;
	esac
done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include' --include='*.c' --include='*.h' kernel policy tools backends 2>/dev/null)
exit $status
