#pragma once

#include <pthread.h>

#include "base/array.h"
#include "base/subprocess.h"
#include "base/tail.h"
#include "host/hypervisor/hypervisor.h"
#include "host/hypervisor/qemu/config.h"
#include "host/hypervisor/confine.h"
#include "host/hypervisor/qemu/monitor.h"
#include "host/hypervisor/qemu/tsc.h"

/*
 * One QEMU, as the files of this folder share it. The worker creates, starts, dials and stops; the
 * loop watches; "lock" guards what both touch and what any thread may ask for.
 */
struct qemu {
	struct hv hv;
	struct loop *loop;
	struct subprocess process;
	struct tail console;
	struct tsc_reading born;

	/* The worker's. */
	struct qemu_command command;
	struct confine confine;
	bool require_confinement;
	int vhost_fd;          /* holds the guest's context id until QEMU does */
	int agent_fd;          /* serial: the host's end until hv_dial() takes it */
	bool dials_privileged; /* vsock: the agent accepts privileged ports only */

	/* Written by the worker before the loop is told, then only read until free. */
	struct qmp *qmp;
	int console_fd;

	/* The loop's. */
	struct loop_watch *console_watch;
	struct loop_watch *qmp_watch;
	struct loop_timer *kill_timer;

	pthread_mutex_t lock; /* guards all below */
	struct hv_info info;
	char shutdown[32]; /* "reason" of QEMU's first SHUTDOWN event, or "" */
};

static inline struct qemu *qemu_of(struct hv *hv)
{
	return container_of(hv, struct qemu, hv);
}

/* How long a QEMU that closed its monitor may take to exit by itself, for its exit code. */
#define QEMU_LAST_WORDS_MS 500

/* process.c: sockets, process, monitor. After a failure QEMU is gone, console and messages remain. */
int qemu_start(struct hv *hv, msec_t deadline, struct err *e);

/* events.c, the loop's side: called once, before the start; and at the end. */
void qemu_watch(struct qemu *q);
void qemu_unwatch(struct qemu *q);

/* end.c, for any thread. */
int qemu_stop(struct hv *hv, msec_t deadline, struct err *e);
bool qemu_ended(struct hv *hv, struct err *why);

/* Reads what is left in console, messages and monitor; it does not wait. */
void qemu_drain(struct qemu *q);
