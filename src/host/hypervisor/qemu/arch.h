#pragma once

#include <stdbool.h>

#include "base/err.h"

/*
 * All differences between processors and between machine types. No other code in this folder names
 * a processor.
 */
struct qemu_machine {
	const char *name;     /* of -machine */
	const char *options;  /* to -machine: switch off the devices that nobody uses */
	const char *bus;      /* end of a device's name: "pci", or "device" for virtio-mmio */
	bool has_legacy;      /* devices know legacy virtio as well, and have to switch it off */
	const char *root_bus; /* for disks with a slot of their own; NULL: no PCI */
	bool can_plug;        /* devices can come and go while it runs, on a bridge */
	const char *global;   /* of -global; NULL: none */
	const char *params;   /* to the guest kernel */
	const char *firmware; /* better than QEMU's own choice; NULL: leave the choice to QEMU */
};

struct qemu_arch {
	const char *name;          /* as uname -m says it */
	const char *program;       /* looked up in PATH */
	const char *package;       /* that has it on Debian */
	const char *kernel_params; /* always; names the console */
	const char *tcg_params;    /* under TCG */
	const char *tcg_cpu;       /* of -cpu, under TCG */
	bool host_tsc; /* under TCG the guest sees the host's time stamp counter, if that has one */
	const struct qemu_machine *machines; /* the first is the default; ends with a NULL name */
};

/* By what `uname -m` says; NULL for an unknown one. */
const struct qemu_arch *qemu_arch_find(const char *name);

/* The processor this program was built for. */
const struct qemu_arch *qemu_arch_host(void);

/* @name NULL or "": the default. NULL for an unknown one, with a sentence that lists the known. */
const struct qemu_machine *qemu_machine_find(const struct qemu_arch *arch, const char *name,
					     struct err *e);
