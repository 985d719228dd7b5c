#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/auto.h"
#include "base/err.h"

/* Descriptors: whole reads and writes, flags, and sending them to another process. */

/* Writes all of it to a blocking descriptor. Returns 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t bytes);

/* Reads exactly @bytes from a blocking descriptor. Returns 0, -ENODATA at an early end, or -errno.
 */
int fd_read_all(int fd, void *data, size_t bytes);

/* Makes a file in memory with these bytes; @name is only for /proc. Returns a descriptor, which
 * stands at the end of the file, or -errno. */
int fd_memory(const char *name, const void *data, size_t bytes) __attribute__((cold));

/* A program calls this first: those of descriptors 0, 1 and 2 that its caller has closed become
 * /dev/null, because the next socket or file would get the number and be used as a standard stream.
 * Returns 0 or -errno. */
int fd_open_standard(void);

/* A program that has printed calls this last. Returns 0, or -errno when not all of its output has
 * been written. */
int fd_flush_stdout(struct err *e);

/* Opens once more what is open as @fd, be it with O_PATH only, with @flags of open(2) beside
 * O_CLOEXEC: the same file, whatever its name means by now. Returns a descriptor or -errno. */
int fd_reopen(int fd, int flags);

/* Both return 0 or -errno. */
int fd_set_nonblock(int fd, bool on);
int fd_set_cloexec(int fd, bool on);

/* When the connection @fd is closed, the other end is told that it was cut (a reset) and not
 * that it has ended. What is no socket stays as it is. */
void fd_reset_at_close(int fd);

/* Most descriptors that travel in one message. */
#define FD_PASS_MAX 16

/* The address of the unix socket @path. Returns 0 or -ENAMETOOLONG. */
int fd_unix_address(const char *path, struct sockaddr_un *ret);

/* Sends @bytes (at least one) and @n_fds descriptors over a unix socket in one message. The
 * descriptors still belong to the caller. Returns the bytes sent or -errno. */
ssize_t fd_send(int sock, const void *data, size_t bytes, const int *fds, size_t n_fds);

/* Receives bytes and descriptors. @fds has room for FD_PASS_MAX; those received are close-on-exec
 * and belong to the caller. Returns the bytes received, 0 at end of file, or -errno. */
ssize_t fd_recv(int sock, void *data, size_t bytes, int *fds, size_t *ret_n_fds);

/* The user at the other end of a connected unix socket, as the kernel noted it: the user who
 * connected, or who made the socket listen. Returns 0 or -errno. */
int fd_peer_uid(int fd, uid_t *ret);
/* The same of its process; 0: one that this pid namespace does not see. */
int fd_peer_pid(int fd, pid_t *ret);
