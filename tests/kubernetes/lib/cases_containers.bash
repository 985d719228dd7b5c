# shellcheck shell=bash disable=SC2016
# Containers of a pod: how they begin, are looked after, and end. Each case is a function of the handler; see cluster.bash.

two_containers() {
	pod_make "$1" two <<-EOF
		restartPolicy: Never,
		containers: [
			{name: a, image: "$IMAGE", command: [sh, -c, "echo from a; until wget -qO - http://127.0.0.1:8080/origin 2>/dev/null; do sleep 1; done"]},
			{name: b, image: "$IMAGE", command: [sh, -c, "mkdir /www; hostname > /www/origin; httpd -p 127.0.0.1:8080 -h /www; trap 'exit 3' TERM; while :; do sleep 1; done"]}]
	EOF
	until_is "two-$1" '.status.containerStatuses[0].state.terminated.reason' Completed
	k logs "two-$1" -c a
	k exec "two-$1" -c b -- sh -c 'kill -TERM 1'
	until_is "two-$1" .status.phase Failed
	of "two-$1" '.status.containerStatuses[*].state.terminated.exitCode'
}

init_and_sidecar() {
	pod_make "$1" init <<-EOF
		restartPolicy: Never,
		volumes: [{name: all, emptyDir: {}}],
		initContainers: [
			{name: first, image: "$IMAGE", command: [sh, -c, "echo first >> /all/order"], volumeMounts: [{name: all, mountPath: /all}]},
			{name: side, image: "$IMAGE", restartPolicy: Always, volumeMounts: [{name: all, mountPath: /all}],
				command: [sh, -c, "echo side >> /all/order; trap 'exit 0' TERM; touch /up; while :; do sleep 1; done"],
				startupProbe: {exec: {command: [test, -e, /up]}, periodSeconds: 1, failureThreshold: 300}},
			{name: last, image: "$IMAGE", command: [sh, -c, "echo last >> /all/order"], volumeMounts: [{name: all, mountPath: /all}]}],
		containers: [
			{name: main, image: "$IMAGE", command: [cat, /all/order], volumeMounts: [{name: all, mountPath: /all}]}]
	EOF
	until_is "init-$1" .status.phase Succeeded
	k logs "init-$1" -c main
	of "init-$1" '.status.initContainerStatuses[*].state.terminated.exitCode'
}

probes() {
	pod_make "$1" probes <<-EOF
		containers: [{name: a, image: "$IMAGE", command: [sh, -c, "trap 'exit 3' TERM; touch /tmp/up; while :; do sleep 1; done"],
			startupProbe: {exec: {command: [test, -e, /tmp/up]}, periodSeconds: 1, timeoutSeconds: 60, failureThreshold: 300},
			readinessProbe: {exec: {command: [sh, -c, "test -e /tmp/ready"]}, periodSeconds: 1, timeoutSeconds: 60},
			livenessProbe: {exec: {command: [sh, -c, "test ! -e /tmp/sick"]}, periodSeconds: 1, timeoutSeconds: 60,
				failureThreshold: 1, terminationGracePeriodSeconds: 60}}]
	EOF
	until_is "probes-$1" '.status.containerStatuses[0].started' true
	of "probes-$1" '.status.containerStatuses[0].ready'
	in_pod "probes-$1" touch /tmp/ready
	until_ready "probes-$1"
	in_pod "probes-$1" touch /tmp/sick
	until_is "probes-$1" '.status.containerStatuses[0].restartCount' 1
	of "probes-$1" '.status.containerStatuses[0].lastState.terminated.exitCode'
	until_is "probes-$1" '.status.containerStatuses[0].started' true
	in_pod "probes-$1" ls /tmp
}

# The node and another pod dial the pod's address.
dialled() {
	pod_make "$1" dialled <<-EOF
		containers: [{name: a, image: "$IMAGE",
			command: [sh, -c, "trap 'exit 3' TERM; mkdir /tmp/www; echo page > /tmp/www/page; httpd -p 8080 -h /tmp/www; while :; do sleep 1; done"],
			readinessProbe: {httpGet: {path: /page, port: 8080}, periodSeconds: 1, timeoutSeconds: 60},
			livenessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1, timeoutSeconds: 60, failureThreshold: 60}}]
	EOF
	until_ready "dialled-$1"
	pod_make "$1" asks <<-EOF
		containers: [{name: a, image: "$IMAGE", command: [sleep, "1000"]}]
	EOF
	until_ready "asks-$1"
	in_pod "asks-$1" wget -qO - "http://$(of "dialled-$1" .status.podIP):8080/page"
	in_pod "asks-$1" sh -c "ip -o -4 addr show eth0 | grep -c 'inet 203.0.113'; ip route | grep -c '^203.0.113.0/24 dev eth0'"
	in_pod "dialled-$1" killall httpd
	until_is "dialled-$1" '.status.containerStatuses[0].restartCount' 1
	of "dialled-$1" '.status.containerStatuses[0].lastState.terminated.exitCode'
	until_ready "dialled-$1"
}

restarts() {
	pod_make "$1" restarts <<-EOF
		containers: [{name: a, image: "$IMAGE", command: [sh, -c, "echo said before; exit 9"]}]
	EOF
	until_is "restarts-$1" '.status.containerStatuses[0].state.waiting.reason' CrashLoopBackOff
	of "restarts-$1" '.status.containerStatuses[0].lastState.terminated.exitCode'
	wait_for "$PATIENCE" logged "restarts-$1" "said before"
}

out_of_memory() {
	pod_make "$1" oom <<-EOF
		restartPolicy: Never,
		containers: [{name: a, image: "$IMAGE", command: [sh, -c, "tail /dev/zero; echo survived"], resources: {limits: {memory: 64Mi}}},
			{name: b, image: "$IMAGE", command: [sleep, "1000"]}]
	EOF
	until_is "oom-$1" '.status.containerStatuses[0].state.terminated.reason' OOMKilled
	of "oom-$1" '.status.containerStatuses[1].state.running' | grep -c startedAt
}

grace() {
	mkdir "$WORK/grace-$1"
	pod_make "$1" grace <<-EOF
		volumes: [{name: out, hostPath: {path: "$WORK/grace-$1"}}],
		containers: [{name: a, image: "$IMAGE", volumeMounts: [{name: out, mountPath: /out}],
			command: [sh, -c, "trap 'echo asked >> /out/said; exit 0' TERM; touch /tmp/up; while :; do sleep 1; done"],
			lifecycle: {postStart: {exec: {command: [sh, -c, "echo after start >> /out/said"]}},
				preStop: {exec: {command: [sh, -c, "echo before stop >> /out/said"]}}},
			startupProbe: {exec: {command: [test, -e, /tmp/up]}, periodSeconds: 1, timeoutSeconds: 60, failureThreshold: 300}}]
	EOF
	until_ready "grace-$1"
	k delete pod "grace-$1" --grace-period 200
	cat "$WORK/grace-$1/said"
	rm -r "${WORK:?}/grace-$1"
}

processes_are_shared() {
	pod_make "$1" shared <<-EOF
		shareProcessNamespace: true,
		containers: [
			{name: a, image: "$IMAGE", command: [sleep, "2001"]},
			{name: b, image: "$IMAGE", command: [sleep, "2002"]}]
	EOF
	until_ready "shared-$1"
	k exec "shared-$1" -c b -- sh -c 'ps -o args | grep "^sleep 200"; test $$ -ne 1 && echo not the first'
}

debug_container() {
	pod_make "$1" debug <<-EOF
		containers: [{name: a, image: "$IMAGE", command: [sleep, "2003"]}]
	EOF
	until_ready "debug-$1"
	k debug "debug-$1" --image "$IMAGE" --target a --container d --profile general -- \
		sh -c 'ps -o args | grep "^sleep 2003"; until test -e /proc/1/root/tmp/done; do sleep 1; done; echo end' >/dev/null
	until_is "debug-$1" '.status.ephemeralContainerStatuses[0].state.running'
	in_pod "debug-$1" touch /tmp/done
	until_is "debug-$1" '.status.ephemeralContainerStatuses[0].state.terminated.exitCode' 0
	k logs "debug-$1" -c d
}

security() {
	pod_make "$1" security <<-EOF
		restartPolicy: Never,
		securityContext: {runAsUser: 1234, runAsGroup: 2345, fsGroup: 3456, supplementalGroups: [4567], seccompProfile: {type: RuntimeDefault}},
		volumes: [{name: v, emptyDir: {}}],
		containers: [{name: a, image: "$IMAGE", volumeMounts: [{name: v, mountPath: /v}],
			command: [sh, -c, "exec 2>&1; id -u; id -g; id -G; touch /x; touch /v/x; stat -c '%u %g %a' /v/x /v;
				grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; unshare -U true; cat /proc/self/oom_score_adj"],
			securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false,
				capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}},
			{name: b, image: "$IMAGE", command: [sh, -c, "grep ^Cap /proc/self/status"],
				securityContext: {runAsUser: 0, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}}]
	EOF
	until_is "security-$1" .status.phase Succeeded
	k logs "security-$1" -c a
	k logs "security-$1" -c b
}
