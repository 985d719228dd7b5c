#include "host/cgroup/hierarchy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/file.h"

/* Where every distribution mounts them. A hierarchy that is mounted only elsewhere, in the tree of
 * some container, is not this host's to use. */
#define CGROUPS_DIR "/sys/fs/cgroup"

bool hierarchy_word(const char *list, const char *word)
{
	size_t bytes = strlen(word);

	for (const char *at = list; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (strncmp(at, word, bytes) == 0 && (at[bytes] == ',' || !at[bytes]))
			return true;
	return false;
}

/* The part of @path below @folder; NULL: it is not there. */
static const char *below(const char *path, const char *folder)
{
	size_t bytes = strcmp(folder, "/") == 0 ? 0 : strlen(folder);

	if (strncmp(path, folder, bytes) != 0 || (path[bytes] != '/' && path[bytes]))
		return NULL;
	return path + bytes;
}

/* The mount that is seen there, which is the last one. */
static const struct mount_line *mount_of(const struct mountinfo *mounts, const char *controllers)
{
	const struct mount_line *found = NULL;
	auto_free char *first = strdup(controllers);

	if (!first)
		return NULL;
	first[strcspn(first, ",")] = '\0';
	for (size_t i = 0; i < mounts->n; i++) {
		const struct mount_line *m = &mounts->lines[i];

		if (below(m->point, CGROUPS_DIR) &&
		    (first[0] ? strcmp(m->type, "cgroup") == 0 && hierarchy_word(m->super, first)
			      : strcmp(m->type, "cgroup2") == 0))
			found = m;
	}
	return found;
}

/* "4:memory:/path", as @line. A path that leads out of what is mounted ("/.." in a namespace of
 * cgroups that this process was moved out of) counts as the top. */
static int add(struct hierarchies *h, const struct mountinfo *mounts, char *line, struct err *e)
{
	char *controllers = strchr(line, ':');
	char *path = controllers ? strchr(controllers + 1, ':') : NULL;

	if (!path)
		return err_say(e, EBADMSG, "'/proc/self/cgroup' has a line of another form");
	*path++ = '\0';
	controllers++;

	const struct mount_line *m = mount_of(mounts, controllers);

	if (!m)
		return 0;
	if (h->n == HIERARCHIES_MAX)
		return err_say(e, E2BIG, "the host has more than %d hierarchies of cgroups",
			       HIERARCHIES_MAX);

	const char *rest = below(path, m->root);
	struct hierarchy *new = &h->list[h->n++];

	if (!rest || strcmp(rest, "/") == 0 || strncmp(rest, "/..", 3) == 0)
		rest = "";
	new->unified = !controllers[0];
	new->controllers = strdup(controllers);
	new->top = strdup(m->point);
	new->own = str_printf("%s%s", m->point, rest);
	return new->controllers &&new->top &&new->own
		       ? 0
		       : err_sys(e, ENOMEM, "find the host's cgroups");
}

static void forget(struct hierarchy *h)
{
	free(h->controllers);
	free(h->top);
	free(h->own);
	*h = (struct hierarchy){0};
}

/* The hierarchy of v2 on a host where v1 has controllers. */
static void forget_hybrid(struct hierarchies *h)
{
	size_t unified = h->n;
	bool v1 = false;

	for (size_t i = 0; i < h->n; i++)
		if (h->list[i].unified)
			unified = i;
		else if (strncmp(h->list[i].controllers, "name=", 5) != 0)
			v1 = true;
	if (unified == h->n || !v1)
		return;
	forget(&h->list[unified]);
	h->list[unified] = h->list[--h->n];
	h->list[h->n] = (struct hierarchy){0};
}

int hierarchies_find(const struct mountinfo *mounts, const char *own, struct hierarchies *ret,
		     struct err *e)
{
	auto_free char *text = strdup(own);
	int r = text ? 0 : err_sys(e, ENOMEM, "find the host's cgroups");

	*ret = (struct hierarchies){0};
	for (char *save, *line = r < 0 ? NULL : strtok_r(text, "\n", &save); r == 0 && line;
	     line = strtok_r(NULL, "\n", &save))
		r = add(ret, mounts, line, e);
	if (r == 0)
		forget_hybrid(ret);
	return r;
}

void hierarchies_fini(struct hierarchies *h)
{
	for (size_t i = 0; i < h->n; i++)
		forget(&h->list[i]);
	h->n = 0;
}
