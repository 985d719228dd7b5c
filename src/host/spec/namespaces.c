/* The spec's namespaces. Those that the guest makes stay in the spec; a path names a file of this
 * host, so it is checked here. */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/log.h"
#include "host/spec/spec.h"
#include "oci/names.h"

static void remove_namespace(Grpc__Linux *linux, size_t i)
{
	grpc__linux_namespace__free_unpacked(linux->namespaces[i], NULL);
	linux->n_namespaces--;
	memmove(&linux->namespaces[i], &linux->namespaces[i + 1],
		(linux->n_namespaces - i) * sizeof *linux->namespaces);
}

/* Opens @path, which must be a namespace of @type. */
static int open_path(const char *path, int type, int *ret_fd, struct err *e)
{
	/* O_NONBLOCK, because opening a fifo would wait for a writer. */
	auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", path);

	int found = ioctl(fd, NS_GET_NSTYPE);

	if (found < 0)
		return err_say(e, EINVAL, "'%s' is no namespace", path);
	if (found != type)
		return err_say(e, EINVAL, "'%s' is a %s namespace, not a %s namespace", path,
			       oci_namespace_type(found) ?: "different", oci_namespace_type(type));
	*ret_fd = take_fd(&fd);
	return 0;
}

/* A machine can use only a network namespace of the host; all others belong to the kernel that runs
 * the process. */
static int judge(const Grpc__LinuxNamespace *ns, int type, int *ret_net_ns, struct err *e)
{
	auto_close int fd = -1;
	int r = open_path(ns->path, type, &fd, e);

	if (r < 0)
		return r;
	if (type != CLONE_NEWNET)
		return err_say(e, ENOTSUP, "a virtual machine cannot join the host's '%s'",
			       ns->path);
	log_warn("linux.namespaces: the interfaces of '%s' are not brought into the machine yet",
		 ns->path);
	if (ret_net_ns && *ret_net_ns < 0)
		*ret_net_ns = take_fd(&fd);
	return 0;
}

int guest_namespaces_make(Grpc__Linux *linux, int *ret_net_ns, struct err *e)
{
	/* Backwards, because a removal changes later indexes, and errors name the document's. */
	for (size_t i = linux->n_namespaces; i-- > 0;) {
		const Grpc__LinuxNamespace *ns = linux->namespaces[i];
		int type = oci_namespace_flag(ns->type);

		if (ns->path && ns->path[0]) {
			int r = judge(ns, type, ret_net_ns, e);

			if (r < 0)
				return err_wrap(e, r, "linux.namespaces[%zu].path", i);
		}
		/* The machine itself is the network namespace of its containers. */
		if (type == CLONE_NEWNET)
			remove_namespace(linux, i);
	}
	return 0;
}
