/*
 * A machine is saved once, and others go on from there instead of booting.
 *
 *	is saved  QEMU stops the vCPUs and writes the state of its devices, by a migration to a
 *		  file in memory. The guest's memory is not in it, because it is a file of ours
 *		  already (x-ignore-shared)
 *	loads	  QEMU starts with the same arguments and -incoming. While it builds the machine,
 *		  the driver copies the saved memory into the file of the new machine's; then QEMU
 *		  reads the state, and what was attached is plugged in before the guest goes on
 *
 * The devices wait because the saved state knows none of them, and because vhost-user-fs cannot be
 * in one (QEMU 7.2: unmigratable). Their back ends are on the command line as usual, so that QEMU
 * inherits every descriptor and needs no more privileges than one that boots.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sha256.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/array.h"
#include "base/file.h"
#include "base/sparse.h"
#include "base/version.h"
#include "host/hypervisor/qemu/qemu.h"

AUTO_PTR(json_t, json_decref)

/* How often to look whether QEMU has saved or loaded its state, which is some hundred kilobytes. */
#define LOOK_MS 1

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

/* ---- the key ---- */

/* Words of the arguments that differ between two machines, but not in what the guest is. */
static const char *const own_words[] = {
	" tsc_early_khz=", /* measured each time; the one that was saved is as good */
	" agent.preload=", /* what was saved has done it; the version tells what that was */
	"\"guest-cid\":",  /* the guest is told the new one */
};

static size_t own_word(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(own_words); i++)
		if (strncmp(text, own_words[i], strlen(own_words[i])) == 0)
			return 1 + strcspn(text + 1, " }");
	return 0;
}

static void add_text(SHA2_CTX *sum, const char *text)
{
	for (size_t skip; *text; text += skip ? skip : 1) {
		skip = own_word(text);
		if (!skip)
			SHA256Update(sum, (const uint8_t *) text, 1);
	}
	SHA256Update(sum, (const uint8_t *) "", 1);
}

static int add_program(SHA2_CTX *sum, const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(e, errno, "inspect '%s'", path);

	const struct qemu_file_id id = qemu_file_id(&st);

	SHA256Update(sum, (const uint8_t *) &id, sizeof id);
	return 0;
}

/* A processor, its microcode and the host's kernel stay the same until the next boot. */
static int add_boot(SHA2_CTX *sum, struct err *e)
{
	auto_free char *boot = NULL;
	int r = file_read(AT_FDCWD, BOOT_ID_FILE, 64, &boot, NULL, e);

	if (r == 0)
		add_text(sum, boot);
	return r;
}

static void add_arguments(SHA2_CTX *sum, const struct qemu_command *c)
{
	for (size_t i = 0; i < c->argc; i++) {
		add_text(sum, c->argv[i]);
		if (strcmp(c->argv[i], "-name") == 0)
			i++; /* the sandbox's id */
	}
	SHA256Update(sum, (const uint8_t *) c->files, c->n_files * sizeof c->files[0]);
}

/* Whether this machine can be saved or go on from one that was. */
static int check(const struct qemu *q, struct err *e)
{
	if (!q->machine->can_plug || !q->devices.has_plug_bus)
		return err_say(e, EOPNOTSUPP,
			       "a machine of type '%s' cannot be saved, because nothing can be "
			       "plugged into it",
			       q->machine->name);
	if (q->memory.hugepages)
		return err_say(e, EOPNOTSUPP, "memory on huge pages cannot be saved");
	return 0;
}

static int qemu_key(struct hv *hv, char ret[HV_KEY_BYTES], struct err *e)
{
	const struct qemu *q = qemu_of(hv);
	SHA2_CTX sum;
	int r = check(q, e);

	if (r < 0)
		return r;
	SHA256Init(&sum);
	add_text(&sum, version_number());
	add_text(&sum, version_commit());
	add_arguments(&sum, &q->command);
	r = add_program(&sum, q->command.argv[0], e);
	if (r == 0)
		r = add_boot(&sum, e);
	if (r == 0)
		(void) SHA256End(&sum, ret);
	return r;
}

/* ---- loading ---- */

static int qemu_load(struct hv *hv, const struct hv_saved *saved, struct err *e)
{
	struct qemu *q = qemu_of(hv);
	int r = check(q, e);

	if (r == 0)
		r = q->memory.fd = qemu_memory_file(q->memory.bytes, e);
	if (r >= 0)
		r = qemu_give_copy(&q->command, saved->state_fd, "a saved machine", e);
	if (r < 0)
		return r;
	q->saved.state_as = r;
	q->saved.data_bytes = saved->data_bytes;
	q->saved.memory_fd = fcntl(saved->memory_fd, F_DUPFD_CLOEXEC, 0);
	if (q->saved.memory_fd < 0)
		return err_sys(e, errno, "keep a saved machine");
	q->saved.plugs = json_array();
	if (!q->saved.plugs)
		return err_sys(e, ENOMEM, "load a saved machine");
	q->saved.loads = true;
	qemu_addf(&q->command, "-incoming", "defer");
	return 0;
}

void qemu_saved_fini(struct qemu *q)
{
	json_decref(take_ptr(q->saved.plugs));
	q->saved.memory_fd = fd_close(q->saved.memory_fd);
}

int qemu_fill_memory(struct qemu *q, struct err *e)
{
	uint64_t data = 0;

	if (!q->saved.loads)
		return 0;

	int r = sparse_copy(q->saved.memory_fd, q->memory.fd, q->memory.bytes, &data, e);

	if (r == 0 && data != q->saved.data_bytes)
		r = err_say(e, EIO, "%llu bytes of its memory are there, and not %llu",
			    (unsigned long long) data, (unsigned long long) q->saved.data_bytes);
	/* QEMU has it, and with it the memory until it ends. */
	q->memory.fd = fd_close(q->memory.fd);
	return r < 0 ? err_wrap(e, r, "load a saved machine") : 0;
}

/* Both ends of a migration must agree that memory which is a shared file is not part of it. */
static int leave_memory_out(struct qmp *qmp, msec_t deadline, struct err *e)
{
	return qmp_call(qmp, "migrate-set-capabilities",
			json_pack("{s:[{s:s,s:b}]}", "capabilities", "capability",
				  "x-ignore-shared", "state", true),
			deadline, NULL, e);
}

/* QEMU sends RARP frames with the interfaces' addresses once a machine has come, so that switches
 * learn that it has moved. Ours has not, and an egress policy would count them as refused. */
static int announce_nothing(struct qmp *qmp, msec_t deadline, struct err *e)
{
	return qmp_call(qmp, "migrate-set-parameters", json_pack("{s:i}", "announce-rounds", 0),
			deadline, NULL, e);
}

/* Waits for the end of a migration. */
static int await_migration(struct qmp *qmp, msec_t deadline, struct err *e)
{
	for (;;) {
		auto_ptr(json_decref) json_t *answer = NULL;
		const char *status;
		int r = qmp_call(qmp, "query-migrate", NULL, deadline, &answer, e);

		if (r < 0)
			return r;
		status = json_string_value(json_object_get(answer, "status"));
		if (status && strcmp(status, "completed") == 0)
			return 0;
		if (status && (strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0))
			return err_say(e, EIO, "QEMU says '%s' of the machine's state", status);
		if (clock_now() >= deadline)
			return err_say(e, ETIMEDOUT, "QEMU is not done with the machine's state");
		(void) poll(NULL, 0, LOOK_MS);
	}
}

static int plug_all(struct qemu *q, msec_t deadline, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(q->saved.plugs); i++)
		r = qmp_call(q->qmp, "device_add", json_incref(json_array_get(q->saved.plugs, i)),
			     deadline, NULL, e);
	return r;
}

int qemu_load_state(struct qemu *q, msec_t deadline, struct err *e)
{
	char from[32];

	if (!q->saved.loads)
		return 0;
	(void) snprintf(from, sizeof from, "fd:%d", q->saved.state_as);

	int r = leave_memory_out(q->qmp, deadline, e);

	if (r == 0)
		r = announce_nothing(q->qmp, deadline, e);
	if (r == 0)
		r = qmp_call(q->qmp, "migrate-incoming", json_pack("{s:s}", "uri", from), deadline,
			     NULL, e);
	if (r == 0)
		r = await_migration(q->qmp, deadline, e);
	if (r == 0)
		r = plug_all(q, deadline, e);
	return r < 0 ? err_wrap(e, r, "load a saved machine") : 0;
}

/* ---- saving ---- */

static bool has_devices(const struct qemu *q)
{
	for (size_t i = 0; i < HV_DEVICES_MAX; i++)
		if (q->devices.table[i].id[0])
			return true;
	return false;
}

static int save_state(struct qemu *q, int fd, msec_t deadline, struct err *e)
{
	int r = qmp_call(q->qmp, "stop", NULL, deadline, NULL, e);

	if (r == 0)
		r = leave_memory_out(q->qmp, deadline, e);
	if (r == 0)
		r = qmp_call_fd(q->qmp, "getfd", json_pack("{s:s}", "fdname", "state"), fd,
				deadline, NULL, e);
	if (r == 0)
		r = qmp_call(q->qmp, "migrate", json_pack("{s:s}", "uri", "fd:state"), deadline,
			     NULL, e);
	return r < 0 ? r : await_migration(q->qmp, deadline, e);
}

static int qemu_save(struct hv *hv, msec_t deadline, struct hv_saved *ret, struct err *e)
{
	struct qemu *q = qemu_of(hv);
	int r = check(q, e);

	if (r < 0)
		return r;
	if (q->memory.fd < 0 || has_devices(q))
		return err_say(e, EBUSY, "it is not one that was made to be saved");

	auto_close int state = memfd_create("machine-state", MFD_CLOEXEC);
	auto_close int memory = fcntl(q->memory.fd, F_DUPFD_CLOEXEC, 0);

	if (state < 0 || memory < 0)
		return err_sys(e, errno, "make a file for the machine's state");
	r = save_state(q, state, deadline, e);
	if (r < 0)
		return r;
	*ret = (struct hv_saved){.memory_fd = take_fd(&memory), .state_fd = take_fd(&state)};
	return 0;
}

const struct hv_saved_ops qemu_saved_ops = {
	.key = qemu_key,
	.load = qemu_load,
	.save = qemu_save,
};
