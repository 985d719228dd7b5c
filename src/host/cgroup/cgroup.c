#include "host/cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "host/cgroup/cgroup_priv.h"
#include "host/cgroup/systemd.h"

#define PROCS      "cgroup.procs"
#define MAKE_TRIES 10
#define SCOPE      ".scope"
/* How long systemd may take, which has other things to do while a host starts. */
#define UNIT_TIMEOUT_MS 30000

/* A relative name is below the caller's cgroup. In cgroup v2 it is beside it, because one that has
 * processes cannot hand controllers on. */
static char *folder_of(const struct hierarchy *h, const char *name)
{
	const char *slash = strrchr(h->own, '/');

	if (name[0] == '/')
		return str_printf("%s%s", h->top, name);
	if (h->unified && strcmp(h->own, h->top) != 0)
		return str_printf("%.*s/%s", (int) (slash - h->own), h->own, name);
	return str_printf("%s/%s", h->own, name);
}

static int plan(struct host_cgroup *g, const char *name, struct err *e)
{
	__attribute__((cleanup(mountinfo_fini))) struct mountinfo mounts = {0};
	auto_free char *own = NULL;
	int r = mountinfo_read(&mounts, e);

	if (r == 0)
		r = file_read(AT_FDCWD, "/proc/self/cgroup", CGROUP_FILE_MAX_BYTES, &own, NULL, e);
	if (r == 0)
		r = hierarchies_find(&mounts, own, &g->hierarchies, e);
	g->name = strdup(name);
	for (size_t i = 0; r == 0 && g->name && i < g->hierarchies.n; i++) {
		struct host_place *p = &g->places[i];

		p->folder = folder_of(&g->hierarchies.list[i], name);
		if (!p->folder)
			break;
		/* Noted before it is made, so that a server that is killed in between leaves a note
		 * of it. */
		p->made = access(p->folder, F_OK) < 0 && errno == ENOENT;
	}
	if (r == 0 && (!g->name || (g->hierarchies.n && !g->places[g->hierarchies.n - 1].folder)))
		r = err_sys(e, ENOMEM, "find the host's cgroups");
	return r;
}

/* The last words of the path: its slice and its unit. Nothing is asked of a slice, because it is
 * its own user's. */
static int plan_unit(struct host_cgroup *g, struct err *e)
{
	const char *unit = strrchr(g->name, '/'), *slice = unit;
	size_t bytes = unit ? strlen(unit) : 0;

	if (!unit || bytes < sizeof SCOPE || strcmp(unit + bytes - strlen(SCOPE), SCOPE) != 0 ||
	    !systemd_is_there())
		return 0;
	while (slice > g->name && slice[-1] != '/')
		slice--;
	g->unit = strdup(unit + 1);
	g->slice = slice == unit ? strdup("-.slice") : strndup(slice, (size_t) (unit - slice));
	return g->unit && g->slice ? 0 : err_sys(e, ENOMEM, "find the host's cgroups");
}

int host_cgroup_plan(const char *name, bool is_unit, struct host_cgroup **ret, struct err *e)
{
	auto_ptr(host_cgroup_free) struct host_cgroup *g = calloc(1, sizeof *g);
	int r = g ? 0 : err_sys(e, ENOMEM, "find the host's cgroups");

	if (r == 0) {
		g->keeper = CHILD_NONE;
		r = plan(g, name, e);
	}
	if (r == 0 && is_unit)
		r = plan_unit(g, e);

	if (r == 0)
		*ret = take_ptr(g);
	return r;
}

void host_cgroup_free(struct host_cgroup *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < HIERARCHIES_MAX; i++)
		free(g->places[i].folder);
	hierarchies_fini(&g->hierarchies);
	child_kill(&g->keeper);
	free(g->unit);
	free(g->slice);
	free(g->name);
	free(g);
}

/* Hands the controllers of a folder on to those below. What cannot be handed on is missed where a
 * limit is set, which is a failure with its name. */
static void hand_on(const char *folder)
{
	auto_free char *has = NULL;
	auto_free char *path = str_printf("%s/cgroup.controllers", folder);
	auto_free char *to = str_printf("%s/cgroup.subtree_control", folder);

	if (!path || !to || file_read(AT_FDCWD, path, CGROUP_FILE_MAX_BYTES, &has, NULL, NULL) < 0)
		return;
	for (char *save, *word = strtok_r(has, " \n", &save); word;
	     word = strtok_r(NULL, " \n", &save)) {
		auto_free char *plus = str_printf("+%s", word);

		if (plus)
			(void) file_write(AT_FDCWD, to, plus, NULL);
	}
}

/* A new cgroup of the cpuset controller of v1 has no CPUs and no memory, and takes no process. */
static int inherit_cpuset(const char *folder, const char *file, struct err *e)
{
	auto_free char *path = str_printf("%s/%s", folder, file);
	auto_free char *above = str_printf("%s/../%s", folder, file);
	auto_free char *text = NULL;
	auto_free char *has = NULL;

	if (!path || !above)
		return err_sys(e, ENOMEM, "make the cgroup '%s'", folder);

	int r = file_read(AT_FDCWD, path, CGROUP_FILE_MAX_BYTES, &has, NULL, e);

	if (r < 0 || has[strspn(has, "\n")])
		return r;
	r = file_read(AT_FDCWD, above, CGROUP_FILE_MAX_BYTES, &text, NULL, e);
	return r < 0 ? r : file_write(AT_FDCWD, path, text, e);
}

/* Makes one folder of the way to a cgroup. @above is what hands controllers on to it. */
static int make_one(const struct hierarchy *h, const char *above, const char *folder,
		    bool *ret_made, struct err *e)
{
	int r = 0;

	if (h->unified)
		hand_on(above);
	*ret_made = mkdir(folder, 0755) == 0;
	if (!*ret_made && errno != EEXIST)
		return err_sys(e, errno, "make the cgroup '%s'", folder);
	if (!h->unified && hierarchy_word(h->controllers, "cpuset")) {
		r = inherit_cpuset(folder, "cpuset.cpus", e);
		if (r == 0)
			r = inherit_cpuset(folder, "cpuset.mems", e);
	}
	return r;
}

static int make(const struct hierarchy *h, struct host_place *p, struct err *e)
{
	auto_free char *way = strdup(p->folder);
	auto_free char *above = strdup(h->top);
	size_t top = strlen(h->top);
	bool made = false;
	int r = way && above ? 0 : err_sys(e, ENOMEM, "make the cgroup '%s'", p->folder);

	for (size_t at = top + 1; r == 0 && at <= strlen(p->folder); at++) {
		if (p->folder[at] && p->folder[at] != '/')
			continue;
		way[at] = '\0';
		r = make_one(h, above, way, &made, e);
		free(above);
		above = strdup(way);
		if (r == 0 && !above)
			r = err_sys(e, ENOMEM, "make the cgroup '%s'", p->folder);
		way[at] = p->folder[at];
	}
	p->made = made;
	return r;
}

/* A folder on the way may be removed while this walks through it: that of all overheads, whenever
 * it is empty. */
static int make_again(const struct hierarchy *h, struct host_place *p, struct err *e)
{
	int r = -ENOENT;

	for (int i = 0; r == -ENOENT && i < MAKE_TRIES; i++) {
		err_clear(e);
		r = make(h, p, e);
	}
	return r;
}

/* What systemd has made of a scope of ours is ours to remove, too. */
static int make_place(struct host_cgroup *g, size_t i, struct err *e)
{
	struct host_place *p = &g->places[i];
	bool was_missing = p->made;
	int r = make_again(&g->hierarchies.list[i], p, e);

	p->made |= g->has_unit && was_missing;
	return r;
}

/* systemd makes the scope with a process in it, of the hierarchies that it knows: who keeps it,
 * or this one. */
static int make_unit(struct host_cgroup *g, struct err *e)
{
	pid_t first = g->keeper.pid ? g->keeper.pid : getpid();
	int r = systemd_scope_start(g->unit, g->slice, first, clock_deadline(UNIT_TIMEOUT_MS), e);

	g->has_unit = r == 0;
	return r;
}

int host_cgroup_make(struct host_cgroup *g, struct err *e)
{
	int r = g->unit ? make_unit(g, e) : 0;

	for (size_t i = 0; i < g->hierarchies.n; i++)
		if (r < 0)
			g->places[i].made = false; /* it was not tried */
		else
			r = make_place(g, i, e);
	g->kills_before = host_cgroup_oom_kills(g);
	return r;
}

static int write_to(const char *folder, const char *file, long number, struct err *e)
{
	auto_free char *path = str_printf("%s/%s", folder, file);
	char text[24];

	(void) snprintf(text, sizeof text, "%ld", number);
	return path ? file_write(AT_FDCWD, path, text, e) : err_sys(e, ENOMEM, "join a cgroup");
}

static int write_to_all(const struct host_cgroup *g, const char *file, long number, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < g->hierarchies.n; i++)
		r = write_to(g->places[i].folder, file, number, e);
	return r;
}

/* The kernel takes 0 for the process that writes. */
int host_cgroup_join(const struct host_cgroup *g, struct err *e)
{
	return write_to_all(g, PROCS, 0, e);
}

int host_cgroup_add(const struct host_cgroup *g, pid_t pid, struct err *e)
{
	return write_to_all(g, PROCS, pid, e);
}

int host_cgroup_add_thread(const struct host_cgroup *g, pid_t tid, struct err *e)
{
	return write_to_all(g, "tasks", tid, e);
}

/* Returns a descriptor or -errno. */
static int open_procs(const char *folder, struct err *e)
{
	auto_free char *path = str_printf("%s/" PROCS, folder);
	int fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;

	return fd < 0 ? err_sys(e, path ? errno : ENOMEM, "open '%s/" PROCS "'", folder) : fd;
}

/* @open_one: for one hierarchy, as open_procs(). */
static int open_all(const struct host_cgroup *g,
		    int (*open_one)(const struct host_cgroup *g, size_t i, struct err *e),
		    int *ret_fds, size_t max, size_t *ret_n, struct err *e)
{
	size_t n = 0;
	int r = 0;

	for (; r >= 0 && n < g->hierarchies.n && n < max; n++)
		r = ret_fds[n] = open_one(g, n, e);
	for (size_t i = 0; r < 0 && i < n; i++)
		fd_close(ret_fds[i]);
	if (r < 0)
		return r;
	*ret_n = n;
	return 0;
}

static int open_own(const struct host_cgroup *g, size_t i, struct err *e)
{
	return open_procs(g->places[i].folder, e);
}

int host_cgroup_open(const struct host_cgroup *g, int *ret_fds, size_t max, size_t *ret_n,
		     struct err *e)
{
	return open_all(g, open_own, ret_fds, max, ret_n, e);
}

static int open_former(const struct host_cgroup *g, size_t i, struct err *e)
{
	int fd = open_procs(g->hierarchies.list[i].own, NULL);

	return fd >= 0 ? fd : open_procs(g->hierarchies.list[i].top, e);
}

int host_cgroup_open_former(const struct host_cgroup *g, int *ret_fds, size_t max, size_t *ret_n,
			    struct err *e)
{
	return open_all(g, open_former, ret_fds, max, ret_n, e);
}

int host_cgroup_leave(const struct host_cgroup *g, pid_t pid, struct err *e)
{
	int worst = 0;

	for (size_t i = 0; i < g->hierarchies.n; i++) {
		const struct hierarchy *h = &g->hierarchies.list[i];
		struct err why = {0};
		int r = write_to(h->own, PROCS, pid, &why);

		if (r < 0 && write_to(h->top, PROCS, pid, NULL) < 0 && worst == 0) {
			worst = r;
			if (e)
				*e = why;
		}
	}
	return worst;
}
