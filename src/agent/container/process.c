#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/container/container_priv.h"
#include "base/file.h"

#define PROC_STATUS_MAX_BYTES 16384

void container_process_init(struct container_process *p, struct container *c)
{
	*p = (struct container_process){.container = c, .worker = WORKER_NONE, .tty = -1};
	list_init(&p->link);
}

void container_process_fini(struct container_process *p)
{
	worker_fini(&p->worker);
	p->tty = fd_close(p->tty);
	list_remove(&p->link);
}

void container_process_free(struct container_process *p)
{
	if (!p)
		return;
	container_process_fini(p);
	p->freed = true;
	if (p->pins == 0)
		free(p);
}

void container_process_pin(struct container_process *p)
{
	p->pins++;
}

bool container_process_unpin(struct container_process *p)
{
	p->pins--;
	if (!p->freed)
		return true;
	if (p->pins == 0)
		free(p);
	return false;
}

void container_process_tell(struct container_process *p)
{
	container_done_fn done = p->done;
	struct err err = p->err;

	p->done = NULL;
	if (done)
		done(p->done_arg, -err.code, err.code ? &err : NULL);
}

void container_process_died(struct container_process *p, const char *before)
{
	if (p->err.code)
		return;
	if (WIFSIGNALED(p->status))
		(void) err_say(&p->err, ECHILD, "killed by signal %d before %s",
			       WTERMSIG(p->status), before);
	else
		(void) err_say(&p->err, ECHILD, "ended with code %d before %s",
			       WEXITSTATUS(p->status), before);
}

pid_t container_process_pid(const struct container_process *p)
{
	return p->worker.pid;
}

int container_process_take_tty(struct container_process *p)
{
	return take_fd(&p->tty);
}

int container_process_signal(struct container_process *p, int signo, struct err *e)
{
	if (p->worker.pid == 0)
		return err_sys(e, ESRCH, "signal a process");
	if (syscall(SYS_pidfd_send_signal, p->worker.pidfd, signo, NULL, 0) < 0)
		return err_sys(e, errno, "signal process %d", p->worker.pid);
	return 0;
}

bool container_process_catches(const struct container_process *p, int signo)
{
	auto_free char *text = NULL;
	char path[64];
	unsigned long long caught = 0;

	if (signo < 1 || signo > 64)
		return false;
	(void) snprintf(path, sizeof path, "/proc/%d/status", p->worker.pid);
	if (file_read(AT_FDCWD, path, PROC_STATUS_MAX_BYTES, &text, NULL, NULL) < 0)
		return false;

	const char *line = strstr(text, "\nSigCgt:");

	return line && sscanf(line, "\nSigCgt: %llx", &caught) == 1 && (caught >> (signo - 1) & 1);
}
