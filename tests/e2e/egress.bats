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
	network_teardown
}

# allow LINE...: the policy of the containers that are made from now on.
allow() {
	local lines
	lines=$(printf '"%s", ' "$@")
	sed "s|^egress_allow = .*|egress_allow = [${lines%, }]|" "$TREE/build/configuration.toml" >"$CONFIG"
	grep -qF "egress_allow = [\"$1" "$CONFIG"
}

# restricted ID ARG...: a container in the namespace with the policy, which goes on.
restricted() {
	local id=$1
	shift
	export POD
	kata --config "$CONFIG" run -d --bundle "$(bundle "b-$id" "$in_pod" "$@")" "$id" </dev/null >"$WORK/$id.out" 2>&1
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
	# Who speaks to the pod is answered.
	wait_for 60 answers "$GATEWAY" TCP:10.77.0.2:7
	wait_for 60 answers "$GATEWAY" 'TCP:[fd77::2]:7'
	kata delete --force c1
	same interfaces "$before" "$(interfaces "$POD")"
}

# The answer at all ports that the tests ask.
serve_all() {
	serve TCP6-LISTEN:80,fork,reuseaddr,ipv6only=0 "OPEN:$ROOTFS/answer,rdonly"
}
