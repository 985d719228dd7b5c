#pragma once

#include "host/hypervisor/hypervisor.h"

/*
 * The driver for QEMU 7.2 and newer. No caller names its functions: hv_new("qemu") finds it in the
 * driver table of host/hypervisor. Its files:
 *
 *	driver.c	the methods of struct hv_ops; the life of one QEMU
 *	process.c	sockets, process, monitor
 *	events.c	the loop's callbacks for console and monitor
 *	end.c		stopping, and collecting what has ended
 *	arch.c		what differs per processor and machine type: the one table
 *	config.c	a vm_spec becomes arguments and descriptors
 *	kernel_params.c the guest kernel's command line
 *	monitor.c	the monitor protocol
 *	tsc.c		how fast the host's time stamp counter runs
 *
 * QEMU gets everything by descriptor: monitor, console, agent channel, kernel, disks. It listens on
 * no socket and needs no file of this program.
 */
