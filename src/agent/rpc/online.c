/* OnlineCPUMem: brings hot-plugged processors and memory online. */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "agent/device/device.h"
#include "agent/network/network.h"
#include "agent/rpc/agent.h"
#include "base/file.h"
#include "base/log.h"

/* Brings all that is offline in @folder online: "cpu1", "memory12". Returns how many that were. */
static int online_all(const char *folder, const char *prefix)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir))) {
		auto_free char *file = NULL;
		auto_free char *text = NULL;
		size_t bytes = strlen(prefix);

		if (strncmp(entry->d_name, prefix, bytes) != 0 ||
		    !isdigit((unsigned char) entry->d_name[bytes]))
			continue;
		file = str_printf("%s/online", entry->d_name);
		/* The first processor of some machines has no such file: it is always in use. */
		if (!file || file_read(dirfd(dir), file, 16, &text, NULL, NULL) < 0)
			continue;
		if (text[0] == '0' && file_write(dirfd(dir), file, "1", NULL) == 0)
			n++;
	}
	if (dir)
		(void) closedir(dir);
	return n;
}

#define CPU_FOLDER    "/sys/devices/system/cpu"
#define MEMORY_FOLDER "/sys/devices/system/memory"

/* A hot-plugged processor may take a moment to appear; the caller says how many must. */
struct online_wait {
	struct rpc *rpc;
	struct ttrpc_call *call;
	struct loop_timer *timer;
	msec_t deadline;
	uint32_t missing;
	bool found; /* some have come */
};

#define ONLINE_LOOK_MS 20

static void online_gone(void *arg)
{
	struct online_wait *w = arg;

	loop_timer_cancel(w->timer);
	ttrpc_drop(w->call);
	free(w);
}

static void online_step(void *arg)
{
	struct online_wait *w = arg;
	uint32_t n = (uint32_t) online_all(CPU_FOLDER, "cpu");
	struct err e = {0};
	int r = 0;

	w->timer = NULL;
	w->found |= n > 0;
	w->missing -= n < w->missing ? n : w->missing;
	if (w->missing > 0 && clock_now() >= w->deadline)
		r = err_say(&e, ETIMEDOUT, "%u processors have not appeared in time", w->missing);
	else if (w->missing > 0)
		r = loop_timer(w->rpc->config.loop, clock_deadline(ONLINE_LOOK_MS), online_step, w,
			       &w->timer, &e);
	if (w->timer)
		return;
	if (w->found)
		network_use_queues(w->rpc->network);
	ttrpc_answer(w->call, r, &e);
	free(w);
}

void online_cpu_mem(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__OnlineCPUMemRequest *req = request;
	struct online_wait *w = calloc(1, sizeof *w);
	struct err e = {0};

	if (!w) {
		ttrpc_answer(call, err_sys(&e, ENOMEM, "take processors into use"), &e);
		return;
	}
	if (!req->cpu_only) {
		/* Only here, because most machines never get more memory. */
		if (module_load_if_any(rpc->config.devices, "virtio_mem", &e) < 0)
			log_err(LOG_WARN, &e, "ignoring");
		(void) online_all(MEMORY_FOLDER, "memory");
	}
	*w = (struct online_wait){
		.rpc = rpc,
		.call = call,
		.deadline = clock_deadline(rpc->config.hotplug_timeout_ms),
		.missing = req->wait ? req->nb_cpus : 0,
	};
	ttrpc_call_on_gone(call, online_gone, w);
	online_step(w);
}
