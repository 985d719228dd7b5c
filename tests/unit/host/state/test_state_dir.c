#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "host/state/state_dir.h"

static char root[] = "/tmp/kata-test-root-XXXXXX";

TEST(an_id_is_taken_once)
{
	auto_state_dir struct state_dir first = STATE_DIR_NONE;
	auto_state_dir struct state_dir second = STATE_DIR_NONE;
	struct err e = {0};

	CHECK(mkdtemp(root));
	CHECK_EQ(state_dir_make(root, "c1", &first, &e), 0);
	CHECK_EQ(state_dir_make(root, "c1", &second, &e), -EEXIST);
	CHECK_STR(e.text, "container with given ID already exists: 'c1'");
	CHECK_EQ(state_dir_remove(&first, NULL), 0);
	CHECK_EQ(dir_remove(AT_FDCWD, root, NULL), 0);
}

TEST(what_is_not_there_does_not_exist)
{
	auto_state_dir struct state_dir dir = STATE_DIR_NONE;
	struct err e = {0};

	CHECK_EQ(state_dir_open("/nowhere", "c1", &dir, &e), -ENOENT);
	CHECK_STR(e.text, "container 'c1' does not exist");
	CHECK_EQ(state_dir_open("/nowhere", "../etc", &dir, NULL), -EINVAL);
}

TEST(a_record_comes_back_as_it_was)
{
	auto_state_dir struct state_dir dir = STATE_DIR_NONE;
	auto_record struct record back = {0};
	struct record record = {
		.bundle = "/b \"quoted\"",
		.rootfs = "/b/rootfs",
		.created = "2026-01-01T00:00:00Z",
		.owner = "root",
		.pid = 42,
		.pid_start = 4200000000000ULL,
	};

	CHECK(mkdtemp(root));
	CHECK_EQ(state_dir_make(root, "c1", &dir, NULL), 0);
	CHECK_EQ(record_read(&dir, &back, NULL), -ENOENT);
	CHECK_EQ(record_write(&dir, &record, NULL), 0);
	CHECK_EQ(record_read(&dir, &back, NULL), 0);
	CHECK_STR(back.bundle, record.bundle);
	CHECK_EQ(back.pid, 42);
	CHECK(back.pid_start == record.pid_start);
	CHECK_EQ(state_dir_remove(&dir, NULL), 0);
	CHECK_EQ(dir_remove(AT_FDCWD, root, NULL), 0);
}

TEST(a_broken_record_is_a_sentence)
{
	auto_state_dir struct state_dir dir = STATE_DIR_NONE;
	auto_record struct record back = {0};

	CHECK(mkdtemp(root));
	CHECK_EQ(state_dir_make(root, "c1", &dir, NULL), 0);
	CHECK_EQ(file_replace(dir.fd, "state.json", "{", 1, 0600, NULL), 0);
	CHECK_EQ(record_read(&dir, &back, NULL), -EBADMSG);
	CHECK_EQ(state_dir_remove(&dir, NULL), 0);
	CHECK_EQ(dir_remove(AT_FDCWD, root, NULL), 0);
}
