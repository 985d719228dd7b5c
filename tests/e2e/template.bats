#!/usr/bin/env bats
# Machines that go on from a template instead of booting: what they are, what they have in common, and that whatever is wrong
# with a template costs a boot and nothing else.

bats_require_minimum_version 1.5.0
load lib/common

setup() {
	common_setup
	TEMPLATES=$WORK/templates
	CONFIG=$WORK/configuration.toml
	sed -e 's|^enable_template = .*|enable_template = true|' -e "s|^template_path = .*|template_path = \"$TEMPLATES\"|" \
		-e 's|^static_sandbox_resource_mgmt = .*|static_sandbox_resource_mgmt = true|' "$TREE/build/configuration.toml" >"$CONFIG"
	# What the host's administrator has set, above all patience where machines are slow.
	[ ! -d "$(dirname "${KATA_CONF_FILE:-/none/x}")/config.d" ] || cp -r "$(dirname "$KATA_CONF_FILE")/config.d" "$WORK/"
	export KATA_CONF_FILE=$CONFIG
	LOG=$WORK/log
}

teardown() {
	common_teardown
}

# As if a template had just been tried to be made: no machine that misses one has that done.
no_maker() {
	[ -d "$TEMPLATES" ] || mkdir -m 700 "$TEMPLATES"
	(umask 077 && touch "$TEMPLATES/last-try")
}

# runs ID ARG...: one container to its end; what was logged is in $LOG.
runs() {
	local id=$1
	shift
	no_maker
	rm -f "$LOG"
	touch "$LOG"
	[ -d "$WORK/b-$id" ] || bundle "b-$id" . "$@" >/dev/null
	kata --log "$LOG" run --bundle "$WORK/b-$id" "$id" </dev/null
}

# The one line of the log that says that a machine booted instead, and why: $1 is a part of it.
booted_because() {
	cat "$LOG"
	[ "$(wc -l <"$LOG")" -eq 1 ]
	grep -q "the machine boots" "$LOG"
	grep -q -- "$1" "$LOG"
}

nothing_was_logged() {
	cat "$LOG"
	[ ! -s "$LOG" ]
}

template() {
	kata factory init
	folder=$(echo "$TEMPLATES"/*)
	[ -d "$folder" ]
}

# Whether the machine with this container goes on from a template.
vmm_of() {
	kata describe "$1" | sed -n 's/^hypervisor .*process //p'
}

loads() {
	[ ! -f "$LOG" ] || cat "$LOG"
	tr '\0' '\n' <"/proc/$(vmm_of "$1")/cmdline" | grep -qx -- -incoming
}

# So that a test can return to a template that it has changed.
keep_copy() {
	cp -a --sparse=always "$folder" "$WORK/copy"
}

restore_copy() {
	rm -rf "$folder"
	cp -a --sparse=always "$WORK/copy" "$folder"
}

@test "a template is made, shown and removed" {
	run -1 kata factory status
	echo "$output" | grep -q '^no template: '
	template
	[ "$(stat -c '%a %u' "$TEMPLATES" "$folder" | sort -u)" = "700 0" ]
	[ "$(stat -c '%a %u' "$folder"/* | sort -u)" = "600 0" ]
	[ "$(ls "$TEMPLATES")" = "${folder##*/}" ]
	kata factory status | grep -q "^template ${folder##*/} in '$TEMPLATES': a machine of"
	leak_check
	kata factory init
	[ "$(echo "$TEMPLATES"/*)" = "$folder" ]
	[ "$(kata factory destroy)" = "1 template removed" ]
	[ -z "$(ls -A "$TEMPLATES")" ]
	[ "$(kata factory destroy)" = "0 templates removed" ]
	run -1 kata factory status
	run -1 kata factory rebuild
	echo "$output" | grep -q "not 'rebuild'"
}

# bats test_tags=box
@test "a container in a machine of a template is like any other" {
	template
	runs c1 sh -c 'echo out; echo err >&2; echo here >/tmp/written; exit 7' >"$WORK/out" 2>"$WORK/err" && rc=0 || rc=$?
	[ "$rc" -eq 7 ]
	[ "$(cat "$WORK/out")" = out ]
	[ "$(cat "$WORK/err")" = err ]
	[ "$(cat "$ROOTFS/tmp/written")" = here ]
	nothing_was_logged
	kata run -d --bundle "$(bundle sleeper . sleep 1000)" c2 </dev/null >/dev/null 2>&1
	loads c2
	[ "$(kata exec c2 cat /tmp/written)" = here ]
	[ "$(kata exec c2 hostname)" = "$(jq -r .hostname "$WORK/sleeper/config.json")" ]
	kata delete --force c2
}

@test "machines of a template draw different randomness, and know the time" {
	template
	# Whatever a program can ask for, twice, because the second answer must not follow from the first.
	for i in 1 2 3 4 5 6; do
		runs "c$i" sh -c 'cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid
			for i in 1 2; do head -c 16 /dev/urandom | od -An -tx1; head -c 16 /dev/random | od -An -tx1; done
			echo "stack $(grep -F "[stack]" /proc/self/maps | cut -d- -f1)"
			echo "time $(date +%s)"' >"$WORK/drawn.$i"
		nothing_was_logged
		now=$(date +%s)
		there=$(sed -n 's/^time //p' "$WORK/drawn.$i")
		[ $((now - there)) -lt 60 ]
		[ $((there - now)) -lt 2 ]
	done
	[ "$(cat "$WORK"/drawn.* | wc -l)" -eq 48 ]
	grep -hv '^time' "$WORK"/drawn.* | sort >"$WORK/all"
	[ "$(wc -l <"$WORK/all")" -eq 42 ]
	uniq -d "$WORK/all"
	[ -z "$(uniq -d "$WORK/all")" ]
}

@test "machines of a template run beside each other and know nothing of each other" {
	template
	bundle sleeper . sleep 1000 >/dev/null
	for i in 1 2 3; do
		kata run -d --bundle "$WORK/sleeper" "c$i" </dev/null >/dev/null 2>&1
		loads "c$i"
		kata exec "c$i" sh -c "echo $i >/dev/shm/mine"
	done
	for i in 1 2 3; do
		[ "$(kata exec "c$i" cat /dev/shm/mine)" = "$i" ]
		kata exec "c$i" cat /proc/sys/kernel/random/boot_id
	done | sort | uniq -d >"$WORK/same"
	[ ! -s "$WORK/same" ]
	[ "$(for i in 1 2 3; do stat -c %u "/proc/$(vmm_of "c$i")"; done | sort -u | wc -l)" -eq 3 ]
	# What was saved is nobody's any more.
	kata factory destroy
	for i in 1 2 3; do
		[ "$(kata exec "c$i" cat /dev/shm/mine)" = "$i" ]
		kata delete --force "c$i"
	done
}

# bats test_tags=kvm, vsock
@test "over vsock each machine of a template has an address of its own" {
	needs_vsock
	template
	bundle sleeper . sleep 1000 >/dev/null
	for i in 1 2; do
		kata --log "$LOG" run -d --bundle "$WORK/sleeper" "c$i" </dev/null >/dev/null 2>&1
		loads "c$i"
	done
	nothing_was_logged
	[ "$(guest_cids | sort -u | wc -l)" -eq 2 ]
	# A guest that believed to be the template's address would be cut off: the host takes what comes from the new one only.
	# Several lines at a time, one behind the other, and one that was broken off.
	for i in 1 2; do
		kata exec "c$i" sh -c "echo $i >/dev/shm/mine; head -c 3000000 /dev/zero" | wc -c | grep -qx 3000000
	done
	kata delete --force c1
	[ "$(kata exec c2 cat /dev/shm/mine)" = 2 ]
	kata delete --force c2
}

# bats test_tags=kvm, vsock
@test "over vsock a machine becomes a template though its guest says much on the console" {
	needs_vsock
	# The first key of this name is the hypervisor's, with which the guest's kernel is not started with "quiet".
	sed -i '0,/^enable_debug = .*/s//enable_debug = true/' "$CONFIG"
	template
	kata factory status
}

@test "many start at once from one template" {
	template
	bundle b . cat /proc/sys/kernel/random/boot_id >/dev/null
	for i in $(seq 8); do
		kata --log "$LOG" run --bundle "$WORK/b" "c$i" </dev/null >"$WORK/id.$i" &
	done
	wait
	nothing_was_logged
	[ "$(cat "$WORK"/id.* | sort -u | wc -l)" -eq 8 ]
}

confinement_of() {
	local pid
	pid=$(vmm_of "$1")
	grep -E '^(Cap|NoNewPrivs|Seccomp|NSpid|Groups)' "/proc/$pid/status" | sed -E 's/[0-9]{7,}/N/g; s/^NSpid.*\t/NSpid /'
	find "/proc/$pid/root/" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort
	for ns in user pid mnt net ipc uts cgroup; do
		[ "$(readlink "/proc/$pid/ns/$ns")" != "$(readlink "/proc/self/ns/$ns")" ] && echo "own $ns"
	done
	[ "$(stat -c %u "/proc/$pid")" -ne 0 ] && echo "somebody's"
	# No file of a template but to read.
	for fd in "/proc/$pid/fdinfo"/*; do
		case $(readlink "/proc/$pid/fd/${fd##*/}") in
		"$TEMPLATES"/*) sed -n 's/^flags:.*\(.\)$/template \1/p' "$fd" ;;
		esac
	done | sort -u | grep -v 'template 0' || true
}

@test "a machine of a template is confined as one that booted" {
	template
	bundle sleeper . sleep 1000 >/dev/null
	kata run -d --bundle "$WORK/sleeper" c1 </dev/null >/dev/null 2>&1
	loads c1
	confinement_of c1 >"$WORK/loaded"
	kata factory destroy
	no_maker
	kata run -d --bundle "$WORK/sleeper" c2 </dev/null >/dev/null 2>&1
	run ! loads c2
	confinement_of c2 >"$WORK/booted"
	diff "$WORK/booted" "$WORK/loaded"
	grep -q "somebody's" "$WORK/loaded"
	kata delete --force c1
	kata delete --force c2
}

# not_used PATTERN: the next machine would boot.
not_used() {
	local rc=0
	kata factory status >"$WORK/status" || rc=$?
	[ "$rc" -eq 1 ]
	grep '^no template: ' "$WORK/status" | grep -- "$1"
}

@test "a template that is not as its maker left it costs a boot and a line" {
	runs c1 true
	booted_because "there is none for this machine"
	template
	keep_copy
	truncate -s 100000 "$folder/state"
	not_used "'state' has 100000 bytes"
	runs c1 true
	booted_because "'state' has 100000 bytes"
	restore_copy
	truncate -s 1M "$folder/memory"
	not_used "'memory' has 1048576 bytes"
	# Of the right size, but with a hole where there was memory: seen when it is read.
	truncate -s "$(stat -c %s "$WORK/copy/memory")" "$folder/memory"
	runs c1 true
	booted_because "bytes of its memory are there"
	restore_copy
	truncate -s 5 "$folder/about"
	not_used "'about' is not what a maker has written"
	restore_copy
	rm "$folder/state"
	not_used "open 'state'"
	restore_copy
	runs c1 true
	nothing_was_logged
}

@test "a template that is not its owner's alone is not used" {
	template
	for path in "$TEMPLATES" "$folder" "$folder/memory" "$folder/state" "$folder/about"; do
		mode=$(stat -c %a "$path")
		chmod g+r "$path"
		not_used "is open to other users"
		chmod "$mode" "$path"
		chown 12345 "$path"
		not_used "belongs to user 12345"
		chown 0 "$path"
	done
	kata factory status
	mv "$folder/memory" "$WORK/memory"
	ln -s "$WORK/memory" "$folder/memory"
	not_used "open 'memory'"
	# Neither a machine nor the maker uses such a folder.
	chmod 755 "$TEMPLATES"
	runs c1 true
	booted_because "is open to other users"
	run -1 kata factory init
	echo "$output" | grep -q "is open to other users"
}

@test "a machine that breaks while it loads is replaced by one that boots" {
	template
	# In the middle of the devices' state.
	dd if=/dev/urandom of="$folder/state" bs=1000 seek=60 count=60 conv=notrunc status=none
	runs c1 sh -c 'echo fine' >"$WORK/out"
	[ "$(cat "$WORK/out")" = fine ]
	booted_because "did not start from its template"
}

@test "a template of another configuration is none" {
	template
	sed -i 's/^default_memory = .*/default_memory = 512/' "$CONFIG"
	run -1 kata factory status
	runs c1 true
	booted_because "there is none for this machine"
	kata factory init
	[ "$(echo "$TEMPLATES"/*)" != "$folder" ]
	[ "$(find "$TEMPLATES" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
	runs c1 true
	nothing_was_logged
	# Nor is one of another kernel command line, nor of a file that was changed.
	sed -i 's/^kernel_params = .*/kernel_params = "quiet"/' "$CONFIG"
	run -1 kata factory status
	sed -i 's/^kernel_params = .*/kernel_params = ""/' "$CONFIG"
	kata factory status
	cp "$TREE/build/guest/initrd.img" "$WORK/initrd"
	sed -i "s|^initrd = .*|initrd = \"$WORK/initrd\"|" "$CONFIG"
	run -1 kata factory status
}

@test "what cannot be saved boots, and says so" {
	sed -i '/^enable_hugepages/d; s|^\[hypervisor.qemu\]|&\nenable_hugepages = true|' "$CONFIG"
	run -1 kata factory init
	echo "$output" | grep -q "memory on huge pages cannot be saved"
	sed -i '/^enable_hugepages/d; s|^machine_type = .*|machine_type = "microvm"|' "$CONFIG"
	run -1 kata factory init
	echo "$output" | grep -q "'microvm' cannot be saved"
	runs c1 true
	booted_because "'microvm' cannot be saved"
}

@test "without the key nothing starts from a template" {
	template
	sed -i 's/^enable_template = .*/enable_template = false/' "$CONFIG"
	run -1 kata factory status
	echo "$output" | grep -q "'enable_template' is false"
	kata --log "$LOG" run -d --bundle "$(bundle sleeper . sleep 1000)" c1 </dev/null >/dev/null 2>&1
	run ! loads c1
	nothing_was_logged
	kata delete --force c1
}

makes_a_machine() {
	local pid
	for pid in $(fence_pids); do
		case $(cat "/proc/$pid/comm" 2>/dev/null) in qemu-system*) return 0 ;; esac
	done
	return 1
}

@test "a maker that is killed leaves nothing that counts" {
	"$TREE/build/kata-runtime" factory init &
	maker=$!
	wait_for 60 makes_a_machine
	kill -9 "$maker"
	wait "$maker" || true
	wait_for 60 nothing_runs
	not_used "there is none for this machine"
	# As if it had been killed while it wrote.
	mkdir -m 700 "$TEMPLATES/unfinished"
	head -c 100000 /dev/zero >"$TEMPLATES/unfinished/memory"
	runs c1 true
	booted_because "there is none for this machine"
	template
	[ "$(ls -A "$TEMPLATES")" = "${folder##*/}" ]
	runs c1 true
	nothing_was_logged
}

@test "two makers take turns" {
	kata factory init >"$WORK/first" 2>&1 &
	one=$!
	kata factory init >"$WORK/second" 2>&1 &
	two=$!
	wait "$one"
	wait "$two"
	grep -q '^template ' "$WORK/first"
	grep -q '^template ' "$WORK/second"
	[ "$(find "$TEMPLATES" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
	runs c1 true
	nothing_was_logged
}

@test "a template that does not fit on the disk is none" {
	mkdir -m 700 "$TEMPLATES"
	mount -t tmpfs -o size=20m,mode=700 template-test "$TEMPLATES"
	run -1 kata factory init
	left=$(ls -A "$TEMPLATES")
	umount "$TEMPLATES"
	echo "$output" | grep -q 'No space left on device'
	[ -z "$left" ]
	not_used "there is none for this machine"
}

is_maker() {
	tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | grep -qx -- -make-template
}

# The process that makes a template which a machine has missed. A child of it that is about to become QEMU has its words, too.
makers() {
	local pid parent
	for pid in $(fence_pids); do
		parent=$(ps -o ppid= -p "$pid" | tr -d ' ')
		if is_maker "$pid" && ! is_maker "${parent:-0}"; then echo "$pid"; fi
	done
}

# A container that runs in a machine that has booted, because there was no template.
first_of_all() {
	[ -d "$WORK/sleeper" ] || bundle sleeper . sleep 1000 >/dev/null
	kata --log "$LOG" run -d --bundle "$WORK/sleeper" c1 </dev/null >/dev/null 2>&1
	run ! loads c1
	booted_because "$1"
	maker=$(makers)
	echo "maker: $maker"
	[ "$(wc -w <<<"$maker")" -eq 1 ]
}

# What a process of the host that outlives a sandbox may have of it.
is_apart() {
	local server open
	server=$(jq .server.pid "$ROOT/c1/sandbox.json")
	[ "$(ps -o ppid= -p "$1")" -ne "$server" ]
	[ "$(ps -o sid= -p "$1")" -ne "$(ps -o sid= -p "$server")" ]
	[ "$(ps -o ni= -p "$1")" -eq 10 ]
	[ "$(readlink "/proc/$1/ns/mnt")" = "$(readlink /proc/self/ns/mnt)" ]
	[ "$(readlink "/proc/$server/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]
	diff "/proc/$1/cgroup" /proc/self/cgroup
	run ! diff "/proc/$1/cgroup" "/proc/$server/cgroup"
	# ls fails where the maker closes a descriptor while they are listed.
	open=$(ls -l "/proc/$1/fd") || true
	echo "$open"
	[ -n "$open" ]
	run ! grep -E "$ROOT|$WORK/sleeper" <<<"$open"
}

@test "a template that is missing is made by another than the start that missed it" {
	first_of_all "open '$TEMPLATES'"
	is_apart "$maker"
	# It has nothing to do with the container that was first, and others do not wait for it.
	kata delete --force c1
	[ "$(makers)" = "$maker" ]
	wait_for 300 gone "$maker"
	kata factory status
	[ "$(find "$TEMPLATES" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
	leak_check
	kata --log "$LOG" run -d --bundle "$WORK/sleeper" c2 </dev/null >/dev/null 2>&1
	loads c2
	[ -z "$(makers)" ]
	kata delete --force c2
}

@test "many that miss a template have one made" {
	bundle b . true >/dev/null
	for i in $(seq 4); do
		kata --log "$LOG" run --bundle "$WORK/b" "c$i" </dev/null &
	done
	wait
	[ "$(grep -c "open '$TEMPLATES'\|there is none for this machine" "$LOG")" -eq 4 ]
	[ "$(wc -l <"$LOG")" -eq 4 ]
	[ "$(makers | wc -l)" -le 1 ]
	leak_check
	kata factory status
	[ "$(find "$TEMPLATES" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
}

@test "a maker of a missing template that is killed leaves nothing, and is not followed at once" {
	first_of_all "open '$TEMPLATES'"
	wait_for 60 makes_a_machine
	kill -9 "$maker"
	kata delete --force c1
	leak_check
	[ "$(ls -A "$TEMPLATES")" = last-try ]
	kata --log "$LOG" run --bundle "$(bundle b . true)" c2 </dev/null
	[ -z "$(makers)" ]
	# Later it is.
	rm "$LOG"
	touch -d '11 minutes ago' "$TEMPLATES/last-try"
	first_of_all "there is none for this machine"
	kata delete --force c1
	leak_check
	kata factory status
}

@test "why a missing template could not be made is told at the next start" {
	mkdir -m 700 "$TEMPLATES"
	mount -t tmpfs -o size=20m,mode=700 template-test "$TEMPLATES"
	first_of_all "there is none for this machine"
	kata delete --force c1
	wait_for 60 nothing_runs
	left=$(ls -A "$TEMPLATES")
	not_used "the last try: make a template in '$TEMPLATES': .*No space left on device" && told=yes
	rm "$LOG"
	kata --log "$LOG" run --bundle "$(bundle b . true)" c2 </dev/null
	booted_because "No space left on device" && logged=yes
	umount "$TEMPLATES"
	[ "$left" = last-try ]
	[ "$told" = yes ]
	[ "$logged" = yes ]
}

@test "a machine that is no usual one has no template made" {
	kata --log "$LOG" run --bundle "$(bundle b '.linux.resources.memory.limit = 3221225472' true)" c1 </dev/null
	booted_because "open '$TEMPLATES'"
	[ -z "$(makers)" ]
	[ ! -e "$TEMPLATES" ]
}

@test "configurations that share a folder keep their templates" {
	kata run --bundle "$(bundle b . true)" c1 </dev/null
	leak_check
	first=$(echo "$TEMPLATES"/*)
	sed -i 's/^kernel_params = .*/kernel_params = "quiet"/' "$CONFIG"
	kata run --bundle "$WORK/b" c2 </dev/null
	leak_check
	[ "$(find "$TEMPLATES" -mindepth 1 -maxdepth 1 | wc -l)" -eq 2 ]
	kata factory status
	sed -i 's/^kernel_params = .*/kernel_params = ""/' "$CONFIG"
	kata factory status | grep -q "${first##*/}"
}
