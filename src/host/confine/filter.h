#pragma once

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * An allow-list of system calls: what a table does not name is refused. The program for the kernel is
 * made by the parent, because that takes memory and can fail with a sentence; the child enters it with
 * one system call.
 */
enum confine_verdict {
	CONFINE_ALLOW,
	CONFINE_REFUSE, /* with an errno: for what a library tries and can do without */
	CONFINE_KILL,   /* the process: nobody who means well calls it */
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

/* Several rules of one system call: one that matches is enough. */
struct confine_rule {
	const char *name; /* one that libseccomp or this processor does not know is left out */
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
	int code;                       /* of that, if it is CONFINE_REFUSE */
	struct confine_table tables[CONFINE_TABLES_MAX];
};

/* n 0: none. */
struct confine_filter {
	struct sock_filter *code;
	unsigned short n;
};

/* What every program needs between its start and its end: memory, threads, time, files that are open,
 * files to open (which its root and Landlock judge), signals; but not prctl(), of which each needs another
 * part; exec, because a filter is entered before
 * the program is; and another filter on top. */
extern const struct confine_table confine_calls_basic;

/* What no program of ours calls once it runs: to mount, to change namespaces, root or user of another
 * kind, to trace, to load code into the kernel, to administer the host. They kill. */
extern const struct confine_table confine_calls_deadly;

/* @f is zeroed. */
int confine_filter_build(struct confine_filter *f, const struct confine_filter_spec *spec,
			 struct err *e);

/* In the child; it has no_new_privs or CAP_SYS_ADMIN. All threads that come after have it. */
int confine_filter_enter(const struct confine_filter *f, struct err *e);

/* Accepts a zeroed struct. */
void confine_filter_fini(struct confine_filter *f);
