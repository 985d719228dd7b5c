# shellcheck shell=bash
# What a test needs to act as a process of ours that somebody has taken over: the tool that runs system calls inside of
# it (inside.c says how an attack is written), machines that stay for all tests of a file, and things of the host to
# attack. Stands on e2e/lib/common; what is exported in setup_file reaches the tests.

# attack_setup_file: builds the tool and makes what the attacks aim at. Each is open to root, and found by everybody who
# sees the host's names, because the folder above must not be what stops an attack.
attack_setup_file() {
	common_setup
	chmod 711 "$WORK"
	mkdir -m 711 "$ROOT" 2>/dev/null || true
	gcc -std=gnu17 -D_GNU_SOURCE -O1 -o "$WORK/inside" "$TREE/tests/security/inside.c" -lseccomp
	mkdir -m 755 "$WORK/host"
	echo "the host's" >"$WORK/host/file"
	chmod 644 "$WORK/host/file"
	socat UNIX-LISTEN:"$WORK/host/socket",mode=600,fork OPEN:/dev/null 3>&- &
	socat ABSTRACT-LISTEN:"$(basename "$WORK")",fork OPEN:/dev/null 3>&- &
	wait_for 20 test -S "$WORK/host/socket"
	sleep 3600 3>&- &
	export VICTIM=$!
	# Not the same, because nobody can trace who is traced already.
	sleep 3600 3>&- &
	export PLAIN=$!
	export WORK ROOT ROOTFS FENCE OUTSIDE mounts_before cgroups_before names_before
}

attack_teardown_file() {
	[ -n "${WORK:-}" ] || return 0
	local pid
	for pid in $(jobs -p); do
		kill "$pid" 2>/dev/null || true
	done
	common_teardown
}

# machine_start ID [JQ-FILTER] [OPTION...]: a container that stays, with one writable volume and one that is not. The pid
# of its stand-in is in $WORK/ID.pid.
machine_start() {
	local id=$1 filter=${2:-.} dir
	shift $(($# < 2 ? $# : 2))
	mkdir -m 777 "$WORK/$id.rw" "$WORK/$id.ro"
	echo text | tee "$WORK/$id.rw/file" >"$WORK/$id.ro/file"
	dir=$(bundle "b-$id" ".mounts += [
		{destination: \"/rw\", type: \"bind\", source: \"$WORK/$id.rw\", options: [\"rbind\", \"rw\"]},
		{destination: \"/ro\", type: \"bind\", source: \"$WORK/$id.ro\", options: [\"rbind\", \"ro\"]}] | $filter" sleep 3600)
	kata "$@" run -d --pid-file "$WORK/$id.pid" --bundle "$dir" "$id" </dev/null >"$WORK/$id.out" 2>&1 || {
		cat "$WORK/$id.out" >&2
		return 1
	}
}

# family PID: it and what descends from it, a line each.
family() {
	local child children
	echo "$1"
	read -rd '' -a children < <(cat /proc/"$1"/task/*/children 2>/dev/null) || true
	for child in "${children[@]}"; do
		family "$child"
	done
}

server_of() {
	pgrep -f -- "^[^ ]*containerd-shim-kata-v2 .*-id $1 " | while read -r pid; do
		! grep -qxF "$pid" <(fence_pids) || echo "$pid"
	done | head -1
}

# process_of ID NAME [N]: the N-th process called NAME below the server of ID.
process_of() {
	local pid server
	server=$(server_of "$1")
	[ -n "$server" ] || return 1
	for pid in $(family "$server"); do
		case $(cat "/proc/$pid/comm") in
		"$2"*) echo "$pid" ;;
		esac
	done | sed -n "${3:-1}p"
}

# inside PID <ATTACKS: what became of each.
inside() {
	timeout 240 "$WORK/inside" "$1"
}

# Answers that say no, whatever the arguments. A kernel that lacks the thing says no as well.
NO='EPERM|EACCES|ENOSYS|EROFS|ESRCH|ENOENT|ENOTDIR|EAFNOSUPPORT|ECONNREFUSED|ELOOP|EXDEV|ENODEV|EOPNOTSUPP|killed'

# refused PID <ATTACKS: all of them are. Says which are not.
refused() {
	local answers
	answers=$(inside "$1")
	[ -n "$answers" ] || return 1
	echo "$answers"
	echo "let through:"
	! grep -vE ": ($NO)\$" <<<"$answers"
}

# The kernel's rooms that no process of ours needs, whoever it is.
attacks_on_kernel() {
	cat <<-END
		io_uring: io_uring_setup 1 #120
		userfaultfd: userfaultfd 1
		bpf: bpf 0 #120 120
		add_key: add_key @user @kata-test @x 1 -3
		keyctl: keyctl 0 -3 1
		perf_event_open: perf_event_open #128 0 -1 -1 0
		an internet socket: socket AF_INET SOCK_STREAM 0
		an internet socket, version 6: socket AF_INET6 SOCK_DGRAM 0
		a netlink socket: socket AF_NETLINK SOCK_RAW 0
		a packet socket: socket AF_PACKET SOCK_RAW 0
		a vsock socket: socket AF_VSOCK SOCK_STREAM 0
		a socket for the kernel's ciphers: socket AF_ALG SOCK_SEQPACKET 0
		a mount, new kind: open_tree AT_FDCWD @/ 1
		a file system, new kind: fsopen @tmpfs 0
		pivot_root: pivot_root @/ @/
		chroot: chroot @/
		a user namespace: unshare CLONE_NEWUSER
		a mount namespace: unshare CLONE_NEWNS
		a user namespace by clone: clone CLONE_NEWUSER 0 0 0 0
		setns: setns 0 0
		kexec_load: kexec_load 0 0 0 0
		init_module: init_module #8 8 @
		finit_module: finit_module 0 @ 0
		delete_module: delete_module @kata_no_such_module 0
		reboot: reboot 0 0 0 0
		swapon: swapon @/proc/self/exe 0
		the kernel's log: syslog 3 #100 100
		fanotify: fanotify_init 0 0
		pages of others: migrate_pages $VICTIM 0 0 0
		priority: setpriority 0 0 -20
		a handle of a file: open_by_handle_at AT_FDCWD #16 0
		to outlive the server: prctl 1 0 0 0 0
		a quota: quotactl 0x80000700 @/ 0 #128
	END
	[ "$(uname -m)" != x86_64 ] || echo "ports: ioperm 128 1 1"
}

# Processes of the host. Signal 0 asks whether one may.
attacks_on_processes() {
	local pid
	for pid in "$VICTIM" "$(server_of c1)" "$(server_of c2)" "$(cat "$WORK/c1.pid")"; do
		cat <<-END
			a signal to $pid: kill $pid 0
			a signal to a thread of $pid: tgkill $pid $pid 0
			a pidfd of $pid: pidfd_open $pid 0; pidfd_send_signal \$1 0 0 0
			ptrace of $pid: ptrace PTRACE_SEIZE $pid 0 0
			memory of $pid: process_vm_readv $pid iov:8 1 iov:8 1 0
			limits of $pid: prlimit64 $pid 7 0 #16
			processors of $pid: sched_setaffinity $pid 128 #128
		END
	done
}

# The folder of the cgroup of the machine that is attacked.
own_cgroup() {
	local path
	if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
		path=$(sed -n 's/^0:://p' "/proc/$(server_of c1)/cgroup")
		echo "/sys/fs/cgroup$path"
	else
		path=$(sed -n 's/^[0-9]*:memory://p' "/proc/$(server_of c1)/cgroup")
		echo "/sys/fs/cgroup/memory$path"
	fi
}

# Names of the host. What would change something changes it to what it is already.
attacks_on_names() {
	local owner=0
	cat <<-END
		passwords: open @/etc/shadow O_RDONLY; read \$1 #16 16
		the environment of another process: open @/proc/$VICTIM/environ O_RDONLY; read \$1 #16 16
		the folder of machines: open @$ROOT O_RDONLY|O_DIRECTORY
		the shares: open @$SHARES O_RDONLY|O_DIRECTORY
		its own server: socket AF_UNIX SOCK_STREAM 0; connect \$1 unix:$ROOT/c1/shim.sock
		the server of another: socket AF_UNIX SOCK_STREAM 0; connect \$1 unix:$ROOT/c2/shim.sock
		a socket of root: socket AF_UNIX SOCK_STREAM 0; connect \$1 unix:$WORK/host/socket
		a socket without a file: socket AF_UNIX SOCK_STREAM 0; connect \$1 unix:@$(basename "$WORK")
		read: open @$WORK/host/file O_RDONLY
		write: open @$WORK/host/file O_WRONLY
		a way to it: open @$WORK/host/file O_PATH
		chmod: chmod @$WORK/host/file 0644
		chown: chown @$WORK/host/file $owner $owner
		setxattr: setxattr @$WORK/host/file @user.kata @x 1 0
		times: utimensat AT_FDCWD @$WORK/host/file 0 0
		truncate: truncate @$WORK/host/file 11
		rename: rename @$WORK/host/file @$WORK/host/file
		a folder: mkdir @$WORK/host/new 0755; rmdir @$WORK/host/new
		a link: symlink @x @$WORK/host/new; unlink @$WORK/host/new
		a hard link: link @$WORK/host/file @$WORK/host/new; unlink @$WORK/host/new
		a program of the host: execve @/bin/true strings:true strings:A=1
		a shell: execve @/bin/sh strings:sh,-c,true strings:A=1
		a program from memory: memfd_create @x 0; execveat \$1 @ strings:x 0 AT_EMPTY_PATH
		core_pattern: open @/proc/sys/kernel/core_pattern O_WRONLY
		sysrq: open @/proc/sysrq-trigger O_WRONLY
		a device of the host: open @/dev/tty0 O_RDWR
		a control group: open @$FENCE/cgroup.procs O_WRONLY
		its own control group: open @$(own_cgroup)/cgroup.procs O_WRONLY
		its own limit: open @$(own_cgroup)/memory.$([ -f /sys/fs/cgroup/cgroup.controllers ] && echo max || echo limit_in_bytes) O_WRONLY
		watch names: inotify_init1 0; inotify_add_watch \$1 @$WORK/host 2
	END
}

# The folder of a container's writable volume, and of the other, as virtiofsd PID sees them.
folder_seen() {
	awk -v end="$2" '$5 ~ end "$" { print $5; exit }' "/proc/$1/mountinfo"
}

# New device nodes in FOLDER, which is a path or relative to a DESCRIPTOR: of the host's disk, of memory.
attacks_with_nodes() {
	local folder=$1 at=${2:-AT_FDCWD} node
	while read -r node; do
		node=${node//AT/$at}
		echo "${node//DIR/$folder}"
	done <<-END
		a disk: mknodat AT @DIR/node-b S_IFBLK|0600 $(disk); openat AT @DIR/node-b O_RDONLY; read \$2 #16 16
		memory: mknodat AT @DIR/node-m S_IFCHR|0600 0x101; openat AT @DIR/node-m O_RDONLY; read \$2 #16 16
		the log: mknodat AT @DIR/node-k S_IFCHR|0600 0x10b; openat AT @DIR/node-k O_RDONLY
		null: mknodat AT @DIR/node-n S_IFCHR|0600 0x103; openat AT @DIR/node-n O_RDWR
	END
}

# Its name, if what DESCRIPTOR has open is one of the files that make a machine. A file on a mount of its own is "/" in
# /proc, so its name does not tell.
machine_file() {
	find -L "$TREE/build/guest" "$TREE/build/guest-9p" /usr/share/qemu /usr/share/seabios -type f -samefile "$1" 2>/dev/null | head -1
}

# By what a process has open already: out of each folder upwards to the kernel's switches and the host's names, and each
# file for writing, or as it is not open. To change modes and times needs no descriptor that may write.
attacks_by_descriptors() {
	local pid=$1 fd up mode
	for fd in /proc/"$pid"/fd/*; do
		fd=${fd##*/}
		if [ -d "/proc/$pid/fd/$fd" ]; then
			for up in . .. ../.. ../../..; do
				cat <<-END
					core_pattern by $fd $up: openat $fd @$up/sys/kernel/core_pattern O_WRONLY
					sysctl by $fd $up: openat $fd @$up/sys/vm/overcommit_memory O_WRONLY
					passwords by $fd $up: openat $fd @$up/etc/shadow O_RDONLY
				END
			done
		elif [ -n "$(machine_file "/proc/$pid/fd/$fd")" ]; then
			mode=$(stat -L -c %a "/proc/$pid/fd/$fd")
			cat <<-END
				a mode by $fd: fchmod $fd 0$mode
				an owner by $fd: fchown $fd 0 0
				times by $fd: utimensat $fd 0 0 0
				an attribute by $fd: fsetxattr $fd @user.kata @x 1 0
				to write by $fd: open @/proc/self/fd/$fd O_RDWR
			END
		fi
	done
}

# The device number of some disk, as mknod takes it.
disk() {
	awk 'NR > 2 { print $1 * 256 + $2; exit }' /proc/partitions
}
