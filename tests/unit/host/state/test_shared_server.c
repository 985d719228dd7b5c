#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "host/state/names.h"
#include "host/state/shared_server.h"

static char root[] = "/tmp/kata-test-shared-XXXXXX";

static void put(const struct state_dir *dir, const char *name, const char *text)
{
	CHECK_EQ(file_replace(dir->fd, name, text, strlen(text), 0600, NULL), 0);
}

/* Two containers, of which the first has a server. */
static void make_two(struct state_dir *one, struct state_dir *two)
{
	CHECK(mkdtemp(root));
	CHECK_EQ(state_dir_make(root, "one", one, NULL), 0);
	CHECK_EQ(state_dir_make(root, "two", two, NULL), 0);
	put(one, STATE_SOCKET, "");
	put(one, STATE_NOTES, "{\"id\": \"one\", \"bundle\": \"/b/one\", \"share\": \"/s\"}");
}

static void remove_two(struct state_dir *one, struct state_dir *two)
{
	state_dir_close(one);
	state_dir_close(two);
	CHECK_EQ(dir_remove(AT_FDCWD, root, NULL), 0);
	(void) strcpy(root + sizeof root - sizeof "XXXXXX", "XXXXXX");
}

TEST(a_server_outlives_the_folder_of_its_first_container)
{
	struct state_dir one = STATE_DIR_NONE, two = STATE_DIR_NONE;
	auto_free char *notes = NULL;

	make_two(&one, &two);
	CHECK(!shared_server_has_others(&one));
	CHECK(!shared_server_same(&one, &two));
	CHECK_EQ(shared_server_link(&two, &one, "/b/two", NULL), 0);
	CHECK(shared_server_has_others(&one));
	CHECK(shared_server_same(&one, &two));
	CHECK_EQ(state_dir_remove(&one, NULL), 0);
	CHECK(!shared_server_has_others(&two));
	CHECK_EQ(file_read(two.fd, STATE_NOTES, 4096, &notes, NULL, NULL), 0);
	CHECK(strstr(notes, "\"two\"") && strstr(notes, "\"/b/two\"") && strstr(notes, "\"/s\""));
	CHECK(!strstr(notes, "one"));
	remove_two(&one, &two);
}

TEST(a_container_that_is_being_removed_cannot_be_joined)
{
	struct state_dir one = STATE_DIR_NONE, two = STATE_DIR_NONE;
	struct err e = {0};

	make_two(&one, &two);
	put(&one, STATE_NOTES, "[]");
	CHECK_EQ(shared_server_link(&two, &one, "/b/two", &e), -EBADMSG);
	CHECK_EQ(unlinkat(one.fd, STATE_NOTES, 0), 0);
	err_clear(&e);
	CHECK_EQ(shared_server_link(&two, &one, "/b/two", &e), -ENOENT);
	CHECK(strstr(e.text, "join the machine of container 'one'"));
	CHECK(!shared_server_same(&one, &two));
	remove_two(&one, &two);
}
