#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"
#include "host/device/device.h"

/*
 * What a sandbox may ask of any hypervisor: the public interface of this layer.
 *
 *	               attach             attach, detach
 *	NEW --create--> CREATED --start--> RUNNING --stop--> STOPPED
 *	                   |                |    ^              ^
 *	                   |             pause  resume          |
 *	                   |                v    |              |
 *	                   |                PAUSED -----stop----+
 *	                   +----------------------------stop----+
 *
 * The hv_*() functions check the state and refuse a step out of order, so a driver may assume that
 * its methods are called in this order. The drivers are listed in one table, drivers.c; driver.h is
 * what a driver sees. The fake driver that tests use is in fake/fake.h.
 *
 * Threads. A machine belongs to a loop and is used by one other thread, the sandbox's worker:
 *
 *	loop thread	hv_new(), hv_on_exit(), hv_on_console(), hv_free(); all callbacks come here
 *	worker thread	hv_create(), hv_key(), hv_load(), hv_start(), hv_dial(), hv_pause(),
 *			hv_resume(), hv_save(), hv_stop(): each may wait until its deadline. The
 *			caller makes only one of them at a time
 *	any worker	hv_attach(), hv_detach(), hv_resize(), hv_resize_disk(), while none of the
 *			above runs; from several threads they run one after the other
 *	any thread	hv_describe(), hv_console_tail(), hv_explain()
 *
 * The worker may be the loop thread itself (a test, a short tool): create, start, dial and stop do
 * not need the loop to run. hv_pause() and hv_resume() do.
 * The kernel kills the VMM when the *thread* that called hv_start() ends (PR_SET_PDEATHSIG): that
 * thread must live as long as the process.
 *
 * Distrusts: the guest, and the VMM, which the guest may have taken over. Console bytes and VMM
 * messages are bounded, and made printable before they enter a sentence.
 */
enum hv_state {
	HV_NEW,
	HV_CREATED,
	HV_RUNNING,
	HV_PAUSED,
	HV_STOPPED,
	HV_STATE_MAX,
};

const char *hv_state_name(enum hv_state state);

enum hv_accel {
	HV_ACCEL_AUTO, /* KVM where it can run an ordinary kernel, else TCG */
	HV_ACCEL_KVM,
	HV_ACCEL_TCG, /* QEMU's translator: slow, and works everywhere */
	HV_ACCEL_MAX,
};

/* "auto", "kvm", "tcg": as in the configuration file. */
const char *hv_accel_name(enum hv_accel accel);

/* Returns 0 or -EINVAL. */
int hv_accel_parse(const char *name, enum hv_accel *ret, struct err *e);

/* How the agent in the guest is reached. */
enum hv_channel {
	HV_CHANNEL_AUTO, /* vsock where /dev/vhost-vsock opens, else serial */
	HV_CHANNEL_VSOCK,
	HV_CHANNEL_SERIAL, /* a virtio-serial port: one stream, so one dial() of one port */
	HV_CHANNEL_MAX,
};

const char *hv_channel_name(enum hv_channel channel);

/* The most devices that are attached to one machine. */
#define HV_DEVICES_MAX 30
#define VM_CGROUPS_MAX 16

struct config_hypervisor;

/*
 * The description of a machine without its devices. Plain values; all borrowed, and only until
 * hv_create() returns (strings are copied, descriptors duplicated). NULL and 0 mean "the driver's
 * default" unless the field's comment says otherwise.
 */
struct vm_spec {
	const char *id; /* of the sandbox; names the VMM process, nothing else */

	uint32_t vcpus;            /* at boot; at least 1 */
	uint32_t max_vcpus;        /* 0: no more than at boot */
	uint64_t memory_bytes;     /* at boot, a multiple of 1 MiB */
	uint64_t max_memory_bytes; /* the same; 0: no more than at boot */

	const char *kernel_path;   /* an ELF vmlinux with a PVH note boots fastest; bzImage works */
	const char *initrd_path;   /* NULL: none */
	const char *agent_params;  /* "agent.log=debug ...", after the driver's own, or NULL */
	const char *kernel_params; /* the user's, last: they win; or NULL */

	/* The administrator's section of this hypervisor, never NULL: a driver reads in it what no
	 * other driver understands, and nothing else. */
	const struct config_hypervisor *options;

	enum hv_accel accel;
	const char *vmm_path; /* the program, or NULL: looked up in PATH */
	bool hugepages;       /* memory on huge pages */
	bool mem_prealloc;    /* touch all memory before the guest starts */
	bool debug;           /* the guest kernel's messages go to hv_on_console() */
	bool hotplug;         /* devices may come and go while it runs, which takes a bus at boot */
	bool to_be_saved;     /* hv_save() will come: the memory is a file that can be copied */

	uid_t uid; /* the VMM's user; 0 and 0: the caller's own, without capabilities */
	gid_t gid;
	bool require_confinement; /* refuse where the kernel lacks a layer, instead of a warning */
	const int *cgroup_fds;    /* cgroup.procs files open for writing, joined before exec */
	size_t n_cgroup_fds;

	enum hv_channel channel;
};

/* The machine as it really is, a copy. */
struct hv_info {
	const char *driver;  /* "qemu" */
	enum hv_accel accel; /* never AUTO once the machine was created */
	enum hv_channel channel;
	pid_t pid; /* of the VMM, 0 when there is none */
	uint32_t vcpus;
	uint32_t max_vcpus; /* that it may get */
	uint64_t memory_bytes;
	uint32_t guest_cid;    /* vsock; else 0 */
	char accel_why[160];   /* a sentence: why this accelerator and no better one */
	char version[64];      /* as the VMM reports it; "" before the start */
	char machine_type[32]; /* as really used */
};

/* Why the VMM is gone. @why is borrowed for the call. */
typedef void (*hv_exit_fn)(void *arg, const struct err *why);

/* One line of the guest's console, printable, without its newline. Borrowed for the call. */
typedef void (*hv_console_fn)(void *arg, const char *line);

struct hv;

/* The drivers' names, in the configuration too. */
#define HV_QEMU "qemu"

/* Makes a machine of the named driver (HV_QEMU). Returns 0, -ENOENT for an unknown name (the error
 * lists the known ones), or -errno. */
int hv_new(const char *driver, struct loop *loop, struct hv **ret, struct err *e);

/* Kills the VMM if it runs and frees everything. No callback comes afterwards. Accepts NULL. */
void hv_free(struct hv *hv);
AUTO_PTR(struct hv, hv_free)

/* For error sentences: what the administrator can do about a file that is missing on the host. */
#define HV_REMEDY_IMAGE    "run 'make guest' or install the guest image"
#define HV_REMEDY_FIRMWARE "install it"
#define HV_REMEDY_VSOCK    "load the module vhost_vsock, or set the key 'agent_channel' to \"auto\""

/* The program that a machine of @driver runs: @path (key 'path'), or if that is NULL or "" the one
 * in the usual place. Freed by the caller. NULL with a sentence that says what to install or
 * set. */
char *hv_find_program(const char *driver, const char *path, struct err *e);

/* Calls @fn at most once, when the VMM ends without hv_stop(). @fn may be called while hv_stop() is
 * still running. */
void hv_on_exit(struct hv *hv, hv_exit_fn fn, void *arg);
void hv_on_console(struct hv *hv, hv_console_fn fn, void *arg);

/* Checks @spec, opens the files it names, chooses the accelerator. Starts nothing. Returns 0,
 * -EINVAL (a field that cannot be), -ENOENT (a file or program is missing), -EOPNOTSUPP (the
 * driver cannot), or -errno. */
int hv_create(struct hv *hv, const struct vm_spec *spec, struct err *e);

/**
 * hv_attach() - give the machine a device: before its start, or while it runs
 * @ret:	how the guest finds it; may be NULL
 *
 * The guest of a running machine sees it some time after this returned. Returns 0, -EINVAL (the
 * device cannot be), -EEXIST (a device has its id), -EOPNOTSUPP (this hypervisor or this machine
 * cannot, or only before the start), -E2BIG (HV_DEVICES_MAX), or -errno.
 */
int hv_attach(struct hv *hv, const struct device *device, msec_t deadline,
	      struct device_address *ret, struct err *e);

/* Takes a device away from a running machine: waits until the guest has let go of it and the VMM
 * has closed what the host lent. Returns 0, -ENOENT, -EOPNOTSUPP (this one stays), -ETIMEDOUT (the
 * guest may still let go; the device counts as attached), or -errno. */
int hv_detach(struct hv *hv, const char *id, msec_t deadline, struct err *e);

/* Tells the guest that the disk @id of a running machine is as large as its file or device on the
 * host is now: @bytes, in whole sectors of 512. The guest may notice later. Returns 0, -ENOENT,
 * -EOPNOTSUPP (this hypervisor), or -errno. */
int hv_resize_disk(struct hv *hv, const char *id, uint64_t bytes, msec_t deadline, struct err *e);

/* Starts the VMM. When it returns 0 the machine exists and the guest kernel has begun to boot; the
 * agent is not up yet. On failure @e has what the VMM said, and the caller may stop or free the
 * machine. */
int hv_start(struct hv *hv, msec_t deadline, struct err *e);

/* Where the guest's agent listens, as upstream's does. */
#define HV_AGENT_PORT 1024

/**
 * hv_dial() - connect to the guest
 * @port:	HV_AGENT_PORT
 * @deadline:	vsock: until when to try again while the guest does not listen yet
 * @ret_fd:	a connected stream socket, the caller's; blocking mode
 *
 * Over a serial channel it returns at once, before the agent is up: bytes written wait for the
 * agent. That channel has one connection: a second dial is -EBUSY, another port -EOPNOTSUPP.
 * Returns 0, -ETIMEDOUT, -ECONNRESET when the VMM is gone (with the reason), or -errno.
 */
int hv_dial(struct hv *hv, uint32_t port, msec_t deadline, int *ret_fd, struct err *e);

/* Kills the VMM at once, if it still runs. If the guest should sync or unmount before, the caller
 * asks the agent first. Returns 0 also when the VMM was gone; the process has been reaped.
 * -ETIMEDOUT: killed, but not dead by @deadline. */
int hv_stop(struct hv *hv, msec_t deadline, struct err *e);

/* Stops and continues the vCPUs. */
int hv_pause(struct hv *hv, msec_t deadline, struct err *e);
int hv_resume(struct hv *hv, msec_t deadline, struct err *e);

struct hv_size {
	uint32_t vcpus;
	uint64_t memory_bytes;
};

/**
 * hv_resize() - make a running machine larger, or take memory back
 * @want:	within what it had at boot and the maximum of its vm_spec, else the nearest to it;
 *		memory in whole MiB, rounded up to what the hypervisor can. A hypervisor may keep
 *		vCPUs that are not wanted any more
 * @ret:	how large it is now, also when that is not what was wanted; may be NULL
 *
 * vCPUs that came are offline until the agent takes them into use. Returns 0, -ETIMEDOUT (the guest
 * did not take or give up all of it by @deadline), -EOPNOTSUPP (this hypervisor, or this machine),
 * or -errno.
 */
int hv_resize(struct hv *hv, const struct hv_size *want, msec_t deadline, struct hv_size *ret,
	      struct err *e);

/* The host's threads that are the vCPUs of a running machine, at most @max. Returns 0, -EOPNOTSUPP
 * or -errno. */
int hv_vcpu_threads(struct hv *hv, msec_t deadline, pid_t *ret, size_t max, size_t *ret_n,
		    struct err *e);

/*
 * A machine that was saved while it ran, and others that go on from there instead of booting. The
 * one that is saved has no device but those of its vm_spec. What the others are to have is attached
 * before their start as usual, and comes into the guest as if it had been plugged in while it ran.
 */
struct hv_saved {
	int memory_fd;       /* its memory, as large as the machine's; mostly holes */
	uint64_t data_bytes; /* how much of it is no hole */
	int state_fd;        /* the rest, in the hypervisor's own format, from its beginning */
};

/* The name of what makes two machines the same: one can go on from what the other has saved only if
 * their keys are equal. It depends on the machine's arguments, on the identity of all programs and
 * files, and on the boot of this host. */
#define HV_KEY_BYTES 65

/* CREATED. Returns 0 or -EOPNOTSUPP with the reason why such a machine cannot be saved. */
int hv_key(struct hv *hv, char ret[HV_KEY_BYTES], struct err *e);

/* Of a machine that is CREATED and has nothing attached: its start will go on from what was saved.
 * The descriptors remain the caller's, and are needed until hv_start() has returned. If that fails,
 * another machine must be made. */
int hv_load(struct hv *hv, const struct hv_saved *saved, struct err *e);

/* Stops a machine that runs, has vm_spec.to_be_saved and nothing attached, and saves it. It cannot
 * go on itself. *@ret: descriptors that the caller closes; the memory is not to be written to. */
int hv_save(struct hv *hv, msec_t deadline, struct hv_saved *ret, struct err *e);

enum hv_state hv_state(const struct hv *hv);
void hv_describe(struct hv *hv, struct hv_info *ret);

/* Copies the end of the guest's console, raw and NUL-terminated, into @buf of @bytes. console.c
 * says how much is kept. Returns the length without the NUL. */
size_t hv_console_tail(struct hv *hv, char *buf, size_t bytes);

/* For a guest that did not come up: appends the reason to the sentence in @e as far as it is known:
 * the end of the VMM, the guest's panic, the last console lines, printable and bounded.
 * Returns -@e->code, so "return hv_explain(hv, e)". */
int hv_explain(struct hv *hv, struct err *e);

/*
 * The facts from which hv_accel_choose() decides. See accel.c.
 */
struct hv_accel_facts {
	bool cpu_virt;       /* x86: vmx or svm in /proc/cpuinfo; elsewhere true */
	int open_error;      /* errno of opening /dev/kvm, or 0 */
	int api_version;     /* of KVM_GET_API_VERSION; only with open_error 0 */
	int create_vm_error; /* errno of KVM_CREATE_VM, or 0 */
};

void hv_accel_probe(struct hv_accel_facts *ret);

/* Whether the text of an x86 /proc/cpuinfo shows hardware virtualisation. */
bool hv_cpuinfo_has_virt(const char *cpuinfo);

/* Chooses KVM or TCG. @why (of @why_bytes) gets one sentence. Returns 0, or -ENODEV when KVM is
 * demanded and cannot be had. */
int hv_accel_choose(enum hv_accel wanted, const struct hv_accel_facts *facts, enum hv_accel *ret,
		    char *why, size_t why_bytes, struct err *e);
