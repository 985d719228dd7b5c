#include "base/sparse.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define PAGE_BYTES 4096

/* A piece of a file that is no hole. */
struct extent {
	uint64_t at, end;
};

/* Copies one extent. */
typedef int (*copy_fn)(int from, int to, struct extent x, uint64_t *data, struct err *e);

/* The next one at or after @at. Returns 1, 0 when there is none, or -errno. */
static int next_extent(int fd, uint64_t at, uint64_t bytes, struct extent *ret, struct err *e)
{
	off_t start = at < bytes ? lseek(fd, (off_t) at, SEEK_DATA) : -1;
	off_t end;

	if (at >= bytes || (start < 0 && errno == ENXIO) || start >= (off_t) bytes)
		return 0;
	end = start < 0 ? -1 : lseek(fd, start, SEEK_HOLE);
	if (end < 0)
		return err_sys(e, errno, "look for the holes of a file");
	*ret = (struct extent){(uint64_t) start, (uint64_t) end < bytes ? (uint64_t) end : bytes};
	return 1;
}

static int copy_extents(int from, int to, uint64_t bytes, copy_fn copy, uint64_t *ret_data,
			struct err *e)
{
	struct extent x = {0};
	uint64_t data = 0;
	int r;

	while ((r = next_extent(from, x.end, bytes, &x, e)) > 0) {
		r = copy(from, to, x, &data, e);
		if (r < 0)
			return r;
	}
	if (r == 0)
		*ret_data = data;
	return r;
}

static int send_extent(int from, int to, struct extent x, uint64_t *data, struct err *e)
{
	off_t at = (off_t) x.at;

	if (lseek(to, at, SEEK_SET) < 0)
		return err_sys(e, errno, "copy a file");
	while (at < (off_t) x.end) {
		ssize_t n = sendfile(to, from, &at, (size_t) (x.end - (uint64_t) at));

		if (n <= 0)
			return err_sys(e, n < 0 ? errno : EIO, "copy a file");
		*data += (uint64_t) n;
	}
	return 0;
}

int sparse_copy(int from, int to, uint64_t bytes, uint64_t *ret_data, struct err *e)
{
	return copy_extents(from, to, bytes, send_extent, ret_data, e);
}

static bool is_zero(const char *page)
{
	return page[0] == 0 && memcmp(page, page + 1, PAGE_BYTES - 1) == 0;
}

static int write_at(int to, const char *data, size_t bytes, uint64_t at, struct err *e)
{
	while (bytes) {
		ssize_t n = pwrite(to, data, bytes, (off_t) at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(e, n < 0 ? errno : ENOSPC, "copy a file");
		data += n;
		at += (uint64_t) n;
		bytes -= (size_t) n;
	}
	return 0;
}

/* @map: the extent's bytes. Writes each run of pages that are not zero at once. */
static int write_runs(int to, const char *map, struct extent x, uint64_t *data, struct err *e)
{
	uint64_t bytes = x.end - x.at;

	for (uint64_t at = 0; at < bytes;) {
		uint64_t run = at;

		while (run + PAGE_BYTES <= bytes && !is_zero(map + run))
			run += PAGE_BYTES;
		if (run < bytes && run + PAGE_BYTES > bytes)
			run = bytes;

		int r = write_at(to, map + at, (size_t) (run - at), x.at + at, e);

		if (r < 0)
			return r;
		*data += run - at;
		at = run + PAGE_BYTES;
	}
	return 0;
}

static int copy_dense(int from, int to, struct extent x, uint64_t *data, struct err *e)
{
	size_t bytes = (size_t) (x.end - x.at);
	void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, from, (off_t) x.at);
	int r;

	if (map == MAP_FAILED)
		return err_sys(e, errno, "map a file");
	r = write_runs(to, map, x, data, e);
	(void) munmap(map, bytes);
	return r;
}

int sparse_copy_dense(int from, int to, uint64_t bytes, uint64_t *ret_data, struct err *e)
{
	return copy_extents(from, to, bytes, copy_dense, ret_data, e);
}

int sparse_write(int to, const void *data, size_t bytes, uint64_t at, struct err *e)
{
	uint64_t written = 0;

	return write_runs(to, data, (struct extent){at, at + bytes}, &written, e);
}
