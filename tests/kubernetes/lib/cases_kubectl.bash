# shellcheck shell=bash disable=SC2016
# What a person does with a pod. Each case is a function of the handler; see cluster.bash.

exec_logs_cp() {
	pod_make "$1" hands <<-EOF
		containers: [{name: a, image: "$IMAGE", command: [sh, -c, "echo out; echo err >&2; trap 'exit 0' TERM; while :; do sleep 1; done"]}]
	EOF
	until_ready "hands-$1"
	wait_for "$PATIENCE" logged "hands-$1" err >/dev/null
	k logs "hands-$1" | sort
	in_pod "hands-$1" sh -c 'echo words >&2; exit 7' || echo "ended with $?"
	seq 100000 | k exec -i "hands-$1" -- sha256sum
	in_pod "hands-$1" seq 100000 | sha256sum
	seq 20000 >"$WORK/cp-$1"
	k cp "$WORK/cp-$1" "hands-$1:/tmp/copied"
	in_pod "hands-$1" sha256sum /tmp/copied
	k cp "hands-$1:/tmp/copied" "$WORK/back-$1" >/dev/null
	cmp "$WORK/cp-$1" "$WORK/back-$1" && echo "came back"
	# script(1) writes the end of its input as a byte 0, which a terminal shows as ^@ wherever it comes.
	{
		script --quiet --return --command "kubectl exec -it hands-$1 -- sh -c 'test -t 0 && echo a terminal; exit 5'" /dev/null </dev/null ||
			echo "ended with $?"
	} | sed 's/\^@//g'
}

attach() {
	pod_make "$1" attach <<-EOF
		restartPolicy: Never,
		containers: [{name: a, image: "$IMAGE", stdin: true, stdinOnce: true, command: [sh, -c, "cat; echo end"]}]
	EOF
	until_ready "attach-$1"
	seq 3 | k attach -i "attach-$1" 2>/dev/null | grep -vx end
	until_is "attach-$1" .status.phase Succeeded
	k logs "attach-$1"
}
