# shellcheck shell=bash
# What bats does before and after the tests of a file.

# Where machines start from a template (tools/from-template), it is made here and not by the first machine that misses it, whose
# maker a test would find among its own processes. A file before this one may have made it stale, because a template is one
# of the very kernel and initrd that it was made with.
setup_suite() {
	local tree
	tree=$(dirname "${BASH_SOURCE[0]}")/../..
	[ ! -e "$tree/build/config.d/90-template.toml" ] || "$tree/build/kata-runtime" factory init
}

teardown_suite() {
	:
}
