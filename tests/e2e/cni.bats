#!/usr/bin/env bats
# The network plugins of Debian's containernetworking-plugins: what each makes in a pod's namespace is the guest's, as it is
# the container's under runc. The plugins' host is the gateway's namespace, and what they write is in the test's folder.

bats_require_minimum_version 1.5.0
load lib/common
load lib/network

PLUGINS=/usr/lib/cni

setup() {
	[ -x "$PLUGINS/bridge" ] || skip "containernetworking-plugins is not installed"
	network_setup
	ADDED=()
	# What plugins make their interfaces on top of.
	ip -n "$GATEWAY" link add up0 type veth peer name far0
	ip -n "$GATEWAY" link set up0 up
	ip -n "$GATEWAY" link set far0 up
}

teardown() {
	[ -z "${DAEMON:-}" ] || kill "$DAEMON" 2>/dev/null || true
	network_teardown
}

# plugin COMMAND CONFIGURATION [ADDED]: calls one, of version 0.4.0 of the interface, in the gateway's namespace.
plugin() {
	jq --argjson previous "${3:-null}" '{cniVersion: "0.4.0", name: "test"} + .
		+ if $previous then {prevResult: $previous} else {} end' <<<"$2" |
		env CNI_COMMAND="$1" CNI_CONTAINERID="${WORK##*-}" CNI_NETNS="/run/netns/$POD" CNI_IFNAME="${IFNAME:-eth0}" \
			CNI_PATH="$PLUGINS" ip netns exec "$GATEWAY" "$PLUGINS/$(jq -r .type <<<"$2")"
}

# add CONFIGURATION...: a list of plugins, each with the result of the one before it. A kernel may lack a kind of interface.
add() {
	local configuration result=null
	for configuration; do
		result=$(plugin ADD "$configuration" "$result") || {
			echo "$result"
			case $result in
			*"not supported"* | *"unknown device type"*) skip "this kernel does not have what the plugin makes" ;;
			esac
			return 1
		}
		ADDED+=("$configuration")
	done
	RESULT=$result
	remember
}

# take_away: what add made, the last one first.
take_away() {
	local i
	for ((i = ${#ADDED[@]} - 1; i >= 0; i--)); do
		plugin DEL "${ADDED[i]}" "$RESULT"
	done
}

# Of IPv4 and IPv6.
addresses() {
	jq -n --arg folder "$WORK/cni" '{type: "host-local", dataDir: $folder,
		ranges: [[{subnet: "10.88.0.0/16"}], [{subnet: "fd88::/64"}]],
		routes: [{dst: "0.0.0.0/0"}, {dst: "::/0"}, {dst: "10.99.0.0/16"}]}'
}

# configuration TYPE FILTER: with those addresses.
configuration() {
	jq -n --arg type "$1" --argjson ipam "$(addresses)" '{type: $type, ipam: $ipam} | '"${2:-.}"
}

bridge='.bridge = "cni0" | .isGateway = true | .hairpinMode = true'

@test "bridge: both families, a gateway, and a second container in the pod" {
	local pid
	add "$(configuration bridge "$bridge")"
	as_runc c1 10.88.0.1
	pod c2 sleep 1000
	kata exec c2 ping -c 1 -W 60 10.88.0.1
	kata exec c2 ping -6 -c 1 -W 60 fd88::1
	ip netns exec "$GATEWAY" busybox ping -c 1 -W 60 "$(jq -r '.ips[0].address | sub("/.*"; "")' <<<"$RESULT")"
	pid=$(kata state c2 | jq .pid)
	export pid
	kata run -d --bundle "$(bundle b-c3 '.linux.namespaces |= map(if .type == "network" then .path = "/proc/\($ENV.pid)/ns/net" else . end)' \
		sleep 1000)" c3 </dev/null >/dev/null 2>&1
	same both "$(kata exec c2 ip addr </dev/null)" "$(kata exec c3 ip addr </dev/null)"
	[ "$(kata exec c2 readlink /proc/self/ns/net)" = "$(kata exec c3 readlink /proc/self/ns/net)" ]
	kata delete --force c3
	kata delete --force c2
	same interfaces "$BEFORE" "$(interfaces "$POD")"
	take_away
}

@test "bridge with IPv6 only" {
	add "$(configuration bridge "$bridge | .ipam.ranges |= .[1:] | .ipam.routes |= .[1:2]")"
	as_runc c1 fd88::1
	take_away
}

@test "ptp: a route to the gateway alone" {
	add "$(configuration ptp)"
	as_runc c1 10.88.0.1
	take_away
}

@test "macvlan, with and without a hardware address that was asked for" {
	ip -n "$GATEWAY" addr add 10.88.0.1/16 dev far0
	add "$(configuration macvlan '.master = "up0" | .mode = "bridge"')"
	as_runc c1 10.88.0.1
	take_away
}

# bats test_tags=box
@test "ipvlan" {
	ip -n "$GATEWAY" addr add 10.88.0.1/16 dev far0
	add "$(configuration ipvlan '.master = "up0"')"
	as_runc c1
	take_away
}

# bats test_tags=box
@test "vlan" {
	add "$(configuration vlan '.master = "up0" | .vlanId = 5')"
	ip -n "$GATEWAY" link add link far0 name far0.5 type vlan id 5
	ip -n "$GATEWAY" link set far0.5 up
	ip -n "$GATEWAY" addr add 10.88.0.1/16 dev far0.5
	as_runc c1 10.88.0.1
	take_away
}

@test "host-device, which a pod gets whole and gives back" {
	ip -n "$GATEWAY" addr add 10.88.0.1/16 dev far0
	add "$(configuration host-device '.device = "up0"')"
	as_runc c1 10.88.0.1
	take_away
	ip -n "$GATEWAY" link show dev up0
}

@test "static: addresses and routes that were written down" {
	add "$(configuration bridge "$bridge"' | .ipam = {type: "static",
		addresses: [{address: "10.88.0.7/24", gateway: "10.88.0.1"}, {address: "fd88::7/64", gateway: "fd88::1"}],
		routes: [{dst: "10.99.0.0/16", gw: "10.88.0.254"}, {dst: "0.0.0.0/0"}]}')"
	as_runc c1 10.88.0.1
	grep -q 10.88.0.254 "$WORK/kata.facts"
	take_away
}

@test "sbr: routing by source, with rules and a table of its own" {
	add "$(configuration bridge "$bridge")" '{"type": "sbr"}'
	# All routes are for that source, so a program has to name it.
	as_runc c1
	pod c2 sleep 1000
	kata exec c2 ping -I 10.88.0.2 -c 1 -W 60 10.88.0.1
	kata delete --force c2
	grep -q '"table": "100"' "$WORK/kata.facts"
	grep -q '"src": "10.88.' "$WORK/kata.facts"
	take_away
}

# bats test_tags=box
@test "vrf: an interface with a routing table of its own, which it gets and leaves while a container runs as well" {
	add "$(configuration bridge "$bridge")" '{"type": "vrf", "vrfname": "red", "table": 1001}'
	ip -n "$POD" route add 10.98.0.0/16 via 10.88.0.1 dev eth0 table 1001
	ip -n "$POD" -6 route add fd98::/64 via fd88::1 dev eth0 table 1001
	ip -n "$POD" addr add 10.97.0.1/32 dev red
	as_runc c1
	grep -q '"table": "1001"' "$WORK/kata.facts"
	grep -q '"dst": "10.98.0.0/16"' "$WORK/kata.facts"
	grep -q '"l3mdev": null' "$WORK/kata.facts"
	pod c2 sleep 1000
	in_vrf c2 red
	# Without the VRF the address is nobody's.
	run ! kata exec c2 ping -c 1 -W 2 10.88.0.1
	ip -n "$POD" link delete red
	wait_for 60 has_no c2 red
	wait_for 60 kata exec c2 ping -c 1 -W 2 10.88.0.1
	ip -n "$POD" link add blue type vrf table 1002
	ip -n "$POD" link set blue up
	ip -n "$POD" link set eth0 master blue
	wait_for 60 in_vrf c2 blue
	kata delete --force c2
	ip -n "$POD" link delete blue
	same interfaces "$(grep -vw red <<<"$BEFORE")" "$(interfaces "$POD")"
	plugin DEL "${ADDED[0]}" "$RESULT"
}

# in_vrf ID NAME: a program that names the VRF reaches the gateway.
in_vrf() {
	kata exec "$1" ping -I "$2" -c 1 -W 60 10.88.0.1 </dev/null
}

# bats test_tags=box
@test "vrf, with a guest whose kernel has none: its interfaces are left out, and the log says so" {
	local config=$WORK/no_vrfs.toml initrd=$WORK/initrd
	# What comes later in an initrd counts.
	grep -v '^vrf ' "$TREE/build/guest/parts/modules/load-order" >"$WORK/load-order"
	run ! cmp "$WORK/load-order" "$TREE/build/guest/parts/modules/load-order"
	# The kernel may have it built in.
	grep -vx vrf "$TREE/build/guest/parts/modules/built-in" >"$WORK/built-in"
	cp "$TREE/build/guest/initrd.img" "$initrd"
	printf 'file 0644 /lib/modules/%s\n' "load-order $WORK/load-order" "built-in $WORK/built-in" | "$TREE/guest-image/write-cpio" >>"$initrd"
	truncate -s %4096 "$initrd"
	sed "s|^initrd = .*|initrd = \"$initrd\"|" "$TREE/build/configuration.toml" >"$config"

	pod_network
	ip -n "$POD" link add red type vrf table 1001 || skip "this kernel has no VRFs"
	link "$POD" eth1 gw1
	ip -n "$POD" addr add 10.78.0.2/24 dev eth1
	ip -n "$POD" link set red up
	ip -n "$POD" link set eth1 master red
	export POD
	kata --config "$config" --log "$WORK/log" run -d --bundle "$(bundle b-c1 "$IN_POD" sleep 1000)" c1 </dev/null >"$WORK/c1.out" 2>&1
	kata exec c1 ping -c 1 -W 60 10.77.0.1
	has_no c1 red
	run ! grep -q 10.78.0.2 <<<"$(kata exec c1 ip addr </dev/null)"
	grep -q "ignoring interface 'red' of the network namespace: the guest has no VRFs" "$WORK/log"
	grep -q "ignoring interface 'eth1' of the network namespace: the guest has no VRFs" "$WORK/log"
}

@test "tuning: size, hardware address and the state of an interface" {
	add "$(configuration bridge "$bridge")" \
		"{\"type\": \"tuning\", \"mtu\": 1300, \"mac\": \"02:11:22:33:44:55\", \"dataDir\": \"$WORK/tuning\"}"
	as_runc c1 10.88.0.1
	grep -q '"mtu": 1300' "$WORK/kata.facts"
	grep -q '02:11:22:33:44:55' "$WORK/kata.facts"
	take_away
}

@test "bandwidth: the plugin's limits at its end hold for the guest" {
	add "$(configuration bridge "$bridge")" \
		'{"type": "bandwidth", "ingressRate": 8000000, "ingressBurst": 800000, "egressRate": 8000000, "egressBurst": 800000}'
	as_runc c1 10.88.0.1
	send 10.88.0.1
	held_back=$(tc -n "$GATEWAY" -j -s qdisc | jq '[.[] | select(.kind == "tbf") | .overlimits] | add')
	[ "$held_back" -gt 0 ]
	take_away
}

# send ADDRESS: 4 MB out of a guest, to a server in the gateway's namespace.
send() {
	pod c2 sleep 1000
	ip netns exec "$GATEWAY" socat -u TCP-LISTEN:80,fork,reuseaddr OPEN:/dev/null,wronly >"$WORK/server.out" 2>&1 </dev/null 3>&- &
	# shellcheck disable=SC2034 # for the teardown
	SERVER=$!
	head -c 4000000 /dev/zero >"$ROOTFS/data"
	# shellcheck disable=SC2046 # words
	wait_for 60 kata exec c2 timeout 60 $(on_host socat -u OPEN:/data,rdonly "TCP:$1:80") </dev/null >/dev/null
	kata delete --force c2
}

@test "portmap: a port of the host leads into the guest" {
	command -v iptables >/dev/null || skip "iptables is not installed"
	ip netns exec "$GATEWAY" iptables -t nat -L >/dev/null || skip "this kernel has no NAT"
	add "$(configuration bridge "$bridge")" \
		'{"type": "portmap", "snat": true, "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}'
	as_runc c1 10.88.0.1
	# shellcheck disable=SC2046 # words
	pod c2 $(on_host socat -U TCP-LISTEN:80,fork,reuseaddr OPEN:/answer,rdonly)
	wait_for 60 answers "$GATEWAY" TCP:10.88.0.1:8080
	kata delete --force c2
	take_away
}

@test "firewall: what the host lets through reaches the guest" {
	command -v iptables >/dev/null || skip "iptables is not installed"
	ip netns exec "$GATEWAY" iptables -L >/dev/null || skip "this kernel has no packet filter"
	add "$(configuration bridge "$bridge")" '{"type": "firewall", "backend": "iptables"}'
	as_runc c1 10.88.0.1
	take_away
}

# A lease of ten seconds at most, so that it would have ended soon if it were not renewed.
dhcp_server() {
	ip -n "$GATEWAY" addr add 10.88.0.1/16 dev far0
	: >"$WORK/leases"
	printf '%s\n' "interface far0" "start 10.88.0.2" "end 10.88.0.9" "max_leases 8" "lease_file $WORK/leases" \
		"pidfile $WORK/udhcpd.pid" "min_lease 1" "opt lease 10" "opt subnet 255.255.0.0" "opt router 10.88.0.1" >"$WORK/udhcpd.conf"
	ip netns exec "$GATEWAY" busybox udhcpd -f "$WORK/udhcpd.conf" >"$WORK/udhcpd.out" 2>&1 </dev/null 3>&- &
	# shellcheck disable=SC2034 # for the teardown
	SERVER=$!
	ip netns exec "$GATEWAY" "$PLUGINS/dhcp" daemon -socketpath "$WORK/dhcp.sock" >"$WORK/dhcp.out" 2>&1 </dev/null 3>&- &
	DAEMON=$!
	wait_for 60 test -S "$WORK/dhcp.sock"
}

# renewed COUNT: so often has the plugin been told that it may keep its lease.
renewed() {
	[ "$(grep -c 'lease renewed' "$WORK/dhcp.out")" -ge "$1" ]
}

# keeps_lease KATA-OPTION...: while a container runs with these options the plugin renews, more often than it would live without.
keeps_lease() {
	export POD
	kata "$@" run -d --bundle "$(bundle "b-$#" "$IN_POD" sleep 1000)" c2 </dev/null >"$WORK/c2.out" 2>&1
	wait_for 60 renewed $(($(grep -c 'lease renewed' "$WORK/dhcp.out") + 3))
	kata exec c2 ping -c 1 -W 60 10.88.0.1
	kata delete --force c2
}

@test "dhcp: an address on lease, which the plugin keeps while a container runs, also one under an egress policy" {
	busybox --list | grep -qx udhcpd || skip "this busybox has no udhcpd"
	dhcp_server
	add "$(configuration macvlan '.master = "up0" | .mode = "bridge" | .ipam = {type: "dhcp", daemonSocketPath: "'"$WORK/dhcp.sock"'"}')"
	as_runc c1 10.88.0.1
	keeps_lease
	sed 's|^egress_allow = .*|egress_allow = ["10.88.0.1"]|' "$TREE/build/configuration.toml" >"$WORK/egress.toml"
	grep -q '^egress_allow = ."10' "$WORK/egress.toml"
	keeps_lease --config "$WORK/egress.toml"
	take_away
	kill "$DAEMON"
}

@test "a tunnel of Ethernet (vxlan) that a plugin has made outside and put into the pod" {
	local far=net-${WORK##*-}-far
	# shellcheck disable=SC2034 # for the teardown
	MORE=$far
	ip netns add "$far"
	ip link add under0 netns "$far" type veth peer name under1 netns "$GATEWAY"
	ip -n "$far" addr add 10.87.0.1/24 dev under0
	ip -n "$GATEWAY" addr add 10.87.0.2/24 dev under1
	ip -n "$far" link set under0 up
	ip -n "$GATEWAY" link set under1 up
	ip -n "$far" link add vx0 type vxlan id 7 dstport 4789 local 10.87.0.1 remote 10.87.0.2 dev under0
	ip -n "$GATEWAY" link add vx1 type vxlan id 7 dstport 4789 local 10.87.0.2 remote 10.87.0.1 dev under1
	ip -n "$GATEWAY" link set vx1 netns "$POD" name eth0
	ip -n "$far" addr add 10.88.0.1/16 dev vx0
	ip -n "$far" link set vx0 up
	ip -n "$POD" addr add 10.88.0.2/16 dev eth0
	ip -n "$POD" link set eth0 up
	as_runc c1 10.88.0.1
	grep -q '"mtu": 1450' "$WORK/kata.facts"
}

@test "two networks in a pod, of which the second is taken away while it runs" {
	local first
	add "$(configuration bridge "$bridge")"
	first=$RESULT
	IFNAME=net1 add "$(configuration ptp '.ipam.ranges = [[{subnet: "10.89.0.0/16"}]] | .ipam.routes = [{dst: "10.98.0.0/16"}] | .name = "second"')"
	as_runc c1 10.88.0.1
	pod c2 sleep 1000
	kata exec c2 ip addr show dev net1
	IFNAME=net1 plugin DEL "${ADDED[1]}" "$RESULT"
	wait_for 60 has_no c2 net1
	kata exec c2 ping -c 1 -W 60 10.88.0.1
	kata delete --force c2
	plugin DEL "${ADDED[0]}" "$first"
}

has_no() {
	! kata exec "$1" test -e "/sys/class/net/$2" </dev/null
}
