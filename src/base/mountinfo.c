#include "base/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/file.h"

#define MOUNTINFO_MAX_BYTES (64 << 20)

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* A blank, a tab, an end of line and a backslash are written as their numbers: "\040". */
static void unescape(char *word)
{
	char *out = word;

	for (const char *in = word; *in; out++) {
		if (in[0] == '\\' && is_octal(in[1]) && is_octal(in[2]) && is_octal(in[3])) {
			*out = (char) ((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
			in += 4;
		} else {
			*out = *in++;
		}
	}
	*out = '\0';
}

/* "36 35 98:0 /root /point options [more ...] - type source options" */
static int parse(char *text, struct mount_line *ret)
{
	char *dash = strstr(text, " - "), *save;
	struct mount_line line = {0};

	if (!dash)
		return -EBADMSG;
	*dash = '\0';
	line.type = strtok_r(dash + 3, " ", &save);

	int used = 0;
	const char *source = strtok_r(NULL, " ", &save);

	line.super = source ? strtok_r(NULL, " ", &save) : NULL;
	if (!line.super)
		line.super = dash; /* an empty string by now */
	if (!line.type || sscanf(text, "%d %d %u:%u %n", &line.id, &line.parent, &line.major,
				 &line.minor, &used) != 4)
		return -EBADMSG;
	line.root = strtok_r(text + used, " ", &save);
	line.point = strtok_r(NULL, " ", &save);
	if (!line.root || !line.point)
		return -EBADMSG;
	unescape(line.root);
	unescape(line.point);
	*ret = line;
	return 0;
}

int mountinfo_parse(char *take_text, struct mountinfo *ret, struct err *e)
{
	struct mountinfo m = {.text = take_text};
	size_t lines = 0;
	int r = 0;

	for (const char *c = m.text; *c; c++)
		lines += *c == '\n';
	m.lines = calloc(lines + 1, sizeof *m.lines);
	if (!m.lines)
		r = err_sys(e, ENOMEM, "read '/proc/self/mountinfo'");
	for (char *save, *line = strtok_r(m.text, "\n", &save); r == 0 && line;
	     line = strtok_r(NULL, "\n", &save)) {
		r = parse(line, &m.lines[m.n++]);
		if (r < 0)
			(void) err_say(e, -r, "'/proc/self/mountinfo' has a line of another form");
	}
	if (r < 0) {
		mountinfo_fini(&m);
		return r;
	}
	*ret = m;
	return 0;
}

int mountinfo_read(struct mountinfo *ret, struct err *e)
{
	char *text = NULL;
	int r = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX_BYTES, &text, NULL, e);

	return r < 0 ? r : mountinfo_parse(text, ret, e);
}

void mountinfo_fini(struct mountinfo *m)
{
	free(m->text);
	free(m->lines);
	*m = (struct mountinfo){0};
}

static const struct mount_line *find(const struct mountinfo *m, int id)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->lines[i].id == id)
			return &m->lines[i];
	return NULL;
}

const struct mount_line *mountinfo_of(const struct mountinfo *m, int fd)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &stx) < 0 ||
	    !(stx.stx_mask & STATX_MNT_ID))
		return NULL;
	return find(m, (int) stx.stx_mnt_id);
}

const struct mount_line *mountinfo_parent(const struct mountinfo *m, const struct mount_line *line)
{
	return line->parent == line->id ? NULL : find(m, line->parent);
}
