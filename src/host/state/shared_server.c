#include "host/state/shared_server.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "host/state/names.h"

#define NOTES_MAX_BYTES (64 << 10)

/* Whoever cleans up finds the server and its helpers by the notes, and by these two the container
 * whose hooks are to be run. */
static int copy_notes(const struct state_dir *dir, const struct state_dir *of, const char *bundle,
		      struct err *e)
{
	auto_free char *text = NULL, *copy = NULL;
	int r = file_read(of->fd, STATE_NOTES, NOTES_MAX_BYTES, &text, NULL, e);

	if (r < 0)
		return r;

	json_t *notes = json_loads(text, 0, NULL);

	if (!json_is_object(notes))
		r = err_say(e, EBADMSG, "'%s/" STATE_NOTES "' is not JSON", of->path);
	if (r == 0 && (json_object_set_new(notes, "id", json_string(dir->id)) < 0 ||
		       json_object_set_new(notes, "bundle", json_string(bundle)) < 0 ||
		       !(copy = json_dumps(notes, JSON_INDENT(1)))))
		r = err_sys(e, ENOMEM, "note container '%s'", dir->id);
	json_decref(notes);
	return r < 0 ? r : file_replace(dir->fd, STATE_NOTES, copy, strlen(copy), 0600, e);
}

int shared_server_link(const struct state_dir *dir, const struct state_dir *of, const char *bundle,
		       struct err *e)
{
	int r = copy_notes(dir, of, bundle, e);

	if (r == 0 && linkat(of->fd, STATE_SOCKET, dir->fd, STATE_SOCKET, 0) < 0)
		r = err_sys(e, errno, "link '%s/" STATE_SOCKET "'", of->path);
	return err_wrap(e, r, "join the machine of container '%s'", of->id);
}

static bool look(const struct state_dir *dir, struct stat *ret)
{
	return fstatat(dir->fd, STATE_SOCKET, ret, AT_SYMLINK_NOFOLLOW) == 0;
}

bool shared_server_has_others(const struct state_dir *dir)
{
	struct stat st;

	return look(dir, &st) && st.st_nlink > 1;
}

bool shared_server_same(const struct state_dir *a, const struct state_dir *b)
{
	struct stat one, other;

	return look(a, &one) && look(b, &other) && file_is_same(&one, &other);
}
