#pragma once

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"

/*
 * Requests to the kernel by netlink, and its answers: what rtnetlink(7) needs, no more. Debian's
 * libmnl would do it, but has no static archive, and the agent is linked statically.
 *
 *	struct nl_request q;
 *	struct ifinfomsg link = {.ifi_index = index};
 *
 *	nl_begin(&q, RTM_NEWLINK, 0, &link, sizeof link);
 *	nl_put_u32(&q, IFLA_MTU, mtu);
 *	r = nl_ask(fd, &q, e);
 *
 * Formats: netlink(7), rtnetlink(7), and the kernel's Documentation/userspace-api/netlink.
 *
 * Threads: none; a socket belongs to one thread. Calls do not wait for anybody but the kernel: it
 * works off a request while it is sent. Distrusts: whoever answers. Every length in an answer is
 * checked before what it covers is read.
 */

/* The most that one request can hold. */
#define NL_REQUEST_MAX 2048

/* A request that is being built. What does not fit makes nl_ask() fail with -EMSGSIZE, so the
 * functions that add need not be checked one by one. */
struct nl_request {
	union {
		struct nlmsghdr header;
		uint8_t bytes[NL_REQUEST_MAX];
	};
	bool overflow;
};

/**
 * nl_begin() - begin a request
 * @type:	RTM_NEWLINK and so on
 * @flags:	beside NLM_F_REQUEST, which is always set: NLM_F_CREATE, NLM_F_REPLACE, ...
 * @fixed:	what follows the header in each message of this type (struct ifinfomsg), @bytes long
 */
void nl_begin(struct nl_request *q, uint16_t type, uint16_t flags, const void *fixed, size_t bytes);

/* Adds an attribute. The string is sent with its NUL. */
void nl_put(struct nl_request *q, uint16_t type, const void *data, size_t bytes);
void nl_put_u32(struct nl_request *q, uint16_t type, uint32_t value);
void nl_put_string(struct nl_request *q, uint16_t type, const char *text);

/* Adds an attribute that holds others: all that are added until nl_nest_end(), which takes what
 * nl_nest() has returned. */
size_t nl_nest(struct nl_request *q, uint16_t type);
void nl_nest_end(struct nl_request *q, size_t nest);

/* Adds a record that begins with its length, and holds attributes until nl_nest_end(): a struct
 * rtnexthop. @head is its fixed part. */
size_t nl_record(struct nl_request *q, const void *head, size_t bytes);

/* A socket for @protocol, NETLINK_ROUTE for instance, in the caller's network namespace. Returns a
 * descriptor or -errno. */
int nl_open(int protocol, struct err *e);

/* Sends @q and takes the kernel's verdict: 0 or -errno. If the kernel says more than a number, its
 * words are in @e; the caller puts what it wanted to do in front. */
int nl_ask(int fd, struct nl_request *q, struct err *e);

/* One message of an answer. @fixed and @attributes point into it. */
struct nl_message {
	uint16_t type;
	const void *fixed;      /* as many bytes as the caller of nl_dump() has asked for */
	const void *attributes; /* for nl_parse() */
	size_t attributes_bytes;
};

/* Called for each message of a list; a negative value ends the reading and is returned. */
typedef int (*nl_each_fn)(void *arg, const struct nl_message *m, struct err *e);

/**
 * nl_dump() - ask for a list
 * @q:		begun with any flags; NLM_F_DUMP is added
 * @fixed_bytes: size of what follows the header in each message of the answer; shorter ones are
 *		refused with -EBADMSG
 * @again:	called when the list changed while it was read and is read anew: what @each has
 *		collected must be dropped
 *
 * Returns 0, -EAGAIN when the list kept changing, -EBADMSG, or -errno. After a failure the socket
 * can only be closed, because the kernel may still be at the list and then refuses all others.
 */
int nl_dump(int fd, struct nl_request *q, size_t fixed_bytes, nl_each_fn each,
	    void (*again)(void *arg), void *arg, struct err *e);

/* An attribute's value; data is NULL if there is no such attribute. */
struct nl_value {
	const uint8_t *data;
	size_t bytes;
};

/* Sorts attributes by their type into @table of @n elements, the last one of a type wins; those of
 * other types are left out. Also for attributes inside an attribute. Returns 0 or -EBADMSG. */
int nl_parse(const void *attributes, size_t bytes, struct nl_value *table, size_t n);

/* The value as a number or as a text: 0 and "" when there is none, or one of another shape. */
uint32_t nl_u32(const struct nl_value *v);
const char *nl_string(const struct nl_value *v);

/*
 * What nl_ask() and nl_dump() do with bytes that came from the socket, for tests. Calls @each for
 * every message but the last one. Returns 1 when more is to come, 0 at the end, -EBADMSG, or what
 * the kernel or @each has refused. *@interrupted becomes true if the list changed meanwhile.
 */
int nl_read(const void *data, size_t bytes, uint32_t seq, size_t fixed_bytes, nl_each_fn each,
	    void *arg, bool *interrupted, struct err *e);
