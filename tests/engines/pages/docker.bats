#!/usr/bin/env bats
# docs/engines/docker.md, line by line.
# bats file_tags=engines

load lib
export PAGE=docker.md

setup_file() {
	machine_begin /var/lib/docker /var/lib/containerd
}

teardown() {
	daemon_stop
}

# The daemon as its package starts it, with the page's configuration, which sets the runtime of who names none, too.
daemon_start() {
	mkdir -p /etc/docker
	jq ". + {\"default-runtime\": \"kata\"}" <<<"$1" >/etc/docker/daemon.json
	setsid dockerd >"$WORK/docker.log" 2>&1 </dev/null 3>&- &
	wait_for 60 docker version >/dev/null 2>&1 || {
		tail "$WORK/docker.log" >&2
		return 1
	}
	docker image inspect busybox >/dev/null 2>&1 ||
		docker import --change 'ENV PATH=/bin' --change 'CMD ["/bin/sh"]' "$WORK/image.tar" busybox >/dev/null
}

daemon_stop() {
	local pid
	pid=$(cat /run/docker.pid 2>/dev/null) || return 0
	kill "$pid"
	wait_for 60 gone "$pid"
}

takes_types() {
	[ "$(docker --version | grep -oE '[0-9]+' | head -1)" -ge 23 ]
}

@test "Docker: the first configuration, run and build" {
	daemon_start "$(example '{ "runtimes": { "kata": { "path"')"
	follow 'docker run --rm --runtime kata busybox uname -a'
	is_of_a_guest
	follow 'printf'
	is_of_a_guest
}

@test "Docker: as a shim, by its path and with options" {
	takes_types || skip "this Docker takes no runtime types"
	daemon_start "$(example '{ "runtimes": { "kata": { "runtimeType": "/usr/local')"
	follow 'docker run --rm --runtime kata busybox uname -a'
	is_of_a_guest
	daemon_stop
	mkdir -p /etc/kata-containers
	cp /usr/local/share/defaults/kata-containers/configuration.toml /etc/kata-containers/
	daemon_start "$(example '{ "runtimes": { "kata": { "runtimeType": "io.')"
	follow 'docker run --rm --runtime kata busybox uname -a'
	is_of_a_guest
}

@test "Docker: compose" {
	daemon_start "$(example '{ "runtimes": { "kata": { "path"')"
	docker compose version >/dev/null 2>&1 || skip "there is no docker compose here"
	mkdir -p "$WORK/compose"
	example services: >"$WORK/compose/compose.yaml"
	docker compose --project-directory "$WORK/compose" up -d
	run docker compose --project-directory "$WORK/compose" exec one uname -a
	is_of_a_guest
	docker compose --project-directory "$WORK/compose" down --timeout 1
}

@test "Docker: every line of the page was followed" {
	no_line_is_left
}
