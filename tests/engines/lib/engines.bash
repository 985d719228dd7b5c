# shellcheck shell=bash
# What the tests of engines stand on: an engine of the file's own in a room (tools/room), an image without a
# registry, and two containers of that image, `kata` under our runtime and `runc` under runc, on which a test runs the
# same command. A file sources this, then the engine's half (podman.bash, docker.bash), which defines:
#
#	engine ARG...			the engine's own command
#	under RUNTIME VERB ARG...	`run` or `create` with that runtime
#	IMAGE, PIDS, EVENT, NEVER	its name of the image, two formats, and of no interval
#	discard NAME...			ends and removes containers
#	engine_begin, engine_end
#
# and has setup_file, teardown_file, setup and teardown call the four functions of the same name here.

load ../e2e/lib/common

LONG=1000000

engines_setup_file() {
	[ "$(stat -fc %T /run)" = tmpfs ] && [ -d /sys/fs/cgroup/suite ] || [ -d /sys/fs/cgroup/pids/suite ] || {
		echo "engines run in a room of their own: make check-engines" >&2
		return 1
	}
	export WORK=$BATS_FILE_TMPDIR
	export HOME=$WORK/home
	mkdir -p "$HOME" "$WORK/volume"
	ip link add host0 type veth peer name host1 2>/dev/null || true
	everything >"$WORK/before-engine"
	image_make
	engine_begin
	engine import --change 'ENV PATH=/bin' --change 'CMD ["/bin/sh"]' "$WORK/image.tar" "$IMAGE" >/dev/null
	echo "in the volume" >"$WORK/volume/file"
	pair_make run -d --network none --memory 256m --pids-limit 60 --hostname inside --ipc shareable -v "$WORK/volume:/volume" -v "$WORK/volume:/fixed:ro" \
		--name @ "$IMAGE" sh -c "echo ready; exec sleep $LONG"
}

# pair_make VERB ARG...: a container under each runtime, whose name stands for a leading @ of an argument.
pair_make() {
	local runtime verb=$1
	shift
	for runtime in runc kata; do
		under "$runtime" "$verb" "${@/#@/$runtime}" >/dev/null
	done
}

# What a file leaves behind is looked for when its engine has ended. Bats calls this also after a setup that has refused
# to begin: then there is nothing to end, and HOME is still the caller's own.
engines_teardown_file() {
	[ "$HOME" = "$BATS_FILE_TMPDIR/home" ] || return 0
	discard kata runc
	engine_end
	rm -rf "${BATS_FILE_TMPDIR:?}/home"
	wait_for 20 nothing_but before-engine || {
		nothing_but before-engine
		return 1
	} >&2
}

engines_setup() {
	everything >"$WORK/before"
}

engines_teardown() {
	local name
	for name in $(engine ps --all --format '{{.Names}}' | grep -vxE 'kata|runc'); do
		discard "$name"
	done
	wait_for 20 nothing_but before || {
		nothing_but before
		return 1
	} >&2
}

# Nobody else is in the room, so all there is can be listed.
everything() {
	{
		cut -d ' ' -f 5 /proc/self/mountinfo | sed 's/^/mount /'
		find /sys/fs/cgroup -type d | sed 's/^/control group /'
		find /run/kata-runtime /run/kata-containers /run/netns -mindepth 1 -maxdepth 4 2>/dev/null | sed 's/^/file /'
		find /tmp -mindepth 1 -maxdepth 1 ! -name 'bats-*' | sed 's/^/file /'
		processes
	} | sort
}

processes() {
	grep -sE '^(kata-|containerd|dockerd|conmon|qemu-system|virtiofsd|runc)' /proc/[0-9]*/comm | sed 's/^/process /'
}

# nothing_but LIST: prints what is there besides, and is false then. The groups above those of containers are the
# engine's, which keeps them.
nothing_but() {
	! everything | comm -13 "$WORK/$1" - | grep -vE '^control group .*/(docker|libpod_parent)(/conmon)?$|^file /run/kata-[a-z/]*$'
}

# As bats' `run`, which takes 127 for a fault of the test.
capture() {
	status=0
	output=$("$@" 2>&1) || status=$?
}

# alike ARG...: the engine's command on both containers, whose name stands for a leading @ of an argument. Both must have
# the same result, which is $status and $output then.
alike() {
	local expected_status expected
	capture engine "${@/#@/runc}"
	expected_status=$status expected=${output//runc/NAME}
	capture engine "${@/#@/kata}"
	compare
}

# alike_run ARG...: the same for containers of their own, to their end.
alike_run() {
	local expected_status expected
	capture under runc run --rm --network none "${@/#@/runc}"
	expected_status=$status expected=${output//runc/NAME}
	capture under kata run --rm --network none "${@/#@/kata}"
	compare
}

# alike_failure ARG...: both must fail, with the same exit code; they may say it differently.
alike_failure() {
	local expected_status
	capture engine "${@/#@/runc}"
	expected_status=$status
	capture engine "${@/#@/kata}"
	if [ "$status" -eq 0 ] || [ "$status" -ne "$expected_status" ]; then
		echo "runc: $expected_status, kata: $status $output" >&2
		return 1
	fi
}

compare() {
	# The variables are the caller's.
	# shellcheck disable=SC2154
	if [ "$status" -ne "$expected_status" ] || [ "${output//kata/NAME}" != "$expected" ]; then
		echo "runc: $expected_status"
		echo "$expected"
		echo "kata: $status"
		echo "$output"
		return 1
	fi >&2
}

# both COMMAND...: the command for each container's name in place of a leading @.
both() {
	local name
	for name in runc kata; do
		"${@/#@/$name}" || {
			echo "$name: $*" >&2
			return 1
		}
	done
}

inside() {
	engine exec "$@"
}

field() {
	engine inspect --format "{{$2}}" "$1"
}

is_field() {
	[ "$(field "$1" "$2")" = "$3" ]
}

# A terminal for the engine's command, whose bytes come from stdin.
on_terminal() {
	local words
	printf -v words '%q ' "$@"
	export -f engine
	script --quiet --return --command "bash -c $(printf %q "engine $words")" /dev/null
}

image_make() {
	local root=$WORK/image
	make_rootfs "$root"
	mkdir -p "$root"/{var/tmp,run,volume,fixed}
	chmod 1777 "$root/tmp"
	echo 'root:x:0:' >"$root/etc/group"
	echo "of the image" >"$root/etc/origin"
	tar -C "$root" -cf "$WORK/image.tar" .
	rm -rf "$root"
}
