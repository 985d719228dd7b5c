#pragma once

#include "host/hypervisor/hypervisor.h"

/*
 * The QEMU driver (7.2 and newer). Nothing of it is called by name: hv_new("qemu") finds it in the
 * driver table of host/hypervisor. What is inside:
 *
 *	driver.c	the methods of struct hv_ops; the life of one QEMU
 *	start.c		sockets, process, monitor
 *	events.c	what the loop hears of it
 *	end.c		stopping, and collecting what has ended
 *	arch.c		what differs per processor and machine type: the one table
 *	config.c	a vm_spec becomes arguments and descriptors
 *	cmdline.c	the guest kernel's command line
 *	confine.c	what the child gives up before it becomes QEMU
 *	monitor.c	the monitor protocol
 *	ending.c	why it ended, as a sentence
 *	vsock.c		the guest's address, and connecting to it
 *	tsc.c		how fast the host's time stamp counter runs
 *
 * QEMU gets everything by descriptor: monitor, console, agent channel, kernel, disks. It listens on
 * nothing and needs no file of ours.
 */
