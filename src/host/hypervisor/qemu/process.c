#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "host/hypervisor/qemu/qemu.h"

/* QEMU's ends of the socket pairs that are made for one start. */
struct far_ends {
	int qmp, console, agent;
};

static void far_ends_close(struct far_ends *far)
{
	far->qmp = fd_close(far->qmp);
	far->console = fd_close(far->console);
	far->agent = fd_close(far->agent);
}

static int make_pair(int *ret_near, int *ret_far, struct err *e)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return err_sys(e, errno, "make a socket pair for QEMU");
	*ret_near = sv[0];
	*ret_far = sv[1];
	return 0;
}

static int make_ends(struct qemu *q, struct far_ends *far, struct err *e)
{
	auto_close int qmp = -1;
	int r = make_pair(&qmp, &far->qmp, e);

	if (r == 0)
		r = qmp_open(qmp, qemu_on_event, q, &q->qmp, e);
	if (r < 0)
		return r;
	(void) take_fd(&qmp); /* q->qmp owns it now */
	r = console_open(&q->hv.console, &far->console, e);
	if (r == 0 && q->info.channel == HV_CHANNEL_SERIAL)
		r = make_pair(&q->agent_fd, &far->agent, e);
	return r;
}

static int spawn(struct qemu *q, const struct far_ends *far, struct err *e)
{
	struct child_fd fds[QEMU_FDS_MAX + 3] = {
		{far->qmp, QEMU_FD_QMP},
		{far->console, QEMU_FD_CONSOLE},
	};
	size_t n = 2;

	if (far->agent >= 0)
		fds[n++] = (struct child_fd){far->agent, QEMU_FD_AGENT};
	for (size_t i = 0; i < q->command.n_fds; i++)
		fds[n++] = q->command.fds[i];

	/* Resolved here, because links may lead through folders that QEMU's root does not have. */
	auto_free char *program = realpath(q->command.argv[0], NULL);
	const char *const no_environment[] = {NULL};
	struct child_spec spec = {
		.path = program ? program : q->command.argv[0],
		.argv = (const char *const *) q->command.argv,
		.envp = no_environment,
		.cwd = "/", /* QEMU looks for firmware here, too: not in the caller's folder */
		.fds = fds,
		.n_fds = n,
		.new_pid_namespace = q->confine.namespaces != 0,
		.prepare = qemu_become,
		.prepare_arg = q,
	};
	int r = subprocess_start(&q->process, &spec, e);

	if (r < 0)
		return r;
	pthread_mutex_lock(&q->lock);
	q->shutdown[0] = '\0';
	pthread_mutex_unlock(&q->lock);
	return 0;
}

static void undo_start(struct qemu *q)
{
	(void) subprocess_stop(&q->process, CLOCK_NEVER, NULL);
	qemu_empty_memory(q);
	qemu_drain(q);
	qmp_close(q->qmp);
	q->qmp = NULL;
	q->agent_fd = fd_close(q->agent_fd);
	console_close(&q->hv.console);
}

/* Why QEMU ended tells more than the broken monitor: if it ends soon, its reason replaces @e. */
static int why_not(struct qemu *q, int r, struct err *e)
{
	(void) subprocess_wait(&q->process, clock_deadline(QEMU_LAST_WORDS_MS));
	return qemu_ended(q, e) ? -ECONNRESET : r;
}

/* Once the machine is built, QEMU has opened or mapped all its files: empty its root before the
 * guest runs its first instruction. */
static int set_going(struct qemu *q, msec_t deadline, struct err *e)
{
	struct err why = {0};
	int r = confine_root_empty(&q->confine.root, q->process.child.pidfd, &why);

	if (r < 0 && q->user.require_confinement) {
		if (e)
			*e = why;
		return err_wrap(e, r, "confine QEMU (key 'require_confinement')");
	}
	if (r < 0)
		log_err(LOG_WARN, &why, "ignoring: QEMU's root stays as it is, read-only");
	return qmp_call(q->qmp, "cont", NULL, deadline, NULL, e);
}

/* What depends on the devices that were attached. */
static int complete(struct qemu *q, struct err *e)
{
	if (q->is_complete)
		return 0;
	q->is_complete = true;

	int r = qemu_config_finish(&q->command, &q->memory, &q->devices, e);

	if (r == 0)
		r = qemu_take_kernel(q, e);
	return r < 0 ? r
		     : qemu_confine(&q->confine, &q->command, &q->devices, &q->user,
				    q->info.accel == HV_ACCEL_KVM, e);
}

int qemu_start(struct hv *hv, msec_t deadline, struct err *e)
{
	struct qemu *q = qemu_of(hv);
	struct far_ends far = {-1, -1, -1};
	char version[sizeof q->info.version];
	int r = complete(q, e);

	if (r == 0)
		r = make_ends(q, &far, e);
	if (r == 0)
		r = spawn(q, &far, e);
	far_ends_close(&far);
	if (r == 0)
		r = qemu_fill_memory(q, e);
	if (r == 0) {
		r = qmp_greet(q->qmp, deadline, version, sizeof version, e);
		if (r == 0)
			r = qemu_load_state(q, deadline, e);
		if (r == 0)
			r = set_going(q, deadline, e);
		if (r < 0 && r != -ETIMEDOUT)
			r = why_not(q, r, e);
	}
	if (r < 0) {
		undo_start(q);
		return r;
	}
	pthread_mutex_lock(&q->lock);
	memcpy(q->info.version, version, sizeof version);
	pthread_mutex_unlock(&q->lock);
	qemu_command_fini(&q->command);
	qemu_saved_fini(q);
	confine_fini(&q->confine);
	q->vhost_fd = fd_close(q->vhost_fd); /* QEMU has it, and with it the context id */
	subprocess_watch(&q->process);
	return 0;
}

int qemu_stop(struct hv *hv, msec_t deadline, struct err *e)
{
	return subprocess_stop(&qemu_of(hv)->process, deadline, e);
}
