#include <errno.h>
#include <inttypes.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/container/child/setup.h"
#include "base/file.h"
#include "oci/names.h"

/* How the kernel treats the process. */

int set_oom_score(struct setup *s, struct err *e)
{
	char text[32];

	if (!s->process->has_oomscoreadj)
		return 0;
	(void) snprintf(text, sizeof text, "%" PRId64, s->process->oomscoreadj);
	return err_wrap(e, file_write(s->proc_fd, "self/oom_score_adj", text, e),
			"set process.oomScoreAdj");
}

/* Sets the limits in the order of the specification; an unknown type is an error. */
static int each_rlimit(const Grpc__Process *p, bool only_raise, struct err *e)
{
	for (size_t i = 0; i < p->n_rlimits; i++) {
		const Grpc__POSIXRlimit *l = p->rlimits[i];
		int number = l->type ? oci_rlimit_number(l->type) : -1;
		struct rlimit now, want = {.rlim_cur = l->soft, .rlim_max = l->hard};

		if (number < 0)
			return err_say(e, EINVAL, "process.rlimits: unknown type '%.64s'",
				       l->type ? l->type : "");
		if (only_raise) {
			if (getrlimit((__rlimit_resource_t) number, &now) < 0)
				return err_sys(e, errno, "read %s", l->type);
			if (now.rlim_max >= want.rlim_max)
				continue;
			want.rlim_cur = now.rlim_cur;
		}
		if (setrlimit((__rlimit_resource_t) number, &want) < 0)
			return err_sys(e, errno, "set process.rlimits %s", l->type);
	}
	return 0;
}

/* Comes early, because a process in a user namespace may not raise a hard limit. */
int raise_rlimits(struct setup *s, struct err *e)
{
	return each_rlimit(s->process, true, e);
}

/* Comes late, because a low limit could make a later step of the setup fail. */
int set_rlimits(struct setup *s, struct err *e)
{
	return each_rlimit(s->process, false, e);
}

static int set_scheduler(const Grpc__Scheduler *want, struct err *e)
{
	int policy = want->policy ? oci_scheduler_policy(want->policy) : -1;
	struct sched_attr attr = {
		.size = sizeof attr,
		.sched_policy = (uint32_t) policy,
		.sched_nice = want->nice,
		.sched_priority = (uint32_t) want->priority,
		.sched_runtime = want->runtime,
		.sched_deadline = want->deadline,
		.sched_period = want->period,
	};

	if (policy < 0)
		return err_say(e, EINVAL, "process.scheduler.policy: unknown policy '%.64s'",
			       want->policy ? want->policy : "");
	for (size_t i = 0; i < want->n_flags; i++) {
		int64_t flag = oci_scheduler_flag(want->flags[i]);

		if (flag < 0)
			return err_say(e, EINVAL, "process.scheduler.flags: unknown flag '%.64s'",
				       want->flags[i]);
		attr.sched_flags |= (uint64_t) flag;
	}
	if (syscall(SYS_sched_setattr, 0, &attr, 0) < 0)
		return err_sys(e, errno, "set process.scheduler");
	return 0;
}

int set_scheduling(struct setup *s, struct err *e)
{
	const Grpc__LinuxIOPriority *io = s->process->iopriority;
	int r = s->process->scheduler ? set_scheduler(s->process->scheduler, e) : 0;

	if (r < 0 || !io)
		return r;

	int class = io->class_ ? oci_ioprio_class(io->class_) : -1;

	if (class < 0 || io->priority < 0 || io->priority > 7)
		return err_say(e, EINVAL, "process.ioPriority: '%.64s' with %d is unknown",
			       io->class_ ? io->class_ : "", io->priority);
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(class, io->priority)) <
	    0)
		return err_sys(e, errno, "set process.ioPriority");
	return 0;
}

int set_personality(struct setup *s, struct err *e)
{
	if (s->number != PER_LINUX && personality(s->number) < 0)
		return err_sys(e, errno, "set linux.personality");
	return 0;
}
