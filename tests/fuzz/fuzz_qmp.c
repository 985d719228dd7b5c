/*
 * What a QEMU that a guest has taken over can send. The first byte says whether the greeting is
 * sent for it (odd), the second in pieces of how many bytes; the rest is the stream. Between the
 * pieces commands are called that do not wait, so that answers meet callers and latecomers.
 */
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/auto.h"
#include "host/hypervisor/qemu/monitor.h"

static const char greeting[] =
	"{\"QMP\":{\"version\":{\"qemu\":{\"micro\":0,\"minor\":2,\"major\":7}}}}\n";

static void on_event(void *arg, const char *event, const json_t *data)
{
	*(size_t *) arg += strlen(event) + json_object_size(data);
}

/* What was sent to QEMU, so that it never blocks us. */
static void swallow(int fd)
{
	char buf[4096];

	while (recv(fd, buf, sizeof buf, MSG_DONTWAIT) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	int sv[2];
	struct qmp *q = NULL;
	size_t seen = 0;
	char version[64];

	if (bytes < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return 0;
	if (qmp_open(sv[0], on_event, &seen, &q, NULL) < 0)
		return 0;

	size_t piece = data[1] ? data[1] : 1;

	if (data[0] & 1)
		(void) !send(sv[1], greeting, sizeof greeting - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	for (size_t at = 2; at < bytes; at += piece) {
		size_t n = bytes - at < piece ? bytes - at : piece;
		json_t *ret = NULL;
		struct err e = {0};

		if (send(sv[1], data + at, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
		if (at == 2)
			(void) qmp_greet(q, clock_now(), version, sizeof version, NULL);
		if (qmp_call(q, "query-status", NULL, clock_now(), &ret, &e) == 0)
			json_decref(ret);
		(void) qmp_call_until(q, "device_del", NULL, "DEVICE_DELETED", "d", clock_now(),
				      NULL);
		swallow(sv[1]);
	}
	(void) shutdown(sv[1], SHUT_WR);
	while (qmp_process(q, NULL) == 0)
		;
	qmp_close(q);
	(void) close(sv[1]);
	return 0;
}
