/* Who exists in a sandbox, and what it can take now. */
#include "host/sandbox/registry.h"

#include <errno.h>
#include <string.h>

#include "host/sandbox/model.h"

void sandbox_changed(struct sandbox *sb)
{
	if (sb->options.changed)
		sb->options.changed(sb->options.arg);
}

void sandbox_refuse(sandbox_done_fn done, void *arg, const struct err *e)
{
	struct sandbox_answer answer = {.r = -e->code, .err = *e};

	done(arg, &answer);
}

int sandbox_check_ready(const struct sandbox *sb, struct err *e)
{
	if (sb->start_failed.code)
		return err_say(e, ECONNRESET, "the machine did not start: %s",
			       sb->start_failed.text);
	if (sb->cause.is_known)
		return err_say(e, ECONNRESET, "the machine is gone: %s", sb->cause.why.text);
	if (sb->state != SANDBOX_READY)
		return err_say(e, EBUSY, "the sandbox is not ready for a container");
	return 0;
}

int sandbox_check_program(const struct guest_container *c, struct err *e)
{
	if (!c->holds_pod)
		return 0;
	return err_say(e, EOPNOTSUPP, "container '%s' stands for its pod: no program runs in it",
		       c->id);
}

struct guest_container *sandbox_find(struct sandbox *sb, const char *id, struct err *e)
{
	list_for_each (pos, &sb->containers) {
		struct guest_container *c = container_of(pos, struct guest_container, link);

		if (strcmp(c->id, id) == 0)
			return c;
	}
	(void) err_say(e, ENOENT, "container '%s' does not exist", id);
	return NULL;
}

struct guest_container *sandbox_find_alive(struct sandbox *sb, const char *id, struct err *e)
{
	struct guest_container *c = sandbox_find(sb, id, e);

	if (!c)
		return NULL;
	if (c->init->status != OCI_CREATING && c->init->status != OCI_STOPPED)
		return c;
	(void) err_say(e, EBUSY, "container '%s' is %s", id, oci_status_name(c->init->status));
	return NULL;
}

struct guest_container *sandbox_find_in_guest(struct sandbox *sb, const char *id, struct err *e)
{
	struct guest_container *c = sandbox_find_alive(sb, id, e);

	return c && sandbox_check_program(c, e) == 0 ? c : NULL;
}

struct guest_process *sandbox_find_process(struct sandbox *sb, const char *id, const char *exec_id,
					   struct err *e)
{
	struct guest_container *c = sandbox_find(sb, id, e);

	if (!c)
		return NULL;
	if (!exec_id[0])
		return c->init;
	list_for_each (pos, &c->execs) {
		struct guest_process *p = container_of(pos, struct guest_process, link);

		if (strcmp(p->exec_id, exec_id) == 0)
			return p;
	}
	(void) err_say(e, ENOENT, "container '%s' has no process '%s'", id, exec_id);
	return NULL;
}

bool sandbox_has_containers(const struct sandbox *sb)
{
	return !list_empty(&sb->containers);
}

bool sandbox_has_only(const struct sandbox *sb, const char *id)
{
	list_for_each (pos, &sb->containers)
		if (strcmp(container_of(pos, struct guest_container, link)->id, id) != 0)
			return false;
	return true;
}

bool sandbox_is_empty(const struct sandbox *sb)
{
	return sb->state == SANDBOX_EMPTY;
}

bool sandbox_is_ready(const struct sandbox *sb)
{
	return sb->state == SANDBOX_READY;
}

bool sandbox_is_ended(const struct sandbox *sb)
{
	return sb->state == SANDBOX_ENDED;
}

bool sandbox_is_over(const struct sandbox *sb)
{
	return sb->state == SANDBOX_ENDED && list_empty(&sb->containers);
}
