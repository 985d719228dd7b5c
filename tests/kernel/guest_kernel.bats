#!/usr/bin/env bats
# The lean guest kernel (guest-image/kernel): what containers and the engines in them expect of a kernel works in it, and is
# in the list of what it has. Debian's kernel has less of it built in, so that these tests are about the lean one only: they
# are skipped until `make kernel` has made it.

# bats file_tags=host

load ../e2e/lib/common

setup() {
	grep -qx kata-linux "$TREE/build/kernel-package" || {
		echo "the guest's kernel is Debian's: make kernel" >&2
		return 1
	}
	common_setup
}

teardown() {
	[ -z "${WORK:-}" ] || common_teardown
}

# in_guest SCRIPT: runs it in a container that has the host's programs and may change the machine.
in_guest() {
	local caps='["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_MKNOD", "CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_SETUID", "CAP_SETGID"]'
	mkdir -p "$ROOTFS"/{usr,lib,lib64,sbin,run}
	dir=$(bundle "guest$RANDOM" '.process.capabilities |= map_values('"$caps"') | .process.env = ["PATH=/usr/sbin:/usr/bin:/bin"]
		| .linux.maskedPaths = [] | .linux.readonlyPaths = []
		| .linux.devices = [{path: "/dev/net/tun", type: "c", major: 10, minor: 200, fileMode: 438}]
		| .linux.resources.devices += [{allow: true, type: "c", major: 10, minor: 200, access: "rwm"}]
		| .mounts += [["/usr", "/lib", "/lib64", "/sbin", "/bin"][] | {destination: ., source: ., type: "bind", options: ["rbind", "ro"]}]' /usr/bin/bash -c "$1")
	kata run --bundle "$dir" "c$RANDOM" </dev/null
}

# each_line LINES: a script that runs each line, and prints those that fail with what they said.
each_line() {
	printf '%s\n' 'while IFS= read -r line; do said=$(eval "$line" 2>&1) || echo "$line: $said"; done <<"LINES"' "$1" LINES
}

# python_in_guest FILE [COMMAND...]: the program of that name in this folder, started by COMMAND.
python_in_guest() {
	in_guest "${*:2} python3 - <<'PROGRAM'
$(cat "$TREE/tests/kernel/$1")
PROGRAM"
}

# What scripts of Docker (check-config.sh), Kubernetes (kubeadm's system validation) and runc look for in /proc/config.gz.
@test "the options that engines look for are there" {
	in_guest 'zcat /proc/config.gz' >"$WORK/config"
	for option in NAMESPACES NET_NS PID_NS IPC_NS UTS_NS USER_NS CGROUPS CGROUP_CPUACCT CGROUP_DEVICE CGROUP_FREEZER CGROUP_SCHED CPUSETS \
		MEMCG KEYS VETH BRIDGE BRIDGE_NETFILTER IP_NF_FILTER IP_NF_MANGLE IP_NF_TARGET_REJECT IP6_NF_FILTER IP6_NF_MANGLE \
		NETFILTER_XT_MATCH_ADDRTYPE NETFILTER_XT_MATCH_CONNTRACK NETFILTER_XT_MATCH_IPVS NETFILTER_XT_MARK IP_NF_RAW IP_NF_NAT \
		NF_NAT IP6_NF_RAW IP6_NF_NAT POSIX_MQUEUE CGROUP_BPF SECCOMP SECCOMP_FILTER CGROUP_PIDS BLK_CGROUP BLK_DEV_THROTTLING \
		CGROUP_PERF CGROUP_HUGETLB CGROUP_NET_PRIO CFS_BANDWIDTH FAIR_GROUP_SCHED IP_VS IP_VS_NFCT IP_VS_RR \
		EXT4_FS EXT4_FS_POSIX_ACL EXT4_FS_SECURITY VXLAN BRIDGE_VLAN_FILTERING IPVLAN MACVLAN DUMMY OVERLAY_FS \
		INET CHECKPOINT_RESTORE PSI TUN WIREGUARD FUSE_FS IO_URING SECURITY_LANDLOCK NFT_COMPAT NFS_V4; do
		grep -qx "CONFIG_$option=y" "$WORK/config" || echo "CONFIG_$option"
	done >"$WORK/missing"
	cat "$WORK/missing"
	[ ! -s "$WORK/missing" ]
}

@test "interfaces of every kind can be made" {
	in_guest "$(each_line 'ip link add one type veth peer name two
ip link add bridge0 type bridge
ip link set one master bridge0
ip link add dummy7 type dummy
ip link add link dummy7 name vlan7 type vlan id 7
ip link add link dummy7 name macvlan7 type macvlan
ip link add link dummy7 name macvtap7 type macvtap
ip link add dummy8 type dummy
ip link add link dummy8 name ipvlan8 type ipvlan mode l3
ip link add vxlan7 type vxlan id 1 remote 192.0.2.1 dstport 4789 dev dummy7
ip link add geneve7 type geneve id 1 remote 192.0.2.1
ip link add wg7 type wireguard
ip link add bond7 type bond
ip link add vrf7 type vrf table 10
ip link add ipip7 type ipip remote 192.0.2.1
ip link add gre7 type gre remote 192.0.2.1
ip tuntap add tun7 mode tun
ip rule add from 192.0.2.0/24 table 7
ip -6 addr add 2001:db8::1/64 dev dummy7
tc qdisc add dev dummy7 root tbf rate 1mbit burst 10kb latency 10ms
tc qdisc add dev dummy7 ingress
tc filter add dev dummy7 ingress matchall action mirred egress redirect dev two')" >"$WORK/out" 2>&1
	cat "$WORK/out"
	[ ! -s "$WORK/out" ]
}

@test "packet filters: iptables of both kinds, by the hundred" {
	in_guest "$(each_line 'iptables-nft -t nat -A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE
iptables-nft -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables-nft -A INPUT -m addrtype --dst-type LOCAL -m comment --comment x -j ACCEPT
iptables-legacy -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to 192.0.2.1:8080
iptables-legacy -t nat -A OUTPUT -p tcp --dport 81 -j REDIRECT --to-ports 82
iptables-legacy -t mangle -A PREROUTING -j MARK --set-mark 1
iptables-legacy -t raw -A PREROUTING -p tcp -j CT --notrack
iptables-legacy -A INPUT -m multiport -p tcp --dports 1,2 -m limit --limit 1/s -j REJECT
iptables-legacy -A INPUT -m statistic --mode random --probability 0.5 -j ACCEPT
ip6tables-legacy -t nat -A POSTROUTING -j MASQUERADE
ip6tables-nft -A INPUT -j REJECT
for i in $(seq 300); do echo "-A OUTPUT -d 198.51.100.$((i % 250)) -p tcp --dport $i -j DROP"; done | (echo "*filter"; cat; echo COMMIT) | iptables-legacy-restore -n
test "$(iptables-legacy -S OUTPUT | wc -l)" -eq 301')" >"$WORK/out" 2>&1
	cat "$WORK/out"
	[ ! -s "$WORK/out" ]
}

@test "file systems and devices" {
	in_guest "$(each_line 'mount -t tmpfs tmp /tmp
mkdir -p /tmp/l /tmp/u /tmp/w /tmp/m
mount -t overlay none -o lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w /tmp/m
grep -w fuse /proc/filesystems
grep -w xfs /proc/filesystems
grep -w erofs /proc/filesystems
grep -w squashfs /proc/filesystems
grep -w nfs4 /proc/filesystems
grep -w 9p /proc/filesystems
grep -w iso9660 /proc/filesystems
grep -w vfat /proc/filesystems
mount -t debugfs none /tmp/m
unshare -U true
unshare -T true
cat /proc/pressure/memory
test -w /proc/sys/net/netfilter/nf_conntrack_max
cat /proc/sys/kernel/yama/ptrace_scope
zcat /proc/config.gz')" >"$WORK/out" 2>&1
	cat "$WORK/out"
	[ ! -s "$WORK/out" ]
}

# The machine has 2 GiB, and a page 4 KiB.
@test "memory is described when it is used, and all of it can be used" {
	in_guest 'described() { sed -n "/zone *DMA32/,/spanned/ s/^ *spanned *//p" /proc/zoneinfo; }
		kilobytes() { sed -En "s/^$1: *([0-9]+) kB/\1/p" /proc/meminfo; }
		set -e
		echo total $(kilobytes MemTotal)
		echo before $(described) $(kilobytes MemFree)
		mkdir /all
		mount -t tmpfs -o size=1900m all /all
		head -c 16M /dev/urandom >/all/block
		for block in $(seq 100); do cat /all/block; done >/all/file
		echo used $(described) $(kilobytes MemFree)
		others=0
		for block in $(seq 0 99); do cmp -s -n 16M -i $((block << 24)):0 /all/file /all/block || others=$((others + 1)); done
		echo $others
		umount /all
		echo after $(described) $(kilobytes MemFree)' >"$WORK/said"
	cat "$WORK/said"
	awk '$1 == "total" { total = $2 } $1 == "before" { described = $2; free = $3 }
		$1 == "used" { used = $2; left = $3 } $1 == "after" { after = $3 } NF == 1 { others = $1 }
		END { exit !(total > 1900 * 1024 && described < 512 * 256 && free > 1800 * 1024 && used > 1600 * 256 &&
			left < free - 1500 * 1024 && others == 0 && after > free - 64 * 1024) }' "$WORK/said"
}

# The kernel makes the text of an event about a device only where somebody listens (uevents-for-listeners.patch): in the machine's own
# namespaces, or in a user's.
@test "who listens hears of devices, and what nobody hears is counted" {
	for command in "" "unshare --user --keep-caps --net"; do
		python_in_guest uevents.py "$command" >"$WORK/said"
		cat "$WORK/said"
		grep -qx 'unheard: counted' "$WORK/said"
		grep -qx 'add@/devices/virtual/net/heard' "$WORK/said"
		grep -qx 'INTERFACE=heard' "$WORK/said"
		grep -q '^SEQNUM=[0-9]' "$WORK/said"
	done
}

# The kernel looks for the types of such programs when the first is asked for (struct-ops-at-first-use.patch).
@test "congestion control of TCP can be a BPF program" {
	python_in_guest struct_ops.py >"$WORK/said"
	cat "$WORK/said"
	grep -qx 'congestion control: made' "$WORK/said"
	grep -qx 'task_struct: Unknown error 524' "$WORK/said"
}
