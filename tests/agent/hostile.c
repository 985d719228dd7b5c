/* What a wrong or hostile host sends. The agent refuses it and lives. */

#include <errno.h>
#include <sys/stat.h>

#include "base/array.h"
#include "tests/agent/box.h"

struct tally {
	unsigned under_way, failed;
	int last;
};

static void count(void *arg, struct ttrpc_answer *a)
{
	struct tally *t = arg;

	t->under_way--;
	if (a->r < 0) {
		t->failed++;
		t->last = a->r;
	}
}

static void finish(struct vm *vm, struct tally *t)
{
	while (t->under_way > 0)
		CHECK(loop_step(vm->loop, clock_deadline(VM_PATIENCE_MS), NULL) > 0);
}

CASE(a_flood_of_calls_is_answered_to_the_last)
{
	Grpc__GuestDetailsRequest req = GRPC__GUEST_DETAILS_REQUEST__INIT;
	struct tally t = {0};

	for (int i = 0; i < 1500; i++) {
		CHECK_EQ(vm_begin(vm, "GetGuestDetails", &req, count, &t), 0);
		t.under_way++;
	}
	finish(vm, &t);
	CHECK_EQ(t.failed, 0);
}

CASE(names_that_do_not_exist_are_refused_by_every_call)
{
	static const char *const methods[] = {
		"StartContainer",  "RemoveContainer", "PauseContainer",
		"ResumeContainer", "StatsContainer",  "UpdateContainer",
	};
	/* They all begin with the container's id as field 1. */
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;

	box_prepare(vm);
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		const ProtobufCMethodDescriptor *m =
			protobuf_c_service_descriptor_get_method_by_name(
				&grpc__agent_service__descriptor, methods[i]);
		ProtobufCMessage *req = malloc(m->input->sizeof_message);

		CHECK(req);
		protobuf_c_message_init(m->input, req);
		*(char **) ((char *) req + m->input->fields[0].offset) = (char *) "nobody";
		CHECK_EQ(vm_call(vm, methods[i], req, NULL, NULL), -ENOENT);
		free(req);
	}
	read.container_id = wait.container_id = (char *) "nobody";
	read.len = 1;
	CHECK_EQ(vm_call(vm, "ReadStdout", &read, NULL, NULL), -ENOENT);
	CHECK_EQ(vm_call(vm, "ReadStderr", &read, NULL, NULL), -ENOENT);
	CHECK_EQ(vm_call(vm, "WaitProcess", &wait, NULL, NULL), -ENOENT);
}

CASE(calls_that_are_not_there_say_so)
{
	Grpc__SetPolicyRequest policy = GRPC__SET_POLICY_REQUEST__INIT;
	struct err e = {0};

	CHECK_EQ(vm_call(vm, "SetPolicy", &policy, NULL, &e), -ENOSYS);
}

CASE(too_many_readers_are_refused_and_the_first_are_served)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	struct tally t = {0};

	box_prepare(vm);
	MUST(box_create(vm, "silent", "exec sleep 1000", NULL, &why));
	MUST(box_start(vm, "silent", &why));
	read.container_id = (char *) "silent";
	read.len = 4 << 20;
	for (int i = 0; i < 300; i++) {
		CHECK_EQ(vm_begin(vm, "ReadStdout", &read, count, &t), 0);
		t.under_way++;
	}
	MUST(vm_call(
		vm, "StatsContainer",
		&(Grpc__StatsContainerRequest){
			.base = PROTOBUF_C_MESSAGE_INIT(&grpc__stats_container_request__descriptor),
			.container_id = (char *) "silent",
		},
		NULL, &why));
	CHECK_EQ(t.failed, 300 - 128);
	CHECK_EQ(t.last, -EBUSY);
	MUST(box_remove(vm, "silent", 0, &why));
	finish(vm, &t);
	CHECK_EQ(t.failed, 300); /* end of file */
}

static int copy(struct vm *vm, const char *path, uint32_t mode, int64_t size, int64_t offset,
		const char *data)
{
	Grpc__CopyFileRequest req = GRPC__COPY_FILE_REQUEST__INIT;

	req.path = (char *) path;
	req.file_mode = mode;
	req.dir_mode = 0755;
	req.file_size = size;
	req.offset = offset;
	req.data.data = (uint8_t *) data;
	req.data.len = strlen(data);
	return vm_call(vm, "CopyFile", &req, NULL, NULL);
}

CASE(files_are_copied_nowhere_but_where_they_may_be)
{
	static const char *const bad[] = {
		"/etc/passwd",
		BOX_SHARED,
		BOX_SHARED "/",
		BOX_SHARED "/../x",
		BOX_SHARED "/a/../../../x",
		BOX_SHARED "/a//b",
		BOX_SHARED "/./a",
		BOX_SHARED "/a/",
		"/run/kata-containers/shared/containersx",
		"",
	};
	struct run r;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (copy(vm, bad[i], S_IFREG | 0644, 1, 0, "x") != -EINVAL)
			FAIL("'%s' is not refused", bad[i]);
	CHECK_EQ(copy(vm, BOX_SHARED "/f", S_IFIFO | 0644, 1, 0, "x"), -EINVAL);
	CHECK_EQ(copy(vm, BOX_SHARED "/f", S_IFREG | 0644, 1, 0, "xy"), -EINVAL);
	CHECK_EQ(copy(vm, BOX_SHARED "/f", S_IFREG | 0644, -1, 0, ""), -EINVAL);
	CHECK_EQ(copy(vm, BOX_SHARED "/f", S_IFREG | 0644, 5, -1, "x"), -EINVAL);
	CHECK_EQ(copy(vm, BOX_SHARED "/f", S_IFREG | 0644, INT64_MAX, INT64_MAX, "x"), -EINVAL);
	CHECK_EQ(copy(vm, BOX_SHARED "/none", S_IFREG | 0644, 9, 4, "later"), -ENOENT);

	/* A link does not lead out, and a copy over it replaces it. */
	box_prepare(vm);
	CHECK_EQ(copy(vm, BOX_SHARED "/bb/rootfs/out", S_IFLNK | 0777, 0, 0, "/etc"), 0);
	CHECK_EQ(copy(vm, BOX_SHARED "/bb/rootfs/out/escaped", S_IFREG | 0644, 1, 0, "x"), -ENOENT);
	CHECK_EQ(copy(vm, BOX_SHARED "/bb/rootfs/out", S_IFREG | 0640, 6, 0, "abc"), 0);
	CHECK_EQ(copy(vm, BOX_SHARED "/bb/rootfs/out", S_IFREG | 0640, 6, 3, "def"), 0);
	CHECK_EQ(box_run(vm, "copied", "stat -c '%F %a %s' /out; cat /out; ls /out.tmp", NULL, &r),
		 1);
	CHECK_STR(run_out(&r), "regular file 640 6\nabcdef");
	run_fini(&r);
}

CASE(storages_are_mounted_for_a_container_and_gone_with_it)
{
	Grpc__UpdateEphemeralMountsRequest update = GRPC__UPDATE_EPHEMERAL_MOUNTS_REQUEST__INIT;
	Grpc__VolumeStatsRequest ask = GRPC__VOLUME_STATS_REQUEST__INIT;
	Grpc__VolumeStatsResponse *stats = NULL;
	Grpc__Storage storage = GRPC__STORAGE__INIT, *list = &storage;
	char *options[] = {(char *) "size=1m"}, *larger[] = {(char *) "size=2m"};
	struct run r;

	box_prepare(vm);
	storage.driver = (char *) "ephemeral";
	storage.source = storage.fstype = (char *) "tmpfs";
	storage.mount_point = (char *) "/run/kata-containers/sandbox/ephemeral/v";
	storage.options = options;
	storage.n_options = 1;

	struct box_options o = {
		.storages = &list,
		.n_storages = 1,
		.mounts_extra = ", {\"destination\": \"/v\", \"type\": \"bind\", \"source\": "
				"\"/run/kata-containers/sandbox/ephemeral/v\", "
				"\"options\": [\"rbind\"]}",
	};

	MUST(box_create(vm, "volume", "grep ' /v ' /proc/mounts; read x; df -k /v | tail -1", &o,
			&why));
	run_begin(&r, vm, "volume", "");
	MUST(box_start(vm, "volume", &why));
	ask.volume_guest_path = storage.mount_point;
	MUST(vm_call(vm, "GetVolumeStats", &ask, &stats, &why));
	CHECK_EQ(stats->usage[0]->total, 1 << 20);
	ttrpc_message_free(&stats->base);
	storage.options = larger;
	update.storages = &list;
	update.n_storages = 1;
	MUST(vm_call(vm, "UpdateEphemeralMounts", &update, NULL, &why));
	MUST(box_write(vm, "volume", "", "\n", &why));
	run_until_closed(&r);
	CHECK(strstr(run_out(&r), "tmpfs /v tmpfs"));
	CHECK(strstr(run_out(&r), " 2048 "));
	run_fini(&r);
	MUST(box_remove(vm, "volume", 0, &why));
	CHECK_EQ(vm_call(vm, "UpdateEphemeralMounts", &update, NULL, NULL), -ENOENT);

	storage.driver = (char *) "blk";
	storage.source = (char *) "1f/02";
	o.mounts_extra = NULL;
	CHECK_EQ(box_create(vm, "nodisk", "true", &o, NULL), -ETIMEDOUT);
	CHECK_EQ(box_remove(vm, "nodisk", 0, NULL), -ENOENT);
}

CASE(garbage_ends_the_line_and_not_the_agent)
{
	static const char garbage[] = "GET / HTTP/1.1\r\nHost: guest\r\n\r\n";
	struct run r;

	box_prepare(vm);
	MUST(box_create(vm, "survivor", "echo still here; exec sleep 1000", NULL, &why));
	MUST(box_start(vm, "survivor", &why));
	MUST(vm_reconnect(vm, garbage, sizeof garbage, &why));
	run_begin(&r, vm, "survivor", "");
	run_until_output(&r, 11);
	CHECK_STR(run_out(&r), "still here\n");
	MUST(box_signal(vm, "survivor", "", 9, &why));
	run_until_closed(&r);
	run_fini(&r);
	MUST(box_remove(vm, "survivor", 0, &why));
}

CASE(a_line_that_breaks_takes_its_long_polls_along)
{
	struct run *lost = calloc(1, sizeof *lost), r;

	CHECK(lost);
	box_prepare(vm);
	MUST(box_create(vm, "polled", "read x; echo \"$x\"", NULL, &why));
	MUST(box_start(vm, "polled", &why));
	run_begin(lost, vm, "polled", "");
	MUST(vm_reconnect(vm, NULL, 0, &why));
	run_fini(lost);
	free(lost);
	/* What the dead line had asked for must not swallow the output. */
	run_begin(&r, vm, "polled", "");
	MUST(box_write(vm, "polled", "", "word\n", &why));
	run_until_closed(&r);
	CHECK_STR(run_out(&r), "word\n");
	CHECK_EQ(r.code, 0);
	run_fini(&r);
	MUST(box_remove(vm, "polled", 0, &why));
}
