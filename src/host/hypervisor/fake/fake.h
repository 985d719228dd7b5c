#pragma once

#include "host/hypervisor/driver.h"

/*
 * A hypervisor without a machine, so that tests of all callers of hypervisor.h take milliseconds.
 * It is not in the driver table: no configuration can choose it.
 */
struct hv_fake {
	struct hv hv;

	/* Set by the test. */
	int fail_create; /* errno for the next hv_create(), or 0; used up by it */
	int fail_start;
	int fail_dial;
	int fail_resize;
	/* Called for each hv_dial() on the dialling thread with the guest's end, which it takes.
	 * NULL: kept in @guest_fd. */
	void (*serve)(void *arg, uint32_t port, int take_fd);
	void *serve_arg;

	/* Seen by the test. */
	int guest_fd; /* the guest's end of the last dial, or -1 */
	bool stopped;
	uint64_t memory_bytes; /* at the start, and as resized */
	uint32_t vcpus;
	uint32_t attached; /* DEVICE_BIT()s */
	char kernel_params[512];
	char resized_disk[DEVICE_ID_MAX + 1]; /* the last one */
	uint64_t disk_bytes;                  /* and how large it became */

	bool dead;
	struct err why;
};

/* The caller frees the whole struct with hv_free(&fake->hv). */
int hv_fake_new(struct loop *loop, struct hv_fake **ret, struct err *e);

/* On the loop thread: the VMM "dies" of @why; the guest's end is closed, hv_on_exit() is called. */
void hv_fake_die(struct hv_fake *fake, const char *why);

/* On the loop thread: the guest writes a line to its console. */
void hv_fake_print(struct hv_fake *fake, const char *line);
