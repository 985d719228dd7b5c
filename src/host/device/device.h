#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * A device of a machine, as a value: what it is, and what of the host is behind it. Whoever wants
 * one in a machine describes it here (storage, network, the sandbox) and gives it to hv_attach();
 * the hypervisor's driver makes it, and tells how the guest finds it.
 *
 * All is borrowed, and only during the call: a driver copies strings and duplicates descriptors.
 *
 * A new kind is a name in enum device_kind with its word in device.c, a struct in the union, and a
 * builder in each driver that can (for QEMU host/hypervisor/qemu/device.c), which says so in its
 * struct hv_ops.
 *
 * Threads: none. Distrusts nobody: these are our own values, but for names, which are checked.
 */
enum device_kind {
	DEVICE_DISK,
	DEVICE_VIRTIO_FS, /* a folder of the host, served by virtiofsd */
	DEVICE_9P,        /* a folder of the host, served by the VMM */
	DEVICE_VSOCK,     /* sockets between host and guest, by vhost-vsock */
	DEVICE_PORT,      /* a virtio-serial port: one stream between host and guest */
	DEVICE_NIC,       /* a network interface, by virtio-net */
	DEVICE_KIND_MAX,
};

#define DEVICE_BIT(kind) (UINT32_C(1) << (kind))

/* In raw format. In the guest: virtio-blk, whose serial number is the device's id. */
struct device_disk {
	const char *path; /* an image or a block device; NULL: @fd */
	int fd;           /* must be open for writing unless @readonly */
	bool readonly;    /* enforced by the host: the VMM gets no writable descriptor */
	bool direct;      /* past the host's page cache */
};

struct device_virtio_fs {
	const char *tag;     /* its name in the guest */
	int socket_fd;       /* connected to virtiofsd */
	uint32_t queue_size; /* 0: 1024 */
};

struct device_9p {
	const char *tag;
	const char *path; /* the folder */
	bool rootless;    /* serve files as the VMM's user, without capabilities for others' */
};

struct device_vsock {
	int vhost_fd; /* of /dev/vhost-vsock; holds @cid */
	uint32_t cid;
};

struct device_port {
	const char *name; /* its name in the guest; hv_dial() gives the host's end */
};

#define DEVICE_NIC_QUEUES_MAX 16

/* Each descriptor is a queue of one tap with IFF_VNET_HDR, which has IFF_MULTI_QUEUE if there are
 * several. */
struct device_nic {
	const int *tap_fds;
	size_t n_queues; /* 1 to DEVICE_NIC_QUEUES_MAX */
	uint8_t mac[6];  /* the guest's */
};

struct device {
	enum device_kind kind;
	const char *id; /* unique in the machine; see device_check_id() */
	union {
		struct device_disk disk;
		struct device_virtio_fs virtio_fs;
		struct device_9p nine_p;
		struct device_vsock vsock;
		struct device_port port;
		struct device_nic nic;
	};
};

/* virtio 1.2, 5.2.6.1: VIRTIO_BLK_ID_BYTES, because a disk's id is its serial number. */
#define DEVICE_ID_MAX 20

/* For sentences: "disk". */
const char *device_kind_name(enum device_kind kind);

/* 1 to DEVICE_ID_MAX of [A-Za-z0-9_-], else -EINVAL. */
int device_check_id(const struct device *d, struct err *e);

/* How the guest finds a device. */
enum device_address_kind {
	DEVICE_AT_PCI,    /* slots from the root bus on, as the agent wants it: "08", "1e/03" */
	DEVICE_AT_SERIAL, /* by a disk's serial number */
	DEVICE_AT_NAME,   /* a share's tag, a port's name; "" for a vsock, and for an interface that
			   * its hardware address finds */
};

struct device_address {
	enum device_address_kind kind;
	char text[64];
};
