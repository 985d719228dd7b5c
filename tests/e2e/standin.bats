#!/usr/bin/env bats
# The process whose pid we tell: whoever takes it for the container's gets the container, or an empty room, never the host.

bats_require_minimum_version 1.5.0
load lib/common

setup() {
	common_setup
	mkdir "$WORK/rw" "$WORK/ro" "$WORK/ro/below"
	echo of the host >"$WORK/rw/file"
	echo of the host >"$WORK/ro/file"
}

teardown() {
	[ -z "${MOUNTED:-}" ] || umount -R "$MOUNTED"
	[ -z "${NETNS:-}" ] || ip netns delete "$NETNS"
	common_teardown
}

# A container with a writable and a read-only volume and a name of its own.
volumes='.hostname = "in-the-guest" | .mounts += [
	{"destination": "/rw", "type": "bind", "source": "\($ENV.WORK)/rw", "options": ["rbind"]},
	{"destination": "/ro", "type": "bind", "source": "\($ENV.WORK)/ro", "options": ["rbind", "ro"]},
	{"destination": "/scratch", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]},
	{"destination": "/scratch/deep/file", "type": "bind", "source": "\($ENV.WORK)/ro/file", "options": ["bind", "ro"]}]'

start() {
	export WORK
	local id=$1
	shift
	kata run -d --bundle "$(bundle "b-$id" "$volumes" "$@")" --pid-file "$WORK/$id.pid" "$id"
	pid=$(cat "$WORK/$id.pid")
}

# The namespaces in which a process is, but the user's and the time's.
namespaces() {
	readlink "/proc/$1"/ns/{pid,mnt,net,ipc,uts,cgroup}
}

# None of them is the host's, nor is there anything in them.
is_empty_room() {
	local pid=$1 own
	for own in $(namespaces self); do
		! namespaces "$pid" | grep -qF "$own" || { echo "$own is the host's" >&2 && return 1; }
	done
	[ "$(nsenter -t "$pid" -n ip -o link | grep -vc ' lo:')" = 0 ]
	nsenter -t "$pid" -n ip -o link | grep -q 'state DOWN'
	[ "$(nsenter -t "$pid" -u hostname)" = in-the-guest ]
	# Its /proc knows the process and nobody else.
	[ "$(echo "/proc/$pid/root/proc"/[0-9]*)" = "/proc/$pid/root/proc/1" ]
	# And nothing of the kernel that a link of the guest could lead to.
	[ -z "$(ls -A "/proc/$pid/root/proc/sys")" ]
	[ ! -s "/proc/$pid/root/proc/kcore" ]
	# A process of the host has no number in there.
	run ! nsenter -t "$pid" -p sh -c "kill -0 $BASHPID"
	# The container's programs do not run with the host's rights.
	run ! nsenter -t "$pid" -a /bin/busybox true
	[[ $output == *"ermission denied"* ]]
}

has_no_rights() {
	local pid=$1
	grep -qE '^CapEff:\s0+$' "/proc/$pid/status"
	grep -qE '^CapPrm:\s0+$' "/proc/$pid/status"
	grep -qE '^CapBnd:\s0+$' "/proc/$pid/status"
	grep -qE '^NoNewPrivs:\s1$' "/proc/$pid/status"
	grep -qE '^Seccomp:\s2$' "/proc/$pid/status"
	[ "$(tr -d '\0' <"/proc/$pid/environ")" = "" ]
	[ "$(readlink "/proc/$pid/cwd")" = / ]
	# Nothing but its line to the server, what it waits with, and no file or folder.
	run ! grep -vE '^(socket:|anon_inode:|/dev/null$)' <(readlink "/proc/$pid"/fd/*)
}

@test "the pid of a container is an empty room without rights" {
	SECRET=of-the-caller start c1 sleep 1000
	is_empty_room "$pid"
	has_no_rights "$pid"
	[ "$(tr '\0' '\n' <"/proc/$pid/cmdline")" = "sleep 1000" ]
	[ "$(ps -o args= -p "$pid")" = "sleep 1000" ]
	[ "$(kata state c1 | jq .pid)" = "$pid" ]
	[ "$(kata ps --format json c1)" = "[$pid]" ]
}

@test "the root of the pid is the container's, with its volumes as they are" {
	local root place
	MOUNTED=$WORK/ro
	mount --bind "$MOUNTED" "$MOUNTED"
	mount --make-shared "$MOUNTED"
	start c1 sleep 1000
	root=/proc/$pid/root
	[ "$(ls "$root")" = "$(kata exec c1 ls /)" ]
	echo of a caller >"$root/tmp/into"
	[ "$(kata exec c1 cat /tmp/into)" = "of a caller" ]
	[ "$(cat "$root/rw/file")" = "of the host" ]
	echo changed >"$root/rw/file"
	[ "$(cat "$WORK/rw/file")" = changed ]
	[ "$(cat "$root/ro/file")" = "of the host" ]
	run ! sh -c "echo changed >$root/ro/file"
	[[ $output == *"ead-only"* ]]
	[ "$(cat "$root/scratch/deep/file")" = "of the host" ]
	# What only the guest has is not written to by mistake.
	kata exec c1 touch /scratch/of-the-guest
	[ ! -e "$root/scratch/of-the-guest" ]
	for place in scratch dev sys proc proc/sys; do
		run ! touch "$root/$place/lost"
	done
	[ "$(ls -A "$ROOTFS/scratch" "$ROOTFS/dev")" = "$(printf '%s:\n\n%s:' "$ROOTFS/dev" "$ROOTFS/scratch")" ] || ls -AR "$ROOTFS/scratch" "$ROOTFS/dev" >&2
	run ! grep -vE ' (ro|rw),nosuid,nodev,noexec,' "/proc/$pid/mountinfo"
	# What is mounted into a volume later is seen by both.
	mount -t tmpfs kata-e2e "$WORK/ro/below"
	echo later >"$WORK/ro/below/file"
	[ "$(cat "$root/ro/below/file")" = later ]
}

@test "a link in the container's root leads no volume out of it" {
	local root
	mkdir -p "$WORK/outside" "$ROOTFS/data"
	ln -s "$WORK/outside" "$ROOTFS/away"
	ln -s ../../../../../../data "$ROOTFS/up"
	mkdir -p "$ROOTFS/$WORK/outside"
	export WORK
	kata run -d --bundle "$(bundle b1 '.hostname = "in-the-guest" | .mounts += [
		{"destination": "/away", "type": "bind", "source": "\($ENV.WORK)/rw", "options": ["bind"]},
		{"destination": "/up", "type": "bind", "source": "\($ENV.WORK)/ro", "options": ["bind", "ro"]}]' sleep 1000)" \
		--pid-file "$WORK/pid" c1
	root=/proc/$(cat "$WORK/pid")/root
	[ "$(cat "$root$WORK/outside/file")" = "of the host" ]
	[ "$(cat "$root/data/file")" = "of the host" ]
	[ -z "$(ls -A "$WORK/outside")" ]
	is_empty_room "$(cat "$WORK/pid")"
}

@test "the pid of an exec, of an attended run and of an attended exec are rooms, too" {
	local job
	start c1 sleep 1000
	kata exec -d --pid-file "$WORK/pid" c1 sleep 999
	is_empty_room "$(cat "$WORK/pid")"
	has_no_rights "$(cat "$WORK/pid")"
	[ "$(tr -d '\0' <"/proc/$(cat "$WORK/pid")/cmdline")" = "sleep 999" ]
	[ "$(kata ps --format json c1)" = "[$pid,$(cat "$WORK/pid")]" ]
	rm "$WORK/pid"

	kata exec --pid-file "$WORK/pid" c1 sleep 999 &
	job=$!
	wait_for 60 test -s "$WORK/pid"
	is_empty_room "$(cat "$WORK/pid")"
	has_no_rights "$(cat "$WORK/pid")"
	kill -KILL "$(cat "$WORK/pid")"
	ends_with 137 $job
	kata delete --force c1
	rm "$WORK/pid"

	kata run --bundle "$WORK/b-c1" --pid-file "$WORK/pid" c2 &
	job=$!
	running() { [ "$(kata state c2 2>/dev/null | jq -r .status)" = running ]; }
	wait_for 60 running
	[ "$(kata state c2 | jq .pid)" = "$(cat "$WORK/pid")" ]
	is_empty_room "$(cat "$WORK/pid")"
	kill -TERM "$(cat "$WORK/pid")"
	kill -KILL "$(cat "$WORK/pid")"
	ends_with 137 $job
	gone "$(cat "$WORK/pid")"
}

# ends_with CODE JOB
ends_with() {
	local code=0
	wait "$2" || code=$?
	[ $code = "$1" ]
}

@test "a signal reaches the container from both sides of the room; its end is the room's" {
	local job
	# A signal that comes before the trap would be lost.
	start c1 sh -c 'trap "exit 42" TERM; touch /ready; sleep 1000 & wait'
	wait_for 60 test -e "$ROOTFS/ready"
	# As the first process of its namespace it is not killed from inside, and collects what is left to it.
	nsenter -t "$pid" -p sh -c 'kill -KILL 1; sleep 0 & :'
	nobody_left() { ! pgrep -P "$pid"; }
	wait_for 60 nobody_left
	[ "$(kata state c1 | jq -r .status)" = running ]
	nsenter -t "$pid" -p sleep 1000 &
	job=$!
	# It may be gone with the room before it is through.
	nsenter -t "$pid" -p sh -c 'kill -TERM 1' || true
	stopped() { [ "$(kata state c1 | jq -r .status)" = stopped ]; }
	wait_for 60 stopped
	wait_for 60 gone "$pid"
	ends_with 137 $job
	kata delete c1

	kata run -d --bundle "$WORK/b-c1" --pid-file "$WORK/c1.pid" c1
	kill -KILL "$(cat "$WORK/c1.pid")"
	wait_for 60 stopped
}

# For a subshell: becomes the holder of the terminal that comes over the socket $1, gives it a size, and tells by the file $2
# that the container has seen it. Its end is the end of the terminal.
hold_terminal() {
	exec /usr/bin/python3 -c 'import fcntl, os, signal, socket, struct, sys, termios
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1] + ".new")
listener.listen(1)
os.rename(sys.argv[1] + ".new", sys.argv[1])
master = socket.recv_fds(listener.accept()[0], 4096, 1)[1][0]
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("4H", 33, 77, 0, 0))
said = b""
while b"33 77" not in said:
    said += os.read(master, 4096)
open(sys.argv[2], "w").close()
signal.pause()' "$@"
}

@test "the pid of a container with a terminal leads its session: its size and its end reach the container" {
	local job leader
	hold_terminal "$WORK/console" "$WORK/seen" 3>&- &
	job=$!
	wait_for 10 test -S "$WORK/console"
	export WORK
	kata create --bundle "$(bundle b1 "$volumes | .process.terminal = true" \
		sh -c 'trap "exit 42" HUP; while :; do stty size; sleep 1; done')" \
		--console-socket "$WORK/console" --pid-file "$WORK/pid" c1
	kata start c1
	leader=$(cat "$WORK/pid")
	wait_for 30 test -e "$WORK/seen"
	is_empty_room "$leader"
	[ "$(ps -o args= -p "$leader")" = 'sh -c trap "exit 42" HUP; while :; do stty size; sleep 1; done' ]
	[ "$(ps -o sid= -p "$leader" | xargs)" = "$leader" ]
	[[ $(ps -o tty= -p "$leader") == pts/* ]]
	kill "$job"
	stopped() { [ "$(kata state c1 | jq -r .status)" = stopped ]; }
	wait_for 30 stopped
	wait_for 10 gone "$leader"
}

@test "the network namespace that the spec names is the pid's" {
	NETNS=kata-e2e-$$
	ip netns add "$NETNS"
	start c1 sleep 1000
	export NETNS
	kata run -d --bundle "$(bundle b2 '.linux.namespaces |= map(if .type == "network" then .path = "/run/netns/\($ENV.NETNS)" else . end)' \
		sleep 1000)" --pid-file "$WORK/pid" c2
	[ "$(stat -Lc %i "/proc/$(cat "$WORK/pid")/ns/net")" = "$(stat -Lc %i "/run/netns/$NETNS")" ]
	[ "$(stat -Lc %i "/proc/$pid/ns/net")" != "$(stat -Lc %i "/run/netns/$NETNS")" ]
}

@test "a container of runc that joins the namespaces lands in the empty room" {
	command -v runc >/dev/null || skip "runc is not installed"
	start c1 sleep 1000
	export pid
	bundle joins '.root.path = $root | .linux.namespaces |= map(if .type == "mount" or .type == "cgroup" then . else
		.path = "/proc/\($ENV.pid)/ns/\({"network": "net"}[.type] // .type)" end) | del(.hostname)' \
		sh -c "ps; hostname; ip link; kill -9 $BASHPID 1" >/dev/null
	run runc --root "$WORK/runc" run --bundle "$WORK/joins" joins
	echo "$output"
	[[ $output == *"sleep 1000"* ]]
	[[ $output == *in-the-guest* ]]
	[[ $output != *"$BASHPID "*bats* ]]
	[ "$(kata state c1 | jq -r .status)" = running ]
}
