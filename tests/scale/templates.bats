#!/usr/bin/env bats
# Many machines from one template, one after the other and four at a time: none draws what another has drawn, and the host is
# afterwards as it was. KATA_STARTS says how many (200); `make check-scale` runs it.

bats_require_minimum_version 1.5.0
load ../e2e/lib/common

setup() {
	common_setup
	STARTS=${KATA_STARTS:-200}
	sed -e 's|^enable_template = .*|enable_template = true|' -e "s|^template_path = .*|template_path = \"$WORK/templates\"|" \
		-e 's|^static_sandbox_resource_mgmt = .*|static_sandbox_resource_mgmt = true|' \
		"$TREE/build/configuration.toml" >"$WORK/configuration.toml"
	export KATA_CONF_FILE=$WORK/configuration.toml
	bundle b . sh -c 'cat /proc/sys/kernel/random/boot_id; head -c 16 /dev/urandom | od -An -tx1
		grep -F "[stack]" /proc/self/maps | cut -d- -f1' >/dev/null
}

teardown() {
	common_teardown
}

# What a start could leave behind and leak_check does not look at: files, and ids that stay claimed.
host_figures() {
	find /run /tmp -xdev ! -path "$WORK/out/*" 2>/dev/null | sort
	echo "claims: $(grep -c ":$(stat -c %i /run/kata-containers/ids) " /proc/locks)"
}

# starts FROM TO
starts() {
	local i
	for ((i = $1; i <= $2; i++)); do
		kata --log "$WORK/log" run --bundle "$WORK/b" "c$i" </dev/null >"$WORK/out/$i"
	done
}

@test "machines of one template draw what no other has drawn, and leave nothing" {
	kata factory init
	mkdir "$WORK/out"
	: >"$WORK/log"
	starts 1 4
	wait_for 60 nothing_runs
	before=$(host_figures)
	for quarter in 0 1 2 3; do
		starts $((5 + quarter * STARTS / 4)) $((4 + (quarter + 1) * STARTS / 4)) &
	done
	wait
	wait_for 60 nothing_runs
	after=$(host_figures)
	cat "$WORK/log"
	[ ! -s "$WORK/log" ]
	diff <(echo "$before") <(echo "$after")
	find "$WORK/out" -type f | wc -l | grep -qx $((STARTS + 4))
	cat "$WORK"/out/* >"$WORK/all"
	[ "$(wc -l <"$WORK/all")" -eq $((3 * (STARTS + 4))) ]
	sort "$WORK/all" | uniq -d | tee "$WORK/twice"
	[ ! -s "$WORK/twice" ]
}
