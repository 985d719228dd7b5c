#include "host/sandbox/create_sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "host/storage/share.h"

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

int create_sandbox_init(struct create_sandbox *g, const struct config *config,
			const char *sandbox_id, const char *hostname, struct err *e)
{
	*g = (struct create_sandbox){.request = GRPC__CREATE_SANDBOX_REQUEST__INIT};
	g->request.sandbox_id = (char *) sandbox_id;
	if (hostname)
		g->request.hostname = (char *) hostname;
	describe_share(g, &config->hypervisor);
	return describe_modules(g, &config->agent.kernel_modules, e);
}

void create_sandbox_fini(struct create_sandbox *g)
{
	for (size_t i = 0; i < g->request.n_kernel_modules; i++)
		grpc__kernel_module__free_unpacked(g->request.kernel_modules[i], NULL);
	free(g->request.kernel_modules);
	g->request.kernel_modules = NULL;
	g->request.n_kernel_modules = 0;
}
