#include "host/cli/join.h"

#include <dirent.h>
#include <errno.h>

#include "base/auto.h"
#include "base/proc_stat.h"
#include "host/state/shared_server.h"
#include "host/state/wanted_namespaces.h"

static bool has_one_of(const struct record *record, const struct wanted_namespaces *w)
{
	return record->pid > 0 && proc_start_time(record->pid) == record->pid_start &&
	       wanted_namespaces_has(w, record->pid);
}

/* @dir is kept in *@ret if the container has one of the namespaces. */
static int consider(struct state_dir *dir, const struct wanted_namespaces *w, struct state_dir *ret,
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

static int look_through(DIR *all, const char *root, const struct wanted_namespaces *w,
			struct state_dir *ret, struct err *e)
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
	const struct wanted_namespaces w = wanted_namespaces_of(spec);
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
