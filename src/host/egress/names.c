#include "host/egress/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"

struct question {
	uint8_t family; /* 0: none, or it was answered */
	uint8_t server[16], guest[16];
	uint16_t port, id, type;
	char name[EGRESS_NAME_BYTES];
};

/* An address in the set of a rule. */
struct entry {
	msec_t until;
	uint16_t rule;
	uint8_t family;
	uint8_t bytes[16];
};

struct seen {
	uint8_t family;
	uint8_t bytes[16];
	char name[EGRESS_NAME_BYTES];
};

struct names {
	struct egress_rule *rules; /* of the policy: only what names need */
	size_t n_rules;
	struct question questions[NAMES_QUESTIONS_MAX];
	size_t next_question;
	struct seen seen[NAMES_SEEN_MAX];
	size_t next_seen;
	size_t n;
	struct entry entries[NAMES_ADDRESSES_MAX];
};

int names_new(const struct egress_policy *policy, struct names **ret, struct err *e)
{
	auto_ptr(names_free) struct names *n = calloc(1, sizeof *n);

	if (!n || !(n->rules = calloc(policy->n + 1, sizeof *n->rules)))
		return err_sys(e, ENOMEM, "remember the addresses of names");
	for (; n->n_rules < policy->n; n->n_rules++) {
		const char *name = policy->rules[n->n_rules].name;

		if (name && !(n->rules[n->n_rules].name = strdup(name)))
			return err_sys(e, ENOMEM, "remember the addresses of names");
	}
	*ret = take_ptr(n);
	return 0;
}

void names_free(struct names *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n_rules; i++)
		free(n->rules[i].name);
	free(n->rules);
	free(n);
}

/* ---- Questions ---- */

void names_ask(struct names *n, const struct packet *p)
{
	struct question *q = &n->questions[n->next_question];
	struct dns_message m;

	if (!p->data || p->to_port != DNS_PORT || !dns_read(p->data, p->bytes, &m) || m.is_answer)
		return;
	n->next_question = (n->next_question + 1) % NAMES_QUESTIONS_MAX;
	*q = (struct question){
		.family = p->family, .port = p->from_port, .id = m.id, .type = m.type};
	memcpy(q->server, p->to, sizeof q->server);
	memcpy(q->guest, p->from, sizeof q->guest);
	memcpy(q->name, m.name, sizeof q->name);
}

static bool was_asked(const struct question *q, const struct packet *p, const struct dns_message *m)
{
	return q->family == p->family && q->port == p->to_port && q->id == m->id &&
	       q->type == m->type && memcmp(q->server, p->from, sizeof q->server) == 0 &&
	       memcmp(q->guest, p->to, sizeof q->guest) == 0 && strcmp(q->name, m->name) == 0;
}

/* Whether the message answers a question, which then is none any more. */
static bool take_question(struct names *n, const struct packet *p, const struct dns_message *m)
{
	for (size_t i = 0; i < NAMES_QUESTIONS_MAX; i++)
		if (was_asked(&n->questions[i], p, m)) {
			n->questions[i].family = 0;
			return true;
		}
	return false;
}

/* ---- Addresses ---- */

static void tell(const struct entry *entry, bool comes, names_change_fn change, void *arg)
{
	const struct names_change c = {
		.comes = comes,
		.rule = entry->rule,
		.family = entry->family,
		.bytes = entry->bytes,
	};

	change(arg, &c);
}

static void remove_entry(struct names *n, size_t i, names_change_fn change, void *arg)
{
	struct entry gone = n->entries[i];

	n->entries[i] = n->entries[--n->n];
	tell(&gone, false, change, arg);
}

static void make_room(struct names *n, names_change_fn change, void *arg)
{
	size_t first = 0;

	if (n->n < NAMES_ADDRESSES_MAX)
		return;
	for (size_t i = 1; i < n->n; i++)
		if (n->entries[i].until < n->entries[first].until)
			first = i;
	remove_entry(n, first, change, arg);
}

static struct entry *find_entry(struct names *n, size_t rule, const struct dns_address *a)
{
	for (size_t i = 0; i < n->n; i++)
		if (n->entries[i].rule == rule && n->entries[i].family == a->family &&
		    memcmp(n->entries[i].bytes, a->bytes, sizeof a->bytes) == 0)
			return &n->entries[i];
	return NULL;
}

static msec_t end_of(const struct dns_address *a, msec_t now)
{
	uint32_t seconds = a->ttl_seconds;

	seconds = seconds < NAMES_LEAST_SECONDS ? NAMES_LEAST_SECONDS : seconds;
	seconds = seconds > NAMES_MOST_SECONDS ? NAMES_MOST_SECONDS : seconds;
	return now + (msec_t) seconds * 1000;
}

static void allow(struct names *n, size_t rule, const struct dns_address *a, msec_t now,
		  names_change_fn change, void *arg)
{
	struct entry *entry = find_entry(n, rule, a);
	msec_t until = end_of(a, now);

	if (entry) {
		entry->until = until > entry->until ? until : entry->until;
		return;
	}
	make_room(n, change, arg);
	entry = &n->entries[n->n++];
	*entry = (struct entry){.until = until, .rule = (uint16_t) rule, .family = a->family};
	memcpy(entry->bytes, a->bytes, sizeof entry->bytes);
	tell(entry, true, change, arg);
}

static void remember(struct names *n, const char *name, const struct dns_address *a)
{
	struct seen *s = &n->seen[n->next_seen];

	n->next_seen = (n->next_seen + 1) % NAMES_SEEN_MAX;
	s->family = a->family;
	memcpy(s->bytes, a->bytes, sizeof s->bytes);
	memcpy(s->name, name, sizeof s->name);
}

void names_answer(struct names *n, const struct packet *p, msec_t now, names_change_fn change,
		  void *arg)
{
	struct dns_message m;

	if (!p->data || p->from_port != DNS_PORT || !dns_read(p->data, p->bytes, &m) ||
	    !m.is_answer || !take_question(n, p, &m))
		return;
	for (size_t i = 0; i < m.n; i++) {
		remember(n, m.name, &m.addresses[i]);
		for (size_t k = 0; k < n->n_rules; k++)
			if (egress_rule_is_for(&n->rules[k], m.name))
				allow(n, k, &m.addresses[i], now, change, arg);
	}
}

msec_t names_expire(struct names *n, msec_t now, names_change_fn change, void *arg)
{
	msec_t next = 0;

	for (size_t i = n->n; i-- > 0;)
		if (n->entries[i].until <= now)
			remove_entry(n, i, change, arg);
		else if (!next || n->entries[i].until < next)
			next = n->entries[i].until;
	return next;
}

const char *names_of(const struct names *n, uint8_t family, const uint8_t *bytes)
{
	/* The latest first. */
	for (size_t k = 1; k <= NAMES_SEEN_MAX; k++) {
		const struct seen *s =
			&n->seen[(n->next_seen + NAMES_SEEN_MAX - k) % NAMES_SEEN_MAX];

		if (s->family == family && memcmp(s->bytes, bytes, family == AF_INET ? 4 : 16) == 0)
			return s->name;
	}
	return NULL;
}
