/* Finds and reads the files of the configuration. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "host/config/key.h"

#define DROPINS_MAX 128

static const char installed_path[] = PREFIX "/share/defaults/kata-containers/configuration.toml";

static const char *const default_paths[] = {
	"/etc/kata-containers/runtime-rs/configuration.toml",
	"/etc/kata-containers/configuration.toml",
	installed_path,
	"/usr/share/defaults/kata-containers/runtime-rs/configuration.toml",
	"/usr/share/defaults/kata-containers/configuration.toml",
	"/opt/kata/share/defaults/kata-containers/runtime-rs/configuration.toml",
	"/opt/kata/share/defaults/kata-containers/configuration.toml",
};

const char *config_default_path(unsigned i)
{
	return i < ARRAY_LEN(default_paths) ? default_paths[i] : NULL;
}

/* A program that runs from its build tree uses the configuration.toml beside it. Its folder has the
 * shim and that file, which the folder of an installed program does not have. */
static bool find_in_build_tree(char path[PATH_MAX])
{
	char exe[PATH_MAX], shim[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
	char *slash;

	if (n <= 0)
		return false;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return false;
	*slash = '\0';
	(void) snprintf(shim, sizeof shim, "%s/containerd-shim-kata-v2", exe);
	if (access(shim, X_OK) < 0)
		return false;
	n = snprintf(path, PATH_MAX, "%s/configuration.toml", exe);
	return n < PATH_MAX && access(path, F_OK) == 0;
}

static int not_found(struct err *e)
{
	char list[ERR_TEXT_MAX] = "";

	for (size_t i = 0; i < ARRAY_LEN(default_paths); i++)
		(void) snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s",
				i ? ", " : "", default_paths[i]);
	return err_say(e, ENOENT, "there is no configuration; looked for %s", list);
}

/* Finds the file to read. */
static int find(const char *explicit_path, char path[PATH_MAX], struct err *e)
{
	const char *wanted = explicit_path ? explicit_path : getenv("KATA_CONF_FILE");

	if (!wanted || !wanted[0]) {
		if (find_in_build_tree(path))
			return 0;
		for (size_t i = 0; i < ARRAY_LEN(default_paths) && !wanted; i++)
			if (access(default_paths[i], F_OK) == 0)
				wanted = default_paths[i];
	}
	if (!wanted || !wanted[0])
		return not_found(e);
	/* Links are followed first, so that config.d is looked for beside the file itself. */
	if (!realpath(wanted, path))
		return err_sys(e, errno, "find configuration '%s'", wanted);
	return 0;
}

static int read_document(const char *path, struct config_document *ret, struct err *e)
{
	auto_free char *text = NULL;
	size_t bytes;
	int r = file_read(AT_FDCWD, path, TOML_FILE_MAX_BYTES, &text, &bytes, e);

	if (r < 0)
		return r;
	ret->path = strdup(path);
	if (!ret->path)
		return err_sys(e, ENOMEM, "read '%s'", path);
	return toml_parse(path, text, bytes, &ret->toml, e);
}

static int is_dropin(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return entry->d_name[0] != '.' && n > 5 && strcmp(entry->d_name + n - 5, ".toml") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

struct documents {
	struct config_document *list;
	size_t n;
};

static void documents_fini(struct documents *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->list[i].path);
		toml_free(d->list[i].toml);
	}
	free(d->list);
}

/* Makes room for one more and reads into it. */
static int add_document(struct documents *d, const char *path, struct err *e)
{
	struct config_document *list = realloc(d->list, (d->n + 1) * sizeof *list);

	if (!list)
		return err_sys(e, ENOMEM, "read '%s'", path);
	d->list = list;
	list[d->n] = (struct config_document){0};
	d->n++;
	return read_document(path, &list[d->n - 1], e);
}

static int add_dropins(struct config *c, struct documents *d, struct err *e)
{
	auto_free char *folder =
		str_printf("%.*s/config.d", (int) (strrchr(c->path, '/') - c->path), c->path);
	struct dirent **entries = NULL;
	int r = 0;

	if (!folder)
		return err_sys(e, ENOMEM, "read config.d");

	int n = scandir(folder, &entries, is_dropin, by_name);

	if (n < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "read '%s'", folder);
	if (n > DROPINS_MAX)
		r = err_say(e, EFBIG, "more than %d files in '%s'", DROPINS_MAX, folder);
	for (int i = 0; i < n; i++) {
		auto_free char *path = str_printf("%s/%s", folder, entries[i]->d_name);

		free(entries[i]);
		if (r == 0 && (!path || list_add(&c->dropins, path) < 0))
			r = err_sys(e, ENOMEM, "read '%s'", folder);
		if (r == 0)
			r = add_document(d, path, e);
	}
	free(entries);
	return r;
}

/* Checks that need the complete configuration. */
static int check_whole(const struct config *c, struct err *e)
{
	const struct config_agent *a = &c->agent;

	if (a->reconnect_timeout_ms < a->dial_timeout_ms)
		return err_say(e, EINVAL,
			       "%s: agent.kata.reconnect_timeout_ms (%u) is less than "
			       "dial_timeout_ms (%u)",
			       config_origin(c, "agent.kata.reconnect_timeout_ms"),
			       a->reconnect_timeout_ms, a->dial_timeout_ms);
	return 0;
}

int config_load(const char *explicit_path, struct config **ret, struct err *e)
{
	auto_ptr(config_free) struct config *c = NULL;
	struct documents d = {0};
	char path[PATH_MAX];
	int r;

	if ((r = find(explicit_path, path, e)) < 0 || (r = config_new(&c, e)) < 0)
		return r;
	free(c->path);
	c->path = strdup(path);
	if (!c->path)
		return err_sys(e, ENOMEM, "read '%s'", path);
	r = add_document(&d, path, e);
	if (r == 0)
		r = add_dropins(c, &d, e);
	if (r == 0)
		r = config_apply_documents(c, d.list, d.n, e);
	if (r == 0)
		r = check_whole(c, e);
	documents_fini(&d);
	if (r == 0)
		*ret = take_ptr(c);
	return r;
}
