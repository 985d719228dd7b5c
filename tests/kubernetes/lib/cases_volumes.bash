# shellcheck shell=bash disable=SC2016
# What the kubelet puts into a pod. Each case is a function of the handler; see cluster.bash.

volumes() {
	k create configmap "config-$1" --from-literal colour=green --from-literal shape=round >/dev/null
	k create secret generic "secret-$1" --from-literal word=hidden >/dev/null
	pod_make "$1" volumes <<-EOF
		volumes: [
			{name: config, configMap: {name: config-$1}},
			{name: secret, secret: {secretName: secret-$1, defaultMode: 0400}},
			{name: disk, emptyDir: {}},
			{name: memory, emptyDir: {medium: Memory, sizeLimit: 1Mi}},
			{name: down, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}},
				{path: limit, resourceFieldRef: {containerName: a, resource: limits.memory}}]}}],
		containers: [
			{name: a, image: "$IMAGE", command: [sleep, "100000"], resources: {limits: {memory: 128Mi}},
				env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}},
					{name: CPU, valueFrom: {resourceFieldRef: {resource: requests.cpu}}},
					{name: COLOUR, valueFrom: {configMapKeyRef: {name: config-$1, key: colour}}},
					{name: WORD, valueFrom: {secretKeyRef: {name: secret-$1, key: word}}}],
				volumeMounts: [{name: config, mountPath: /config}, {name: secret, mountPath: /secret}, {name: disk, mountPath: /disk},
					{name: memory, mountPath: /memory}, {name: down, mountPath: /down}, {name: config, mountPath: /one, subPath: shape}]},
			{name: b, image: "$IMAGE", command: [sleep, "100000"],
				volumeMounts: [{name: disk, mountPath: /disk}, {name: memory, mountPath: /memory, readOnly: true}]}]
	EOF
	until_ready "volumes-$1"
	in_pod "volumes-$1" sh -c 'exec 2>&1; cd /config; ls; cat colour shape /one; stat -Lc %a colour /secret/word; cat /secret/word; echo; cat /down/*; echo
		echo $NODE $CPU $COLOUR $WORD; touch /config/new; stat -c %a /disk /memory'
	in_pod "volumes-$1" sh -c 'echo on disk > /disk/file; echo in memory > /memory/file; dd if=/dev/zero of=/memory/large bs=1M count=4 2>&1 | grep -o "No space.*"'
	k exec "volumes-$1" -c b -- sh -c 'exec 2>&1; cat /disk/file /memory/file; touch /memory/other; df /memory | tail -1 | tr -s " " | cut -d " " -f 2'
	k patch configmap "config-$1" --patch '{"data": {"colour": "blue"}}' >/dev/null
	k patch secret "secret-$1" --patch '{"stringData": {"word": "changed"}}' >/dev/null
	k label pod "volumes-$1" late=label >/dev/null
	wait_for "$PATIENCE" says blue "volumes-$1" cat /config/colour
	wait_for "$PATIENCE" says changed "volumes-$1" cat /secret/word
	wait_for "$PATIENCE" says 'late="label"' "volumes-$1" cat /down/labels
	in_pod "volumes-$1" cat /config/colour /secret/word /down/labels
}

# says WORD POD COMMAND...: asked as often as it takes, so nothing else of it may be printed.
says() {
	in_pod "${@:2}" 2>/dev/null | grep -q "$1"
}

too_much_is_evicted() {
	pod_make "$1" evicted <<-EOF
		restartPolicy: Never,
		volumes: [{name: v, emptyDir: {sizeLimit: 1Mi}}],
		containers: [{name: a, image: "$IMAGE", volumeMounts: [{name: v, mountPath: /v}],
			command: [sh, -c, "dd if=/dev/zero of=/v/large bs=1M count=8; sleep 100000"]}]
	EOF
	until_is "evicted-$1" .status.reason Evicted
	of "evicted-$1" .status.message
}

too_large_a_layer_is_evicted() {
	pod_make "$1" layer <<-EOF
		restartPolicy: Never,
		containers: [{name: a, image: "$IMAGE", resources: {limits: {ephemeral-storage: 1Mi}},
			command: [sh, -c, "dd if=/dev/zero of=/large bs=1M count=8; sleep 100000"]}]
	EOF
	until_is "layer-$1" .status.reason Evicted
	of "layer-$1" .status.message
}
