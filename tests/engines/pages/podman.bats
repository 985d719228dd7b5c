#!/usr/bin/env bats
# docs/engines/podman.md, line by line.
# bats file_tags=engines

load lib
export PAGE=podman.md

# Limits that a root without CAP_SYS_RESOURCE can set, no systemd, and the image of a pod's first container where the host has
# no program for it.
setup_file() {
	machine_begin /var/lib/containers
	mkdir -p /etc/containers
	{
		printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
		printf '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\ninfra_image = "localhost/pause"\n'
		example '[engine.runtimes]'
	} >/etc/containers/containers.conf
	podman import --change 'ENV PATH=/bin' --change 'CMD ["/bin/sh"]' "$WORK/image.tar" busybox >/dev/null
	podman import --change 'ENV PATH=/bin' --change 'CMD ["sleep", "1000000"]' "$WORK/image.tar" pause >/dev/null
}

teardown() {
	podman rm --all --force --time 0 >/dev/null 2>&1 || true
	podman pod rm --all --force >/dev/null 2>&1 || true
}

@test "Podman: run" {
	follow 'podman --runtime kata run --rm busybox uname -a'
	is_of_a_guest
}

@test "Podman: a pod" {
	follow 'podman --runtime kata pod create --name p'
	follow 'podman --runtime kata run -d --pod p --name one'
	follow 'podman --runtime kata run --rm --pod p busybox hostname'
	[ "$output" = p ]
}

@test "Podman: a manifest of Kubernetes" {
	cat >"$WORK/pod.yaml" <<-END
		apiVersion: v1
		kind: Pod
		metadata: {name: played}
		spec:
		  containers: [{name: one, image: localhost/busybox, command: [sleep, "1000"]}]
	END
	follow 'podman --runtime kata play kube'
	run podman exec played-one uname -a
	is_of_a_guest
	follow 'podman play kube --down'
}

@test "Podman: build" {
	follow "printf 'FROM"
	is_of_a_guest
}

@test "Podman: Buildah, in one shell" {
	command -v buildah >/dev/null || skip "there is no buildah here"
	follow 'c=$(buildah from'
	export BEFORE='c=busybox-working-container; '
	follow 'buildah run --runtime'
	is_of_a_guest
	follow 'buildah rm'
}

@test "Podman: podman-compose" {
	command -v podman-compose >/dev/null || skip "there is no podman-compose here"
	printf 'services:\n  one:\n    image: localhost/busybox\n    network_mode: none\n    command: [sleep, "1000"]\n' >"$WORK/compose.yaml"
	follow "printf '#!/bin/sh"
	follow 'podman-compose --podman-path ./podman-kata up -d'
	run podman exec --latest uname -a
	is_of_a_guest
	follow 'podman-compose --podman-path ./podman-kata down'
}

@test "Podman: every line of the page was followed" {
	local without
	# As a user it needs a session of that user: tests/engines/podman_rootless.bats.
	mapfile -t without < <(chapter 'Without root')
	[ ${#without[@]} -gt 0 ]
	command -v buildah >/dev/null || mapfile -t -O "${#without[@]}" without < <(commands | grep buildah)
	command -v podman-compose >/dev/null || mapfile -t -O "${#without[@]}" without < <(commands | grep podman-)
	no_line_is_left "${without[@]}"
}
