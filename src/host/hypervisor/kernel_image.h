#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * A kernel as an ELF file that a VMM enters directly (PVH; Xen's docs/misc/pvh.pandoc), taken
 * apart: its segments are written into the guest's memory here, and the VMM gets a file with the
 * first page only. A VMM that loads all of it maps the file and keeps the map as long as it lives:
 * 45 MB of Debian's kernel in each machine, of which it has no use any more. Pages of zeros are
 * left out, because memory that nobody has touched is zero.
 *
 * Source of the format: the ELF-64 Object File Format, "ELF Header" and "Program Header".
 *
 * Threads: any; nothing is kept. The file is the administrator's, but nothing in it is believed
 * before it was compared with the sizes of file and memory.
 */

#define KERNEL_SEGMENTS_MAX 8

/* A piece of the file that belongs into the guest's memory. In bytes. */
struct kernel_segment {
	uint64_t at;      /* in the file */
	uint64_t address; /* in the guest's memory, physical */
	uint64_t bytes;
};

struct kernel_image {
	struct kernel_segment segments[KERNEL_SEGMENTS_MAX];
	size_t n;
	struct kernel_segment notes; /* among them the one with the PVH entry */
	uint8_t header[64];          /* the ELF header, as in the file */
};

/**
 * kernel_image_read() - see what of a file goes where
 * @fd:		open for reading; not changed, its offset neither
 *
 * Returns 0, -ENOEXEC (not an ELF-64 file of x86, or one that only a VMM should judge: its pieces
 * overlap, are outside of the file, or where firmware is), or -errno.
 */
int kernel_image_read(int fd, struct kernel_image *ret, struct err *e);

/* Makes the file that a VMM takes for the kernel in @fd. Returns a descriptor that is the caller's,
 * or -errno. */
int kernel_image_stub(int fd, const struct kernel_image *image, struct err *e);

/**
 * kernel_image_write() - put the kernel where the VMM would
 * @memory_fd:		a file of the guest's memory, whose offsets are physical addresses, all zero
 *			as yet where the kernel goes
 * @memory_bytes:	its size
 *
 * May be called between fork and exec: it takes no lock and no memory.
 *
 * Returns 0, -ENOSPC (the kernel is larger than the memory), or -errno.
 */
int kernel_image_write(int fd, const struct kernel_image *image, int memory_fd,
		       uint64_t memory_bytes, struct err *e);
