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
#include "host/cli/verb.h"
#include "host/config/config.h"
#include "host/hypervisor/hypervisor.h"

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

static void say(struct report *r, enum verdict verdict, const char *what, const char *text)
{
	printf("%s  %-14s %s\n", verdict_names[verdict], what, text);
	r->failures += verdict == VERDICT_FAIL;
}

static void check_config(struct report *r)
{
	say(r, VERDICT_OK, "configuration", r->config->path);
	for (size_t i = 0; i < r->config->warnings.n; i++)
		say(r, VERDICT_WARN, "configuration", r->config->warnings.items[i]);
}

static void check_accelerator(struct report *r)
{
	struct hv_accel_facts facts;
	enum hv_accel chosen;
	char why[160];
	struct err e = {0};
	char line[700];

	hv_accel_probe(&facts);

	/* enum config_accelerator has the same order as enum hv_accel: auto, kvm, tcg. */
	if (hv_accel_choose((enum hv_accel) r->config->hypervisor.accelerator, &facts, &chosen, why,
			    sizeof why, &e) < 0) {
		say(r, VERDICT_FAIL, "accelerator", err_show(&e, line, sizeof line));
		return;
	}
	say(r, chosen == HV_ACCEL_KVM ? VERDICT_OK : VERDICT_WARN, "accelerator", why);
}

/* A file that the configuration names must be there and readable. */
static void check_file(struct report *r, const char *what, const char *path, const char *key,
		       const char *remedy)
{
	auto_close int fd = path[0] ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	auto_free char *line = NULL;

	if (fd >= 0) {
		say(r, VERDICT_OK, what, path);
		return;
	}
	line = path[0] ? str_printf("'%s': %s: %s, or set %s", path, strerror(errno), remedy, key)
		       : str_printf("%s is not set: %s", key, remedy);
	say(r, VERDICT_FAIL, what, line ? line : remedy);
}

/* A program is where the configuration says, or in one of the usual places. */
static void check_program(struct report *r, const char *what, const char *path,
			  const char *const *places, const char *key, const char *package)
{
	auto_free char *line = NULL;

	if (path[0]) {
		if (access(path, X_OK) == 0) {
			say(r, VERDICT_OK, what, path);
			return;
		}
	} else {
		for (; *places; places++) {
			if (access(*places, X_OK) == 0) {
				say(r, VERDICT_OK, what, *places);
				return;
			}
		}
	}
	line = str_printf("%s%sis not there: install %s, or set %s", path, path[0] ? " " : "",
			  package, key);
	say(r, VERDICT_FAIL, what, line ? line : package);
}

static void check_channel(struct report *r)
{
	bool vsock = access("/dev/vhost-vsock", R_OK | W_OK) == 0;

	if (vsock)
		say(r, VERDICT_OK, "agent channel", "vsock");
	else if (r->config->hypervisor.channel == CONFIG_CHANNEL_VSOCK)
		say(r, VERDICT_FAIL, "agent channel",
		    "/dev/vhost-vsock cannot be opened: load the module vhost_vsock, or allow virtio-serial");
	else
		say(r, VERDICT_OK, "agent channel", "virtio-serial (there is no /dev/vhost-vsock)");
}

static void check_memory(struct report *r)
{
	uint64_t need = (uint64_t) r->config->hypervisor.default_memory << 20;
	uint64_t have = (uint64_t) sysconf(_SC_PHYS_PAGES) * (uint64_t) sysconf(_SC_PAGESIZE);
	char line[128];

	(void) snprintf(line, sizeof line, "%llu MiB of the host, %u MiB for each machine",
			(unsigned long long) (have >> 20), r->config->hypervisor.default_memory);
	say(r, have < need ? VERDICT_FAIL : VERDICT_OK, "memory", line);
}

static void check_root(struct report *r)
{
	if (geteuid() == 0)
		say(r, VERDICT_OK, "user", "root");
	else
		say(r, VERDICT_FAIL, "user",
		    "the sandbox server needs root for namespaces and mounts");
}

static int run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	static const char *const virtiofsd[] = {"/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd",
						"/usr/bin/virtiofsd", NULL};
	static const char *const qemu[] = {"/usr/bin/qemu-system-x86_64",
					   "/usr/local/bin/qemu-system-x86_64",
					   "/usr/bin/qemu-system-aarch64", NULL};
	auto_ptr(config_free) struct config *config = NULL;
	int r = config_load(cli->config, &config, e);

	(void) values, (void) argc, (void) argv;
	if (r < 0)
		return r;

	struct report report = {.config = config};
	const struct config_hypervisor *h = &config->hypervisor;

	check_config(&report);
	check_root(&report);
	check_accelerator(&report);
	check_program(&report, "hypervisor", h->path, qemu, "hypervisor.qemu.path",
		      "qemu-system-x86");
	check_file(&report, "guest kernel", h->kernel, "hypervisor.qemu.kernel",
		   "run 'make guest' or install the guest image");
	check_file(&report, "guest initrd", h->initrd, "hypervisor.qemu.initrd",
		   "run 'make guest' or install the guest image");
	if (h->shared_fs == CONFIG_SHARED_FS_VIRTIO_FS)
		check_program(&report, "virtiofsd", h->virtio_fs_daemon, virtiofsd,
			      "hypervisor.qemu.virtio_fs_daemon",
			      "qemu-system-common or virtiofsd");
	check_channel(&report);
	check_memory(&report);
	return report.failures > 0;
}

const struct verb verb_check = {
	.name = "check",
	.arguments = "",
	.help = "can this host run containers, and what is missing?",
	.max_args = 0,
	.run = run,
};
