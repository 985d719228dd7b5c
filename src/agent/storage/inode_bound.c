#include "agent/storage/inode_bound.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"

#define INODE_NR_FILE  "/proc/sys/fs/inode-nr"
#define SLABINFO_FILE  "/proc/slabinfo"
#define SLABINFO_BYTES (1U << 18)
#define SLAB           "fuse_inode"

/* A CPU reports every files_max / TELL_PART context switches; unused inodes are dropped above
 * files_max / FORGET_PART. The rest is room for files that come until the next report or drop. */
#define TELL_PART   8
#define FORGET_PART 2
/* Where most files are in use, dropping helps little: it is tried again after so many more. */
#define AGAIN_PART 8

#define CPUS_MAX 256

struct teller {
	int fd;
	void *ring; /* perf's control page and a data page, overwritten again and again */
	struct loop_watch *watch;
};

struct inode_bound {
	struct loop *loop;
	struct reaper *reaper;
	uint64_t files_max;
	uint64_t left; /* inodes after the kernel had last dropped what it could */
	pid_t child;   /* which makes the kernel drop inodes; 0 for none */
	size_t n_tellers;
	struct teller tellers[];
};

static size_t ring_bytes(void)
{
	return 2 * (size_t) sysconf(_SC_PAGESIZE);
}

uint64_t inode_bound_count(const char *slabinfo, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = slabinfo; *line;) {
		if (strncmp(line, name, n) == 0 && line[n] == ' ')
			return strtoull(line + n, NULL, 10);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return 0;
}

static uint64_t count(void)
{
	auto_free char *text = NULL;

	if (file_read(AT_FDCWD, SLABINFO_FILE, SLABINFO_BYTES, &text, NULL, NULL) < 0)
		return 0;
	return inode_bound_count(text, SLAB);
}

/* All inodes, those of other file systems too: that costs nearly nothing to read. */
static uint64_t count_all(void)
{
	auto_free char *text = NULL;

	if (file_read(AT_FDCWD, INODE_NR_FILE, 64, &text, NULL, NULL) < 0)
		return UINT64_MAX;
	return strtoull(text, NULL, 10);
}

static void on_forgotten(void *arg, pid_t pid, int status)
{
	struct inode_bound *b = arg;

	(void) pid;
	(void) status;
	b->child = 0;
	b->left = count();
	log_debug("the kernel remembers %" PRIu64 " shared files now", b->left);
}

/* Drops names and inodes that nothing uses; the kernel then tells the file server. A child does it,
 * because it takes long when there are many. */
static void forget(struct inode_bound *b)
{
	struct err e = {0};
	pid_t pid = fork();

	if (pid == 0)
		_exit(file_write(AT_FDCWD, "/proc/sys/vm/drop_caches", "2", NULL) < 0);
	if (pid < 0) {
		log_warn("ignoring that too many files are remembered: %s", strerror(errno));
		return;
	}
	if (reaper_expect(b->reaper, pid, on_forgotten, b, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring");
	else
		b->child = pid;
}

static void on_told(void *arg, uint32_t events)
{
	struct inode_bound *b = arg;
	uint64_t bound = b->files_max / FORGET_PART, again = b->left + b->files_max / AGAIN_PART;

	(void) events;
	if (again > bound && b->left > 0)
		bound = again;
	if (!b->child && count_all() > bound && count() > bound)
		forget(b);
}

static int teller_open(struct inode_bound *b, int cpu, struct err *e)
{
	struct teller *t = &b->tellers[b->n_tellers];
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof attr,
		.config = PERF_COUNT_SW_CONTEXT_SWITCHES,
		.sample_period = b->files_max / TELL_PART,
		.wakeup_events = 1,
	};

	*t = (struct teller){
		.fd = (int) syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC)};
	if (t->fd < 0)
		return errno == ENODEV ? 0 /* not online */
				       : err_sys(e, errno, "count what CPU %d does", cpu);
	/* Mapped read-only, so that the kernel overwrites old records, read or not. */
	t->ring = mmap(NULL, ring_bytes(), PROT_READ, MAP_SHARED, t->fd, 0);
	if (t->ring == MAP_FAILED) {
		int r = err_sys(e, errno, "count what CPU %d does", cpu);

		t->fd = fd_close(t->fd);
		return r;
	}
	b->n_tellers++;
	return loop_watch(b->loop, t->fd, EPOLLIN, on_told, b, &t->watch, e);
}

int inode_bound_new(struct loop *loop, struct reaper *reaper, uint32_t files_max,
		    struct inode_bound **ret, struct err *e)
{
	int cpus = get_nprocs_conf() < CPUS_MAX ? get_nprocs_conf() : CPUS_MAX;
	struct inode_bound *b = calloc(1, sizeof *b + (size_t) cpus * sizeof b->tellers[0]);
	int r = 0;

	if (!b)
		return err_sys(e, ENOMEM, "bound the number of shared files");
	b->loop = loop;
	b->reaper = reaper;
	b->files_max = files_max;
	for (int cpu = 0; r == 0 && cpu < cpus; cpu++)
		r = teller_open(b, cpu, e);
	if (r < 0) {
		inode_bound_free(b);
		return err_wrap(e, r, "bound the number of shared files");
	}
	*ret = b;
	return 0;
}

void inode_bound_free(struct inode_bound *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n_tellers; i++) {
		loop_unwatch(b->tellers[i].watch);
		(void) munmap(b->tellers[i].ring, ring_bytes());
		fd_close(b->tellers[i].fd);
	}
	if (b->child) {
		reaper_forget(b->reaper, b->child);
		(void) kill(b->child, SIGKILL);
	}
	free(b);
}
