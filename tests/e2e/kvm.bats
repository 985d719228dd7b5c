#!/usr/bin/env bats
# What only a host with KVM and vhost-vsock can show: which of its devices a machine uses, and that they are its own.

# bats file_tags=kvm, vsock

bats_require_minimum_version 1.5.0
load lib/common

setup() {
	needs_vsock
	common_setup
}

teardown() {
	[ -z "${WORK:-}" ] || common_teardown
}

# The command lines of the machines that this test has started.
machines() {
	local pid
	for pid in $(leftover_pids); do
		[ "$(cat "/proc/$pid/comm")" != qemu-system-x86 ] || { tr '\0' ' ' <"/proc/$pid/cmdline" && echo; }
	done
}

@test "a machine runs on KVM, and its agent is reached over vsock" {
	dir=$(bundle b . sh -c 'echo ready; exec sleep 1000')
	kata run -d --bundle "$dir" c1 </dev/null >"$WORK/out" 2>&1
	machines
	[[ $(machines) == *"accel=kvm"* || $(machines) == *"-accel kvm"* ]]
	[[ $(machines) == *vhost-vsock* ]]
	[[ $(machines) != *box.serial* && $(machines) != *virtserialport* ]]
	# What was said before the answer to Start, and what is said now.
	[ "$(kata exec c1 cat /sys/devices/system/clocksource/clocksource0/current_clocksource)" = kvm-clock ]
	wait_for 60 grep -q ready "$WORK/out"
}

@test "two machines at a time have addresses of their own" {
	bundle b . sh -c 'read x; echo "got $x"' >/dev/null
	for i in 1 2; do
		mkfifo "$WORK/in$i"
		(exec "$TREE/build/kata-runtime" --root "$ROOT" run --bundle "$WORK/b" "c$i") <>"$WORK/in$i" >"$WORK/out$i" 2>&1 3>&- &
		pids[i]=$!
	done
	both() { [ "$(guest_cids | sort -u | wc -l)" -eq 2 ]; }
	wait_for 60 both
	for i in 1 2; do
		echo "line $i" >"$WORK/in$i"
		code=0
		wait "${pids[i]}" || code=$?
		echo "machine $i: $code, $(cat "$WORK/out$i")"
		[ "$code" -eq 0 ]
		[ "$(cat "$WORK/out$i")" = "got line $i" ]
	done
}

@test "without vhost-vsock the agent is reached over a serial port" {
	mv /dev/vhost-vsock /dev/vhost-vsock.hidden
	run run_once c1 echo works
	mv /dev/vhost-vsock.hidden /dev/vhost-vsock
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = works ]
}

# Connects to the agent of machine $1, from port $2 as user $3 (0: any port), asks whether it is well, and prints what comes
# until the line ends.
ask_agent() {
	/usr/bin/python3 -c 'import os, socket, sys
cid, port, uid = map(int, sys.argv[1:])
s = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
if port:
    s.bind((socket.VMADDR_CID_ANY, port))
os.setresuid(uid, uid, uid)
s.connect((cid, 1024))
call = b"\x0a\x0bgrpc.Health\x12\x05Check"
s.sendall(len(call).to_bytes(4, "big") + b"\0\0\0\1\1\0" + call)
print("asked", file=sys.stderr, flush=True)
try:
    while (got := s.recv(1000)):
        sys.stdout.buffer.write(got)
except OSError:
    pass' "$@"
}

@test "the agent serves its owner only, root on the host neither" {
	kata run -d --bundle "$(bundle b . sleep 1000)" c1 </dev/null >/dev/null 2>&1
	cid=$(guest_cids)
	[[ $(machines) == *agent.privileged_host=1* ]]
	ask_agent "$cid" 0 65534 >"$WORK/nobody" 2>"$WORK/nobody.err" 3>&- &
	ask_agent "$cid" 700 0 >"$WORK/root" 2>"$WORK/root.err" 3>&- &
	for who in nobody root; do
		wait_for 60 grep -q asked "$WORK/$who.err"
	done
	# The agent answers who owns it, behind what the others have asked.
	[ "$(kata exec c1 echo works)" = works ]
	kata delete --force c1
	wait
	[ ! -s "$WORK/nobody" ] && [ ! -s "$WORK/root" ]
}
