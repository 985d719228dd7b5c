/*
 * net_quiet serve PORT				the other end of the connections below, until killed
 * net_quiet hold ADDRESS PORT SECONDS COUNT	COUNT connections of each kind, silent for that long
 *
 * Connections of TCP that are silent for a long time, and then have to carry megabytes, of three
 * kinds:
 *
 *	idle	both ends are open; then what is sent comes back
 *	asked	who has made the connection has ended its direction; then the other end sends
 *	told	the other end has ended its direction; then who has made the connection sends
 *
 * `hold` prints what became of them, and ends with 1 if a byte of one was lost. Nothing keeps a
 * connection alive: no byte is sent meanwhile, and no TCP keepalive. Statically linked, it runs in
 * any container.
 */
#include <arpa/inet.h>
#include <err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 120
#define BYTES      (1U << 20)
#define BLOCK      4096
#define HELD_MAX   64

enum kind { IDLE, ASKED, TOLD, VERDICT };

static const char *const names[] = {"idle", "asked", "told"};

/* What a connection begins with. Both ends are of one processor and say it in its order. */
struct head {
	uint32_t kind, seconds, seed;
};

/* How many of TOLD have arrived whole, and not, since the server began. */
struct verdict {
	uint32_t good, bad;
};

/* ---- bytes that nobody sends by mistake ---- */

struct pattern {
	uint64_t state;
	uint32_t left; /* bytes */
};

static struct pattern pattern_of(uint32_t seed)
{
	return (struct pattern){.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1, .left = BYTES};
}

/* The next block into @to; returns its bytes, 0 at the end. xorshift64, Marsaglia 2003. */
static size_t pattern_next(struct pattern *p, uint8_t to[BLOCK])
{
	size_t n = p->left < BLOCK ? p->left : BLOCK;

	for (size_t i = 0; i < n; i++) {
		p->state ^= p->state << 13;
		p->state ^= p->state >> 7;
		p->state ^= p->state << 17;
		to[i] = (uint8_t) (p->state >> 32);
	}
	p->left -= (uint32_t) n;
	return n;
}

static bool send_all(int fd, const void *data, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		ssize_t n = send(fd, (const char *) data + at, bytes - at, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		at += (size_t) n;
	}
	return true;
}

static bool send_pattern(int fd, uint32_t seed)
{
	struct pattern p = pattern_of(seed);
	uint8_t block[BLOCK];
	size_t n;

	while ((n = pattern_next(&p, block)) > 0)
		if (!send_all(fd, block, n))
			return false;
	return true;
}

static bool take_pattern(int fd, uint32_t seed)
{
	struct pattern p = pattern_of(seed);
	uint8_t block[BLOCK], came[BLOCK];
	size_t n;

	while ((n = pattern_next(&p, block)) > 0)
		if (recv(fd, came, n, MSG_WAITALL) != (ssize_t) n || memcmp(came, block, n) != 0)
			return false;
	return true;
}

/* Whether nothing more comes, and the other direction has ended as it should. */
static bool ends(int fd)
{
	char more;

	return recv(fd, &more, 1, 0) == 0;
}

static void wait_s(uint32_t seconds)
{
	struct timespec t = {.tv_sec = seconds};

	while (nanosleep(&t, &t) < 0)
		;
}

/* ---- the other end ---- */

static atomic_uint good, bad;

static void send_back(int fd)
{
	uint8_t block[BLOCK];
	ssize_t n;

	while ((n = recv(fd, block, sizeof block, 0)) > 0 && send_all(fd, block, (size_t) n))
		;
}

static void take_told(int fd, uint32_t seed)
{
	bool whole = shutdown(fd, SHUT_WR) == 0 && take_pattern(fd, seed) && ends(fd);

	atomic_fetch_add(whole ? &good : &bad, 1);
}

static void answer(int fd, const struct head *h)
{
	struct verdict v = {.good = good, .bad = bad};

	if (h->kind == IDLE) {
		send_back(fd);
	} else if (h->kind == ASKED && ends(fd)) {
		wait_s(h->seconds);
		(void) send_pattern(fd, h->seed);
	} else if (h->kind == TOLD) {
		take_told(fd, h->seed);
	} else if (h->kind == VERDICT) {
		(void) send_all(fd, &v, sizeof v);
	}
}

static void *serve_one(void *arg)
{
	int fd = (int) (intptr_t) arg;
	struct head h;

	if (recv(fd, &h, sizeof h, MSG_WAITALL) == sizeof h)
		answer(fd, &h);
	close(fd);
	return NULL;
}

static pthread_t begin(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fn, arg))
		errx(1, "there is no thread");
	return thread;
}

static int serve(const char *port)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t) atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *) &any, sizeof any) < 0 || listen(fd, 1024) < 0)
		err(1, "listen");
	for (;;) {
		int one = accept(fd, NULL, NULL);

		if (one < 0)
			err(1, "accept");
		(void) pthread_detach(begin(serve_one, (void *) (intptr_t) one));
	}
}

/* ---- who makes the connections ---- */

struct held {
	struct sockaddr_in to;
	struct head head;
	const char *lost_at; /* NULL: it is whole */
	pthread_t thread;
};

static int reach(const struct sockaddr_in *to, uint32_t patience_s)
{
	const struct timeval patience = {.tv_sec = patience_s};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	(void) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (connect(fd, (const struct sockaddr *) to, sizeof *to) == 0)
		return fd;
	warn("connect");
	close(fd);
	return -1;
}

/* Block by block, because two ends that both only send would wait for each other. */
static bool comes_back(int fd, uint32_t seed)
{
	struct pattern p = pattern_of(seed);
	uint8_t block[BLOCK], came[BLOCK];
	size_t n;

	while ((n = pattern_next(&p, block)) > 0)
		if (!send_all(fd, block, n) || recv(fd, came, n, MSG_WAITALL) != (ssize_t) n ||
		    memcmp(came, block, n) != 0)
			return false;
	return true;
}

/* These say where it was lost, or NULL. */
static const char *hold_idle(int fd, const struct head *h)
{
	if (!comes_back(fd, h->seed + 1))
		return "before it was silent";
	wait_s(h->seconds);
	if (!comes_back(fd, h->seed))
		return "after it was silent";
	return shutdown(fd, SHUT_WR) == 0 && ends(fd) ? NULL : "at its end";
}

static const char *hold_asked(int fd, const struct head *h)
{
	if (shutdown(fd, SHUT_WR) < 0)
		return "when it was half-closed";
	if (!take_pattern(fd, h->seed))
		return "after it was half-closed";
	return ends(fd) ? NULL : "at its end";
}

static const char *hold_told(int fd, const struct head *h)
{
	if (!ends(fd))
		return "when it was half-closed";
	wait_s(h->seconds);
	return send_pattern(fd, h->seed) ? NULL : "after it was half-closed";
}

static void *hold_one(void *arg)
{
	static const char *(*const by[])(int fd, const struct head *h) = {hold_idle, hold_asked,
									  hold_told};
	struct held *held = arg;
	int fd = reach(&held->to, held->head.seconds + PATIENCE_S);

	held->lost_at = "when it was made";
	if (fd >= 0 && send_all(fd, &held->head, sizeof held->head))
		held->lost_at = by[held->head.kind](fd, &held->head);
	close(fd);
	return NULL;
}

static bool ask_verdict(const struct sockaddr_in *to, struct verdict *ret)
{
	const struct head h = {.kind = VERDICT};
	int fd = reach(to, PATIENCE_S);
	bool told = fd >= 0 && send_all(fd, &h, sizeof h) &&
		    recv(fd, ret, sizeof *ret, MSG_WAITALL) == sizeof *ret;

	close(fd);
	return told;
}

/* Of TOLD only the other end knows whether all came. It hears the last end after we have closed. */
static unsigned wait_for_verdict(const struct sockaddr_in *to, unsigned before, unsigned count)
{
	struct verdict v = {0};

	for (int i = 0; i < PATIENCE_S; i++) {
		if (!ask_verdict(to, &v) || v.bad > 0)
			return count;
		if (v.good - before >= count)
			return 0;
		wait_s(1);
	}
	return count - (v.good - before);
}

static unsigned hold_all(struct held *all, unsigned n)
{
	unsigned lost = 0;

	for (unsigned i = 0; i < n; i++)
		all[i].thread = begin(hold_one, &all[i]);
	for (unsigned i = 0; i < n; i++) {
		(void) pthread_join(all[i].thread, NULL);
		if (!all[i].lost_at)
			continue;
		warnx("%s connection %u: lost %s", names[all[i].head.kind], i, all[i].lost_at);
		lost++;
	}
	return lost;
}

static int hold(const struct sockaddr_in *to, uint32_t seconds, unsigned count)
{
	struct held all[VERDICT * HELD_MAX] = {0};
	struct verdict before;
	unsigned lost, n = 0;

	if (count > HELD_MAX || !ask_verdict(to, &before))
		errx(1, "nobody serves");
	for (uint32_t kind = 0; kind < VERDICT; kind++)
		for (unsigned i = 0; i < count; i++, n++)
			all[n] = (struct held){.to = *to, .head = {kind, seconds, n}};
	lost = hold_all(all, n);
	lost += wait_for_verdict(to, before.good, count);
	printf("%u connections, silent for %u s, of %u bytes each: %u lost\n", n, seconds, BYTES,
	       lost);
	return lost > 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};

	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2]);
	if (argc != 6 || strcmp(argv[1], "hold") != 0 ||
	    inet_pton(AF_INET, argv[2], &to.sin_addr) != 1)
		errx(2, "see the head of net_quiet.c");
	to.sin_port = htons((uint16_t) atoi(argv[3]));
	return hold(&to, (uint32_t) atoi(argv[4]), (unsigned) atoi(argv[5]));
}
