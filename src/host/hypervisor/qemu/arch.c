#include "host/hypervisor/qemu/arch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"

/*
 * Kernel parameters, and why each is here (more in docs/hypervisor-qemu.md, figures in
 * docs/guest-image.md):
 *
 * panic=-1		a panic resets at once; QEMU has -no-reboot and ends, so no pod hangs in it
 * cryptomgr.notests	the kernel does not test its ciphers at every boot
 * tsc=nowatchdog	the kernel does not compare its clocks twice a second, which is half of
 *		what wakes an idle machine; they all are the host's, which watches its own
 * nowatchdog	the kernel does not look every four seconds whether its processors still run
 *		programs, because that wakes an idle machine, and a busy host looks to it like
 *		a processor that hangs
 * pci=lastbus=0	the kernel probes only q35's one root bus; without it, it probes the other
 *		255 as well: 16,000 port accesses that KVM hands to QEMU one by one
 * fb_tunnels=none bonding.max_bonds=0 dummy.numdummies=0
 *		aarch64: no interfaces that nobody made (sit0, bond0, dummy0), from drivers that
 *		the lean kernel has built in; on x86-64 its built-in command line has these words,
 *		but Linux 6.1 for arm64 adds no such line to a given one
 * noreplace-smp	TCG: the kernel does not patch its text in some thousand places, because
 *		each patch discards translations
 * no_timer_check	TCG: on a busy host the timer's first ticks come late, and the kernel panics
 *		("IO-APIC + timer doesn't work"); under KVM the kernel skips this check by itself
 *
 * qboot only finds the kernel and starts it; SeaBIOS first searches a PC's boot devices. On microvm
 * SeaBIOS 1.17 also breaks boots: it leaves the ACPI tables in the last page of memory, and QEMU
 * puts the end of the initrd into that page, because it keeps room for the tables on the PC
 * machines only. Whether a table is overwritten depends on the size of the initrd modulo 4096, and
 * the kernel then hangs after "ACPI: Core revision". guest-image/build rounds the size up, because
 * an initrd of whole pages ends below the last page.
 *
 * The machine options switch off devices that no container sees, because each costs time at QEMU's
 * start and in the guest's probing, and is attack surface.
 */
static const struct qemu_machine x86_machines[] = {
	{
		.name = "q35",
		.options = "usb=off,graphics=off,smbus=off,sata=off,vmport=off,hpet=off,smm=off,"
			   "i8042=off",
		.bus = "pci",
		.has_legacy = true,
		.root_bus = "pcie.0",
		.can_plug = true,
		.params = "pci=lastbus=0",
		.firmware = "qboot.rom",
	},
	{
		/* ACPI, because Debian's kernels find virtio-mmio only there. */
		.name = "microvm",
		.options = "acpi=on,rtc=on,usb=off,graphics=off",
		.bus = "device",
		.global = "virtio-mmio.force-legacy=off",
		.params = "",
		.firmware = "qboot.rom",
	},
	{.name = NULL},
};

static const struct qemu_machine arm_machines[] = {
	{
		.name = "virt",
		.options = "usb=off,graphics=off,gic-version=max",
		.bus = "pci",
		.has_legacy = true,
		.root_bus = "pcie.0",
		.params = "",
	},
	{.name = NULL},
};

static const struct qemu_arch archs[] = {
	{
		.name = "x86_64",
		.program = "qemu-system-x86_64",
		.package = "qemu-system-x86",
		.kernel_params =
			"console=ttyS0 panic=-1 cryptomgr.notests tsc=nowatchdog nowatchdog",
		.tcg_params = "noreplace-smp no_timer_check",
		/* TCG emulates "rep movsb" byte by byte: a guest that believes it to be fast copies
		 * at a quarter of the speed. */
		.tcg_cpu = "max,erms=off,fsrm=off",
		.host_tsc = true,
		.machines = x86_machines,
	},
	{
		.name = "aarch64",
		.program = "qemu-system-aarch64",
		.package = "qemu-system-arm",
		.kernel_params = "console=ttyAMA0 panic=-1 cryptomgr.notests nowatchdog "
				 "fb_tunnels=none bonding.max_bonds=0 dummy.numdummies=0",
		.tcg_params = "",
		/* Pointers are signed by a hash of QEMU's own instead of the architecture's, whose
		 * emulation makes a boot four times as long. */
		.tcg_cpu = "max,pauth-impdef=on",
		.machines = arm_machines,
	},
};

const struct qemu_arch *qemu_arch_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(archs); i++)
		if (strcmp(archs[i].name, name) == 0)
			return &archs[i];
	return NULL;
}

const struct qemu_arch *qemu_arch_host(void)
{
#if defined(__aarch64__)
	return qemu_arch_find("aarch64");
#else
	return qemu_arch_find("x86_64");
#endif
}

const struct qemu_machine *qemu_machine_find(const struct qemu_arch *arch, const char *name,
					     struct err *e)
{
	char known[128] = "";

	if (!name || !*name)
		return &arch->machines[0];
	for (const struct qemu_machine *m = arch->machines; m->name; m++) {
		size_t n = strlen(known);

		if (strcmp(m->name, name) == 0)
			return m;
		(void) snprintf(known + n, sizeof known - n, "%s%s", n ? ", " : "", m->name);
	}
	(void) err_say(e, EINVAL, "unknown machine type '%s' for %s (known: %s)", name, arch->name,
		       known);
	return NULL;
}
