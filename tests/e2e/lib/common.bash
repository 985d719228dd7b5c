# shellcheck shell=bash
# What every end-to-end test stands on: a root for containers, busybox bundles, and a look for what was left behind.
# A test file calls `load lib/common` and has setup() call common_setup, teardown() call common_teardown, which comes last,
# because bats asks a teardown() for the status of its last command only.

TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)

SHARES=/run/kata-containers/shared/sandboxes
# The folders of pods' management sockets (as upstream's), and of shims' sockets (as containerd's).
PODS=/run/vc/sbs
SHIMS=/run/containerd/s

common_setup() {
	WORK=$(mktemp -d /tmp/kata-e2e-XXXXXX)
	ROOT=$WORK/state
	ROOTFS=$WORK/rootfs
	fence_make
	mounts_before=$(leftover_mounts)
	cgroups_before=$(leftover_cgroups)
	names_before=$(leftover_names)
	make_rootfs "$ROOTFS"
}

common_teardown() {
	local dir leaks=0
	for dir in "$ROOT"/*/; do
		[ ! -d "$dir" ] || kata delete --force "$(basename "$dir")" || true
	done
	leak_check || leaks=1
	fence_remove || leaks=1
	rm -rf "$WORK"
	return $leaks
}

# Whatever a test starts is in a control group of its own: so what is left behind is found whatever its name, its parent and
# its environment. What kata puts into groups of its own is there, too, with those in the fence; with cgroup v2 these are
# beside the group of their caller, which is therefore one below the fence.
fence_make() {
	local base
	for base in /sys/fs/cgroup/unified /sys/fs/cgroup /sys/fs/cgroup/pids; do
		FENCE=$base/$(basename "$WORK")
		OUTSIDE=$base$(group_of "$base")
		[ -d "$OUTSIDE" ] || OUTSIDE=$base
		FENCE_INSIDE=$FENCE
		[ "$base" != /sys/fs/cgroup ] || FENCE_INSIDE=$FENCE/inside
		export FENCE_INSIDE
		if [ -f "$base/cgroup.procs" ] && mkdir -p "$FENCE_INSIDE" 2>/dev/null && fence_enter; then
			return 0
		fi
		rmdir "$FENCE_INSIDE" "$FENCE" 2>/dev/null || true
	done
	echo "a control group cannot be made: end-to-end tests need root" >&2
	return 1
}

# group_of HIERARCHY: the group this shell is in. Of version 2, no other may be free to enter: one that hands on controllers
# has no processes.
group_of() {
	case $1 in
	*/pids) sed -n 's/^[0-9]*:pids://p' /proc/self/cgroup ;;
	*) sed -n 's/^0:://p' /proc/self/cgroup ;;
	esac
}

# For processes of bats that were not there when the fence was made.
fence_enter() {
	echo $BASHPID >"$FENCE_INSIDE/cgroup.procs"
}

# What is in the fence, and in the groups of containerd's pods.
fence_pids() {
	find "$FENCE" "${FENCE%/*}"/*/kata_* "${FENCE%/*}"/kata_* -name cgroup.procs -exec cat {} + 2>/dev/null | sort -n
}

# Also ends what should have ended by itself. False if the test has left a process in there, be it a helper of its own, because the
# tests after it would have it beside them.
fence_remove() {
	local pid
	for pid in $(leftover_pids); do
		kill -9 "$pid" 2>/dev/null || true
	done
	echo $BASHPID >"$OUTSIDE/cgroup.procs"
	! wait_for 60 fence_rmdir || return 0
	echo "the test's control group is not empty:" >&2
	# Those below the fence alone, because processes of a neighbour's pods would not keep it.
	while read -r pid; do
		{ tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c 1-300; } >&2 2>/dev/null || true
		kill -9 "$pid" 2>/dev/null || true
	done < <(find "$FENCE" -name cgroup.procs -exec cat {} + 2>/dev/null)
	wait_for 60 fence_rmdir || true
	return 1
}

fence_rmdir() {
	[ ! -d "$FENCE_INSIDE" ] || rmdir "$FENCE_INSIDE" || return
	[ ! -d "$FENCE" ] || rmdir "$FENCE"
} 2>/dev/null

kata() {
	"$TREE/build/kata-runtime" --root "$ROOT" "$@"
}

# needs_vsock: skips a test where machines do not run on KVM, or have no vsock.
needs_vsock() {
	[[ $("$TREE/build/kata-runtime" check 2>/dev/null || true) == *"KVM: /dev/kvm works"*vsock* ]] || skip "KVM or vhost-vsock is not there"
}

# cold_machines: the machines of this test boot where others start from a template (tools/from-template).
cold_machines() {
	mkdir "$WORK/cold"
	cp "$TREE/build/configuration.toml" "$WORK/cold/"
	export KATA_CONF_FILE=$WORK/cold/configuration.toml
	# Of what containerd starts (lib/containerd.bash).
	# shellcheck disable=SC2034
	CONFIGURATION=$KATA_CONF_FILE
}

# Hard links, because a file system that avoids inodes which were deleted a moment ago, as ext4 does, takes longer for hundreds
# of symbolic links than most tests. One is symbolic and absolute, as in images: its path is the guest's.
make_rootfs() {
	mkdir -p "$1"/{bin,dev,etc,proc,sys,tmp,root,usr}
	ln -s ../bin "$1/usr/bin"
	cp /bin/busybox "$1/bin/"
	"$1/bin/busybox" --install "$1/bin"
	ln -sf /bin/busybox "$1/bin/sh"
	echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
}

# bundle NAME JQ-FILTER ARG... : a bundle that runs ARGs, its config.json changed by the filter. Prints its folder.
bundle() {
	local dir=$WORK/$1 filter=$2
	shift 2
	mkdir "$dir"
	kata spec --bundle "$dir"
	jq --arg root "$ROOTFS" '.process.args = $ARGS.positional | .process.terminal = false | .root.path = $root
		| .root.readonly = false | '"$filter" "$dir/config.json" --args -- "$@" >"$dir/new"
	mv "$dir/new" "$dir/config.json"
	echo "$dir"
}

# run_once ID ARG...: one container to its end, streams passed through.
run_once() {
	local id=$1
	shift
	kata run --bundle "$(bundle "b-$id" . "$@")" "$id"
}

# wait_for SECONDS COMMAND...: until it succeeds. Other suites run beside this one, so the seconds are many: they only pass
# when the test fails. PATIENCE times as many where each takes longer.
wait_for() {
	local end=$((SECONDS + $1 * ${PATIENCE:-1}))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		read -rt 0.05 <> <(:) || true
	done
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

leftover_mounts() {
	grep -E 'kata' /proc/self/mountinfo | cut -d' ' -f5 | sort || true
}

leftover_cgroups() {
	find /sys/fs/cgroup -type d \( -name '*kata*' -o -path '*/kata-e2e-*/*' \) ! -name 'kata-e2e-*' ! -path '*/kata-e2e-*/inside' \
		2>/dev/null | sort || true
}

leftover_names() {
	find "$SHARES" "$PODS" "$SHIMS" /run/netns -mindepth 1 -maxdepth 1 2>/dev/null | sort || true
}

leftover_pids() {
	local pid
	while read -r pid; do
		case $(cat "/proc/$pid/comm" 2>/dev/null) in
		kata-* | container* | conmon | qemu-system* | virtiofsd) echo "$pid" ;;
		esac
	done < <(fence_pids)
}

# The vsock addresses of the machines that this test has started: QEMU gets its devices as JSON.
guest_cids() {
	local pid
	for pid in $(leftover_pids); do
		tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -oE '"guest-cid": ?[0-9]+' | grep -oE '[0-9]+$' || true
	done
}

nothing_runs() {
	[ -z "$(leftover_pids)" ]
}

# same WHAT BEFORE AFTER
same() {
	[ "$2" = "$3" ] && return 0
	echo "$1 left behind:" >&2
	diff <(echo "$2") <(echo "$3") >&2
}

leak_check() {
	local leaks=0 pid
	if ! wait_for 60 nothing_runs; then
		echo "processes left behind:"
		for pid in $(leftover_pids); do
			tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c 1-300
			echo
		done
		leaks=1
	fi >&2
	same mounts "$mounts_before" "$(leftover_mounts)" || leaks=1
	same cgroups "$cgroups_before" "$(leftover_cgroups)" || leaks=1
	same 'shares, sockets or network namespaces' "$names_before" "$(leftover_names)" || leaks=1
	if [ -n "$(ls -A "$ROOT" 2>/dev/null)" ]; then
		echo "files left behind in $ROOT: $(ls -A "$ROOT")" >&2
		leaks=1
	fi
	return $leaks
}
