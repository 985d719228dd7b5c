#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/loop.h"
#include "host/hypervisor/qemu/qemu.h"

/*
 * The driver against a fake QEMU: a script that finds monitor, console and agent on the descriptors
 * 3, 4 and 5, as the real one does.
 */
#define GREET                                                                                        \
	"printf '{\"QMP\":{\"version\":{\"qemu\":{\"micro\":1,\"minor\":2,\"major\":8}}}}\\n' >&3\n" \
	"read line <&3\n"                                                                            \
	"printf '{\"return\":{},\"id\":1}\\n' >&3\n"                                                 \
	"read line <&3\n"                                                                            \
	"printf '{\"return\":{},\"id\":2}\\n' >&3\n"

/* It has no program to run any more: its root is empty. */
#define IDLE "while read line <&5; do :; done\nwhile read line <&3; do :; done\n"

struct scene {
	char dir[32], program[64], kernel[64];
	struct loop *loop;
	struct hv *hv;
	struct vm_spec spec;
	struct config_hypervisor options;
	int ended;
	struct err why;
	int lines;
	char line[64];
};

static void on_ended(void *arg, const struct err *why)
{
	struct scene *s = arg;

	s->ended++;
	s->why = *why;
}

static void on_line(void *arg, const char *line)
{
	struct scene *s = arg;

	s->lines++;
	(void) snprintf(s->line, sizeof s->line, "%s", line);
}

static void make_file(char *path, size_t bytes, const char *dir, const char *name,
		      const char *content, mode_t mode)
{
	(void) snprintf(path, bytes, "%s/%s", dir, name);
	CHECK_EQ(file_replace(AT_FDCWD, path, content, strlen(content), mode, NULL), 0);
}

static void scene_open(struct scene *s, const char *commands)
{
	auto_free char *script = str_printf("#!/bin/sh\n%s", commands);
	char bin[48];

	*s = (struct scene){.dir = "/tmp/qemu.XXXXXX"};
	CHECK(script && mkdtemp(s->dir));
	(void) snprintf(bin, sizeof bin, "%s/bin", s->dir);
	CHECK_EQ(dir_make(bin, 0755, NULL), 0);
	make_file(s->program, sizeof s->program, bin, "qemu", script, 0755);
	make_file(s->kernel, sizeof s->kernel, s->dir, "vmlinux", "\177ELF", 0644);
	s->spec = (struct vm_spec){
		.id = "test",
		.vcpus = 1,
		.memory_bytes = 128 << 20,
		.kernel_path = s->kernel,
		.options = &s->options,
		.vmm_path = s->program,
		.accel = HV_ACCEL_TCG,
		.channel = HV_CHANNEL_SERIAL,
	};
	CHECK_EQ(loop_new(&s->loop, NULL), 0);
	CHECK_EQ(hv_new("qemu", s->loop, &s->hv, NULL), 0);
	hv_on_exit(s->hv, on_ended, s);
	hv_on_console(s->hv, on_line, s);
}

static void scene_close(struct scene *s)
{
	hv_free(s->hv);
	loop_free(s->loop);
	CHECK_EQ(dir_remove(AT_FDCWD, s->dir, NULL), 0);
}

static int create_and_start(struct scene *s, uint32_t timeout_ms, struct err *e)
{
	CHECK_EQ(hv_create(s->hv, &s->spec, NULL), 0);
	return hv_start(s->hv, clock_deadline(timeout_ms), e);
}

static void turn_until(struct scene *s, const int *what)
{
	msec_t deadline = clock_deadline(20000);

	while (!*what && loop_step(s->loop, deadline, NULL) > 0)
		;
	CHECK(*what);
}

TEST(a_start_tells_what_came_of_it)
{
	struct scene s;
	struct hv_info info;

	scene_open(&s, GREET IDLE);
	CHECK_EQ(create_and_start(&s, 20000, NULL), 0);
	hv_describe(s.hv, &info);
	CHECK_STR(info.driver, "qemu");
	CHECK_STR(info.version, "8.2.1");
	CHECK_EQ(info.accel, HV_ACCEL_TCG);
	CHECK_STR(info.accel_why, "TCG: the configuration asks for it");
	CHECK_EQ(info.channel, HV_CHANNEL_SERIAL);
	CHECK(kill(info.pid, 0) == 0);
	CHECK_EQ(hv_stop(s.hv, clock_deadline(10000), NULL), 0);
	CHECK(kill(info.pid, 0) < 0);
	hv_describe(s.hv, &info);
	CHECK_EQ(info.pid, 0);
	CHECK_EQ(s.ended, 0);
	scene_close(&s);
}

TEST(free_ends_what_runs)
{
	struct scene s;
	struct hv_info info;

	scene_open(&s, GREET IDLE);
	CHECK_EQ(create_and_start(&s, 20000, NULL), 0);
	hv_describe(s.hv, &info);
	scene_close(&s);
	CHECK(kill(info.pid, 0) < 0);
}

TEST(the_agents_line_goes_both_ways_and_exists_once)
{
	struct scene s;
	auto_close int fd = -1;
	struct err e = {0};
	char buf[8] = "";
	int none = -1;

	scene_open(&s, GREET "read word <&5; printf \"$word$word\" >&5; " IDLE);
	CHECK_EQ(create_and_start(&s, 20000, NULL), 0);
	CHECK_EQ(hv_dial(s.hv, 1025, CLOCK_NEVER, &none, NULL), -EOPNOTSUPP);
	CHECK_EQ(hv_dial(s.hv, 1024, CLOCK_NEVER, &fd, NULL), 0);
	CHECK_EQ(hv_dial(s.hv, 1024, CLOCK_NEVER, &none, &e), -EBUSY);
	CHECK_STR(e.text, "qemu: dial guest port 1024: the one line to the agent is in use");
	CHECK_EQ(fd_write_all(fd, "ab\n", 3), 0);
	CHECK_EQ(fd_read_all(fd, buf, 4), 0);
	CHECK_STR(buf, "abab");
	scene_close(&s);
}

TEST(a_start_that_fails_gives_qemus_words)
{
	struct scene s;
	struct err e = {0};

	scene_open(&s, "echo 'qemu-system-x86_64: -cpu max,foo: Property foo not found' >&2\n"
		       "exit 1\n");
	CHECK_EQ(create_and_start(&s, 20000, &e), -ECONNRESET);
	CHECK_STR(e.text, "qemu: start machine: QEMU ended with code 1: -cpu max,foo: "
			  "Property foo not found");
	/* Told once is enough. */
	CHECK_EQ(hv_explain(s.hv, &e), -ECONNRESET);
	CHECK(!strstr(e.text, ";"));
	CHECK_EQ(hv_stop(s.hv, CLOCK_NEVER, NULL), 0);
	scene_close(&s);
}

TEST(a_start_that_hangs_has_an_end)
{
	struct scene s;
	struct err e = {0};
	struct hv_info info;

	scene_open(&s, "exec sleep 1000\n");
	CHECK_EQ(create_and_start(&s, 50, &e), -ETIMEDOUT);
	CHECK_STR(e.text, "qemu: start machine: QEMU's monitor does not answer in time");
	hv_describe(s.hv, &info);
	CHECK_EQ(info.pid, 0);
	scene_close(&s);
}

TEST(an_end_is_told_with_the_monitors_reason)
{
	struct scene s;
	int fd = -1;
	struct err e = {0};

	scene_open(&s,
		   GREET "printf '{\"event\":\"SHUTDOWN\",\"data\":{\"reason\":\"guest-reset\"}}"
			 "\\n' >&3\nexit 0\n");
	CHECK_EQ(create_and_start(&s, 20000, NULL), 0);
	turn_until(&s, &s.ended);
	CHECK_STR(s.why.text, "the guest rebooted");
	CHECK_EQ(hv_dial(s.hv, 1024, CLOCK_NEVER, &fd, &e), -ECONNRESET);
	CHECK_STR(e.text, "qemu: dial guest port 1024: the guest rebooted");
	scene_close(&s);
}

TEST(the_monitors_reasons_have_words)
{
	CHECK_STR(qemu_shutdown_cause("guest-shutdown"), "the guest powered off");
	CHECK_STR(qemu_shutdown_cause("guest-reset"), "the guest rebooted");
	CHECK_STR(qemu_shutdown_cause("guest-panic"), "the guest kernel panicked");
	CHECK_STR(qemu_shutdown_cause("host-signal"), "QEMU was asked to end by a signal");
	CHECK(!qemu_shutdown_cause("moon-phase"));
	CHECK(!qemu_shutdown_cause(""));
}

TEST(a_kill_from_outside_is_told)
{
	struct scene s;
	struct hv_info info;

	scene_open(&s, GREET IDLE);
	CHECK_EQ(create_and_start(&s, 20000, NULL), 0);
	hv_describe(s.hv, &info);
	CHECK_EQ(kill(info.pid, SIGKILL), 0);
	turn_until(&s, &s.ended);
	CHECK(strncmp(s.why.text, "QEMU was killed by signal 9", 27) == 0);
	scene_close(&s);
}

TEST(a_qemu_that_hangs_up_its_monitor_is_ended)
{
	struct scene s;

	scene_open(&s, GREET "exec 3>&-\n" IDLE);
	CHECK_EQ(create_and_start(&s, 20000, NULL), 0);
	turn_until(&s, &s.ended);
	CHECK(strncmp(s.why.text, "QEMU was killed by signal 9", 27) == 0);
	scene_close(&s);
}

TEST(console_lines_are_heard_and_kept)
{
	struct scene s;
	struct err e = {0};
	char tail[64];

	scene_open(&s, GREET "printf 'one\\r\\ntwo\\r\\n' >&4; " IDLE);
	s.spec.debug = true;
	CHECK_EQ(create_and_start(&s, 20000, NULL), 0);
	while (s.lines < 2)
		CHECK_EQ(loop_step(s.loop, clock_deadline(20000), NULL), 1);
	CHECK_STR(s.line, "two");
	CHECK_EQ(hv_console_tail(s.hv, tail, sizeof tail), 10);
	CHECK_STR(tail, "one\r\ntwo\r\n");
	(void) err_say(&e, ETIMEDOUT, "the agent does not answer");
	CHECK_EQ(hv_explain(s.hv, &e), -ETIMEDOUT);
	CHECK_STR(e.text, "the agent does not answer; guest console ends with: one | two");
	scene_close(&s);
}

TEST(pause_and_resume_ask_the_monitor)
{
	struct scene s;
	struct err e = {0};

	scene_open(&s, GREET "read line <&3; printf '{\"return\":{},\"id\":3}\\n' >&3\n"
			     "read line <&3\n"
			     "printf '{\"error\":{\"desc\":\"no\"},\"id\":4}\\n' >&3\n" IDLE);
	CHECK_EQ(create_and_start(&s, 20000, NULL), 0);
	CHECK_EQ(hv_pause(s.hv, clock_deadline(10000), NULL), 0);
	CHECK_EQ(hv_resume(s.hv, clock_deadline(10000), &e), -EREMOTEIO);
	CHECK_STR(e.text, "qemu: resume machine: QEMU refuses 'cont': no");
	CHECK_EQ(hv_state(s.hv), HV_PAUSED);
	scene_close(&s);
}

/* Answers @n commands, one that contains @bad with an error, and repeats them on the console. */
#define ANSWER(n, bad)                                                                  \
	"id=2\n"                                                                        \
	"while [ $((id += 1)) -le $((2 + " #n ")) ]; do\n"                              \
	"  read -r line <&3; echo \"$line\" >&4\n"                                      \
	"  case $line in\n"                                                             \
	"  *" bad "*) printf '{\"error\":{\"desc\":\"no\"},\"id\":%d}\\n' $id >&3 ;;\n" \
	"  *) printf '{\"return\":{\"fdset-id\":4},\"id\":%d}\\n' $id >&3 ;;\n"         \
	"  esac\n"                                                                      \
	"done\n" IDLE

#if defined(__x86_64__)
TEST(a_disk_that_qemu_refuses_is_taken_back)
{
	static const char *const order[] = {
		"\"add-fd\"",     "\"blockdev-add\"", "\"filename\":\"/dev/fdset/4\"",
		"\"device_add\"", "\"blockdev-del\"", "\"remove-fd\""};
	struct scene s;
	struct device disk = {.kind = DEVICE_DISK, .id = "d1"};
	struct err e = {0};
	char said[4096];
	const char *at = said;

	scene_open(&s, GREET ANSWER(5, "device_add"));
	s.spec.hotplug = true;
	disk.disk.path = s.kernel;
	CHECK_EQ(create_and_start(&s, 20000, NULL), 0);
	CHECK_EQ(hv_attach(s.hv, &disk, clock_deadline(10000), NULL, &e), -EREMOTEIO);
	CHECK_STR(e.text, "qemu: attach disk 'd1': QEMU refuses 'device_add': no");
	do
		CHECK_EQ(loop_step(s.loop, clock_deadline(20000), NULL), 1);
	while (hv_console_tail(s.hv, said, sizeof said) == 0 || !strstr(said, "remove-fd"));
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		CHECK((at = strstr(at, order[i])) != NULL);
	CHECK_EQ(hv_detach(s.hv, "d1", clock_deadline(10000), NULL), -ENOENT);
	scene_close(&s);
}

/* @order: what QEMU is told, to the last. */
static void refuse_nic(const char *script, size_t n_queues, const char *const *order, size_t n)
{
	struct scene s;
	int fds[2] = {-1, -1};
	struct device nic = {.kind = DEVICE_NIC, .id = "nic1"};
	char said[4096];
	const char *at = said;

	scene_open(&s, script);
	s.spec.hotplug = true;
	CHECK_EQ(create_and_start(&s, 20000, NULL), 0);
	fds[0] = open(s.kernel, O_RDONLY | O_CLOEXEC);
	fds[1] = open(s.kernel, O_RDONLY | O_CLOEXEC);
	nic.nic.tap_fds = fds;
	nic.nic.n_queues = n_queues;
	CHECK_EQ(hv_attach(s.hv, &nic, clock_deadline(10000), NULL, NULL), -EREMOTEIO);
	fd_close(fds[0]);
	fd_close(fds[1]);
	do
		CHECK_EQ(loop_step(s.loop, clock_deadline(20000), NULL), 1);
	while (hv_console_tail(s.hv, said, sizeof said) == 0 || !strstr(said, order[n - 1]));
	for (size_t i = 0; i < n; i++)
		CHECK((at = strstr(at, order[i])) != NULL);
	scene_close(&s);
}

TEST(an_interface_that_qemu_refuses_is_taken_back)
{
	static const char *const order[] = {"\"getfd\"", "\"netdev_add\"", "\"fd\":\"kata-nic1\"",
					    "\"device_add\"", "\"netdev_del\""};

	refuse_nic(GREET ANSWER(4, "device_add"), 1, order, ARRAY_LEN(order));
}

TEST(a_tap_that_qemu_refuses_is_closed_there)
{
	static const char *const order[] = {"\"getfd\"", "\"netdev_add\"", "\"closefd\""};

	refuse_nic(GREET ANSWER(3, "netdev_add"), 1, order, ARRAY_LEN(order));
}

TEST(the_queues_of_a_tap_that_qemu_refuses_are_closed_there)
{
	static const char *const order[] = {
		"\"getfd\"",
		"\"fdname\":\"kata-nic1\"}",
		"\"getfd\"",
		"\"fdname\":\"kata-nic1.1\"}",
		"\"fds\":\"kata-nic1:kata-nic1.1\"",
		"\"closefd\"",
		"\"fdname\":\"kata-nic1\"}",
		"\"closefd\"",
		"\"id\":7,\"arguments\":{\"fdname\":\"kata-nic1.1\"}",
	};

	refuse_nic(GREET ANSWER(5, "netdev_add"), 2, order, ARRAY_LEN(order));
}
#endif

TEST(nothing_is_attached_to_a_machine_whose_start_failed)
{
	struct scene s;
	struct device disk = {.kind = DEVICE_DISK, .id = "d1"};
	struct err e = {0};

	scene_open(&s, "exit 1\n");
	disk.disk.path = s.kernel;
	CHECK_EQ(create_and_start(&s, 20000, NULL), -ECONNRESET);
	CHECK_EQ(hv_attach(s.hv, &disk, CLOCK_NEVER, NULL, &e), -EBUSY);
	scene_close(&s);
}

TEST(a_missing_qemu_says_what_to_install_or_set)
{
	struct scene s;
	struct err e = {0};
	char sentence[640];

	scene_open(&s, "");
	s.spec.vmm_path = "/no/such/qemu";
	CHECK_EQ(hv_create(s.hv, &s.spec, &e), -ENOENT);
	CHECK(strstr(err_show(&e, sentence, sizeof sentence),
		     "qemu: create machine: run QEMU '/no/such/qemu' (key 'path'): "
		     "No such file or directory: install qemu-system-"));
	err_clear(&e);
	s.spec.vmm_path = NULL;
	CHECK_EQ(setenv("PATH", "/no/such/folder", 1), 0);
	CHECK_EQ(hv_create(s.hv, &s.spec, &e), -ENOENT);
	CHECK(strstr(e.text, "in PATH: install qemu-system-"));
	scene_close(&s);
}

TEST(kvm_that_cannot_be_had_is_an_error_only_when_demanded)
{
	struct scene s;
	struct hv_accel_facts facts;
	enum hv_accel accel = HV_ACCEL_AUTO;
	char why[160];

	hv_accel_probe(&facts);
	(void) hv_accel_choose(HV_ACCEL_AUTO, &facts, &accel, why, sizeof why, NULL);
	if (accel == HV_ACCEL_KVM)
		exit(TEST_SKIP);
	scene_open(&s, "");
	s.spec.accel = HV_ACCEL_KVM;
	CHECK_EQ(hv_create(s.hv, &s.spec, NULL), -ENODEV);
	s.spec.accel = HV_ACCEL_AUTO;
	CHECK_EQ(hv_create(s.hv, &s.spec, NULL), 0);
	scene_close(&s);
}

static char *in_proc(pid_t pid, const char *what, char path[64])
{
	(void) snprintf(path, 64, "/proc/%d/%s", pid, what);
	return path;
}

/* Namespaces of its own, no environment, nothing in its root. */
static void check_alone(pid_t pid)
{
	static const char *const kinds[] = {"ns/mnt", "ns/pid", "ns/net",
					    "ns/ipc", "ns/uts", "ns/cgroup"};
	char path[64], ours[64], its[64];
	auto_free char *environment = NULL;
	size_t bytes = 1;
	DIR *root;
	int n = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		CHECK(readlink(in_proc(getpid(), kinds[i], path), ours, sizeof ours) > 0);
		CHECK(readlink(in_proc(pid, kinds[i], path), its, sizeof its) > 0);
		CHECK(memcmp(ours, its, 20) != 0);
	}
	CHECK_EQ(file_read(AT_FDCWD, in_proc(pid, "environ", path), 4096, &environment, &bytes,
			   NULL),
		 0);
	CHECK_EQ(bytes, 0);
	root = opendir(in_proc(pid, "root", path));
	CHECK(root);
	while (readdir(root))
		n++;
	CHECK_EQ(n, 2); /* itself and the one above */
	(void) closedir(root);
}

TEST(qemu_runs_without_rights)
{
	struct scene s;
	struct hv_info info;
	auto_free char *status = NULL;
	auto_free char *path = NULL;
	char said[2048];

	if (geteuid() != 0)
		exit(TEST_SKIP);
	scene_open(&s,
		   "cat /etc/passwd >&4 || echo unreadable >&4\n"
		   "{ echo x >/tmp/qemu-was-here && echo written >&4; } || echo unwritable >&4\n"
		   "cat /proc/net/dev >&4 || echo unseen >&4\n" GREET IDLE);
	CHECK_EQ(create_and_start(&s, 20000, NULL), 0);
	hv_describe(s.hv, &info);
	path = str_printf("/proc/%d/status", info.pid);
	CHECK_EQ(file_read(AT_FDCWD, path, 1 << 16, &status, NULL, NULL), 0);
	CHECK(strstr(status, "\nCapPrm:\t0000000000000000\n"));
	CHECK(strstr(status, "\nCapBnd:\t0000000000000000\n"));
	CHECK(strstr(status, "\nNoNewPrivs:\t1\n"));
	CHECK(strstr(status, "\nSeccomp:\t2\n"));
	check_alone(info.pid);
	while (hv_console_tail(s.hv, said, sizeof said) < 20)
		CHECK_EQ(loop_step(s.loop, clock_deadline(20000), NULL), 1);
	CHECK_STR(said, "unreadable\nunwritable\nunseen\n");
	scene_close(&s);
}

TEST(qemu_runs_as_the_user_it_is_told)
{
	struct scene s;
	struct hv_info info;
	auto_free char *status = NULL;
	auto_free char *path = NULL;

	if (geteuid() != 0)
		exit(TEST_SKIP);
	scene_open(&s, GREET IDLE);
	CHECK_EQ(chmod(s.dir, 0755), 0);
	s.spec.uid = 12345;
	s.spec.gid = 54321;
	CHECK_EQ(create_and_start(&s, 20000, NULL), 0);
	hv_describe(s.hv, &info);
	path = str_printf("/proc/%d/status", info.pid);
	CHECK_EQ(file_read(AT_FDCWD, path, 1 << 16, &status, NULL, NULL), 0);
	CHECK(strstr(status, "\nUid:\t12345\t12345\t12345\t12345\n"));
	CHECK(strstr(status, "\nGid:\t54321\t54321\t54321\t54321\n"));
	CHECK(strstr(status, "\nGroups:\t \n"));
	CHECK(strstr(status, "\nCapBnd:\t0000000000000000\n"));
	scene_close(&s);
}

/* Answers whatever is asked, and tells each command by its name on the console. */
#define OBEY                                                                                         \
	"printf '{\"QMP\":{\"version\":{\"qemu\":{\"micro\":1,\"minor\":2,\"major\":8}}}}\\n' >&3\n" \
	"while read -r line <&3; do\n"                                                               \
	"  id=${line#*'\"id\":'}; id=${id%%[,\\}]*}\n"                                               \
	"  name=${line#*'\"execute\":\"'}; echo \"${name%%\\\"*}\" >&4\n"                            \
	"  printf '{\"return\":{\"status\":\"completed\"},\"id\":%s}\\n' $id >&3\n"                  \
	"done\n"

static struct hv_saved saved_machine(uint64_t memory_bytes)
{
	struct hv_saved s = {
		.memory_fd = memfd_create("memory", MFD_CLOEXEC),
		.state_fd = memfd_create("state", MFD_CLOEXEC),
		.data_bytes = 4096,
	};

	CHECK_EQ(ftruncate(s.memory_fd, (off_t) memory_bytes), 0);
	CHECK_EQ(pwrite(s.memory_fd, "x", 1, 1 << 20), 1);
	return s;
}

static void saved_close(struct hv_saved *s)
{
	close(s->memory_fd);
	close(s->state_fd);
}

TEST(a_key_is_the_same_for_the_same_machine_only)
{
	char keys[5][HV_KEY_BYTES];
	struct scene s;

	for (int i = 0; i < 5; i++) {
		scene_open(&s, GREET IDLE);
		s.spec.hotplug = true;
		s.spec.kernel_path = "/bin/true"; /* some ELF file that is the same each time */
		s.spec.vmm_path = "/bin/sh";
		s.spec.id = i == 1 ? "another" : "test";
		s.spec.agent_params = i == 1 ? "agent.preload=a,b" : NULL;
		s.spec.to_be_saved = i == 1;
		s.spec.kernel_params = i == 2 ? "more" : NULL;
		s.spec.memory_bytes = (i == 3 ? 256 : 128) << 20;
		if (i == 4)
			s.spec.kernel_path = "/bin/false";
		CHECK_EQ(hv_create(s.hv, &s.spec, NULL), 0);
		CHECK_EQ(hv_key(s.hv, keys[i], NULL), 0);
		CHECK_EQ(strlen(keys[i]), HV_KEY_BYTES - 1);
		scene_close(&s);
	}
	CHECK_STR(keys[0], keys[1]);
	for (int i = 1; i < 5; i++)
		for (int k = i + 1; k < 5; k++)
			CHECK(strcmp(keys[i], keys[k]) != 0);
}

TEST(a_machine_into_which_nothing_can_be_plugged_has_no_key)
{
	char key[HV_KEY_BYTES];
	struct err e = {0};
	struct scene s;

	scene_open(&s, GREET IDLE);
	CHECK_EQ(hv_create(s.hv, &s.spec, NULL), 0);
	CHECK_EQ(hv_key(s.hv, key, &e), -EOPNOTSUPP);
	CHECK(strstr(e.text, "nothing can be plugged into it"));
	scene_close(&s);
}

TEST(a_machine_that_loads_is_filled_and_then_gets_its_devices)
{
	static const char *const order[] = {"qmp_capabilities",
					    "migrate-set-capabilities",
					    "migrate-set-parameters",
					    "migrate-incoming",
					    "query-migrate",
					    "device_add",
					    "cont"};
	struct hv_saved saved = saved_machine(128 << 20);
	struct device disk = {.kind = DEVICE_DISK, .id = "d", .disk = {.readonly = true}};
	struct device_address at;
	char console[512], *from;
	struct scene s;

	scene_open(&s, "echo \"$@\" | tr ' ' '\\n' | grep -A1 incoming >&4\n" OBEY);
	s.spec.hotplug = true;
	disk.disk.path = s.kernel;
	CHECK_EQ(hv_create(s.hv, &s.spec, NULL), 0);
	CHECK_EQ(hv_load(s.hv, &saved, NULL), 0);
	CHECK_EQ(hv_attach(s.hv, &disk, CLOCK_NEVER, &at, NULL), 0);
	CHECK_EQ(at.kind, DEVICE_AT_PCI);
	CHECK_EQ(hv_start(s.hv, clock_deadline(20000), NULL), 0);
	do {
		CHECK(loop_step(s.loop, clock_deadline(20000), NULL) > 0);
		(void) hv_console_tail(s.hv, console, sizeof console);
	} while (!strstr(console, "cont"));
	from = strstr(console, "-incoming");
	CHECK(from != NULL);
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		from = strstr(from, order[i]);
		CHECK(from != NULL);
	}
	saved_close(&saved);
	scene_close(&s);
}

TEST(a_saved_machine_without_all_of_its_memory_is_not_loaded)
{
	struct hv_saved saved = saved_machine(128 << 20);
	struct err e = {0};
	struct scene s;

	scene_open(&s, OBEY);
	s.spec.hotplug = true;
	saved.data_bytes = 8192;
	CHECK_EQ(hv_create(s.hv, &s.spec, NULL), 0);
	CHECK_EQ(hv_load(s.hv, &saved, NULL), 0);
	CHECK_EQ(hv_start(s.hv, clock_deadline(20000), &e), -EIO);
	CHECK(strstr(e.text, "4096 bytes of its memory are there, and not 8192"));
	saved_close(&saved);
	scene_close(&s);
}

TEST(only_a_machine_that_was_made_for_it_is_saved)
{
	struct hv_saved saved;
	struct err e = {0};
	struct scene s;

	scene_open(&s, OBEY);
	s.spec.hotplug = true;
	CHECK_EQ(create_and_start(&s, 20000, NULL), 0);
	CHECK_EQ(hv_save(s.hv, clock_deadline(20000), &saved, &e), -EBUSY);
	CHECK(strstr(e.text, "not one that was made to be saved"));
	scene_close(&s);
	scene_open(&s, OBEY);
	s.spec.hotplug = s.spec.to_be_saved = true;
	CHECK_EQ(create_and_start(&s, 20000, NULL), 0);
	CHECK_EQ(hv_save(s.hv, clock_deadline(20000), &saved, NULL), 0);
	CHECK_EQ(hv_state(s.hv), HV_PAUSED);
	saved_close(&saved);
	scene_close(&s);
}
