# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153 # what test files use and set
# For tests of networks: a namespace as an engine makes it for a pod, one that is its gateway, and what is in the first
# beside what runc's container shows of it.

network_setup() {
	common_setup
	POD=net-${WORK##*-}-pod
	GATEWAY=net-${WORK##*-}-gw
	echo answered >"$ROOTFS/answer"
	ip netns add "$POD"
	ip netns add "$GATEWAY"
	ip -n "$POD" link set lo up
	ip -n "$GATEWAY" link set lo up
}

network_teardown() {
	local ns pid
	for pid in ${SERVER:-} ${TUNNEL:-}; do
		kill "$pid" 2>/dev/null || true
	done
	# What cannot be deleted is found by the look for what was left behind.
	for ns in "$POD" "$GATEWAY" ${MORE:-}; do
		[ ! -e "/run/netns/$ns" ] || ip netns delete "$ns" || true
	done
	common_teardown
}

# link POD NAME PEER: an Ethernet between a namespace and the gateway's.
link() {
	ip link add "$2" netns "$1" type veth peer name "$3" netns "$GATEWAY"
	ip -n "$GATEWAY" link set "$3" up
	ip -n "$1" link set "$2" up
}

# What a plugin leaves behind for a pod.
pod_network() {
	link "$POD" eth0 gw0
	ip -n "$GATEWAY" addr add 10.77.0.1/24 dev gw0
	ip -n "$POD" addr add 10.77.0.2/24 dev eth0
	ip -n "$POD" route add default via 10.77.0.1
	remember
}

# What is at the interfaces of a namespace: we leave it as it was at the last remember.
remember() {
	BEFORE=$(interfaces "$POD")
}

interfaces() {
	ip -n "$1" -o link | sed -E 's/^[0-9]+: ([^:@]+).*/\1/'
	tc -n "$1" qdisc
}

# The host's programs, because busybox has neither datagrams nor all of a route.
IN_POD='.process.capabilities |= map_values(. + ["CAP_NET_RAW", "CAP_NET_ADMIN"])
	| .mounts += [{"destination": "/host", "type": "bind", "source": "/usr", "options": ["rbind", "ro"]}]
	| .linux.namespaces |= map(if .type == "network" then .path = "/run/netns/\($ENV.POD)" else . end)'

# on_host PROGRAM ARG...: its command line in a container, where /usr is /host.
on_host() {
	local loader
	loader=$(realpath "$(ldd "/usr/bin/$1" | grep -o '/[^ ]*/ld-linux[^ ]*')")
	echo "/host${loader#/usr} --library-path /host${loader%/*} /host/bin/$*" | sed 's,path /host/usr,path /host,'
}

# pod ID ARG...: a container in the namespace, which goes on.
pod() {
	local id=$1
	shift
	# Only there, because bash keeps the value of "POD=... pod ..." when the function exports it.
	kata --log "$WORK/log" run -d --bundle "$(export POD && bundle "b-$id" "$IN_POD" "$@")" "$id" </dev/null >"$WORK/$id.out" 2>&1
}

# What is the same for a virtual Ethernet and a virtio card.
same_facts() {
	jq -S 'if type == "string" then . else [.[] | if .ifname then {ifname, mtu, address, flags: (.flags | sort),
			addr_info: ([.addr_info[] | {family, local, address, prefixlen, scope, broadcast, "label": .label, deprecated}] | sort)}
		else . end] | sort end'
}

# as_runc ID [TARGET]: the same bundle with both, which also reach an address. What they show is in $WORK/kata.facts.
as_runc() {
	local dir ip part
	export POD
	ip=$(on_host ip)
	# A kernel looks for carriers and for others with its IPv6 addresses when it likes.
	dir=$(bundle "b-$1" "$IN_POD" sh -c "n=0
		while ip addr | grep -qE 'NO-CARRIER|tentative' && [ \$n -lt 300 ]; do n=\$((n + 1)); sleep 0.2; done
		$ip -j addr; $ip -d -j route show table all; $ip -d -6 -j route show table all
		$ip -d -j rule; $ip -d -6 -j rule; $ip -j neigh show nud permanent
		[ -z '${2:-}' ] || { ping -c 1 -W 60 '${2:-}' >/dev/null && echo '\"reached\"'; }")
	runc --root "$WORK/runc" run --bundle "$dir" "$1" >"$WORK/runc.out" </dev/null
	kata run --bundle "$dir" "$1" >"$WORK/kata.out" </dev/null
	for part in runc kata; do
		same_facts <"$WORK/$part.out" >"$WORK/$part.facts" || return 1
	done
	diff "$WORK/runc.facts" "$WORK/kata.facts"
}

# ask NAMESPACE ADDRESS: what is answered there.
ask() {
	ip netns exec "$1" timeout 20 socat -u "$2" - </dev/null
}

answers() {
	[ "$(ask "$@" 2>/dev/null)" = answered ]
}

# ask_from ID ADDRESS: the same in a container.
ask_from() {
	# shellcheck disable=SC2046 # words
	kata exec "$1" timeout 60 $(on_host socat -u "$2" -) </dev/null
}

# serve ADDRESS TARGET: in the gateway's namespace.
serve() {
	ip netns exec "$GATEWAY" socat -U "$1" "$2" >"$WORK/server.out" 2>&1 </dev/null 3>&- &
	SERVER=$!
}

stop_serving() {
	kill "$SERVER"
}

# crowd COUNT: that many short connections, requests and datagrams from a container to its gateway, and as many from the
# gateway to it: none is lost, and no interface has dropped a frame. See net_crowd.c.
crowd() {
	local count=$1 what
	gcc -std=gnu17 -D_GNU_SOURCE -O2 -static -pthread -o "$ROOTFS/net_crowd" "$TREE/tests/e2e/net_crowd.c"
	pod c1 /net_crowd serve 5300
	ip netns exec "$GATEWAY" "$ROOTFS/net_crowd" serve 5300 >"$WORK/server.out" 2>&1 </dev/null 3>&- &
	SERVER=$!
	wait_for 60 crowd_is_answered
	for what in connections requests datagrams; do
		kata exec c1 /net_crowd "$what" 10.77.0.1 5300 "$count" </dev/null
		ip netns exec "$GATEWAY" "$ROOTFS/net_crowd" "$what" 10.77.0.2 5300 "$count"
	done
	[ "$(dropped)" = "0 0" ]
	stop_serving
	kata delete --force c1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

crowd_is_answered() {
	kata exec c1 /net_crowd connections 10.77.0.1 5300 1 </dev/null
	ip netns exec "$GATEWAY" "$ROOTFS/net_crowd" connections 10.77.0.2 5300 1
}

# dropped: frames that the host's interfaces of the pod and of its gateway, and those that the guest's have dropped.
dropped() {
	local ns
	for ns in "$POD" "$GATEWAY"; do
		ip -n "$ns" -s -j link
	done | jq -s '[.[][].stats64 | .rx, .tx | .dropped + .errors] | add' | tr '\n' ' '
	kata exec c1 sh -c 'cd /sys/class/net/eth0/statistics; cat rx_dropped tx_dropped rx_errors tx_errors' </dev/null |
		awk '{ sum += $1 } END { print sum }'
}
