#include "host/shim/lifetime.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "host/shim/pod.h"
#include "host/state/names.h"

int orphan_init(struct orphan *o, const char *id, const char *folder, struct err *e)
{
	*o = (struct orphan){.fd = -1};
	if (!folder)
		return 0;
	o->folder = strdup(folder);
	o->id = strdup(id);
	if (!o->folder || !o->id)
		return err_sys(e, ENOMEM, "make a server");
	o->fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return o->fd < 0 ? err_sys(e, errno, "open folder '%s'", folder) : 0;
}

void orphan_fini(struct orphan *o)
{
	free(o->folder);
	free(o->id);
	fd_close(o->fd);
}

static bool is_published(const struct orphan *o)
{
	return faccessat(o->fd, STATE_RECORD, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

static void deleted(void *arg, const struct sandbox_answer *answer)
{
	struct server *s = arg;

	if (answer->r < 0)
		log_err(LOG_WARN, &answer->err, "ignoring, while an orphan is removed");
	server_consider(s);
}

/* Deletes the container of an orphan, once it can be. */
static void orphan_delete(struct server *s)
{
	struct orphan *o = &s->orphan;
	struct sandbox_process p;

	if (!o->found || o->deleting || s->ending || !sandbox_is_idle(s->sandbox) ||
	    sandbox_state(s->sandbox, o->id, "", &p, NULL) < 0)
		return;
	if (p.status != OCI_CREATED && p.status != OCI_STOPPED)
		return; /* it is being made or killed: tried again after that */
	o->deleting = true;
	pod_delete(s->sandbox, o->id, "", deleted, s);
}

void orphan_found(struct server *s)
{
	if (!s->orphan.folder || s->orphan.found)
		return;
	log_info("who made '%s' is gone: removing it", s->orphan.id);
	s->orphan.found = true;
	orphan_delete(s);
}

/* The container that the server was made for was deleted, and others are in its machine. */
static bool is_outlived(const struct server *s)
{
	struct sandbox_process p;

	return sandbox_has_containers(s->sandbox) &&
	       sandbox_state(s->sandbox, s->orphan.id, "", &p, NULL) < 0;
}

void orphan_left_alone(struct server *s)
{
	if (s->orphan.folder && !is_published(&s->orphan) && !is_outlived(s))
		orphan_found(s);
}

void server_end(struct server *s)
{
	s->ending = true;
	loop_stop(s->loop);
}

void server_used(struct server *s)
{
	s->created = true;
	loop_timer_cancel(s->first_timer);
	s->first_timer = NULL;
}

/* How long a server whose sandbox was shut down waits for its clients to hang up. */
#define FAREWELL_TIMEOUT_MS 30000

static void nobody_hangs_up(void *arg)
{
	struct server *s = arg;

	s->farewell_timer = NULL;
	server_end(s);
}

/* Whether those who were told of the end have heard it. ttRPC's client in Go may report the end of
 * a connection instead of the answer right before it, and containerd then fails to remove the
 * pod. */
static bool is_heard(struct server *s)
{
	return s->connections == 0 ||
	       (!s->farewell_timer && loop_timer(s->loop, clock_deadline(FAREWELL_TIMEOUT_MS),
						 nobody_hangs_up, s, &s->farewell_timer, NULL) < 0);
}

/* Whether there is nothing and nothing is to come: the sandbox is over, or the only container that
 * was asked for could not even be noted (no descriptor, no memory). */
static bool has_nothing(const struct server *s)
{
	return sandbox_is_over(s->sandbox) ||
	       (sandbox_is_empty(s->sandbox) && !sandbox_has_containers(s->sandbox));
}

void server_consider(struct server *s)
{
	if (s->ending || !s->sandbox || !sandbox_is_idle(s->sandbox))
		return;
	orphan_delete(s);
	if (!s->created) {
		/* The first clients have gone again, or none came in time. */
		if (s->connections == 0 && !s->first_timer)
			server_end(s);
	} else if (s->pod) {
		/* Its end is told until ShutdownSandbox. Of one that was never started nothing is
		 * noted that "delete" would find: it goes with who made it. */
		if (sandbox_is_ended(s->sandbox)
			    ? s->shutdown_asked && is_heard(s)
			    : sandbox_is_empty(s->sandbox) && s->connections == 0)
			server_end(s);
	} else if (has_nothing(s) && (s->shutdown_asked || s->connections == 0)) {
		server_end(s);
	}
}

void orphan_remove_folder(struct orphan *o)
{
	struct stat ours, there;
	struct err e = {0};

	if (!o->found || fstat(o->fd, &ours) < 0 || lstat(o->folder, &there) < 0 ||
	    ours.st_dev != there.st_dev || ours.st_ino != there.st_ino)
		return;
	if (dir_remove(AT_FDCWD, o->folder, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring, while an orphan is removed");
}
