/* share_nodes FOLDER: what a container's root makes in a folder that the host shares: a line for
 * each, with how it went. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

static void report(const char *what, int result)
{
	printf("%s: %s\n", what, result == 0 ? "made" : strerror(errno));
}

static int make_socket(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return fd < 0 ? -1 : bind(fd, (struct sockaddr *) &addr, sizeof addr);
}

static int set_capability(const char *file)
{
	const struct vfs_cap_data cap = {
		.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		.data = {{.permitted = 1U << CAP_NET_BIND_SERVICE}},
	};
	struct vfs_cap_data seen;

	if (setxattr(file, "security.capability", &cap, sizeof cap, 0) < 0)
		return -1;
	if (getxattr(file, "security.capability", &seen, sizeof seen) != sizeof seen)
		return -1;
	errno = EILSEQ;
	return memcmp(&cap, &seen, sizeof cap) == 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct stat st;

	if (argc != 2 || chdir(argv[1]) < 0)
		return 2;
	report("fifo", mkfifo("fifo", 0640));
	report("socket", make_socket());
	report("whiteout", mknod("whiteout", S_IFCHR, makedev(0, 0)));
	report("character device", mknod("null", S_IFCHR | 0666, makedev(1, 3)));
	report("block device", mknod("disk", S_IFBLK | 0600, makedev(7, 0)));
	report("owner", chown("program", 4294967294U - 1, 70000));
	report("set-uid", chmod("program", 06755));
	report("capability", set_capability("program"));
	return stat("program", &st) < 0 ? 1 : 0;
}
