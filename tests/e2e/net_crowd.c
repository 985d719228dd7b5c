/*
 * net_crowd serve PORT				answers over TCP and UDP, until killed
 * net_crowd connections ADDRESS PORT COUNT	each says its number and closes
 * net_crowd requests ADDRESS PORT COUNT	the same over connections that stay
 * net_crowd datagrams ADDRESS PORT COUNT	the same over UDP
 *
 * A crowd of small things through a network, AT_ONCE of them at a time: every number has to come
 * back. Prints how many, in which time, and what was lost, and ends with 1 then. Statically linked,
 * it runs in any container.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE    16
#define PATIENCE_S 60

/* ---- the end that answers ---- */

static void at_once(int fd)
{
	int on = 1;

	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void *answer_stream(void *arg)
{
	int fd = (int) (intptr_t) arg;
	char said[64];
	ssize_t n;

	at_once(fd);
	while ((n = read(fd, said, sizeof said)) > 0 && write(fd, said, (size_t) n) == n)
		;
	close(fd);
	return NULL;
}

static void *answer_datagrams(void *arg)
{
	int fd = (int) (intptr_t) arg;
	struct sockaddr_storage from;
	socklen_t bytes = sizeof from;
	char said[64];
	ssize_t n;

	while ((n = recvfrom(fd, said, sizeof said, 0, (struct sockaddr *) &from, &bytes)) >= 0) {
		(void) sendto(fd, said, (size_t) n, 0, (struct sockaddr *) &from, bytes);
		bytes = sizeof from;
	}
	err(1, "recvfrom");
}

static void begin(void *(*fn)(void *), int fd)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fn, (void *) (intptr_t) fd))
		errx(1, "there is no thread");
	(void) pthread_detach(thread);
}

static int listener(int type, const char *port)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(port))};
	int fd = socket(AF_INET, type, 0), on = 1;

	(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *) &any, sizeof any) < 0)
		err(1, "bind");
	return fd;
}

static int serve(const char *port)
{
	int fd = listener(SOCK_STREAM, port);

	begin(answer_datagrams, listener(SOCK_DGRAM, port));
	if (listen(fd, 1024) < 0)
		err(1, "listen");
	for (;;) {
		int one = accept(fd, NULL, NULL);

		if (one < 0)
			err(1, "accept");
		begin(answer_stream, one);
	}
}

/* ---- the crowd ---- */

struct crowd {
	struct sockaddr_in to;
	int type; /* SOCK_STREAM, SOCK_DGRAM */
	unsigned count;
	bool anew; /* a connection for each */
};

/* One of those that run at once, and its numbers: first, first + AT_ONCE, ... */
struct walker {
	const struct crowd *crowd;
	uint64_t first, lost;
};

static int reach(const struct crowd *c)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	int fd = socket(AF_INET, c->type, 0);

	(void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	(void) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (c->type == SOCK_STREAM)
		at_once(fd);
	if (connect(fd, (const struct sockaddr *) &c->to, sizeof c->to) == 0)
		return fd;
	warn("connect");
	close(fd);
	return -1;
}

static bool comes_back(int fd, uint64_t number)
{
	uint64_t answer = 0;

	if (write(fd, &number, sizeof number) != sizeof number) {
		warn("say %llu", (unsigned long long) number);
		return false;
	}
	if (recv(fd, &answer, sizeof answer, MSG_WAITALL) != sizeof answer) {
		warn("hear of %llu", (unsigned long long) number);
		return false;
	}
	if (answer != number)
		warnx("%llu came back for %llu", (unsigned long long) answer,
		      (unsigned long long) number);
	return answer == number;
}

static void *walk(void *arg)
{
	struct walker *w = arg;
	int fd = -1;

	for (uint64_t i = w->first; i < w->crowd->count; i += AT_ONCE) {
		if (fd < 0)
			fd = reach(w->crowd);
		if (fd < 0 || !comes_back(fd, i))
			w->lost++;
		if (w->crowd->anew && fd >= 0) {
			close(fd);
			fd = -1;
		}
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

static double now_s(void)
{
	struct timespec t;

	(void) clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static int walk_all(const struct crowd *c)
{
	double began = now_s();
	struct walker walkers[AT_ONCE];
	pthread_t threads[AT_ONCE];
	uint64_t lost = 0;

	for (unsigned i = 0; i < AT_ONCE; i++) {
		walkers[i] = (struct walker){.crowd = c, .first = i};
		if (pthread_create(&threads[i], NULL, walk, &walkers[i]))
			errx(1, "there is no thread");
	}
	for (unsigned i = 0; i < AT_ONCE; i++) {
		(void) pthread_join(threads[i], NULL);
		lost += walkers[i].lost;
	}
	printf("%u in %.1f s, %llu lost\n", c->count, now_s() - began, (unsigned long long) lost);
	return lost > 0;
}

int main(int argc, char **argv)
{
	struct crowd c = {.to.sin_family = AF_INET};

	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2]);
	if (argc != 5 || inet_pton(AF_INET, argv[2], &c.to.sin_addr) != 1)
		errx(2, "see the head of net_crowd.c");
	c.to.sin_port = htons((uint16_t) atoi(argv[3]));
	c.count = (unsigned) atoi(argv[4]);
	c.type = strcmp(argv[1], "datagrams") == 0 ? SOCK_DGRAM : SOCK_STREAM;
	c.anew = strcmp(argv[1], "connections") == 0;
	return walk_all(&c);
}
