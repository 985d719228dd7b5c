/* What a process sees of files: mounts, devices, masked and read-only paths, sysctls. */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

/* One line of /proc/self/mountinfo, cut into its words. */
struct mount_line {
	char *where;
	char *options;
	char propagation[32];
	char *kind;
	char *super;
};

/* Super options that a configuration can ask for; the others are the kernel's own affair. */
static const char *const told[] = {
	"size=",   "mode=",    "uid=",       "gid=",      "sync",
	"dirsync", "lazytime", "nr_inodes=", "ptmxmode=", NULL,
};

/* File systems whose name is the same under every runtime; disks and shares are not. */
static const char *const named[] = {"proc",   "sysfs",   "tmpfs", "devpts", "mqueue",
				    "cgroup", "overlay", "ramfs", NULL};

static bool listed(const char *word, const char *const *list)
{
	for (; *list; list++) {
		size_t len = strlen(*list);
		if ((*list)[len - 1] == '=' ? !strncmp(word, *list, len) : !strcmp(word, *list))
			return true;
	}
	return false;
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Prints a blank and comma-separated words sorted, only those in `only` if it is given. */
static void print_words(char *text, const char *const *only)
{
	char *words[64];
	size_t count = 0;
	for (char *word; count < 64 && (word = strsep(&text, ","));)
		if (!only || listed(word, only))
			words[count++] = word;
	qsort(words, count, sizeof(words[0]), compare_words);
	for (size_t i = 0; i < count; i++)
		printf("%s%s", i ? "," : " ", words[i]);
}

/* id parent major:minor root where options [shared:N] [master:N] ... - kind source super */
static bool mount_parse(char *line, struct mount_line *ret)
{
	char *word;
	for (int i = 0; i < 4; i++)
		strsep(&line, " ");
	*ret = (struct mount_line){.where = strsep(&line, " "), .options = strsep(&line, " ")};
	while ((word = strsep(&line, " ")) && strcmp(word, "-")) {
		word[strcspn(word, ":")] = '\0';
		if (!strcmp(word, "propagate_from"))
			continue;
		strcat(ret->propagation, *ret->propagation ? "+" : "");
		strcat(ret->propagation, strcmp(word, "master") ? word : "slave");
	}
	if (!*ret->propagation)
		strcpy(ret->propagation, "private");
	ret->kind = strsep(&line, " ");
	strsep(&line, " ");
	ret->super = strsep(&line, " ");
	if (ret->kind && !strcmp(ret->kind, "cgroup2"))
		ret->kind = "cgroup";
	return ret->super;
}

static void mount_print(struct mount_line *mount)
{
	bool known = listed(mount->kind, named);
	printf("mount %s: %s", mount->where, known ? mount->kind : "disk");
	print_words(mount->options, NULL);
	printf(" %s", mount->propagation);
	if (known && strcmp(mount->kind, "overlay")) {
		print_words(mount->super, told);
	}
	printf("\n");
}

/* The mounts at these places, all layers of them; without arguments those of every place that is
 * not below /proc or /sys, where the machine's features decide. In the order of the kernel. */
static void print_mounts(char **args)
{
	char *text = file_text("/proc/self/mountinfo");
	for (char *line; (line = strsep(&text, "\n"));) {
		struct mount_line mount;
		if (!mount_parse(line, &mount))
			continue;
		bool wanted = !*args && strncmp(mount.where, "/proc/", 6) &&
			      strncmp(mount.where, "/sys/", 5);
		for (char **arg = args; *arg; arg++)
			wanted |= !strcmp(*arg, mount.where);
		if (wanted)
			mount_print(&mount);
	}
}

static const char *kind_name(mode_t mode)
{
	static const char *const names[] = {
		[S_IFREG >> 12] = "file",    [S_IFDIR >> 12] = "directory",
		[S_IFLNK >> 12] = "link",    [S_IFCHR >> 12] = "char",
		[S_IFBLK >> 12] = "block",   [S_IFIFO >> 12] = "fifo",
		[S_IFSOCK >> 12] = "socket",
	};
	return names[(mode & S_IFMT) >> 12];
}

static void print_stat(const char *path)
{
	struct stat st;
	if (lstat(path, &st)) {
		printf("%s: %s\n", path, errno_name(errno));
		return;
	}
	printf("%s: %s %04o %u:%u", path, kind_name(st.st_mode), st.st_mode & 07777, st.st_uid,
	       st.st_gid);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		printf(" %u:%u", major(st.st_rdev), minor(st.st_rdev));
	char target[4096] = "";
	if (S_ISLNK(st.st_mode) && readlink(path, target, sizeof(target) - 1) > 0)
		printf(" -> %s", target);
	printf("\n");
}

static void print_stats(char **args)
{
	for (; *args; args++)
		print_stat(*args);
}

/* What opening a path gives, for reading and for writing. */
static void print_open(char **args)
{
	for (; *args; args++) {
		const int modes[] = {O_RDONLY, O_WRONLY};
		int result[2];
		for (int i = 0; i < 2; i++) {
			int fd = open(*args, modes[i] | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
			result[i] = fd < 0 ? errno : 0;
			close(fd);
		}
		printf("open %s: read %s, write %s\n", *args, errno_name(result[0]),
		       errno_name(result[1]));
	}
}

/* How a masked path looks: a directory without entries, a file without bytes; or not at all. */
static void print_masked(char **args)
{
	for (; *args; args++) {
		char byte;
		DIR *dir = opendir(*args);
		if (dir) {
			int entries = 0;
			while (readdir(dir))
				entries++;
			printf("masked %s: directory, %s\n", *args,
			       entries > 2 ? "FILLED" : "empty");
			closedir(dir);
			continue;
		}
		int fd = open(*args, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			printf("masked %s: %s\n", *args, errno_name(errno));
		else
			printf("masked %s: file, %s\n", *args,
			       read(fd, &byte, 1) > 0 ? "FILLED" : "empty");
		close(fd);
	}
}

/* Whether a file can be made in each directory; it is removed again. */
static void print_make(char **args)
{
	for (; *args; args++) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/probe-was-here", *args);
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		printf("make in %s: %s\n", *args, errno_name(fd < 0 ? errno : 0));
		if (fd >= 0)
			unlink(path);
		close(fd);
	}
}

/* The entries of each directory, sorted, as print_stat shows them. */
static void print_ls(char **args)
{
	for (; *args; args++) {
		char *names[512];
		size_t count = 0;
		DIR *dir = opendir(*args);
		if (!dir)
			printf("%s: %s\n", *args, errno_name(errno));
		for (struct dirent *entry; dir && count < 512 && (entry = readdir(dir));)
			if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
				names[count++] = strdup(entry->d_name);
		qsort(names, count, sizeof(names[0]), compare_words);
		for (size_t i = 0; i < count; i++) {
			char path[4096];
			snprintf(path, sizeof(path), "%s/%s", *args, names[i]);
			print_stat(path);
		}
	}
}

static void print_sysctl(char **args)
{
	for (; *args; args++) {
		char path[256];
		snprintf(path, sizeof(path), "/proc/sys/%s", *args);
		char *text = file_text(path);
		printf("sysctl %s: %s\n", *args, text ? text : errno_name(errno));
	}
}

/* Whether each file can be locked. What was locked stays so: a file named twice is refused. */
static void print_lock(char **args)
{
	for (; *args; args++) {
		int fd = open(*args, O_RDONLY | O_CLOEXEC);
		int r = fd < 0 ? -1 : flock(fd, LOCK_EX | LOCK_NB);
		printf("lock %s: %s\n", *args, errno_name(r < 0 ? errno : 0));
	}
}

/* Whether somebody listens on each socket. */
static void print_connect(char **args)
{
	for (; *args; args++) {
		struct sockaddr_un to = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		snprintf(to.sun_path, sizeof(to.sun_path), "%s", *args);
		int r = connect(fd, (struct sockaddr *) &to, sizeof(to));
		printf("connect %s: %s\n", *args, errno_name(r < 0 ? errno : 0));
		close(fd);
	}
}

const struct fact file_facts[] = {
	{"mounts", print_mounts},   {"stat", print_stats},
	{"open", print_open},       {"masked", print_masked},
	{"make", print_make},       {"ls", print_ls},
	{"sysctl", print_sysctl},   {"lock", print_lock},
	{"connect", print_connect}, {NULL, NULL},
};
