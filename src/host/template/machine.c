#include "host/template/machine.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "host/confine/ids.h"
#include "host/state/run_dir.h"

static const char *set(const char *text)
{
	return text && text[0] ? text : NULL;
}

void machine_describe(const struct config *config, const struct machine_size *size,
		      const struct machine_size *most, struct vm_spec *ret)
{
	const struct config_hypervisor *c = &config->hypervisor;

	*ret = (struct vm_spec){
		.vcpus = size->vcpus,
		.memory_bytes = size->memory_bytes,
		.max_vcpus = most ? most->vcpus : 0,
		.max_memory_bytes = most ? most->memory_bytes : 0,
		.kernel_path = c->kernel,
		.initrd_path = set(c->initrd),
		.kernel_params = set(c->kernel_params),
		.options = c,
		.accel = c->accelerator,
		.vmm_path = set(c->path),
		.debug = c->enable_debug,
		.channel = c->channel,
		.hugepages = c->enable_hugepages,
		.mem_prealloc = c->enable_mem_prealloc,
		.require_confinement = c->require_confinement,
		.hotplug = true, /* later containers' disks */
	};
}

int machine_claim_user(struct vm_spec *vm, int *ret_fd, struct err *e)
{
	*ret_fd = -1;
	if (geteuid() != 0)
		return 0;

	auto_free char *dir = run_dir_path(RUN_DIR, CONFINE_IDS_DIR);
	int r = dir ? confine_id_claim(dir, &vm->uid, ret_fd, e)
		    : err_sys(e, ENOMEM, "name a folder");

	if (r == -ENOENT) {
		log_err(LOG_WARN, e, "ignoring, the VMM is this process's user");
		err_clear(e);
		return 0;
	}
	vm->gid = vm->uid;
	return r < 0 ? err_wrap(e, r, "choose the VMM's user") : 0;
}

const char *machine_agent_params(const struct config_agent *c, const struct machine_server *server,
				 char buf[MACHINE_PARAMS_BYTES])
{
	size_t room = MACHINE_PARAMS_BYTES;
	int n = snprintf(buf, room, "%s%s", c->enable_debug ? "agent.log=debug " : "",
			 server && server->appends ? "agent.server_appends=1 " : "");

	if (server)
		n += snprintf(buf + n, room - (size_t) n, "agent.shared_files_max=%u ",
			      server->files_max);
	if (c->container_pipe_size)
		n += snprintf(buf + n, room - (size_t) n, "agent.container_pipe_size=%u ",
			      c->container_pipe_size);
	if (n > 0)
		buf[n - 1] = '\0';
	return set(buf);
}
