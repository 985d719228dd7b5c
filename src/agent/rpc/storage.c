/* Storages after they were mounted. */

#include <errno.h>
#include <sys/statvfs.h>

#include "agent/rpc/agent.h"
#include "agent/storage/storage.h"
#include "base/array.h"

void storage_rpc_update_ephemeral(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__UpdateEphemeralMountsRequest *req = request;
	struct err e = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < req->n_storages; i++)
		r = storages_remount(rpc->storages, req->storages[i], &e);
	ttrpc_answer(call, r, &e);
}

static Grpc__VolumeUsage usage_of(Grpc__VolumeUsage__Unit unit, uint64_t total, uint64_t left,
				  uint64_t available, uint64_t factor)
{
	Grpc__VolumeUsage u = GRPC__VOLUME_USAGE__INIT;

	u.unit = unit;
	u.total = total * factor;
	u.used = (total - left) * factor;
	u.available = available * factor;
	return u;
}

void storage_rpc_volume_stats(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__VolumeStatsRequest *req = request;
	Grpc__VolumeStatsResponse reply = GRPC__VOLUME_STATS_RESPONSE__INIT;
	Grpc__VolumeCondition condition = GRPC__VOLUME_CONDITION__INIT;
	struct statvfs fs;
	struct err e = {0};

	(void) rpc;
	if (statvfs(req->volume_guest_path, &fs) < 0) {
		ttrpc_answer(call, err_sys(&e, errno, "look at '%s'", req->volume_guest_path), &e);
		return;
	}

	Grpc__VolumeUsage usage[] = {
		usage_of(GRPC__VOLUME_USAGE__UNIT__BYTES, fs.f_blocks, fs.f_bfree, fs.f_bavail,
			 fs.f_frsize),
		usage_of(GRPC__VOLUME_USAGE__UNIT__INODES, fs.f_files, fs.f_ffree, fs.f_favail, 1),
	};
	Grpc__VolumeUsage *list[] = {&usage[0], &usage[1]};

	reply.usage = list;
	reply.n_usage = ARRAY_LEN(list);
	reply.volume_condition = &condition;
	ttrpc_reply(call, &reply.base);
}

static void resized(void *arg, int r, const struct err *e)
{
	ttrpc_answer(arg, r, e);
}

void storage_rpc_resize_volume(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__ResizeVolumeRequest *req = request;

	storages_resize(rpc->storages, req->volume_guest_path, req->size, resized, call);
}
