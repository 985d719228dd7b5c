#!/usr/bin/env bats
# The network namespace that a container is given: what is in it is the guest's, as it is the container's under runc.

bats_require_minimum_version 1.5.0
load lib/common
load lib/network

setup() {
	network_setup
}

teardown() {
	network_teardown
}

@test "addresses, routes and sizes are those of the namespace, as under runc" {
	local name=fifteen-bytes-x
	pod_network
	link "$POD" "$name" gw1
	ip -n "$POD" link set "$name" mtu 1400
	ip -n "$POD" addr add 192.168.7.5/28 dev "$name"
	ip -n "$POD" addr add fd77::5/64 dev "$name" nodad
	ip -n "$POD" addr add 10.77.0.3/32 dev eth0
	ip -n "$POD" route add 10.80.0.0/16 via 10.77.0.9
	ip -n "$POD" route add 10.81.0.0/16 via 10.99.0.1 dev "$name" onlink
	ip -n "$POD" route add 10.82.0.0/16 dev eth0 src 10.77.0.3
	ip -n "$POD" route add default via 192.168.7.1 metric 500
	ip -n "$POD" -6 route add default via fd77::1
	remember
	as_runc c1
	grep -qF "\"ifname\": \"$name\"" "$WORK/kata.facts"
	grep -q '"metric": 500' "$WORK/kata.facts"
	grep -q '"onlink"' "$WORK/kata.facts"
	grep -q '"local": "fd77::5"' "$WORK/kata.facts"
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

@test "tables, rules, kinds of routes and several next hops are those of the namespace, as under runc" {
	pod_network
	link "$POD" eth1 gw1
	ip -n "$POD" addr add 10.78.0.2/24 brd + dev eth1
	ip -n "$POD" addr add fd78::2/64 dev eth1 nodad
	# As the plugin ptp does, and as a tunnel has it.
	ip -n "$POD" addr add 10.70.0.2/24 dev eth1
	ip -n "$POD" route del 10.70.0.0/24 dev eth1
	ip -n "$POD" addr add 10.71.0.2 peer 10.71.0.1/32 dev eth1
	ip -n "$POD" addr add 10.72.0.2/24 dev eth1 label eth1:x metric 30
	ip -n "$POD" addr add fd79::2/64 dev eth1 nodad noprefixroute preferred_lft 0
	# As the plugin sbr does.
	ip -n "$POD" rule add from 10.78.0.2 table 100
	ip -n "$POD" route add default via 10.78.0.1 dev eth1 table 100 proto static
	ip -n "$POD" -6 rule add from fd78::2/64 table 1000 prio 44
	ip -n "$POD" -6 route add default via fd78::1 table 1000
	ip -n "$POD" rule add not fwmark 0x10/0xff iif eth0 lookup main suppress_prefixlength 0 prio 30
	ip -n "$POD" rule add ipproto tcp sport 100-200 dport 80 uidrange 0-7 oif eth1 prohibit prio 31
	ip -n "$POD" rule add to 10.90.0.0/16 goto 32766 prio 32
	ip -n "$POD" rule del prio 32767
	ip -n "$POD" route add blackhole 10.80.0.0/16
	ip -n "$POD" route add unreachable 10.81.0.0/16 metric 7
	ip -n "$POD" route add prohibit 10.82.0.0/16 table 100
	ip -n "$POD" route add throw 10.83.0.0/16 table 100
	ip -n "$POD" -6 route add blackhole fd80::/32
	ip -n "$POD" -6 route add unreachable fd81::/32 metric 9
	ip -n "$POD" route add 10.84.0.0/16 nexthop via 10.77.0.1 weight 3 nexthop via 10.99.0.1 dev eth1 onlink
	ip -n "$POD" -6 route add fd84::/32 nexthop via fd78::1 dev eth1 nexthop via fd78::5 dev eth1 weight 2
	ip -n "$POD" route add 10.85.0.0/16 via inet6 fd78::1 dev eth1
	ip -n "$POD" route add 10.86.0.0/16 via 10.77.0.1 mtu lock 1300 advmss 1200 initcwnd 12 proto 77
	ip -n "$POD" route add local 10.87.0.0/16 dev lo table 200
	ip -n "$POD" neigh add 10.77.0.99 lladdr 02:00:00:00:00:99 dev eth0 nud permanent
	as_runc c1
	grep -q '"table": "1000"' "$WORK/kata.facts"
	grep -q '"src": "10.78.0.2"' "$WORK/kata.facts"
	grep -q '"type": "prohibit"' "$WORK/kata.facts"
	grep -q '"nexthops"' "$WORK/kata.facts"
	grep -q '02:00:00:00:00:99' "$WORK/kata.facts"
}

@test "rules and routes that change while a container runs are followed" {
	pod_network
	ip -n "$POD" rule add from 10.77.0.2 table 100
	pod c1 sleep 1000
	has_line c1 'from 10.77.0.2 lookup 100' rule
	ip -n "$POD" rule add to 10.90.0.0/16 table 101
	ip -n "$POD" route add unreachable 10.91.0.0/16 table 101
	wait_for 60 has_line c1 'from all to 10.90.0.0/16 lookup 101' rule
	wait_for 60 has_line c1 'unreachable 10.91.0.0/16' route show table 101
	kata exec c1 ip rule add from 10.77.0.77 table 102
	ip -n "$POD" rule del from 10.77.0.2 table 100
	ip -n "$POD" route del unreachable 10.91.0.0/16 table 101
	wait_for 60 has_no_line c1 'lookup 100' rule
	wait_for 60 has_no_line c1 'unreachable' route show table 101
	# What a container has made stays.
	has_line c1 'from 10.77.0.77 lookup 102' rule
	kata delete --force c1
}

@test "neighbours that come and go while a container runs are followed, and outlive the name of their interface" {
	pod_network
	ip -n "$POD" neigh add 10.77.0.98 lladdr 02:00:00:00:00:98 dev eth0 nud permanent
	pod c1 sleep 1000
	has_line c1 '10.77.0.98 dev eth0 lladdr 02:00:00:00:00:98' neigh
	ip -n "$POD" neigh add 10.77.0.99 lladdr 02:00:00:00:00:99 dev eth0 nud permanent
	wait_for 60 has_line c1 '10.77.0.99 dev eth0 lladdr 02:00:00:00:00:99' neigh
	# shellcheck disable=SC2046 # words
	kata exec c1 $(on_host ip) neigh add 10.77.0.97 lladdr 02:00:00:00:00:97 dev eth0 nud permanent </dev/null
	ip -n "$POD" neigh del 10.77.0.98 dev eth0
	wait_for 60 has_no_line c1 '10.77.0.98' neigh
	has_line c1 '10.77.0.99' neigh
	# What a container has made stays.
	has_line c1 '10.77.0.97' neigh
	ip -n "$POD" neigh del 10.77.0.99 dev eth0
	wait_for 60 has_no_line c1 '10.77.0.99' neigh
	ip -n "$POD" neigh add 10.77.0.99 lladdr 02:00:00:00:00:99 dev eth0 nud permanent
	wait_for 60 has_line c1 '10.77.0.99' neigh
	# The guest's interface is down for a moment, which ends its neighbours. A host's kernel before 6.2 renames none that is up.
	if ip -n "$POD" link set eth0 name other; then
		wait_for 60 has_line c1 '10.77.0.99 dev other' neigh
	fi
	kata delete --force c1
}

@test "a pod reaches its gateway and another pod, and is reached by both" {
	MORE=$POD-2
	ip netns add "$MORE"
	ip -n "$GATEWAY" link add br0 type bridge
	ip -n "$GATEWAY" link set br0 up
	ip -n "$GATEWAY" addr add 10.77.0.1/24 dev br0
	link "$POD" eth0 gw0
	link "$MORE" eth0 gw1
	ip -n "$GATEWAY" link set gw0 master br0
	ip -n "$GATEWAY" link set gw1 master br0
	ip -n "$POD" addr add 10.77.0.2/24 dev eth0
	ip -n "$MORE" addr add 10.77.0.3/24 dev eth0
	remember
	# shellcheck disable=SC2046 # words
	pod c1 $(on_host socat -U TCP-LISTEN:80,fork,reuseaddr OPEN:/answer,rdonly)
	# shellcheck disable=SC2046 # words
	POD=$MORE pod c2 $(on_host socat -U TCP-LISTEN:80,fork,reuseaddr OPEN:/answer,rdonly)
	serve TCP-LISTEN:80,fork,reuseaddr "OPEN:$ROOTFS/answer,rdonly"
	wait_for 60 answers "$GATEWAY" TCP:10.77.0.1:80
	wait_for 60 answers "$GATEWAY" TCP:10.77.0.2:80
	wait_for 60 answers "$GATEWAY" TCP:10.77.0.3:80
	[ "$(ask_from c1 TCP:10.77.0.1:80)" = answered ]
	[ "$(ask_from c1 TCP:10.77.0.3:80)" = answered ]
	[ "$(ask_from c2 TCP:10.77.0.2:80)" = answered ]
	# As large as the interface takes at once, and in pieces.
	kata exec c1 ping -c 1 -W 60 -s 1472 10.77.0.3
	kata exec c1 ping -c 1 -W 60 -s 20000 10.77.0.1
	kata exec c2 ping -c 1 -W 60 10.77.0.2
	kill "$SERVER"
	kata delete --force c1
	kata delete --force c2
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

@test "datagrams and streams arrive whole, however large" {
	local sum
	pod_network
	head -c 3000000 /dev/urandom >"$ROOTFS/data"
	sum=$(sha256sum <"$ROOTFS/data")
	pod c1 sh -c "$(on_host socat -u UDP-RECV:53 CREATE:/tmp/datagram) & exec $(on_host socat -U TCP-LISTEN:80,fork,reuseaddr OPEN:/data,rdonly)"
	wait_for 60 stream_arrives "$sum" "$GATEWAY" TCP:10.77.0.2:80
	serve TCP-LISTEN:80,fork,reuseaddr "OPEN:$ROOTFS/data,rdonly"
	wait_for 60 stream_arrives "$sum" "$GATEWAY" TCP:10.77.0.1:80
	[ "$(ask_from c1 TCP:10.77.0.1:80 | sha256sum)" = "$sum" ]
	kill "$SERVER"
	wait_for 60 datagram_arrives
	kata delete --force c1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

stream_arrives() {
	[ "$(ask "$2" "$3" 2>/dev/null | sha256sum)" = "$1" ]
}

datagram_arrives() {
	echo a datagram | ip netns exec "$GATEWAY" socat -u - UDP:10.77.0.2:53
	grep -q 'a datagram' <(kata exec c1 cat /tmp/datagram </dev/null)
}

# said_to_all, said_by_guest: what one has sent to a group has arrived at the other.
said_to_all() {
	ip netns exec "$GATEWAY" socat -u - UDP-DATAGRAM:239.1.2.3:5000,ip-multicast-if=10.77.0.1 <<<'of the host'
	grep -q 'of the host' <(kata exec c1 cat /tmp/heard </dev/null)
}

said_by_guest() {
	# shellcheck disable=SC2046 # words
	kata exec c1 $(on_host socat -u - UDP-DATAGRAM:239.1.2.3:5000,ip-multicast-if=10.77.0.2) <<<'of the guest'
	grep -q 'of the guest' "$WORK/heard"
}

# refused_from ID ADDRESS WORDS: what a program in the container is told of who cannot be reached.
refused_from() {
	# shellcheck disable=SC2046 # words
	grep -q "$3" <(kata exec "$1" timeout 30 $(on_host socat -t 5 - "$2") <<<'a line' 2>&1)
}

@test "multicast arrives, errors of ICMP are heard, and a smaller path is found" {
	local sum
	MORE=$POD-2
	pod_network
	ip netns add "$MORE"
	link "$MORE" eth0 gw1
	ip -n "$GATEWAY" addr add 10.78.0.1/24 dev gw1
	ip -n "$GATEWAY" link set gw1 mtu 1300
	ip -n "$MORE" addr add 10.78.0.3/24 dev eth0
	ip -n "$MORE" route add default via 10.78.0.1
	ip -n "$GATEWAY" route add unreachable 10.79.0.0/16
	ip netns exec "$GATEWAY" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	head -c 1000000 /dev/urandom >"$ROOTFS/data"
	sum=$(sha256sum <"$ROOTFS/data")
	pod c1 sh -c "$(on_host socat -u UDP-RECV:5000,ip-add-membership=239.1.2.3:10.77.0.2 CREATE:/tmp/heard) &
		exec $(on_host socat -U TCP-LISTEN:80,fork,reuseaddr OPEN:/data,rdonly)"
	ip netns exec "$GATEWAY" socat -u UDP-RECV:5000,ip-add-membership=239.1.2.3:10.77.0.1 CREATE:"$WORK/heard" 3>&- </dev/null &
	SERVER=$!
	wait_for 60 said_to_all
	wait_for 60 said_by_guest
	refused_from c1 UDP:10.77.0.1:9 'Connection refused'
	refused_from c1 TCP:10.79.0.1:80 'No route to host'
	# What the guest sends without leave to cut it is too large for the second network.
	wait_for 60 stream_arrives "$sum" "$MORE" TCP:10.77.0.2:80
	# shellcheck disable=SC2046 # words
	kata exec c1 $(on_host ip) route get 10.78.0.3 </dev/null | grep -q 'mtu 1300'
	stop_serving
	kata delete --force c1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

@test "500 short connections, requests and datagrams in either direction: none is lost" {
	pod_network
	crowd 500
}

@test "without a path there is a loopback and nothing else" {
	# Folders, because a kernel with the bonding driver puts a file beside them.
	run -0 run_once c1 sh -c 'cd /sys/class/net; ls -d */; ip route; ip addr show dev lo'
	[ "${lines[0]}" = lo/ ]
	[[ ${lines[1]} == "1: lo: <LOOPBACK,UP,LOWER_UP>"* ]]
}

@test "what a hook puts into the namespace of the pid that it is told is the guest's" {
	local hook=$WORK/hook
	cat >"$hook" <<-EOF
		#!/bin/bash
		set -e
		pid=\$(jq .pid)
		ip link add eth7 netns \$pid type veth peer name gw0 netns $GATEWAY
		nsenter -t \$pid -n ip addr add 10.77.0.2/24 dev eth7
		nsenter -t \$pid -n ip link set eth7 up
	EOF
	chmod +x "$hook"
	export hook PATH
	kata run --bundle "$(bundle b1 '.hooks = {"prestart": [{"path": $ENV.hook, "env": ["PATH=\($ENV.PATH)"]}]}' \
		sh -c 'ip -o addr show dev eth7')" c1 >"$WORK/out"
	grep -q 'inet 10.77.0.2/24' "$WORK/out"
}

@test "what comes between create and start is there at the start" {
	pod_network
	export POD
	kata create --bundle "$(bundle b1 "$IN_POD" sh -c "ip -o addr show dev late; ip route; sleep 1000")" c1 >"$WORK/out" 2>&1 </dev/null
	link "$POD" late gw1
	ip -n "$POD" addr add 10.78.0.2/24 dev late
	ip -n "$POD" route add 10.79.0.0/16 via 10.78.0.1
	kata start c1
	wait_for 60 grep -q '^10.79.0.0/16 via 10.78.0.1 dev late' "$WORK/out"
	grep -q 'inet 10.78.0.2/24' "$WORK/out"
	kata delete --force c1
	run ! grep -q kata <(ip -n "$POD" link)
	run ! grep -q ingress <(tc -n "$POD" qdisc)
}

@test "what comes, changes and goes while a container runs is followed" {
	pod_network
	pod c1 sleep 1000
	link "$POD" late gw1
	ip -n "$POD" addr add 10.78.0.2/24 dev late
	wait_for 60 has_line c1 'inet 10.78.0.2/24' addr show dev late
	ip -n "$POD" route add 10.79.0.0/16 via 10.78.0.1
	wait_for 60 has_line c1 '10.79.0.0/16 via 10.78.0.1 dev late' route
	ip -n "$POD" link delete late
	wait_for 60 has_no late
	kata delete --force c1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

@test "addresses and routes that are taken away go in the guest, and what is left out is told once" {
	pod_network
	ip -n "$POD" link add br0 type bridge
	ip -n "$POD" link add port0 type veth peer name port1
	ip -n "$POD" link set port0 up master br0
	ip -n "$POD" addr add 10.77.1.2/24 dev eth0
	ip -n "$POD" addr add fd77::2/64 dev eth0 nodad
	ip -n "$POD" route append 10.90.0.0/16 via 10.77.0.8
	ip -n "$POD" route append 10.90.0.0/16 via 10.77.0.9
	pod c1 sleep 1000
	has_line c1 '10.90.0.0/16 via 10.77.0.8' route
	grep -q "ignoring the route to '10.90.0.0/16' .*same metric" "$WORK/log"
	has_line c1 'inet 10.77.1.2/24' addr show dev eth0
	has_line c1 'default via 10.77.0.1' route
	ip -n "$POD" route del default
	wait_for 60 has_no_line c1 'default' route
	ip -n "$POD" addr del 10.77.1.2/24 dev eth0
	wait_for 60 has_no_line c1 '10.77.1.2' addr show dev eth0
	ip -n "$POD" addr del fd77::2/64 dev eth0
	wait_for 60 has_no_line c1 'fd77::2' addr show dev eth0
	has_line c1 'inet 10.77.0.2/24' addr show dev eth0
	ip -n "$POD" route add default via 10.77.0.1
	wait_for 60 has_line c1 'default via 10.77.0.1' route
	[ "$(grep -c "ignoring interface 'port0'.*belongs to another" "$WORK/log")" = 1 ]
	kata delete --force c1
}

has_line() {
	local id=$1 text=$2
	shift 2
	kata exec "$id" ip "$@" </dev/null 2>&1 | grep -qF "$text"
}

# has_no_line ID TEXT ARG...: ip in the container is answered, without that.
has_no_line() {
	local id=$1 text=$2 out
	shift 2
	out=$(kata exec "$id" ip "$@" </dev/null) && ! grep -qF "$text" <<<"$out"
}

has_no() {
	! kata exec c1 test -e "/sys/class/net/$1" </dev/null
}

# source_to ID ADDRESS: what the container would send from.
source_to() {
	# shellcheck disable=SC2046 # words
	kata exec "$1" $(on_host ip) -6 route get "$2" </dev/null | grep -o 'src [0-9a-f:]*'
}

@test "addresses of the loopback, other ends of IPv6 and gateways that rules lead to are there, as under runc" {
	pod_network
	link "$POD" eth1 gw1
	ip -n "$GATEWAY" addr add fd78::1/128 dev gw1 nodad
	ip -n "$GATEWAY" route add fd78::2/128 dev gw1
	ip -n "$POD" addr add 10.5.5.5/32 dev lo
	ip -n "$POD" addr add fd05::5/128 dev lo
	ip -n "$POD" route add 10.9.0.0/16 via 10.77.0.1 src 10.5.5.5
	ip -n "$POD" addr add fd78::2 peer fd78::1 dev eth1 nodad
	ip -n "$POD" route add fd79::/64 via fd78::1
	ip -n "$POD" rule add to 10.200.0.1 lookup 100
	ip -n "$POD" route add 10.200.0.1 dev eth0 table 100
	ip -n "$POD" route add 10.201.0.0/16 via 10.200.0.1 dev eth0
	remember
	as_runc c1 fd78::1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

@test "of several addresses the one to send from is the host's, and one with a lifetime is an address" {
	local with
	pod_network
	ip -n "$GATEWAY" addr add fd77::1/64 dev gw0 nodad
	ip -n "$POD" addr add fd77::2/64 dev eth0 nodad
	ip -n "$POD" addr add fd77::3/64 dev eth0 nodad
	ip -n "$POD" addr add fd7a::2/64 dev eth0 nodad valid_lft 36000 preferred_lft 36000
	ip -n "$POD" route add default via fd7a::1
	with=$(ip -n "$POD" -6 route get fd77::1 | grep -o 'src [0-9a-f:]*')
	pod c1 sleep 1000
	has_line c1 'inet6 fd7a::2/64' addr show dev eth0
	has_line c1 'default via fd7a::1' -6 route
	[ "$(source_to c1 fd77::1)" = "$with" ]
	ip -n "$POD" addr change fd7a::2/64 dev eth0 valid_lft 18000 preferred_lft 18000
	ip -n "$POD" addr add fd77::4/64 dev eth0 nodad
	wait_for 60 has_line c1 'inet6 fd77::4/64' addr show dev eth0
	has_line c1 'inet6 fd7a::2/64' addr show dev eth0
	[ "$(source_to c1 fd77::1)" = "src fd77::4" ]
	kata delete --force c1
}

@test "a gateway whose network is gone keeps no container from its start, and no change from being followed" {
	pod_network
	ip -n "$POD" addr add 10.78.0.2/24 dev eth0
	ip -n "$POD" addr del 10.77.0.2/24 dev eth0
	pod c1 sleep 1000
	has_line c1 'default via 10.77.0.1 dev eth0' route
	ip -n "$POD" route replace default via 10.78.0.1
	wait_for 60 has_line c1 'default via 10.78.0.1 dev eth0' route
	ip -n "$POD" addr add 10.79.0.2/24 dev eth0
	ip -n "$POD" addr del 10.78.0.2/24 dev eth0
	wait_for 60 has_line c1 'inet 10.79.0.2/24' addr show dev eth0
	has_line c1 'default via 10.78.0.1 dev eth0' route
	kata delete --force c1
}

# beside ID ID ARG...: a container in the machine of another one.
beside() {
	local pid id=$2
	pid=$(kata state "$1" | jq .pid)
	shift 2
	kata --log "$WORK/log" run -d --bundle "$(export pid && bundle "b-$id" "$IN_POD"'
		| .linux.namespaces |= map(if .type == "network" then .path = "/proc/\($ENV.pid)/ns/net" else . end)' "$@")" \
		"$id" </dev/null >"$WORK/$id.out" 2>&1
}

@test "an interface that cannot be brought in keeps no other change from being followed" {
	pod_network
	pod c1 sleep 1000
	ip -n "$POD" link add odd0 type veth peer name odd1
	tc -n "$POD" qdisc add dev odd0 ingress
	ip -n "$POD" link set odd0 up
	wait_for 60 grep -q "ignoring a change of the network namespace.*interface 'odd0'" "$WORK/log"
	ip -n "$POD" addr add 10.78.0.2/24 dev eth0
	wait_for 90 has_line c1 'inet 10.78.0.2/24' addr show dev eth0
	# Nor does it keep another container of the pod from its start, because it has not come for that one.
	beside c1 c2 sleep 1000
	has_line c2 'inet 10.78.0.2/24' addr show dev eth0
	kata delete --force c2
	ip -n "$POD" link delete odd0
	ip -n "$POD" route add 10.79.0.0/16 via 10.78.0.1
	wait_for 90 has_line c1 '10.79.0.0/16 via 10.78.0.1 dev eth0' route
	[ "$(grep -c 'ignoring a change of the network namespace' "$WORK/log")" = 1 ]
	kata delete --force c1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

# tunnel: an interface without Ethernet, as a VPN's program has it, between the pod and its gateway.
tunnel() {
	/usr/bin/python3 "$TREE/tests/e2e/lib/tunnel.py" "$POD" "$GATEWAY" >"$WORK/tunnel.out" 2>&1 </dev/null 3>&- &
	TUNNEL=$!
	wait_for 20 grep -q joined "$WORK/tunnel.out"
	tunnel_end "$POD" 2 1
	tunnel_end "$GATEWAY" 1 2
}

tunnel_end() {
	ip -n "$1" link set tun0 up mtu 1380
	ip -n "$1" addr add "10.66.0.$2" peer "10.66.0.$3" dev tun0
	ip -n "$1" addr add "fd66::$2/64" dev tun0 nodad
}

# without_ethernet runc|kata: what it has shown of its namespace, but for what only a kind of interface has.
without_ethernet() {
	jq 'if type == "array" then map(del(.address, .flags)) else . end' "$WORK/$1.facts"
}

@test "an interface without Ethernet carries packets in either direction, as under runc" {
	local sum
	head -c 3000000 /dev/urandom >"$ROOTFS/data"
	sum=$(sha256sum <"$ROOTFS/data")
	tunnel
	ip -n "$POD" route add default dev tun0
	ip -n "$POD" -6 route add default via fd66::1
	remember
	# But for the interface's kind, which is a card in the guest, all is the same.
	as_runc c1 10.66.0.1 || true
	diff <(without_ethernet runc) <(without_ethernet kata)
	grep -q '"10.66.0.2"' <(without_ethernet kata)
	grep -q '"reached"' "$WORK/kata.facts"
	pod c1 sh -c "exec $(on_host socat -U TCP-LISTEN:80,fork,reuseaddr OPEN:/data,rdonly)"
	wait_for 60 stream_arrives "$sum" "$GATEWAY" TCP:10.66.0.2:80
	serve TCP6-LISTEN:80,fork,reuseaddr "OPEN:$ROOTFS/data,rdonly"
	wait_for 60 ask_from c1 'TCP6:[fd66::1]:80' >/dev/null
	[ "$(ask_from c1 'TCP6:[fd66::1]:80' | sha256sum)" = "$sum" ]
	ip -n "$POD" addr add 10.67.0.2/32 dev tun0
	wait_for 60 has_line c1 'inet 10.67.0.2/32' addr show dev tun0
	kata delete --force c1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
	kill "$TUNNEL"
}

# Kernels of development machines have neither.
# bats test_tags=box
@test "tunnels of IP and WireGuard that were made outside carry packets, and a tunnel that was made inside is left out" {
	MORE=net-${WORK##*-}-out
	ip netns add "$MORE"
	ip -n "$MORE" link add ip0 type ipip local 10.9.0.2 remote 10.9.0.1 || skip "this kernel has no tunnels of IP"
	link "$MORE" out0 gw9
	ip -n "$MORE" addr add 10.9.0.2/24 dev out0
	ip -n "$GATEWAY" addr add 10.9.0.1/24 dev gw9
	ip -n "$GATEWAY" link add ip0 type ipip local 10.9.0.1 remote 10.9.0.2
	ip -n "$MORE" link set ip0 netns "$POD"
	two_ends ip0 8
	wireguard "$MORE"
	two_ends wg0 7
	pod_network
	ip -n "$POD" link add ip1 type ipip local 10.77.0.2 remote 10.77.0.1
	ip -n "$POD" link set ip1 up
	# As Cilium makes it for pods; since Linux 6.7.
	if ip -n "$GATEWAY" link add type netkit; then
		ip -n "$GATEWAY" link set nk1 netns "$POD" name nk0
		two_ends nk0 6
	fi
	remember
	pod c1 sleep 1000
	grep -q "ignoring interface 'ip1'.*the answers to what it sends" "$WORK/log"
	has_no ip1
	carries_both_ways 8
	carries_both_ways 7
	! ip -n "$POD" link show dev nk0 || carries_both_ways 6
	kata delete --force c1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

# wireguard NAMESPACE: between the pod and its gateway, over the network of that namespace.
wireguard() {
	local end outside=$1
	for end in "$outside" "$GATEWAY"; do
		wg genkey >"$WORK/$end.key"
		wg pubkey <"$WORK/$end.key" >"$WORK/$end.pub"
		ip -n "$end" link add wg0 type wireguard
	done
	ip netns exec "$outside" wg set wg0 listen-port 51820 private-key "$WORK/$outside.key" \
		peer "$(cat "$WORK/$GATEWAY.pub")" allowed-ips 0.0.0.0/0 endpoint 10.9.0.1:51820
	ip netns exec "$GATEWAY" wg set wg0 listen-port 51820 private-key "$WORK/$GATEWAY.key" \
		peer "$(cat "$WORK/$outside.pub")" allowed-ips 0.0.0.0/0 endpoint 10.9.0.2:51820
	ip -n "$outside" link set wg0 netns "$POD"
}

# two_ends NAME NET: an interface of that name in the pod and in its gateway, with addresses.
two_ends() {
	ip -n "$GATEWAY" addr add "10.$2.0.1/24" dev "$1"
	ip -n "$GATEWAY" link set "$1" up
	ip -n "$POD" addr add "10.$2.0.2/24" dev "$1"
	ip -n "$POD" link set "$1" up
}

carries_both_ways() {
	kata exec c1 ping -c 2 -s 1000 -W 60 "10.$1.0.1" </dev/null
	ip netns exec "$GATEWAY" busybox ping -c 2 -s 1000 -W 60 "10.$1.0.2"
}

# settings ID: of IPv6, where the engine has switched something off.
settings() {
	kata exec "$1" sh -c 'cd /proc/sys/net/ipv6/conf; cat eth0/disable_ipv6 eth1/accept_ra eth1/autoconf; ip -6 addr show dev eth0' </dev/null
}

@test "IPv6 that the engine has switched off is off in the guest, and routers are not heard" {
	pod_network
	link "$POD" eth1 gw1
	ip netns exec "$POD" sh -c 'cd /proc/sys/net/ipv6/conf; echo 1 >eth0/disable_ipv6; echo 0 >eth1/accept_ra; echo 0 >eth1/autoconf'
	pod c1 sleep 1000
	[ "$(settings c1)" = "$(printf '1\n0\n0')" ]
	ip netns exec "$POD" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6'
	ip -n "$POD" addr add fd77::2/64 dev eth0 nodad
	wait_for 60 has_line c1 'inet6 fd77::2/64' addr show dev eth0
	kata delete --force c1
}

@test "an interface on top of another of the namespace is left out by its name" {
	pod_network
	ip -n "$POD" link add link eth0 name mv0 type macvlan mode bridge
	ip -n "$POD" addr add 10.88.0.5/24 dev mv0
	ip -n "$POD" link set mv0 up
	pod c1 sleep 1000
	grep -q "ignoring interface 'mv0'.*what arrives at the interface that it is on" "$WORK/log"
	has_line c1 'inet 10.77.0.2/24' addr show dev eth0
	has_no mv0
	kata delete --force c1
}

@test "an interface that is down is down in the guest, and what a container gave it stays" {
	pod_network
	link "$POD" eth1 gw1
	ip -n "$POD" addr add 10.78.0.2/24 dev eth1
	ip -n "$POD" link set eth1 down
	pod c1 sleep 1000
	has_line c1 'inet 10.78.0.2/24' addr show dev eth1
	has_no_line c1 '10.78.0.0/24' route
	ip -n "$POD" link set eth1 up
	wait_for 60 has_line c1 '10.78.0.0/24 dev eth1' route
	kata exec c1 ip addr add 10.77.0.200/32 dev eth0 </dev/null
	ip -n "$POD" link set eth1 down
	ip -n "$POD" addr add 10.77.0.3/32 dev eth0
	wait_for 60 has_line c1 'inet 10.77.0.3/32' addr show dev eth0
	wait_for 60 has_no_line c1 '10.78.0.0/24' route
	has_line c1 'inet 10.77.0.200/32' addr show dev eth0
	kata delete --force c1
}

@test "whatever is killed, the interfaces are as they were" {
	local vmm server
	pod_network
	pod c1 sleep 1000
	grep -q ingress <(tc -n "$POD" qdisc)
	vmm=$(jq .vmm.pid "$ROOT/c1/sandbox.json")
	kill -9 "$vmm"
	wait_for 60 is_stopped c1
	kata delete c1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
	pod c2 sleep 1000
	server=$(jq .server.pid "$ROOT/c2/sandbox.json")
	kill -9 "$server"
	wait_for 60 gone "$server"
	kata delete --force c2
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

is_stopped() {
	[ "$(kata state "$1" | jq -r .status)" = stopped ]
}

@test "who removes interface and namespace first hears no error later" {
	pod_network
	pod c1 sleep 1000
	ip -n "$POD" link delete eth0
	ip netns delete "$POD"
	kata kill c1 KILL
	wait_for 60 is_stopped c1
	run -0 kata delete c1
	[ -z "$output" ]
}

@test "an interface whose frames go elsewhere already is refused by its name" {
	pod_network
	tc -n "$POD" qdisc add dev eth0 ingress
	remember
	run ! pod c1 true
	[[ $(cat "$WORK/c1.out") == *"interface 'eth0'"*"redirect its frames"* ]]
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

@test "microvm takes what is there before it starts, and says that it takes no more" {
	pod_network
	sed 's/^#* *machine_type *=.*/machine_type = "microvm"/' "$TREE/build/configuration.toml" >"$WORK/microvm.toml"
	grep -q '^machine_type = "microvm"' "$WORK/microvm.toml"
	export POD
	kata --config "$WORK/microvm.toml" create --bundle "$(bundle b1 "$IN_POD" sleep 1000)" c1 >"$WORK/out" 2>&1 </dev/null
	kata start c1
	wait_for 60 has_line c1 'inet 10.77.0.2/24' addr show dev eth0
	kata delete --force c1
	kata --config "$WORK/microvm.toml" create --bundle "$(bundle b2 "$IN_POD" sleep 1000)" c2 >"$WORK/out" 2>&1 </dev/null
	link "$POD" late gw1
	run ! kata start c2
	[[ $output == *"interface 'late'"*"a machine of type 'microvm' keeps the devices"* ]]
	kata delete --force c2
	ip -n "$POD" link delete late
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

@test "with the model none the guest has no interface, and the namespace is left alone" {
	pod_network
	sed 's/^internetworking_model = .*/internetworking_model = "none"/' "$TREE/build/configuration.toml" >"$WORK/none.toml"
	export POD
	run -0 kata --config "$WORK/none.toml" run --bundle "$(bundle b1 "$IN_POD" sh -c 'cd /sys/class/net; ls -d */')" c1
	[ "$output" = lo/ ]
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

@test "a rate of the configuration or of an annotation holds on the host's side, and goes with the machine" {
	pod_network
	sed -e 's/^rx_rate_limiter_max_rate = .*/rx_rate_limiter_max_rate = 80000000/' \
		-e 's/^enable_annotations = .*/enable_annotations = ["tx_rate_limiter_max_rate"]/' \
		"$TREE/build/configuration.toml" >"$WORK/rates.toml"
	export POD
	kata --config "$WORK/rates.toml" run -d --bundle "$(bundle b1 "$IN_POD"'
		| .annotations = {"io.katacontainers.config.hypervisor.tx_rate_limiter_max_rate": "40000000"}' sleep 1000)" c1 \
		</dev/null >"$WORK/out" 2>&1
	[ "$(limits)" = "eth0 5000000"$'\n'"tap0_kata 10000000" ]
	ip netns exec "$GATEWAY" socat -u TCP-LISTEN:80,fork,reuseaddr OPEN:/dev/null,wronly >"$WORK/server.out" 2>&1 </dev/null 3>&- &
	SERVER=$!
	head -c 8000000 /dev/zero >"$ROOTFS/data"
	# shellcheck disable=SC2046 # words
	wait_for 60 kata exec c1 timeout 60 $(on_host socat -u OPEN:/data,rdonly TCP:10.77.0.1:80) </dev/null
	[ "$(tc -n "$POD" -j -s qdisc | jq '.[] | select(.kind == "tbf" and .dev == "eth0") | .overlimits > 0')" = true ]
	kata delete --force c1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
	pod c2 sleep 1000
	[ -z "$(limits)" ]
	kata delete --force c2
}

# limits: interfaces of the pod's namespace and the bytes per second that leave them at most.
limits() {
	tc -n "$POD" -j qdisc | jq -r '.[] | select(.kind == "tbf") | "\(.dev) \(.options.rate)"' | sort
}

# queues ID: how many interface eth0 sends by.
queues() {
	# shellcheck disable=SC2046 # words
	kata exec "$1" $(on_host ip) -d -j link show eth0 </dev/null | jq '.[0].num_tx_queues'
}

@test "several queues, if the machine may have as many vCPUs, and they carry what several connections send" {
	[ "$(nproc)" -ge 2 ] || skip "this host has one processor"
	pod_network
	sed -e 's/^network_queues = .*/network_queues = 4/' -e 's/^default_vcpus = .*/default_vcpus = 2/' \
		"$TREE/build/configuration.toml" >"$WORK/queues.toml"
	grep -q '^network_queues = 4' "$WORK/queues.toml"
	export POD
	kata --config "$WORK/queues.toml" run -d --bundle "$(bundle b1 "$IN_POD" sleep 1000)" c1 </dev/null >"$WORK/out" 2>&1
	[ "$(queues c1)" = 2 ]
	[ "$(kata exec c1 sh -c 'cd /sys/class/net/eth0/queues; echo tx-* rx-*' </dev/null)" = "tx-0 tx-1 rx-0 rx-1" ]
	grep -q multi_queue <(ip -n "$POD" -d link show type tun)
	serve TCP-LISTEN:80,fork,reuseaddr "OPEN:$ROOTFS/answer,rdonly"
	for _ in $(seq 8); do
		[ "$(ask_from c1 TCP:10.77.0.1:80)" = answered ]
	done
	# By hot-plug, too.
	link "$POD" late gw1
	ip -n "$POD" addr add 10.78.0.2/24 dev late
	ip -n "$GATEWAY" addr add 10.78.0.1/24 dev gw1
	wait_for 60 has_line c1 'inet 10.78.0.2/24' addr show dev late
	[ "$(kata exec c1 sh -c 'cd /sys/class/net/late/queues; echo tx-*' </dev/null)" = "tx-0 tx-1" ]
	kata exec c1 ping -c 1 -W 60 10.78.0.1
	stop_serving
	ip -n "$POD" link delete late
	kata delete --force c1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
	# A machine with one vCPU has one.
	sed -i 's/^default_vcpus = .*/default_vcpus = 1/' "$WORK/queues.toml"
	kata --config "$WORK/queues.toml" run -d --bundle "$(bundle b2 "$IN_POD" sleep 1000)" c2 </dev/null >"$WORK/out" 2>&1
	[ "$(kata exec c2 sh -c 'cd /sys/class/net/eth0/queues; echo tx-*' </dev/null)" = "tx-0" ]
	run ! grep -q multi_queue <(ip -n "$POD" -d link show type tun)
	kata delete --force c2
}

@test "the smallest and the largest frames, and an interface that comes and goes at once" {
	local i
	pod_network
	link "$POD" small gw1
	ip -n "$POD" addr add 10.78.0.2/24 dev small
	ip -n "$POD" link set small mtu 68
	link "$POD" large gw2
	ip -n "$POD" addr add 10.79.0.2/24 dev large
	ip -n "$POD" link set large mtu 65535
	pod c1 sleep 1000
	[ "$(kata exec c1 cat /sys/class/net/small/mtu </dev/null)" = 68 ]
	# A tap has no more.
	[ "$(kata exec c1 cat /sys/class/net/large/mtu </dev/null)" = 65521 ]
	for i in 1 2 3 4 5; do
		link "$POD" "brief$i" gw9
		ip -n "$POD" link delete "brief$i"
	done
	link "$POD" last gw9
	ip -n "$POD" addr add 10.80.0.2/24 dev last
	wait_for 60 has_line c1 'inet 10.80.0.2/24' addr show dev last
	kata delete --force c1
	run ! grep -q kata <(ip -n "$POD" link)
	run ! grep -q ingress <(tc -n "$POD" qdisc)
}

@test "more interfaces than a machine has room for are refused by name, and nothing is left" {
	local i
	pod_network
	for i in $(seq 64); do
		link "$POD" "eth$i" "gw$i"
	done
	remember
	run ! pod c1 true
	cat "$WORK/c1.out"
	grep -q "interface 'eth[0-9]*'" "$WORK/c1.out"
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}
