#!/usr/bin/env bats
# Every line of docs/threat-model.md names the tests that hold it, and these exist.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	MODEL=docs/threat-model.md
}

# The tests a page names, a line each: FILE: NAME.
named() {
	grep -oE '`[a-z_]+: [^`]+`' "$1" | tr -d '`' | grep -v '^file: name$'
}

# exists FILE NAME: as a test of bats, or a case of C.
exists() {
	local file
	file=$(find tests -name "$1.bats" -o -name "$1.c" | head -1)
	case $file in
	*.bats) grep -qF "@test \"$2\" {" "$file" ;;
	*.c) grep -qE "^(TEST|CASE)\($2\)" "$file" ;;
	*) false ;;
	esac
}

# missing PAGE
missing() {
	local line
	while read -r line; do
		exists "${line%%: *}" "${line#*: }" || echo "there is no test '$line'"
	done < <(named "$1")
}

@test "each test that the threat model names exists" {
	[ "$(named "$MODEL" | wc -l)" -gt 30 ]
	missing "$MODEL"
	[ -z "$(missing "$MODEL")" ]
}

@test "each row of what is reached names a test" {
	rows=$(sed -n '/^| who was taken over/,/^$/p' "$MODEL" | tail -n +3)
	[ "$(wc -l <<<"$rows")" -gt 20 ]
	grep -vE '`[a-z_]+: [^`]+`[^|]*\|$' <<<"$rows" | sed '/^$/d' >"$BATS_TEST_TMPDIR/without" || true
	cat "$BATS_TEST_TMPDIR/without"
	[ ! -s "$BATS_TEST_TMPDIR/without" ]
}

@test "a test that is not there is missed" {
	printf '| x | `documents: a test that is not there is missed`, `documents: no such name`, `no_file: x` |\n' >"$BATS_TEST_TMPDIR/page.md"
	[ "$(missing "$BATS_TEST_TMPDIR/page.md")" = "there is no test 'documents: no such name'
there is no test 'no_file: x'" ]
}
