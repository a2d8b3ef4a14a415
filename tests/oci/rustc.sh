#!/bin/sh
# To cargo it is a compiler: answers what cargo asks of one, and of a program makes a script that says hello.
cargo_asks() {
	while [ $# -gt 0 ]; do
		case $1 in
		--crate-type)
			case $2 in
			bin) echo ___ ;;
			rlib) echo lib___.rlib ;;
			staticlib) echo lib___.a ;;
			*) echo lib___.so ;;
			esac
			shift
			;;
		--print=sysroot) echo /usr ;;
		--print=split-debuginfo) printf 'off\npacked\nunpacked\n' ;;
		--print=crate-name) echo ___ ;;
		--print=cfg)
			printf '%s\n' debug_assertions 'panic="unwind"' 'target_arch="x86_64"' 'target_endian="little"' \
				'target_env="gnu"' 'target_family="unix"' 'target_os="linux"' 'target_pointer_width="64"' \
				'target_vendor="unknown"' unix
			;;
		esac
		shift
	done
}

case " $* " in
*' -vV '*)
	printf '%s\n' 'rustc 1.90.0 (stand-in)' 'binary: rustc' 'commit-hash: unknown' 'commit-date: unknown' \
		'host: x86_64-unknown-linux-gnu' 'release: 1.90.0' 'LLVM version: 20.1.0'
	exit
	;;
*' --print='*)
	cargo_asks "$@"
	exit
	;;
esac
while [ $# -gt 0 ]; do
	case $1 in
	--crate-name) crate=$2 ;;
	--out-dir) dir=$2 ;;
	extra-filename=*) extra=${1#*=} ;;
	esac
	shift
done
echo "$dir/$crate$extra: src/main.rs" >"$dir/$crate$extra.d"
printf '#!/bin/sh\necho hello of cargo\n' >"$dir/$crate$extra"
chmod 755 "$dir/$crate$extra"
