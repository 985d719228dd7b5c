#include "host/cli/interrupt.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "task.pb-c.h"

static const int interrupts[] = {SIGINT, SIGTERM, SIGHUP};

void interrupt_hold(struct interrupt *i)
{
	(void) sigemptyset(&i->signals);
	for (size_t n = 0; n < ARRAY_LEN(interrupts); n++) {
		struct sigaction now;

		if (sigaction(interrupts[n], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			(void) sigaddset(&i->signals, interrupts[n]);
	}
	(void) sigprocmask(SIG_BLOCK, &i->signals, NULL);
}

/* The answer to Shutdown is ignored, because the caller waits for that of Create. */
static void heard(void *arg, struct ttrpc_answer *answer)
{
	(void) arg, (void) answer;
}

static void on_signal(void *arg, uint32_t events)
{
	struct interrupt *i = arg;
	struct signalfd_siginfo info;
	Containerd__Task__V2__ShutdownRequest q = CONTAINERD__TASK__V2__SHUTDOWN_REQUEST__INIT;
	const struct ttrpc_request request = {
		.service = &containerd__task__v2__task__descriptor,
		.method = "Shutdown",
		.message = &q.base,
		.deadline = clock_deadline(SERVER_TIMEOUT_MS),
	};

	(void) events;
	if (read(i->fd, &info, sizeof info) != sizeof info)
		return;
	i->signo = (int) info.ssi_signo;
	q.id = (char *) i->id;
	q.now = true;
	(void) ttrpc_call(i->server->client, &request, heard, i, NULL, NULL);
	interrupt_unwatch(i);
	/* A second signal kills this process at once; the server then sees the connection close. */
	(void) sigprocmask(SIG_UNBLOCK, &i->signals, NULL);
}

int interrupt_watch(struct interrupt *i, struct shim_client *server, const char *id, struct err *e)
{
	i->server = server;
	i->id = id;
	i->fd = signalfd(-1, &i->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (i->fd < 0)
		return err_sys(e, errno, "watch signals");
	return loop_watch(server->loop, i->fd, EPOLLIN, on_signal, i, &i->watch, e);
}

void interrupt_unwatch(struct interrupt *i)
{
	loop_unwatch(i->watch);
	i->watch = NULL;
	i->fd = fd_close(i->fd);
}

void interrupt_die(const struct interrupt *i)
{
	if (i->signo == 0)
		return;
	(void) signal(i->signo, SIG_DFL);
	(void) sigprocmask(SIG_UNBLOCK, &i->signals, NULL);
	(void) raise(i->signo);
}
