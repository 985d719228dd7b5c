#pragma once

#include "base/buf.h"
#include "tests/agent/case.h"

/* Containers in the machine under test: a busybox that was copied into it. */

/* The folder that CopyFile reaches. */
#define BOX_SHARED "/run/kata-containers/shared/containers"

/* What a container is made with, beyond its id and command. */
struct box_options {
	bool terminal;
	bool guest_pids;           /* without a pid namespace */
	const char *resources;     /* JSON of linux.resources; NULL for none */
	const char *exec_id;       /* of the init process; NULL: as upstream, the id */
	const char *process_extra; /* more JSON members of process, beginning with a comma */
	const char *mounts_extra;  /* more JSON elements of mounts, beginning with a comma */
	Grpc__Storage **storages;
	size_t n_storages;
};

/* Puts the busybox there, once, and makes the sandbox, once. */
void box_prepare(struct vm *vm);

/* CreateContainer. The command is given to sh -c. Returns 0 or -errno. */
int box_create(struct vm *vm, const char *id, const char *command, const struct box_options *o,
	       struct err *e);
int box_start(struct vm *vm, const char *id, struct err *e);
int box_remove(struct vm *vm, const char *id, uint32_t timeout_s, struct err *e);
int box_signal(struct vm *vm, const char *id, const char *exec_id, uint32_t signo, struct err *e);
int box_exec(struct vm *vm, const char *id, const char *exec_id, const char *command,
	     struct err *e);
int box_write(struct vm *vm, const char *id, const char *exec_id, const char *text, struct err *e);
int box_close_stdin(struct vm *vm, const char *id, const char *exec_id, struct err *e);

/* A process whose streams are read and whose end is waited for, as a host does it. */
struct run {
	struct vm *vm;
	const char *id, *exec_id;
	struct buf out, err;
	size_t out_bytes, err_bytes; /* all that came, whether kept or not */
	size_t keep_bytes;           /* of each */
	bool out_ended, err_ended;
	bool ended;
	int code; /* exit code, or -errno of WaitProcess */
	size_t out_bytes_at_end;
};

void run_begin(struct run *r, struct vm *vm, const char *id, const char *exec_id);
void run_until_end(struct run *r);    /* the process has ended */
void run_until_closed(struct run *r); /* and its streams, too */
void run_until_output(struct run *r, size_t bytes);
const char *run_out(struct run *r); /* as text */
const char *run_err(struct run *r);
void run_fini(struct run *r);

/* Create, start, run to the end, remove. Returns the exit code; what was said is in @r. */
int box_run(struct vm *vm, const char *id, const char *command, const struct box_options *o,
	    struct run *r);
