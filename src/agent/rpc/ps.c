/* ListProcesses: what runs in a container, as the container numbers it. */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/rpc/member.h"
#include "base/buf.h"

/* The answer must fit into a message. */
#define PS_BYTES_MAX (3U << 20)
#define PS_LINE_MAX  512

static int add(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int add(struct buf *b, const char *fmt, ...)
{
	char line[PS_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	return buf_append(b, line, (size_t) n < sizeof line ? (size_t) n : sizeof line - 1);
}

static int add_json(struct buf *b, const struct container_ps *ps, size_t n)
{
	int r = add(b, "[");

	for (size_t i = 0; r == 0 && i < n; i++)
		r = add(b, "%s%d", i ? "," : "", ps[i].ns_pid);
	return r == 0 ? add(b, "]") : r;
}

/* The parent's pid as the container sees it; 0 when the parent is not in the container. */
static pid_t parent_of(const struct container_ps *ps, size_t n, pid_t parent)
{
	for (size_t i = 0; i < n; i++)
		if (ps[i].pid == parent)
			return ps[i].ns_pid;
	return 0;
}

static int add_table(struct buf *b, const struct container_ps *ps, size_t n)
{
	int r = add(b, "%-8s %7s %7s %1s %8s %s\n", "UID", "PID", "PPID", "S", "TIME", "CMD");

	for (size_t i = 0; r == 0 && i < n; i++) {
		uint64_t s = ps[i].cpu_ms / 1000;
		/* A kernel thread or a zombie has no command line. */
		bool bare = !ps[i].cmdline[0];

		r = add(b, "%-8u %7d %7d %c %02" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " %s%s%s\n",
			ps[i].uid, ps[i].ns_pid, parent_of(ps, n, ps[i].parent), ps[i].state,
			s / 3600, s / 60 % 60, s % 60, bare ? "[" : "",
			bare ? ps[i].comm : ps[i].cmdline, bare ? "]" : "");
	}
	return r;
}

static int list(struct rpc *rpc, const Grpc__ListProcessesRequest *req, struct buf *b,
		struct err *e)
{
	auto_free struct container_ps *ps = NULL;
	struct member *m = NULL;
	size_t n = 0;
	int r = member_find_made(rpc, req->container_id, &m, e);

	if (!m)
		return r;
	if (req->n_args > 0)
		return err_say(e, ENOTSUP, "the option '%s' of ps is not supported", req->args[0]);
	r = container_processes(m->container, &ps, &n, e);
	if (r < 0)
		return r;
	r = strcmp(req->format, "json") == 0 ? add_json(b, ps, n) : add_table(b, ps, n);
	return r < 0 ? err_sys(e, -r, "list the processes of '%s'", req->container_id) : 0;
}

void ps_list(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	Grpc__ListProcessesResponse reply = GRPC__LIST_PROCESSES_RESPONSE__INIT;
	struct err e = {0};
	struct buf text;

	buf_init(&text, PS_BYTES_MAX);

	int r = list(rpc, request, &text, &e);

	if (r < 0) {
		ttrpc_answer(call, r, &e);
	} else {
		reply.process_list.data = (uint8_t *) buf_data(&text);
		reply.process_list.len = buf_len(&text);
		ttrpc_reply(call, &reply.base);
	}
	buf_fini(&text);
}
