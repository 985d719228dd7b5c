# shellcheck shell=bash
# shellcheck disable=SC2034 # tests/cri/run uses what is set here
# A containerd in a room, with a network of its own, images that need no registry, and for each suite of another project
# a function that runs it with a handler:
#
#	suite_NAME HANDLER LIST
#
# writes into LIST a line for each test: its name, a tab, what became of it. Of equal lines under both handlers nothing
# else is asked. A file sources tests/e2e/lib/common, containerd and cri first.

# Of each test what it printed. ENGINE_VERSION is that of a containerd which is not the installed one.
LOGS=$TREE/build/results/cri${ENGINE_VERSION:+-$ENGINE_VERSION}
TOOLS=$TREE/build/cache/cri
CRI_INTEGRATION=${CRI_INTEGRATION:-cri-integration}

# Seconds for one test of containerd's.
PATIENCE=300

place_begin() {
	export CONTAINERD_NAMESPACE=k8s.io IMAGE=localhost/pause:latest
	mkdir -p "$WORK/cni-bin" "$WORK/cni" "$WORK/logs" "$LOGS"
	cp /usr/lib/cni/* "$WORK/cni-bin"
	network_configure
	# containerd 2's suite has a test of it.
	[ -z "${ENGINE_VERSION:-}" ] || CRI_KEYS='drain_exec_sync_io_timeout = "10s"'
	cri_configure
	containerd_start
	wait_for 60 cri_answers
	images_make
}

# Addresses of both families, as Kubernetes' network plugins give them.
network_configure() {
	jq -n --arg addresses "$WORK/addresses" '{cniVersion: "1.0.0", name: "room", plugins: [
		{type: "bridge", bridge: "cni0", isGateway: true, ipMasq: true, promiscMode: true,
			ipam: {type: "host-local", dataDir: $addresses, ranges: [[{subnet: "10.90.0.0/16"}], [{subnet: "fd00:90::/64"}]],
				routes: [{dst: "0.0.0.0/0"}, {dst: "::/0"}]}},
		{type: "portmap", capabilities: {portMappings: true}}]}' >"$WORK/cni/10-room.conflist"
}

# Each is what a suite asks of the image that it would pull.
images_make() {
	local root=$WORK/image
	mkdir "$root"
	cp -al "$ROOTFS/." "$root"
	rm -f "$root/etc/passwd"
	printf '%s\n' root:x:0:0:root:/root:/bin/sh daemon:x:1:1:daemon:/:/bin/false nobody:x:65534:65534:nobody:/:/bin/false >"$root/etc/passwd"
	printf '%s\n' root:x:0: daemon:x:1: wheel:x:10:root nogroup:x:65534: >"$root/etc/group"
	mkdir -p "$root/www" "$root/var"
	echo 'Welcome to nginx' >"$root/www/index.html"
	chmod 1777 "$root/tmp"
	printf '%s\n' '#include <stdlib.h>' '#include <string.h>' '#include <unistd.h>' \
		'int main(int n, char **words) { long mib = 100; for (int i = 1; i + 1 < n; i++) if (!strcmp(words[i], "--vm-bytes")) mib = atol(words[i + 1]);' \
		'char *block = malloc(mib << 20); memset(block, 1, mib << 20); sleep(30); return block[7] - 1; }' >"$WORK/stress.c"
	gcc -static -O1 -o "$root/bin/stress" "$WORK/stress.c"

	image_add busybox '{"Cmd": ["sh"], "Env": ["PATH=/bin"]}' "$root"
	image_add web '{"Cmd": ["httpd", "-f", "-p", "80", "-h", "/www"], "Env": ["PATH=/bin"]}' "$root"
	image_add stress '{"Cmd": ["sleep", "1000"], "Env": ["PATH=/bin"]}' "$root"
	image_add pause '{"Cmd": ["sleep", "100000"], "Env": ["PATH=/bin"]}' "$root"
	mkdir -p "$WORK/volume/test_dir"
	echo test_content >"$WORK/volume/test_dir/test_file"
	image_add volume '{"Cmd": ["sh"], "Env": ["PATH=/bin"], "Volumes": {"/test_dir": {}}}' "$root" "$WORK/volume"
	mkdir -p "$WORK/owned/test_dir"
	chown nobody:nogroup "$WORK/owned/test_dir"
	image_add owned '{"Cmd": ["sh"], "Env": ["PATH=/bin"], "Volumes": {"/test_dir": {}}}' "$root" "$WORK/owned"
}

# image_add NAME CONFIG FOLDER...: an image and its archive, for images_again.
image_add() {
	local name=localhost/$1:latest archive=$WORK/images/$1.tar config=$2
	shift 2
	mkdir -p "$WORK/images"
	IMAGE_CONFIG=$config image_make "$name" "$@"
	c image export "$archive" "$name"
}

# Tests of images remove them, with all names that they have.
images_again() {
	local archive names
	names=$(c image list --quiet)
	for archive in "$WORK"/images/*.tar; do
		grep -qx "localhost/$(basename "$archive" .tar):latest" <<<"$names" || c image import "$archive" >/dev/null
	done
}

# place_empty: all pods and containers of CRI, and nerdctl's, are removed.
place_empty() {
	local id
	for id in $(cri ListPodSandbox <<<'' 2>/dev/null | fields id); do
		cri StopPodSandbox <<<"pod_sandbox_id: '$id'" >/dev/null || true
		cri RemovePodSandbox <<<"pod_sandbox_id: '$id'" >/dev/null || true
	done
}

# failed_with_runc SUITE HANDLER: the tests that another handler need not be asked, one a line.
failed_with_runc() {
	[ "$2" = runc ] || awk -F '\t' '$2 == "failed" {print $1}' "$LOGS/$1.runc.list"
}

# containerd's tests of its CRI. Left out are those that end or start containerd by its name, need a registry, or look into
# the place where a network plugin keeps its addresses unless told otherwise; and one that sends SIGTERM to a shell which
# ignores it only a moment later.
CONTAINERD_LEFT_OUT='TestContainerdRestart.*|TestContainerStopCancellation|TestRunPodSandboxWith.*|TestRunPodSandboxAndTeardown.*|TestContainerdImage.*|TestImageLoad|.*WithoutIPLeakage|.*InOtherNamespaces'
# The same of containerd 2.
CONTAINERD_LEFT_OUT+='|TestUpgrade|TestReload100Pods|TestSandboxStop.*|TestPodSandboxController.*|TestFailFastWhenConnectShim|TestCRIImagePull.*|TestImageVolume.*|TestContainerdSandboxImage.*'

suite_containerd() {
	local handler=$1 test
	printf '%s = "localhost/%s:latest"\n' alpine busybox busybox busybox pause pause VolumeCopyUp volume \
		VolumeOwnership owned ResourceConsumer stress >"$WORK/images.toml"
	for test in $("$TOOLS/$CRI_INTEGRATION" -test.list . -cri-endpoint "unix://$WORK/containerd.sock" 2>/dev/null | grep ^Test | grep -vxE "$CONTAINERD_LEFT_OUT"); do
		[[ $test =~ ${ONLY:-.} ]] || continue
		! failed_with_runc containerd "$handler" | grep -qx "$test" || continue
		containerd_test "$handler" "$test" || containerd_test "$handler" "$test" || true
		printf '%s\t%s\n' "$test" "$(go_verdict "$test" <"$LOGS/containerd.$handler.$test.log")"
	done >"$2"
}

# containerd_test HANDLER TEST: false if it fails. It is tried twice, because it has limits of 30 s, which a translated machine
# may miss on a busy host.
containerd_test() {
	local code=0 root=(-cri-root "$WORK/containerd.root/io.containerd.grpc.v1.cri")
	# Those of version 2 ask containerd where its root is.
	[ -z "${ENGINE_VERSION:-}" ] || root=()
	images_again
	timeout --signal KILL "$PATIENCE" "$TOOLS/$CRI_INTEGRATION" -cri-endpoint "unix://$WORK/containerd.sock" \
		"${root[@]}" -image-list "$WORK/images.toml" \
		-runtime-handler "$1" -test.v -test.run "^$2\$" </dev/null >"$LOGS/containerd.$1.$2.log" 2>&1 || code=$?
	place_empty
	return $code
}

go_verdict() {
	case $(grep -aoE "^--- (PASS|FAIL|SKIP): $1 " | head -1) in
	*PASS*) echo passed ;;
	*SKIP*) echo skipped ;;
	*) echo failed ;;
	esac
}

# Kubernetes' tests of a CRI. Images are not a runtime's matter, and theirs are in a registry.
CRITEST_LEFT_OUT='Image Manager|benchmark|AppArmor|SELinux'

suite_critest() {
	local handler=$1 name skip=("--ginkgo.skip=$CRITEST_LEFT_OUT")
	# As regular expressions of themselves.
	while read -r name; do
		skip+=("--ginkgo.skip=$name")
	done < <(failed_with_runc critest "$handler" | sed 's/[][().*+?^$\\]/\\&/g')
	images_again
	printf '%s: localhost/%s:latest\n' defaultTestContainerImage busybox webServerTestImage web >"$WORK/images.yaml"
	timeout --signal KILL 3600 "$TOOLS/critest" --runtime-endpoint "unix://$WORK/containerd.sock" \
		--image-endpoint "unix://$WORK/containerd.sock" --runtime-handler "$handler" --test-images-file "$WORK/images.yaml" \
		--ginkgo.no-color --ginkgo.randomize-all=false --ginkgo.seed 1 --ginkgo.focus "${ONLY:-.}" "${skip[@]}" \
		--ginkgo.junit-report "$WORK/report.xml" </dev/null >"$LOGS/critest.$handler.log" 2>&1 || true
	python3 "$TREE/tests/cri/verdict.py" junit "$WORK/report.xml" >"$2"
	rm -f "$WORK/report.xml"
	place_empty
}

