#include "agent/rpc/member.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/child.h"
#include "oci/oci.h"

static int task_init(struct task *t, struct member *m, const char *exec_id)
{
	t->member = m;
	t->io = PROCESS_IO_NONE;
	list_init(&t->link);
	t->exec_id = strdup(exec_id);
	return t->exec_id ? 0 : -ENOMEM;
}

static void task_fini(struct task *t)
{
	struct err e = {0};

	process_free(t->process);
	process_io_close(&t->io);
	if (t->call)
		ttrpc_answer(t->call, err_say(&e, ECANCELED, "the container is removed"), &e);
	free(t->exec_id);
}

static struct member *find(struct rpc *rpc, const char *id)
{
	list_for_each (pos, &rpc->members) {
		struct member *m = container_of(pos, struct member, link);

		if (strcmp(m->id, id) == 0)
			return m;
	}
	return NULL;
}

int member_new(struct rpc *rpc, const char *id, const char *exec_id, struct member **ret,
	       struct err *e)
{
	int r = oci_id_check(id, e);

	if (r < 0)
		return r;
	if (find(rpc, id))
		return err_say(e, EEXIST, "there is a container '%s' already", id);
	if (rpc->n_members >= MEMBERS_MAX)
		return err_say(e, ENOSPC, "there are %u containers already", rpc->n_members);

	struct member *m = calloc(1, sizeof *m);

	if (!m)
		return err_sys(e, ENOMEM, "keep container '%s'", id);
	m->rpc = rpc;
	list_init(&m->execs);
	list_add(&rpc->members, &m->link);
	rpc->n_members++;
	m->id = strdup(id);
	r = m->id ? task_init(&m->init, m, exec_id) : -ENOMEM;
	if (r < 0)
		(void) err_sys(e, -r, "keep container '%s'", id);
	else
		r = storage_hold_new(rpc->storages, &m->hold, e);
	if (r < 0) {
		member_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

void member_free(struct member *m)
{
	if (!m)
		return;
	while (!list_empty(&m->execs))
		task_free(container_of(list_first(&m->execs), struct task, link));
	task_fini(&m->init);
	container_free(m->container);
	storage_hold_free(m->hold);
	loop_timer_cancel(m->patience);
	if (m->removal)
		ttrpc_answer(m->removal, 0, NULL); /* the container is removed now */
	list_remove(&m->link);
	m->rpc->n_members--;
	free(m->id);
	free(m);
}

int member_find(struct rpc *rpc, const char *id, struct member **ret, struct err *e)
{
	struct member *m = find(rpc, id);

	if (!m)
		return err_say(e, ENOENT, "there is no container '%s'", id);
	*ret = m;
	return 0;
}

int member_find_made(struct rpc *rpc, const char *id, struct member **ret, struct err *e)
{
	struct member *m = NULL;
	int r = member_find(rpc, id, &m, e);

	if (!m)
		return r;
	if (m->creation)
		return err_say(e, EBUSY, "container '%s' is still being made", id);
	*ret = m;
	return 0;
}

bool task_is_init(const struct task *t)
{
	return t == &t->member->init;
}

static struct task *find_exec(struct member *m, const char *exec_id)
{
	list_for_each (pos, &m->execs) {
		struct task *t = container_of(pos, struct task, link);

		if (strcmp(t->exec_id, exec_id) == 0)
			return t;
	}
	return NULL;
}

static bool names_init(const struct member *m, const char *exec_id)
{
	return !*exec_id || strcmp(exec_id, m->id) == 0 || strcmp(exec_id, m->init.exec_id) == 0;
}

static int find_task(struct rpc *rpc, const char *id, const char *exec_id, struct task **ret,
		     struct err *e)
{
	struct member *m = NULL;
	int r = member_find_made(rpc, id, &m, e);

	if (!m)
		return r;

	struct task *t = names_init(m, exec_id) ? &m->init : find_exec(m, exec_id);

	if (!t)
		return err_say(e, ENOENT, "there is no process '%s' in container '%s'", exec_id,
			       id);
	if (!t->process)
		return err_say(e, EBUSY, "process '%s' of container '%s' is still being made",
			       exec_id, id);
	*ret = t;
	return 0;
}

struct task *task_find(struct rpc *rpc, const char *id, const char *exec_id,
		       struct ttrpc_call *call)
{
	struct task *t = NULL;
	struct err e = {0};
	int r = find_task(rpc, id, exec_id, &t, &e);

	if (!t)
		ttrpc_answer(call, r, &e);
	return t;
}

static bool is_spent(const struct task *t)
{
	return t->process && process_is_spent(t->process);
}

/* Frees the oldest processes beyond the last TASKS_SPENT_MAX spent ones. */
static void sweep(struct member *m)
{
	unsigned spent = 0;

	list_for_each (pos, &m->execs)
		spent += is_spent(container_of(pos, struct task, link));
	list_for_each (pos, &m->execs) {
		struct task *t = container_of(pos, struct task, link);

		if (spent > TASKS_SPENT_MAX && is_spent(t)) {
			task_free(t);
			spent--;
		}
	}
}

int task_new(struct member *m, const char *exec_id, struct task **ret, struct err *e)
{
	struct task *former = find_exec(m, exec_id);

	if (names_init(m, exec_id) || (former && !is_spent(former)))
		return err_say(e, EEXIST, "there is a process '%s' in container '%s' already",
			       exec_id, m->id);
	if (former)
		task_free(former);
	sweep(m);
	if (m->n_execs >= TASKS_MAX)
		return err_say(e, ENOSPC, "container '%s' has %u processes already", m->id,
			       m->n_execs);

	struct task *t = calloc(1, sizeof *t);

	if (!t || task_init(t, m, exec_id) < 0) {
		free(t);
		return err_sys(e, ENOMEM, "keep process '%s'", exec_id);
	}
	list_add(&m->execs, &t->link);
	m->n_execs++;
	*ret = t;
	return 0;
}

void task_free(struct task *t)
{
	container_process_free(t->cp);
	list_remove(&t->link);
	t->member->n_execs--;
	task_fini(t);
	free(t);
}

int task_attach(struct task *t, struct err *e)
{
	struct rpc *rpc = t->member->rpc;

	if (t->io.out < 0)
		t->io.tty = container_process_take_tty(t->cp);

	return process_new(rpc->config.loop, &t->io, &t->process, e);
}

void task_exited(struct task *t, int status)
{
	process_ended(t->process, child_exit_code(status));
	if (!task_is_init(t)) {
		container_process_free(t->cp);
		t->cp = NULL;
	}
}
