#pragma once

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * An allow-list of system calls: the filter refuses a call that no table names. The parent makes
 * the program for the kernel, because that takes memory and can fail with a sentence; the child
 * enters it with one system call.
 */
enum confine_verdict {
	CONFINE_ALLOW,
	CONFINE_REFUSE, /* with an errno: for calls that a library tries and can do without */
	CONFINE_KILL,   /* the process: for calls that only an attacker makes */
};

/* (argument @index & @mask) == @value; for a plain comparison @mask is CONFINE_WHOLE. */
struct confine_arg {
	unsigned index;
	uint64_t mask, value;
};

#define CONFINE_WHOLE      UINT64_MAX
#define CONFINE_INT        UINT64_C(0xffffffff) /* what the kernel reads of an "int" argument */
#define CONFINE_ARGS_MAX   2
#define CONFINE_TABLES_MAX 8

/* A system call may have several rules: one that matches is enough. The name is in the rule and not
 * pointed at, because a process writes to all pointers in its program's tables when it starts, and
 * each container has such a process. */
struct confine_rule {
	char name[28]; /* a call unknown to libseccomp or this processor is left out */
	enum confine_verdict verdict;
	int code; /* of CONFINE_REFUSE */
	unsigned n_args;
	struct confine_arg args[CONFINE_ARGS_MAX];
};

struct confine_table {
	const struct confine_rule *rules;
	size_t n;
};

struct confine_filter_spec {
	const char *whose;              /* for sentences: "QEMU" */
	enum confine_verdict otherwise; /* for what no table names */
	int code;                       /* errno of @otherwise, if that is CONFINE_REFUSE */
	struct confine_table tables[CONFINE_TABLES_MAX];
};

/* n 0: none. */
struct confine_filter {
	struct sock_filter *code;
	unsigned short n;
};

/* What every program needs from its start to its end: memory, threads, time, open files, files to
 * open (its root and Landlock limit which), signals; exec, because the filter is entered before the
 * program starts; and a further filter on top. Not prctl(), because each program needs other parts
 * of it. */
extern const struct confine_table confine_calls_basic;

/* What no confined program calls once it runs: to mount, to change namespaces, root or the kind of
 * user, to trace, to load code into the kernel, to administer the host. Such a call kills it. */
extern const struct confine_table confine_calls_deadly;

/* @f is zeroed. */
int confine_filter_build(struct confine_filter *f, const struct confine_filter_spec *spec,
			 struct err *e);

/* In the child, which needs no_new_privs or CAP_SYS_ADMIN. Its later threads inherit the filter. */
int confine_filter_enter(const struct confine_filter *f, struct err *e);

/* Accepts a zeroed struct. */
void confine_filter_fini(struct confine_filter *f);
