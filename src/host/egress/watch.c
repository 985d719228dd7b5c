/*
 * The server's part while a machine runs: it hears what was refused and tells the guest, and holds
 * the answers of name servers until the addresses in them are allowed. The kernel does not pass
 * these answers on, but gives them to the server alone, which gives them to the guest: else the
 * guest would connect to an address before the rules know it.
 */
#include "host/egress/watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "host/egress/refusal.h"
#include "host/egress/table.h"

/* Most places whose refusal is remembered, not to log it again; then it begins anew. */
#define TOLD_MAX 256
/* Most lines of the log in a second. */
#define LINES_PER_SECOND 5
/* Most messages that are read before the loop does something else. */
#define READS_MAX    64
#define ANSWER_BYTES 131072

/* A place that the guest did not reach. */
struct told {
	uint8_t family, protocol;
	uint8_t to[16];
	uint16_t port;
};

struct egress_watch {
	struct egress *egress;
	int log, rules, out; /* what is copied; to change the sets; to the guest */
	struct names *names; /* NULL: the policy has no name servers */
	struct nft_batch batch;
	struct told told[TOLD_MAX];
	size_t n_told;
	msec_t second; /* when the lines of the log began to be counted */
	unsigned lines;
	uint8_t answer[ANSWER_BYTES];
};

int egress_watch_open(struct egress *g, const struct egress_policy *policy, const int take_socks[3],
		      struct egress_watch **ret, struct err *e)
{
	struct egress_watch *w = calloc(1, sizeof *w);
	int r = w ? 0 : err_sys(e, ENOMEM, "hear what the egress policy refuses");

	if (r < 0) {
		for (int i = 0; i < 3; i++)
			fd_close(take_socks[i]);
		return r;
	}
	*w = (struct egress_watch){
		.egress = g, .log = take_socks[0], .rules = take_socks[1], .out = take_socks[2]};
	r = capture_begin(w->log, EGRESS_LOG_GROUP, e);
	if (r == 0 && policy->n_resolvers > 0)
		r = names_new(policy, &w->names, e);
	if (r < 0) {
		egress_watch_close(w);
		return err_wrap(e, r, "hear what the egress policy refuses");
	}
	*ret = w;
	return 0;
}

void egress_watch_close(struct egress_watch *w)
{
	if (!w)
		return;
	names_free(w->names);
	fd_close(w->log);
	fd_close(w->rules);
	fd_close(w->out);
	free(w);
}

int egress_watch_fd(const struct egress_watch *w)
{
	return w->log;
}

int egress_watch_refused(struct egress_watch *w, uint64_t *ret, struct err *e)
{
	return egress_refused(w->rules, ret, e);
}

/* ---- Refusals ---- */

static bool was_told(const struct egress_watch *w, const struct told *t)
{
	for (size_t i = 0; i < w->n_told; i++)
		if (memcmp(&w->told[i], t, sizeof *t) == 0)
			return true;
	return false;
}

static bool may_log(struct egress_watch *w)
{
	msec_t now = clock_now();

	if (now - w->second >= 1000) {
		w->second = now;
		w->lines = 0;
	}
	return w->lines++ < LINES_PER_SECOND;
}

static void log_refusal(struct egress_watch *w, const struct packet *p)
{
	const char *name = w->names ? names_of(w->names, p->family, p->to) : NULL;
	struct told t = {.family = p->family, .protocol = p->protocol, .port = p->to_port};
	char text[PACKET_TEXT_BYTES];

	memcpy(t.to, p->to, sizeof t.to);
	if (was_told(w, &t) || !may_log(w))
		return;
	if (w->n_told == TOLD_MAX)
		w->n_told = 0;
	w->told[w->n_told++] = t;
	packet_describe(p, text);
	log_warn("the egress policy refuses %s%s%s%s", text, name ? " (" : "", name ? name : "",
		 name ? ")" : "");
}

/* To the guest. What does not get through is lost, as in every network. */
static void deliver(struct egress_watch *w, int tap, const uint8_t *frame, size_t bytes)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = tap};

	if (tap)
		(void) sendto(w->out, frame, bytes, MSG_DONTWAIT, (struct sockaddr *) &to,
			      sizeof to);
}

static void take_refused(struct egress_watch *w, const struct packet *p, const struct capture *c)
{
	uint8_t frame[ETH_HLEN + REFUSAL_BYTES];
	size_t n = refusal_write(c->packet, c->bytes, p, frame + ETH_HLEN);

	log_refusal(w, p);
	if (n == 0 || c->frame_head_bytes != ETH_HLEN)
		return;
	memcpy(frame, c->frame_head + ETH_ALEN, ETH_ALEN);
	memcpy(frame + ETH_ALEN, c->frame_head, ETH_ALEN);
	memcpy(frame + 2 * ETH_ALEN, c->frame_head + 2 * ETH_ALEN, 2);
	deliver(w, c->link, frame, ETH_HLEN + n);
}

/* ---- Names ---- */

static void change_set(void *arg, const struct names_change *change)
{
	struct egress_watch *w = arg;

	table_name_address(&w->batch, change);
}

static void commit(struct egress_watch *w)
{
	struct err e = {0};

	if (nft_commit(w->rules, &w->batch, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring an answer of a name server");
}

/* As it came. */
static void pass_on(struct egress_watch *w, const struct capture *c)
{
	uint8_t frame[ETH_HLEN + CAPTURE_BYTES];

	if (c->frame_head_bytes != ETH_HLEN || c->bytes > CAPTURE_BYTES)
		return;
	memcpy(frame, c->frame_head, ETH_HLEN);
	memcpy(frame + ETH_HLEN, c->packet, c->bytes);
	packet_sum(frame + ETH_HLEN, c->bytes);
	deliver(w, egress_tap_of(w->egress, c->link), frame, ETH_HLEN + c->bytes);
}

static void take_answer(struct egress_watch *w, const struct packet *p, const struct capture *c)
{
	nft_batch_begin(&w->batch);
	names_answer(w->names, p, clock_now(), change_set, w);
	commit(w);
	pass_on(w, c);
}

msec_t egress_watch_expire(struct egress_watch *w)
{
	msec_t next = 0;

	if (!w->names)
		return 0;
	nft_batch_begin(&w->batch);
	next = names_expire(w->names, clock_now(), change_set, w);
	commit(w);
	return next;
}

/* ---- What is copied ---- */

static void take_copy(void *arg, const struct capture *c)
{
	struct egress_watch *w = arg;
	struct packet p;

	if (!packet_read(c->packet, c->bytes, &p))
		return;
	if (strcmp(c->prefix, EGRESS_LOG_REFUSED) == 0)
		take_refused(w, &p, c);
	else if (w->names && strcmp(c->prefix, EGRESS_LOG_QUESTION) == 0)
		names_ask(w->names, &p);
	else if (w->names && strcmp(c->prefix, EGRESS_LOG_ANSWER) == 0)
		take_answer(w, &p, c);
}

void egress_watch_ready(struct egress_watch *w)
{
	for (unsigned i = 0; i < READS_MAX; i++) {
		ssize_t n = recv(w->log, w->answer, sizeof w->answer, MSG_DONTWAIT);

		if (n < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (n <= 0)
			return;
		capture_read(w->answer, (size_t) n, take_copy, w);
	}
}
