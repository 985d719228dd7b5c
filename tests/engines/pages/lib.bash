# shellcheck shell=bash disable=SC2154,SC2153
# Runs the commands of a page of docs/engines as they stand there, as somebody who has installed the program and follows the
# page: the files that the page says go where it says, and a line of the page that no test takes fails the last test. A machine
# of its own for each page (tools/room tests/engines/in-root), because nothing is named otherwise than an administrator would.

bats_require_minimum_version 1.5.0
load ../../e2e/lib/common

PAGES=$TREE/docs/engines
# What is Debian's comes first: another program of that name is not the page's.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin

# machine_begin FOLDER...: what was installed below build/installed, and the folders where engines keep files on a file system
# that an overlay can stand on.
machine_begin() {
	local folder
	if [ "$(findmnt -no FSTYPE /)" != overlay ] || [ "$(stat -fc %T /run)" != tmpfs ]; then
		echo "this is for a machine of its own: make check-engines" >&2
		return 1
	fi
	export WORK=$BATS_FILE_TMPDIR
	cp -r "$TREE/build/installed/." /
	for folder; do
		mkdir -p "$folder"
		mount -t tmpfs tmpfs "$folder"
	done
	make_rootfs "$WORK/image"
	tar -C "$WORK/image" -cf "$WORK/image.tar" .
}

# What the page has indented, without the indent; blocks are apart by an empty line.
examples() {
	sed 's/^    //; t; s/.*//' "$PAGES/$PAGE" | cat -s
}

# example START: the block that begins so.
example() {
	START=$1 awk 'BEGIN { RS = "" } index($0, ENVIRON["START"]) == 1 { print; found = 1; exit } END { exit !found }' < <(examples)
}

commands() {
	examples | grep -E '^(docker|podman|podman-compose|ctr|printf|buildah|c=) '
	examples | grep -E '^c='
}

# chapter NAME: the examples of one chapter.
chapter() {
	sed -n "/^## $1\$/,/^## /s/^    //p" "$PAGES/$PAGE"
}

# follow START: runs the page's line that begins so, which must succeed; what it prints is in $output. Of two such lines the
# start says which. A name in capitals is the reader's to fill in.
follow() {
	local line
	line=$(commands | grep -F -- "$1" | head -1)
	[ -n "$line" ] || {
		echo "the page $PAGE has no line '$1'" >&2
		return 1
	}
	echo "$line" >>"$WORK/followed"
	run --separate-stderr timeout --foreground 180 bash -c "cd '$WORK'; ${BEFORE:-}${line//IMAGE/${IMAGE:-}}"
	echo "$line: $status"
	printf '%s\n' "$output" "$stderr"
	[ "$status" -eq 0 ]
}

# The last line of what a command printed is of a kernel that is not the host's.
is_of_a_guest() {
	[[ $output == *Linux\ * && $output != *"$(uname -r)"* ]]
}

# no_line_is_left [LINE...]: those beside LINE, for which there is a reason, were followed.
no_line_is_left() {
	local line left=0
	while read -r line; do
		grep -qxF -- "$line" "$WORK/followed" || {
			echo "nobody has followed: $line" >&2
			left=1
		}
	done < <(commands | grep -vxF -f <(printf '%s\n' "$@"))
	return $left
}
