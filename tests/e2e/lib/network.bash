# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153 # what test files use and set
# Two network namespaces of a test's own: a pod's, and a gateway's, which is the world outside of it. After lib/common.

network_setup() {
	POD=net-${WORK##*-}-pod
	GATEWAY=net-${WORK##*-}-gw
	echo answered >"$ROOTFS/answer"
	ip netns add "$POD"
	ip netns add "$GATEWAY"
	ip -n "$POD" link set lo up
	ip -n "$GATEWAY" link set lo up
}

# Instead of common_teardown.
network_teardown() {
	local ns
	[ -z "${SERVER:-}" ] || kill "$SERVER" 2>/dev/null || true
	common_teardown || ns=failed
	for ns in "$POD" "$GATEWAY" ${MORE:-}; do
		ip netns delete "$ns" 2>/dev/null || true
	done
	[ "$ns" != failed ]
}

# link POD NAME PEER: an Ethernet between a namespace and the gateway's.
link() {
	ip link add "$2" netns "$1" type veth peer name "$3" netns "$GATEWAY"
	ip -n "$GATEWAY" link set "$3" up
	ip -n "$1" link set "$2" up
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
