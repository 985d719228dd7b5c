#pragma once

#include "base/array.h"
#include "base/subprocess.h"
#include "host/confine/confine.h"
#include "host/hypervisor/driver.h"
#include "host/hypervisor/kernel_image.h"
#include "host/hypervisor/qemu/config.h"
#include "host/hypervisor/qemu/device.h"
#include "host/hypervisor/qemu/monitor.h"
#include "host/hypervisor/qemu/tsc.h"

/*
 * The driver for QEMU 7.2 and newer. No caller names its functions: hv_new("qemu") finds it in the
 * driver table of host/hypervisor. Its files:
 *
 *	driver.c	the methods of struct hv_ops; the life of one QEMU
 *	process.c	the process: sockets, start, stop
 *	config.c	a vm_spec becomes arguments and descriptors (command.c)
 *	device.c	devices, before the start and while it runs
 *	resize.c	vCPUs that come and memory that comes and goes while it runs
 *	monitor.c	the monitor protocol
 *	events.c	what comes by itself: lines, the monitor's events, the end
 *	arch.c		what differs per processor and machine type: the one table
 *	kernel.c	the kernel goes into the guest's memory without QEMU
 *	kernel_params.c the guest kernel's parameters that QEMU's machines need
 *	confine.c	what the child gives up before it becomes QEMU
 *	syscalls.c	the system calls that QEMU may make
 *	saved.c		a machine is saved, and others go on from there
 *	tsc.c		how fast the host's time stamp counter runs
 *
 * QEMU gets everything by descriptor: monitor, console, agent channel, kernel, disks. It listens on
 * no socket and needs no file of this program.
 *
 * Threads: the worker creates, starts, dials and stops; the loop watches; "lock" guards what both
 * touch and what any thread may ask for.
 */
struct qemu_user {
	uid_t uid;
	gid_t gid;
	bool require_confinement;
};

/* What a machine goes on from; saved.c. */
struct qemu_saved {
	bool loads; /* false: it boots */
	int memory_fd;
	uint64_t data_bytes;
	int state_as;  /* QEMU's number */
	json_t *plugs; /* the devices that come when the state is there */
};

struct qemu {
	struct hv hv;
	struct subprocess process;
	struct tsc_reading born;

	/* The worker's. */
	const struct qemu_machine *machine;
	struct qemu_command command;
	struct qemu_memory memory;
	uint32_t max_vcpus;
	struct qemu_devices devices;
	struct qemu_user user;
	struct qemu_saved saved;
	struct kernel_image kernel; /* if the command has its file; kernel.c */
	struct confine confine;
	bool is_complete;      /* command and confinement are as QEMU gets them */
	int vhost_fd;          /* holds the guest's context id until QEMU does */
	int agent_fd;          /* serial: the host's end until hv_dial() takes it */
	bool dials_privileged; /* vsock: the agent accepts privileged ports only */

	/* Written by the worker before the loop is told, then only read until free. */
	struct qmp *qmp;

	/* The loop's. */
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

/* process.c. After a failed start QEMU is gone, its console and messages remain. */
int qemu_start(struct hv *hv, msec_t deadline, struct err *e);
int qemu_stop(struct hv *hv, msec_t deadline, struct err *e);

/* saved.c: as hv_key(), hv_load(), hv_save(). */
extern const struct hv_saved_ops qemu_saved_ops;
void qemu_saved_fini(struct qemu *q);

/* saved.c, for the start of a machine that loads: while QEMU builds the machine, and then. */
int qemu_fill_memory(struct qemu *q, struct err *e);
int qemu_load_state(struct qemu *q, msec_t deadline, struct err *e);

/* kernel.c, once the command is complete: QEMU gets a stub if the kernel can be loaded without
 * it. */
int qemu_take_kernel(struct qemu *q, struct err *e);
/* In the child: struct child_spec's prepare function; @arg is the struct qemu. Gives up everything,
 * as confine_enter(), and loads that kernel. */
int qemu_become(void *arg, struct err *e);
/* For another start, because it counts on memory of zeros. QEMU has ended. */
void qemu_empty_memory(struct qemu *q);

/* vcpus.c: as hv_vcpu_threads(). */
int qemu_vcpu_threads(struct hv *hv, msec_t deadline, pid_t *ret, size_t max, size_t *ret_n,
		      struct err *e);

/* events.c, on the loop's thread: called once, before the start; and at the end. */
void qemu_watch(struct qemu *q);
void qemu_unwatch(struct qemu *q);

/* The monitor's events, on the thread that reads it; @arg is the struct qemu. */
void qemu_on_event(void *arg, const char *event, const json_t *data);

/* Reads what is left in messages, console and monitor; it does not wait. */
void qemu_drain(struct qemu *q);

/* Whether QEMU has ended by itself; if so, @e has why, and hv_note_end() was called. For any
 * thread. */
bool qemu_ended(struct qemu *q, struct err *e);

/* What the "reason" of a SHUTDOWN event means; NULL for an unknown one. */
const char *qemu_shutdown_cause(const char *reason);

/**
 * qemu_confine() - prepare what the child gives up before it becomes QEMU
 * @c:		is CONFINE_NONE, perhaps with cgroups; freed with confine_fini()
 * @command:	complete; QEMU opens some of its files (kernel, initrd) again by /proc/self/fd
 *
 * QEMU's own filter (-sandbox) comes on top: QEMU enters it after its start, so it can also forbid
 * what the start needs, above all execve(). A QEMU that serves files by 9p keeps the capabilities
 * to do so for all owners; with device_9p.rootless it has none and serves files as its own user.
 */
int qemu_confine(struct confine *c, const struct qemu_command *command,
		 const struct qemu_devices *devices, const struct qemu_user *user, bool kvm,
		 struct err *e);

/* The system calls of a QEMU. @is_server: QEMU serves files by 9p. */
void qemu_syscalls(struct confine_filter_spec *ret, bool is_server);
