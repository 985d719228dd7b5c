/* What a process has: identity, capabilities, limits, scheduling, signals, descriptors. */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int compare_ids(const void *a, const void *b)
{
	gid_t x = *(const gid_t *) a, y = *(const gid_t *) b;
	return (x > y) - (x < y);
}

static void print_id(char **args)
{
	uid_t uid[3];
	gid_t gid[3], groups[256];
	(void) args;
	getresuid(&uid[0], &uid[1], &uid[2]);
	getresgid(&gid[0], &gid[1], &gid[2]);
	printf("uid: %u %u %u\ngid: %u %u %u\ngroups:", uid[0], uid[1], uid[2], gid[0], gid[1],
	       gid[2]);
	int count = getgroups(256, groups);
	qsort(groups, count > 0 ? (size_t) count : 0, sizeof(groups[0]), compare_ids);
	for (int i = 0; i < count; i++)
		printf(" %u", groups[i]);
	mode_t mask = umask(0);
	char cwd[4096];
	printf("\numask: %04o\ncwd: %s\n", mask,
	       getcwd(cwd, sizeof(cwd)) ? cwd : errno_name(errno));
	umask(mask);
}

/* Prints the lines of /proc/self/status that begin with one of `keys`. */
static void print_status(const char *const *keys)
{
	char *text = file_text("/proc/self/status");
	for (char *line; (line = strsep(&text, "\n"));)
		for (const char *const *key = keys; *key; key++)
			if (!strncmp(line, *key, strlen(*key)))
				printf("%s\n", line);
}

static void print_caps(char **args)
{
	(void) args;
	print_status((const char *[]){"Cap", "NoNewPrivs:", "Seccomp:", NULL});
}

/* Signals 32 and 33 belong to the C library: what a container inherits of them is up to whoever
 * started the tests. */
#define LIBRARY_SIGNALS (3ULL << 31)

static void print_signals(char **args)
{
	(void) args;
	static const char *const keys[] = {"SigBlk:", "SigIgn:", "SigCgt:"};
	char *text = file_text("/proc/self/status");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *at = strstr(text, keys[i]);
		unsigned long long mask = at ? strtoull(at + strlen(keys[i]), NULL, 16) : 0;
		printf("%s %016llx\n", keys[i], mask & ~LIBRARY_SIGNALS);
	}
}

static const char *const rlimit_names[] = {
	[RLIMIT_CPU] = "CPU",           [RLIMIT_FSIZE] = "FSIZE",
	[RLIMIT_DATA] = "DATA",         [RLIMIT_STACK] = "STACK",
	[RLIMIT_CORE] = "CORE",         [RLIMIT_RSS] = "RSS",
	[RLIMIT_NPROC] = "NPROC",       [RLIMIT_NOFILE] = "NOFILE",
	[RLIMIT_MEMLOCK] = "MEMLOCK",   [RLIMIT_AS] = "AS",
	[RLIMIT_LOCKS] = "LOCKS",       [RLIMIT_SIGPENDING] = "SIGPENDING",
	[RLIMIT_MSGQUEUE] = "MSGQUEUE", [RLIMIT_NICE] = "NICE",
	[RLIMIT_RTPRIO] = "RTPRIO",     [RLIMIT_RTTIME] = "RTTIME",
};

/* Those named in `args`: the rest is what the machine gives to every process. */
static void print_rlimits(char **args)
{
	for (; *args; args++)
		for (int i = 0; i < (int) (sizeof(rlimit_names) / sizeof(rlimit_names[0])); i++) {
			struct rlimit limit;
			if (strcmp(rlimit_names[i], *args) || getrlimit((unsigned) i, &limit))
				continue;
			printf("%s: %lld %lld\n", rlimit_names[i], (long long) limit.rlim_cur,
			       (long long) limit.rlim_max);
		}
}

static void print_oom(char **args)
{
	(void) args;
	printf("oom_score_adj: %s\n", file_text("/proc/self/oom_score_adj"));
}

static void print_sched(char **args)
{
	struct sched_param param = {0};
	(void) args;
	sched_getparam(0, &param);
	errno = 0;
	int io = (int) syscall(SYS_ioprio_get, 1 /* process */, 0);
	printf("policy: %d\npriority: %d\nnice: %d\nio class: %d\nio priority: %d\n",
	       sched_getscheduler(0), param.sched_priority, getpriority(PRIO_PROCESS, 0), io >> 13,
	       io & 0x1fff);
}

static void print_personality(char **args)
{
	(void) args;
	printf("personality: %#x\n", (unsigned) personality(0xffffffff));
}

static void print_env(char **args)
{
	(void) args;
	for (char **entry = environ; *entry; entry++)
		printf("env: %s\n", *entry);
}

static const char *file_kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFIFO:
		return "pipe";
	case S_IFSOCK:
		return "socket";
	case S_IFCHR:
		return "device";
	default:
		return "other";
	}
}

static void print_fds(char **args)
{
	static const char *const access[] = {"read", "write", "read+write", "?"};
	(void) args;
	for (int fd = 0; fd < 1024; fd++) {
		struct stat st;
		int flags = fcntl(fd, F_GETFL);
		if (flags < 0 || fstat(fd, &st))
			continue;
		printf("fd %d: %s %s%s\n", fd, file_kind(st.st_mode), access[flags & O_ACCMODE],
		       flags & O_NONBLOCK ? " nonblocking" : "");
	}
}

/* Where the process stands: relations, not numbers, for these differ from run to run. */
static void print_session(char **args)
{
	(void) args;
	printf("is pid 1: %s\n", getpid() == 1 ? "yes" : "no");
	printf("leads its session: %s\n", getsid(0) == getpid() ? "yes" : "no");
	printf("leads its group: %s\n", getpgrp() == getpid() ? "yes" : "no");
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	printf("has a terminal: %s\n", tty < 0 ? "no" : "yes");
	close(tty);
	int seen = 0;
	DIR *dir = opendir("/proc");
	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));)
		seen += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
	printf("sees other processes: %s\n", seen > 1 ? "yes" : "no");
	closedir(dir);
}

static void print_host(char **args)
{
	char host[256] = "", domain[256] = "";
	(void) args;
	gethostname(host, sizeof(host) - 1);
	if (getdomainname(domain, sizeof(domain) - 1))
		printf("domainname: %s\n", errno_name(errno));
	printf("hostname: %s\ndomainname: %s\n", host, domain);
}

static void print_net(char **args)
{
	struct if_nameindex *list = if_nameindex();
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void) args;
	for (struct if_nameindex *at = list; at && at->if_index; at++) {
		struct ifreq request = {0};
		snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", at->if_name);
		ioctl(fd, SIOCGIFFLAGS, &request);
		printf("interface %s: %s\n", at->if_name,
		       request.ifr_flags & IFF_UP ? "up" : "down");
	}
}

static void print_tty(char **args)
{
	(void) args;
	for (int fd = 0; fd < 3; fd++) {
		struct winsize size = {0};
		char name[256] = "none";
		if (!ioctl(fd, TIOCGWINSZ, &size) && ttyname_r(fd, name, sizeof(name)))
			strcpy(name, "without a name");
		printf("fd %d: terminal %s, %u rows, %u columns\n", fd, name, size.ws_row,
		       size.ws_col);
	}
}

static void print_time(char **args)
{
	long clock, seconds, nanoseconds;
	char *text = file_text("/proc/self/timens_offsets");
	(void) args;
	if (!text)
		printf("time offsets: %s\n", errno_name(errno));
	for (char *line; (line = strsep(&text, "\n"));) {
		char name[32];
		if (sscanf(line, "%31s %ld %ld", name, &seconds, &nanoseconds) == 3)
			printf("time offset %s: %ld.%09ld\n", name, seconds, nanoseconds);
		else if (sscanf(line, "%ld %ld %ld", &clock, &seconds, &nanoseconds) == 3)
			printf("time offset %ld: %ld.%09ld\n", clock, seconds, nanoseconds);
	}
}

/* uid_map, gid_map and setgroups of the user namespace, blanks made single. */
static void print_userns(char **args)
{
	const char *const files[] = {"uid_map", "gid_map", "setgroups"};
	(void) args;
	for (int i = 0; i < 3; i++) {
		char path[64];
		snprintf(path, sizeof(path), "/proc/self/%s", files[i]);
		char *text = file_text(path);
		printf("%s:", files[i]);
		for (char *word; (word = strsep(&text, " \n"));)
			if (*word)
				printf(" %s", word);
		printf("\n");
	}
}

const struct fact process_facts[] = {
	{"id", print_id},
	{"caps", print_caps},
	{"signals", print_signals},
	{"rlimits", print_rlimits},
	{"oom", print_oom},
	{"sched", print_sched},
	{"personality", print_personality},
	{"env", print_env},
	{"fds", print_fds},
	{"session", print_session},
	{"host", print_host},
	{"net", print_net},
	{"tty", print_tty},
	{"time", print_time},
	{"userns", print_userns},
	{NULL, NULL},
};
