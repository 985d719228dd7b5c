/* Volumes in the guest's own memory: "ephemeral" and "local". */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/storage/driver.h"
#include "base/file.h"
#include "oci/names.h"

#define OPTION_VALUE_MAX 64

/* The value of "name=..." in @words, or NULL. */
static const char *option_value(char *const *words, size_t n, const char *name)
{
	size_t bytes = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (strncmp(words[i], name, bytes) == 0 && words[i][bytes] == '=')
			return words[i] + bytes + 1;
	return NULL;
}

static int parse_gid(const char *text, gid_t *ret, struct err *e)
{
	uint64_t n;

	if (num_parse_u64(text, &n) < 0 || n >= UINT32_MAX)
		return err_say(e, EINVAL, "'%s' is no group", text);
	*ret = (gid_t) n;
	return 0;
}

/* "fsgid=N": the folder belongs to that group, and so will what is made in it. */
static int apply_fsgid(const struct storage_task *t, struct err *e)
{
	const Grpc__Storage *s = t->storage;
	const char *text = option_value(s->options, s->n_options, "fsgid");
	char path[PLACE_FD_PATH_BYTES];
	struct stat st;
	gid_t gid = 0;
	int r = text ? parse_gid(text, &gid, e) : 0;

	if (r < 0 || !text)
		return r;

	auto_close int fd =
		place_make(t->run_fd, t->config->run_dir, s->mount_point, PLACE_FOLDER, e);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || chown(place_fd_path(fd, path), (uid_t) -1, gid) < 0 ||
	    chmod(path, (st.st_mode & 07777) | S_ISGID | 0060) < 0)
		return err_sys(e, errno, "give '%s' to group %u", s->mount_point, gid);
	return 0;
}

/* A number of bytes as the kernel writes it in mount options: "2M", "1073741824". */
static int parse_bytes(const char *text, uint64_t *ret)
{
	char digits[OPTION_VALUE_MAX];
	size_t n = strspn(text, "0123456789");
	uint64_t value;
	unsigned shift = 0;

	if (n == 0 || n >= sizeof digits)
		return -EINVAL;
	memcpy(digits, text, n);
	digits[n] = '\0';
	switch (text[n] | 0x20) {
	case 'k':
		shift = 10;
		break;
	case 'm':
		shift = 20;
		break;
	case 'g':
		shift = 30;
		break;
	case 0x20:
		break;
	default:
		return -EINVAL;
	}
	/* "2Mi" is what Kubernetes says for it. */
	if (shift && strcmp(text + n + 1, "") != 0 && strcmp(text + n + 1, "i") != 0)
		return -EINVAL;
	if (num_parse_u64(digits, &value) < 0 || value == 0 || value > UINT64_MAX >> shift)
		return -EINVAL;
	*ret = value << shift;
	return 0;
}

/* Huge pages are taken from the guest's memory when a volume of them is made. */
static int reserve_huge_pages(const Grpc__Storage *s, struct err *e)
{
	const char *page_text = option_value(s->options, s->n_options, "pagesize");
	const char *size_text = option_value(s->options, s->n_options, "size");
	uint64_t page, size, have;

	if (!page_text || !size_text || parse_bytes(page_text, &page) < 0 ||
	    parse_bytes(size_text, &size) < 0 || page < 1024 || size < page)
		return err_say(e, EINVAL,
			       "storage '%s' needs the options pagesize=BYTES and size=BYTES",
			       s->mount_point);

	auto_free char *file = str_printf(
		"/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages", page >> 10);
	auto_free char *text = NULL;

	if (!file)
		return err_sys(e, ENOMEM, "reserve huge pages");

	int r = file_read(AT_FDCWD, file, OPTION_VALUE_MAX, &text, NULL, e);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (num_parse_u64(text, &have) < 0)
		return err_say(e, EIO, "'%s' is not a number", file);

	auto_free char *want = str_printf("%" PRIu64, have + size / page);

	return want ? file_write(AT_FDCWD, file, want, e)
		    : err_sys(e, ENOMEM, "reserve huge pages");
}

static const char *const ephemeral_ours[] = {"fsgid=", NULL};

int driver_mount_ephemeral(const struct storage_task *t, struct err *e)
{
	const char *fstype = t->storage->fstype;
	int r = 0;

	if (strcmp(fstype, "hugetlbfs") == 0)
		r = reserve_huge_pages(t->storage, e);
	else if (*fstype && strcmp(fstype, "tmpfs") != 0)
		r = err_say(e, EINVAL, "storage '%s' cannot be of type '%s'",
			    t->storage->mount_point, fstype);
	if (r == 0)
		r = driver_mount(t, *fstype ? fstype : "tmpfs", ephemeral_ours, e);
	if (r < 0)
		return r;
	r = apply_fsgid(t, e);
	if (r < 0)
		(void) driver_unmount(t->config, t->run_fd, t->storage->mount_point, NULL);
	return r;
}

/* A folder on the guest's own file system. */
int driver_make_local(const struct storage_task *t, struct err *e)
{
	const Grpc__Storage *s = t->storage;
	const char *text = option_value(s->options, s->n_options, "mode");
	char path[PLACE_FD_PATH_BYTES];
	unsigned long mode = 0755;
	char *end = NULL;

	if (text)
		mode = strtoul(text, &end, 8);
	if (mode > 07777 || (end && (*end || end == text)))
		return err_say(e, EINVAL, "storage '%s' cannot have the mode '%s'", s->mount_point,
			       text);

	auto_close int fd =
		place_make(t->run_fd, t->config->run_dir, s->mount_point, PLACE_FOLDER, e);

	if (fd < 0)
		return fd;
	if (chmod(place_fd_path(fd, path), (mode_t) mode) < 0)
		return err_sys(e, errno, "set the mode of '%s'", s->mount_point);
	return apply_fsgid(t, e);
}

int driver_remount(const struct storages_config *config, int run_fd, const Grpc__Storage *storage,
		   struct err *e)
{
	auto_close int place =
		place_make(run_fd, config->run_dir, storage->mount_point, PLACE_FOLDER, e);
	struct oci_mount_options o = {0};
	auto_free char **words = NULL;
	char path[PLACE_FD_PATH_BYTES];
	size_t n = 0;

	if (place < 0)
		return place;

	int r = driver_options(storage, ephemeral_ours, &words, &n, e);

	if (r == 0)
		r = oci_mount_options_parse(words, n, &o, e);
	if (r == 0 &&
	    mount(NULL, place_fd_path(place, path), NULL, MS_REMOUNT | o.flags, o.data) < 0)
		r = err_sys(e, errno, "change storage '%s'", storage->mount_point);
	oci_mount_options_fini(&o);
	return r;
}
