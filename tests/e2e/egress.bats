#!/usr/bin/env bats
# The egress policy: what is not in the list stays in the pod, is refused at once, and is counted.

bats_require_minimum_version 1.5.0
load lib/common
load lib/network

setup() {
	common_setup
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
