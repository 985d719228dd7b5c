/* Debug consoles: shells in the guest, outside of its containers.
 *
 *	CreateContainer ──► StartContainer ──► streams and WaitProcess ──► RemoveContainer
 *	       └─ fails: the sentence goes to the user ─┘          └ the user hangs up: SIGKILL
 *
 * To the agent it is a container like others, with a root in the guest's memory and a program that
 * the host lends, because the guest has none. The sandbox does not count it: it does not hold the
 * machine, which takes it along when it ends. Loop. */
#include "host/sandbox/console.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "host/sandbox/agent_call.h"
#include "host/sandbox/registry.h"
#include "oci/oci.h"

#define CONSOLES_MAX 8
#define GUEST_FOLDER "/run/kata-containers"

#define CAPS                                                            \
	"\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_DAC_READ_SEARCH\","   \
	"\"CAP_FOWNER\",\"CAP_FSETID\",\"CAP_KILL\",\"CAP_SETGID\","    \
	"\"CAP_SETUID\",\"CAP_SETPCAP\",\"CAP_LINUX_IMMUTABLE\","       \
	"\"CAP_NET_BIND_SERVICE\",\"CAP_NET_ADMIN\",\"CAP_NET_RAW\","   \
	"\"CAP_IPC_LOCK\",\"CAP_IPC_OWNER\",\"CAP_SYS_MODULE\","        \
	"\"CAP_SYS_RAWIO\",\"CAP_SYS_CHROOT\",\"CAP_SYS_PTRACE\","      \
	"\"CAP_SYS_ADMIN\",\"CAP_SYS_BOOT\",\"CAP_SYS_NICE\","          \
	"\"CAP_SYS_RESOURCE\",\"CAP_SYS_TIME\",\"CAP_SYS_TTY_CONFIG\"," \
	"\"CAP_MKNOD\",\"CAP_SETFCAP\",\"CAP_SYSLOG\",\"CAP_PERFMON\"," \
	"\"CAP_BPF\""

struct console {
	struct list link;
	struct sandbox *sb; /* NULL: the machine is gone */
	char id[32];
	char *program; /* in the share */
	int fd;        /* the user */
	struct loop_watch *watch;
	bool asking; /* an answer of the agent is to come */
	bool has_ended;
	bool in_guest; /* the agent knows it */
	struct sandbox_console_form form;
	Grpc__Spec *spec;
	struct stdio *io;
	struct ttrpc_pending *waiting;
};

static void console_free(struct console *c)
{
	if (!c)
		return;
	list_remove(&c->link);
	ttrpc_cancel(c->waiting);
	loop_unwatch(c->watch);
	stdio_free(c->io);
	if (c->sb && c->sb->machine.share && c->program)
		(void) share_remove(c->sb->machine.share, c->program, NULL);
	oci_spec_free(c->spec);
	free(c->program);
	fd_close(c->fd);
	free(c);
}

static void ignore(void *arg, const struct sandbox_answer *answer)
{
	(void) arg, (void) answer;
}

static void end(struct console *c)
{
	Grpc__RemoveContainerRequest q = GRPC__REMOVE_CONTAINER_REQUEST__INIT;

	q.container_id = c->id;
	if (c->sb && c->in_guest)
		agent_ask(c->sb, "RemoveContainer", &q.base, NULL, ignore, NULL);
	console_free(c);
}

/* Returns whether @c goes on after an answer of the agent; if not, it has ended. */
static bool went_well(struct console *c, const struct sandbox_answer *answer)
{
	c->asking = false;
	if (c->sb && answer->r == 0)
		return true;
	if (c->sb) {
		auto_free char *text = str_printf("kata-runtime: %s\r\n", answer->err.text);

		if (text)
			(void) send(c->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	end(c);
	return false;
}

/* ---- what runs ---- */

/* Whether the program needs no loader, which the guest does not have. */
static int check_program(int fd, const char *path, struct err *e)
{
	Elf64_Ehdr head;
	Elf64_Phdr part;
	bool is_elf = pread(fd, &head, sizeof head, 0) == sizeof head &&
		      memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 &&
		      head.e_ident[EI_CLASS] == ELFCLASS64;

	for (unsigned i = 0; is_elf && i < head.e_phnum; i++) {
		off_t at = (off_t) (head.e_phoff + (uint64_t) i * sizeof part);

		if (pread(fd, &part, sizeof part, at) != sizeof part)
			is_elf = false;
		else if (part.p_type == PT_INTERP)
			return err_say(e, ENOEXEC,
				       "debug_console_shell: '%s' is not linked statically", path);
	}
	return is_elf ? 0
		      : err_say(e, ENOEXEC, "debug_console_shell: '%s' is no program of this host",
				path);
}

static int lend_program(struct console *c, struct err *e)
{
	const char *path = c->sb->machine.config->agent.debug_console_shell;
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r = fd < 0 ? err_sys(e, errno, "debug_console_shell: open '%s'", path)
		       : check_program(fd, path, e);

	if (r < 0)
		return r;
	return share_add(c->sb->machine.share, c->id, fd, "shell",
			 (struct share_flags){.readonly = true}, &c->program, e);
}

/* All that the guest is can be seen, and changed: its processes, devices and files. */
static const char spec_format[] =
	"{\"ociVersion\":\"1.1.0\",\"process\":{\"terminal\":%s,\"cwd\":\"/\","
	"\"user\":{\"uid\":0,\"gid\":0},\"consoleSize\":{\"width\":%u,\"height\":%u},"
	"\"args\":[\"/bin/busybox\",\"sh\",\"-c\","
	"\"/bin/busybox --install -s /bin; exec /bin/sh\"],"
	"\"env\":[\"PATH=/bin\",\"HOME=/\",\"TERM=linux\",\"PS1=guest:$PWD# \"],"
	"\"capabilities\":{\"bounding\":[" CAPS "],\"effective\":[" CAPS "],"
	"\"permitted\":[" CAPS "]}},"
	"\"root\":{\"path\":\"" GUEST_FOLDER "/%s/root\"},\"mounts\":["
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\"},"
	"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\"},"
	"{\"destination\":\"/guest\",\"type\":\"bind\",\"source\":\"/\","
	"\"options\":[\"rbind\",\"rslave\"]},"
	"{\"destination\":\"/bin/busybox\",\"type\":\"bind\",\"source\":\"%s\","
	"\"options\":[\"bind\",\"ro\"]}],"
	"\"linux\":{\"namespaces\":[{\"type\":\"mount\"}],\"cgroupsPath\":\"/%s\","
	"\"resources\":{\"devices\":[{\"allow\":true,\"access\":\"rwm\"}]}}}";

static int make_spec(struct console *c, struct err *e)
{
	auto_free char *text = str_printf(spec_format, c->form.columns ? "true" : "false",
					  c->form.columns, c->form.rows, c->id, c->program, c->id);

	return text ? oci_spec_parse(text, strlen(text), &c->spec, e)
		    : err_sys(e, ENOMEM, "describe a debug console");
}

/* ---- its life ---- */

static void all_is_said(void *arg)
{
	struct console *c = arg;

	c->has_ended = true;
	if (!c->asking)
		end(c);
}

static void waited(void *arg, struct ttrpc_answer *answer)
{
	struct console *c = arg;

	c->waiting = NULL;
	/* The machine is going, which consoles_end() follows. */
	if (answer->r == -ECONNRESET || answer->r == -ECANCELED)
		return;
	stdio_hurry(c->io, KILLED_FLUSH_MS);
	stdio_finish(c->io, all_is_said, c);
}

/* The user is gone: so is what runs. */
static void hung_up(void *arg, uint32_t events)
{
	struct console *c = arg;
	Grpc__SignalProcessRequest q = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

	(void) events;
	loop_unwatch(take_ptr(c->watch));
	q.container_id = c->id;
	q.signal = 9;
	if (c->sb && c->in_guest)
		agent_ask(c->sb, "SignalProcess", &q.base, NULL, ignore, NULL);
}

static int open_relay(struct console *c, struct ttrpc_client *line, struct err *e)
{
	struct stdio_spec streams = {
		.container_id = c->id,
		.exec_id = "",
		.promises = c->sb->agent.promises,
		.terminal = c->form.columns > 0,
	};
	struct loop *loop = c->sb->loop;
	int r = stream_open_duplicate(loop, c->fd, STREAM_IN, &streams.in, e);

	if (r == 0)
		r = stream_open_duplicate(loop, c->fd, STREAM_OUT, &streams.out, e);
	if (r == 0 && !streams.terminal)
		r = stream_open_duplicate(loop, c->fd, STREAM_OUT, &streams.err, e);
	if (r == 0)
		r = stdio_new(loop, line, &streams, &c->io, e);
	if (r < 0) {
		stream_close(streams.in);
		stream_close(streams.out);
		stream_close(streams.err);
	}
	return r;
}

/* Reads go first, because an agent may at once end a stream that nobody reads yet. */
static int relay(struct console *c, struct err *e)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = "WaitProcess",
		.message = &wait.base,
		.deadline = CLOCK_NEVER,
	};
	struct ttrpc_client *line = agent_line(c->sb, e);
	int r = line ? open_relay(c, line, e) : -ECONNRESET;

	if (r < 0)
		return r;
	stdio_start_output(c->io);
	wait.container_id = c->id;
	wait.exec_id = (char *) "";
	return ttrpc_call(line, &request, waited, c, &c->waiting, e);
}

static void started(void *arg, const struct sandbox_answer *answer)
{
	struct console *c = arg;

	if (!went_well(c, answer))
		return;
	if (c->has_ended) {
		end(c);
		return;
	}
	stdio_start_input(c->io);
	/* Whoever has hung up meanwhile is told of at once. */
	if (loop_watch(c->sb->loop, c->fd, 0, hung_up, c, &c->watch, NULL) < 0)
		hung_up(c, 0);
}

static void created(void *arg, const struct sandbox_answer *answer)
{
	struct console *c = arg;
	Grpc__StartContainerRequest q = GRPC__START_CONTAINER_REQUEST__INIT;
	struct sandbox_answer failed = {0};

	if (!went_well(c, answer))
		return;
	c->in_guest = true;
	failed.r = relay(c, &failed.err);
	if (failed.r < 0) {
		(void) went_well(c, &failed);
		return;
	}
	c->asking = true;
	q.container_id = c->id;
	agent_ask(c->sb, "StartContainer", &q.base, NULL, started, c);
}

static void create(struct console *c)
{
	auto_free char *root = str_printf(GUEST_FOLDER "/%s/root", c->id);
	Grpc__CreateContainerRequest q = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	Grpc__Storage memory = GRPC__STORAGE__INIT, *storages[] = {&memory};

	memory.driver = (char *) "ephemeral";
	memory.source = memory.fstype = (char *) "tmpfs";
	memory.mount_point = root ? root : (char *) "";
	q.container_id = c->id;
	q.oci = c->spec;
	q.storages = storages;
	q.n_storages = ARRAY_LEN(storages);
	c->asking = true;
	agent_ask_until(c->sb, "CreateContainer", &q.base, NULL,
			clock_deadline(c->sb->machine.config->agent.create_container_timeout_ms),
			created, c);
}

/* ---- for others ---- */

int sandbox_may_console(struct sandbox *sb, struct err *e)
{
	int r = sandbox_check_ready(sb, e);
	size_t n = 0;

	if (r < 0)
		return r;
	if (!sb->machine.config->agent.debug_console_enabled)
		return err_say(e, EPERM,
			       "this sandbox has no debug console: debug_console_enabled is not "
			       "set in [agent.kata]");
	list_for_each (pos, &sb->consoles)
		n++;
	return n < CONSOLES_MAX ? 0 : err_say(e, EBUSY, "there are %zu consoles already", n);
}

void sandbox_console(struct sandbox *sb, int swallow_fd, const struct sandbox_console_form *form)
{
	struct console *c = calloc(1, sizeof *c);
	struct sandbox_answer failed = {0};

	if (!c) {
		fd_close(swallow_fd);
		return;
	}
	list_init(&c->link);
	c->sb = sb;
	c->fd = swallow_fd;
	c->form = *form;
	(void) snprintf(c->id, sizeof c->id, "debug-console-%lu", ++sb->last_console);
	list_add(&sb->consoles, &c->link);
	failed.r = sandbox_may_console(sb, &failed.err);
	if (failed.r == 0)
		failed.r = lend_program(c, &failed.err);
	if (failed.r == 0)
		failed.r = make_spec(c, &failed.err);
	if (failed.r < 0)
		(void) went_well(c, &failed);
	else
		create(c);
}

void consoles_end(struct sandbox *sb)
{
	list_for_each (pos, &sb->consoles) {
		struct console *c = container_of(pos, struct console, link);

		if (!c->asking) {
			console_free(c);
			continue;
		}
		/* Who frees it is called back, because the line to the agent goes next. */
		list_remove(&c->link);
		if (c->io)
			stdio_break(c->io);
		c->sb = NULL;
	}
}
