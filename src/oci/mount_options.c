#include "oci/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/array.h"
#include "oci/word.h"

/* Words with a flag of mount(2): @set is switched on, @clear off. */
static const struct mount_word {
	const char *name;
	unsigned long set;
	unsigned long clear;
} mount_words[] = {
	{"acl", MS_POSIXACL, 0},
	{"async", 0, MS_SYNCHRONOUS},
	{"atime", 0, MS_NOATIME},
	{"bind", MS_BIND, 0},
	{"defaults", 0, 0},
	{"dev", 0, MS_NODEV},
	{"diratime", 0, MS_NODIRATIME},
	{"dirsync", MS_DIRSYNC, 0},
	{"exec", 0, MS_NOEXEC},
	{"iversion", MS_I_VERSION, 0},
	{"lazytime", MS_LAZYTIME, 0},
	{"loud", 0, MS_SILENT},
	{"mand", MS_MANDLOCK, 0},
	{"noacl", 0, MS_POSIXACL},
	{"noatime", MS_NOATIME, 0},
	{"nodev", MS_NODEV, 0},
	{"nodiratime", MS_NODIRATIME, 0},
	{"noexec", MS_NOEXEC, 0},
	{"noiversion", 0, MS_I_VERSION},
	{"nolazytime", 0, MS_LAZYTIME},
	{"nomand", 0, MS_MANDLOCK},
	{"norelatime", 0, MS_RELATIME},
	{"nostrictatime", 0, MS_STRICTATIME},
	{"nosuid", MS_NOSUID, 0},
	{"nosymfollow", MS_NOSYMFOLLOW, 0},
	{"rbind", MS_BIND | MS_REC, 0},
	{"relatime", MS_RELATIME, 0},
	{"remount", MS_REMOUNT, 0},
	{"ro", MS_RDONLY, 0},
	{"rw", 0, MS_RDONLY},
	{"silent", MS_SILENT, 0},
	{"strictatime", MS_STRICTATIME, 0},
	{"suid", 0, MS_NOSUID},
	{"symfollow", 0, MS_NOSYMFOLLOW},
	{"sync", MS_SYNCHRONOUS, 0},
};

/* The same for mount_setattr(2). Access times are one field of three values, relatime being 0:
 * setting any of them clears the field first. */
static const struct attr_word {
	const char *name;
	uint64_t set;
	uint64_t clear;
} attr_words[] = {
	{"ratime", 0, MOUNT_ATTR__ATIME},
	{"rdev", 0, MOUNT_ATTR_NODEV},
	{"rdiratime", 0, MOUNT_ATTR_NODIRATIME},
	{"rexec", 0, MOUNT_ATTR_NOEXEC},
	{"rnoatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
	{"rnodev", MOUNT_ATTR_NODEV, 0},
	{"rnodiratime", MOUNT_ATTR_NODIRATIME, 0},
	{"rnoexec", MOUNT_ATTR_NOEXEC, 0},
	{"rnorelatime", 0, MOUNT_ATTR__ATIME},
	{"rnostrictatime", 0, MOUNT_ATTR__ATIME},
	{"rnosuid", MOUNT_ATTR_NOSUID, 0},
	{"rnosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
	{"rrelatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
	{"rro", MOUNT_ATTR_RDONLY, 0},
	{"rrw", 0, MOUNT_ATTR_RDONLY},
	{"rstrictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
	{"rsuid", 0, MOUNT_ATTR_NOSUID},
	{"rsymfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
};

static const struct word propagations[] = {
	{"private", MS_PRIVATE},
	{"rprivate", MS_PRIVATE | MS_REC},
	{"rshared", MS_SHARED | MS_REC},
	{"rslave", MS_SLAVE | MS_REC},
	{"runbindable", MS_UNBINDABLE | MS_REC},
	{"shared", MS_SHARED},
	{"slave", MS_SLAVE},
	{"unbindable", MS_UNBINDABLE},
};

unsigned long oci_propagation_flags(const char *word)
{
	const struct word *w = word_find(propagations, ARRAY_LEN(propagations), word);

	return w ? w->value : 0;
}

static bool take_mount_word(struct oci_mount_options *o, const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(mount_words); i++) {
		const struct mount_word *w = &mount_words[i];

		if (strcmp(w->name, word) != 0)
			continue;
		o->flags = (o->flags & ~w->clear) | w->set;
		o->cleared = (o->cleared & ~w->set) | w->clear;
		return true;
	}
	return false;
}

static bool take_attr_word(struct oci_mount_options *o, const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(attr_words); i++) {
		const struct attr_word *w = &attr_words[i];

		if (strcmp(w->name, word) != 0)
			continue;
		o->rec_attr_set = (o->rec_attr_set & ~w->clear) | w->set;
		/* The field for access times stays in the clear mask even when it is set. */
		o->rec_attr_clear = (o->rec_attr_clear & ~(w->set & ~MOUNT_ATTR__ATIME)) | w->clear;
		return true;
	}
	return false;
}

static bool take_own_word(struct oci_mount_options *o, const char *word)
{
	bool *flag = strcmp(word, "tmpcopyup") == 0 ? &o->copy_up
		     : strcmp(word, "idmap") == 0   ? &o->idmap
		     : strcmp(word, "ridmap") == 0  ? &o->ridmap
						    : NULL;

	if (flag)
		*flag = true;
	return flag;
}

static int take_propagation(struct oci_mount_options *o, unsigned long flags, struct err *e)
{
	if (o->n_propagation == ARRAY_LEN(o->propagation))
		return err_say(e, EINVAL, "more than %zu propagation words",
			       ARRAY_LEN(o->propagation));
	o->propagation[o->n_propagation++] = flags;
	return 0;
}

/* Sorts the words; @data has room for all of them with commas between. */
static int take_words(char *const *words, size_t n, char *data, struct oci_mount_options *o,
		      struct err *e)
{
	char *end = data;

	for (size_t i = 0; i < n; i++) {
		unsigned long propagation = oci_propagation_flags(words[i]);

		if (propagation) {
			int r = take_propagation(o, propagation, e);

			if (r < 0)
				return r;
		} else if (words[i][0] && !take_mount_word(o, words[i]) &&
			   !take_attr_word(o, words[i]) && !take_own_word(o, words[i])) {
			if (end > data)
				*end++ = ',';
			end = stpcpy(end, words[i]);
		}
	}
	return 0;
}

int oci_mount_options_parse(char *const *words, size_t n, struct oci_mount_options *ret,
			    struct err *e)
{
	struct oci_mount_options o = {0};
	size_t bytes = 1;

	for (size_t i = 0; i < n; i++)
		bytes += strlen(words[i]) + 1;
	o.data = calloc(1, bytes);
	if (!o.data)
		return err_sys(e, ENOMEM, "read mount options");

	int r = take_words(words, n, o.data, &o, e);

	if (r < 0) {
		oci_mount_options_fini(&o);
		return r;
	}
	if (o.data[0] == '\0') {
		free(o.data);
		o.data = NULL;
	}
	*ret = o;
	return 0;
}

void oci_mount_options_fini(struct oci_mount_options *o)
{
	free(o->data);
	o->data = NULL;
}
