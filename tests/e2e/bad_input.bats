#!/usr/bin/env bats
# What is wrong with a bundle, a command line or the host gives an exit code and one sentence, and leaves nothing.

load lib/common

setup() {
	common_setup
	CONFIG=$TREE/build/configuration.toml
}
teardown() { common_teardown; }

# refused CODE PATTERN COMMAND...: it ends with CODE and says one line that matches; no container is there.
refused() {
	local code=$1 pattern=$2 rc=0
	shift 2
	"$@" </dev/null >"$WORK/out" 2>"$WORK/err" || rc=$?
	if [ "$rc" -ne "$code" ] || [ "$(wc -l <"$WORK/err")" -ne 1 ] || ! grep -qE -- "$pattern" "$WORK/err" || [ -s "$WORK/out" ]; then
		echo "'$*' ended with $rc (not $code), or said something else than '$pattern':" >&2
		head -c 3000 "$WORK/out" "$WORK/err" >&2
		return 1
	fi
	[ -z "$(ls -A "$ROOT" 2>/dev/null)" ] || { echo "'$*' left $(ls -A "$ROOT")" >&2 && return 1; }
}

# broken NAME: a bundle folder whose config.json comes from stdin.
broken() {
	mkdir "$WORK/$1"
	cat >"$WORK/$1/config.json"
	echo "$WORK/$1"
}

# with_key KEY VALUE: the configuration with one line changed. Prints its path.
with_key() {
	sed "s|^$1 = .*|$1 = $2|" "$CONFIG" >"$WORK/changed.toml"
	grep -qF "$1 = $2" "$WORK/changed.toml"
	echo "$WORK/changed.toml"
}

deep() {
	/usr/bin/python3 -c 'import sys; n = 10000; print("{\"ociVersion\": \"1.0.2\", \"x\": " + "[" * n + "]" * n + "}")'
}

@test "a config.json that cannot be read is refused with its path" {
	mkdir "$WORK/absent"
	refused 1 "absent/config.json.*No such file" kata run --bundle "$WORK/absent" c1
	refused 1 "nowhere.*No such file" kata run --bundle "$WORK/nowhere" c1
	refused 1 "empty/config.json" kata run --bundle "$(broken empty </dev/null)" c1
	good=$(bundle good . true)
	for bytes in 1 100 1000; do
		dir=$(head -c "$bytes" "$good/config.json" | broken "cut$bytes")
		refused 1 "cut$bytes/config.json" kata run --bundle "$dir" c1
	done
	mkdir -p "$WORK/folder/config.json"
	refused 1 "folder/config.json.*directory" kata run --bundle "$WORK/folder" c1
	refused 1 "deep/config.json" kata run --bundle "$(deep | broken deep)" c1
}

@test "a config.json of many megabytes runs, one without end is refused" {
	kata run --bundle "$(bundle big '.annotations.x = "x" * 10485760' true)" c1
	kata run -d --bundle "$(bundle many '.annotations = ([range(60000) | {"org.example.note.\(.)": "value \(.) \("y" * 60)"}] | add)' sleep 1000)" c1 </dev/null >/dev/null 2>&1
	[ "$(kata state c1 | jq '.annotations | length')" -eq 60000 ]
	[ "$(kata exec c1 echo inside)" = inside ]
	kata delete --force c1
	mkdir "$WORK/endless"
	{ head -c -2 "$WORK/big/config.json" && head -c 40000000 /dev/zero | tr '\0' ' ' && echo "}"; } >"$WORK/endless/config.json"
	refused 1 "endless/config.json.*larger" kata run --bundle "$WORK/endless" c1
}

@test "a wrong type, an unknown name: the sentence has the path of the field" {
	n=0
	while IFS='|' read -r filter pattern; do
		n=$((n + 1))
		refused 1 "$pattern" kata run --bundle "$(bundle "b$n" "$filter" true)" c1
	done <<-'END'
		.process = "text"|process
		.process.args = "true"|process\.args
		.process.args = []|process\.args
		.process.user.uid = "root"|process\.user\.uid
		.process.user.uid = -1|process\.user\.uid
		.process.env = {"A": "B"}|process\.env
		.process.cwd = "relative"|process\.cwd
		.root = 5|root
		.root.readonly = "yes"|root\.readonly
		.mounts[0] = "proc"|mounts\[0\]
		.mounts[1].options = "ro"|mounts\[1\]\.options
		.linux.namespaces[0].type = "nonsense"|linux\.namespaces\[0\].*nonsense
		.process.rlimits[0].type = "RLIMIT_NONSENSE"|process\.rlimits\[0\].*RLIMIT_NONSENSE
		.process.capabilities.bounding[0] = "CAP_NONSENSE"|process\.capabilities\.bounding.*CAP_NONSENSE
		.linux.resources.memory.limit = "64M"|linux\.resources\.memory\.limit
		del(.process)|process
		del(.root)|root
	END
	[ "$n" -eq 17 ]
}

@test "a bad mount option: the sentence names the mount, wherever it was found" {
	mount_of() {
		bundle "$1" ".mounts += [{destination: \"/mnt\", type: \"$2\", source: \"/tmp\", options: $3}]" true
	}
	# Of a bind mount the kernel takes flags only and does not look at the rest, so neither do we: but it is said.
	kata --log "$WORK/log" run --bundle "$(mount_of host bind '["bind", "size=5", "nonsense"]')" c1
	grep -q "ignoring options 'size=5,nonsense' of the bind mount on '/mnt'" "$WORK/log"
	# What only a file system can know its kernel says, in the guest.
	refused 1 "mounts\[7\] on '/mnt': mount tmpfs .*Invalid argument" kata run --bundle "$(mount_of guest tmpfs '["nonsense"]')" c1
	refused 1 "mounts\[7\]: type 'nonsense' is not supported" kata run --bundle "$(mount_of type nonsense '[]')" c1
}

@test "unknown fields are ignored" {
	run kata run --bundle "$(bundle b '.unknown = {"a": [1, null]} | .process.unknown = 5 | .linux.unknown = "x"' echo ran)" c1
	[ "$status" -eq 0 ]
	[ "$output" = ran ]
}

@test "bad ids and bad command lines" {
	dir=$(bundle b . true)
	for id in '' . .. ../x a/b 'a b' $'a\nb' "$(printf 'x%.0s' {1..1025})"; do
		refused 1 "container id" kata run --bundle "$dir" "$id"
		refused 1 "container id" kata state "$id"
	done
	refused 1 "there is no verb 'dance'" kata dance
	refused 1 "there is no option '--dance'" kata run --dance c1
	refused 1 "usage" kata run
	refused 1 "usage" kata run --bundle "$dir" c1 c2
	refused 1 "does not exist" kata start c1
	refused 1 "does not exist" kata kill c1 KILL
	refused 1 "does not exist" kata delete c1
	refused 255 "does not exist" kata exec c1 true
	[ ! -e "$WORK/x" ]
	kata delete --force c1
}

@test "a program that cannot be run: runc's code, a sentence" {
	refused 1 '"no-such-program": executable file not found in \$PATH' run_once a no-such-program
	touch "$ROOTFS/tmp/file"
	refused 1 '/tmp/file.*permission denied' run_once b /tmp/file
	refused 1 '/tmp.*(is a directory|permission denied)' run_once c /tmp
}

@test "a folder that is none, a source that is missing" {
	touch "$ROOTFS/tmp/file"
	refused 1 "process\.cwd|cwd|/tmp/file" kata run --bundle "$(bundle a '.process.cwd = "/tmp/file"' true)" c1
	ln -s loop "$ROOTFS/tmp/loop"
	refused 1 "/tmp/loop" kata run --bundle "$(bundle b '.process.cwd = "/tmp/loop"' true)" c1
	refused 1 "mounts\[.*no-such-source" kata run \
		--bundle "$(bundle c '.mounts += [{"destination": "/mnt", "type": "bind", "source": "/no-such-source", "options": ["bind"]}]' true)" c1
	refused 1 "no-such-root" kata run --bundle "$(bundle d '.root.path = "/no-such-root"' true)" c1
}

@test "what is missing on the host is named, with what to do" {
	dir=$(bundle b . true)
	refused 1 "/no/qemu" kata --config "$(with_key path '"/no/qemu"')" run --bundle "$dir" c1
	refused 1 "/no/virtiofsd" kata --config "$(with_key virtio_fs_daemon '"/no/virtiofsd"')" run --bundle "$dir" c1
	refused 1 "/no/vmlinux" kata --config "$(with_key kernel '"/no/vmlinux"')" run --bundle "$dir" c1
	refused 1 "/no/initrd" kata --config "$(with_key initrd '"/no/initrd"')" run --bundle "$dir" c1
	refused 1 "/no/configuration" kata --config /no/configuration.toml run --bundle "$dir" c1
	refused 1 "changed.toml:[0-9]+.*default_vcpus" kata --config "$(with_key default_vcpus '"many"')" run --bundle "$dir" c1
}

@test "a machine that cannot have its memory says so" {
	dir=$(bundle b . true)
	refused 1 "[Mm]emory" kata --config "$(with_key default_memory 1)" run --bundle "$dir" c1
	refused 1 "[Mm]emory" kata --config "$(with_key default_memory 4000000000)" run --bundle "$dir" c1
}

@test "a guest that is not up in time is given up, with the time and how to give it more" {
	mkdir -p "$WORK/etc/config.d"
	cp "$CONFIG" "$WORK/etc/"
	printf '[agent.kata]\nreconnect_timeout_ms = 50\n' >"$WORK/etc/config.d/hurry.toml"
	refused 1 "not up after 0.05 s \(key 'reconnect_timeout_ms'\)" \
		kata --config "$WORK/etc/configuration.toml" run --bundle "$(bundle b . true)" c1
}

@test "a program that is no hypervisor, no virtiofsd, no kernel" {
	dir=$(bundle b . true)
	refused 1 "QEMU ended with code 1" kata --config "$(with_key path '"/bin/false"')" run --bundle "$dir" c1
	printf '#!/bin/sh\necho "no such luck" >&2\nexit 3\n' >"$WORK/virtiofsd"
	chmod +x "$WORK/virtiofsd"
	refused 1 ": virtiofsd ended with code 3: no such luck$" \
		kata --config "$(with_key virtio_fs_daemon "\"$WORK/virtiofsd\"")" run --bundle "$dir" c1
	head -c 100000 /dev/urandom >"$WORK/kernel"
	refused 1 "kernel" kata --config "$(with_key kernel "\"$WORK/kernel\"")" run --bundle "$dir" c1
}

@test "check names what is missing and ends with 1" {
	run kata check
	[ "$status" -eq 0 ]
	[[ $output == *accelerator* && $output == *virtiofsd* ]]
	for key in path virtio_fs_daemon kernel initrd; do
		run kata --config "$(with_key $key '"/no/such-thing"')" check
		[ "$status" -eq 1 ]
		grep -Eq "FAIL.*/no/such-thing.*(install|make guest).*\[hypervisor.qemu.$key: $WORK/changed.toml:[0-9]+\]" <<<"$output"
	done
}

@test "check looks where run looks" {
	dir=$(bundle b . true)
	config=$(with_key path '""')
	mkdir "$WORK/bin"
	run env PATH="$WORK/bin" "$TREE/build/kata-runtime" --config "$config" check
	[ "$status" -eq 1 ]
	grep -q "FAIL  hypervisor .*in PATH: install" <<<"$output"
	refused 1 "in PATH: install" env PATH="$WORK/bin" "$TREE/build/kata-runtime" --root "$ROOT" --config "$config" run --bundle "$dir" c1
	ln -s "$(command -v qemu-system-x86_64)" "$WORK/bin/"
	run env PATH="$WORK/bin" "$TREE/build/kata-runtime" --config "$config" check
	grep -q "ok    hypervisor .*$WORK/bin/qemu-system-x86_64 " <<<"$output"
}

@test "no room for the state: a sentence, nothing half-made" {
	dir=$(bundle b . true)
	mkdir "$ROOT"
	mount -t tmpfs -o size=4k,nr_inodes=2 small "$ROOT"
	rc=0
	refused 1 "No space left" kata run --bundle "$dir" c1 || rc=1
	umount "$ROOT"
	# One folder and a socket fit, and nothing that has content.
	mount -t tmpfs -o size=4k small "$ROOT"
	head -c 4096 /dev/zero >"$WORK/fill"
	cp "$WORK/fill" "$ROOT/.fill"
	kata run --bundle "$dir" c1 </dev/null >"$WORK/out" 2>"$WORK/err" && rc=2
	grep -q "No space left" "$WORK/err" || rc=3
	[ "$(ls -A "$ROOT")" = .fill ] || rc=4
	umount "$ROOT"
	echo "$rc: $(cat "$WORK/err")"
	[ "$rc" -eq 0 ]
}

@test "a state folder that cannot be written, or is none" {
	dir=$(bundle b . true)
	mkdir "$ROOT"
	mount -t tmpfs -o ro none "$ROOT"
	rc=0
	refused 1 "Read-only file system" kata run --bundle "$dir" c1 || rc=1
	umount "$ROOT"
	rmdir "$ROOT"
	[ "$rc" -eq 0 ]
	touch "$WORK/file"
	refused 1 "Not a directory" "$TREE/build/kata-runtime" --root "$WORK/file" run --bundle "$dir" c1
}

@test "a state that cannot be read hides no other container, and can be deleted" {
	# As a power cut leaves it where --root is on a disk.
	mkdir -p "$ROOT/broken" "$ROOT/made"
	: >"$ROOT/broken/state.json"
	kata list >"$WORK/out" 2>"$WORK/err"
	grep -q '^made .*creating' "$WORK/out"
	[ "$(wc -l <"$WORK/out")" -eq 2 ]
	grep -q "ignoring.*broken/state.json' is not JSON" "$WORK/err"
	[ "$(kata list --format json 2>/dev/null | jq -r '.[].id')" = made ]
	run kata state broken
	[ "$status" -eq 1 ]
	kata delete --force broken
	kata delete --force made
}

@test "few descriptors: a sentence or a container, whatever their number" {
	dir=$(bundle b . true)
	for n in 7 8 10 12 14 15 16 17 18 20; do
		rc=0
		(ulimit -n "$n" && exec "$TREE/build/kata-runtime" --root "$ROOT" run --bundle "$dir" c1) </dev/null >/dev/null 2>"$WORK/err" || rc=$?
		echo "with $n descriptors: $rc, $(cat "$WORK/err")"
		[ "$rc" -eq 0 ] || [ "$(wc -l <"$WORK/err")" -eq 1 ]
		[ -z "$(ls -A "$ROOT" 2>/dev/null)" ]
		[ "$rc" -ne 0 ] || break
	done
}
