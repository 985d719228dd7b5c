#pragma once

#include "host/config/config.h"
#include "host/device/device.h"
#include "host/hypervisor/hypervisor.h"
#include "host/hypervisor/qemu/arch.h"
#include "host/hypervisor/qemu/command.h"

/* A vm_spec becomes QEMU's arguments and the descriptors that go with them, but for the devices
 * that are attached. */

/* What the driver decided before it builds the command. */
struct qemu_choice {
	const struct qemu_arch *arch;
	const struct qemu_machine *machine;
	const struct config_hypervisor *options; /* what only QEMU understands of it */
	enum hv_accel accel;
	const struct device *channel; /* to the agent */
	bool has_plug_bus;
	uint32_t max_vcpus;
	uint64_t more_memory_bytes;
	const char *program;
	const char *kernel_params;
};

/* What finishing needs of a vm_spec. */
struct qemu_memory {
	uint64_t bytes;
	uint64_t more_bytes; /* that can come while the machine runs; 0: none */
	bool hugepages, prealloc;
	int fd; /* of ours, for a machine that is saved or goes on from one; -1: made when needed */
};

/* A file in memory of @bytes, for the guest's memory, whose size cannot change any more. Returns a
 * descriptor or -errno. */
int qemu_memory_file(uint64_t bytes, struct err *e);

struct qemu_devices;

/* Builds into zeroed @c; opens what @spec names. On failure @c is empty again. */
int qemu_config_build(struct qemu_command *c, const struct vm_spec *spec,
		      const struct qemu_choice *choice, struct err *e);

/* Adds what depends on the devices that were attached: once, before the start. */
int qemu_config_finish(struct qemu_command *c, const struct qemu_memory *memory,
		       const struct qemu_devices *devices, struct err *e);
