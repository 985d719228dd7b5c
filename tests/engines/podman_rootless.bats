#!/usr/bin/env bats
# Podman of a user who is not root, beside runc, with the networks that it makes for one by default: slirp4netns in Debian 12,
# pasta since Podman 5.
# bats file_tags=engines

bats_require_minimum_version 1.5.0
load ../e2e/lib/common

USER_ID=4242

setup() {
	local file
	common_setup
	command -v newuidmap >/dev/null || skip "newuidmap is not installed"
	ip link set lo up
	chmod 755 "$WORK"
	mkdir -p "$WORK/etc" "$WORK/home" "$ROOTFS/www"
	mkdir -m 700 "$WORK/xdg"
	for file in passwd group subuid subgid; do
		cp "/etc/$file" "$WORK/etc/" 2>/dev/null || : >"$WORK/etc/$file"
	done
	echo "somebody:x:$USER_ID:$USER_ID::$WORK/home:/bin/sh" >>"$WORK/etc/passwd"
	echo "somebody:x:$USER_ID:" >>"$WORK/etc/group"
	echo "somebody:300000:65536" | tee -a "$WORK/etc/subuid" >>"$WORK/etc/subgid"
	# Open to all, as udev makes it.
	mknod -m 666 "$WORK/tun" c 10 200
	echo from the host >"$WORK/said"
	echo from the container >"$ROOTFS/www/index.html"
	chown -R "$USER_ID:$USER_ID" "$WORK/home" "$WORK/xdg" "$ROOTFS"
	socat -U TCP-LISTEN:8099,bind=127.0.0.1,fork,reuseaddr "OPEN:$WORK/said,rdonly" >"$WORK/server.out" 2>&1 </dev/null 3>&- &
	SERVER=$!
}

# Podman keeps a process for the user's namespaces.
teardown() {
	[ -z "${SERVER:-}" ] || kill "$SERVER" 2>/dev/null || true
	[ ! -d "$WORK/xdg" ] || users podman system migrate || true
	common_teardown
}

# users COMMAND...: as that user, in a mount namespace in which it is one of the host's.
users() {
	unshare --mount sh -euc 'work=$1 id=$2
		shift 2
		for file in passwd group subuid subgid; do mount --bind "$work/etc/$file" "/etc/$file"; done
		mount --bind "$work/tun" /dev/net/tun
		exec setpriv --reuid "$id" --regid "$id" --clear-groups env HOME="$work/home" XDG_RUNTIME_DIR="$work/xdg" "$@"' \
		sh "$WORK" "$USER_ID" "$@"
}

# engine RUNTIME ARG...
engine() {
	local runtime=$1
	shift
	[ "$runtime" != kata ] || runtime=$TREE/build/kata-runtime
	PODMAN_IGNORE_CGROUPSV1_WARNING=1 users timeout 120 podman --runtime "$runtime" --cgroup-manager cgroupfs --storage-driver vfs \
		--events-backend file "$@" </dev/null 3>&-
}

# What does not differ from run to run: addresses of IPv4, routes, and the host's answer.
LOOK='ip -o -4 addr show dev tap0 | grep -o "inet .*brd [0-9.]*"; cat /sys/class/net/tap0/mtu; ip route; nc 10.0.2.2 8099 </dev/null'

needs() {
	command -v "$1" >/dev/null || skip "$1 is not installed"
}

@test "a user's container has the interface that slirp4netns has made, and reaches the host through it, as under runc" {
	local runtime
	needs slirp4netns
	for runtime in runc kata; do
		engine "$runtime" run --rm --network slirp4netns:allow_host_loopback=true --rootfs "$ROOTFS" sh -c "$LOOK" >"$WORK/$runtime.out"
	done
	cat "$WORK/kata.out"
	grep -q 'inet 10.0.2.100/24' "$WORK/kata.out"
	grep -q 'from the host' "$WORK/kata.out"
	diff "$WORK/runc.out" "$WORK/kata.out"
}

# answers_at_port [PORT]
answers_at_port() {
	[ "$(timeout 10 busybox wget -q -O - "http://127.0.0.1:${1:-8098}/" 2>/dev/null)" = "from the container" ]
}

# By Podman's own process (rootlesskit), which connects inside the namespace, and by slirp4netns, which sends packets into it.
@test "a port of the host leads into a user's container, whoever opens it" {
	local runtime handler
	needs slirp4netns
	for runtime in runc kata; do
		for handler in rootlesskit slirp4netns; do
			engine "$runtime" run -d --name web --network "slirp4netns:port_handler=$handler" -p 8098:80 --rootfs "$ROOTFS" \
				httpd -f -p 80 -h /www
			wait_for 60 answers_at_port
			engine "$runtime" rm -f -t 0 web
		done
	done
}

@test "a port of the host leads to the address of a user's container, and not to its localhost" {
	local runtime
	needs slirp4netns
	for runtime in runc kata; do
		engine "$runtime" run -d --name web --network slirp4netns:port_handler=rootlesskit -p 8098:80 -p 8096:81 --rootfs "$ROOTFS" \
			sh -c 'httpd -p 127.0.0.1:80 -h /www; exec httpd -f -p 10.0.2.100:81 -h /www'
		wait_for 60 answers_at_port 8096
		run answers_at_port 8098
		[ "$status" -ne 0 ]
		engine "$runtime" rm -f -t 0 web
	done
}

# pasta gives a container the addresses and routes of the host's interface, which has to be there. The room's is one of its own.
host_interface() {
	ip link add out0 type veth peer name out1
	ip addr add 198.51.100.2/24 dev out0
	ip link set out0 up
	ip link set out1 up
	ip route add default via 198.51.100.1
	busybox nc -ll -p 8097 -e cat "$WORK/said" >"$WORK/server2.out" 2>&1 </dev/null 3>&- &
	OUTSIDE=$!
}

pasta_answers() {
	[ "$(busybox wget -q -O - http://198.51.100.2:8098/ 2>/dev/null)" = "from the container" ]
}

@test "pasta: a user's container has the host's addresses and routes, reaches it by its name, and is reached at a port" {
	local runtime look='ip -o -4 addr show dev out0 | grep -o "inet [0-9./]*"; cat /sys/class/net/out0/mtu; ip route | grep default
		grep -o "[0-9.]*.host.containers.internal" /etc/hosts; nc 169.254.1.2 8097 </dev/null'
	needs pasta
	host_interface
	for runtime in runc kata; do
		engine "$runtime" run --rm --network pasta --rootfs "$ROOTFS" sh -c "$look" >"$WORK/$runtime.out"
		engine "$runtime" run -d --name web --network pasta -p 8098:80 --rootfs "$ROOTFS" httpd -f -p 80 -h /www
		wait_for 60 pasta_answers
		wait_for 60 answers_at_port
		engine "$runtime" rm -f -t 0 web
	done
	cat "$WORK/kata.out"
	grep -q 'inet 198.51.100.2/24' "$WORK/kata.out"
	grep -q 'from the host' "$WORK/kata.out"
	diff "$WORK/runc.out" "$WORK/kata.out"
	kill "$OUTSIDE"
	ip link delete out0
}
