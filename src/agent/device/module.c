#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/device/devices.h"
#include "base/file.h"
#include "base/log.h"

/*
 * The guest image brings a list, one line a module: its name, its file ("-" when the kernel has it
 * built in), and the names of all modules to load before it, in order. The list is read when the
 * first module is asked for.
 *
 * That list has what the agent asks for. What else the kernel has built in, and a configuration may
 * ask for by kernel_modules, is in a list of its own, which is read for a module that is not in the
 * first one.
 */

#define MODULE_LIST_BYTES (256U << 10)

struct module {
	char *name;
	char *path;
	char *needs; /* names, separated by blanks; "" for none */
	bool loaded;
};

static int parse_line(struct module *ret, char *line)
{
	char *rest = line;

	*ret = (struct module){.name = strsep(&rest, " "), .path = strsep(&rest, " ")};
	ret->needs = rest ? rest : ret->name + strlen(ret->name);
	return ret->path && *ret->name ? 0 : -EINVAL;
}

static int read_list(struct module_list *l, const char *path, struct err *e)
{
	int r = file_read(AT_FDCWD, path, MODULE_LIST_BYTES, &l->text, NULL, e);
	size_t lines = 0;

	if (r < 0)
		return r;
	for (const char *p = l->text; (p = strchr(p, '\n')); p++)
		lines++;
	l->modules = calloc(lines ? lines : 1, sizeof l->modules[0]);
	if (!l->modules)
		return err_sys(e, ENOMEM, "read '%s'", path);

	char *rest = l->text, *line;

	l->n = 0;
	while (l->n < lines && (line = strsep(&rest, "\n"))) {
		r = parse_line(&l->modules[l->n], line);
		if (r < 0)
			return err_say(e, -r, "'%s', line %zu: no name or no file", path, l->n + 1);
		l->n++;
	}
	return 0;
}

void module_list_fini(struct module_list *l)
{
	free(l->modules);
	free(l->text);
	*l = (struct module_list){0};
}

static bool is_named(const char *have, const char *name, size_t bytes)
{
	size_t k = 0;

	while (k < bytes && have[k] && have[k] == (name[k] == '-' ? '_' : name[k]))
		k++;
	return k == bytes && !have[k];
}

static struct module *find(struct module_list *l, const char *name, size_t bytes)
{
	for (size_t i = 0; i < l->n; i++)
		if (is_named(l->modules[i].name, name, bytes))
			return &l->modules[i];
	return NULL;
}

static bool is_built_in(const struct module *m)
{
	return strcmp(m->path, "-") == 0;
}

/* Whether @name is on the image's list of what the kernel has built in. */
static bool kernel_has(const struct devices *d, const char *name)
{
	auto_free char *text = NULL;

	if (!*name ||
	    file_read(AT_FDCWD, d->places.built_in, MODULE_LIST_BYTES, &text, NULL, NULL) < 0)
		return false;
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
		if (is_named(line, name, strlen(name)))
			return true;
	return false;
}

static int load_one(struct module *m, const char *parameters, struct err *e)
{
	if (m->loaded || is_built_in(m))
		return 0;

	auto_close int fd = open(m->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", m->path);
	if (syscall(SYS_finit_module, fd, parameters ? parameters : "", 0) < 0 && errno != EEXIST)
		return err_sys(e, errno, "load module '%s'", m->name);
	m->loaded = true;
	return 0;
}

/* Stands for all that the kernel has built in and the first list does not have. */
static struct module in_kernel = {.name = "", .path = "-", .needs = ""};

/* Returns 0, -ENOENT when this guest has no such module, or -errno. */
static int look_up(struct devices *d, const char *name, struct module **ret, struct err *e)
{
	struct module_list *l = &d->modules;

	if (!l->modules) {
		int r = read_list(l, d->places.modules, e);

		if (r < 0) {
			module_list_fini(l);
			return r;
		}
	}

	struct module *m = find(l, name, strlen(name));

	if (!m && kernel_has(d, name))
		m = &in_kernel;
	if (!m)
		return err_say(e, ENOENT, "this guest has no module '%s'", name);
	*ret = m;
	return 0;
}

static int load(struct module_list *l, struct module *m, const char *parameters, struct err *e)
{
	if (m->loaded)
		return 0;
	for (const char *p = m->needs; *p;) {
		size_t bytes = strcspn(p, " ");
		struct module *before = find(l, p, bytes);

		/* If @m really needs the module that failed, @m does not load either. */
		if (before)
			(void) load_one(before, NULL, NULL);
		p += bytes;
		p += strspn(p, " ");
	}
	return load_one(m, parameters, e);
}

int module_load(struct devices *d, const char *name, const char *parameters, struct err *e)
{
	struct module *m = NULL;
	int r = look_up(d, name, &m, e);

	if (!m)
		return r;
	if (is_built_in(m) && parameters && *parameters)
		log_warn(
			"ignoring the parameters of module '%s': it is built in, and kernel_params takes '%s.NAME=VALUE'",
			name, name);
	return load(&d->modules, m, parameters, e);
}

int module_load_if_any(struct devices *d, const char *name, struct err *e)
{
	struct module *m = NULL;
	struct err cause = {0};
	int r = look_up(d, name, &m, &cause);

	if (m)
		return load(&d->modules, m, NULL, e);
	if (r == -ENOENT)
		return 0;
	if (e)
		*e = cause;
	return r;
}

bool module_exists(struct devices *d, const char *name)
{
	struct module *m = NULL;

	return look_up(d, name, &m, NULL) == 0;
}

static bool folder_has(const char *path, const char *prefix)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool has = false;

	while (dir && !has && (entry = readdir(dir)))
		has = entry->d_name[0] != '.' &&
		      strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	if (dir)
		(void) closedir(dir);
	return has;
}

int module_load_virtio(struct devices *d, struct err *e)
{
	static const struct {
		const char *folder;
		const char *prefix;
		const char *module;
	} buses[] = {
		{"bus/pci/devices", "", "virtio_pci"},
		/* The ACPI id of a virtio-mmio device, and how a device tree names one. */
		{"bus/acpi/devices", "LNRO0005", "virtio_mmio"},
		{"firmware/devicetree/base", "virtio_mmio@", "virtio_mmio"},
	};

	for (size_t i = 0; i < ARRAY_LEN(buses); i++) {
		char folder[DEVICE_PATH_MAX];

		(void) snprintf(folder, sizeof folder, "%s/%s", d->places.sys, buses[i].folder);
		if (!folder_has(folder, buses[i].prefix))
			continue;

		int r = module_load_if_any(d, buses[i].module, e);

		if (r < 0)
			return r;
	}
	return 0;
}
