#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cgroup/cgroup.h"
#include "agent/cgroup/device_programs.h"
#include "agent/cgroup/tree.h"
#include "base/bpf.h"

/* Attaches @prog, in place of the program attached before, if any. */
static int attach(const struct cgroup *cg, int prog)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.target_fd = (uint32_t) cg->fd;
	attr.attach_bpf_fd = (uint32_t) prog;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (cg->device_prog >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t) cg->device_prog;
	}
	return bpf_call(BPF_PROG_ATTACH, &attr);
}

static int detach(const struct cgroup *cg)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.target_fd = (uint32_t) cg->fd;
	attr.attach_bpf_fd = (uint32_t) cg->device_prog;
	attr.attach_type = BPF_CGROUP_DEVICE;
	return bpf_call(BPF_PROG_DETACH, &attr);
}

int cgroup_set_devices(struct cgroup *cg, const Grpc__LinuxResources *res, struct err *e)
{
	struct device_program p;
	int r = device_program_make(res ? res->devices : NULL, res ? res->n_devices : 0, &p, e);

	if (r < 0)
		return r;

	/* The descriptor stays open, because the next change has to name the program to replace. */
	auto_close int prog = p.allows_all ? -1 : device_programs_get(&cg->root->programs, &p);

	free(p.insns);
	if (!p.allows_all && prog < 0)
		return err_sys(e, -prog, "load linux.resources.devices");
	if (prog >= 0)
		r = attach(cg, prog);
	else if (cg->device_prog >= 0)
		r = detach(cg);
	if (r < 0)
		return err_sys(e, -r, "set linux.resources.devices");
	fd_close(cg->device_prog);
	cg->device_prog = take_fd(&prog);
	return 0;
}
