/*
 * net_probe serve PORT			answers on all addresses, until it is killed
 * net_probe up|down ADDRESS PORT MIB	a stream to or from it; prints MB/s
 * net_probe ask ADDRESS PORT TIMES	one byte there and back, one connection; prints microseconds
 * net_probe connect ADDRESS PORT TIMES	a connection for each byte; prints connections a second
 *
 * Both ends of what tests/bench/network.py measures. Statically linked, it runs in any container. A
 * connection begins with a byte that says what is wanted, and of "down" with how much.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PIECE (128 << 10)

static char piece[PIECE];

static void at_once(int fd)
{
	int on = 1;

	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void send_all(int fd, uint64_t bytes)
{
	while (bytes > 0) {
		ssize_t n = write(fd, piece, bytes < PIECE ? bytes : PIECE);

		if (n <= 0)
			return;
		bytes -= (uint64_t) n;
	}
}

static uint64_t take_all(int fd)
{
	static _Thread_local char into[PIECE];
	uint64_t bytes = 0;
	ssize_t n;

	while ((n = read(fd, into, sizeof into)) > 0)
		bytes += (uint64_t) n;
	return bytes;
}

static void *serve_one(void *arg)
{
	int fd = (int) (intptr_t) arg;
	uint64_t bytes = 0;
	char what = 0;

	at_once(fd);
	if (read(fd, &what, 1) == 1 && what == 'u')
		(void) !write(fd, take_all(fd) ? "y" : "n", 1);
	else if (what == 'd' && read(fd, &bytes, sizeof bytes) == sizeof bytes)
		send_all(fd, bytes);
	else
		while (what == 'a' && read(fd, &what, 1) == 1 && write(fd, &what, 1) == 1)
			;
	close(fd);
	return NULL;
}

static int serve(const char *port)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *) &any, sizeof any) < 0 || listen(fd, 128) < 0)
		err(1, "listen");
	for (;;) {
		int one = accept(fd, NULL, NULL);
		pthread_t thread;

		if (one < 0 || pthread_create(&thread, NULL, serve_one, (void *) (intptr_t) one))
			err(1, "accept");
		(void) pthread_detach(thread);
	}
}

static int reach(char *const *to, char what)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(to[1]))};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (inet_pton(AF_INET, to[0], &a.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *) &a, sizeof a) < 0)
		err(1, "connect to %s", to[0]);
	at_once(fd);
	if (write(fd, &what, 1) != 1)
		err(1, "write");
	return fd;
}

static void ask(int fd)
{
	char c = 'a';

	if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
		err(1, "ask");
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void stream(char *const *to, char what, uint64_t bytes)
{
	int fd = reach(to, what);
	char seen = 0;

	if (what == 'd') {
		if (write(fd, &bytes, sizeof bytes) != sizeof bytes || take_all(fd) != bytes)
			errx(1, "the stream ended early");
		return;
	}
	send_all(fd, bytes);
	(void) shutdown(fd, SHUT_WR);
	if (read(fd, &seen, 1) != 1)
		errx(1, "the stream ended early");
}

static int measure(const char *what, char *const *to, unsigned count)
{
	double began = now();

	if (strcmp(what, "ask") == 0) {
		int fd = reach(to, 'a');

		ask(fd);
		began = now();
		for (unsigned i = 0; i < count; i++)
			ask(fd);
		printf("%.1f\n", (now() - began) * 1e6 / count);
	} else if (strcmp(what, "connect") == 0) {
		for (unsigned i = 0; i < count; i++) {
			int fd = reach(to, 'a');

			ask(fd);
			close(fd);
		}
		printf("%.1f\n", count / (now() - began));
	} else {
		stream(to, what[0], (uint64_t) count << 20);
		printf("%.1f\n", count * 1.048576 / (now() - began));
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2]);
	if (argc == 5)
		return measure(argv[1], argv + 2, (unsigned) atoi(argv[4]));
	errx(2, "see the head of net_probe.c");
}
