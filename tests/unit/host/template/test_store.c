#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "base/auto.h"
#include "base/file.h"
#include "host/template/template.h"

#define KEY   "00000000000000000000000000000000000000000000000000000000000000aa"
#define OTHER "00000000000000000000000000000000000000000000000000000000000000bb"
#define THIRD "00000000000000000000000000000000000000000000000000000000000000cc"
#define BYTES (1 << 20)

static char folder[32];
static char *path;

static struct hv_saved saved(char what)
{
	struct hv_saved s = {
		.memory_fd = memfd_create("memory", MFD_CLOEXEC),
		.state_fd = memfd_create("state", MFD_CLOEXEC),
	};
	char page[4096];

	memset(page, what, sizeof page);
	CHECK_EQ(ftruncate(s.memory_fd, BYTES), 0);
	CHECK_EQ(pwrite(s.memory_fd, page, sizeof page, 65536), sizeof page);
	CHECK_EQ(write(s.state_fd, "devices", 7), 7);
	return s;
}

static void up(void)
{
	strcpy(folder, "/tmp/test-store-XXXXXX");
	CHECK(mkdtemp(folder) != NULL);
	path = str_printf("%s/templates", folder);
}

static void down(void)
{
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
	free(path);
}

static int keep_some(const char *key, char what, size_t most, struct err *e)
{
	auto_template struct hv_saved s = saved(what);
	auto_close int lock = -1;

	CHECK_EQ(template_lock(path, &lock, NULL), 0);
	return template_keep(lock, key, &s, BYTES, most, e);
}

static int keep(const char *key, char what, struct err *e)
{
	return keep_some(key, what, 1, e);
}

/* What the template holds, or -errno. */
static int content(const char *key, struct err *e)
{
	auto_template struct hv_saved t = TEMPLATE_NONE;
	char state[16] = "", memory = 0;
	int r = template_open(path, key, &t, e);

	if (r < 0)
		return r;
	CHECK_EQ(t.data_bytes, 4096);
	CHECK_EQ(pread(t.state_fd, state, sizeof state, 0), 7);
	CHECK_STR(state, "devices");
	CHECK_EQ(pread(t.memory_fd, &memory, 1, 65536), 1);
	return memory;
}

static void damage(const char *file, off_t bytes)
{
	auto_free char *name = str_printf("%s/" KEY "/%s", path, file);

	CHECK_EQ(truncate(name, bytes), 0);
}

TEST(a_template_is_found_by_its_key)
{
	struct err e = {0};

	up();
	CHECK_EQ(content(KEY, NULL), -ENOENT);
	CHECK_EQ(keep(KEY, 'a', NULL), 0);
	CHECK_EQ(content(KEY, NULL), 'a');
	CHECK_EQ(content(OTHER, &e), -ENOENT);
	CHECK(strstr(e.text, "there is none for this machine in '"));
	down();
}

TEST(a_new_one_takes_the_place_of_all)
{
	auto_template struct hv_saved in_use = TEMPLATE_NONE;
	char memory = 0;

	up();
	CHECK_EQ(keep(KEY, 'a', NULL), 0);
	CHECK_EQ(template_open(path, KEY, &in_use, NULL), 0);
	CHECK_EQ(keep(KEY, 'b', NULL), 0);
	CHECK_EQ(content(KEY, NULL), 'b');
	CHECK_EQ(keep(OTHER, 'c', NULL), 0);
	CHECK_EQ(content(KEY, NULL), -ENOENT);
	CHECK_EQ(content(OTHER, NULL), 'c');
	/* Whoever had the first one open still has it. */
	CHECK_EQ(pread(in_use.memory_fd, &memory, 1, 65536), 1);
	CHECK_EQ(memory, 'a');
	down();
}

TEST(of_several_the_newest_are_kept)
{
	auto_free char *first = NULL;
	const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

	up();
	CHECK_EQ(keep_some(KEY, 'a', 2, NULL), 0);
	CHECK_EQ(keep_some(OTHER, 'b', 2, NULL), 0);
	CHECK_EQ(content(KEY, NULL), 'a');
	CHECK_EQ(content(OTHER, NULL), 'b');
	first = str_printf("%s/" KEY, path);
	CHECK_EQ(utimensat(AT_FDCWD, first, long_ago, 0), 0);
	CHECK_EQ(keep_some(THIRD, 'c', 2, NULL), 0);
	CHECK_EQ(content(KEY, NULL), -ENOENT);
	CHECK_EQ(content(OTHER, NULL), 'b');
	CHECK_EQ(content(THIRD, NULL), 'c');
	CHECK_EQ(keep_some(THIRD, 'd', 2, NULL), 0);
	CHECK_EQ(content(OTHER, NULL), 'b');
	CHECK_EQ(content(THIRD, NULL), 'd');
	down();
}

/* As if the last try had been @seconds ago. */
static void age_try(time_t seconds)
{
	auto_free char *file = str_printf("%s/last-try", path);
	const struct timespec then[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) - seconds}};

	CHECK_EQ(utimensat(AT_FDCWD, file, then, 0), 0);
}

TEST(a_missing_template_is_tried_once_in_a_while)
{
	int first = -1, second = -1;

	up();
	CHECK_EQ(template_try(path, &first, NULL), 0);
	CHECK_EQ(template_try(path, &second, NULL), -EALREADY);
	age_try(TEMPLATE_TRY_PAUSE_S + 1);
	CHECK_EQ(template_try(path, &second, NULL), -EALREADY);
	age_try(1);
	close(first);
	CHECK_EQ(template_try(path, &second, NULL), -EALREADY);
	age_try(TEMPLATE_TRY_PAUSE_S + 1);
	CHECK_EQ(template_try(path, &first, NULL), 0);
	CHECK_EQ(template_try(path, &second, NULL), -EALREADY);
	/* As long as its maker lives, however long that takes. */
	age_try(TEMPLATE_TRY_PAUSE_S + 1);
	CHECK_EQ(template_try(path, &second, NULL), -EALREADY);
	close(first);
	/* One that is to come is a clock that was set back. */
	age_try(-TEMPLATE_TRY_PAUSE_S);
	CHECK_EQ(template_try(path, &first, NULL), 0);
	close(first);
	down();
}

TEST(what_a_try_said_is_the_reason_until_there_is_a_template)
{
	struct err e = {0};
	int fd = -1;

	up();
	CHECK_EQ(template_try(path, &fd, NULL), 0);
	CHECK_EQ(content(KEY, &e), -ENOENT);
	CHECK(!strstr(e.text, "last try"));
	err_clear(&e);
	CHECK_EQ(dprintf(fd, "no room\nfor anything\n"), 21);
	close(fd);
	CHECK_EQ(content(KEY, &e), -ENOENT);
	CHECK(strstr(e.text, "; the last try: no room"));
	CHECK(!strstr(e.text, "anything"));
	err_clear(&e);
	age_try(TEMPLATE_TRY_PAUSE_S + 1);
	CHECK_EQ(template_try(path, &fd, NULL), 0);
	CHECK_EQ(content(KEY, &e), -ENOENT);
	CHECK(!strstr(e.text, "last try"));
	close(fd);
	CHECK_EQ(keep(KEY, 'a', NULL), 0);
	/* And the next that is missing is tried at once. */
	CHECK_EQ(template_try(path, &fd, NULL), 0);
	close(fd);
	down();
}

TEST(a_folder_of_others_is_no_place_to_try)
{
	int fd = -1;

	up();
	CHECK_EQ(mkdir(path, 0755), 0);
	CHECK_EQ(template_try(path, &fd, NULL), -EPERM);
	down();
}

TEST(what_is_not_a_template_is_left_alone)
{
	auto_free char *mine = NULL, *unfinished = NULL;
	auto_close int lock = -1;
	struct stat st;
	unsigned n = 7;

	up();
	CHECK_EQ(keep(KEY, 'a', NULL), 0);
	mine = str_printf("%s/notes", path);
	unfinished = str_printf("%s/unfinished", path);
	CHECK_EQ(mkdir(mine, 0700), 0);
	CHECK_EQ(mkdir(unfinished, 0700), 0);
	CHECK_EQ(template_lock(path, &lock, NULL), 0);
	CHECK_EQ(template_remove_all(lock, &n, NULL), 0);
	CHECK_EQ(n, 1);
	CHECK_EQ(stat(mine, &st), 0);
	CHECK_EQ(stat(unfinished, &st), -1);
	CHECK_EQ(content(KEY, NULL), -ENOENT);
	down();
}

TEST(what_a_killed_maker_has_left_is_in_nobodys_way)
{
	auto_free char *half = NULL;

	up();
	CHECK_EQ(keep(OTHER, 'a', NULL), 0);
	half = str_printf("%s/unfinished", path);
	CHECK_EQ(mkdir(half, 0700), 0);
	free(take_ptr(half));
	half = str_printf("%s/unfinished/memory", path);
	CHECK_EQ(close(open(half, O_CREAT | O_WRONLY, 0600)), 0);
	CHECK_EQ(content(KEY, NULL), -ENOENT);
	CHECK_EQ(keep(KEY, 'b', NULL), 0);
	CHECK_EQ(content(KEY, NULL), 'b');
	down();
}

TEST(a_template_that_is_not_whole_is_none)
{
	struct err e = {0};

	up();
	CHECK_EQ(keep(KEY, 'a', NULL), 0);
	damage("state", 3);
	CHECK_EQ(content(KEY, &e), -EIO);
	CHECK(strstr(e.text, "'state' has 3 bytes and should have 7"));
	CHECK_EQ(keep(KEY, 'a', NULL), 0);
	damage("memory", 0);
	CHECK_EQ(content(KEY, NULL), -EIO);
	CHECK_EQ(keep(KEY, 'a', NULL), 0);
	damage("about", 31);
	CHECK_EQ(content(KEY, NULL), -EIO);
	down();
}

TEST(others_have_no_part_in_it)
{
	auto_free char *state = NULL;
	int lock = -1;
	struct err e = {0};

	up();
	CHECK_EQ(keep(KEY, 'a', NULL), 0);
	CHECK_EQ(chmod(path, 0701), 0);
	CHECK_EQ(content(KEY, &e), -EPERM);
	CHECK(strstr(e.text, "is open to other users (mode 0701)"));
	CHECK_EQ(template_lock(path, &lock, NULL), -EPERM);
	CHECK_EQ(chmod(path, 0700), 0);
	state = str_printf("%s/" KEY "/state", path);
	CHECK_EQ(chmod(state, 0660), 0);
	CHECK_EQ(content(KEY, NULL), -EPERM);
	CHECK_EQ(unlink(state), 0);
	CHECK_EQ(symlink("/etc/passwd", state), 0);
	CHECK_EQ(content(KEY, NULL), -ELOOP);
	CHECK_EQ(unlink(state), 0);
	CHECK_EQ(mkfifo(state, 0600), 0); /* would have everybody wait */
	CHECK_EQ(content(KEY, NULL), -EIO);
	down();
}

TEST(makers_take_turns)
{
	int first = -1, other;

	up();
	CHECK_EQ(template_lock(path, &first, NULL), 0);
	other = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_EQ(flock(other, LOCK_EX | LOCK_NB), -1);
	close(first);
	CHECK_EQ(flock(other, LOCK_EX | LOCK_NB), 0);
	close(other);
	down();
}
