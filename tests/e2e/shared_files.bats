#!/usr/bin/env bats
# Files that the host and a container both see: what one changes, the other sees.

load lib/common
bats_require_minimum_version 1.5.0

setup() { common_setup; }
teardown() { common_teardown; }

# With the Rust virtiofsd the guest may keep what it knows for a second.
SOON=5

# The one whose guest asks each time, and which appends whatever is written to a descriptor that was
# opened to append.
QEMUS_OWN=/usr/lib/qemu/virtiofsd

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

# with_virtiofsd PROGRAM: prints a configuration with that.
with_virtiofsd() {
	sed "s|^virtio_fs_daemon .*|virtio_fs_daemon = \"$1\"|" "$TREE/build/configuration.toml" >"$WORK/virtiofsd.toml"
	echo "$WORK/virtiofsd.toml"
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
	wait_for 60 grep -qx 5 "$WORK/log"
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

# ask TEXT COMMAND: gives the shell in the container a command, and waits until it has printed that.
ask() {
	echo "$2" >&7
	wait_for 60 grep -qx "$1" "$WORK/log"
}

# What the guest has just used, and the host replaces then, is another file at once. One shell does
# it all, because each exec takes long enough to hide what is looked for.
@test "what the host replaces is replaced at once" {
	local volume=$WORK/volume shell i
	[ -x "$QEMUS_OWN" ] || skip "there is no $QEMUS_OWN: the Rust one lets a guest believe a name for a second"
	mkdir "$volume" "$volume/v0"
	echo 0 >"$volume/file"
	echo value 0 >"$volume/v0/key"
	ln -s v0 "$volume/..data"
	ln -s ..data/key "$volume/key"
	dir=$(with_volume sleep 1000)
	kata --config "$(with_virtiofsd "$QEMUS_OWN")" run --detach --bundle "$dir" c </dev/null >/dev/null 2>&1
	exec 7<> <(:)
	kata exec c sh <&7 >"$WORK/log" 2>&1 &
	shell=$!
	for i in 1 2 3 4 5; do
		ask "ready $i" "cat /volume/file /volume/key; echo ready $i"

		# An editor's way to write; a line that goes to the old file is lost.
		echo "new $i" >"$volume/.file"
		mv "$volume/.file" "$volume/file"
		ask "appended $i" "echo line $i >>/volume/file; echo appended $i"
		[ "$(cat "$volume/file")" = "new $i"$'\n'"line $i" ]

		# A ConfigMap's: neither the old nor the new would be there.
		mkdir "$volume/v$i"
		echo "value $i" >"$volume/v$i/key"
		ln -s "v$i" "$volume/..tmp"
		mv -T "$volume/..tmp" "$volume/..data"
		rm -r "$volume/v$((i - 1))"
		ask "read $i" "cat /volume/key; echo read $i"
		[ "$(grep -B 1 -x "read $i" "$WORK/log" | head -n 1)" = "value $i" ]
	done
	kata kill c KILL
	exec 7>&-
	wait "$shell" || true
	kata delete --force c
}

# file_calls_differ: the lines that programs see otherwise in a container than on this host. With both
# kinds of virtiofsd where both are there.
file_calls_differ() {
	local volume=$WORK/volume where program dir
	mkdir "$volume" "$WORK/outside"
	gcc -std=gnu17 -D_GNU_SOURCE -O2 -static -o "$volume/file_calls" "$BATS_TEST_DIRNAME/file_calls.c"
	"$volume/file_calls" "$WORK/outside" >"$WORK/expected"
	dir=$(bundle b '.process.capabilities[] |= . + ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_LEASE",
			"CAP_SETGID", "CAP_SETUID", "CAP_SYS_ADMIN"]
		| .mounts += [{destination: "/volume", type: "bind", source: "'"$volume"'", options: ["rbind", "rw"]}]' \
		sh -c 'mkdir /inside /volume/inside && cd /volume && ./file_calls /inside >root && ./file_calls inside >volume')
	for program in "$QEMUS_OWN" /usr/libexec/virtiofsd; do
		[ -x "$program" ] || continue
		kata --config "$(with_virtiofsd "$program")" run --bundle "$dir" c </dev/null >"$WORK/said" 2>&1 || cat "$WORK/said"
		for where in root volume; do
			[ -s "$volume/$where" ] || echo "$program, $where: nothing was printed"
			diff "$WORK/expected" "$volume/$where" | sed -n 's/^> //p'
		done
		rm -r "$volume"/{inside,root,volume} "$ROOTFS/inside"
	done | sort -u
}

# Each difference is an error that is in docs/limitations.md, and nothing was written to a wrong place.
# QEMU's virtiofsd would do that with a descriptor that was opened with O_APPEND.
@test "files are what they are on the host, or an error says so" {
	run file_calls_differ
	echo "$output"
	for line in "${lines[@]}"; do
		case $line in
		'append_mapped: mmap=ENODEV 1024 bytes'*) ;;
		'append_mapped_beside_another: mmap=ENODEV 4096 bytes'*) ;;
		'append_taken_away: write=yes fcntl=EPERM'*) ;;
		'append_taken_away_then_mapped: fcntl=EPERM mmap=ENODEV 4096 bytes'*) ;;
		'attributes_of_the_system: trusted=EPERM') ;;
		'fallocate_collapse: collapse=EOPNOTSUPP 16384 bytes'*insert=EOPNOTSUPP*) ;;
		# More is taken away than on the host, never less.
		'setuid_goes_on_write: '*' mode 777,'*' mode 777,'*' mode 777,'*' mode 777,'*) ;;
		'tmpfile_without_a_name: open=EOPNOTSUPP') ;;
		*) false ;;
		esac
	done
}

# virtiofsd has a descriptor for each file that the guest remembers. It remembers all it has memory for when it
# need not ask again.
@test "many more files than virtiofsd can have open" {
	local folder
	mkdir "$WORK/volume"
	for folder in a b c; do
		mkdir "$WORK/volume/$folder"
		(cd "$WORK/volume/$folder" && seq 3000 | xargs touch)
	done
	sed 's|^virtio_fs_cache .*|virtio_fs_cache = "always"|' "$TREE/build/configuration.toml" >"$WORK/always.toml"
	dir=$(with_volume sleep 1000)
	prlimit --nofile=2500:2500 setpriv --bounding-set=-sys_resource \
		"$TREE/build/kata-runtime" --root "$ROOT" --config "$WORK/always.toml" run --detach --bundle "$dir" c </dev/null >/dev/null 2>&1
	[ "$(kata exec c find /volume -type f -size -1 | wc -l)" -eq 9000 ]
	kata exec c true </dev/null
	says "" sh -c 'for f in /volume/*/*; do read -r line <$f; done'
	says ok echo ok
	kata kill c KILL
	kata delete --force c
}
