/*
 * KVM or TCG.
 *
 * An open /dev/kvm is no proof that KVM works: on some hosts (cloud machines without nested
 * virtualisation) even KVM_CREATE_VM succeeds, but an ordinary guest kernel crawls or dies, because
 * a para-virtual imitation of the processor is behind it. Such a host hides vmx and svm from
 * /proc/cpuinfo, so on x86 these flags decide.
 *
 * The probing and the decision are two functions: the decision is a pure one, and tested as such.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/array.h"
#include "base/file.h"
#include "host/hypervisor/hypervisor.h"

#define CPUINFO_MAX_BYTES (16 << 20) /* 1 to 2 KiB a processor */
#define KVM_API           12         /* since Linux 2.6.22, and for ever */

static const char *const accel_names[] = {
	[HV_ACCEL_AUTO] = "auto",
	[HV_ACCEL_KVM] = "kvm",
	[HV_ACCEL_TCG] = "tcg",
};
TABLE_COVERS(accel_names, HV_ACCEL_MAX);

const char *hv_accel_name(enum hv_accel accel)
{
	return (size_t) accel < HV_ACCEL_MAX ? accel_names[accel] : "?";
}

int hv_accel_parse(const char *name, enum hv_accel *ret, struct err *e)
{
	for (size_t i = 0; i < HV_ACCEL_MAX; i++) {
		if (strcmp(name, accel_names[i]) == 0) {
			*ret = (enum hv_accel) i;
			return 0;
		}
	}
	return err_say(e, EINVAL, "unknown accelerator '%s' (known: auto, kvm, tcg)", name);
}

#if defined(__x86_64__) || defined(__i386__)
static bool has_word(const char *line, size_t bytes, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = line; (p = memmem(p, bytes - (size_t) (p - line), word, n)); p += n) {
		const char *end = p + n;

		if (p > line && (p[-1] == ' ' || p[-1] == '\t') &&
		    (end == line + bytes || *end == ' ' || *end == '\n'))
			return true;
	}
	return false;
}

bool hv_cpuinfo_has_virt(const char *cpuinfo)
{
	const char *flags = strncmp(cpuinfo, "flags\t", 6) == 0 ? cpuinfo : NULL;

	if (!flags)
		flags = strstr(cpuinfo, "\nflags\t");
	if (!flags)
		return false;
	flags++; /* every processor has the same flags: the first speaks for all */

	size_t bytes = strcspn(flags, "\n");

	return has_word(flags, bytes, "vmx") || has_word(flags, bytes, "svm");
}

static bool probe_cpu(void)
{
	auto_free char *text = NULL;

	if (file_read(AT_FDCWD, "/proc/cpuinfo", CPUINFO_MAX_BYTES, &text, NULL, NULL) < 0)
		return false;
	return hv_cpuinfo_has_virt(text);
}
#else
bool hv_cpuinfo_has_virt(const char *cpuinfo)
{
	(void) cpuinfo;
	return true;
}

static bool probe_cpu(void)
{
	return true; /* on other processors /dev/kvm exists only where KVM works */
}
#endif

void hv_accel_probe(struct hv_accel_facts *ret)
{
	auto_close int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	*ret = (struct hv_accel_facts){.cpu_virt = probe_cpu()};
	if (kvm < 0) {
		ret->open_error = errno;
		return;
	}
	ret->api_version = ioctl(kvm, KVM_GET_API_VERSION, 0);
	/* KVM_CREATE_VM costs milliseconds: skip it where KVM is already ruled out. */
	if (!ret->cpu_virt || ret->api_version != KVM_API)
		return;

	auto_close int vm = ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0)
		ret->create_vm_error = errno;
}

/* What the administrator can do about a KVM that is not usable. */
static const char *kvm_remedy(const struct hv_accel_facts *facts)
{
	if (facts->open_error == ENOENT)
		return "load the module kvm_intel or kvm_amd";
	if (facts->open_error)
		return "let this user open it";
	if (!facts->cpu_virt)
		return "switch virtualisation on in the firmware, or nested virtualisation in the "
		       "host of this machine";
	return "look into the kernel's log";
}

static bool kvm_usable(const struct hv_accel_facts *facts, char *why, size_t why_bytes)
{
	if (facts->open_error == ENOENT)
		(void) snprintf(why, why_bytes, "there is no /dev/kvm");
	else if (facts->open_error)
		(void) snprintf(why, why_bytes, "/dev/kvm cannot be opened: %s",
				strerror(facts->open_error));
	else if (!facts->cpu_virt)
		(void) snprintf(why, why_bytes,
				"the processor shows neither vmx nor svm, so /dev/kvm cannot run "
				"an ordinary kernel");
	else if (facts->api_version != KVM_API)
		(void) snprintf(why, why_bytes, "/dev/kvm speaks version %d, not %d",
				facts->api_version, KVM_API);
	else if (facts->create_vm_error)
		(void) snprintf(why, why_bytes, "KVM makes no machine: %s",
				strerror(facts->create_vm_error));
	else
		return true;
	return false;
}

int hv_accel_choose(enum hv_accel wanted, const struct hv_accel_facts *facts, enum hv_accel *ret,
		    char *why, size_t why_bytes, struct err *e)
{
	char no[128];

	if (wanted == HV_ACCEL_TCG) {
		(void) snprintf(why, why_bytes, "TCG: the configuration asks for it");
		*ret = HV_ACCEL_TCG;
		return 0;
	}
	if (kvm_usable(facts, no, sizeof no)) {
		(void) snprintf(why, why_bytes, "KVM: %s",
				wanted == HV_ACCEL_KVM ? "the configuration asks for it"
						       : "/dev/kvm works");
		*ret = HV_ACCEL_KVM;
		return 0;
	}
	if (wanted == HV_ACCEL_KVM)
		return err_say(e, ENODEV,
			       "accelerator = \"kvm\" cannot be had: %s: %s, or set the key "
			       "'accelerator' to \"auto\" (without KVM it is slow)",
			       no, kvm_remedy(facts));
	(void) snprintf(why, why_bytes, "TCG: %s", no);
	*ret = HV_ACCEL_TCG;
	return 0;
}
