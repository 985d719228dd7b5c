#!/usr/bin/env bats
# Files that the host and a container both see: what one changes, the other sees.

load lib/common

setup() { common_setup; }
teardown() { common_teardown; }

# The guest may keep what it knows for a second.
SOON=5

# says TEXT COMMAND...: whether the command in the container prints that.
says() {
	local text=$1
	shift
	[ "$(kata exec c "$@" 2>&1 </dev/null)" = "$text" ]
}

# with_volume ARG...: a bundle that runs that and sees $WORK/volume as /volume.
with_volume() {
	bundle b '.mounts += [{destination: "/volume", type: "bind", source: "'"$WORK/volume"'", options: ["rbind", "rw"]}]' "$@"
}

# Everything in one machine: each boots for seconds.
@test "what the host changes, the container sees" {
	local volume=$WORK/volume
	mkdir "$volume"
	echo one >"$volume/file"
	echo target >"$volume/target"
	dir=$(with_volume sleep 1000)
	kata run --detach --bundle "$dir" c </dev/null >/dev/null 2>&1
	says one cat /volume/file

	# As long as before, so that only the time says so.
	echo two >"$volume/file"
	wait_for $SOON says two cat /volume/file
	echo "three and more" >>"$volume/file"
	wait_for $SOON says $'two\nthree and more' cat /volume/file
	echo 4 >"$volume/file"
	wait_for $SOON says 4 cat /volume/file

	# Another file of that name, as editors and Kubernetes do it.
	echo 5 >"$volume/new"
	mv "$volume/new" "$volume/file"
	wait_for $SOON says 5 cat /volume/file
	ln -s file "$volume/link"
	wait_for $SOON says 5 cat /volume/link
	ln -sfn target "$volume/link"
	wait_for $SOON says target cat /volume/link

	# A folder whose entries were listed before.
	says $'file\nlink\ntarget' ls /volume
	touch "$volume/late"
	wait_for $SOON says $'file\nlate\nlink\ntarget' ls /volume
	rm "$volume/late" "$volume/link"
	wait_for $SOON says $'file\ntarget' ls /volume

	# A program that was executed before.
	printf '#!/bin/sh\necho old\n' >"$volume/program"
	chmod +x "$volume/program"
	wait_for $SOON says old /volume/program
	printf '#!/bin/sh\necho new\n' >"$volume/program"
	wait_for $SOON says new /volume/program

	# One who has the file open all the time.
	exec 7<> <(:)
	kata exec c sh -c 'exec 3</volume/file; while read -r _; do cat /proc/self/fd/3 | tail -n 1; done' <&7 >"$WORK/log" 2>&1 &
	reader=$!
	echo go >&7
	wait_for 20 grep -qx 5 "$WORK/log"
	echo 6 >"$volume/file"
	asks_and_sees() {
		echo go >&7
		grep -qx 6 "$WORK/log"
	}
	wait_for $SOON asks_and_sees
	kata kill c KILL
	exec 7>&-
	wait "$reader" || true
	kata delete --force c
}

@test "what the container changes, the host sees at once" {
	mkdir "$WORK/volume"
	echo before >"$WORK/volume/file"
	dir=$(with_volume sh -c 'cat /volume/file; echo after >/volume/file; head -c 5000000 /dev/urandom >/volume/large; sha256sum </volume/large')
	run kata run --bundle "$dir" c
	[ "${lines[0]}" = before ]
	[ "$(cat "$WORK/volume/file")" = after ]
	[ "${lines[1]}" = "$(sha256sum <"$WORK/volume/large")" ]
}

# The machine goes right behind its last container, and what is mapped is written when the kernel likes.
@test "what a killed program had mapped has reached the host" {
	local volume=$WORK/volume
	mkdir "$volume"
	gcc -std=gnu17 -D_GNU_SOURCE -O2 -static -o "$volume/writer" "$BATS_TEST_DIRNAME/mapped_writer.c"
	dir=$(with_volume sh -c '/volume/writer /volume/file 20000000; exit $?')
	run kata run --bundle "$dir" c
	[ "$status" -eq 137 ]
	cmp "$volume/file" <(head -c 20000000 /dev/zero | tr '\0' x)
}
