#!/bin/bash
# Which folder includes which: tools -> backends -> kernel -> policy -> kernel/base, never the other way; and each
# library enters where the house plan says, and nowhere else.
# usage: tests/checks/arrows.sh [SOURCE_DIR]
set -euo pipefail

cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}"
status=0

# The folder of a path, as the plan counts folders.
folder() {
	case $1 in
	kernel/base/* | kernel/init/* | kernel/files/* | kernel/image/*)
		local rest=${1#kernel/}
		echo "kernel/${rest%%/*}" ;;
	tools/image/*) echo tools/image ;;
	*) echo "${1%%/*}" ;;
	esac
}

# usage: may FOLDER: the folders that it may include besides itself
may() {
	case $1 in
	kernel/base) echo ;;
	policy) echo kernel/base ;;
	kernel/files) echo kernel/base ;;
	kernel/init) echo kernel/base kernel/files ;;
	kernel/image) echo kernel/base kernel/files ;;
	# The wire format between caller and guest init is the one thing of init's that the caller knows.
	kernel) echo kernel/base policy kernel/files kernel/image kernel/init ;;
	backends) echo kernel/base policy kernel kernel/files kernel/image ;;
	tools) echo kernel/base policy kernel kernel/files kernel/image backends ;;
	esac
}

# usage: libraries FOLDER: headers of libraries that enter there
libraries() {
	case $1 in
	policy) echo 'jansson|seccomp|sys/capability|sha256' ;;
	kernel) echo 'netlink/.*' ;;
	kernel/init | kernel/files) echo 'pcre2' ;;
	kernel/image) echo 'curl/curl|archive|archive_entry|openssl/.*|jansson|sqlite3|zstd|sha256' ;;
	backends) echo 'curl/curl|archive|archive_entry|jansson|sqlite3|md5|sha256' ;;
	tools) echo 'microhttpd|jansson' ;;
	tools/image) echo 'gd|seccomp' ;;
	*) echo 'nothing' ;;
	esac
}
known='jansson|seccomp|sys/capability|sha256|md5|netlink/.*|pcre2|curl/curl|archive|archive_entry|openssl/.*|sqlite3|microhttpd|gd'

while IFS=: read -r file line text; do
	from=$(folder "$file")
	case $text in
	*'"'*)
		header=${text#*\"}
		header=${header%%\"*}
		to=$(folder "$header")
		if [ ! -f "$header" ]; then
			echo "$file:$line: \"$header\" is no path from the root"
			status=1
		elif [ "$from" != "$to" ] && [[ " $(may "$from") " != *" $to "* ]]; then
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
		if [[ ${header%.h} =~ ^($known)$ ]] && ! [[ ${header%.h} =~ ^($(libraries "$from"))$ ]]; then
			echo "$file:$line: <$header> does not enter in $from"
			status=1
		fi ;;
	esac
done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include' --include='*.c' --include='*.h' kernel policy tools backends 2>/dev/null)
exit $status
