#!/usr/bin/env bats
# tools/run-bats, tools/coverage-table and tools/suites: what became of each test, that one which ran nowhere is found, and
# that the end of the output says what failed.

# bats file_tags=host

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	T=$BATS_TEST_TMPDIR
	# A line that begins with @test would be one of this file's.
	sed 's/^TEST/@test/' >"$T/sample.bats" <<-'END'
		# bats test_tags=here
		TEST "one that runs" { true; }
		# bats test_tags=there
		TEST "one with 'quotes', a \"second\" kind and a # sign" { true; }
		TEST "one that is skipped" { skip "no such device"; }
	END
	echo '@test "one that fails" { false; }' >"$T/failing.bats"
}

# In a bats of its own, which must not take itself for a part of this one.
run_bats() {
	env -u BATS_TMPDIR -u BATS_RUN_TMPDIR -u BATS_TEST_TMPDIR -u BATS_FILE_TMPDIR tools/run-bats "$@"
}

@test "what became of each test is in the list, and the last line adds up" {
	run -0 run_bats "$T/list" -- "$T/sample.bats"
	[ "${lines[-1]}" = "2 passed, 0 failed, 1 skipped" ]
	diff "$T/list" - <<-END
		$T/sample.bats	one that runs	ran
		$T/sample.bats	one with 'quotes', a "second" kind and a # sign	ran
		$T/sample.bats	one that is skipped	skipped
	END
	run -1 run_bats "$T/list" -- "$T/sample.bats" "$T/failing.bats"
	[ "${lines[-1]}" = "2 passed, 1 failed, 1 skipped" ]
	grep -q $'one that fails\tfailed$' "$T/list"
}

@test "a test that fails once and then passes is counted, and named as such" {
	printf '@test "%s" { %s; }\n' "one that fails once" "! mkdir '$T/been-here'" >"$T/once.bats"
	run -0 run_bats "$T/list" -- "$T/once.bats" "$T/sample.bats"
	[ "$(grep -c '^not ok 1 one that fails once$' <<<"$output")" -eq 1 ]
	grep -qx "# passed only when repeated: $T/once.bats: one that fails once" <<<"$output"
	[ "${lines[-1]}" = "3 passed, 0 failed, 1 skipped" ]
	grep -q $'one that fails once\tran$' "$T/list"
}

@test "a test that fails twice has failed, and so have three that fail once" {
	run -1 run_bats "$T/list" -- "$T/failing.bats"
	[ "$(grep -c '^not ok 1 one that fails$' <<<"$output")" -eq 2 ]
	[ "${lines[-1]}" = "0 passed, 1 failed, 0 skipped" ]
	printf '@test "%s" { false; }\n' one two three >"$T/three.bats"
	run -1 run_bats "$T/list" -- "$T/three.bats"
	[ "$(grep -c '^not ok' <<<"$output")" -eq 3 ]
	[ "${lines[-1]}" = "0 passed, 3 failed, 0 skipped" ]
}

@test "tags choose, and a file without a chosen test is none" {
	run -0 run_bats "$T/list" --filter-tags here -- "$T/failing.bats" "$T/sample.bats"
	[ "${lines[-1]}" = "1 passed, 0 failed, 0 skipped" ]
}

@test "a file that cannot be read is a failure" {
	echo '@test "half of one" {' >"$T/broken.bats"
	run -1 run_bats "$T/list" -- "$T/sample.bats" "$T/broken.bats"
	[[ ${lines[-1]} == *", 1 failed, "* ]]
}

@test "a test that ran in neither place is a failure, one that ran in either is none" {
	run_bats "$T/here" --filter-tags here -- "$T/sample.bats"
	run_bats "$T/box" -- "$T/sample.bats"
	run -1 tools/coverage-table here="$T/here" box="$T/box" -- "$T/sample.bats"
	[ "$(grep -c 'ran nowhere$' <<<"$output")" -eq 2 ]
	grep -q '^-  *skipped  *one that is skipped  <-- ran nowhere$' <<<"$output"
	grep -q '^ran  *ran  *one that runs$' <<<"$output"
	[ "${lines[-1]}" = "3 end-to-end tests, 1 ran nowhere" ]
	sed -i 's/skipped$/ran/' "$T/box"
	run -0 tools/coverage-table here="$T/here" box="$T/box" -- "$T/sample.bats"
	# A place can have two lists.
	run -0 tools/coverage-table here="$T/here" here="$T/box" -- "$T/sample.bats"
	[ "${lines[-1]}" = "3 end-to-end tests, 0 ran nowhere" ]
	run -1 tools/coverage-table here=/no/list box=/no/list -- "$T/sample.bats"
	[ "${lines[-1]}" = "3 end-to-end tests, 3 ran nowhere" ]
}

# suites COMMAND...: in a shell which has read tools/suites; its folder of results is the test's.
suites() {
	local tree=$PWD
	(cd "$T" && bash -c ". $tree/tools/suites; $1")
}

@test "the sum of all suites comes last, what failed right before it" {
	cat >"$T/log" <<-'END'
		1..4
		ok 1 one
		not ok 2 two
		# said by two
		ok 3 three
		# said before four
		not ok 4 four
		# said by four
		2 passed, 2 failed, 0 skipped
	END
	run -1 suites "suite good 60 echo 3 passed, 0 failed, 1 skipped; suite bad 60 sh -c 'cat log; exit 1'; suites_end"
	[ "${lines[-1]}" = "5 passed, 2 failed, 1 skipped" ]
	diff <(sed '1,/^== what failed/d' <<<"$output" | head -n -1) - <<-'END'
		-- bad, build/results/bad.log
		not ok 2 two
		# said by two
		# said before four
		not ok 4 four
		# said by four
	END
}

@test "what failed is cut to its last lines, and every test that failed is named with the line that failed" {
	for i in {1..9}; do
		echo "not ok $i $i"
		echo "# (from function \`teardown' in test file some.bats, line $i)"
		echo "#   \`false' failed"
		seq -f "# line %g of $i" 100
	done >"$T/log"
	run -1 suites "suite bad 60 sh -c 'cat log; exit 1'; suites_end"
	[ "${#lines[@]}" -lt 70 ]
	[ "$(grep -c '^not ok' <<<"$output")" -eq 9 ]
	[ "$(grep -c "^# (from function .*, line [1-9])$" <<<"$output")" -eq 9 ]
	[ "$(grep -c "^#   .false' failed$" <<<"$output")" -eq 9 ]
	[ "$(grep -c '^# line 100 of' <<<"$output")" -eq 9 ]
}

@test "what passed only when it was repeated is named before the sum, with what it said" {
	cat >"$T/log" <<-'END'
		not ok 1 one
		# said by one
		# one.bats, once more
		ok 1 one
		# passed only when repeated: one.bats: one
		1 passed, 0 failed, 0 skipped
	END
	run -0 suites "suite again 60 cat log; suites_end"
	diff <(tail -4 <<<"$output") - <<-'END'
		# passed only when repeated: one.bats: one
		not ok 1 one
		# said by one
		1 passed, 0 failed, 0 skipped
	END
}

@test "of a suite without a result the end of the output is shown" {
	run -1 suites "suite late 1 sh -c 'seq 100; exec sleep 1000'; suite gone 60 sh -c 'exit 3'; suites_end"
	[ "${lines[-1]}" = "0 passed, 2 failed, 0 skipped" ]
	grep -qx 100 <<<"$output"
	grep -qx '   gone: ended with 3 and no result (. s, . s of processors)' <<<"$output"
}

@test "two suites run at a time, and what one of them left running ends with the whole" {
	run -0 suites "SUITES_AT_A_TIME=2; mkfifo a b; suite a 60 sh -c 'echo >a; cat b; echo 1 passed, 0 failed, 0 skipped'
		suite b 60 sh -c 'cat a; echo >b; echo 2 passed, 0 failed, 0 skipped'; suites_end"
	[ "${lines[-1]}" = "3 passed, 0 failed, 0 skipped" ]
	run -7 suites "suite a 60 sh -c 'echo \$\$ >pid; exec sleep 1000'; until [ -s pid ]; do :; done; exit 7"
	wait_until_gone "$(cat "$T/pid")"
}

# kill says nothing of a process that has ended and that nobody has waited for.
wait_until_gone() {
	while [ -d "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; do :; done
}

verdict() {
	tests/cri/verdict.py compare s "$T/ours" "$T/theirs" "$T/known"
}

@test "tests of a CRI: what differs from runc and is not listed fails, and so does what is listed in vain" {
	printf '%s\tpassed\n' a b c >"$T/theirs"
	printf 'd\tfailed\ne\tskipped\n' >>"$T/theirs"
	printf 'a\tpassed\nb\tfailed\ne\tskipped\nc\tpassed\n' >"$T/ours"
	printf '%s\n' '| suite | test | reason |' '| --- | --- | --- |' '| s | `b` | a wall |' '| other | `c` | a wall |' >"$T/known"
	run -0 verdict
	[ "${lines[-1]}" = "2 passed, 0 failed, 3 skipped" ]
	grep -q '^ok 2 s: b # skip a wall$' <<<"$output"
	grep -q '^ok 4 s: d # skip it fails with runc' <<<"$output"

	echo '| s | `c` | a wall |' >>"$T/known"
	run -1 verdict
	grep -q '^not ok 3 s: c # it is listed as a difference and is none: both passed$' <<<"$output"
	echo '| s | `nobody` | a wall |' >"$T/known"
	run -1 verdict
	grep -q '^not ok 2 s: b # runc: passed, ours: failed$' <<<"$output"
	sed -i /^b/d "$T/ours"
	run -1 verdict
	grep -q '^not ok 2 s: b # runc: passed, ours: absent$' <<<"$output"
}

@test "tests of a CRI: a row that names no test of its suite fails" {
	printf 'a\tpassed\n' | tee "$T/ours" >"$T/theirs"
	printf '%s\n' '| suite | test | reason |' '| --- | --- | --- |' '| s | `nobody` | a wall |' >"$T/known"
	run -1 verdict
	[ "${lines[-1]}" = "1 passed, 1 failed, 0 skipped" ]
}
