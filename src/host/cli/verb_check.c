/* check: can this host run containers, and if not, what is to be done? */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "host/cli/overhead.h"
#include "host/cli/verb.h"
#include "host/config/config.h"
#include "host/hypervisor/hypervisor.h"
#include "host/storage/virtiofsd_args.h"

enum verdict {
	VERDICT_OK,
	VERDICT_WARN,
	VERDICT_FAIL,
	VERDICT_MAX,
};

static const char *const verdict_names[] = {
	[VERDICT_OK] = "ok  ",
	[VERDICT_WARN] = "warn",
	[VERDICT_FAIL] = "FAIL",
};
TABLE_COVERS(verdict_names, VERDICT_MAX);

struct report {
	const struct config *config;
	int failures;
};

/* @key: the hypervisor's key that was checked, to print where its value came from; or NULL. */
static void say(struct report *r, enum verdict verdict, const char *what, const char *text,
		const char *key)
{
	auto_free char *name =
		key ? str_printf("hypervisor.%s.%s", r->config->hypervisor.name, key) : NULL;
	const char *origin = name ? config_origin(r->config, name) : NULL;

	printf("%s  %-14s %s", verdict_names[verdict], what, text);
	if (origin)
		printf(" [%s: %s]", name, origin);
	printf("\n");
	r->failures += verdict == VERDICT_FAIL;
}

static void check_config(struct report *r)
{
	say(r, VERDICT_OK, "configuration", r->config->path, NULL);
	for (size_t i = 0; i < r->config->warnings.n; i++)
		say(r, VERDICT_WARN, "configuration", r->config->warnings.items[i], NULL);
}

static void check_accelerator(struct report *r)
{
	struct hv_accel_facts facts;
	enum hv_accel chosen;
	char why[160];
	struct err e = {0};
	char line[700];

	hv_accel_probe(&facts);
	if (hv_accel_choose(r->config->hypervisor.accelerator, &facts, &chosen, why, sizeof why,
			    &e) < 0) {
		say(r, VERDICT_FAIL, "accelerator", err_show(&e, line, sizeof line), "accelerator");
		return;
	}
	say(r, chosen == HV_ACCEL_KVM ? VERDICT_OK : VERDICT_WARN, "accelerator", why,
	    "accelerator");
}

/* A file that the configuration names must be there and readable. */
static void check_file(struct report *r, const char *what, const char *path, const char *key,
		       const char *remedy)
{
	auto_close int fd = path[0] ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	auto_free char *line = NULL;

	if (fd >= 0) {
		say(r, VERDICT_OK, what, path, key);
		return;
	}
	line = path[0] ? str_printf("'%s': %s: %s, or set the key '%s'", path, strerror(errno),
				    remedy, key)
		       : str_printf("the key '%s' is not set: %s", key, remedy);
	say(r, VERDICT_FAIL, what, line ? line : remedy, key);
}

/* @found: the program that a sandbox would run, found by the same search; NULL: @e says why not. */
static void check_program(struct report *r, const char *what, const char *found,
			  const struct err *e, const char *key)
{
	char line[700];

	if (found)
		say(r, VERDICT_OK, what, found, key);
	else
		say(r, VERDICT_FAIL, what, err_show(e, line, sizeof line), key);
}

static void check_hypervisor(struct report *r)
{
	const struct config_hypervisor *h = &r->config->hypervisor;
	struct err e = {0};
	auto_free char *found = hv_find_program(h->name, h->path, &e);

	check_program(r, "hypervisor", found, &e, "path");
}

static void check_virtiofsd(struct report *r)
{
	const struct config_hypervisor *h = &r->config->hypervisor;
	struct err e = {0};
	auto_free char *found = NULL;
	enum virtiofsd_flavour flavour;

	if (h->shared_fs != CONFIG_SHARED_FS_VIRTIO_FS)
		return;
	found = virtiofsd_find(h->virtio_fs_daemon, &e);
	check_program(r, "virtiofsd", found, &e, "virtio_fs_daemon");
	if (found && virtiofsd_flavour(found, &flavour, NULL) == 0)
		say(r, VERDICT_WARN, "shared files", virtiofsd_cannot(flavour), NULL);
}

static void check_channel(struct report *r)
{
	/* open() and not stat(), because the node exists before the module is loaded. */
	auto_close int vsock = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);
	const char *key = "agent_channel";

	if (r->config->hypervisor.channel == HV_CHANNEL_SERIAL)
		say(r, VERDICT_OK, "agent channel", "virtio-serial", key);
	else if (vsock >= 0)
		say(r, VERDICT_OK, "agent channel", "vsock", key);
	else if (r->config->hypervisor.channel == HV_CHANNEL_VSOCK)
		say(r, VERDICT_FAIL, "agent channel",
		    "/dev/vhost-vsock cannot be opened: " HV_REMEDY_VSOCK, key);
	else
		say(r, VERDICT_OK, "agent channel", "virtio-serial (there is no /dev/vhost-vsock)",
		    key);
}

static void check_memory(struct report *r)
{
	uint64_t need = (uint64_t) r->config->hypervisor.default_memory << 20;
	uint64_t have = (uint64_t) sysconf(_SC_PHYS_PAGES) * (uint64_t) sysconf(_SC_PAGESIZE);
	char line[128];

	(void) snprintf(line, sizeof line, "%llu MiB of the host, %u MiB for each machine",
			(unsigned long long) (have >> 20), r->config->hypervisor.default_memory);
	say(r, have < need ? VERDICT_FAIL : VERDICT_OK, "memory", line, "default_memory");
}

static void check_root(struct report *r)
{
	if (geteuid() == 0)
		say(r, VERDICT_OK, "user", "root", NULL);
	else
		say(r, VERDICT_FAIL, "user",
		    "the sandbox server needs root for namespaces and mounts", NULL);
}

struct check_values {
	bool overhead;
};

static const struct option check_options[] = {
	{"overhead", 0, OPTION_FLAG, offsetof(struct check_values, overhead), NULL,
	 "measure a pod, and print what a RuntimeClass of Kubernetes says of it", false},
};

static int check_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	const struct check_values *v = values;
	auto_ptr(config_free) struct config *config = NULL;
	int r = v->overhead ? overhead_measure(cli, e) : config_load(cli->config, &config, e);

	(void) argc, (void) argv;
	if (r < 0 || v->overhead)
		return r;

	struct report report = {.config = config};
	const struct config_hypervisor *h = &config->hypervisor;

	check_config(&report);
	check_root(&report);
	check_accelerator(&report);
	check_hypervisor(&report);
	check_file(&report, "guest kernel", h->kernel, "kernel", HV_REMEDY_IMAGE);
	check_file(&report, "guest initrd", h->initrd, "initrd", HV_REMEDY_IMAGE);
	if (*h->firmware)
		check_file(&report, "firmware", h->firmware, "firmware", HV_REMEDY_FIRMWARE);
	check_virtiofsd(&report);
	check_channel(&report);
	check_memory(&report);
	return report.failures > 0;
}

const struct verb verb_check = {
	.name = "check",
	.arguments = "",
	.help = "can this host run containers, and what is missing?",
	.options = check_options,
	.n_options = ARRAY_LEN(check_options),
	.values_bytes = sizeof(struct check_values),
	.max_args = 0,
	.run = check_run,
};
