#include "host/cli/join.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/proc_stat.h"
#include "host/state/shared_server.h"
#include "oci/names.h"

/* The namespaces that a container can share with another; of others the server says what is wrong
 * with the path. */
static const int shared_types[] = {CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWPID, CLONE_NEWNET,
				   CLONE_NEWUSER};

#define SHARED_TYPES ARRAY_LEN(shared_types)

/* By the type's place above; zeroes, which are no namespace's, where the spec names none. */
struct wanted {
	struct stat ns[SHARED_TYPES];
	size_t n;
};

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The namespace of a process; zeroes if there is none. */
static struct stat ns_of(const char *pid, int type)
{
	struct stat st = {0};
	char path[64];

	(void) snprintf(path, sizeof path, "/proc/%s/ns/%s", pid, oci_namespace_file(type));
	if (stat(path, &st) < 0)
		st = (struct stat){0};
	return st;
}

/* What this process is in itself is the host's, which no container of ours has. */
static struct wanted wanted_of(const Grpc__Spec *spec)
{
	struct wanted w = {0};

	for (size_t i = 0; spec->linux && i < spec->linux->n_namespaces; i++) {
		const Grpc__LinuxNamespace *ns = spec->linux->namespaces[i];
		int type = oci_namespace_flag(ns->type);
		struct stat st;

		for (size_t k = 0; k < SHARED_TYPES; k++) {
			if (shared_types[k] != type || !ns->path || stat(ns->path, &st) < 0)
				continue;

			struct stat own = ns_of("self", type);

			if (is_same(&st, &own))
				continue;
			w.ns[k] = st;
			w.n++;
		}
	}
	return w;
}

static bool has_one_of(const struct record *record, const struct wanted *w)
{
	char pid[16];

	if (record->pid <= 0 || proc_start_time(record->pid) != record->pid_start)
		return false;
	(void) snprintf(pid, sizeof pid, "%d", record->pid);
	for (size_t k = 0; k < SHARED_TYPES; k++) {
		struct stat its = ns_of(pid, shared_types[k]);

		if (w->ns[k].st_ino && is_same(&w->ns[k], &its))
			return true;
	}
	return false;
}

/* @dir is kept in *@ret if the container has one of the namespaces. */
static int consider(struct state_dir *dir, const struct wanted *w, struct state_dir *ret,
		    struct err *e)
{
	auto_record struct record record = {0};

	/* One that is being made or removed has no record; nobody can name it yet or any more. */
	if (record_read(dir, &record, NULL) < 0 || !has_one_of(&record, w))
		return 0;
	if (ret->fd < 0) {
		*ret = *dir;
		*dir = STATE_DIR_NONE;
		return 0;
	}
	if (shared_server_same(dir, ret))
		return 0;
	return err_say(e, EINVAL,
		       "linux.namespaces: those of the containers '%s' and '%s' are in two "
		       "machines, and a container is in one",
		       ret->id, dir->id);
}

static int look_through(DIR *all, const char *root, const struct wanted *w, struct state_dir *ret,
			struct err *e)
{
	const struct dirent *entry;
	int r = 0;

	while (r == 0 && (entry = readdir(all))) {
		auto_state_dir struct state_dir dir = STATE_DIR_NONE;

		if (entry->d_name[0] != '.' && state_dir_open(root, entry->d_name, &dir, NULL) == 0)
			r = consider(&dir, w, ret, e);
	}
	return r;
}

int join_find(const struct cli *cli, const Grpc__Spec *spec, struct state_dir *ret, struct err *e)
{
	const struct wanted w = wanted_of(spec);
	auto_state_dir struct state_dir found = STATE_DIR_NONE;
	DIR *all = w.n ? opendir(cli->root) : NULL;

	if (!all)
		return !w.n || errno == ENOENT ? 0 : err_sys(e, errno, "open '%s'", cli->root);

	int r = look_through(all, cli->root, &w, &found, e);

	(void) closedir(all);
	if (r < 0 || found.fd < 0)
		return r;
	*ret = found;
	found = STATE_DIR_NONE;
	return 1;
}
