#pragma once

#include "host/hypervisor/qemu/qemu.h"

/*
 * vCPUs that come, and memory that comes and goes, while the machine runs: vCPUs by ACPI, memory by
 * one virtio-mem device that is there from the boot on. Only on machine types that can plug, and
 * memory only if it is not on huge pages, because those are reserved for the whole device at once.
 *
 * vCPUs stay once they have come: an idle one costs nothing, and QEMU 7.2 under TCG does not finish
 * the removal of one that the guest has given up.
 */

/* The names of the device and its memory in QEMU. */
#define QEMU_MORE_DEVICE "more"
#define QEMU_MORE_MEMORY "more-memory"

/* What the guest takes and gives: a multiple of this, which is also a huge page of x86. */
#define QEMU_MORE_BLOCK_BYTES (2 << 20)

/* Decides, before the arguments are built, what can come. */
void qemu_resize_init(struct qemu *q, const struct vm_spec *spec);

/* Memory that comes is used without asking the agent, and as far as possible in a way that lets it
 * go again. Memory above 4 GiB makes the kernel set 64 MiB aside for devices that cannot reach it:
 * virtio devices can. NULL when none can come. */
const char *qemu_resize_kernel_params(const struct qemu *q);

int qemu_resize(struct hv *hv, const struct hv_size *want, msec_t deadline, struct hv_size *ret,
		struct err *e);
