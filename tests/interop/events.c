/*
 * Plays containerd's event service over our ttRPC server.
 *
 *	interop-events SOCKET
 *
 * Prints "ready", then a line for each event: NAMESPACE TOPIC TYPE. Runs until it is killed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/auto.h"
#include "base/loop.h"
#include "events.pb-c.h"
#include "ttrpc/ttrpc.h"

static void forward(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Containerd__Services__Events__Ttrpc__V1__ForwardRequest *f = (const void *) request;
	const Containerd__Services__Events__Ttrpc__V1__Envelope *envelope = f->envelope;

	(void) arg;
	if (!envelope || !envelope->event) {
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "an event is missing");
		return;
	}
	printf("%s %s %s\n", envelope->namespace_, envelope->topic, envelope->event->type_url);
	(void) fflush(stdout);
	ttrpc_reply(call, NULL);
}

static const struct ttrpc_method methods[] = {{"Forward", forward}};

static const struct ttrpc_service service = {
	.descriptor = &containerd__services__events__ttrpc__v1__events__descriptor,
	.methods = methods,
	.n_methods = 1,
};

static const struct ttrpc_service *const services[] = {&service};

static int listen_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof at.sun_path)
		return -ENAMETOOLONG;
	strcpy(at.sun_path, path);
	if (fd < 0 || bind(fd, (struct sockaddr *) &at, sizeof at) < 0 || listen(fd, 16) < 0)
		return -errno;
	return take_fd(&fd);
}

int main(int argc, char **argv)
{
	auto_ptr(loop_free) struct loop *loop = NULL;
	auto_ptr(ttrpc_server_free) struct ttrpc_server *server = NULL;
	int fd = argc == 2 ? listen_at(argv[1]) : -EINVAL;

	if (fd < 0) {
		fprintf(stderr, "interop-events SOCKET: %s\n", strerror(-fd));
		return 2;
	}
	if (loop_new(&loop, NULL) < 0 ||
	    ttrpc_server_new(loop, services, 1, NULL, &server, NULL) < 0 ||
	    ttrpc_server_listen(server, fd, NULL) < 0)
		return 1;
	printf("ready\n");
	(void) fflush(stdout);
	return loop_run(loop, NULL) < 0;
}
