/*
 * file_calls FOLDER: what programs do to files, one thing after the other, each in an empty folder
 * below FOLDER. Prints a line for each: its name and what came of it. The same lines come from a
 * file system of the host and from one that a machine shares, or the share is at fault.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof(*(a)))
#define PAGE         4096

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	va_list args;

	putchar(' ');
	va_start(args, format);
	(void) vprintf(format, args);
	va_end(args);
}

/* The result of a call: a number, or the name of the error. */
static long said(const char *what, long r)
{
	say("%s=%s", what, r < 0 ? strerrorname_np(errno) : r == 0 ? "0" : "yes");
	return r;
}

/* Links and owners of a file, and what is in it: its size, its sum, its first bytes. */
static void say_fd(int fd)
{
	static char bytes[1 << 16];
	struct stat st = {0};
	uint32_t sum = 1;
	ssize_t n;

	(void) fstat(fd, &st);
	for (off_t at = 0; (n = pread(fd, bytes, sizeof bytes, at)) > 0; at += n)
		for (ssize_t i = 0; i < n; i++)
			sum = sum * 31 + (unsigned char) bytes[i];
	memset(bytes, 0, 8);
	(void) pread(fd, bytes, 8, 0);
	for (int i = 0; i < 8; i++)
		bytes[i] = bytes[i] ? bytes[i] : '.';
	say("%lld bytes, %u links, mode %o, sum %08x, '%.8s'", (long long) st.st_size,
	    (unsigned) st.st_nlink, st.st_mode & 07777, sum, bytes);
}

static void say_file(const char *name)
{
	int fd = open(name, O_RDONLY);

	if (fd < 0) {
		say("%s", strerrorname_np(errno));
		return;
	}
	say_fd(fd);
	close(fd);
}

static void put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (write(fd, text, strlen(text)) < 0)
		said("write", -1);
	close(fd);
}

static char *map(int fd, size_t bytes)
{
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		said("mmap", -1);
	return at == MAP_FAILED ? NULL : at;
}

static int fresh(int flags)
{
	int fd = open("f", O_RDWR | O_CREAT | O_TRUNC | flags, 0644);

	if (fd < 0)
		said("open", -1);
	return fd;
}

/* In another process; its end is waited for. */
#define IN_CHILD(...)                                     \
	do {                                              \
		(void) fflush(stdout);                    \
		pid_t pid_ = fork();                      \
		if (pid_ == 0) {                          \
			__VA_ARGS__(void) fflush(stdout); \
			_exit(0);                         \
		}                                         \
		(void) waitpid(pid_, NULL, 0);            \
	} while (0)

static void append_mapped(void)
{
	int fd = fresh(O_APPEND);
	char *at = ftruncate(fd, 1024) == 0 ? map(fd, 1024) : NULL;

	if (at) {
		memcpy(at, "ABCD", 4);
		said("msync", msync(at, 1024, MS_SYNC));
	}
	say_file("f");
}

static void append_mapped_beside_another(void)
{
	int plain = fresh(0), append = open("f", O_RDWR | O_APPEND);
	char *one = ftruncate(plain, PAGE) == 0 ? map(plain, PAGE) : NULL;
	char *two = map(append, PAGE);

	if (one && two) {
		memcpy(one, "ABCD", 4);
		memcpy(two + 4, "EFGH", 4);
		said("msync", msync(one, PAGE, MS_SYNC));
	}
	say_file("f");
}

/* The flag is gone from the descriptor, so writes go where they say. */
static void append_taken_away(void)
{
	int fd = fresh(O_APPEND);

	said("write", write(fd, "01234567", 8));
	said("fcntl", fcntl(fd, F_SETFL, 0));
	said("pwrite", pwrite(fd, "AB", 2, 0));
	say_file("f");
}

static void append_taken_away_then_mapped(void)
{
	int fd = fresh(O_APPEND);
	char *at;

	said("fcntl", ftruncate(fd, PAGE) == 0 ? fcntl(fd, F_SETFL, 0) : -1);
	at = map(fd, PAGE);
	if (at) {
		memcpy(at, "ABCD", 4);
		said("msync", msync(at, PAGE, MS_SYNC));
	}
	say_file("f");
}

static void append_given_later(void)
{
	int fd = fresh(0), other = open("f", O_WRONLY);

	said("fcntl", fcntl(fd, F_SETFL, O_APPEND));
	said("write", write(fd, "one ", 4));
	said("write", pwrite(other, "XXXXXX", 6, 0));
	said("write", write(fd, "two ", 4));
	say_file("f");
}

static void append_of_two(void)
{
	int one = fresh(O_APPEND), two = open("f", O_WRONLY | O_APPEND);

	for (int i = 0; i < 20; i++)
		if (write(i % 3 ? one : two, &"0123456789"[i % 10], 1) != 1)
			said("write", -1);
	say_file("f");
}

static void append_of_two_processes(void)
{
	(void) close(fresh(0));
	(void) fflush(stdout);
	for (int p = 0; p < 2; p++)
		if (fork() == 0) {
			int fd = open("f", O_WRONLY | O_APPEND);

			for (int i = 0; i < 200; i++)
				if (write(fd, "line\n", 5) != 5)
					_exit(1);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	say_file("f");
}

/* The kernel's own rule: an append descriptor of pwrite() appends, whatever the place says. */
static void append_and_pwrite(void)
{
	int fd = fresh(O_APPEND);

	said("write", write(fd, "0123", 4));
	said("pwrite", pwrite(fd, "AB", 2, 0));
	say_file("f");
}

static void append_after_truncate(void)
{
	int fd = fresh(O_APPEND);

	said("write", write(fd, "0123456789", 10));
	said("truncate", truncate("f", 2));
	said("write", write(fd, "AB", 2));
	say_file("f");
}

static void direct(void)
{
	int fd = open("f", O_RDWR | O_CREAT | O_DIRECT, 0644), plain;
	char *at = aligned_alloc(PAGE, PAGE);

	memset(at, 'd', PAGE);
	if (said("open", fd) < 0)
		return;
	said("pwrite", pwrite(fd, at, PAGE, 0));
	plain = open("f", O_RDWR);
	said("pwrite", pwrite(plain, "plain", 5, 0));
	said("pread", pread(fd, at, PAGE, 0));
	say("'%.5s'", at);
	memset(at, 'e', PAGE);
	said("pwrite", pwrite(fd, at, PAGE, 0));
	say_file("f");
}

static void direct_beside_a_mapping(void)
{
	int plain = fresh(0), fd = open("f", O_RDWR | O_DIRECT);
	char *bytes = aligned_alloc(PAGE, PAGE), *at;

	if (fd < 0 || ftruncate(plain, PAGE) < 0 || !(at = map(plain, PAGE)))
		return;
	memcpy(at, "mapped", 6);
	said("pread", pread(fd, bytes, PAGE, 0));
	say("'%.6s'", bytes);
	memcpy(bytes, "direct", 6);
	said("pwrite", pwrite(fd, bytes, PAGE, 0));
	say("'%.6s'", at);
	say_file("f");
}

static void mapped_after_close(void)
{
	int fd = fresh(0);
	char *at = ftruncate(fd, 3 * PAGE + 5) == 0 ? map(fd, 3 * PAGE + 5) : NULL;

	(void) close(fd);
	memset(at, 'x', 3 * PAGE + 5);
	said("munmap", munmap(at, 3 * PAGE + 5));
	say_file("f");
}

static void mapped_and_written(void)
{
	int fd = fresh(0), other = open("f", O_RDWR);
	char *at = ftruncate(fd, PAGE) == 0 ? map(fd, PAGE) : NULL;
	char bytes[5] = "";

	said("pwrite", pwrite(other, "file", 4, 0));
	say("'%.4s'", at);
	memcpy(at, "mapp", 4);
	said("pread", pread(other, bytes, 4, 0));
	say("'%s'", bytes);
	IN_CHILD(memcpy(at + 4, "chld", 4););
	say_file("f");
}

static void mapped_then_truncated(void)
{
	int fd = fresh(0);
	char *at = ftruncate(fd, 2 * PAGE) == 0 ? map(fd, 2 * PAGE) : NULL;

	memset(at, 'x', 2 * PAGE);
	said("ftruncate", ftruncate(fd, 10));
	said("ftruncate", ftruncate(fd, 2 * PAGE));
	say_file("f");
	memcpy(at + PAGE, "again", 5);
	said("msync", msync(at, 2 * PAGE, MS_SYNC));
	say_file("f");
}

static void mapped_beyond_the_end(void)
{
	int fd = fresh(0);
	char *at = write(fd, "abc", 3) == 3 ? map(fd, PAGE) : NULL;
	int status = 0;

	memset(at + 3, 'z', 10);
	said("msync", msync(at, PAGE, MS_SYNC));
	said("ftruncate", ftruncate(fd, 20));
	say_file("f");
	(void) fflush(stdout);
	at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fork() == 0) {
		at[PAGE] = 1;
		_exit(0);
	}
	(void) wait(&status);
	say("signal %d", WTERMSIG(status));
}

static void mapped_and_unlinked(void)
{
	int fd = fresh(0);
	char *at = ftruncate(fd, PAGE) == 0 ? map(fd, PAGE) : NULL;

	said("unlink", unlink("f"));
	memcpy(at, "gone", 4);
	said("msync", msync(at, PAGE, MS_SYNC));
	say_fd(fd);
}

static void mapped_privately(void)
{
	int fd = fresh(0);
	char *at;

	said("write", write(fd, "file", 4));
	at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	memcpy(at, "priv", 4);
	said("pwrite", pwrite(fd, "F", 1, 0));
	say_file("f");
}

static void mapped_for_reading_only(void)
{
	int fd;
	char *at;

	put("f", "before");
	fd = open("f", O_RDONLY);
	at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		said("mmap", -1);
		return;
	}
	put("f", "after!");
	say("'%.6s'", at);
}

static void time_of_a_mapped_write(void)
{
	int fd = fresh(0);
	char *at = ftruncate(fd, PAGE) == 0 ? map(fd, PAGE) : NULL;
	const struct timespec old[2] = {{1000, 0}, {1000, 0}};
	struct stat st;

	said("futimens", futimens(fd, old));
	memcpy(at, "x", 1);
	said("msync", msync(at, PAGE, MS_SYNC));
	(void) fstat(fd, &st);
	say("%s", st.st_mtim.tv_sec > 1000 ? "newer" : "as before");
}

static void times_as_set(void)
{
	int fd = fresh(0);
	const struct timespec old[2] = {{1000, 5}, {2000, 7}};
	struct stat st;

	said("write", write(fd, "x", 1));
	said("futimens", futimens(fd, old));
	(void) close(fd);
	(void) stat("f", &st);
	say("%ld.%ld", (long) st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static void unlinked_while_open(void)
{
	int fd = fresh(0);

	said("write", write(fd, "here", 4));
	said("unlink", unlink("f"));
	said("write", write(fd, "still", 5));
	said("ftruncate", ftruncate(fd, 7));
	said("fchmod", fchmod(fd, 0600));
	say_fd(fd);
}

static void opened_again_by_descriptor(void)
{
	int fd = fresh(0), again;
	char path[64];

	said("write", write(fd, "here", 4));
	said("unlink", unlink("f"));
	(void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR);
	if (said("open", again) >= 0)
		say_fd(again);
}

static void renamed_while_open(void)
{
	int fd = fresh(0);

	said("rename", rename("f", "g"));
	said("write", write(fd, "text", 4));
	put("f", "other");
	said("write", write(fd, "more", 4));
	say_file("f");
	say_file("g");
}

static void renamed_over_one_that_is_open(void)
{
	int fd;

	put("f", "old text");
	put("g", "new");
	fd = open("f", O_RDWR);
	said("rename", rename("g", "f"));
	say_fd(fd);
	said("pwrite", pwrite(fd, "lost", 4, 0));
	say_file("f");
	say_file("g");
}

static void renamed_in_special_ways(void)
{
	put("f", "f");
	put("g", "g");
	said("noreplace", renameat2(AT_FDCWD, "f", AT_FDCWD, "g", RENAME_NOREPLACE));
	said("exchange", renameat2(AT_FDCWD, "f", AT_FDCWD, "g", RENAME_EXCHANGE));
	say_file("f");
	said("noreplace", renameat2(AT_FDCWD, "f", AT_FDCWD, "h", RENAME_NOREPLACE));
	say_file("h");
}

static void renamed_folders(void)
{
	said("mkdir", mkdir("a", 0755) | mkdir("a/b", 0755) | mkdir("c", 0755));
	put("a/b/f", "deep");
	said("into itself", rename("a", "a/b/x"));
	said("onto empty", rename("a", "c"));
	say_file("c/b/f");
	said("rmdir", rmdir("c"));
}

static void links(void)
{
	struct stat st;

	put("f", "f");
	said("link", link("f", "g"));
	say_file("g");
	said("unlink", unlink("f"));
	say_file("g");
	said("symlink", symlink("g", "s"));
	(void) lstat("s", &st);
	say("%lld", (long long) st.st_size);
	said("nofollow", open("s", O_RDONLY | O_NOFOLLOW));
	said("excl", open("s", O_RDWR | O_CREAT | O_EXCL, 0644));
}

static void link_of_a_descriptor(void)
{
	int fd = fresh(0);
	char path[64];

	said("write", write(fd, "x", 1));
	(void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	said("linkat", linkat(AT_FDCWD, path, AT_FDCWD, "g", AT_SYMLINK_FOLLOW));
	say_file("g");
}

static void tmpfile_without_a_name(void)
{
	int fd = open(".", O_RDWR | O_TMPFILE, 0600);
	char path[64];

	if (said("open", fd) < 0)
		return;
	said("write", write(fd, "x", 1));
	(void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	said("linkat", linkat(AT_FDCWD, path, AT_FDCWD, "g", AT_SYMLINK_FOLLOW));
	say_file("g");
}

static int filled(size_t bytes)
{
	int fd = fresh(0);
	char *text = malloc(bytes);

	for (size_t i = 0; i < bytes; i++)
		text[i] = (char) ('a' + i % 23);
	if (write(fd, text, bytes) != (ssize_t) bytes)
		said("write", -1);
	free(text);
	return fd;
}

static void fallocate_punch(void)
{
	int fd = filled(4 * PAGE);
	char *at = map(fd, 4 * PAGE);

	at[PAGE + 1] = '!';
	said("punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE + 100));
	say("%d", at[PAGE + 1]);
	say_file("f");
}

static void fallocate_grow(void)
{
	int fd = filled(10);
	struct stat st;

	said("keep", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 20));
	say_file("f");
	said("grow", fallocate(fd, 0, 0, 8192));
	say_file("f");
	said("posix", posix_fallocate(fd, 8192, 8192));
	(void) fstat(fd, &st);
	say("%lld", (long long) st.st_size);
}

static void fallocate_zero(void)
{
	int fd = filled(4 * PAGE);

	said("zero", fallocate(fd, FALLOC_FL_ZERO_RANGE, 100, PAGE));
	say_file("f");
}

static void fallocate_collapse(void)
{
	int fd = filled(4 * PAGE);

	said("collapse", fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, PAGE, PAGE));
	say_file("f");
	said("insert", fallocate(fd, FALLOC_FL_INSERT_RANGE, PAGE, PAGE));
	say_file("f");
}

static void holes(void)
{
	int fd = fresh(0);

	said("pwrite", pwrite(fd, "x", 1, 1 << 20));
	say("data %lld", (long long) lseek(fd, 0, SEEK_DATA));
	say("hole %lld", (long long) lseek(fd, 1 << 20, SEEK_HOLE));
	said("beyond", lseek(fd, 1 << 21, SEEK_DATA));
}

static void far_away(void)
{
	int fd = fresh(0);
	char c = 0;

	said("pwrite", pwrite(fd, "x", 1, 5LL << 30));
	said("pread", pread(fd, &c, 1, 5LL << 30));
	say("%c %lld", c, (long long) lseek(fd, 0, SEEK_END));
	said("too far", pwrite(fd, "x", 1, INT64_MAX));
}

static void copied_in_the_kernel(void)
{
	int from = filled(3 * PAGE), to = open("g", O_RDWR | O_CREAT, 0644);
	off_t in = 10, out = 5;

	said("pwrite", pwrite(from, "dirty", 5, 20));
	say("%zd", copy_file_range(from, &in, to, &out, 5000, 0));
	say_file("g");
	in = 0;
	say("%zd", sendfile(to, from, &in, 3 * PAGE));
	say_file("g");
	in = 0;
	out = 2 * PAGE;
	say("%zd", copy_file_range(from, &in, from, &out, 100, 0));
	say_file("f");
}

static void copied_from_a_mapping(void)
{
	int from = filled(PAGE), to = open("g", O_RDWR | O_CREAT, 0644);
	char *at = map(from, PAGE);
	off_t in = 0;

	memcpy(at, "MAPPED", 6);
	say("%zd", copy_file_range(from, &in, to, NULL, PAGE, 0));
	say_file("g");
}

static void as_somebody(void (*what)(void))
{
	(void) chmod(".", 0777);
	IN_CHILD({
		if (setresgid(1234, 1234, 1234) < 0 || setresuid(1234, 1234, 1234) < 0)
			said("setuid", -1);
		what();
	});
}

static void write_a_byte(void)
{
	int fd = open("f", O_WRONLY);

	said("write", write(fd, "x", 1));
	(void) close(fd);
	fd = open("m", O_RDWR);

	char *at = map(fd, 4);

	at[0] = 'x';
	said("msync", msync(at, 4, MS_SYNC));
}

static void setuid_goes_on_write(void)
{
	put("f", "text");
	put("m", "text");
	said("chmod", chmod("f", 06777) | chmod("m", 06777));
	as_somebody(write_a_byte);
	say_file("f");
	say_file("m");
	put("g", "text");
	said("chmod", chmod("g", 06777));
	said("truncate", truncate("g", 1));
	say_file("g");
	said("chown", chown("g", 5, 5));
	say_file("g");
}

static void truncate_it(void)
{
	said("truncate", truncate("f", 1));
}

static void setuid_goes_on_truncate(void)
{
	put("f", "text");
	said("chmod", chmod("f", 06777));
	as_somebody(truncate_it);
	say_file("f");
}

static void open_some(void)
{
	said("open", open("secret", O_RDONLY));
	said("create", open("mine", O_RDWR | O_CREAT, 0444));
	said("again", open("mine", O_RDWR));
	said("chmod", chmod("secret", 0777));
	said("unlink", unlink("sticky/f"));
	said("link", link("secret", "l"));
	said("mkdir", mkdir("gid/d", 0755));
}

static void rights_of_others(void)
{
	struct stat st = {0};

	put("secret", "x");
	said("chmod", chmod("secret", 0600) | mkdir("sticky", 0) | chmod("sticky", 01777) |
			      mkdir("gid", 0) | chmod("gid", 02777));
	put("sticky/f", "x");
	as_somebody(open_some);
	(void) stat("mine", &st);
	say("%u:%u", st.st_uid, st.st_gid);
	(void) stat("gid/d", &st);
	say("%u:%u %o", st.st_uid, st.st_gid, st.st_mode & 07777);
}

static void opened_for_truncation(void)
{
	int fd;

	put("f", "a long text");
	fd = open("f", O_RDONLY);
	put("f", "short");
	say_fd(fd);
	said("creat", open("f", O_RDWR | O_CREAT | O_EXCL, 0644));
	said("dir", open(".", O_RDWR));
	said("notdir", open("f/x", O_RDONLY));
}

/* All of it gone while the folder is being read. */
static void folder_emptied_while_read(void)
{
	DIR *dir = opendir(".");
	const struct dirent *d;
	char name[32];
	int n = 0;

	for (int i = 0; i < 500; i++) {
		(void) snprintf(name, sizeof name, "a-file-with-a-name-%d", i);
		put(name, "");
	}
	rewinddir(dir);
	while ((d = readdir(dir)))
		if (d->d_name[0] == 'a')
			n += unlink(d->d_name) == 0;
	(void) closedir(dir);
	say("%d gone", n);
	dir = opendir(".");
	for (n = 0; readdir(dir); n++)
		;
	(void) closedir(dir);
	say("%d left", n);
}

static void folder_read_from_a_place(void)
{
	DIR *dir;
	char name[32], want[256];
	long at = 0;

	for (int i = 0; i < 100; i++) {
		(void) snprintf(name, sizeof name, "file-%d", i);
		put(name, "");
	}
	dir = opendir(".");
	for (int i = 0; i < 50; i++) {
		(void) readdir(dir);
		at = telldir(dir);
	}
	(void) snprintf(want, sizeof want, "%s", readdir(dir)->d_name);
	while (readdir(dir))
		;
	seekdir(dir, at);
	say("%s", strcmp(want, readdir(dir)->d_name) ? "another" : "the same");
	put("late", "");
	rewinddir(dir);

	int n = 0;

	while (readdir(dir))
		n++;
	say("%d", n);
}

static void links_of_folders(void)
{
	struct stat st;

	said("mkdir", mkdir("a", 0755) | mkdir("a/b", 0755) | mkdir("a/c", 0755));
	(void) stat("a", &st);
	say("%u", (unsigned) st.st_nlink);
	said("rmdir", rmdir("a/b"));
	(void) stat("a", &st);
	say("%u", (unsigned) st.st_nlink);
	said("not empty", rmdir("a"));
	said("chdir", chdir("a/c"));
	said("rmdir", rmdir("../c"));
	said("create", open("x", O_RDWR | O_CREAT, 0644));
	(void) chdir("../..");
}

static void kinds_of_files(void)
{
	struct sockaddr_un addr = {AF_UNIX, "sock"};
	int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), fd;
	char text[3] = "";

	said("fifo", mkfifo("fifo", 0644));
	fd = open("fifo", O_RDWR);
	said("write", write(fd, "ab", 2));
	said("read", read(fd, text, 2));
	say("'%s'", text);
	said("bind", bind(s, (struct sockaddr *) &addr, sizeof addr));
	said("listen", listen(s, 1));
	said("connect", connect(c, (struct sockaddr *) &addr, sizeof addr));
}

static void attributes(void)
{
	int fd = fresh(0);
	char text[64] = "";

	said("set", fsetxattr(fd, "user.one", "1", 1, 0));
	said("create", setxattr("f", "user.one", "2", 1, XATTR_CREATE));
	said("get", getxattr("f", "user.one", text, sizeof text));
	say("'%s'", text);
	said("unlink", unlink("f"));
	said("get", fgetxattr(fd, "user.one", text, sizeof text));
	put("g", "");
	said("none", getxattr("g", "user.none", text, sizeof text));
	said("set", setxattr("g", "user.big", text, 60, 0));
	say("%zd", getxattr("g", "user.big", NULL, 0));
	said("range", getxattr("g", "user.big", text, 5));
	said("remove", removexattr("g", "user.big"));
}

static void attributes_of_the_system(void)
{
	put("g", "");
	said("trusted", setxattr("g", "trusted.x", "1", 1, 0));
}

static void locks(void)
{
	int fd = fresh(0), other = open("f", O_RDWR);
	struct flock all = {.l_type = F_WRLCK};

	said("flock", flock(fd, LOCK_EX | LOCK_NB));
	said("other", flock(other, LOCK_EX | LOCK_NB));
	said("unlock", flock(fd, LOCK_UN));
	said("other", flock(other, LOCK_EX | LOCK_NB));
	said("fcntl", fcntl(fd, F_SETLK, &all));
	IN_CHILD({
		int mine = open("f", O_RDWR);

		said("child", fcntl(mine, F_SETLK, &all));
		said("child of", fcntl(mine, F_OFD_SETLK, &all));
	});
	(void) close(other); /* which drops all of this process's record locks */
	IN_CHILD(said("child", fcntl(open("f", O_RDWR), F_SETLK, &all)););
	said("of", fcntl(fd, F_OFD_SETLK, &all));
	said("other of", fcntl(open("f", O_RDWR), F_OFD_SETLK, &all));
	said("lease", fcntl(open("f", O_RDONLY), F_SETLEASE, F_RDLCK));
}

static void written_by_two_at_once(void)
{
	(void) close(fresh(0));
	(void) fflush(stdout);
	for (int p = 0; p < 2; p++)
		if (fork() == 0) {
			int fd = open("f", O_WRONLY);

			/* Halves of the same pages. */
			for (int i = p; i < 64; i += 2)
				if (pwrite(fd, p ? "B" : "A", 1, i * 100) != 1)
					_exit(1);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	say_file("f");
}

static void mapped_by_two_at_once(void)
{
	int fd = fresh(0);

	(void) !ftruncate(fd, 2 * PAGE);
	(void) fflush(stdout);
	for (int p = 0; p < 2; p++)
		if (fork() == 0) {
			char *at = map(open("f", O_RDWR), 2 * PAGE);

			for (int i = p; i < 2 * PAGE; i += 2)
				at[i] = (char) ('A' + p);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	say_file("f");
}

static void executed_while_written(void)
{
	char *argv[] = {"./p", NULL}, *none[] = {NULL};
	int fd = open("p", O_RDWR | O_CREAT, 0755);

	said("write", write(fd, "#!/none\n", 8));
	IN_CHILD(said("exec", execve("./p", argv, none)););
	(void) close(fd);
	IN_CHILD(said("exec", execve("./p", argv, none)););
}

static void names(void)
{
	char name[300];

	memset(name, 'n', sizeof name);
	name[255] = '\0';
	said("255", close(open(name, O_RDWR | O_CREAT, 0644)));
	name[255] = 'n';
	name[256] = '\0';
	said("256", open(name, O_RDWR | O_CREAT, 0644));
	put("odd \n\xff,\\name", "x");
	say_file("odd \n\xff,\\name");
	put("Case", "upper");
	put("case", "lower");
	say_file("Case");
}

static void read_only_descriptors(void)
{
	int fd;

	put("f", "text");
	fd = open("f", O_RDONLY);
	said("write", write(fd, "x", 1));
	said("ftruncate", ftruncate(fd, 0));
	said("mmap", mmap(NULL, 4, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	fd = open("f", O_WRONLY);
	said("read", read(fd, (char[1]){0}, 1));
	said("path", write(open("f", O_PATH), "x", 1));
	said("fsync", fsync(fd));
	said("fdatasync", fdatasync(fd));
	said("syncfs", syncfs(fd));
}

#define CALL(name)          \
	{                   \
#name, name \
	}

static const struct {
	const char *name;
	void (*run)(void);
} calls[] = {
	CALL(append_mapped),
	CALL(append_mapped_beside_another),
	CALL(append_taken_away),
	CALL(append_taken_away_then_mapped),
	CALL(append_given_later),
	CALL(append_of_two),
	CALL(append_of_two_processes),
	CALL(append_and_pwrite),
	CALL(append_after_truncate),
	CALL(direct),
	CALL(direct_beside_a_mapping),
	CALL(mapped_after_close),
	CALL(mapped_and_written),
	CALL(mapped_then_truncated),
	CALL(mapped_beyond_the_end),
	CALL(mapped_and_unlinked),
	CALL(mapped_privately),
	CALL(mapped_for_reading_only),
	CALL(mapped_by_two_at_once),
	CALL(written_by_two_at_once),
	CALL(time_of_a_mapped_write),
	CALL(times_as_set),
	CALL(unlinked_while_open),
	CALL(opened_again_by_descriptor),
	CALL(renamed_while_open),
	CALL(renamed_over_one_that_is_open),
	CALL(renamed_in_special_ways),
	CALL(renamed_folders),
	CALL(links),
	CALL(link_of_a_descriptor),
	CALL(tmpfile_without_a_name),
	CALL(fallocate_punch),
	CALL(fallocate_grow),
	CALL(fallocate_zero),
	CALL(fallocate_collapse),
	CALL(holes),
	CALL(far_away),
	CALL(copied_in_the_kernel),
	CALL(copied_from_a_mapping),
	CALL(setuid_goes_on_write),
	CALL(setuid_goes_on_truncate),
	CALL(rights_of_others),
	CALL(opened_for_truncation),
	CALL(folder_emptied_while_read),
	CALL(folder_read_from_a_place),
	CALL(links_of_folders),
	CALL(kinds_of_files),
	CALL(attributes),
	CALL(attributes_of_the_system),
	CALL(locks),
	CALL(executed_while_written),
	CALL(names),
	CALL(read_only_descriptors),
};

/* A process for each, so that one that is killed ends nothing else. */
static void run_one(const char *name, void (*run)(void))
{
	int status = 0;

	printf("%s:", name);
	(void) fflush(stdout);
	if (mkdir(name, 0755) < 0)
		said("mkdir", -1);
	if (fork() == 0) {
		if (chdir(name) < 0)
			_exit(1);
		run();
		(void) fflush(stdout);
		_exit(0);
	}
	(void) wait(&status);
	if (WIFSIGNALED(status))
		say("killed by %d", WTERMSIG(status));
	putchar('\n');
}

int main(int argc, char **argv)
{
	(void) umask(022);
	if (argc != 2 || chdir(argv[1]) < 0)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		run_one(calls[i].name, calls[i].run);
	return 0;
}
