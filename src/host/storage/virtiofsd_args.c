#include "host/storage/virtiofsd_args.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/file.h"
#include "host/storage/virtiofsd_confine.h"

/* Every build of QEMU's virtiofsd contains this text, for its --version; the Rust one does not. */
static const char c_mark[] = "QEMU Project developers";

#define PACKAGES "qemu-system-common (Debian 12) or virtiofsd"

static const char *const places[] = {
	"/usr/libexec/virtiofsd",  /* the Rust one, Debian 13 and most others */
	"/usr/lib/qemu/virtiofsd", /* Debian up to 12 */
	"/usr/lib/virtiofsd",       "/usr/bin/virtiofsd",
	"/usr/local/bin/virtiofsd", "/opt/kata/libexec/virtiofsd",
};

/*
 * cache= of each flavour; NULL: that flavour cannot do it.
 *
 * With "auto" the guest keeps a file's data but looks the name up, and checks that the file is
 * unchanged, at each use: it sees at once that the host has renamed or replaced a file, because a
 * write to the replaced file would be lost. The C flavour's own "auto" also drops the data at each
 * open, so a program would be read again at each execution (two thirds of the time of an exec):
 * therefore it gets "always" with a timeout of 0. The Rust flavour has no option for the timeout:
 * with it the guest believes a name for a second.
 */
static const char *const cache_words[][2] = {
	[VIRTIOFSD_CACHE_AUTO] = {"always,timeout=0", "auto"},
	[VIRTIOFSD_CACHE_NEVER] = {"none", "never"},
	[VIRTIOFSD_CACHE_METADATA] = {NULL, "metadata"},
	[VIRTIOFSD_CACHE_ALWAYS] = {"always", "always"},
};
TABLE_COVERS(cache_words, VIRTIOFSD_CACHE_MAX);

static char *find_in_path(void)
{
	const char *path = getenv("PATH");

	while (path && *path) {
		size_t n = strcspn(path, ":");
		auto_free char *file = n ? str_printf("%.*s/virtiofsd", (int) n, path) : NULL;

		if (file && access(file, X_OK) == 0)
			return take_ptr(file);
		path += n + (path[n] == ':');
	}
	return NULL;
}

char *virtiofsd_find(const char *program, struct err *e)
{
	char *found;

	if (program && *program) {
		if (access(program, X_OK) == 0)
			return strdup(program);
		(void) err_say(e, errno,
			       "run virtiofsd '%s' (key 'virtio_fs_daemon'): %s: install " PACKAGES
			       ", and let the key name it or be empty",
			       program, strerror(errno));
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (access(places[i], X_OK) == 0)
			return strdup(places[i]);
	found = find_in_path();
	if (!found)
		(void) err_say(e, ENOENT,
			       "there is no virtiofsd: install " PACKAGES
			       ", or set the key 'virtio_fs_daemon', or shared_fs = \"virtio-9p\"");
	return found;
}

int virtiofsd_flavour(const char *program, enum virtiofsd_flavour *ret, struct err *e)
{
	auto_close int fd = open(program, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "read '%s'", program);
	if (st.st_size == 0)
		return err_say(e, ENOEXEC, "'%s' is empty", program);

	void *text = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

	if (text == MAP_FAILED)
		return err_sys(e, errno, "read '%s'", program);
	*ret = memmem(text, (size_t) st.st_size, c_mark, sizeof c_mark - 1) ? VIRTIOFSD_C
									    : VIRTIOFSD_RUST;
	(void) munmap(text, (size_t) st.st_size);
	return 0;
}

const char *virtiofsd_cannot(enum virtiofsd_flavour flavour)
{
	static const char *const words[] = {
		[VIRTIOFSD_C] = "a file that is opened with O_APPEND cannot be mapped MAP_SHARED: "
				"QEMU's virtiofsd would append what is written to the mapping; the "
				"Rust virtiofsd (Debian 13) does not",
		[VIRTIOFSD_RUST] = "a name that the host gives to another file is the old file in "
				   "the container for up to a second; "
				   "QEMU's virtiofsd (Debian 12) has no such second",
	};
	TABLE_COVERS(words, VIRTIOFSD_FLAVOUR_MAX);

	return words[flavour];
}

static void add(struct virtiofsd_args *a, char *take_text)
{
	if (take_text && a->n < VIRTIOFSD_ARGS_MAX) {
		a->argv[a->n++] = take_text;
		return;
	}
	if (!a->error)
		a->error = take_text ? E2BIG : ENOMEM;
	free(take_text);
}

static void add_option(struct virtiofsd_args *a, const char *name, const char *value)
{
	add(a, str_printf("%s%s", name, value));
}

/*
 * Neither flavour makes namespaces of its own, because virtiofsd_confine.h has made them: it only
 * changes its root to the share.
 *
 * Without "readdirplus", because with it each file of a folder that the guest lists costs virtiofsd
 * a descriptor, even if the guest only wants the names, and the agent could not tell how many files
 * those are (inode_bound.h).
 */

/* QEMU's: everything is an option of -o. */
static void add_c(struct virtiofsd_args *a, const char *cache)
{
	add(a, strdup("-f"));
	add(a, strdup("-osource=" VIRTIOFSD_SHARE));
	add_option(a, "-ocache=", cache);
	add(a, strdup("-osandbox=chroot"));
	add(a, strdup("-omodcaps=-mknod"));
	add(a, strdup("-oannounce_submounts"));
	add(a, strdup("-oxattr"));
	add(a, strdup("-ono_readdirplus"));
	add(a, strdup("-olog_level=warn"));
}

static void add_rust(struct virtiofsd_args *a, const char *cache)
{
	add(a, strdup("--shared-dir=" VIRTIOFSD_SHARE));
	add_option(a, "--cache=", cache);
	add(a, strdup("--sandbox=chroot"));
	add(a, strdup("--modcaps=-mknod"));
	add(a, strdup("--announce-submounts"));
	add(a, strdup("--xattr"));
	add(a, strdup("--no-readdirplus"));
	add(a, strdup("--log-level=warn"));
}

int virtiofsd_args_build(struct virtiofsd_args *a, const struct virtiofsd_spec *spec,
			 const char *program, enum virtiofsd_flavour flavour, struct err *e)
{
	const char *cache = cache_words[spec->cache][flavour];
	int r = 0;

	if (!cache)
		return err_say(e, EOPNOTSUPP,
			       "'%s' cannot virtio_fs_cache = \"metadata\" (QEMU's virtiofsd)",
			       program);
	add(a, strdup(program));
	add(a, str_printf("--fd=%d", VIRTIOFSD_FD));
	/* 0: keep the limit that confine_enter() has set, because raising it takes CAP_SYS_RESOURCE
	 * and virtiofsd exits if it fails. */
	add(a, strdup("--rlimit-nofile=0"));
	if (flavour == VIRTIOFSD_C)
		add_c(a, cache);
	else
		add_rust(a, cache);
	for (size_t i = 0; i < spec->n_extra_args; i++)
		add(a, strdup(spec->extra_args[i]));
	if (a->error) {
		r = err_sys(e, a->error, "put virtiofsd's arguments together");
		virtiofsd_args_fini(a);
	}
	return r;
}

void virtiofsd_args_fini(struct virtiofsd_args *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->argv[i]);
	*a = (struct virtiofsd_args){0};
}
