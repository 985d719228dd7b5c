#include "host/shim/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/log.h"
#include "host/shim/events.h"
#include "host/shim/lifetime.h"
#include "host/shim/management.h"
#include "host/shim/publish.h"
#include "host/shim/sandbox_service.h"
#include "host/state/names.h"

/* How long sending the last answers may take before the process ends. */
#define FLUSH_TIMEOUT_MS 2000
/* The same for the last events. */
#define EVENTS_TIMEOUT_MS 5000
/* A refused process may connect again and again. */
#define REFUSALS_LOGGED_MAX 16

static void changed(void *arg)
{
	sandbox_service_consider(arg);
	server_consider(arg);
}

static void connections_changed(void *arg, size_t connections)
{
	struct server *s = arg;

	s->connections = connections;
	if (connections == 0 && !s->created) {
		loop_timer_cancel(s->first_timer);
		s->first_timer = NULL;
	}
	if (connections == 0)
		orphan_left_alone(s);
	server_consider(s);
}

static void nobody_came(void *arg)
{
	struct server *s = arg;

	s->first_timer = NULL;
	if (!s->created) {
		log_info("nobody has created anything: ending");
		if (s->connections == 0)
			orphan_left_alone(s);
		server_end(s);
	}
}

static void log_refusal(struct server *s, const struct peer *peer, const struct err *why)
{
	if (s->refused.uid == peer->uid && s->refused.pid == peer->pid && s->refusals > 0)
		return;
	s->refused = *peer;
	if (s->refusals == REFUSALS_LOGGED_MAX)
		return;
	s->refusals++;
	log_warn("refused a connection of process %d of user %u: %s%s", peer->pid, peer->uid,
		 why->text,
		 s->refusals == REFUSALS_LOGGED_MAX ? "; the next ones are not logged" : "");
}

static bool may_connect(void *arg, int fd)
{
	struct server *s = arg;
	const pid_t helpers[] = {
		(pid_t) sandbox_vmm_pid(s->sandbox),
		(pid_t) sandbox_file_server_pid(s->sandbox),
	};
	const struct peer_rules rules = {
		.owner = geteuid(),
		.server_name = SERVER_PROGRAM,
		.helpers = helpers,
		.n_helpers = ARRAY_LEN(helpers),
	};
	struct peer peer;
	struct err e = {0};

	if (peer_judge(fd, &rules, &peer, &e) == 0)
		return true;
	if (peer.gone)
		connections_changed(s, s->connections);
	else
		log_refusal(s, &peer, &e);
	return false;
}

static int make_sandbox(struct server *s, const struct server_options *o, struct err *e)
{
	char folder[64];
	/* By descriptor, because the container can be deleted while others are in its machine, and
	 * its id be given to a container of another server. */
	bool outlives = o->lone && o->state_dir;

	(void) snprintf(folder, sizeof folder, "/proc/self/fd/%d", s->orphan.fd);

	const struct sandbox_options so = {
		.loop = s->loop,
		.id = o->id,
		.namespace = o->namespace,
		.config_path = o->config_path,
		.state_dir = outlives ? folder : o->state_dir,
		.share_base = o->share_base,
		.host_mount_ns = o->host_mount_ns,
		.began_us = o->began_us,
		.has_standins = !o->lone,
		.lone = o->lone,
		.changed = changed,
		.arg = s,
		.make_hv = o->make_hv,
		.make_hv_arg = o->make_hv_arg,
	};

	return sandbox_new(&so, &s->sandbox, e);
}

/* Containers run without it, too. */
static void open_management(struct server *s, const struct server_options *o)
{
	struct err e = {0};

	if (o->management_base &&
	    management_open(s, o->management_base, o->id, o->state_dir, may_connect, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring that there is no management socket");
}

int server_new(struct loop *loop, const struct server_options *o, int take_listen_fd,
	       struct server **ret, struct err *e)
{
	static const struct ttrpc_service *const services[] = {&task_service, &task_v3_service,
							       &sandbox_service, &admin_service,
							       &streaming_service};
	auto_ptr(server_free) struct server *s = calloc(1, sizeof *s);
	uint32_t first_ms = o->first_timeout_ms ? o->first_timeout_ms : SERVER_FIRST_TIMEOUT_MS;

	if (!s || !(s->id = strdup(o->id)))
		return err_sys(e, ENOMEM, "make a server");
	s->loop = loop;
	s->lone = o->lone;
	s->socket_path = o->socket_path;
	list_init(&s->waits);
	list_init(&s->endings);
	list_init(&s->ooms);

	int r = orphan_init(&s->orphan, o->id, o->lone ? o->state_dir : NULL, e);

	if (r == 0 && o->events_address)
		r = events_new(loop, o->events_address, o->namespace, &s->events, e);

	if (r == 0)
		r = make_sandbox(s, o, e);
	if (r == 0)
		r = ttrpc_server_new(loop, services, ARRAY_LEN(services), s, &s->ttrpc, e);
	if (r == 0)
		r = loop_timer(loop, clock_deadline(first_ms), nobody_came, s, &s->first_timer, e);
	if (r < 0)
		return r;
	ttrpc_server_allow_fds(s->ttrpc);
	ttrpc_server_on_accept(s->ttrpc, may_connect, s);
	ttrpc_server_on_connections(s->ttrpc, connections_changed, s);
	open_management(s, o);
	r = ttrpc_server_listen(s->ttrpc, take_listen_fd, e);
	if (r < 0)
		return r;
	*ret = take_ptr(s);
	return 0;
}

int server_run(struct server *s, struct err *e)
{
	int r = loop_run(s->loop, e);

	/* Before the end of listening: a server that is started in between would find a socket
	 * that nobody serves, replace it, and lose its own to a later unlink(). */
	if (s->socket_path && s->socket_path[0])
		(void) unlink(s->socket_path);
	ttrpc_server_stop_listening(s->ttrpc);
	(void) ttrpc_server_flush(s->ttrpc, clock_deadline(FLUSH_TIMEOUT_MS));
	if (s->events)
		events_flush(s->events, clock_deadline(EVENTS_TIMEOUT_MS));
	return r;
}

void server_free(struct server *s)
{
	if (!s)
		return;
	s->ending = true;
	loop_timer_cancel(s->first_timer);
	loop_timer_cancel(s->farewell_timer);
	log_debug("step: close the management socket");
	management_close(s);
	/* Parked calls end first, because they hold waits of the sandbox. */
	ttrpc_server_free(s->ttrpc);
	publish_forget(s);
	sandbox_service_free(s);
	sandbox_free(s->sandbox);
	events_free(s->events);
	orphan_remove_folder(&s->orphan);
	orphan_fini(&s->orphan);
	free(s->id);
	free(s);
}
