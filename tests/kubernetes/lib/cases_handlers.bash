# shellcheck shell=bash disable=SC2016,SC2034
# What the kubelet does only where the handler says that it can, as those of containerd 2 do. Each case is a function of the
# handler; see cluster.bash.

# can HANDLER FEATURE: as the kubelet has heard of containerd.
can() {
	[ "$(k get node node -o "jsonpath={.status.runtimeHandlers[?(@.name==\"$1\")].features.$2}")" = true ]
}

# class_that_can HANDLER FEATURE: what pod_make takes as CLASS, because the first containerds of version 2 ask only handlers of
# runc's type.
class_that_can() {
	can "$1" "$2" && echo "$1" || echo "$1-users"
}

needs() {
	can runc "$1" || skip "runc's handler of this containerd cannot do it either"
}

# The numbers of the host are each pod's own.
users_of_host() {
	in_pod "$1" cat /proc/self/uid_map | awk '{print $2}'
}

# users_pod HANDLER NAME
users_pod() {
	pod_make "$1" "$2" <<-EOF
		hostUsers: false, securityContext: {fsGroup: 3456},
		volumes: [{name: config, configMap: {name: users-$1}}, {name: secret, secret: {secretName: users-$1, defaultMode: 0400}},
			{name: disk, emptyDir: {}}, {name: memory, emptyDir: {medium: Memory}}, {name: host, hostPath: {path: "$WORK/users-$1"}}],
		containers: [
			{name: a, image: "$IMAGE", command: [sh, -c, "trap 'exit 3' TERM; while :; do sleep 1; done"],
				volumeMounts: [{name: config, mountPath: /config}, {name: secret, mountPath: /secret}, {name: disk, mountPath: /disk},
					{name: memory, mountPath: /memory}, {name: host, mountPath: /host}]},
			{name: b, image: "$IMAGE", command: [sleep, "100000"], securityContext: {runAsUser: 1234},
				volumeMounts: [{name: secret, mountPath: /secret}, {name: disk, mountPath: /disk}, {name: host, mountPath: /host}]},
			{name: c, image: "$IMAGE", command: [sleep, "100000"], securityContext: {capabilities: {add: [SYS_ADMIN]}}}]
	EOF
}

users_of_their_own() {
	local CLASS one other maps='awk "{print \$1, (\$2 >= 65536), \$3}" /proc/self/uid_map /proc/self/gid_map'
	CLASS=$(class_that_can "$1" userNamespaces)
	mkdir "$WORK/users-$1"
	echo "of the host" >"$WORK/users-$1/file"
	chown 1234:2345 "$WORK/users-$1/file"
	k create configmap "users-$1" --from-literal colour=green >/dev/null
	k create secret generic "users-$1" --from-literal word=hidden >/dev/null
	users_pod "$1" users
	users_pod "$1" others
	until_ready "users-$1"
	k exec "users-$1" -c a -- sh -c "id -u; $maps"'
		stat -Lc "%u:%g %a %n" /config/colour /secret/word /disk /memory /host /host/file /bin/busybox /etc/hosts /etc/resolv.conf /dev/termination-log
		touch /host/made /disk/made /memory/made; chown 5:6 /disk/made; stat -c "%u:%g %n" /host/made /disk/made /memory/made
		grep ^CapEff /proc/self/status; mkdir /m; mount -t tmpfs none /m 2>&1 || true'
	k exec "users-$1" -c b -- sh -c "exec 2>&1; id; $maps"'
		touch /made; cat /secret/word /host/file; echo more >> /host/file; touch /disk/mine; stat -c "%u:%g %n" /disk/mine /disk/made'
	k exec "users-$1" -c c -- sh -c 'mkdir /m; mount -t tmpfs none /m && touch /m/file && stat -c "%u:%g %n" /m/file; hostname other; hostname'
	(cd "$WORK/users-$1" && stat -c '%u:%g %n' file made && cat file)
	k exec "users-$1" -c a -- kill -TERM 1
	until_is "users-$1" '.status.containerStatuses[0].restartCount' 1
	until_ready "users-$1"
	k exec "users-$1" -c a -- sh -c "$maps; cat /host/file"
	until_ready "others-$1"
	one=$(users_of_host "users-$1") other=$(users_of_host "others-$1")
	[ "$one" -gt 0 ] && [ "$other" -gt 0 ] && [ "$one" -ne "$other" ] && echo "each has its own"
	k delete pod "users-$1" "others-$1" >/dev/null
	rm -r "${WORK:?}/users-$1"
}

read_only_below() {
	local CLASS
	CLASS=$(class_that_can "$1" recursiveReadOnlyMounts)
	mkdir -p "$WORK/tree-$1/below"
	mount -t tmpfs below "$WORK/tree-$1/below"
	touch "$WORK/tree-$1/below/there"
	pod_make "$1" below <<-EOF
		volumes: [{name: v, hostPath: {path: "$WORK/tree-$1"}}],
		containers: [{name: a, image: "$IMAGE", command: [sleep, "100000"],
			volumeMounts: [{name: v, mountPath: /v, readOnly: true, recursiveReadOnly: Enabled}]}]
	EOF
	until_ready "below-$1"
	of "below-$1" '.status.containerStatuses[0].volumeMounts[0].recursiveReadOnly'
	in_pod "below-$1" sh -c 'exec 2>&1; ls /v/below; touch /v/new /v/below/new /v/below/there; rm /v/below/there' || echo "ended with $?"
	k delete pod "below-$1" >/dev/null
	umount "$WORK/tree-$1/below"
}

# The image says of user 1234 that it is in a group more.
groups() {
	local policy
	for policy in Merge Strict; do
		pod_make "$1" "groups-${policy,,}" <<-EOF
			restartPolicy: Never,
			securityContext: {runAsUser: 1234, runAsGroup: 2345, supplementalGroups: [4567], supplementalGroupsPolicy: $policy},
			containers: [{name: a, image: "$IMAGE", command: [id, -G]}]
		EOF
		until_is "groups-${policy,,}-$1" .status.phase Succeeded
		k logs "groups-${policy,,}-$1"
		of "groups-${policy,,}-$1" '.status.containerStatuses[0].user.linux'
	done
}
