#include "tests/agent/box.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/file.h"
#include "oci/oci.h"

#define ROOTFS      BOX_SHARED "/bb/rootfs"
#define CHUNK_BYTES (1U << 20)
#define READ_BYTES  (1U << 20)
#define KEEP_BYTES  (1U << 20)

static int copy(struct vm *vm, const char *path, uint32_t mode, const char *data, size_t bytes,
		struct err *e)
{
	size_t done = 0;
	int r;

	do {
		Grpc__CopyFileRequest req = GRPC__COPY_FILE_REQUEST__INIT;

		req.path = (char *) path;
		req.file_mode = mode;
		req.dir_mode = 0755;
		req.file_size = S_ISREG(mode) ? (int64_t) bytes : 0;
		req.offset = (int64_t) done;
		req.data.data = (uint8_t *) data + done;
		req.data.len = bytes - done < CHUNK_BYTES ? bytes - done : CHUNK_BYTES;
		r = vm_call(vm, "CopyFile", &req, NULL, e);
		done += req.data.len;
	} while (r == 0 && done < bytes);
	return r;
}

static int copy_busybox(struct vm *vm, struct err *e)
{
	static const char *const folders[] = {"proc", "sys", "dev", "tmp", "etc"};
	auto_free char *data = NULL;
	size_t bytes;
	int r = file_read(AT_FDCWD, vm->busybox ? vm->busybox : "/bin/busybox", 16 << 20, &data,
			  &bytes, e);

	if (r == 0)
		r = copy(vm, ROOTFS "/bin/busybox", S_IFREG | 0755, data, bytes, e);
	if (r == 0)
		r = copy(vm, ROOTFS "/bin/sh", S_IFLNK | 0777, "busybox", 7, e);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(folders); i++) {
		auto_free char *path = str_printf("%s/%s", ROOTFS, folders[i]);

		r = copy(vm, path, S_IFDIR | 0755, "", 0, e);
	}
	return r;
}

static int make_sandbox(struct vm *vm, struct err *e)
{
	Grpc__CreateSandboxRequest req = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	char *dns[] = {(char *) "nameserver 192.0.2.1", (char *) "search pod.example"};
	/* Those that containerd gives every pod (enable_unprivileged_icmp and _ports). */
	Grpc__CreateSandboxRequest__SysctlEntry sysctls[] = {
		GRPC__CREATE_SANDBOX_REQUEST__SYSCTL_ENTRY__INIT,
		GRPC__CREATE_SANDBOX_REQUEST__SYSCTL_ENTRY__INIT,
	};
	Grpc__CreateSandboxRequest__SysctlEntry *list[] = {&sysctls[0], &sysctls[1]};

	sysctls[0].key = (char *) "net.ipv4.ping_group_range";
	sysctls[0].value = (char *) "0 2147483647";
	sysctls[1].key = (char *) "net.ipv4.ip_unprivileged_port_start";
	sysctls[1].value = (char *) "0";
	req.sysctl = list;
	req.n_sysctl = ARRAY_LEN(list);

	req.hostname = (char *) "box";
	req.sandbox_id = (char *) "sandbox-1";
	req.dns = dns;
	req.n_dns = ARRAY_LEN(dns);
	return vm_call(vm, "CreateSandbox", &req, NULL, e);
}

void box_prepare(struct vm *vm)
{
	if (vm->prepared)
		return;
	MUST(copy_busybox(vm, &why));
	MUST(make_sandbox(vm, &why));
	vm->prepared = true;
}

/* @command as a JSON string. */
static char *quote(const char *command)
{
	char *text = malloc(2 * strlen(command) + 1), *p = text;

	for (const char *c = command; text && *c; c++) {
		if (*c == '"' || *c == '\\')
			*p++ = '\\';
		*p++ = *c;
	}
	if (text)
		*p = '\0';
	return text;
}

static char *process_json(const char *command, const struct box_options *o)
{
	auto_free char *quoted = quote(command);

	return str_printf("{\"terminal\": %s, \"cwd\": \"/\", \"env\": [\"PATH=/bin\"],"
			  "\"user\": {\"uid\": 0, \"gid\": 0},"
			  "\"args\": [\"/bin/sh\", \"-c\", \"%s\"]%s}",
			  o && o->terminal ? "true" : "false", quoted,
			  o && o->process_extra ? o->process_extra : "");
}

static int make_spec(const char *command, const struct box_options *o, Grpc__Spec **ret,
		     struct err *e)
{
	auto_free char *process = process_json(command, o);
	auto_free char *json = str_printf(
		"{\"ociVersion\": \"1.0.2\", \"process\": %s,"
		"\"root\": {\"path\": \"" ROOTFS "\"},"
		"\"mounts\": [{\"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"p\"},"
		"{\"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"t\"},"
		"{\"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"d\","
		" \"options\": [\"newinstance\", \"ptmxmode=0666\"]}%s],"
		"\"linux\": {\"resources\": %s, \"namespaces\": [%s{\"type\": \"mount\"},"
		"{\"type\": \"ipc\"}, {\"type\": \"uts\"}]}}",
		process, o && o->mounts_extra ? o->mounts_extra : "",
		o && o->resources ? o->resources : "{}",
		o && o->guest_pids ? "" : "{\"type\": \"pid\"}, ");

	return oci_spec_parse(json, strlen(json), ret, e);
}

int box_create(struct vm *vm, const char *id, const char *command, const struct box_options *o,
	       struct err *e)
{
	Grpc__CreateContainerRequest req = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;
	int r = make_spec(command, o, &spec, e);

	if (r < 0)
		return r;
	req.container_id = (char *) id;
	req.exec_id = (char *) (o && o->exec_id ? o->exec_id : id);
	req.oci = spec;
	if (o) {
		req.storages = o->storages;
		req.n_storages = o->n_storages;
	}
	return vm_call(vm, "CreateContainer", &req, NULL, e);
}

int box_start(struct vm *vm, const char *id, struct err *e)
{
	Grpc__StartContainerRequest req = GRPC__START_CONTAINER_REQUEST__INIT;

	req.container_id = (char *) id;
	return vm_call(vm, "StartContainer", &req, NULL, e);
}

int box_remove(struct vm *vm, const char *id, uint32_t timeout_s, struct err *e)
{
	Grpc__RemoveContainerRequest req = GRPC__REMOVE_CONTAINER_REQUEST__INIT;

	req.container_id = (char *) id;
	req.timeout = timeout_s;
	return vm_call(vm, "RemoveContainer", &req, NULL, e);
}

int box_signal(struct vm *vm, const char *id, const char *exec_id, uint32_t signo, struct err *e)
{
	Grpc__SignalProcessRequest req = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

	req.container_id = (char *) id;
	req.exec_id = (char *) exec_id;
	req.signal = signo;
	return vm_call(vm, "SignalProcess", &req, NULL, e);
}

int box_exec(struct vm *vm, const char *id, const char *exec_id, const char *command, struct err *e)
{
	Grpc__ExecProcessRequest req = GRPC__EXEC_PROCESS_REQUEST__INIT;
	auto_ptr(oci_process_free) Grpc__Process *process = NULL;
	auto_free char *json = process_json(command, NULL);
	int r = oci_process_parse(json, strlen(json), &process, e);

	if (r < 0)
		return r;
	req.container_id = (char *) id;
	req.exec_id = (char *) exec_id;
	req.process = process;
	return vm_call(vm, "ExecProcess", &req, NULL, e);
}

int box_write(struct vm *vm, const char *id, const char *exec_id, const char *text, struct err *e)
{
	Grpc__WriteStreamRequest req = GRPC__WRITE_STREAM_REQUEST__INIT;

	req.container_id = (char *) id;
	req.exec_id = (char *) exec_id;
	req.data.data = (uint8_t *) text;
	req.data.len = strlen(text);
	return vm_call(vm, "WriteStdin", &req, NULL, e);
}

int box_close_stdin(struct vm *vm, const char *id, const char *exec_id, struct err *e)
{
	Grpc__CloseStdinRequest req = GRPC__CLOSE_STDIN_REQUEST__INIT;

	req.container_id = (char *) id;
	req.exec_id = (char *) exec_id;
	return vm_call(vm, "CloseStdin", &req, NULL, e);
}

static void ask(struct run *r, bool err);

static void heard(struct run *r, struct ttrpc_answer *a, bool err)
{
	if (a->r == -ECANCELED || a->r == -ECONNRESET)
		return; /* the line is gone, and perhaps @r */

	struct buf *b = err ? &r->err : &r->out;
	const Grpc__ReadStreamResponse *data = (const Grpc__ReadStreamResponse *) a->response;
	size_t left = KEEP_BYTES - buf_len(b);

	if (a->r < 0) {
		*(err ? &r->err_ended : &r->out_ended) = true;
		return;
	}
	*(err ? &r->err_bytes : &r->out_bytes) += data->data.len;
	(void) buf_append(b, data->data.data, data->data.len < left ? data->data.len : left);
	ask(r, err);
}

static void heard_out(void *arg, struct ttrpc_answer *a)
{
	heard(arg, a, false);
}

static void heard_err(void *arg, struct ttrpc_answer *a)
{
	heard(arg, a, true);
}

static void ask(struct run *r, bool err)
{
	Grpc__ReadStreamRequest req = GRPC__READ_STREAM_REQUEST__INIT;

	req.container_id = (char *) r->id;
	req.exec_id = (char *) r->exec_id;
	req.len = READ_BYTES;
	CHECK_EQ(vm_begin(r->vm, err ? "ReadStderr" : "ReadStdout", &req,
			  err ? heard_err : heard_out, r),
		 0);
}

static void heard_end(void *arg, struct ttrpc_answer *a)
{
	struct run *r = arg;

	if (a->r == -ECANCELED || a->r == -ECONNRESET)
		return;
	r->ended = true;
	r->code = a->r < 0 ? a->r : ((const Grpc__WaitProcessResponse *) a->response)->status;
	r->out_bytes_at_end = r->out_bytes;
}

void run_begin(struct run *r, struct vm *vm, const char *id, const char *exec_id)
{
	Grpc__WaitProcessRequest req = GRPC__WAIT_PROCESS_REQUEST__INIT;

	*r = (struct run){.vm = vm, .id = id, .exec_id = exec_id};
	buf_init(&r->out, KEEP_BYTES + 1);
	buf_init(&r->err, KEEP_BYTES + 1);
	for (int i = 0; i < 2; i++) /* as many as the host has under way */
		ask(r, false);
	ask(r, true);
	req.container_id = (char *) id;
	req.exec_id = (char *) exec_id;
	CHECK_EQ(vm_begin(vm, "WaitProcess", &req, heard_end, r), 0);
}

static void step(struct run *r, msec_t deadline)
{
	if (loop_step(r->vm->loop, deadline, NULL) <= 0)
		FAIL("no answer in time; '%s' has said %zu bytes", r->exec_id, r->out_bytes);
}

void run_until_end(struct run *r)
{
	msec_t deadline = clock_deadline(VM_PATIENCE_MS);

	while (!r->ended)
		step(r, deadline);
}

void run_until_closed(struct run *r)
{
	msec_t deadline = clock_deadline(VM_PATIENCE_MS);

	while (!r->ended || !r->out_ended || !r->err_ended)
		step(r, deadline);
}

void run_until_output(struct run *r, size_t bytes)
{
	msec_t deadline = clock_deadline(VM_PATIENCE_MS);

	while (r->out_bytes < bytes)
		step(r, deadline);
}

static const char *as_text(struct buf *b)
{
	uint8_t *end = buf_reserve(b, 1);

	CHECK(end);
	*end = '\0';
	return (const char *) buf_data(b);
}

const char *run_out(struct run *r)
{
	return as_text(&r->out);
}

const char *run_err(struct run *r)
{
	return as_text(&r->err);
}

void run_fini(struct run *r)
{
	buf_fini(&r->out);
	buf_fini(&r->err);
}

int box_run(struct vm *vm, const char *id, const char *command, const struct box_options *o,
	    struct run *r)
{
	MUST(box_create(vm, id, command, o, &why));
	run_begin(r, vm, id, "");
	MUST(box_start(vm, id, &why));
	run_until_closed(r);
	MUST(box_remove(vm, id, 0, &why));
	return r->code;
}
