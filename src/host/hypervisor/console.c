#include "host/hypervisor/console.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "base/fd.h"
#include "base/text.h"

/* How much of the console is kept. */
#define KEPT_BYTES (64U << 10)
/* How much of it goes into an error, which holds 504 bytes in all. */
#define EXPLAIN_LINES 3
#define EXPLAIN_BYTES 240

int console_init(struct console *c, tail_line_fn fn, void *arg, struct err *e)
{
	c->fd = -1;
	c->fn = fn;
	c->fn_arg = arg;
	return tail_init(&c->tail, KEPT_BYTES, e);
}

void console_fini(struct console *c)
{
	loop_unwatch(c->watch);
	c->watch = NULL;
	console_close(c);
	tail_fini(&c->tail);
}

int console_open(struct console *c, int *ret_far, struct err *e)
{
	int sv[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return err_sys(e, errno, "make the guest's console");
	c->fd = sv[0];
	*ret_far = sv[1];
	r = fd_set_nonblock(c->fd, true);
	return r < 0 ? err_sys(e, -r, "read the console without waiting") : 0;
}

void console_close(struct console *c)
{
	c->fd = fd_close(c->fd);
}

void console_drain(struct console *c)
{
	if (c->fd >= 0)
		(void) tail_pump(&c->tail, c->fd, NULL, NULL);
}

static void on_console(void *arg, uint32_t events)
{
	struct console *c = arg;

	(void) events;
	if (tail_pump(&c->tail, c->fd, c->fn, c->fn_arg) == 0) {
		loop_unwatch(c->watch);
		c->watch = NULL;
	}
}

int console_watch(struct console *c, struct loop *loop)
{
	return loop_watch(loop, c->fd, EPOLLIN, on_console, c, &c->watch, NULL);
}

void console_finish(struct console *c)
{
	if (c->fd >= 0)
		on_console(c, 0);
	loop_unwatch(c->watch);
	c->watch = NULL;
}

void console_explain(struct console *c, struct err *e)
{
	/* EXPLAIN_LINES ordinary lines fit into 4 KiB; the guest cannot make the error longer. */
	char raw[4096], lines[EXPLAIN_BYTES];
	size_t n = tail_copy(&c->tail, raw, sizeof raw);

	text_last_lines(raw, n, EXPLAIN_LINES, lines, sizeof lines);
	if (lines[0])
		err_append(e, "; guest console ends with: %s", lines);
}
