#!/usr/bin/env bats
# Interfaces that a plugin has described in a file of the host ("directly attachable network").

bats_require_minimum_version 1.5.0
load lib/common
load lib/network

setup() {
	network_setup
	mkdir "$WORK/dans"
	sed "s|^dan_conf = .*|dan_conf = \"$WORK/dans\"|" "$TREE/build/configuration.toml" >"$WORK/attached.toml"
	grep -qF "$WORK/dans" "$WORK/attached.toml"
	# The plugin's: a tap in a namespace of its own, where the host speaks to the guest.
	ip -n "$GATEWAY" tuntap add dan0 mode tap vnet_hdr
	ip -n "$GATEWAY" addr add 10.77.0.1/24 dev dan0
	ip -n "$GATEWAY" link set dan0 up
}

teardown() {
	network_teardown
}

# describe ID DEVICE: a file for that sandbox.
describe() {
	cat >"$WORK/dans/$1.json" <<-EOF
		{"netns": "/run/netns/$GATEWAY", "devices": [{"name": "dan-eth0", "guest_mac": "02:00:00:00:00:05", "device": $2,
		  "network_info": {
		    "interface": {"ip_addresses": ["10.77.0.2/24", "fd77::2/64"], "mtu": 1400, "ntype": "tuntap", "flags": 0},
		    "routes": [{"gateway": "10.77.0.1"}, {"dest": "10.80.0.0/16", "gateway": "10.77.0.9", "mtu": 1300}],
		    "neighbors": [{"ip_address": "10.77.0.9/24", "hardware_addr": "02:00:00:00:00:09", "state": 0, "flags": 0}]}}]}
	EOF
}

described() {
	kata --config "$WORK/attached.toml" --log "$WORK/log" run "$@" </dev/null
}

@test "a tap of the plugin's is the guest's interface, with all that the file says, and stays" {
	describe c1 '{"type": "host-tap", "tap_name": "dan0"}'
	pod_network
	export POD
	described -d --bundle "$(bundle b1 "$IN_POD" sleep 1000)" c1 >"$WORK/out" 2>&1
	run -0 kata exec c1 sh -c 'cd /sys/class/net; ls -d */; cat dan-eth0/address dan-eth0/mtu; ip addr; ip route; ip neigh'
	# What is in the container's namespace is not looked at.
	[ "${lines[0]} ${lines[1]}" = "dan-eth0/ lo/" ]
	[ "${lines[2]} ${lines[3]}" = "02:00:00:00:00:05 1400" ]
	[[ $output == *"inet 10.77.0.2/24"* && $output == *"inet6 fd77::2/64"* ]]
	[[ $output == *"default via 10.77.0.1 dev dan-eth0"* && $output == *"10.80.0.0/16 via 10.77.0.9 dev dan-eth0"* ]]
	[[ $output == *"10.77.0.9 dev dan-eth0 lladdr 02:00:00:00:00:09"* ]]
	kata exec c1 ping -c 1 -W 60 10.77.0.1 </dev/null
	serve TCP-LISTEN:80,fork,reuseaddr "OPEN:$ROOTFS/answer,rdonly"
	[ "$(ask_from c1 TCP:10.77.0.1:80)" = answered ]
	stop_serving
	kata delete --force c1
	same interfaces "$BEFORE" "$(interfaces "$POD")"
	ip -n "$GATEWAY" link show dan0
	# One without devices has none, and not those of whatever namespace the server is in.
	echo '{"devices": []}' >"$WORK/dans/c3.json"
	[ "$(described --bundle "$(bundle b3 "$IN_POD" sh -c 'cd /sys/class/net; ls -d */')" c3)" = lo/ ]
	# A sandbox of another id has what its namespace has.
	described --bundle "$(bundle b2 "$IN_POD" sh -c 'cd /sys/class/net; ls -d */')" c2 >"$WORK/out"
	grep -q eth0 "$WORK/out"
	run ! grep -q dan "$WORK/out"
}

@test "what a file asks for and there is not is refused by its place, and nothing is left" {
	local config=$WORK/attached.toml
	remember
	describe c1 '{"type": "vhost-user", "path": "/run/none"}'
	run ! described --bundle "$(bundle b1 . true)" c1
	[[ $output == *"c1.json"*"devices[0]: device: type: 'vhost-user' is not supported"* ]]
	describe c2 '{"type": "host-tap", "tap_name": "dan1"}'
	run ! described --bundle "$(bundle b2 . true)" c2
	[[ $output == *"open tap 'dan1'"* ]]
	describe c3 '{"type": "host-tap", "tap_name": "dan0", "queue_num": 2}'
	run ! described --bundle "$(bundle b3 . true)" c3
	[[ $output == *"open tap 'dan0'"* ]]
	describe c4 '{"type": "host-tap", "tap_name": "dan0"}'
	sed -i 's/^egress_allow = .*/egress_allow = ["none"]/' "$config"
	run ! described --bundle "$(bundle b4 . true)" c4
	[[ $output == *"c4.json"*"an egress policy does not hold"* ]]
	same interfaces "$BEFORE" "$(interfaces "$POD")"
	ip -n "$GATEWAY" link show dan0
}
