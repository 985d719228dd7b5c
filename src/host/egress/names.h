#pragma once

#include "base/clock.h"
#include "host/egress/dns.h"
#include "host/egress/packet.h"
#include "host/egress/policy.h"

/*
 * What the guest asked name servers for, and what they answered: which addresses the names of a
 * policy have. Private to host/egress.
 *
 * Only an answer that fits a question of the guest's counts, and only once: the same server, ports,
 * number, name and type. So nobody can open the way to an address but a name server that the
 * administrator has chosen, and only for a name that was asked for.
 *
 * Everything has a maximum: the oldest question, and the address whose time ends first, make room.
 */
#define NAMES_QUESTIONS_MAX 256
#define NAMES_ADDRESSES_MAX 4096
#define NAMES_SEEN_MAX      256

/* Times to live are lengthened to the first, because programs use addresses a while after they have
 * asked for them, and shortened to the second. */
#define NAMES_LEAST_SECONDS 60
#define NAMES_MOST_SECONDS  86400

struct names;

int names_new(const struct egress_policy *policy, struct names **ret, struct err *e);

/* Accepts NULL. */
void names_free(struct names *n);
AUTO_PTR(struct names, names_free)

/* One address comes into the set of a rule, or leaves it. */
struct names_change {
	bool comes;
	size_t rule;
	uint8_t family;
	const uint8_t *bytes;
};
typedef void (*names_change_fn)(void *arg, const struct names_change *change);

/* The guest asks. */
void names_ask(struct names *n, const struct packet *p);

/* It is answered: @change is called for what that makes allowed. */
void names_answer(struct names *n, const struct packet *p, msec_t now, names_change_fn change,
		  void *arg);

/* Calls @change for what is not allowed any more. Returns when to call again; 0: never. */
msec_t names_expire(struct names *n, msec_t now, names_change_fn change, void *arg);

/* The name as whose address the guest has got this one, allowed or not; or NULL. */
const char *names_of(const struct names *n, uint8_t family, const uint8_t *bytes);
