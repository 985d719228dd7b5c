#pragma once

#include "host/device/device.h"
#include "host/hypervisor/driver.h"
#include "host/hypervisor/qemu/arch.h"
#include "host/hypervisor/qemu/command.h"
#include "host/hypervisor/qemu/monitor.h"

/*
 * Devices of QEMU. Each kind has one builder, which makes the same JSON for a QEMU that is not
 * started yet (-blockdev, -device) and for one that runs (blockdev-add, device_add).
 *
 * Disks are on the bus that vm_spec.hotplug reserves, where they come and go while the machine
 * runs, or on the root bus, where they stay. A virtio-mmio machine has neither.
 */
struct qemu_sink {
	const struct qemu_machine *machine;
	struct qemu_command *command; /* of a QEMU that is not started; NULL: @qmp */
	struct qmp *qmp;
	msec_t deadline;
	json_t *plugs; /* of a QEMU that goes on from a saved machine: where front ends wait for
			* that, because what was saved knows none of them; else NULL */
};

/* One that was attached; its place in the table is its slot. */
struct qemu_device {
	char id[DEVICE_ID_MAX + 1]; /* "": free */
	enum device_kind kind;
	int fdset;
};

struct qemu_devices {
	bool has_plug_bus;
	bool share_memory;  /* another process serves one of them out of the guest's memory */
	int served_fd;      /* 9p: the folder, by QEMU's number; 0: none */
	bool serves_others; /* 9p: it serves files of all owners */
	struct qemu_device table[HV_DEVICES_MAX];
};

/* The bus for devices that come and go, and the source of randomness, the first thing on it. */
void qemu_add_plug_bus(struct qemu_command *c);
int qemu_add_entropy(struct qemu_command *c, const struct qemu_machine *machine, bool on_plug_bus,
		     int take_fd, struct err *e);

/* What the guest tells of the pages that it has freed, so that the host has them back. */
int qemu_add_reclaim(struct qemu_command *c, const struct qemu_machine *machine, struct err *e);

/* The channel to the agent: a vsock or a port. */
int qemu_add_channel(struct qemu_command *c, const struct qemu_machine *machine,
		     const struct device *channel, struct err *e);

int qemu_attach(struct hv *hv, const struct device *d, msec_t deadline, struct device_address *ret,
		struct err *e);
int qemu_detach(struct hv *hv, const char *id, msec_t deadline, struct err *e);
int qemu_resize_disk(struct hv *hv, const char *id, uint64_t bytes, msec_t deadline, struct err *e);
