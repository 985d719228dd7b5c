#include "base/bpf.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

int bpf_call(int command, union bpf_attr *attr)
{
	int r = (int) syscall(SYS_bpf, command, attr, sizeof *attr);

	return r < 0 ? -errno : r;
}
