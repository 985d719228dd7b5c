#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/list.h"
#include "base/loop.h"

/**
 * DOC: agent/device - drivers and devices of the guest
 *
 * To boot fast, a module is loaded by its name when it is first needed, and a device is waited for
 * only when a request has named it. The kernel announces devices by uevents, and after each of them
 * the agent looks again.
 *
 * Threads: none. Distrusts: the host, which chooses names of modules, ports and devices; and sysfs
 * names are bounded.
 */
struct devices;

#define DEVICE_PATH_MAX 256

/* The paths to look in; only tests use others than DEVICE_PLACES. All is borrowed for ever. */
struct device_places {
	const char *sys;      /* "/sys" */
	const char *dev;      /* "/dev" */
	const char *modules;  /* the list that the guest image brings along */
	const char *built_in; /* and its list of what the kernel has built in */
};

#define DEVICE_PLACES                                                 \
	((struct device_places){.sys = "/sys",                        \
				.dev = "/dev",                        \
				.modules = "/lib/modules/load-order", \
				.built_in = "/lib/modules/built-in"})

int devices_new(struct loop *loop, const struct device_places *places, struct devices **ret,
		struct err *e);

/* No device_wait may be pending. Accepts NULL. */
void devices_free(struct devices *d);
AUTO_PTR(struct devices, devices_free)

/**
 * module_load() - load a kernel module and those it needs
 * @name:	with '-' or '_', which mean the same
 * @parameters:	as in "a=1 b=2"; NULL for none
 *
 * A module that is loaded or built in is success; for one that is built in @parameters come too
 * late, which the log says. Returns 0, -ENOENT when this guest has no such module, or -errno.
 */
int module_load(struct devices *d, const char *name, const char *parameters, struct err *e);

/* The same, but a module that this guest does not have is success: it may be built in, and if not,
 * the next step's error says best what is missing. */
int module_load_if_any(struct devices *d, const char *name, struct err *e);

/* Whether module_load() would find it, be it loaded, built in or neither. */
bool module_exists(struct devices *d, const char *name);

/* Loads the transport of virtio devices: PCI, MMIO or both, whichever the machine has. As
 * module_load_if_any(). */
int module_load_virtio(struct devices *d, struct err *e);

enum device_kind {
	DEVICE_PORT,   /* a virtio-serial port; the key is its name */
	DEVICE_BLOCK,  /* a disk; the key is a PCI path: "02/03.1", slots from the root bus */
	DEVICE_DISK,   /* a disk; the key is its serial number */
	DEVICE_NODE,   /* any device; the key is its path, "/dev/vdb" */
	DEVICE_NIC,    /* a network interface; the key is a PCI path */
	DEVICE_VIRTIO, /* any virtio device whose driver is ready; the key is a PCI path */
	DEVICE_MAC,    /* as DEVICE_NIC; the key is its hardware address as the kernel writes it */
	DEVICE_KIND_MAX,
};

/* Looks for the device once. Puts the path of its node into @ret, or the name of the network
 * interface. Returns 0, -ENODEV when it is not
 * there (yet), or -EINVAL when @key makes no sense. */
int device_find(struct devices *d, enum device_kind kind, const char *key,
		char ret[DEVICE_PATH_MAX], struct err *e);

/* Whether the machine has a block device of whatever kind, with a driver. */
bool devices_any_disk(const struct devices *d);

/*
 * For a machine from which others go on. What is plugged into those before their guest runs would
 * be told to ACPI's interpreter, whose programs (AML) say which slots to look into. That is a tenth
 * of the code that runs from there to the container. So the event is switched off, and the guest
 * looks by itself when it is told of its sandbox or of an interface. Where there is no such event
 * nothing changes.
 */
void devices_ignore_plugs(struct devices *d);
void devices_see_plugs(struct devices *d);

struct device_wait {
	struct list link;
	enum device_kind kind;
	const char *key; /* borrowed until finished */
	/* NULL: device_find(). Else called instead, and returns the same: for what has to be tried
	 * to know whether it is there. */
	int (*find)(struct device_wait *w, char ret[DEVICE_PATH_MAX], struct err *e);
	/* Called once, with what device_find() says, or -ETIMEDOUT; @path and @e only for this
	 * time. */
	void (*finish)(struct device_wait *w, int r, const char *path, const struct err *e);
	struct loop_timer *timer;
};

/* Looks now and whenever the kernel announces something, until @deadline. May finish at once. */
void device_wait(struct devices *d, struct device_wait *w, msec_t deadline);
void device_wait_cancel(struct device_wait *w);
