#include "agent/container/child/setup.h"
#include "base/array.h"

/* The order in which a process becomes one more in a running container; see init.c. */
static const setup_fn join[] = {
	refuse_unsupported_process,
	set_oom_score,
	raise_rlimits,
	join_container,
	start_session,
	open_exec_console,
	receive_filter,
	set_personality,
	set_scheduling,
	set_environment,
	set_no_new_privs,
	set_rlimits,
	enter_cwd,
	set_bounding_caps,
	set_user,
	set_effective_caps,
	enter_cwd_as_user,
	find_program,
};

static const setup_fn become[] = {tell_executing, load_filter, set_caps, execute};
static const setup_fn become_nnp[] = {set_caps, tell_executing, load_filter, execute};

int setup_exec(struct setup *s, struct err *e)
{
	int r = setup_run(s, join, ARRAY_LEN(join), e);

	if (r < 0)
		return r;
	return s->filter && !s->process->nonewprivileges
		       ? setup_run(s, become, ARRAY_LEN(become), e)
		       : setup_run(s, become_nnp, ARRAY_LEN(become_nnp), e);
}
