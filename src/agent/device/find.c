#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/device/devices.h"
#include "base/file.h"

#define PCI_PATH_SEGMENTS_MAX 16

static int not_there(enum device_kind kind, const char *key, struct err *e)
{
	static const char *const names[] = {
		[DEVICE_PORT] = "virtio-serial port",
		[DEVICE_BLOCK] = "disk at PCI path",
		[DEVICE_DISK] = "disk with serial number",
		[DEVICE_NODE] = "device",
		[DEVICE_NIC] = "network interface at PCI path",
		[DEVICE_VIRTIO] = "virtio device at PCI path",
		[DEVICE_MAC] = "network interface with hardware address",
	};
	TABLE_COVERS(names, DEVICE_KIND_MAX);

	return err_say(e, ENODEV, "there is no %s '%s'", names[kind], key);
}

/* printf into a path. Returns 0 or -ENAMETOOLONG. */
static int path_print(char ret[DEVICE_PATH_MAX], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int path_print(char ret[DEVICE_PATH_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(ret, DEVICE_PATH_MAX, fmt, ap);
	va_end(ap);
	return n < 0 || n >= DEVICE_PATH_MAX ? -ENAMETOOLONG : 0;
}

/* The first entry of @folder whose name begins with @prefix: its path in @ret. */
static int first_entry(const char *folder, const char *prefix, char ret[DEVICE_PATH_MAX])
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int r = -ENODEV;

	while (dir && r == -ENODEV && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
			r = path_print(ret, "%s/%s", folder, entry->d_name);
	if (dir)
		(void) closedir(dir);
	return r;
}

bool devices_any_disk(const struct devices *d)
{
	char folder[DEVICE_PATH_MAX], any[DEVICE_PATH_MAX];

	return path_print(folder, "%s/block", d->places.sys) == 0 &&
	       first_entry(folder, "", any) == 0;
}

/* Whether the file @file of a device, in the open folder @all, says @what. */
static bool device_says(int all, const char *device, const char *file, const char *what)
{
	char path[DEVICE_PATH_MAX];
	auto_free char *text = NULL;

	if (path_print(path, "%s/%s", device, file) < 0 ||
	    file_read(all, path, DEVICE_PATH_MAX, &text, NULL, NULL) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, what) == 0;
}

/* The node of the device, one of those in /sys/@class, whose file @file says @what. */
static int find_by_file(struct devices *d, const char *class, const char *file, const char *what,
			char ret[DEVICE_PATH_MAX])
{
	char folder[DEVICE_PATH_MAX];
	int r = path_print(folder, "%s/%s", d->places.sys, class);
	DIR *dir = r < 0 ? NULL : opendir(folder);
	struct dirent *entry;

	if (!dir)
		return -ENODEV;
	r = -ENODEV;
	while (r == -ENODEV && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && device_says(dirfd(dir), entry->d_name, file, what))
			r = path_print(ret, "%s/%s", d->places.dev, entry->d_name);
	(void) closedir(dir);
	return r;
}

static int find_port(struct devices *d, const char *name, char ret[DEVICE_PATH_MAX])
{
	return find_by_file(d, "class/virtio-ports", "name", name, ret);
}

struct pci_place {
	unsigned slot, function;
};

/* One or two hexadecimal digits. */
static int parse_hex(const char **p, unsigned max, unsigned *ret)
{
	char digits[3] = {0};
	size_t n = strspn(*p, "0123456789abcdefABCDEF");

	if (n == 0 || n >= sizeof digits)
		return -EINVAL;
	memcpy(digits, *p, n);
	*p += n;
	*ret = (unsigned) strtoul(digits, NULL, 16);
	return *ret > max ? -EINVAL : 0;
}

/* Returns the number of places on the path, or -EINVAL. */
static int parse_pci_path(const char *p, struct pci_place ret[PCI_PATH_SEGMENTS_MAX])
{
	for (int n = 0; n < PCI_PATH_SEGMENTS_MAX; n++) {
		ret[n].function = 0;
		if (parse_hex(&p, 0x1f, &ret[n].slot) < 0)
			return -EINVAL;
		if (*p == '.' && (p++, parse_hex(&p, 7, &ret[n].function)) < 0)
			return -EINVAL;
		if (!*p)
			return n + 1;
		if (*p++ != '/')
			return -EINVAL;
	}
	return -EINVAL;
}

/* The number of the bus behind a bridge, whose folder in sysfs is @at. */
static int find_bus(const char *at, char ret[DEVICE_PATH_MAX])
{
	char buses[DEVICE_PATH_MAX], first[DEVICE_PATH_MAX];
	int r = path_print(buses, "%s/pci_bus", at);

	if (r == 0)
		r = first_entry(buses, "", first);
	return r == 0 ? path_print(ret, "%s", strrchr(first, '/') + 1) : r;
}

/* The folder in sysfs of the function at a PCI path. It is named by its address, because where the
 * root bus hangs is the architecture's: below devices/ on x86, below devices/platform/ADDRESS.pcie/
 * on arm64. */
static int find_pci(struct devices *d, const char *key, char ret[DEVICE_PATH_MAX])
{
	struct pci_place places[PCI_PATH_SEGMENTS_MAX];
	char bus[DEVICE_PATH_MAX] = "0000:00";
	int n = parse_pci_path(key, places);
	int r = n < 0 ? n : 0;

	for (int i = 0; r == 0 && i < n; i++) {
		if (i > 0)
			r = find_bus(ret, bus);
		if (r == 0)
			r = path_print(ret, "%s/bus/pci/devices/%s:%02x.%x", d->places.sys, bus,
				       places[i].slot, places[i].function);
	}
	return r;
}

/* Returns 0, or -ENODEV while the disk has a folder in sysfs, or a node, that cannot be opened yet.
 * Once it can, the kernel announces the disk. */
static int check_disk(const char *node)
{
	auto_close int fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 && (errno == ENOENT || errno == ENXIO) ? -ENODEV : 0;
}

static int find_block(struct devices *d, const char *key, char ret[DEVICE_PATH_MAX])
{
	char function[DEVICE_PATH_MAX], driver[DEVICE_PATH_MAX], folder[DEVICE_PATH_MAX];

	int r = find_pci(d, key, function);

	if (r == 0)
		r = first_entry(function, "virtio", driver);
	if (r == 0)
		r = path_print(folder, "%s/block", driver);
	if (r == 0)
		r = first_entry(folder, "", driver);
	if (r == 0)
		r = path_print(ret, "%s/%s", d->places.dev, strrchr(driver, '/') + 1);
	return r == 0 ? check_disk(ret) : r;
}

static int find_disk(struct devices *d, const char *serial, char ret[DEVICE_PATH_MAX])
{
	int r = *serial ? find_by_file(d, "block", "serial", serial, ret) : -EINVAL;

	return r == 0 ? check_disk(ret) : r;
}

static int find_node(struct devices *d, const char *key, char ret[DEVICE_PATH_MAX])
{
	struct stat st;
	size_t bytes = strlen(d->places.dev);

	if (strncmp(key, d->places.dev, bytes) != 0 || key[bytes] != '/' || strstr(key, "/../"))
		return -EINVAL;
	if (stat(key, &st) < 0)
		return -ENODEV;
	if (!S_ISBLK(st.st_mode) && !S_ISCHR(st.st_mode))
		return -EINVAL;

	int r = S_ISBLK(st.st_mode) ? check_disk(key) : 0;

	return r < 0 ? r : path_print(ret, "%s", key);
}

/* The name of an interface is that of its folder. */
static int take_name(const char *folder, char ret[DEVICE_PATH_MAX])
{
	char at[DEVICE_PATH_MAX];
	int r = first_entry(folder, "", at);

	return r < 0 ? r : path_print(ret, "%s", strrchr(at, '/') + 1);
}

/* Of a virtio device the interface is below the function's virtio device, else below itself. */
static int find_nic(struct devices *d, const char *key, char ret[DEVICE_PATH_MAX])
{
	char function[DEVICE_PATH_MAX], driver[DEVICE_PATH_MAX], folder[DEVICE_PATH_MAX];
	int r = find_pci(d, key, function);

	if (r < 0)
		return r;
	if (first_entry(function, "virtio", driver) < 0)
		memcpy(driver, function, sizeof driver);
	r = path_print(folder, "%s/net", driver);
	return r < 0 ? r : take_name(folder, ret);
}

/* virtio 1.2, 2.1: DRIVER_OK, the driver is set up and ready to drive the device. */
#define VIRTIO_DRIVER_OK 4

/* The folder of the virtio device, once its driver is ready. */
static int find_virtio(struct devices *d, const char *key, char ret[DEVICE_PATH_MAX])
{
	char function[DEVICE_PATH_MAX], device[DEVICE_PATH_MAX], path[DEVICE_PATH_MAX];
	auto_free char *status = NULL;
	int r = find_pci(d, key, function);

	if (r == 0)
		r = first_entry(function, "virtio", device);
	if (r == 0)
		r = path_print(path, "%s/status", device);
	if (r < 0 || file_read(AT_FDCWD, path, DEVICE_PATH_MAX, &status, NULL, NULL) < 0 ||
	    !(strtoul(status, NULL, 16) & VIRTIO_DRIVER_OK))
		return r < 0 ? r : -ENODEV;
	return path_print(ret, "%s", device);
}

static int find_mac(struct devices *d, const char *key, char ret[DEVICE_PATH_MAX])
{
	char at[DEVICE_PATH_MAX];
	int r = find_by_file(d, "class/net", "address", key, at);

	return r < 0 ? r : path_print(ret, "%s", strrchr(at, '/') + 1);
}

int device_find(struct devices *d, enum device_kind kind, const char *key,
		char ret[DEVICE_PATH_MAX], struct err *e)
{
	static int (*const finders[])(struct devices *, const char *, char[DEVICE_PATH_MAX]) = {
		[DEVICE_PORT] = find_port,     [DEVICE_BLOCK] = find_block,
		[DEVICE_DISK] = find_disk,     [DEVICE_NODE] = find_node,
		[DEVICE_NIC] = find_nic,       [DEVICE_MAC] = find_mac,
		[DEVICE_VIRTIO] = find_virtio,
	};
	TABLE_COVERS(finders, DEVICE_KIND_MAX);

	char path[DEVICE_PATH_MAX];
	int r = finders[kind](d, key, path);

	if (r == -ENODEV)
		return not_there(kind, key, e);
	if (r < 0)
		return err_say(e, EINVAL, "'%s' is not the place of a device", key);
	memcpy(ret, path, sizeof path);
	return 0;
}
