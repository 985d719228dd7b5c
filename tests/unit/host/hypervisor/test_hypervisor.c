#include "tests/test.h"

#include <errno.h>

#include "base/array.h"
#include "base/loop.h"
#include "host/hypervisor/fake/fake.h"

static const struct vm_spec small = {
	.vcpus = 1,
	.memory_bytes = 128 << 20,
	.kernel_path = "/boot/vmlinux",
};

static struct hv *fake_hv(struct hv_fake **ret)
{
	struct hv_fake *f = NULL;

	CHECK_EQ(hv_fake_new(NULL, &f, NULL), 0);
	if (ret)
		*ret = f;
	return &f->hv;
}

static struct hv *running_fake(struct hv_fake **ret)
{
	struct hv *hv = fake_hv(ret);

	CHECK_EQ(hv_create(hv, &small, NULL), 0);
	CHECK_EQ(hv_start(hv, CLOCK_NEVER, NULL), 0);
	return hv;
}

TEST(steps_out_of_order_are_refused)
{
	auto_ptr(hv_free) struct hv *hv = fake_hv(NULL);
	struct err e = {0};
	int fd;

	CHECK_EQ(hv_start(hv, CLOCK_NEVER, &e), -EBUSY);
	CHECK_STR(e.text, "fake: cannot start a machine that is new");
	CHECK_EQ(hv_dial(hv, 1024, CLOCK_NEVER, &fd, NULL), -EBUSY);
	CHECK_EQ(hv_pause(hv, CLOCK_NEVER, NULL), -EBUSY);
	CHECK_EQ(hv_create(hv, &small, NULL), 0);
	CHECK_EQ(hv_create(hv, &small, NULL), -EBUSY);
}

TEST(a_device_that_the_hypervisor_cannot_attach_is_a_clear_refusal)
{
	auto_ptr(hv_free) struct hv *hv = running_fake(NULL);
	struct device disk = {.kind = DEVICE_DISK, .id = "d0"};
	struct err e = {0};

	CHECK_EQ(hv_attach(hv, &disk, CLOCK_NEVER, NULL, &e), -EOPNOTSUPP);
	CHECK_STR(e.text, "fake: this hypervisor cannot attach a disk to a running machine");
	err_clear(&e);
	CHECK_EQ(hv_detach(hv, "d0", CLOCK_NEVER, &e), -EOPNOTSUPP);
	CHECK_STR(e.text, "fake: this hypervisor cannot detach devices");
}

TEST(a_device_is_attached_between_create_and_start_and_has_an_address)
{
	struct hv_fake *f;
	auto_ptr(hv_free) struct hv *hv = fake_hv(&f);
	struct device disk = {.kind = DEVICE_DISK, .id = "d0"};
	struct device_address at;
	struct err e = {0};

	CHECK_EQ(hv_attach(hv, &disk, CLOCK_NEVER, NULL, &e), -EBUSY);
	CHECK_STR(e.text, "fake: cannot attach a device to a machine that is new");
	err_clear(&e);
	CHECK_EQ(hv_create(hv, &small, NULL), 0);
	CHECK_EQ(hv_attach(hv, &disk, CLOCK_NEVER, &at, NULL), 0);
	CHECK_EQ(f->attached, DEVICE_BIT(DEVICE_DISK));
	CHECK_EQ(at.kind, DEVICE_AT_SERIAL);
	CHECK_STR(at.text, "d0");
	CHECK_EQ(hv_detach(hv, "d0", CLOCK_NEVER, NULL), -EOPNOTSUPP);
	/* Before a guest runs, its disks have the size that they have when it looks. */
	CHECK_EQ(hv_resize_disk(hv, "d0", 4096, CLOCK_NEVER, &e), -EBUSY);
	CHECK_STR(e.text, "fake: cannot resize a disk of a machine that is created");
	CHECK_EQ(hv_start(hv, CLOCK_NEVER, NULL), 0);
	CHECK_EQ(hv_resize_disk(hv, "d0", 4096, CLOCK_NEVER, NULL), 0);
	CHECK_STR(f->resized_disk, "d0");
	CHECK_EQ(f->disk_bytes, 4096);
}

TEST(a_device_with_an_improper_name_is_refused_before_the_driver_sees_it)
{
	static const char *const bad[] = {NULL, "", "a,b", "x=y", "012345678901234567890"};
	struct hv_fake *f;
	auto_ptr(hv_free) struct hv *hv = fake_hv(&f);
	struct err e = {0};

	CHECK_EQ(hv_create(hv, &small, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct device disk = {.kind = DEVICE_DISK, .id = bad[i]};

		err_clear(&e);
		CHECK_EQ(hv_attach(hv, &disk, CLOCK_NEVER, NULL, &e), -EINVAL);
	}
	CHECK_STR(e.text, "fake: attach disk '012345678901234567890': '012345678901234567890' "
			  "cannot be the name of a disk");
	CHECK_EQ(f->attached, 0);
}

TEST(a_specification_that_cannot_be_is_refused_before_the_driver_sees_it)
{
	auto_ptr(hv_free) struct hv *hv = fake_hv(NULL);
	struct vm_spec spec = small;
	struct err e = {0};

	spec.vcpus = 0;
	CHECK_EQ(hv_create(hv, &spec, &e), -EINVAL);
	CHECK_STR(e.text, "fake: create machine: a machine needs a vCPU");
	spec = small;
	spec.memory_bytes++;
	CHECK_EQ(hv_create(hv, &spec, NULL), -EINVAL);
	spec = small;
	spec.kernel_path = NULL;
	err_clear(&e);
	CHECK_EQ(hv_create(hv, &spec, &e), -EINVAL);
	CHECK(strstr(e.text, "key 'kernel'"));
	spec = small;
	spec.n_cgroup_fds = VM_CGROUPS_MAX + 1;
	CHECK_EQ(hv_create(hv, &spec, NULL), -E2BIG);
	CHECK_EQ(hv_state(hv), HV_NEW);
}

TEST(a_failed_start_can_be_tried_again)
{
	struct hv_fake *f;
	auto_ptr(hv_free) struct hv *hv = fake_hv(&f);
	struct err e = {0};
	char buf[640];

	f->fail_start = EAGAIN;
	CHECK_EQ(hv_create(hv, &small, &e), 0);
	CHECK_EQ(hv_start(hv, CLOCK_NEVER, &e), -EAGAIN);
	CHECK_STR(err_show(&e, buf, sizeof buf),
		  "fake: start machine: start a fake machine: Resource temporarily unavailable");
	CHECK_EQ(hv_state(hv), HV_CREATED);
	CHECK_EQ(hv_start(hv, CLOCK_NEVER, NULL), 0);
	CHECK_STR(hv_state_name(hv_state(hv)), "running");
}

TEST(dial_gives_the_descriptor_away)
{
	struct hv_fake *f;
	auto_ptr(hv_free) struct hv *hv = running_fake(&f);
	auto_close int fd = -1;
	char c;

	CHECK_EQ(hv_dial(hv, 1024, CLOCK_NEVER, &fd, NULL), 0);
	CHECK_EQ(write(f->guest_fd, "x", 1), 1);
	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_EQ(c, 'x');
}

TEST(a_machine_is_paused_and_resumed)
{
	auto_ptr(hv_free) struct hv *hv = running_fake(NULL);

	CHECK_EQ(hv_pause(hv, CLOCK_NEVER, NULL), 0);
	CHECK_EQ(hv_pause(hv, CLOCK_NEVER, NULL), -EBUSY);
	CHECK_EQ(hv_resume(hv, CLOCK_NEVER, NULL), 0);
	CHECK_EQ(hv_state(hv), HV_RUNNING);
}

TEST(stopping_twice_is_stopping_once)
{
	struct hv_fake *f;
	auto_ptr(hv_free) struct hv *hv = running_fake(&f);

	CHECK_EQ(hv_stop(hv, CLOCK_NEVER, NULL), 0);
	CHECK(f->stopped);
	CHECK_EQ(hv_stop(hv, CLOCK_NEVER, NULL), 0);
}

static void note_exit(void *arg, const struct err *why)
{
	*(struct err *) arg = *why;
}

TEST(the_end_of_the_vmm_is_told_once)
{
	struct hv_fake *f;
	auto_ptr(hv_free) struct hv *hv = running_fake(&f);
	struct err why = {0};
	int fd;

	hv_on_exit(hv, note_exit, &why);
	hv_fake_die(f, "killed");
	CHECK_STR(why.text, "killed");
	hv_fake_die(f, "killed again");
	CHECK_STR(why.text, "killed");
	CHECK_EQ(hv_dial(hv, 1024, CLOCK_NEVER, &fd, NULL), -ECONNRESET);
}

TEST(an_explanation_holds_the_end_and_the_last_lines)
{
	struct hv_fake *f;
	auto_ptr(hv_free) struct hv *hv = running_fake(&f);
	struct err e = {0};

	(void) err_say(&e, ETIMEDOUT, "wait for the agent: no answer");
	hv_fake_print(f, "one");
	hv_fake_print(f, "\033[1mtwo\007");
	hv_fake_print(f, "three");
	hv_fake_print(f, "four");
	hv_fake_die(f, "the machine was reset");
	CHECK_EQ(hv_explain(hv, &e), -ETIMEDOUT);
	CHECK_STR(e.text, "wait for the agent: no answer; the machine was reset; "
			  "guest console ends with: two | three | four");
}

TEST(an_unknown_driver_is_named_with_the_known_ones)
{
	struct err e = {0};
	struct hv *hv = NULL;

	CHECK_EQ(hv_new("bochs", NULL, &hv, &e), -ENOENT);
	CHECK(strstr(e.text, "unknown hypervisor 'bochs'"));
}
