#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Fields of /proc/PID/stat, as proc(5) numbers them. */
enum {
	PROC_STAT_PARENT = 4,
	PROC_STAT_USER_TIME = 14, /* behind it stime, cutime and cstime; in clock ticks */
	PROC_STAT_THREADS = 20,
	PROC_STAT_START_TIME = 22, /* in clock ticks after boot */
	PROC_STAT_SIZE = 23,       /* in bytes; behind it what is resident, in pages */
	PROC_STAT_START_BRK = 47,  /* where the heap begins */
	PROC_STAT_ARG_START = 48,  /* behind it arg_end, env_start and env_end */
};

/* The caller, whatever number it has in the namespace that /proc was mounted for. */
#define PROC_SELF 0

/* Reads @n neighbouring fields from @first on, which is behind the process's name; they are
 * numbers. Returns 0, -ESRCH when there is no such process, or -EBADMSG. */
int proc_stat_read(pid_t pid, int first, uint64_t *ret, size_t n);

/* When the process was started, in clock ticks after boot, which distinguishes it from a later
 * process with the same pid; 0: there is no such process. */
uint64_t proc_start_time(pid_t pid);

/* The memory of a process in KiB, in which what it shares with others counts in part (Pss of
 * proc(5), smaps_rollup). 0 when there is no such process. */
uint64_t proc_pss_kib(pid_t pid);
