#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/child.h"

/*
 * QEMU's arguments and the descriptors that it inherits with them. Text of the user or the
 * administrator is a whole argument, has its commas doubled, or is a string of JSON, so that it
 * cannot add an option.
 *
 * The functions that add give no result: the first error is kept in "error", and
 * qemu_command_finish() in config.h returns it.
 */

/* QEMU's numbers for the descriptors that are made for each start. */
enum {
	QEMU_FD_QMP = 3,
	QEMU_FD_CONSOLE,
	QEMU_FD_AGENT, /* only with a serial channel */
	QEMU_FD_FIRST, /* the first of those that struct qemu_command owns */
};

#define QEMU_ARGS_MAX  320
#define QEMU_FDS_MAX   48
#define QEMU_FILES_MAX 4

/* What tells a file from another one, or from itself before it was changed. */
struct qemu_file_id {
	uint64_t dev, ino, bytes;
	int64_t changed_ns;
};

struct qemu_command {
	char *argv[QEMU_ARGS_MAX + 1]; /* NULL-terminated */
	size_t argc;
	struct child_fd fds[QEMU_FDS_MAX]; /* .fd is owned here, .as is its number in QEMU */
	bool reopened[QEMU_FDS_MAX]; /* QEMU opens the file behind it again, as its own user */
	size_t n_fds;
	struct qemu_file_id files[QEMU_FILES_MAX]; /* of those that QEMU opens again */
	size_t n_files;
	int kernel_as; /* QEMU's number of the guest's kernel; 0: there is none yet */
	int image_as;  /* that of the kernel's file, closed before QEMU; 0: QEMU loads it */
	int memory_as; /* that of the guest's memory from address 0 on; 0: it is no file of ours */
	int fdsets;
	int error; /* of the first argument that could not be added, or 0 */
};

/* Accepts a zeroed struct. */
void qemu_command_fini(struct qemu_command *c);

void qemu_add(struct qemu_command *c, const char *text);

/* An option and its formatted value. */
void qemu_addf(struct qemu_command *c, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* @text as a value between commas; freed by the caller. */
char *qemu_escaped(struct qemu_command *c, const char *text);

/* Gives QEMU a descriptor. Returns its number there. @take_fd is taken in any case. */
int qemu_give_fd(struct qemu_command *c, int take_fd);

/* Gives QEMU a duplicate of the caller's @fd. Returns its number there, or -errno. */
int qemu_give_copy(struct qemu_command *c, int fd, const char *what, struct err *e);

/* As a file name for options that open files: "/dev/fdset/N". Returns N. */
int qemu_give_fdset(struct qemu_command *c, int take_fd);

/* For a file that QEMU opens again through /proc/self/fd. If only its owner may read it (some
 * distributions' kernels in /boot), QEMU gets a copy in memory. Returns its number, or -errno. */
int qemu_give_reopened(struct qemu_command *c, int take_fd, const char *what, struct err *e);

struct qemu_file_id qemu_file_id(const struct stat *st);

/* Replaces the files that QEMU opens again by copies in memory, because with 9p QEMU has
 * capabilities that could change mode, owner and attributes of the originals. */
int qemu_copy_reopened(struct qemu_command *c, struct err *e);
