/*
 * What a process of ours can do once somebody has taken it over: runs system calls inside of it.
 *
 *	inside PID <ATTACKS
 *
 * An attack is a line: a label, a colon, and calls between semicolons, each of which must succeed
 * before the next is made. A line in answer has the label, and `ok N` with the last call's value,
 * the name of the error that stopped it, `killed` (by the seccomp filter), or `blocked` (no answer
 * within the limit).
 *
 *	shadow: open @/etc/shadow O_RDONLY; read $1 #16 16
 *
 * An argument is a number, a name out of a table, $K for the value of the K-th call of the line,
 * @TEXT for a pointer to a string, #N for one to N bytes of nothing, strings:A,B for an array of
 * strings as execve takes it, and unix:PATH, unix:@NAME, inet:PORT or vsock:CID:PORT for two
 * arguments, an address and its length; iov:N is a pointer to one struct iovec with N bytes of
 * nothing. What a call reads into its last #N is printed, made printable.
 *
 * Each attack has a copy of the process to itself: the tool stops the process with ptrace, switches
 * its filter off for as long as it takes to fork inside it (PTRACE_O_SUSPEND_SECCOMP), and on again
 * in the copy, which has the same user, capabilities, namespaces, filter, Landlock domain and
 * descriptors. So a call that is answered by a kill costs a copy and no machine. Whoever runs this
 * needs CAP_SYS_ADMIN and no seccomp filter of his own.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_SECONDS 20
#define SCRATCH_BYTES 65536
#define CALLS_MAX     16
#define SYSTEM_CALL   (SIGTRAP | 0x80)

/* Registers, by what they are for. */
#if defined __x86_64__
typedef struct user_regs_struct regs;
#define PC rip
static const uint8_t instruction[] = {0x0f, 0x05};

static void regs_call(regs *r, long nr, const long args[6])
{
	r->rax = (unsigned long) nr;
	r->orig_rax = -1UL; /* nothing of what was interrupted is begun again */
	r->rdi = (unsigned long) args[0];
	r->rsi = (unsigned long) args[1];
	r->rdx = (unsigned long) args[2];
	r->r10 = (unsigned long) args[3];
	r->r8 = (unsigned long) args[4];
	r->r9 = (unsigned long) args[5];
}

static long regs_result(const regs *r)
{
	return (long) r->rax;
}
#elif defined __aarch64__
typedef struct user_regs_struct regs;
#define PC pc
static const uint8_t instruction[] = {0x01, 0x00, 0x00, 0xd4};

static void regs_call(regs *r, long nr, const long args[6])
{
	for (int i = 0; i < 6; i++)
		r->regs[i] = (unsigned long) args[i];
	r->regs[8] = (unsigned long) nr;
}

static long regs_result(const regs *r)
{
	return (long) r->regs[0];
}
#else
#error "no registers known"
#endif

#define NAME(x)                \
	{                      \
#x, (long) (x) \
	}
static const struct {
	const char *name;
	long value;
} names[] = {
	NAME(O_RDONLY),       NAME(O_WRONLY),      NAME(O_RDWR),       NAME(O_CREAT),
	NAME(O_TRUNC),        NAME(O_PATH),        NAME(O_DIRECTORY),  NAME(O_APPEND),
	NAME(AT_FDCWD),       NAME(AT_EMPTY_PATH), NAME(AF_UNIX),      NAME(AF_INET),
	NAME(AF_INET6),       NAME(AF_NETLINK),    NAME(AF_PACKET),    NAME(AF_VSOCK),
	NAME(AF_ALG),         NAME(SOCK_STREAM),   NAME(SOCK_DGRAM),   NAME(SOCK_RAW),
	NAME(SOCK_SEQPACKET), NAME(S_IFBLK),       NAME(S_IFCHR),      NAME(MS_BIND),
	NAME(CLONE_NEWUSER),  NAME(CLONE_NEWNS),   NAME(CLONE_NEWNET), NAME(PTRACE_ATTACH),
	NAME(PTRACE_SEIZE),   NAME(MAP_PRIVATE),   NAME(MAP_SHARED),   NAME(MAP_ANONYMOUS),
	NAME(PROT_READ),      NAME(PROT_WRITE),    NAME(PROT_EXEC),    NAME(F_DUPFD),
	NAME(SIGKILL),        NAME(SIGTERM),       NAME(SIGCHLD),
};

/* A process that is stopped under us, and where it can make a system call. */
struct victim {
	pid_t pid;
	uint64_t at; /* an instruction that makes a system call */
	regs saved;
	pid_t child; /* what its last call forked, stopped under us too; 0: nothing */
};

static volatile sig_atomic_t late;

static void on_alarm(int signo)
{
	(void) signo;
	late = 1;
}

static void regs_get(const struct victim *v, regs *r)
{
	struct iovec io = {r, sizeof *r};

	if (ptrace(PTRACE_GETREGSET, v->pid, NT_PRSTATUS, &io) < 0)
		err(2, "read registers of %d", v->pid);
}

static void regs_set(const struct victim *v, regs *r)
{
	struct iovec io = {r, sizeof *r};

	if (ptrace(PTRACE_SETREGSET, v->pid, NT_PRSTATUS, &io) < 0)
		err(2, "set registers of %d", v->pid);
}

static void resume(const struct victim *v, long how)
{
	if (ptrace((enum __ptrace_request) how, v->pid, NULL, NULL) < 0)
		err(2, "let %d go on", v->pid);
}

/* Until it stops or ends; false after the limit. */
static bool wait_stop(const struct victim *v, int *status)
{
	pid_t r;

	late = 0;
	(void) alarm(LIMIT_SECONDS);
	do
		r = waitpid(v->pid, status, __WALL);
	while (r < 0 && errno == EINTR && !late);
	(void) alarm(0);
	if (r < 0 && errno != EINTR)
		err(2, "wait for %d", v->pid);
	return r > 0;
}

/* Up to the next border of a system call. Signals that come in between are kept away: they are not
 * ours to deliver to a copy. */
static bool to_border(const struct victim *v, int *status)
{
	do {
		resume(v, PTRACE_SYSCALL);
		if (!wait_stop(v, status))
			return false;
	} while (WIFSTOPPED(*status) && WSTOPSIG(*status) != SYSTEM_CALL && *status >> 16 == 0);
	return true;
}

/* A filter that kills or traps lets the call end first, with a signal that waits. */
static bool is_condemned(const struct victim *v)
{
	struct __ptrace_peeksiginfo_args which = {.nr = 1};
	siginfo_t info = {0};

	while (ptrace(PTRACE_PEEKSIGINFO, v->pid, &which, &info) == 1) {
		if (info.si_signo == SIGSYS)
			return true;
		which.off++;
	}
	return false;
}

enum outcome { ANSWERED, KILLED, BLOCKED, REPLACED };

static bool is_fork(int event)
{
	return event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK ||
	       event == PTRACE_EVENT_CLONE;
}

/* Which process a fork of @v made, in our numbers: the call's value is in the victim's. */
static pid_t forked(const struct victim *v)
{
	unsigned long pid = 0;

	if (ptrace(PTRACE_GETEVENTMSG, v->pid, NULL, &pid) < 0)
		err(2, "ask what %d forked", v->pid);
	return (pid_t) pid;
}

/* One system call in @v, which is stopped. */
static enum outcome call(struct victim *v, long nr, const long args[6], long *ret)
{
	regs r = v->saved;
	int status;
	bool entered = false;

	regs_call(&r, nr, args);
	r.PC = v->at;
	regs_set(v, &r);
	for (;;) {
		if (!to_border(v, &status))
			return BLOCKED;
		if (!WIFSTOPPED(status))
			return KILLED;
		if (status >> 16 == PTRACE_EVENT_EXEC)
			return REPLACED;
		if (WSTOPSIG(status) != SYSTEM_CALL) {
			if (is_fork(status >> 16))
				v->child = forked(v); /* the call's end is still to come */
			continue;
		}
		if (entered)
			break;
		entered = true;
	}
	regs_get(v, &r);
	*ret = regs_result(&r);
	return is_condemned(v) ? KILLED : ANSWERED;
}

/* Where in what it may execute such an instruction is. */
static uint64_t find_instruction(pid_t pid)
{
	char path[64], line[512];
	uint64_t start, end;

	(void) snprintf(path, sizeof path, "/proc/%d/maps", pid);

	FILE *maps = fopen(path, "re");

	while (maps && fgets(line, sizeof line, maps)) {
		char may[5];

		if (sscanf(line, "%lx-%lx %4s", &start, &end, may) != 3 || may[2] != 'x' ||
		    may[0] != 'r')
			continue;
		for (uint64_t at = start; at < end; at += 4096) {
			uint8_t page[4096];
			struct iovec here = {page, sizeof page};
			struct iovec there = {(void *) at, sizeof page}; /* NOLINT */
			ssize_t n = process_vm_readv(pid, &here, 1, &there, 1, 0);
			uint8_t *found =
				n > 0 ? memmem(page, (size_t) n, instruction, sizeof instruction)
				      : NULL;

			if (found) {
				(void) fclose(maps);
				return at + (uint64_t) (found - page);
			}
		}
	}
	errx(2, "%d makes no system call anywhere", pid);
}

#define OPTIONS                                                                                   \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | \
	 PTRACE_O_TRACEEXEC)

static void victim_stop(struct victim *v, pid_t pid)
{
	int status;

	v->pid = pid;
	if (ptrace(PTRACE_SEIZE, pid, NULL, OPTIONS | PTRACE_O_SUSPEND_SECCOMP) < 0)
		err(2, "take over %d", pid);
	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 || !wait_stop(v, &status) ||
	    !WIFSTOPPED(status))
		err(2, "stop %d", pid);
	regs_get(v, &v->saved);
	v->at = find_instruction(pid);
}

/* As it was: it goes through a stop at which the kernel begins an interrupted call again. */
static void victim_release(struct victim *v)
{
	int status;

	regs_set(v, &v->saved);
	if (ptrace(PTRACE_INTERRUPT, v->pid, NULL, NULL) < 0)
		err(2, "stop %d", v->pid);
	do {
		resume(v, PTRACE_CONT);
		if (!wait_stop(v, &status) || !WIFSTOPPED(status))
			errx(2, "%d is gone", v->pid);
	} while (status >> 16 != PTRACE_EVENT_STOP);
	if (ptrace(PTRACE_DETACH, v->pid, NULL, NULL) < 0)
		err(2, "let go of %d", v->pid);
}

/* A copy of @v with memory to write in, under the filter of the original. Its end tells nobody. */
static uint64_t copy_make(struct victim *v, struct victim *copy)
{
	const long map[6] = {
		0, SCRATCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0};
	long value;
	int status;

	if (call(v, SYS_clone, (long[6]){0}, &value) != ANSWERED || value < 0)
		errx(2, "copy %d: %s", v->pid, strerror((int) -value));

	*copy = (struct victim){.pid = v->child, .at = v->at};
	if (waitpid(copy->pid, &status, __WALL) < 0 || !WIFSTOPPED(status))
		err(2, "wait for the copy of %d", v->pid);
	regs_get(copy, &copy->saved);

	if (call(copy, SYS_mmap, map, &value) != ANSWERED || (value < 0 && value > -4096))
		errx(2, "memory for the copy of %d", v->pid);
	if (ptrace(PTRACE_SETOPTIONS, copy->pid, NULL, OPTIONS | PTRACE_O_EXITKILL) < 0)
		err(2, "switch the filter on");
	return (uint64_t) value;
}

static void end(pid_t pid)
{
	int status = 0;

	(void) kill(pid, SIGKILL);
	while (waitpid(pid, &status, __WALL) >= 0 || errno == EINTR)
		if (WIFEXITED(status) || WIFSIGNALED(status))
			break;
}

static void copy_end(struct victim *v, const struct victim *copy)
{
	const long reap[6] = {-1, 0, __WALL | WNOHANG, 0, 0, 0};
	long value;

	end(copy->pid);
	if (copy->child > 0)
		end(copy->child);
	(void) call(v, SYS_wait4, reap, &value);
}

/* The line of an attack while it is carried out. */
struct attack {
	struct victim *copy;
	uint64_t scratch, used;
	long values[CALLS_MAX];
	int n_values;
	uint64_t buffer; /* the last #N */
	size_t buffer_bytes;
};

static long put(struct attack *a, const void *bytes, size_t n)
{
	uint64_t at = a->scratch + a->used;
	struct iovec here = {(void *) bytes, n};
	struct iovec there = {(void *) at, n}; /* NOLINT */

	if (a->used + n > SCRATCH_BYTES)
		errx(2, "too much for one attack");
	if (n > 0 && process_vm_writev(a->copy->pid, &here, 1, &there, 1, 0) != (ssize_t) n)
		err(2, "write into %d", a->copy->pid);
	a->used += (n + 15) & ~15UL;
	return (long) at;
}

static long put_strings(struct attack *a, char *list)
{
	long pointers[8] = {0};
	size_t n = 0;

	for (char *save, *s = strtok_r(list, ",", &save); s && n < 7;
	     s = strtok_r(NULL, ",", &save))
		pointers[n++] = put(a, s, strlen(s) + 1);
	return put(a, pointers, sizeof pointers);
}

static void put_unix(struct attack *a, const char *path, long ret[2])
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t n = strlen(path);

	if (n >= sizeof addr.sun_path)
		errx(2, "the address '%s' is too long", path);
	memcpy(addr.sun_path, path, n);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	ret[0] = put(a, &addr, sizeof addr);
	ret[1] = (long) (offsetof(struct sockaddr_un, sun_path) + n + (path[0] != '@'));
}

static long number(const struct attack *a, const char *word)
{
	char *end;
	long value = 0;

	if (word[0] == '$') {
		long k = strtol(word + 1, &end, 10);

		if (*end || k < 1 || k > a->n_values)
			errx(2, "there is no call '%s' before", word);
		return a->values[k - 1];
	}
	/* Names and numbers, or-ed. */
	while (*word) {
		size_t n = strcspn(word, "|");
		bool known = false;

		for (size_t i = 0; i < sizeof names / sizeof *names && !known; i++)
			if (strlen(names[i].name) == n && strncmp(names[i].name, word, n) == 0) {
				value |= names[i].value;
				known = true;
			}
		if (!known) {
			value |= (long) strtoul(word, &end, 0);
			if (end != word + n || n == 0)
				errx(2, "the argument '%s' is nothing known", word);
		}
		word += n + (word[n] == '|');
	}
	return value;
}

/* How many arguments @word is: @ret has room for two. */
static int argument(struct attack *a, char *word, long ret[2])
{
	unsigned cid, port;

	if (word[0] == '@') {
		ret[0] = put(a, word + 1, strlen(word));
		return 1;
	}
	if (word[0] == '#') {
		static const char nothing[8192];

		a->buffer_bytes = strtoul(word + 1, NULL, 0);
		if (a->buffer_bytes > sizeof nothing)
			errx(2, "the buffer '%s' is too large", word);
		a->buffer = (uint64_t) put(a, nothing, a->buffer_bytes);
		ret[0] = (long) a->buffer;
		return 1;
	}
	if (strncmp(word, "iov:", 4) == 0) {
		long iov[2] = {0, (long) strtoul(word + 4, NULL, 0)};
		static const char nothing[64];

		iov[0] = put(a, nothing, sizeof nothing);
		ret[0] = put(a, iov, sizeof iov);
		return 1;
	}
	if (strncmp(word, "strings:", 8) == 0) {
		ret[0] = put_strings(a, word + 8);
		return 1;
	}
	if (strncmp(word, "unix:", 5) == 0) {
		put_unix(a, word + 5, ret);
		return 2;
	}
	if (sscanf(word, "inet:%u", &port) == 1) {
		struct sockaddr_in in = {.sin_family = AF_INET,
					 .sin_port = htons((uint16_t) port),
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

		ret[0] = put(a, &in, sizeof in);
		ret[1] = sizeof in;
		return 2;
	}
	if (sscanf(word, "vsock:%u:%u", &cid, &port) == 2) {
		struct sockaddr_vm vm = {.svm_family = AF_VSOCK, .svm_port = port, .svm_cid = cid};

		ret[0] = put(a, &vm, sizeof vm);
		ret[1] = sizeof vm;
		return 2;
	}
	ret[0] = number(a, word);
	return 1;
}

static void print_text(const struct attack *a, long n)
{
	char text[80];
	struct iovec here = {text, n < (long) sizeof text ? (size_t) n : sizeof text};
	struct iovec there = {(void *) a->buffer, here.iov_len}; /* NOLINT */
	ssize_t got = process_vm_readv(a->copy->pid, &here, 1, &there, 1, 0);

	if (got <= 0)
		return;
	(void) printf(" \"");
	for (ssize_t i = 0; i < got; i++)
		(void) putchar(isprint((unsigned char) text[i]) ? text[i] : '.');
	(void) printf("\"");
}

static bool reads(const char *name)
{
	return strcmp(name, "read") == 0 || strcmp(name, "pread64") == 0 ||
	       strcmp(name, "recvfrom") == 0 || strcmp(name, "readlink") == 0 ||
	       strcmp(name, "getxattr") == 0;
}

/* One call of the line; false if it was the last that there is to say something about. */
static bool step(struct attack *a, char *text, bool last)
{
	char *save, *name = strtok_r(text, " \t", &save);
	long args[7] = {0}, value = 0;
	int n = 0;

	if (!name)
		errx(2, "an empty call");
	for (char *w = strtok_r(NULL, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
		if (n >= 6)
			errx(2, "too many arguments of '%s'", name);
		n += argument(a, w, args + n);
	}

	int nr = isdigit((unsigned char) name[0]) ? atoi(name) : seccomp_syscall_resolve_name(name);

	if (nr < 0)
		errx(2, "there is no system call '%s'", name);
	switch (call(a->copy, nr, args, &value)) {
	case KILLED:
		(void) printf("killed\n");
		return false;
	case BLOCKED:
		(void) printf("blocked\n");
		return false;
	case REPLACED:
		(void) printf("ok executed\n");
		return false;
	case ANSWERED:
		break;
	}
	if (value < 0 && value > -4096) {
		(void) printf("%s\n", strerrorname_np((int) -value));
		return false;
	}
	if (a->n_values < CALLS_MAX)
		a->values[a->n_values++] = value;
	if (last) {
		(void) printf("ok %ld", value);
		if (reads(name) && value > 0)
			print_text(a, value);
		(void) printf("\n");
	}
	return true;
}

static void carry_out(struct victim *v, char *line)
{
	char *colon = strstr(line, ": ");
	struct victim copy;
	struct attack a = {.copy = &copy};

	if (!colon)
		errx(2, "no label in '%s'", line);
	*colon = '\0';
	a.scratch = copy_make(v, &copy);
	(void) printf("%s: ", line);

	bool goes_on = true;

	for (char *next, *c = colon + 2; c && goes_on; c = next) {
		next = strchr(c, ';');
		if (next)
			*next++ = '\0';
		goes_on = step(&a, c, !next);
	}
	(void) fflush(stdout);
	copy_end(v, &copy);
}

int main(int argc, char **argv)
{
	struct victim v;
	char line[4096];
	int pid = argc == 2 ? atoi(argv[1]) : 0;

	if (pid <= 0)
		errx(2, "usage: inside PID <ATTACKS");
	(void) sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
	victim_stop(&v, pid);
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = '\0';

		char *text = line + strspn(line, " \t");

		if (*text && *text != '#')
			carry_out(&v, text);
	}
	victim_release(&v);
	return 0;
}
