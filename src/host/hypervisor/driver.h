#pragma once

#include <pthread.h>

#include "host/hypervisor/console.h"
#include "host/hypervisor/hypervisor.h"

/*
 * The drivers' side of this layer. A driver is a folder beside this file and a line in drivers.c.
 * It embeds struct hv in its own struct and gets back to it with container_of(). What it does not
 * have to write itself stands beside this file: console.h, ending.h, confine.h, kernel_params.h,
 * vsock.h, accel.c.
 *
 * struct hv_saved_ops - of a driver that can save a machine and go on from it: as hv_key(),
 * hv_load(), hv_save().
 */
struct hv_saved_ops {
	int (*key)(struct hv *hv, char ret[HV_KEY_BYTES], struct err *e);
	int (*load)(struct hv *hv, const struct hv_saved *saved, struct err *e);
	int (*save)(struct hv *hv, msec_t deadline, struct hv_saved *ret, struct err *e);
};

/* What is done with devices beside those of the machine itself; each may be NULL. */
struct hv_device_ops {
	/* @device is of a kind that the masks have, with a proper id. */
	int (*attach)(struct hv *hv, const struct device *device, msec_t deadline,
		      struct device_address *ret, struct err *e);
	int (*detach)(struct hv *hv, const char *id, msec_t deadline, struct err *e);
	int (*resize_disk)(struct hv *hv, const char *id, uint64_t bytes, msec_t deadline,
			   struct err *e);
};

/*
 * struct hv_ops - one driver. Drivers are const and hold no state. The head of hypervisor.h says
 * which thread calls which method.
 */
struct hv_ops {
	const char *name;      /* as written in the configuration file */
	uint32_t cold_devices; /* DEVICE_BIT()s of what can be attached before the start */
	uint32_t hot_devices;  /* and while the machine runs, if the machine can */

	/* Required. */
	int (*new)(struct loop *loop, struct hv **ret, struct err *e);
	char *(*find_program)(const char *path, struct err *e); /* as hv_find_program() */
	int (*create)(struct hv *hv, const struct vm_spec *spec, struct err *e);
	int (*start)(struct hv *hv, msec_t deadline, struct err *e);
	int (*dial)(struct hv *hv, uint32_t port, msec_t deadline, int *ret_fd, struct err *e);
	int (*stop)(struct hv *hv, msec_t deadline, struct err *e);
	void (*describe)(struct hv *hv, struct hv_info *ret);
	void (*free)(struct hv *hv);

	/* Optional; NULL means the hypervisor cannot. */
	int (*pause)(struct hv *hv, msec_t deadline, struct err *e);
	int (*resume)(struct hv *hv, msec_t deadline, struct err *e);
	const struct hv_device_ops *devices;
	/* @ret is never NULL. */
	int (*resize)(struct hv *hv, const struct hv_size *want, msec_t deadline,
		      struct hv_size *ret, struct err *e);
	int (*vcpu_threads)(struct hv *hv, msec_t deadline, pid_t *ret, size_t max, size_t *ret_n,
			    struct err *e);
	const struct hv_saved_ops *saved;
};

struct hv {
	const struct hv_ops *ops;
	enum hv_state state; /* the worker's */
	struct loop *loop;
	struct console console;

	/* The loop's. */
	hv_exit_fn exit_fn;
	void *exit_arg;
	hv_console_fn console_fn;
	void *console_arg;

	pthread_mutex_t turn; /* of what changes the machine while it runs */

	pthread_mutex_t lock; /* guards all below */
	struct err end;       /* why the VMM ended; code 0: it did not, or nobody noticed yet */
};

/* On the loop thread. @hv is zeroed; @loop may be NULL if the driver never watches anything. On
 * failure hv_fini() is due as well. */
int hv_init(struct hv *hv, const struct hv_ops *ops, struct loop *loop, struct err *e);
void hv_fini(struct hv *hv);

/* From any thread: the VMM has ended by itself, because of @why. The first reason is kept until
 * the next start or stop. */
void hv_note_end(struct hv *hv, const struct err *why);

/* On the loop thread: the same, and hv_on_exit()'s function is called. */
void hv_report_exit(struct hv *hv, const struct err *why);

/* The drivers, as drivers.c lists them. */
extern const struct hv_ops hv_qemu; /* host/hypervisor/qemu */
