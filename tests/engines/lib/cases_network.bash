# shellcheck shell=bash disable=SC2154
# Cases of networks: a container of ours is in the engine's network as one of runc is. See engines.bash.

# What engines keep of networks outside of their own folders, and would leave on this host. For setup_file.
network_setup_file() {
	local dir
	for dir in /etc/cni/net.d /var/lib/cni; do
		mkdir -p "$dir"
		mount -t tmpfs none "$dir"
	done
	# Podman makes it a mount.
	mkdir -p /run/netns
	mount --bind /run/netns /run/netns
	mount --make-shared /run/netns
}

# A network with a server of each runtime, @-net, in it.
network_make() {
	engine network create pods >/dev/null
	pair_make run -d --network pods --name @-net "$IMAGE" nc -ll -p 80 -e cat /etc/origin
}

network_remove() {
	discard kata-net runc-net
	engine network rm pods >/dev/null
}

address_of() {
	field "$1" '(index .NetworkSettings.Networks "pods").IPAddress'
}

# fetch FROM TO: until the server listens.
fetch() {
	[ "$(engine exec "$1" nc -w 60 "$(address_of "$2")" 80 2>/dev/null)" = "of the image" ]
}

containers_of_a_network_reach_each_other() {
	local name
	network_make
	for name in kata runc; do
		engine exec "$name-net" ip -o addr show dev eth0 | grep -qF "inet $(address_of "$name-net")/"
		wait_for 60 fetch "$name-net" kata-net
		wait_for 60 fetch "$name-net" runc-net
	done
	engine exec kata-net ip route | grep -q '^default via '
	network_remove
}

# After a stop the engine may give another address, by an interface made anew.
a_network_survives_a_restart() {
	network_make
	both engine_quiet restart --time 0 @-net
	wait_for 60 fetch runc-net kata-net
	wait_for 60 fetch kata-net runc-net
	network_remove
}

a_container_is_in_two_networks() {
	engine network create pods >/dev/null
	engine network create others >/dev/null
	pair_make create --network pods --name @-net "$IMAGE" nc -ll -p 80 -e cat /etc/origin
	both engine_quiet network connect others @-net
	both engine_quiet start @-net
	alike exec @-net sh -c 'cd /sys/class/net && echo eth*'
	[ "$output" = "eth0 eth1" ]
	wait_for 60 fetch runc-net kata-net
	network_remove
	engine network rm others >/dev/null
}
