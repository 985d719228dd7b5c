/* The guest as a whole: what it is, its clock, its random numbers. */

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "agent/device/device.h"
#include "agent/rpc/agent.h"
#include "agent/storage/storage.h"
#include "base/array.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/version.h"

/* Features that only this project's agent has; agent.proto explains them. */
static const char *const extra_features[] = {
	"oci-1.2", "ordered-exit", "close-output", "end-at-once", "list-processes",
	"pods",    "users",        "network",      "connect",
};

/* Those that a kernel may lack, each as the name of its module. */
static const char *const kernel_features[] = {"vrf"};

#define FEATURES_MAX (ARRAY_LEN(extra_features) + ARRAY_LEN(kernel_features))

/* For Device.type; see create.c. */
static const char *const device_handlers[] = {"blk", "mmioblk"};

static uint64_t memory_block_bytes(void)
{
	auto_free char *text = NULL;

	/* A kernel without memory hotplug has no blocks. */
	if (file_read(AT_FDCWD, "/sys/devices/system/memory/block_size_bytes", 32, &text, NULL,
		      NULL) < 0)
		return 0;
	return strtoull(text, NULL, 16);
}

/* @ret has room for FEATURES_MAX; returns how many there are. */
static size_t list_features(struct rpc *rpc, char **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(extra_features); i++)
		ret[n++] = (char *) extra_features[i];
	for (size_t i = 0; i < ARRAY_LEN(kernel_features); i++)
		if (module_exists(rpc->config.devices, kernel_features[i]))
			ret[n++] = (char *) kernel_features[i];
	return n;
}

void guest_get_details(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__GuestDetailsRequest *req = request;
	Grpc__GuestDetailsResponse reply = GRPC__GUEST_DETAILS_RESPONSE__INIT;
	Grpc__AgentDetails agent = GRPC__AGENT_DETAILS__INIT;
	char *features[FEATURES_MAX];

	agent.version = (char *) version_number();
	agent.init_daemon = rpc->config.is_init;
	agent.supports_seccomp = true;
	agent.extra_features = features;
	agent.n_extra_features = list_features(rpc, features);
	agent.device_handlers = (char **) device_handlers;
	agent.n_device_handlers = ARRAY_LEN(device_handlers);
	agent.storage_handlers = (char **) storage_driver_names(&agent.n_storage_handlers);
	reply.agent_details = &agent;
	if (req->mem_block_size)
		reply.mem_block_size_bytes = memory_block_bytes();
	if (req->mem_hotplug_probe)
		reply.support_mem_hotplug_probe =
			access("/sys/devices/system/memory/probe", F_OK) == 0;
	ttrpc_reply(call, &reply.base);
}

void guest_set_date_time(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__SetGuestDateTimeRequest *req = request;
	struct timeval now = {.tv_sec = req->sec, .tv_usec = req->usec};
	struct err e = {0};
	int r = 0;

	(void) rpc;
	if (settimeofday(&now, NULL) < 0)
		r = err_sys(&e, errno, "set the clock");
	ttrpc_answer(call, r, &e);
}

static int reseed(const void *data, size_t bytes, struct err *e)
{
	auto_close int fd = open("/dev/random", O_WRONLY | O_CLOEXEC);
	int bits = (int) bytes * 8;

	if (fd < 0)
		return err_sys(e, errno, "open '/dev/random'");

	int r = fd_write_all(fd, data, bytes);

	if (r < 0)
		return err_sys(e, -r, "write to '/dev/random'");
	if (ioctl(fd, RNDADDTOENTCNT, &bits) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
		return err_sys(e, errno, "reseed '/dev/random'");
	return 0;
}

void guest_reseed_random(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__ReseedRandomDevRequest *req = request;
	struct err e = {0};

	(void) rpc;
	if (req->data.len == 0)
		ttrpc_answer(call, err_say(&e, EINVAL, "there is no data to reseed with"), &e);
	else
		ttrpc_answer(call, reseed(req->data.data, req->data.len, &e), &e);
}
