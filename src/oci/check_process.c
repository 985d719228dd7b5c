/* Does a process make sense? */
#include <errno.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "oci/check.h"
#include "oci/names.h"

#define IOPRIO_LEVELS 8 /* of the kernel's real-time and best-effort classes */

static int check_env(const Grpc__Process *p, struct err *e)
{
	for (size_t i = 0; i < p->n_env; i++) {
		const char *equals = strchr(p->env[i], '=');

		if (!equals)
			return refuse(e, EINVAL, "process.env[%zu]: '%.64s' has no '='", i,
				      p->env[i]);
		if (equals == p->env[i])
			return refuse(e, EINVAL, "process.env[%zu]: '%.64s' has no name", i,
				      p->env[i]);
	}
	return 0;
}

static int check_capabilities(const Grpc__LinuxCapabilities *c, struct err *e)
{
	if (!c)
		return 0;

	const struct {
		const char *field;
		char *const *names;
		size_t n;
	} sets[] = {
		{"bounding", c->bounding, c->n_bounding},
		{"effective", c->effective, c->n_effective},
		{"inheritable", c->inheritable, c->n_inheritable},
		{"permitted", c->permitted, c->n_permitted},
		{"ambient", c->ambient, c->n_ambient},
	};

	for (size_t s = 0; s < ARRAY_LEN(sets); s++)
		for (size_t i = 0; i < sets[s].n; i++)
			if (oci_cap_number(sets[s].names[i]) < 0)
				return refuse(
					e, EINVAL,
					"process.capabilities.%s[%zu]: unknown capability '%.64s'",
					sets[s].field, i, sets[s].names[i]);
	return 0;
}

static int check_rlimits(const Grpc__Process *p, struct err *e)
{
	unsigned seen = 0;

	for (size_t i = 0; i < p->n_rlimits; i++) {
		const Grpc__POSIXRlimit *l = p->rlimits[i];
		int number = l->type ? oci_rlimit_number(l->type) : -1;

		if (number < 0)
			return refuse(e, EINVAL,
				      "process.rlimits[%zu].type: unknown rlimit '%.64s'", i,
				      l->type ? l->type : "");
		if (seen & 1u << number)
			return refuse(e, EINVAL,
				      "process.rlimits[%zu].type: '%s' stands there twice", i,
				      l->type);
		seen |= 1u << number;
		if (!l->has_soft || !l->has_hard)
			return refuse(e, EINVAL, "process.rlimits[%zu].%s: is missing", i,
				      l->has_soft ? "hard" : "soft");
		if (l->soft > l->hard)
			return refuse(e, EINVAL, "process.rlimits[%zu].soft: is more than hard", i);
	}
	return 0;
}

/* The kernel decides which numbers go with a policy, as with runc. */
static int check_scheduler(const Grpc__Scheduler *s, struct err *e)
{
	int policy;

	if (!s)
		return 0;
	policy = s->policy ? oci_scheduler_policy(s->policy) : -1;
	if (policy < 0)
		return refuse(e, EINVAL, "process.scheduler.policy: unknown policy '%.64s'",
			      s->policy ? s->policy : "");
	for (size_t i = 0; i < s->n_flags; i++)
		if (oci_scheduler_flag(s->flags[i]) < 0)
			return refuse(e, EINVAL,
				      "process.scheduler.flags[%zu]: unknown flag '%.64s'", i,
				      s->flags[i]);
	if (s->nice < -20 || s->nice > 19)
		return refuse(e, EINVAL, "process.scheduler.nice: %d is out of range (-20 to 19)",
			      s->nice);
	if (s->priority != 0 && policy != SCHED_FIFO && policy != SCHED_RR)
		return refuse(e, EINVAL,
			      "process.scheduler.priority: is for SCHED_FIFO and SCHED_RR alone");
	if ((s->runtime || s->deadline || s->period) && policy != SCHED_DEADLINE)
		return refuse(
			e, EINVAL,
			"process.scheduler: runtime, deadline and period are for SCHED_DEADLINE");
	return 0;
}

static int check_ioprio(const Grpc__LinuxIOPriority *p, struct err *e)
{
	if (!p)
		return 0;
	if (!p->class_ || oci_ioprio_class(p->class_) < 0)
		return refuse(e, EINVAL, "process.ioPriority.class: unknown class '%.64s'",
			      p->class_ ? p->class_ : "");
	if (p->priority < 0 || p->priority >= IOPRIO_LEVELS)
		return refuse(e, EINVAL, "process.ioPriority.priority: %d is out of range (0 to 7)",
			      p->priority);
	return 0;
}

static int check_numbers(const Grpc__Process *p, struct err *e)
{
	if (p->has_oomscoreadj && (p->oomscoreadj < -1000 || p->oomscoreadj > 1000))
		return refuse(e, EINVAL,
			      "process.oomScoreAdj: %lld is out of range (-1000 to 1000)",
			      (long long) p->oomscoreadj);
	if (p->user && p->user->has_umask && p->user->umask > 0777)
		return refuse(e, EINVAL, "process.user.umask: %u is out of range (0 to 511)",
			      p->user->umask);
	if (p->execcpuaffinity)
		return refuse(e, ENOTSUP, "process.execCPUAffinity: is not supported yet");
	return 0;
}

int oci_process_check(const Grpc__Process *p, struct err *e)
{
	int r;

	if (p->n_args == 0)
		return refuse(e, EINVAL, "process.args: is missing");
	if ((r = check_absolute(p->cwd, "process.cwd", e)) < 0 || (r = check_env(p, e)) < 0 ||
	    (r = check_capabilities(p->capabilities, e)) < 0 || (r = check_rlimits(p, e)) < 0 ||
	    (r = check_scheduler(p->scheduler, e)) < 0 || (r = check_ioprio(p->iopriority, e)) < 0)
		return r;
	return check_numbers(p, e);
}
