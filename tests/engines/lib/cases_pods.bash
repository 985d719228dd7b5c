# shellcheck shell=bash disable=SC2154,SC2016
# Podman's pods: their containers are in the machine of the infra container. See engines.bash.

# pod NAME RUNTIME OPTION...: a pod with an infra container of our image.
pod() {
	local name=$1 runtime=$2
	shift 2
	engine --runtime "$runtime" pod create --name "$name" --network none --hostname of-pod --infra-image "$IMAGE" \
		--infra-command "sleep $LONG" "$@" >/dev/null
}

# The image of the infra container of a pod that is played (containers.conf).
pause_image_make() {
	engine image exists localhost/pause ||
		engine import --change 'ENV PATH=/bin' --change "CMD [\"sleep\", \"$LONG\"]" "$WORK/image.tar" localhost/pause >/dev/null
}

pods_remove() {
	local name
	for name in runc kata; do
		engine pod rm --force --time 0 "$name-pod" >/dev/null
	done
	groups_remove
}

# Podman leaves a pod's group in the hierarchies that it does not use itself, in which runc has made it.
groups_remove() {
	find /sys/fs/cgroup -depth -type d -regex '.*/libpod_parent/[0-9a-f]*' -exec rmdir {} + 2>/dev/null || true
}

machines() {
	grep -sl '^qemu-system' /proc/[0-9]*/comm | wc -l
}

pod_shares_its_namespaces() {
	local name before
	before=$(machines)
	for name in runc kata; do
		pod "$name-pod" "$name"
		under "$name" run -d --pod "$name-pod" --name "$name-one" "$IMAGE" sh -c 'echo one >/dev/shm/f; exec sleep 1000' >/dev/null
		wait_for 60 inside "$name-one" test -s /dev/shm/f
		run under "$name" run --rm --pod "$name-pod" "$IMAGE" sh -c 'hostname; cat /dev/shm/f; ps -o args | grep -c "[s]leep 1000"'
		[ "$output" = $'of-pod\none\n0' ]
	done
	[ "$(machines)" = $((before + 1)) ]
	pods_remove
	[ "$(machines)" = "$before" ]
}

pod_shares_process_ids() {
	local name
	for name in runc kata; do
		pod "$name-pod" "$name" --share ipc,net,uts,pid
		run under "$name" run --rm --pod "$name-pod" "$IMAGE" ps -o args
		[ "$status" -eq 0 ]
		[[ $output == *"sleep $LONG"* ]]
	done
	pods_remove
}

pod_stops_and_starts() {
	local name
	for name in runc kata; do
		pod "$name-pod" "$name"
		under "$name" run -d --pod "$name-pod" --name "$name-one" "$IMAGE" sh -c 'echo run >>/root/runs; exec sleep 1000' >/dev/null
		# What is killed as soon as it is started may not have run a command.
		wait_for 60 inside "$name-one" test -s /root/runs
		engine --runtime "$name" pod stop --time 0 "$name-pod" >/dev/null
		is_field "$name-one" .State.Status exited
		engine --runtime "$name" pod start "$name-pod" >/dev/null
		wait_for 60 ran_twice "$name-one"
		engine --runtime "$name" pod pause "$name-pod" >/dev/null
		is_field "$name-one" .State.Status paused
		engine --runtime "$name" pod unpause "$name-pod" >/dev/null
		[ "$(inside "$name-one" hostname)" = of-pod ]
	done
	pods_remove
}

pod_is_generated_and_played() {
	local name
	pause_image_make
	for name in runc kata; do
		pod "$name-pod" "$name"
		under "$name" run -d --pod "$name-pod" --name "$name-one" "$IMAGE" sh -c 'echo played; exec sleep 1000' >/dev/null
		engine generate kube "$name-pod" >"$WORK/$name.yaml"
		engine pod rm --force --time 0 "$name-pod" >/dev/null
		engine --runtime "$name" play kube --network none "$WORK/$name.yaml" >/dev/null
		wait_for 60 logged "$name-pod-$name-one" played
		engine pod rm --force --time 0 "$name-pod" >/dev/null
		rm "$WORK/$name.yaml"
	done
	groups_remove
}

# What a manifest of Kubernetes has: an init container before the others, a folder of the pod, one of the host, a ConfigMap as
# files and as a variable, a user, limits.
pod_has_what_kubernetes_says() {
	local name
	pause_image_make
	for name in runc kata; do
		cat >"$WORK/pod.yaml" <<-END
			apiVersion: v1
			kind: ConfigMap
			metadata: {name: settings}
			data: {colour: blue}
			---
			apiVersion: v1
			kind: Pod
			metadata: {name: $name-pod}
			spec:
			  hostname: played
			  restartPolicy: Never
			  initContainers:
			  - {name: first, image: $IMAGE, command: [sh, -c, "echo of the first >/shared/file"], volumeMounts: [{name: shared, mountPath: /shared}]}
			  containers:
			  - name: main
			    image: $IMAGE
			    command: [sh, -c, "hostname; cat /shared/file /host/file /settings/colour; echo \$COLOUR; id -u; exec sleep $LONG"]
			    env: [{name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}]
			    securityContext: {runAsUser: 65534, capabilities: {drop: [ALL]}}
			    resources: {limits: {memory: 64Mi}}
			    volumeMounts:
			    - {name: shared, mountPath: /shared}
			    - {name: host, mountPath: /host, readOnly: true}
			    - {name: settings, mountPath: /settings}
			  volumes:
			  - {name: shared, emptyDir: {}}
			  - {name: host, hostPath: {path: $WORK/volume, type: Directory}}
			  - {name: settings, configMap: {name: settings}}
		END
		engine --runtime "$name" play kube --network none "$WORK/pod.yaml" >/dev/null
		wait_for 60 logged "$name-pod-main" 65534
		[ "$(engine logs "$name-pod-main")" = $'played\nof the first\nin the volume\nblueblue\n65534' ]
		is_memory_limit "$name-pod-main" $((64 << 20))
		engine play kube --down "$WORK/pod.yaml" >/dev/null
	done
	rm "$WORK/pod.yaml"
	groups_remove
}
