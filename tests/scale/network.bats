#!/usr/bin/env bats
# Many small things through a container's network, and connections that are silent for long. `make check-scale` runs it.
#
#	KATA_REQUESTS=1000000	so many requests each way, instead of 100,000
#	KATA_SILENCE=3600	so many seconds, instead of three minutes

bats_require_minimum_version 1.5.0
load ../e2e/lib/common
load ../e2e/lib/network

REQUESTS=${KATA_REQUESTS:-100000}
SILENCE=${KATA_SILENCE:-180}

setup() {
	network_setup
	CONFIG=$WORK/egress.toml
}

teardown() {
	local pid
	for pid in ${SERVERS:-}; do
		kill "$pid" 2>/dev/null || true
	done
	network_teardown
}

# tool NAME: a program of tests/e2e in the container's root.
tool() {
	gcc -std=gnu17 -D_GNU_SOURCE -O2 -static -pthread -o "$ROOTFS/$1" "$TREE/tests/e2e/$1.c"
}

# gateway_serves PROGRAM PORT
gateway_serves() {
	ip netns exec "$GATEWAY" "$ROOTFS/$1" serve "$2" >>"$WORK/servers.out" 2>&1 </dev/null 3>&- &
	SERVERS="${SERVERS:-} $!"
}

# restrict LINE...: what the containers that are given $CONFIG may reach.
restrict() {
	local lines
	lines=$(printf '"%s", ' "$@")
	sed "s|^egress_allow = .*|egress_allow = [${lines%, }]|" "$TREE/build/configuration.toml" >"$CONFIG"
	grep -qF "egress_allow = [\"$1" "$CONFIG"
}

# start ID NETNS KATA-OPTION... -- ARG...: a container in that namespace, which goes on.
start() {
	local id=$1 options=()
	local -x POD=$2
	shift 2
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	kata "${options[@]}" --log "$WORK/log" run -d --bundle "$(bundle "b-$id" "$IN_POD" "$@")" "$id" </dev/null >"$WORK/$id.out" 2>&1
}

@test "10,000 short connections, requests and datagrams in either direction: none is lost" {
	pod_network
	crowd 10000
}

# send WHAT COUNT COMMAND...: that many requests, and prints how long they took.
send() {
	local what=$1 count=$2
	shift 2
	"$@" "$count" </dev/null >"$WORK/sent"
	echo "# $what: $(<"$WORK/sent")" >&3
}

# requests KATA-OPTION...: the host is the gateway. To localhost each byte takes the way through both programs.
requests() {
	local pod=$POD
	start c1 "$pod" "$@" -- /net_crowd serve 5300
	wait_for 60 crowd_is_answered
	send "requests to the host${1:+ under an egress policy}" "$REQUESTS" kata exec c1 /net_crowd requests 10.77.0.1 5300
	send "requests of the host${1:+ under an egress policy}" "$REQUESTS" ip netns exec "$GATEWAY" "$ROOTFS/net_crowd" requests 10.77.0.2 5300
	send "requests to localhost${1:+ under an egress policy}" $((REQUESTS / 10)) ip netns exec "$pod" "$ROOTFS/net_crowd" requests 127.0.0.1 5300
	[ "$(dropped)" = "0 0" ]
	kata delete --force c1
	same interfaces "$BEFORE" "$(interfaces "$pod")"
}

@test "$REQUESTS small requests in either direction, and a tenth of them by localhost: none is lost" {
	tool net_crowd
	pod_network
	gateway_serves net_crowd 5300
	requests
	restrict '10.77.0.1 tcp 5300'
	requests --config "$CONFIG"
}

# hold WHAT COMMAND...: makes the connections, and goes on meanwhile.
hold() {
	local what=$1
	shift
	"$@" "$SILENCE" 8 </dev/null >"$WORK/held.$what" 2>&1 3>&- &
	HELD["$!"]=$what
}

# pod_answers ID NETNS NETWORK PORT: connections of all three ways with the container, each way with a server of its own.
pod_answers() {
	wait_for 60 kata exec "$1" /net_quiet hold "$3.1" "$4" 0 1
	wait_for 60 ip netns exec "$GATEWAY" "$ROOTFS/net_quiet" hold "$3.2" 5301 0 1
	wait_for 60 ip netns exec "$2" "$ROOTFS/net_quiet" hold 127.0.0.1 5302 0 1
}

pod_holds() {
	hold "$1-to-host" kata exec "$1" /net_quiet hold "$3.1" "$4"
	hold "$1-of-host" ip netns exec "$GATEWAY" "$ROOTFS/net_quiet" hold "$3.2" 5301
	hold "$1-localhost" ip netns exec "$2" "$ROOTFS/net_quiet" hold 127.0.0.1 5302
}

# all_held: every one of them has ended well.
all_held() {
	local pid failed=0
	for pid in "${!HELD[@]}"; do
		wait "$pid" || failed=1
		sed "s/^/# ${HELD[$pid]}: /" "$WORK/held.${HELD[$pid]}" >&3
	done
	return $failed
}

server_descriptors() {
	local pid list n=0
	for pid in $(leftover_pids); do
		[[ $(<"/proc/$pid/comm") == containerd-shim* ]] || continue
		list=("/proc/$pid/fd"/*)
		n=$((n + ${#list[@]}))
	done
	echo "$n"
}

descriptors_are() {
	[ "$(server_descriptors)" = "$1" ]
}

@test "connections that are silent for $SILENCE s, open and half-closed by either end, carry every byte after it, also under an egress policy" {
	local pod=$POD second=net-${WORK##*-}-two idle serve='/net_quiet serve 5301 & exec /net_quiet serve 5302'
	declare -A HELD
	tool net_quiet
	# shellcheck disable=SC2034 # for the teardown
	MORE=$second
	pod_network
	ip netns add "$second"
	ip -n "$second" link set lo up
	link "$second" eth0 gw1
	ip -n "$GATEWAY" addr add 10.78.0.1/24 dev gw1
	ip -n "$second" addr add 10.78.0.2/24 dev eth0
	gateway_serves net_quiet 5300
	gateway_serves net_quiet 5310
	start c1 "$pod" -- sh -c "$serve"
	restrict '10.78.0.1 tcp 5310'
	start c2 "$second" --config "$CONFIG" -- sh -c "$serve"

	pod_answers c1 "$pod" 10.77.0 5300
	pod_answers c2 "$second" 10.78.0 5310
	# Now, because some are made when they are first needed.
	idle=$(server_descriptors)
	pod_holds c1 "$pod" 10.77.0 5300
	pod_holds c2 "$second" 10.78.0 5310
	all_held
	wait_for 60 descriptors_are "$idle"
	kata delete --force c1
	kata delete --force c2
	same interfaces "$BEFORE" "$(interfaces "$pod")"
}
