#include "host/storage/direct_volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"

#define MOUNT_INFO "mountInfo.json"

/* ---- where it is ---- */

/* RFC 4648, section 5. */
static char *base64url(const char *text, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char *out = calloc(1, (n + 2) / 3 * 4 + 1);

	for (size_t i = 0, at = 0; out && i < n; i += 3) {
		uint32_t bits = 0;

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (i + k < n ? (uint8_t) text[i + k] : 0U);
		for (size_t k = 0; k < 4; k++)
			out[at++] = i + k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=';
	}
	return out;
}

/* NULL: out of memory, or too long for a file's name. */
static char *name_of(const char *path)
{
	char *name = base64url(path, strlen(path));

	if (name && (!*name || strlen(name) > NAME_MAX)) {
		free(name);
		return NULL;
	}
	return name;
}

/* The folder, or a file in it. */
static char *place(const char *base, const char *path, const char *file)
{
	auto_free char *name = name_of(path);

	return name ? str_printf("%s/%s%s%s", base, name, *file ? "/" : "", file) : NULL;
}

char *direct_volume_guest_place(const char *path)
{
	return place("/run/kata-containers/sandbox/direct-volumes", path, "");
}

static int no_place(const char *path, struct err *e)
{
	return err_say(e, ENAMETOOLONG, "'%s' is too long for the path of a direct volume", path);
}

bool direct_volume_exists(const char *base, const char *path)
{
	auto_free char *file = place(base, path, MOUNT_INFO);

	return file && access(file, F_OK) == 0;
}

/* ---- what is said of it ---- */

void direct_volume_fini(struct direct_volume *v)
{
	for (size_t i = 0; i < v->n_options; i++)
		free(v->options[i]);
	free(v->options);
	free(v->device);
	free(v->fstype);
	*v = (struct direct_volume){0};
}

static int wrong(const char *key, const char *what, struct err *e)
{
	return err_say(e, EINVAL, "'%s' is not %s", key, what);
}

/* Upstream's runtimes in Go write "block", those in Rust "directvol". */
static int check_type(const json_t *doc, struct err *e)
{
	const char *type = json_string_value(json_object_get(doc, "volume-type"));

	if (!type)
		return wrong("volume-type", "a string", e);
	if (strcmp(type, "directvol") != 0 && strcmp(type, "block") != 0)
		return err_say(e, ENOTSUP,
			       "volume-type '%s' is not supported: 'directvol' or 'block' is",
			       type);
	return 0;
}

static int read_string(const json_t *doc, const char *key, char **ret, struct err *e)
{
	const char *text = json_string_value(json_object_get(doc, key));

	if (!text || !*text)
		return wrong(key, "a string", e);
	*ret = strdup(text);
	return *ret ? 0 : err_sys(e, ENOMEM, "read '%s'", key);
}

static int read_options(const json_t *doc, struct direct_volume *v, struct err *e)
{
	const json_t *list = json_object_get(doc, "options");
	size_t n = json_array_size(list);

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return wrong("options", "a list", e);
	v->options = calloc(n + 1, sizeof *v->options);
	if (!v->options)
		return err_sys(e, ENOMEM, "read 'options'");
	for (size_t i = 0; i < n; i++) {
		const char *word = json_string_value(json_array_get(list, i));

		if (!word)
			return wrong("options", "a list of strings", e);
		v->options[v->n_options] = strdup(word);
		if (!v->options[v->n_options++])
			return err_sys(e, ENOMEM, "read 'options'");
	}
	return 0;
}

/* Values are strings, numbers too. */
static int read_group(const json_t *doc, struct direct_volume *v, struct err *e)
{
	const json_t *metadata = json_object_get(doc, "metadata");
	const char *group = json_string_value(json_object_get(metadata, "fsGroup"));
	const char *policy = json_string_value(json_object_get(metadata, "fsGroupChangePolicy"));
	uint64_t gid = 0;

	if (!group)
		return 0;
	if (num_parse_u64(group, &gid) < 0 || gid >= UINT32_MAX)
		return wrong("metadata.fsGroup", "a group's number", e);
	if (policy && strcmp(policy, "Always") != 0 && strcmp(policy, "OnRootMismatch") != 0)
		return wrong("metadata.fsGroupChangePolicy", "'Always' or 'OnRootMismatch'", e);
	v->has_group = true;
	v->on_mismatch = policy && strcmp(policy, "OnRootMismatch") == 0;
	v->gid = (uint32_t) gid;
	return 0;
}

static int read_all(const json_t *doc, struct direct_volume *v, struct err *e)
{
	int r = check_type(doc, e);

	if (r == 0)
		r = read_string(doc, "device", &v->device, e);
	if (r == 0 && v->device[0] != '/')
		r = wrong("device", "an absolute path", e);
	if (r == 0)
		r = read_string(doc, "fstype", &v->fstype, e);
	if (r == 0)
		r = read_options(doc, v, e);
	return r < 0 ? r : read_group(doc, v, e);
}

int direct_volume_parse(const char *json, size_t bytes, struct direct_volume *ret, struct err *e)
{
	json_error_t why;
	json_t *doc = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, &why);
	int r;

	*ret = (struct direct_volume){0};
	if (!doc)
		return err_say(e, EINVAL, "a mount info is JSON: line %d: %s", why.line, why.text);
	r = json_is_object(doc) ? read_all(doc, ret, e) : wrong("mount info", "an object", e);
	json_decref(doc);
	if (r < 0)
		direct_volume_fini(ret);
	return r;
}

int direct_volume_read(const char *base, const char *path, struct direct_volume *ret, struct err *e)
{
	auto_free char *file = place(base, path, MOUNT_INFO);
	auto_free char *text = NULL;
	size_t bytes = 0;

	*ret = (struct direct_volume){0};
	if (!file)
		return no_place(path, e);

	int r = file_read(AT_FDCWD, file, DIRECT_VOLUME_MAX_BYTES, &text, &bytes, e);

	if (r == 0)
		r = direct_volume_parse(text, bytes, ret, e);
	return err_wrap(e, r, "direct volume '%s'", path);
}

/* ---- changes ---- */

int direct_volume_add(const char *base, const char *path, const char *json, struct err *e)
{
	auto_direct_volume struct direct_volume v = {0};
	auto_free char *folder = place(base, path, "");
	auto_free char *file = place(base, path, MOUNT_INFO);
	int r = direct_volume_parse(json, strlen(json), &v, e);

	if (r == 0 && (!folder || !file))
		r = no_place(path, e);
	if (r == 0)
		r = dir_make(folder, 0700, e);
	return r < 0 ? r : file_replace(AT_FDCWD, file, json, strlen(json), 0600, e);
}

int direct_volume_remove(const char *base, const char *path, struct err *e)
{
	auto_free char *folder = place(base, path, "");

	if (!folder)
		return no_place(path, e);
	return access(folder, F_OK) < 0 && errno == ENOENT ? 0 : dir_remove(AT_FDCWD, folder, e);
}

/* Calls @fn for the sandboxes that are noted in @folder, until it returns other than 0. */
static int each_note(const char *folder, int (*fn)(int dirfd, const char *id, void *arg), void *arg)
{
	DIR *dir = opendir(folder);
	int r = dir ? 0 : -errno;

	for (struct dirent *d; r == 0 && (d = readdir(dir));)
		if (d->d_name[0] != '.' && strcmp(d->d_name, MOUNT_INFO) != 0)
			r = fn(dirfd(dir), d->d_name, arg);
	if (dir)
		(void) closedir(dir);
	return r;
}

static int remove_other(int dirfd, const char *id, void *own)
{
	if (strcmp(id, own) != 0)
		(void) unlinkat(dirfd, id, 0);
	return 0;
}

int direct_volume_note(const char *base, const char *path, const char *id, struct err *e)
{
	auto_free char *folder = place(base, path, "");
	auto_free char *file = place(base, path, id);

	if (!folder || !file)
		return no_place(path, e);
	if (strcmp(id, MOUNT_INFO) == 0)
		return err_say(e, EINVAL, "a sandbox called '%s' can have no direct volume", id);
	(void) each_note(folder, remove_other, (void *) id);
	return file_replace(AT_FDCWD, file, "", 0, 0600, e);
}

static int take_id(int dirfd, const char *id, void *arg)
{
	char **ret = arg;

	(void) dirfd;
	*ret = strdup(id);
	return *ret ? 1 : -ENOMEM;
}

int direct_volume_sandbox(const char *base, const char *path, char **ret_id, struct err *e)
{
	auto_free char *folder = place(base, path, "");
	int r = folder ? each_note(folder, take_id, ret_id) : no_place(path, e);

	if (r == -ENOENT || r == 0)
		return err_say(e, ENOENT, "no sandbox has the direct volume '%s'", path);
	return r < 0 ? err_sys(e, -r, "find who has the direct volume '%s'", path) : 0;
}

/* ---- that it is to be larger ---- */

static int read_resize(const json_t *doc, char **ret_path, uint64_t *ret_bytes, struct err *e)
{
	const char *path = json_string_value(json_object_get(doc, "VolumePath"));
	json_int_t size = json_integer_value(json_object_get(doc, "Size"));

	if (!path || path[0] != '/')
		return wrong("VolumePath", "an absolute path", e);
	if (size <= 0)
		return wrong("Size", "a number of bytes", e);
	*ret_path = strdup(path);
	if (!*ret_path)
		return err_sys(e, ENOMEM, "read 'VolumePath'");
	*ret_bytes = (uint64_t) size;
	return 0;
}

int direct_volume_parse_resize(const char *json, size_t bytes, char **ret_path, uint64_t *ret_bytes,
			       struct err *e)
{
	json_error_t why;
	json_t *doc = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, &why);
	int r = doc ? read_resize(doc, ret_path, ret_bytes, e)
		    : err_say(e, EINVAL, "this is no JSON: %s", why.text);

	json_decref(doc);
	return r;
}

int direct_volume_print_resize(const char *path, uint64_t bytes, char **ret, struct err *e)
{
	json_t *doc = bytes > INT64_MAX ? NULL
					: json_pack("{s:s, s:I}", "VolumePath", path, "Size",
						    (json_int_t) bytes);

	*ret = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	json_decref(doc);
	return *ret ? 0
		    : err_say(e, EINVAL, "'%s' cannot be told to be %" PRIu64 " bytes", path,
			      bytes);
}
