#include "host/storage/root_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/child.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"

#define OPTION_FS   "X-containerd.mkfs.fs="
#define OPTION_SIZE "X-containerd.mkfs.size="

/* It writes some MB, however large the image is. */
#define MKFS_TIMEOUT_MS 120000
#define OUTPUT_BYTES    512

struct wish {
	const char *fstype;
	uint64_t bytes;
};

bool root_image_knows(const char *option)
{
	return strncmp(option, OPTION_FS, strlen(OPTION_FS)) == 0 ||
	       strncmp(option, OPTION_SIZE, strlen(OPTION_SIZE)) == 0;
}

static int read_wish(char *const *options, size_t n, struct wish *w, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const char *o = options[i];

		if (strncmp(o, OPTION_FS, strlen(OPTION_FS)) == 0) {
			w->fstype = o + strlen(OPTION_FS);
		} else if (strncmp(o, OPTION_SIZE, strlen(OPTION_SIZE)) == 0) {
			char *end = NULL;

			errno = 0;
			w->bytes = strtoull(o + strlen(OPTION_SIZE), &end, 10);
			if (*end || errno || w->bytes > INT64_MAX)
				return err_say(e, EINVAL, "option '%s' is no size in bytes", o);
		}
	}
	if (strcmp(w->fstype, "ext4") != 0)
		return err_say(e, ENOTSUP, "an image with '%s' is not made, only ext4", w->fstype);
	if (w->bytes == 0)
		return err_say(e, EINVAL, "option '" OPTION_SIZE "' is missing");
	return 0;
}

static int run_mkfs(const char *path, struct err *e)
{
	auto_close int output = fd_memory("output", "", 0);
	auto_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const char *const argv[] = {"mkfs.ext4", "-q", "-F", "--", path, NULL};
	const struct child_fd fds[] = {{null, 0}, {output, 1}, {output, 2}};
	const struct child_spec spec = {
		.path = argv[0], .argv = argv, .fds = fds, .n_fds = 3, .die_with_parent = true};
	struct child child = CHILD_NONE;
	char said[OUTPUT_BYTES];
	int status = 0;

	if (output < 0 || null < 0)
		return err_sys(e, errno, "prepare for mkfs.ext4");

	int r = child_start(&spec, &child, e);

	if (r == 0)
		r = child_wait(&child, clock_deadline(MKFS_TIMEOUT_MS), &status, e);
	child_kill(&child);
	if (r < 0 || status == 0)
		return r;

	ssize_t n = pread(output, said, sizeof said / 4, 0);
	char words[OUTPUT_BYTES];

	(void) text_printable(said, n > 0 ? (size_t) n : 0, words, sizeof words);
	return err_say(e, EIO, "mkfs.ext4 ends with %d: %s", child_exit_code(status), words);
}

int root_image_make(const char *path, const char *fstype, char *const *options, size_t n_options,
		    struct err *e)
{
	struct wish w = {.fstype = fstype};
	int r = read_wish(options, n_options, &w, e);

	if (r < 0)
		return r;

	if (access(path, F_OK) == 0)
		return 0;
	/* It gets its name when it is complete, because one that is there is used as it is. */
	auto_free char *unnamed = str_printf("%s.new", path);
	auto_close int fd =
		unnamed ? open(unnamed, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

	if (fd < 0)
		return err_sys(e, unnamed ? errno : ENOMEM, "make image '%s'", path);
	r = ftruncate(fd, (off_t) w.bytes) < 0 ? err_sys(e, errno, "size it")
					       : run_mkfs(unnamed, e);
	if (r == 0 && rename(unnamed, path) < 0)
		r = err_sys(e, errno, "name it");
	if (r < 0)
		(void) unlink(unnamed);
	return err_wrap(e, r, "make image '%s'", path);
}
