# shellcheck shell=bash
# Docker as the engine: see engines.bash. Its daemon starts a containerd of its own. With DOCKER_RUNTIME=shim, for Docker 23
# and later, our runtime is the shim of containerd and not the OCI command line.

export IMAGE=busybox
export PIDS='{{.PIDs}}'
export EVENT='{{.Action}} {{.Actor.Attributes.exitCode}}'
export NEVER=1s

# The daemon asks by itself.
healthy() {
	wait_for 30 is_field "$1" .State.Health.Status healthy
}

is_unhealthy() {
	is_field "$1" .State.Health.Status unhealthy
}

# In the foreground, because a terminal stops who is not.
engine() {
	DOCKER_CONFIG=$WORK/home DOCKER_HOST=unix://$WORK/docker.sock timeout --foreground 120 /usr/bin/docker "$@"
}

under() {
	local runtime=$1 verb=$2
	shift 2
	engine "$verb" --runtime "$runtime" "$@"
}

discard() {
	engine rm --force "$@" >/dev/null || true
}

engine_begin() {
	case ${DOCKER_RUNTIME-} in
	shim) jq -n --arg type "$TREE/build/containerd-shim-kata-v2" '{"default-runtime": "kata", runtimes: {kata: {runtimeType: $type}}}' ;;
	*) jq -n --arg path "$TREE/build/kata-runtime" '{"default-runtime": "kata", runtimes: {kata: {path: $path}}}' ;;
	esac >"$WORK/daemon.json"
	setsid dockerd --config-file "$WORK/daemon.json" --data-root "$WORK/docker" --exec-root "$WORK/exec" --pidfile "$WORK/docker.pid" \
		--host "unix://$WORK/docker.sock" --storage-driver overlay2 --iptables=false --ip6tables=false --bridge=none \
		>"$WORK/docker.log" 2>&1 </dev/null 3>&- &
	wait_for 60 answers || {
		tail "$WORK/docker.log" >&2
		return 1
	}
}

answers() {
	engine version >/dev/null 2>&1
}

engine_end() {
	local pid
	pid=$(cat "$WORK/docker.pid") || return 0
	kill "$pid"
	wait_for 60 gone "$pid"
}

# The daemon's default runtime runs the steps. BuildKit, which Docker 23 and later take where they have it, runs runc.
build() {
	DOCKER_BUILDKIT=0 engine build --network none "$@"
}

has_init() {
	command -v docker-init >/dev/null
}

export COMPOSE=docker-compose CONDITION=service_healthy

# Docker's own command, or the program that it was before.
has_compose() {
	is_docker_compose || command -v docker-compose >/dev/null
}

is_docker_compose() {
	engine compose version >/dev/null 2>&1
}

compose() {
	local command=(engine compose)
	is_docker_compose || command=(env "DOCKER_HOST=unix://$WORK/docker.sock" timeout --foreground 120 docker-compose)
	"${command[@]}" --project-name kata-project --file "$WORK/compose.yaml" "$@"
}
