#pragma once

#include "host/sandbox/sandbox.h"
#include "host/shim/server.h"
#include "task.pb-c.h"

/*
 * What is published of a task, in the order that containerd relies on. Private to host/shim.
 *
 *	container	create ──► start ──► exit ──► delete
 *	exec			   added ──► started ──► exit
 *
 * The server calls these functions before it answers the request that they are about. A process
 * may end before Start is answered: its exit is published right after its start. Nothing is
 * published by a server without a publisher (that of a lone container).
 *
 * Source: containerd, api/events/task.proto and core/runtime/events.go.
 */

/* After a Create that went well. From now on the end of the container's first process and its
 * running out of memory are published, too. */
void publish_created(struct server *s, const Containerd__Task__V2__CreateTaskRequest *q,
		     uint32_t pid);

/* After a Delete of a container. */
void publish_deleted(struct server *s, const char *id, const struct sandbox_answer *answer);

/* After an Exec that went well. */
void publish_exec_added(struct server *s, const char *id, const char *exec_id);

/* Before a Start is tried, and after it: @r and @pid are its result. */
void publish_starting(struct server *s, const char *id, const char *exec_id);
void publish_started(struct server *s, const char *id, const char *exec_id, int r, uint32_t pid);

void publish_paused(struct server *s, const char *id);
void publish_resumed(struct server *s, const char *id);

/* Before the sandbox is freed: no end is waited for any more. */
void publish_forget(struct server *s);
