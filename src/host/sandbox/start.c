/* A machine that waits for containers: the steps from a configuration to READY. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/journal.h"
#include "base/log.h"
#include "host/sandbox/cgroups.h"
#include "host/sandbox/container.h"
#include "host/sandbox/machine.h"
#include "host/sandbox/maker.h"
#include "host/sandbox/model.h"
#include "host/sandbox/process.h"
#include "host/sandbox/registry.h"
#include "host/state/run_dir.h"

/* A host without journald still gets its log. */
static void log_to_journal(void)
{
	struct err e = {0};

	if (journal_open(JOURNAL_SOCKET, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring log_to_journald");
}

static const char *config_path(const struct sandbox *sb, const struct sandbox_spec *spec)
{
	return spec->config_path ? spec->config_path : sb->options.config_path;
}

static int read_config(struct sandbox *sb, const struct sandbox_spec *spec, struct err *e)
{
	int r = config_load(config_path(sb, spec), &sb->machine.config, e);

	if (r < 0)
		return r;

	const struct machine_wish file = machine_wish(&sb->machine.config->hypervisor);
	const struct host_size host = host_size();

	for (size_t i = 0; r == 0 && i < spec->n_annotations; i++)
		r = config_annotate(sb->machine.config, spec->annotations[i]->key,
				    spec->annotations[i]->value, e);
	if (r == 0)
		r = machine_wish_check(&file, &sb->machine.config->hypervisor, &host, e);
	if (r < 0)
		return r;
	sb->machine.may_grow =
		!sb->options.lone && !sb->machine.config->runtime.static_sandbox_resource_mgmt;
	if (sb->machine.config->runtime.enable_debug ||
	    sb->machine.config->hypervisor.enable_debug || sb->machine.config->agent.enable_debug)
		log_set_level(LOG_DEBUG);
	if (sb->machine.config->runtime.log_to_journald)
		log_to_journal();
	for (size_t i = 0; i < sb->machine.config->warnings.n; i++)
		log_warn("%s", sb->machine.config->warnings.items[i]);
	return 0;
}

/* Shares the administrator's sandbox_bind_mounts: "PATH", "PATH:ro" or "PATH:rw". */
static int lend_sandbox_mounts(struct machine *m, struct err *e)
{
	const struct config_list *list = &m->config->runtime.sandbox_bind_mounts;

	for (size_t i = 0; i < list->n; i++) {
		auto_free char *path = strdup(list->items[i]);
		auto_free char *guest_path = NULL;
		char *suffix = path ? strrchr(path, ':') : NULL;
		bool writable = suffix && strcmp(suffix, ":rw") == 0;

		if (!path)
			return err_sys(e, ENOMEM, "sandbox_bind_mounts");
		if (suffix && (writable || strcmp(suffix, ":ro") == 0))
			*suffix = '\0';

		const struct share_flags flags = {
			.exact_name = true, .recursive = true, .readonly = !writable};
		auto_close int fd = open(path, O_PATH | O_CLOEXEC);
		int r = fd < 0 ? err_sys(e, errno, "open '%s'", path)
			       : share_add(m->share, "sandbox-mounts", fd, path, flags, &guest_path,
					   e);

		if (r < 0)
			return err_wrap(e, r, "sandbox_bind_mounts");
	}
	return 0;
}

static int make_share(struct sandbox *sb, struct err *e)
{
	auto_free char *usual = run_dir_path(RUN_DIR, SHARE_BASE);

	if (!usual)
		return err_sys(e, ENOMEM, "make the share");
	log_debug("step: make the share");
	return share_open(sb->options.share_base ? sb->options.share_base : usual, sb->options.id,
			  &sb->machine.share, e);
}

static int start_steps(struct sandbox *sb, const struct sandbox_spec *spec,
		       struct guest_container *first, struct err *e)
{
	int r = read_config(sb, spec, e);

	if (r == 0)
		r = cgroups_plan(sb, spec, e);
	if (r == 0) {
		notes_update(sb, first);
		r = cgroups_make(sb, spec, e);
	}
	if (r == 0)
		r = make_share(sb, e);
	if (r == 0)
		notes_update(sb, first);
	if (r == 0)
		r = lend_sandbox_mounts(&sb->machine, e);
	if (r == 0 && first)
		r = guest_container_lend(first, e);
	if (r == 0)
		r = interfaces_begin(&sb->machine.interfaces, sb->options.id,
				     first ? first->joined.net_ns : -1, sb->machine.config, e);
	if (r == 0)
		notes_update(sb, first);
	if (r == 0)
		r = boot(sb, spec, first, e);
	if (r == 0)
		r = cgroups_limit(sb, spec, e);
	return r;
}

struct start_job {
	struct sandbox_job job;
	struct sandbox *sb;
	struct sandbox_spec spec;
	struct guest_container *first; /* was added before; or NULL */
	sandbox_done_fn done;
	void *arg;
};

static int start_run(struct worker_job *job, struct err *e)
{
	struct start_job *j = container_of(job, struct start_job, job.job);
	int r = start_steps(j->sb, &j->spec, j->first, e);

	if (r == 0) {
		maker_start(j->sb, config_path(j->sb, &j->spec));
		return 0;
	}
	if (j->first) {
		hooks_stopped(j->first);
		room_close(j->first);
	}
	teardown(j->sb);
	return r;
}

static void start_done(struct worker_job *job, int r, struct err *e)
{
	struct start_job *j = container_of(job, struct start_job, job.job);
	struct sandbox *sb = j->sb;
	const struct sandbox_answer answer = {.r = r, .err = *e};

	sb->state = r < 0 ? SANDBOX_ENDED : SANDBOX_READY;
	sb->start_failed = *e;
	if (r == 0) {
		oom_listen(sb);
		interfaces_watch(sb);
		interfaces_watch_egress(sb);
		forwards_begin(sb);
	} else {
		guest_container_free(j->first);
	}
	j->done(j->arg, &answer);
	free(j);
	list_for_each (pos, &sb->containers)
		guest_container_go_on(container_of(pos, struct guest_container, link));
	if (sb->state == SANDBOX_READY && sb->cause.is_known)
		teardown_later(sb);
	sandbox_changed(sb);
}

void sandbox_start(struct sandbox *sb, const struct sandbox_spec *spec, sandbox_done_fn done,
		   void *arg)
{
	struct start_job *j = NULL;
	struct guest_container *first = NULL;
	struct err e = {0};

	if (sb->state != SANDBOX_EMPTY)
		(void) err_say(&e, EBUSY, "the sandbox was started already");
	else if (spec->container && !(first = sandbox_find(sb, spec->container, &e)))
		; /* said by sandbox_find() */
	else if (!(j = calloc(1, sizeof *j)))
		(void) err_sys(&e, ENOMEM, "start the sandbox");
	if (e.code) {
		sandbox_refuse(done, arg, &e);
		return;
	}
	*j = (struct start_job){
		.job = {.job.run = start_run, .done = start_done},
		.sb = sb,
		.spec = *spec,
		.first = first,
		.done = done,
		.arg = arg,
	};
	sb->state = SANDBOX_STARTING;
	sb->for_container = first != NULL;
	job_queue(sb, NULL, &j->job);
}
