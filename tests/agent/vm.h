#pragma once

#include <protobuf-c/protobuf-c.h>

#include "agent.pb-c.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/loop.h"
#include "ttrpc/ttrpc.h"

/*
 * A virtual machine with the agent of this tree as PID 1, and a line to it. One for all tests of a
 * program: a boot under emulation takes seconds.
 */
struct vm {
	struct loop *loop;
	struct child qemu;
	struct ttrpc_client *agent;
	char console[64];    /* a file */
	const char *busybox; /* static, of the machine's architecture; NULL: this host's */
	char socket[64];     /* where QEMU offers the line */
	char monitor[64];    /* QEMU's, speaks QMP */
	char disk[64];       /* a file with ext4, the disk it boots with; has "greeting" in it */
	char plug[64];       /* another one, for vm_plug_disk() */
	bool prepared;       /* the sandbox is made, see box.h */
};

/* Where the disk is: the slot, as the agent's blk driver wants it. */
#define VM_DISK_PCI_PATH "10"

/* Where vm_plug_disk() puts one: behind a port, whose bus has this one slot. */
#define VM_PLUG_PCI_PATH "11/00"

/* Its network interface, and the one of vm_plug_nic(); they are connected with nothing. */
#define VM_NIC_PCI_PATH      "13"
#define VM_NIC_MAC           "52:54:00:00:00:01"
#define VM_PLUG_NIC_PCI_PATH "12/00"
#define VM_PLUG_NIC_MAC      "52:54:00:00:00:02"

/* Makes the file @path with an ext4 that has "greeting" in it. */
int vm_make_disk(const char *path, struct err *e);

/*
 * Boots the guest image with @mb of memory and waits until the agent answers. The environment says
 * which: GUEST_ARCH is the machine's architecture (x86_64), GUEST_IMAGE the folder of its image
 * (build/guest), GUEST_BUSYBOX a static busybox of that architecture (/bin/busybox).
 */
int vm_open(struct vm *vm, unsigned mb, struct err *e);

/* The folder of the guest image. */
const char *vm_image(void);

/* Ends the machine as it is. Prints the console when @show. */
void vm_close(struct vm *vm, bool show);

/* Calls a method of AgentService and waits. *@ret may be NULL; else freed by ttrpc_message_free. */
int vm_call(struct vm *vm, const char *method, const void *message, void *ret, struct err *e);

/* The same, without waiting. */
int vm_begin(struct vm *vm, const char *method, const void *message, ttrpc_done_fn done, void *arg);

/* Sends @garbage (may be empty) on the line, hangs up, and begins a new line. */
int vm_reconnect(struct vm *vm, const void *garbage, size_t bytes, struct err *e);

/* Plugs a disk into the running machine, a file with ext4 that has "greeting" in it. */
int vm_plug_disk(struct vm *vm, struct err *e);

/* Asks for it back and waits until the guest has let it go. */
int vm_unplug_disk(struct vm *vm, struct err *e);

/* The same with a network interface. */
int vm_plug_nic(struct vm *vm, struct err *e);
int vm_unplug_nic(struct vm *vm, struct err *e);

/* How long anything may take. Emulated machines are slow, and other tests may run beside. */
#define VM_PATIENCE_MS 240000
