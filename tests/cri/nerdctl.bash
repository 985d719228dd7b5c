# shellcheck shell=bash
# What people do with nerdctl, by a handler: of each command the exit code that it must have, and what it prints.
# tests/cri/run sources it; see lib.bash for what a suite is.

nerd() {
	timeout --foreground --signal KILL 120 "$TOOLS/nerdctl" --address "$WORK/containerd.sock" --namespace nerd --data-root "$WORK/nerd" \
		--cni-path "$WORK/cni-bin" --cni-netconfpath "$WORK/nerd-cni" --cgroup-manager cgroupfs "$@"
}

# say NAME CODE COMMAND...: a line of the list.
say() {
	local name=$1 want=$2 output code=0
	[[ $name =~ ${ONLY:-.} ]] || return 0
	shift 2
	"$@" </dev/null >"$WORK/said" 2>"$WORK/complained" || code=$?
	output=$(tr '\r\n' '  ' <"$WORK/said" | sed "s/$handler/NAME/g; s/\t/ /g")
	{
		echo "== $name: $code, $*"
		cat "$WORK/said" "$WORK/complained"
	} >>"$LOGS/nerdctl.$handler.log"
	[ "$code" = "$want" ] || output="failed"
	printf '%s\t%s\n' "$name" "$output"
}

nerd_new() {
	nerd run --net none --runtime "io.containerd.$handler.v2" "$@"
}

on_nerd_terminal() {
	script --quiet --return --command "$(declare -f nerd); WORK=$WORK TOOLS=$TOOLS; nerd $*" /dev/null
}

# nerd_field FORMAT NAME
nerd_field() {
	nerd inspect --format "$1" "$2"
}

nerd_logs() {
	wait_for 60 nerd_log_has "$1" "$2" && nerd logs "$1"
}

nerd_log_has() {
	nerd logs "$1" 2>&1 | grep -q "$2"
}

suite_nerdctl() {
	local handler=$1 image=localhost/busybox:latest d=$1-d
	mkdir -p "$WORK/nerd-cni" "$WORK/nerd-volume"
	echo 'in the volume' >"$WORK/nerd-volume/file"
	: >"$LOGS/nerdctl.$handler.log"
	c --namespace nerd image import "$WORK/images/busybox.tar" >/dev/null
	{
		say run 3 nerd_new --rm "$image" sh -c 'echo hi; exit 3'
		say options 0 nerd_new --rm --hostname there --user 65534:65534 --workdir /tmp --env A=b --read-only --cap-drop all --security-opt no-new-privileges \
			"$image" sh -c 'id -u; pwd; echo $A; hostname; grep -E "^(CapBnd|NoNewPrivs)" /proc/self/status'
		say volume 0 nerd_new --rm -v "$WORK/nerd-volume:/v" "$image" sh -c 'cat /v/file; echo more >/v/new'
		say volume-read-only 1 nerd_new --rm -v "$WORK/nerd-volume:/v:ro" "$image" sh -c 'echo x >/v/no'
		say tmpfs 0 nerd_new --rm --tmpfs /run:size=1m "$image" sh -c 'echo x >/run/y; cat /run/y'
		say memory 0 nerd_new --rm --memory 64m --pids-limit 50 "$image" true
		say ulimit 0 nerd_new --rm --ulimit nofile=512:512 "$image" sh -c 'ulimit -n'
		say sysctl 0 nerd_new --rm --sysctl kernel.msgmax=4096 "$image" cat /proc/sys/kernel/msgmax
		say privileged 0 nerd_new --rm --privileged "$image" true
		say no-program 1 nerd_new --rm "$image" /no/such
		say terminal 0 on_nerd_terminal run --rm -t --net none --runtime "io.containerd.$handler.v2" "$image" tty
		say detached 0 nerd_quiet nerd_new -d --name "$d" "$image" sh -c 'echo out; echo err >&2; trap "exit 7" TERM; while :; do sleep 1; done'
		say logs 0 nerd_logs "$d" out
		say status 0 nerd_field '{{.State.Status}}' "$d"
		say exec 1 nerd exec "$d" sh -c 'echo in; exit 4'
		say exec-user 0 nerd exec --user nobody --env X=y --workdir /tmp "$d" sh -c 'id -u; echo $X; pwd'
		say exec-terminal 0 on_nerd_terminal exec -t "$d" tty
		say copy-in 0 nerd cp "$WORK/nerd-volume/file" "$d:/copied"
		say copy-seen 0 nerd exec "$d" cat /copied
		say copy-out 0 nerd_copied "$d"
		say top 0 nerd_top "$d"
		say stats 0 nerd_quiet nerd stats --no-stream "$d"
		say pause 0 nerd_both pause paused "$d"
		say unpause 0 nerd_both unpause running "$d"
		say update 0 nerd update --memory 96m "$d"
		say commit 0 nerd_quiet nerd commit "$d" "localhost/of-$handler"
		say committed 0 nerd_new --rm "localhost/of-$handler" cat /copied
		say stop 0 nerd stop --time 60 "$d"
		say code-of-stop 0 nerd_field '{{.State.ExitCode}}' "$d"
		say start 0 nerd start "$d"
		say kill 0 nerd_quiet nerd kill "$d"
		say wait 0 nerd wait "$d"
		say remove 0 nerd rm -f "$d"
		say none-left 0 nerd ps --all --quiet
	} >"$2"
	nerd ps --all --quiet 2>/dev/null | while read -r d; do nerd rm -f "$d" </dev/null >/dev/null 2>&1; done
}

nerd_quiet() {
	"$@" >/dev/null
}

# nerd_both VERB STATUS NAME
nerd_both() {
	nerd "$1" "$3" && nerd_field '{{.State.Status}}' "$3" | grep -x "$2"
}

nerd_copied() {
	nerd cp "$1:/copied" "$WORK/copied" && cat "$WORK/copied"
}

nerd_top() {
	nerd top "$1" | tail -n +2 | grep -c sh
}
