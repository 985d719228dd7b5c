#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc_stat.h"
#include "host/sandbox/hooks.h"
#include "host/sandbox/machine.h"
#include "host/sandbox/model.h"
#include "host/state/names.h"
#include "oci/names.h"

#define NOTES_MAX_BYTES (64 << 10)
#define BOOT_ID_PATH    "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_BYTES   64

/* How long a killed process may take to end, and the kernel to release its locks. */
#define DEATH_TIMEOUT_MS 10000
#define LOCK_RETRY_MS    5

/* Identifies this boot of the host, because pids and start times mean nothing in another one. NULL
 * if the kernel does not tell. */
static char *boot_id(void)
{
	char *id = NULL;

	if (file_read(AT_FDCWD, BOOT_ID_PATH, BOOT_ID_BYTES, &id, NULL, NULL) < 0)
		return NULL;
	id[strcspn(id, "\n")] = '\0';
	return id;
}

/* Notes may be of an earlier boot, because --root may be on a disk. */
static bool from_this_boot(const json_t *notes)
{
	const char *noted = json_string_value(json_object_get(notes, "boot"));
	auto_free char *now = boot_id();

	return !noted || !now || strcmp(noted, now) == 0;
}

static json_t *process_note(pid_t pid)
{
	return json_pack("{s:i, s:I}", "pid", (int) pid, "start_time",
			 (json_int_t) proc_start_time(pid));
}

static json_t *cgroup_notes(const struct machine *m)
{
	const struct host_cgroup *const both[] = {m->cgroup, m->overhead};
	json_t *list = json_array();
	const char *folder;

	for (size_t g = 0; g < ARRAY_LEN(both); g++)
		for (size_t i = 0; both[g] && (folder = host_cgroup_folder(both[g], i)); i++)
			(void) json_array_append_new(list, json_string(folder));
	return list;
}

static int notes_write(struct sandbox *sb, const struct guest_container *first, struct err *e)
{
	if (!sb->options.state_dir)
		return 0;

	auto_free char *path = str_printf("%s/" STATE_NOTES, sb->options.state_dir);
	pid_t virtiofsd = sb->machine.virtiofsd ? virtiofsd_pid(sb->machine.virtiofsd) : 0;
	auto_free char *boot = boot_id();
	const char *share = sb->machine.share ? share_path(sb->machine.share) : NULL;
	json_t *notes = json_pack(
		"{s:s, s:s?, s:s?, s:o, s:o, s:o, s:s?, s:o, s:I}", "id", sb->options.id, "bundle",
		first ? first->bundle : NULL, "boot", boot, "server", process_note(getpid()), "vmm",
		process_note((pid_t) sandbox_vmm_pid(sb)), "virtiofsd", process_note(virtiofsd),
		"share", share, "cgroups", cgroup_notes(&sb->machine), "network",
		(json_int_t) interfaces_inode(&sb->machine.interfaces));
	auto_free char *text = notes ? json_dumps(notes, JSON_INDENT(1)) : NULL;

	json_decref(notes);
	if (!path || !text)
		return err_sys(e, ENOMEM, "write " STATE_NOTES);
	return file_replace(AT_FDCWD, path, text, strlen(text), 0600, e);
}

/* A failure is ignored: a kill -9 then leaves an empty folder, and poststop hooks do not run. */
void notes_update(struct sandbox *sb, const struct guest_container *first)
{
	struct err e = {0};

	if (notes_write(sb, first, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring");
}

void notes_remove(struct sandbox *sb)
{
	auto_free char *path = NULL;

	if (sb->options.state_dir && (path = str_printf("%s/" STATE_NOTES, sb->options.state_dir)))
		(void) unlink(path);
}

/* Kills a process if it still is the one that was noted. The notes are of this boot. */
static int end_process(const json_t *notes, const char *name, struct err *e)
{
	const json_t *note = json_object_get(notes, name);
	pid_t pid = (pid_t) json_integer_value(json_object_get(note, "pid"));
	uint64_t start = (uint64_t) json_integer_value(json_object_get(note, "start_time"));

	if (pid <= 0 || start == 0)
		return 0;

	/* The pidfd comes first, so that the start time is that of the process that it holds. */
	auto_close int pidfd = (int) syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0 || proc_start_time(pid) != start)
		return 0;
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return err_sys(e, errno, "kill %s, process %d", name, pid);

	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	if (poll(&p, 1, DEATH_TIMEOUT_MS) == 0)
		return err_say(e, ETIMEDOUT, "%s, process %d, does not die", name, pid);
	return 0;
}

static int end_processes(const json_t *notes, struct err *e)
{
	static const char *const names[] = {"server", "vmm", "virtiofsd"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(names); i++)
		r = end_process(notes, names[i], e);
	return r;
}

/* Removes the empty folder on which the share was mounted, under its lock, because removing it
 * would unmount the share of a server that still runs. */
static int remove_folder(const char *path, struct err *e)
{
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	msec_t deadline = clock_deadline(DEATH_TIMEOUT_MS);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "open '%s'", path);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || clock_now() >= deadline)
			return err_sys(e, errno, "lock '%s'", path);
		/* A child that the server was just forking may hold the lock a bit longer. */
		(void) poll(NULL, 0, LOCK_RETRY_MS);
	}
	if (rmdir(path) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove '%s'", path);
	return 0;
}

/* Removes the cgroups, which may hold a stand-in that is just ending. */
static int remove_cgroups(const json_t *folders, struct err *e)
{
	msec_t deadline = clock_deadline(DEATH_TIMEOUT_MS);
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(folders); i++) {
		const char *folder = json_string_value(json_array_get(folders, i));

		if (folder)
			r = host_cgroup_remove_folder(folder, deadline, e);
	}
	return r;
}

/* The saved spec of the container that the server was made for; NULL: there is none. */
static Grpc__Spec *read_spec(const char *state_dir)
{
	auto_close int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	Grpc__Spec *spec = NULL;
	struct err e = {0};

	if (dir >= 0 && oci_spec_saved(dir, &spec, &e) < 0 && e.code != ENOENT)
		log_err(LOG_WARN, &e, "ignoring the poststop hooks and the network namespace");
	return spec;
}

/* Removes what the dead server has made in the network namespace that it was given, if that is
 * there still. */
static void clean_network(const Grpc__Spec *spec, const json_t *notes)
{
	uint64_t inode = (uint64_t) json_integer_value(json_object_get(notes, "network"));
	struct err e = {0};

	for (size_t i = 0; spec && spec->linux && i < spec->linux->n_namespaces; i++) {
		const Grpc__LinuxNamespace *ns = spec->linux->namespaces[i];

		if (ns->path && ns->path[0] && oci_namespace_flag(ns->type) == CLONE_NEWNET &&
		    interfaces_clean(ns->path, inode, &e) < 0)
			log_err(LOG_WARN, &e, "ignoring the network namespace");
	}
}

/* Runs the saved poststop hooks of the container that the server was made for, because the dead
 * server cannot, and what they undo would stay. */
static void run_hooks(const Grpc__Spec *spec, const json_t *notes)
{
	const char *bundle = json_string_value(json_object_get(notes, "bundle"));
	const char *id = json_string_value(json_object_get(notes, "id"));
	auto_free char *state = NULL;
	struct err e = {0};

	if (!bundle || !id || !spec || !spec->hooks)
		return;

	const struct oci_state s = {
		.id = id, .status = OCI_STOPPED, .bundle = bundle, .spec = spec};

	if (oci_state_print(&s, &state, &e) < 0)
		return;

	const struct hooks_run run = {
		.kind = "poststop",
		.state = state,
		.bundle = bundle,
		.mount_ns_fd = -1,
		.cancel_fd = -1,
		.ignores_failures = true,
	};

	(void) hooks_run(&run, spec->hooks->poststop, spec->hooks->n_poststop, NULL);
}

int sandbox_clean_up(const char *state_dir, struct err *e)
{
	auto_free char *path = str_printf("%s/" STATE_NOTES, state_dir);
	auto_free char *text = NULL;
	struct err first = {0};
	int r = path ? file_read(AT_FDCWD, path, NOTES_MAX_BYTES, &text, NULL, &first) : -ENOMEM;

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		if (e)
			*e = first;
		return r;
	}

	json_t *notes = json_loads(text, 0, NULL);
	const char *share = json_string_value(json_object_get(notes, "share"));

	bool lives_on = from_this_boot(notes); /* what a boot ends is gone */

	r = lives_on ? end_processes(notes, e) : 0;
	if (r == 0 && lives_on)
		r = remove_cgroups(json_object_get(notes, "cgroups"), e);
	if (r == 0 && share)
		r = remove_folder(share, e);
	if (r == 0) {
		auto_ptr(oci_spec_free) Grpc__Spec *spec = read_spec(state_dir);

		if (lives_on)
			clean_network(spec, notes);
		run_hooks(spec, notes);
	}
	json_decref(notes);
	if (r == 0 && unlink(path) < 0 && errno != ENOENT)
		r = err_sys(e, errno, "remove '%s'", path);
	return r;
}
