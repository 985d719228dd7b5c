/* The spec's namespaces. Those that the guest makes stay in the spec; a path names a file of this
 * host, so it is checked here. */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fd.h"
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

/* The namespace of @sibling that is of @type. */
static const struct guest_ns *of_type(const struct guest_sibling *sibling, int type)
{
	switch (type) {
	case CLONE_NEWNET:
		return &sibling->net;
	case CLONE_NEWIPC:
		return &sibling->ipc;
	case CLONE_NEWUTS:
		return &sibling->uts;
	case CLONE_NEWPID:
		return &sibling->pid;
	case CLONE_NEWUSER:
		return &sibling->user;
	default:
		return NULL;
	}
}

/* Whose namespace the open @fd is; NULL: nobody's in this machine. */
static const struct guest_sibling *whose(const struct guest_rules *rules, int fd, int type)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	for (size_t i = 0; i < rules->n_siblings; i++) {
		const struct guest_ns *ns = of_type(&rules->siblings[i], type);

		if (ns && ns->dev == st.st_dev && ns->ino == st.st_ino)
			return &rules->siblings[i];
	}
	return NULL;
}

int guest_namespace_open(const struct guest_rules *rules, const char *path, int type, int *ret_fd,
			 const struct guest_sibling **ret_sibling, struct err *e)
{
	int r = open_path(path, type, ret_fd, e);

	if (r == 0)
		*ret_sibling = whose(rules, *ret_fd, type);
	return r;
}

static char **name_of(struct guest_joined *joined, int type)
{
	return type == CLONE_NEWPID   ? &joined->pid_of
	       : type == CLONE_NEWIPC ? &joined->ipc_of
				      : &joined->uts_of;
}

static void keep(int *place, int *take_fd_of)
{
	if (*place < 0)
		*place = take_fd(take_fd_of);
}

/* A machine can use only a network namespace of the host; all others belong to the kernel that runs
 * the process. One of a container of this machine means the container's in the guest. */
static int judge(const struct guest_rules *rules, const Grpc__LinuxNamespace *ns, int type,
		 struct err *e)
{
	struct guest_joined *joined = rules->ret_joined;
	auto_close int fd = -1;
	const struct guest_sibling *sibling = NULL;
	int r = guest_namespace_open(rules, ns->path, type, &fd, &sibling, e);

	if (r < 0)
		return r;
	joined->any |= sibling != NULL;
	if (!sibling && type != CLONE_NEWNET)
		return err_say(e, ENOTSUP, "a virtual machine cannot join the host's '%s'",
			       ns->path);
	if (sibling && type != CLONE_NEWNET && !(*name_of(joined, type) = strdup(sibling->id)))
		return err_sys(e, ENOMEM, "rewrite the spec");
	if (type == CLONE_NEWPID)
		return 0;
	keep(type == CLONE_NEWNET   ? &joined->net_ns
	     : type == CLONE_NEWIPC ? &joined->ipc_ns
				    : &joined->uts_ns,
	     &fd);
	return 0;
}

int guest_namespaces_make(const struct guest_rules *rules, Grpc__Linux *linux, struct err *e)
{
	/* Backwards, because a removal changes later indexes, and errors name the document's. */
	for (size_t i = linux->n_namespaces; i-- > 0;) {
		Grpc__LinuxNamespace *ns = linux->namespaces[i];
		int type = oci_namespace_flag(ns->type);

		if (ns->path && ns->path[0]) {
			int r = judge(rules, ns, type, e);

			if (r < 0)
				return err_wrap(e, r, "linux.namespaces[%zu].path", i);
			/* The guest is told in other words. */
			ns->path[0] = '\0';
		}
		/* The machine itself is the network namespace of its containers. */
		if (type == CLONE_NEWNET)
			remove_namespace(linux, i);
	}
	return 0;
}

void guest_joined_fini(struct guest_joined *j)
{
	j->net_ns = fd_close(j->net_ns);
	j->ipc_ns = fd_close(j->ipc_ns);
	j->uts_ns = fd_close(j->uts_ns);
	j->user_ns = fd_close(j->user_ns);
	free(take_ptr(j->pid_of));
	free(take_ptr(j->ipc_of));
	free(take_ptr(j->uts_of));
	free(take_ptr(j->user_of));
}
