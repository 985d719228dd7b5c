/* Devices that are plugged in before the guest runs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "agent/device/devices.h"
#include "base/file.h"
#include "base/log.h"

/* The event by which QEMU's PC machines tell of a device on a PCI bus (QEMU,
 * docs/specs/acpi_pci_hotplug: bit 1 of the general purpose events), and what its file takes
 * (Linux, Documentation/ABI/testing/sysfs-firmware-acpi). */
#define EVENT_FILE "firmware/acpi/interrupts/gpe01"

#define BUSES    "class/pci_bus"
#define ROOT_BUS "0000:00" /* nothing can be plugged into it */

static int write_below(const struct devices *d, const char *file, const char *text, struct err *e)
{
	auto_free char *path = str_printf("%s/%s", d->places.sys, file);

	return path ? file_write(AT_FDCWD, path, text, e)
		    : err_sys(e, ENOMEM, "look after devices");
}

void devices_ignore_plugs(struct devices *d)
{
	d->ignores_plugs = write_below(d, EVENT_FILE, "disable\n", NULL) == 0;
}

static void rescan(const struct devices *d, const char *bus)
{
	auto_free char *file = str_printf(BUSES "/%s/rescan", bus);
	struct err e = {0};

	if (file && write_below(d, file, "1\n", &e) < 0)
		log_err(LOG_WARN, &e, "ignoring");
}

static void rescan_all(const struct devices *d)
{
	auto_free char *folder = str_printf("%s/" BUSES, d->places.sys);
	DIR *dir = folder ? opendir(folder) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, ROOT_BUS) != 0)
			rescan(d, entry->d_name);
	if (dir)
		(void) closedir(dir);
}

void devices_see_plugs(struct devices *d)
{
	struct err e = {0};

	if (!d->ignores_plugs)
		return;
	d->ignores_plugs = false;
	/* In this order, because the kernel forgets what has come before it switches the event on:
	 * what comes from here on is told of, and what came before is found. */
	if (write_below(d, EVENT_FILE, "enable\n", &e) < 0)
		log_err(LOG_ERROR, &e, "ignoring, and devices that are plugged in are not seen");
	rescan_all(d);
}
