#include "agent/container/child/setup.h"
#include "base/array.h"

/*
 * The order in which a process becomes a container's init. Everything that needs privileges, other
 * namespaces or the agent's files comes before that is given up; everything that can fail comes
 * before READY, so that it is the create that fails and not the start.
 */
static const setup_fn make_container[] = {
	/* In the agent's namespaces, with all rights. */
	refuse_unsupported,
	refuse_unsupported_process,
	set_oom_score,
	raise_rlimits,
	open_sources,
	enter_namespaces,
	start_session,

	/* In the container's namespaces, still outside of its root. */
	make_root,
	make_mounts,
	make_devices,
	run_create_container_hooks,
	make_cwd,
	open_console,
	set_names,
	set_sysctls,
	hide_paths,
	make_readonly,
	compile_filter,
	prepare_start_hooks,
	enter_root,

	/* In the container. */
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

/*
 * What comes after the start. Without no_new_privs only CAP_SYS_ADMIN may load a filter, so
 * load_filter() comes before set_caps(), and the filter must allow the steps behind it; with
 * no_new_privs it comes last.
 */
static const setup_fn become_workload[] = {freshen_files, tell_executing,  load_filter,
					   set_caps,      run_start_hooks, execute};
static const setup_fn become_workload_nnp[] = {freshen_files,  set_caps,    run_start_hooks,
					       tell_executing, load_filter, execute};

int setup_init(struct setup *s, struct err *e)
{
	int r = setup_run(s, make_container, ARRAY_LEN(make_container), e);

	if (r == 0)
		r = setup_ask(STEP_READY, 0, -1, e);
	if (r < 0)
		return r;
	return s->filter && !s->process->nonewprivileges
		       ? setup_run(s, become_workload, ARRAY_LEN(become_workload), e)
		       : setup_run(s, become_workload_nnp, ARRAY_LEN(become_workload_nnp), e);
}
