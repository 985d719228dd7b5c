#include "host/sandbox/create_sandbox.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "host/storage/share.h"

/* A share that comes while the guest runs has to be waited for. Only this project's agent knows the
 * option, see agent.proto. */
static void describe_place(struct create_sandbox *g, const struct device_address *at)
{
	if (!at || at->kind != DEVICE_AT_PCI)
		return;
	(void) snprintf(g->share_place, sizeof g->share_place, "pci=%s", at->text);
	g->share_driver_options[0] = g->share_place;
	g->share.driver_options = g->share_driver_options;
	g->share.n_driver_options = 1;
}

/* The share is mounted without nodev: as under runc, the container's device rules decide. */
static void describe_share(struct create_sandbox *g, const struct config_hypervisor *c)
{
	grpc__storage__init(&g->share);
	g->storages[0] = &g->share;
	g->request.storages = g->storages;
	g->request.n_storages = 1;
	g->share.source = (char *) SHARE_TAG;
	g->share.mount_point = (char *) SHARE_GUEST_PATH "/";
	if (c->shared_fs != CONFIG_SHARED_FS_VIRTIO_9P) {
		g->share.driver = (char *) "virtio-fs";
		g->share.fstype = (char *) "virtiofs";
		return;
	}
	(void) snprintf(g->msize, sizeof g->msize, "msize=%u", c->msize_9p);
	g->share.driver = g->share.fstype = (char *) "9p";
	g->share_options[0] = (char *) "trans=virtio,version=9p2000.L,cache=mmap";
	g->share_options[1] = g->msize;
	g->share.options = g->share_options;
	g->share.n_options = 2;
}

/* The /dev/shm that the pod's containers share. */
static void describe_shm(struct create_sandbox *g, uint64_t bytes)
{
	(void) snprintf(g->shm_size, sizeof g->shm_size, "size=%" PRIu64, bytes);
	grpc__storage__init(&g->shm);
	g->shm.driver = (char *) "ephemeral";
	g->shm.source = (char *) "shm";
	g->shm.fstype = (char *) "tmpfs";
	g->shm.mount_point = (char *) VOLUME_SHM_GUEST_PATH;
	g->shm_options[0] = (char *) "nosuid";
	g->shm_options[1] = (char *) "nodev";
	g->shm_options[2] = (char *) "noexec";
	g->shm_options[3] = (char *) "mode=1777";
	g->shm_options[4] = g->shm_size;
	g->shm.options = g->shm_options;
	g->shm.n_options = 5;
	g->storages[g->request.n_storages++] = &g->shm;
}

/* Adds a copy of @word to a list of strings. */
static int add_word(char ***list, size_t *n, const char *word)
{
	char **longer = reallocarray(*list, *n + 1, sizeof *longer);

	if (!longer)
		return -ENOMEM;
	*list = longer;
	longer[*n] = strdup(word);
	if (!longer[*n])
		return -ENOMEM;
	++*n;
	return 0;
}

/* "NAME PARAMETER...", as the configuration has it. */
static int fill_module(Grpc__KernelModule *m, const char *text)
{
	auto_free char *words = strdup(text);
	char *save = NULL;
	int r = words ? 0 : -ENOMEM;

	for (char *w = r < 0 ? NULL : strtok_r(words, " \t", &save); w && r == 0;
	     w = strtok_r(NULL, " \t", &save)) {
		if (m->name[0]) {
			r = add_word(&m->parameters, &m->n_parameters, w);
		} else {
			m->name = strdup(w);
			r = m->name ? 0 : -ENOMEM;
		}
		if (!m->name)
			m->name = (char *) protobuf_c_empty_string;
	}
	return r;
}

static int describe_modules(struct create_sandbox *g, const struct config_list *modules,
			    struct err *e)
{
	g->request.kernel_modules = calloc(modules->n + 1, sizeof *g->request.kernel_modules);
	if (!g->request.kernel_modules)
		return err_sys(e, ENOMEM, "describe the guest's modules");
	for (size_t i = 0; i < modules->n; i++) {
		Grpc__KernelModule *m = calloc(1, sizeof *m);

		if (!m)
			return err_sys(e, ENOMEM, "describe the guest's modules");
		grpc__kernel_module__init(m);
		g->request.kernel_modules[g->request.n_kernel_modules++] = m;
		if (fill_module(m, modules->items[i]) < 0)
			return err_sys(e, ENOMEM, "describe the guest's modules");
	}
	return 0;
}

static int describe_sysctls(struct create_sandbox *g, const struct create_sandbox_pod *pod,
			    struct err *e)
{
	size_t n = pod->n_sysctl;

	g->sysctls = calloc(n + 1, sizeof *g->sysctls);
	g->request.sysctl = calloc(n + 1, sizeof *g->request.sysctl);
	if (!g->sysctls || !g->request.sysctl)
		return err_sys(e, ENOMEM, "describe the pod's sysctls");
	for (size_t i = 0; i < n; i++) {
		grpc__create_sandbox_request__sysctl_entry__init(&g->sysctls[i]);
		g->sysctls[i].key = pod->sysctl[i]->key;
		g->sysctls[i].value = pod->sysctl[i]->value;
		g->request.sysctl[i] = &g->sysctls[i];
	}
	g->request.n_sysctl = n;
	return 0;
}

int create_sandbox_init(struct create_sandbox *g, const struct config *config,
			const char *sandbox_id, const struct create_sandbox_pod *pod, struct err *e)
{
	*g = (struct create_sandbox){.request = GRPC__CREATE_SANDBOX_REQUEST__INIT};
	g->request.sandbox_id = (char *) sandbox_id;
	if (pod->hostname)
		g->request.hostname = (char *) pod->hostname;
	describe_share(g, &config->hypervisor);
	describe_place(g, pod->share_at);
	if (pod->shm && pod->shm->ino)
		describe_shm(g, pod->shm->bytes);

	int r = describe_sysctls(g, pod, e);

	return r < 0 ? r : describe_modules(g, &config->agent.kernel_modules, e);
}

void create_sandbox_fini(struct create_sandbox *g)
{
	for (size_t i = 0; i < g->request.n_kernel_modules; i++)
		grpc__kernel_module__free_unpacked(g->request.kernel_modules[i], NULL);
	free(g->request.kernel_modules);
	free(g->request.sysctl);
	free(g->sysctls);
	g->request.sysctl = NULL;
	g->request.n_sysctl = 0;
	g->sysctls = NULL;
	g->request.kernel_modules = NULL;
	g->request.n_kernel_modules = 0;
}
