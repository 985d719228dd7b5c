#!/usr/bin/env bats
# The egress policy: what is not in the list stays in the pod, is refused at once, and is counted.

bats_require_minimum_version 1.5.0
load lib/common
load lib/network

setup() {
	network_setup
	link "$POD" eth0 gw0
	ip -n "$GATEWAY" addr add 10.77.0.1/24 dev gw0
	ip -n "$GATEWAY" addr add 10.77.0.9/24 dev gw0
	ip -n "$GATEWAY" addr add fd77::1/64 dev gw0 nodad
	ip -n "$POD" addr add 10.77.0.2/24 dev eth0
	ip -n "$POD" addr add fd77::2/64 dev eth0 nodad
	ip -n "$POD" route add default via 10.77.0.1
	remember
	CONFIG=$WORK/egress.toml
}

teardown() {
	[ -z "${NAMES:-}" ] || kill "$NAMES" 2>/dev/null || true
	network_teardown
}

# allow LINE...: the policy of the containers that are made from now on.
allow() {
	local lines
	lines=$(printf '"%s", ' "$@")
	sed "s|^egress_allow = .*|egress_allow = [${lines%, }]|; s|^egress_resolvers = .*|egress_resolvers = [\"10.77.0.1\"]|" "$TREE/build/configuration.toml" >"$CONFIG"
	grep -qF "egress_allow = [\"$1" "$CONFIG"
}

# restricted ID ARG...: a container in the namespace with the policy, which goes on.
restricted() {
	local id=$1
	shift
	export POD
	kata --config "$CONFIG" --log "$WORK/log" run -d --bundle "$(bundle "b-$id" "$IN_POD" "$@")" "$id" </dev/null >"$WORK/$id.out" 2>&1
}

refused() {
	local out
	out=$(ask_from c1 "$1" 2>&1) && return 1
	[[ $out == *"$2"* ]]
}

@test "a pod reaches what is in its list, and is told at once what is not" {
	allow '10.77.0.1 tcp 80' 'fd77::1 tcp 80-90'
	serve_all
	# shellcheck disable=SC2046 # words
	restricted c1 $(on_host socat -U TCP6-LISTEN:7,fork,reuseaddr,ipv6only=0 OPEN:/answer,rdonly)
	wait_for 60 answers "$GATEWAY" TCP:10.77.0.1:80
	[ "$(ask_from c1 TCP:10.77.0.1:80)" = answered ]
	[ "$(ask_from c1 'TCP:[fd77::1]:80')" = answered ]
	refused TCP:10.77.0.1:81 'Connection refused'
	refused TCP:10.77.0.9:80 'Connection refused'
	refused 'TCP:[fd77::1]:91' 'Connection refused'
	refused TCP:8.8.8.8:80 'Connection refused'
	# Each place is logged once.
	refused TCP:8.8.8.8:80 'Connection refused'
	wait_for 60 logged 'refuses tcp 8.8.8.8 port 80'
	[ "$(grep -cF 'refuses tcp 8.8.8.8 port 80' "$WORK/log")" = 1 ]
	[ "$(kata metrics c1 | sed -n 's/^kata_shim_egress_refused_packets_total //p')" -ge 5 ]
	# Who speaks to the pod is answered.
	wait_for 60 answers "$GATEWAY" TCP:10.77.0.2:7
	wait_for 60 answers "$GATEWAY" 'TCP:[fd77::2]:7'
	kata delete --force c1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

# The answer at all ports that the tests ask.
serve_all() {
	serve TCP6-LISTEN:80,fork,reuseaddr,ipv6only=0 "OPEN:$ROOTFS/answer,rdonly"
}

logged() {
	grep -qF "$1" "$WORK/log"
}

# names NAME ADDRESS...: a name server that knows them, at the gateway.
names() {
	ip netns exec "$GATEWAY" python3 "$TREE/tests/e2e/lib/name_server.py" 10.77.0.1 "$@" >"$WORK/names.out" 2>&1 </dev/null 3>&- &
	NAMES=$!
	wait_for 60 grep -q listening "$WORK/names.out"
}

@test "a name in the list is reached by the address that its name server tells, and by no other" {
	allow 'good.example tcp 80' '*.below.example tcp 80'
	names good.example=10.77.0.9 a.below.example=10.77.0.8 bad.example=10.77.0.7
	ip -n "$GATEWAY" addr add 10.77.0.8/24 dev gw0
	ip -n "$GATEWAY" addr add 10.77.0.7/24 dev gw0
	serve_all
	echo nameserver 10.77.0.1 >"$ROOTFS/etc/resolv.conf"
	restricted c1 sleep 1000
	# The address is not allowed before the name was asked for.
	refused TCP:10.77.0.9:80 'Connection refused'
	[ "$(ask_from c1 TCP:good.example:80)" = answered ]
	[ "$(ask_from c1 TCP:a.below.example:80)" = answered ]
	refused TCP:bad.example:80 'Connection refused'
	refused TCP:good.example:81 'Connection refused'
	wait_for 60 logged 'refuses tcp 10.77.0.7 port 80 (bad.example)'
	kill "$NAMES"
	kata delete --force c1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

@test "an interface that comes later is under the policy, and so is what leaves through it" {
	allow '10.77.0.1 tcp 80'
	serve_all
	restricted c1 sleep 1000
	link "$POD" late gw1
	ip -n "$GATEWAY" addr add 10.78.0.1/24 dev gw1
	ip -n "$POD" addr add 10.78.0.2/24 dev late
	wait_for 60 has_address c1 10.78.0.2
	refused TCP:10.78.0.1:80 'Connection refused'
	[ "$(ask_from c1 TCP:10.77.0.1:80)" = answered ]
	ip -n "$POD" link delete late
	kata delete --force c1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

has_address() {
	kata exec "$1" ip addr </dev/null 2>&1 | grep -qF "inet $2"
}

@test "after the server was killed its rules hold until it is cleaned up, and the next pod starts" {
	local server
	allow 'none'
	serve_all
	restricted c1 sleep 1000
	refused TCP:10.77.0.1:80 'Connection refused'
	server=$(jq .server.pid "$ROOT/c1/sandbox.json")
	kill -9 "$server"
	wait_for 60 gone "$server"
	kata delete --force c1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
	allow '10.77.0.1 tcp 80'
	restricted c1 sleep 1000
	[ "$(ask_from c1 TCP:10.77.0.1:80)" = answered ]
	kata delete --force c1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}

@test "an annotation sets the policy if it is allowed to, and a wrong line is refused by its words" {
	local by='io.katacontainers.config.runtime.egress_allow'
	allow '10.77.0.1 tcp 81'
	serve_all
	export POD by
	local annotated='.annotations[$ENV.by] = "10.77.0.1 tcp 80;fd77::1"'
	run ! kata --config "$CONFIG" create --bundle "$(bundle b1 "$IN_POD | $annotated" true)" c1
	[[ $output == *"egress_allow"*"enable_annotations"* ]]
	sed -i 's|^enable_annotations = .*|enable_annotations = ["egress_allow"]|' "$CONFIG"
	grep -qF '["egress_allow"]' "$CONFIG"
	kata --config "$CONFIG" run -d --bundle "$(bundle b2 "$IN_POD | $annotated" sleep 1000)" c1 </dev/null >"$WORK/c1.out" 2>&1
	[ "$(ask_from c1 TCP:10.77.0.1:80)" = answered ]
	refused TCP:10.77.0.1:81 'Connection refused'
	kata delete --force c1
	allow '10.77.0.1 http'
	run ! kata --config "$CONFIG" create --bundle "$(bundle b3 "$IN_POD" true)" c1
	[[ $output == *"egress_allow"*"'10.77.0.1 http'"*"none of tcp, udp"* ]]
	allow 'a.example'
	sed -i 's|^egress_resolvers = .*|egress_resolvers = []|' "$CONFIG"
	run ! kata --config "$CONFIG" create --bundle "$(bundle b4 "$IN_POD" true)" c1
	[[ $output == *"names need name servers"* ]]
	same interfaces "$BEFORE" "$(interfaces "$POD")"
}
