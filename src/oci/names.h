#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * The words of the OCI runtime specification and the kernel's numbers for them.
 *
 * An unknown name is a normal answer, not an error: the caller knows the field and reports it. The
 * tables are const and complete for the kernel headers they were built with.
 */

/* "CAP_SYS_ADMIN" <-> 21. Returns -1 or NULL when unknown. */
int oci_cap_number(const char *name);
const char *oci_cap_name(int number);

/* "RLIMIT_NOFILE" <-> RLIMIT_NOFILE. Returns -1 or NULL when unknown. */
int oci_rlimit_number(const char *name);
const char *oci_rlimit_name(int number);

/* "mount" -> CLONE_NEWNS. 0 when unknown. */
int oci_namespace_flag(const char *type);

/* CLONE_NEWNS -> "mount", and -> "mnt", its file in /proc/PID/ns. NULL when unknown. */
const char *oci_namespace_type(int flag);
const char *oci_namespace_file(int flag);

/* "15", "TERM", "SIGTERM", "sigterm", "SIGRTMIN+3", "RTMAX-1" -> number; -1 when unknown. */
int oci_signal_number(const char *text);

/* 15 -> "SIGTERM"; real-time signals as "SIGRTMIN+3". @buf belongs to the caller and is returned.
 */
#define OCI_SIGNAL_NAME_BYTES 16
const char *oci_signal_name(int number, char buf[OCI_SIGNAL_NAME_BYTES]);

/* "SCHED_FIFO" -> SCHED_FIFO; "SCHED_FLAG_RESET_ON_FORK" -> its bit. -1 when unknown. */
int oci_scheduler_policy(const char *name);
int64_t oci_scheduler_flag(const char *name);

/* "IOPRIO_CLASS_BE" -> IOPRIO_CLASS_BE. -1 when unknown. */
int oci_ioprio_class(const char *name);

/* "LINUX32" -> PER_LINUX32. -1 when unknown. */
int64_t oci_personality(const char *domain);

/* The kernel's numbers, which are also libseccomp's. false when unknown.
 * Actions are SECCOMP_RET_* without data, operators libseccomp's enum scmp_compare,
 * architectures AUDIT_ARCH_* (x32: EM_X86_64, little endian, not 64 bit), flags
 * SECCOMP_FILTER_FLAG_*. */
bool oci_seccomp_action(const char *name, uint32_t *ret);
bool oci_seccomp_operator(const char *name, uint32_t *ret);
bool oci_seccomp_arch(const char *name, uint32_t *ret);
bool oci_seccomp_flag(const char *name, uint32_t *ret);

/* "private", "rslave", ... -> MS_PRIVATE, MS_SLAVE | MS_REC, ...; 0 when unknown. */
unsigned long oci_propagation_flags(const char *word);

/**
 * struct oci_mount_options - what the words in mounts[].options ask for
 * @flags:	MS_*, for mount(2): the last word on each bit wins ("ro" after "rw"). MS_BIND is
 *		in here, MS_REC when it came from "rbind"
 * @cleared:	MS_* bits that a word switched off ("rw", "exec"): a bind mount must be remounted
 *		when @flags or @cleared have more than bind and rec
 * @propagation: each word in order, MS_SHARED ... with MS_REC; applied after the mount
 * @rec_attr_set, @rec_attr_clear: MOUNT_ATTR_*, for mount_setattr(AT_RECURSIVE): the words with an
 *		r in front ("rro"). A time attribute is set with MOUNT_ATTR__ATIME cleared
 * @copy_up:	"tmpcopyup": fill a tmpfs with what it covers
 * @idmap, @ridmap: "idmap", "ridmap": the mount wants its uidMappings, with what is below it
 * @data:	everything else, joined with commas: for the file system. NULL when empty
 */
struct oci_mount_options {
	unsigned long flags;
	unsigned long cleared;
	unsigned long propagation[8];
	unsigned n_propagation;
	uint64_t rec_attr_set;
	uint64_t rec_attr_clear;
	bool copy_up;
	bool idmap;
	bool ridmap;
	char *data;
};

/* Reads @n words. On success the caller calls oci_mount_options_fini(). Returns 0, -EINVAL (more
 * propagation words than fit), -ENOMEM. */
int oci_mount_options_parse(char *const *words, size_t n, struct oci_mount_options *ret,
			    struct err *e);

/* Accepts a zeroed one. */
void oci_mount_options_fini(struct oci_mount_options *o);
