/* What a process does: writes and reads much, ends in many ways, tries system calls. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* burst:FD,BYTES writes pseudo-random bytes as fast as it can. */
static void burst(char **args)
{
	static uint64_t block[8192];
	uint64_t x = 88172645463325252U;
	int fd = args[0] ? atoi(args[0]) : 1;
	for (long left = args[0] && args[1] ? atol(args[1]) : 0; left > 0;) {
		for (size_t i = 0; i < sizeof(block) / sizeof(block[0]); i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			block[i] = x;
		}
		size_t want = left < (long) sizeof(block) ? (size_t) left : sizeof(block);
		for (size_t done = 0; done < want;) {
			ssize_t n = write(fd, (char *) block + done, want - done);
			if (n < 0)
				exit(98);
			done += (size_t) n;
		}
		left -= (long) want;
	}
}

/* Reads stdin to its end; prints its length and the FNV-1a hash of its bytes. */
static void hash(char **args)
{
	static unsigned char block[65536];
	uint64_t sum = 0xcbf29ce484222325U, length = 0;
	ssize_t n;
	(void) args;
	while ((n = read(0, block, sizeof(block))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			sum = (sum ^ block[i]) * 0x100000001b3U;
		length += (uint64_t) n;
	}
	printf("stdin: %llu bytes, hash %016llx, then %s\n", (unsigned long long) length,
	       (unsigned long long) sum, n ? errno_name(errno) : "end");
}

/* exit:N ends at once, without flushing or any other courtesy. */
static void end(char **args)
{
	fflush(stdout);
	_exit(args[0] ? atoi(args[0]) : 0);
}

/* die:N, by a signal of its own; the first process of a pid namespace is immune to it. */
static void die(char **args)
{
	fflush(stdout);
	kill(getpid(), args[0] ? atoi(args[0]) : SIGTERM);
}

/* An illegal instruction: the kernel kills even a pid 1 for it. */
static void crash(char **args)
{
	(void) args;
	__builtin_trap();
}

/* To what it is, for it may be the host's. */
static int try_sethostname(void)
{
	char name[256] = "";
	return gethostname(name, sizeof(name) - 1) ? -1 : sethostname(name, strlen(name));
}

/* try:NAME... makes system calls that a filter may refuse, and prints what they gave. */
static int try_call(const char *name)
{
	if (!strcmp(name, "mkdir"))
		return mkdir("/tmp/tried", 0700);
	if (!strcmp(name, "getppid"))
		return (int) syscall(SYS_getppid);
	if (!strcmp(name, "chmod"))
		return chmod("/tmp", 01777);
	if (!strcmp(name, "sync"))
		return (int) syscall(SYS_sync);
	if (!strcmp(name, "personality8"))
		return personality(8);
	if (!strcmp(name, "personality"))
		return personality(0xffffffff);
	if (!strcmp(name, "socket_inet"))
		return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!strcmp(name, "socket_unix"))
		return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!strcmp(name, "dup10"))
		return dup3(0, 10, O_CLOEXEC);
	if (!strcmp(name, "dup20"))
		return dup3(0, 20, O_CLOEXEC);
	if (!strcmp(name, "mount"))
		return mount("none", "/mnt", "tmpfs", 0, NULL);
	if (!strcmp(name, "unshare_user"))
		return unshare(CLONE_NEWUSER);
	if (!strcmp(name, "sethostname"))
		return try_sethostname();
	if (!strcmp(name, "mknod"))
		return mknod("/dev/node", S_IFCHR | 0600, (1 << 8) | 3);
	if (!strcmp(name, "chroot"))
		return chroot("/");
	if (!strcmp(name, "setuid"))
		return setuid(1);
	fprintf(stderr, "probe: no call '%s'\n", name);
	exit(99);
}

static void try(char **args)
{
	for (; *args; args++) {
		int result = try_call(*args);
		printf("try %s: %s\n", *args, errno_name(result < 0 ? errno : 0));
	}
}

const struct fact stream_facts[] = {
	{"burst", burst}, {"hash", hash},   {"exit", end}, {"die", die},
	{"try", try},     {"crash", crash}, {NULL, NULL},
};
