#!/usr/bin/env bats
# kubectl port-forward: connections to localhost in the pod's network namespace of the host reach the guest's loopback.

load lib/common
load lib/containerd
load lib/cri

setup() {
	cri_setup
}

teardown() {
	cri_teardown
}

# dial COMMAND HOST PORT [N]: of lib/dial.py, in the namespace of the only pod.
dial() {
	timeout --foreground 200 nsenter --net="$(echo /run/netns/cni-*)" /usr/bin/python3 "$TREE/tests/e2e/lib/dial.py" "$@"
}

# A container that listens: 8080 a web server, 7 sends back what comes, 9 its checksum, 10 sends 10 MB.
listener_make() {
	local serve='nc -ll -p 7 -e cat & nc -ll -p 9 -e sha256sum & nc -ll -p 10 -e cat /tmp/big &'
	container_make "$1" "$2" '' sh -c "head -c 10000000 /dev/urandom >/tmp/big; sha256sum </tmp/big; echo a page >/tmp/page; httpd -p 8080 -h /tmp; $serve echo ready; wait"
}

get() {
	printf 'GET /page HTTP/1.0\r\n\r\n' | dial say "$1" 8080 | tail -n 1
}

answers() {
	[ "$(get 127.0.0.1)" = "a page" ]
}

# Prints what comes out of connections.
connections() {
	local handler=$1 pod a
	pod=$(pod_run "$handler" "$handler")
	a=$(listener_make "$pod" "a-$handler")
	wait_for 60 log_has "a-$handler" ready
	wait_for 60 answers
	get 127.0.0.1
	get ::1
	dial at-once 127.0.0.1 7 2
	dial many ::1 7 20

	head -c 10000000 /dev/urandom >"$WORK/big"
	[ "$(sha256sum <"$WORK/big")" = "$(dial say 127.0.0.1 9 <"$WORK/big")" ]
	container_log "a-$handler" | grep -q "$(dial say 127.0.0.1 10 </dev/null | sha256sum | cut -d' ' -f1)"
	[ "$(dial say 127.0.0.1 7 <"$WORK/big" | sha256sum)" = "$(sha256sum <"$WORK/big")" ]
	dial abandon 127.0.0.1 7
	get 127.0.0.1

	# As Kubernetes does it.
	printf 'GET /page HTTP/1.0\r\n\r\n' | timeout 60 /usr/bin/python3 "$LIB/dial.py" forward \
		"$(cri PortForward <<<"pod_sandbox_id: '$pod' port: 8080" | fields url)" 8080 | tail -n 1

	# Another container has the ports.
	container_stop "$a"
	container_remove "$a"
	a=$(listener_make "$pod" "b-$handler")
	wait_for 60 log_has "b-$handler" ready
	wait_for 60 answers
	get ::1
	pod_remove "$pod"
}

@test "a web server in a pod, both families, connections at once, megabytes in both directions, half-closed, by containerd" {
	beside_runc connections 6
}

# one_of NAME: the process of the only pod.
one_of() {
	local pid
	for pid in $(leftover_pids); do
		[[ $(cat "/proc/$pid/comm") != "$1"* ]] || echo "$pid"
	done
}

descriptors() {
	local list=("/proc/$server/fd"/*)
	echo ${#list[@]}
}

# What is closed by an answer of the other side is closed an instant later.
descriptors_are() {
	[ "$(descriptors)" = "$1" ]
}

begin() {
	pod=$(pod_run kata kata)
	a=$(listener_make "$pod" a-kata)
	wait_for 60 log_has a-kata ready
	wait_for 60 answers
	server=$(one_of containerd-shim)
}

@test "many connections leave nothing in the server and the agent, more wait at once; where nobody listens they are cut" {
	local before
	begin
	before=$(descriptors)
	# More than the agent has at once (256), and than the server has (128).
	dial many 127.0.0.1 7 200
	dial crowd 127.0.0.1 7 128
	[ "$(dial outcome 127.0.0.1 4444)" = reset ]
	[ "$(dial outcome ::1 4444)" = reset ]
	dial abandon 127.0.0.1 7
	wait_for 60 descriptors_are "$before"
	answers
}

# host_says PORT WORDS: whoever connects to it on 127.0.0.1 in the pod's namespace is told that.
host_says() {
	nsenter --net="$(echo /run/netns/cni-*)" socat "TCP-LISTEN:$1,bind=127.0.0.1,reuseaddr,fork" "SYSTEM:echo $2" </dev/null >/dev/null 2>&1 3>&- &
	LISTENER=$!
}

is_told() {
	[ "$(dial say 127.0.0.1 "$1" </dev/null)" = "$2" ]
}

@test "who really listens in the namespace keeps the port, and the guest has it when that one is gone" {
	begin
	host_says 8080 'the host'
	wait_for 60 is_told 8080 'the host'
	[ "$(get ::1)" = "a page" ]
	[ "$(get 127.0.0.2)" = "a page" ]
	kill "$LISTENER"
	wait "$LISTENER" || true
	answers
}

@test "a program that does not read holds up its own connection only, and gets all when it reads" {
	local reader
	begin
	container_exec "$a" sh -c 'nc -ll -p 11 -e sh -c "while [ ! -e /tmp/go ]; do sleep 1; done; cat" >/dev/null 2>&1 </dev/null &'
	mkfifo "$WORK/go"
	dial stall 127.0.0.1 11 300000000 <"$WORK/go" >"$WORK/stall" 2>"$WORK/stalled" 3>&- &
	reader=$!
	exec 4>"$WORK/go"
	wait_for 120 grep -q stalled "$WORK/stall"
	answers
	dial many 127.0.0.1 7 3
	# What is under way: sockets of both kernels and a few messages, far from all that the user has.
	[ "$(cat "$WORK/stalled")" -lt 100000000 ]
	container_exec "$a" touch /tmp/go
	echo go >&4
	exec 4>&-
	wait_for 120 grep -q 'all came back' "$WORK/stall"
	wait "$reader"
}

# held PORT: a connection that stays open until something happens to it; what comes of it is in $WORK/held.
held() {
	mkfifo "$WORK/open"
	dial say 127.0.0.1 "$1" <"$WORK/open" >"$WORK/held" 2>/dev/null 3>&- &
	HELD=$!
	exec 4>"$WORK/open"
	echo first >&4
	wait_for 60 grep -q first "$WORK/held"
}

@test "connections end with the guest, and with the server" {
	local victim
	for victim in qemu-system containerd-shim; do
		rm -f "$WORK/logs"/*
		begin
		held 7
		kill -9 "$(one_of $victim)"
		wait "$HELD" || true
		exec 4>&-
		rm "$WORK/open"
		wait_for 60 refused
		pod_remove "$pod" || pod_remove "$pod"
	done
}

refused() {
	[ "$(dial outcome 127.0.0.1 7)" = refused ]
}

@test "a namespace whose loopback device is somebody else's costs a line in the log" {
	POD=kata-${WORK##*-}
	export POD
	ip netns add "$POD"
	ip -n "$POD" link set lo up
	tc -n "$POD" qdisc add dev lo ingress
	kata --log "$WORK/log" run -d --bundle "$(bundle b '.linux.namespaces |= map(if .type == "network" then .path = "/run/netns/\($ENV.POD)" else . end)' \
		sleep 1000)" c1 </dev/null >/dev/null 2>&1
	cat "$WORK/log"
	[ "$(grep -c "loopback" "$WORK/log")" -eq 1 ]
	kata delete --force c1
	tc -n "$POD" qdisc show dev lo | grep -q ingress
	ip netns delete "$POD"
}
