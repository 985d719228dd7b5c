# shellcheck shell=bash
# What a process is allowed, in the words of the table in docs/processes.md. Stands on lib/attack.

PAGE=$TREE/docs/processes.md

CAPABILITIES=(chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable
	net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace
	sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control
	setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore)

# The rows of the page: names in code ticks begin a row.
table_processes() {
	sed -n 's/^| `\([^`]*\)` |.*/\1/p' "$PAGE"
}

# table_cell PROCESS COLUMN: what the page says. The column's name is the one in the table's head.
table_cell() {
	awk -F ' *[|] *' -v row="\`$1\`" -v column="$2" '
		/^\| process / { for (i = 2; i < NF; i++) if ($i == column) n = i }
		$2 == row && n { print $n }' "$PAGE"
}

field() {
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

# A user of its own is one that is neither root nor that of another machine's process.
seen_user() {
	local uid other
	uid=$(field "$1" Uid | cut -f1)
	other=$(field "$2" Uid | cut -f1)
	if [ "$uid" = 0 ]; then
		echo root
	elif [ "$uid" = "$other" ]; then
		echo "$uid, as another machine's"
	else
		echo "its own"
	fi
}

capability_words() {
	local bits=$((16#$1)) i words=()
	for i in "${!CAPABILITIES[@]}"; do
		(((bits >> i & 1) == 0)) || words+=("${CAPABILITIES[i]}")
	done
	echo "${words[*]}"
}

# Those it has, and those that it could get back by running a program.
seen_capabilities() {
	local all has bounding
	all=$(field $$ CapPrm)
	has=$(field "$1" CapPrm)
	bounding=$(field "$1" CapBnd)
	if [ "$has" = "$all" ]; then
		echo all
	elif [ $((16#$has | 16#$bounding)) -eq 0 ]; then
		echo none
	elif [ $((16#$has)) -eq 0 ]; then
		echo "none, but may get $(capability_words "$bounding")"
	else
		capability_words "$has"
	fi
}

# Those that it does not share with us.
seen_namespaces() {
	local ns words=()
	for ns in user mnt pid net ipc uts cgroup; do
		[ "$(readlink "/proc/$1/ns/$ns")" = "$(readlink "/proc/$$/ns/$ns")" ] || words+=("$ns")
	done
	echo "${words[*]:-none}"
}

seen_filter() {
	[ "$(field "$1" Seccomp)" = 2 ] && echo yes || echo no
}

seen_sealed() {
	[ "$(field "$1" NoNewPrivs)" = 1 ] && echo yes || echo no
}

seen_root() {
	local root=/proc/$1/root
	if [ "$(stat -L -c %d:%i "$root/")" = "$(stat -L -c %d:%i /)" ]; then
		echo "the host's"
	elif [ -d "$root/c1/rootfs" ]; then
		echo "the share"
	elif [ -e "$root/bin/busybox" ] && [ -d "$root/rw" ]; then
		echo "the container's"
	elif [ -z "$(find "$root/" -xdev ! -type d 2>/dev/null | head -1)" ] && ! mkdir "$root/kata-test" 2>/dev/null; then
		echo "empty, read-only"
	else
		echo "a folder of its own: $(find "$root/" -mindepth 1 -maxdepth 1 -printf '%f ')"
	fi
}

seen_cgroup() {
	if diff -q "/proc/$1/cgroup" "/proc/$$/cgroup" >/dev/null; then
		echo "the caller's"
	elif grep -qE '/c[0-9]$' "/proc/$1/cgroup"; then
		echo "the container's"
	else
		echo "another"
	fi
}

seen_environment() {
	local names
	names=$(tr '\0' '\n' <"/proc/$1/environ" | sed -n 's/=.*//p' | grep -vxE 'KATA_CONF_FILE|XDG_RUNTIME_DIR' | sort | xargs)
	case " $names " in
	*" KATA_TEST_TOKEN "*) echo "the caller's" ;;
	*) echo "${names:-none}" ;;
	esac
}

# The kinds of what is open, each once.
seen_descriptors() {
	local fd to
	for fd in /proc/"$1"/fd/*; do
		to=$(readlink "$fd") || continue
		if [ "$to" = / ] && [ -f "$fd" ]; then
			to=$(machine_file "$fd")
		fi
		# QEMU's device nodes are of a file system of its own, which is gone.
		to=${to% (deleted)}
		case $to in
		/dev/*) echo "${to#/dev/}" ;;
		anon_inode:kvm-vcpu:*) echo kvm-vcpu ;;
		socket:* | pipe:*) echo "${to%%:*}" ;;
		mnt:* | net:* | ipc:* | uts:* | pid:* | user:* | cgroup:*) echo namespace ;;
		anon_inode:*) tr -d '[]' <<<"${to#*:}" ;;
		/memfd:*) echo memory ;;
		"$WORK"/c?.out | "$WORK"/c?.err) echo "the container's streams" ;;
		*/vmlinu*) echo kernel ;;
		*/initrd*) echo initrd ;;
		*.rom | *.bin | *.fd) echo firmware ;;
		"$SHARES"/*) echo share ;;
		"${SHARES%/shared/*}"/ids*) echo claim ;;
		"$WORK/state"/* | /run/vc/sbs/*) echo "state folder" ;;
		/proc | /proc/* | /[0-9]*) echo proc ;;
		*) [ "$(seen_root "$1")" = "the host's" ] && echo "$to" || echo share ;;
		esac
	done | sort -u
}

# The descriptors that the page does not know of.
unknown_descriptors() {
	seen_descriptors "$1" | grep -vxFf <(table_cell "$2" descriptors | sed 's/, */\n/g') || true
}

# as_the_page_says PROCESS PID OTHER: PID is the process, OTHER the same one of another machine.
as_the_page_says() {
	local name=$1 pid=$2 other=$3 column wanted seen wrong=0
	for column in user capabilities namespaces filter sealed root cgroup environment; do
		wanted=$(table_cell "$name" "$column")
		case $column in
		user) seen=$(seen_user "$pid" "$other") ;;
		*) seen=$("seen_$column" "$pid") ;;
		esac
		if [ "$seen" != "$wanted" ]; then
			echo "$name ($pid), $column: the page says '$wanted', it is '$seen'"
			wrong=1
		fi
	done
	seen=$(unknown_descriptors "$pid" "$name")
	if [ -n "$seen" ]; then
		echo "$name ($pid) has descriptors that the page does not know: $(xargs <<<"$seen")"
		wrong=1
	fi
	return $wrong
}
