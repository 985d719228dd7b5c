#include "base/netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* The kernel gives dumps in pieces that are not larger than what recvmsg() has room for, up to
 * 32 KiB (netlink(7)). */
#define NL_ANSWER_BYTES 32768

/* How often a list is read anew when it changes while it is read. */
#define NL_DUMP_TRIES 8

/* Adds @bytes, and zeros up to the next multiple of four. Returns where, or NULL. */
static void *add(struct nl_request *q, size_t bytes)
{
	size_t at = NLMSG_ALIGN(q->header.nlmsg_len);

	if (q->overflow || bytes > sizeof q->bytes || at > sizeof q->bytes - NLMSG_ALIGN(bytes)) {
		q->overflow = true;
		return NULL;
	}
	memset(q->bytes + at, 0, NLMSG_ALIGN(bytes));
	q->header.nlmsg_len = (uint32_t) (at + bytes);
	return q->bytes + at;
}

void nl_begin(struct nl_request *q, uint16_t type, uint16_t flags, const void *fixed, size_t bytes)
{
	q->overflow = false;
	q->header = (struct nlmsghdr){
		.nlmsg_len = sizeof q->header,
		.nlmsg_type = type,
		.nlmsg_flags = (uint16_t) (flags | NLM_F_REQUEST),
	};

	void *to = add(q, bytes);

	if (to && bytes > 0)
		memcpy(to, fixed, bytes);
}

void nl_put(struct nl_request *q, uint16_t type, const void *data, size_t bytes)
{
	size_t whole = NLA_HDRLEN + bytes;
	uint8_t *to = whole > UINT16_MAX ? NULL : add(q, whole);
	struct nlattr attribute = {.nla_len = (uint16_t) whole, .nla_type = type};

	if (!to) {
		q->overflow = true;
		return;
	}
	memcpy(to, &attribute, sizeof attribute);
	if (bytes > 0)
		memcpy(to + NLA_HDRLEN, data, bytes);
}

void nl_put_u32(struct nl_request *q, uint16_t type, uint32_t value)
{
	nl_put(q, type, &value, sizeof value);
}

void nl_put_string(struct nl_request *q, uint16_t type, const char *text)
{
	nl_put(q, type, text, strlen(text) + 1);
}

size_t nl_nest(struct nl_request *q, uint16_t type)
{
	size_t at = NLMSG_ALIGN(q->header.nlmsg_len);

	nl_put(q, type | NLA_F_NESTED, NULL, 0);
	return at;
}

size_t nl_record(struct nl_request *q, const void *head, size_t bytes)
{
	size_t at = NLMSG_ALIGN(q->header.nlmsg_len);

	if (q->overflow || bytes > sizeof q->bytes - at) {
		q->overflow = true;
		return at;
	}
	memcpy(q->bytes + at, head, bytes);
	q->header.nlmsg_len = (uint32_t) (at + bytes);
	return at;
}

void nl_nest_end(struct nl_request *q, size_t nest)
{
	struct nlattr attribute;

	if (q->overflow)
		return;
	memcpy(&attribute, q->bytes + nest, sizeof attribute);
	attribute.nla_len = (uint16_t) (q->header.nlmsg_len - nest);
	memcpy(q->bytes + nest, &attribute, sizeof attribute);
}

int nl_open(int protocol, struct err *e)
{
	auto_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	int on = 1;

	if (fd < 0)
		return err_sys(e, errno, "open a netlink socket");
	/* Errors with words, and without the request that they are about. */
	(void) setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
	(void) setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
	/* Dumps of what the request asks for, instead of all there is. */
	(void) setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
	return take_fd(&fd);
}

int nl_parse(const void *attributes, size_t bytes, struct nl_value *table, size_t n)
{
	const uint8_t *p = attributes;

	memset(table, 0, n * sizeof *table);
	while (bytes >= NLA_HDRLEN) {
		struct nlattr a;

		memcpy(&a, p, sizeof a);
		if (a.nla_len < NLA_HDRLEN || a.nla_len > bytes)
			return -EBADMSG;

		size_t type = a.nla_type & NLA_TYPE_MASK, whole = NLA_ALIGN(a.nla_len);

		if (type < n)
			table[type] = (struct nl_value){p + NLA_HDRLEN, a.nla_len - NLA_HDRLEN};
		/* The last one's padding may be missing. */
		whole = whole > bytes ? bytes : whole;
		p += whole;
		bytes -= whole;
	}
	return bytes == 0 ? 0 : -EBADMSG;
}

uint32_t nl_u32(const struct nl_value *v)
{
	uint32_t n = 0;

	if (v->data && v->bytes == sizeof n)
		memcpy(&n, v->data, sizeof n);
	return n;
}

const char *nl_string(const struct nl_value *v)
{
	return v->data && memchr(v->data, '\0', v->bytes) ? (const char *) v->data : "";
}

/* @body is what follows the header of NLMSG_ERROR: a number, the header of the request, and, where
 * the flags say so, attributes (include/uapi/linux/netlink.h, struct nlmsgerr). */
static int read_verdict(uint16_t flags, const uint8_t *body, size_t bytes, struct err *e)
{
	struct nl_value words[NLMSGERR_ATTR_MSG + 1] = {0};
	struct nlmsgerr verdict;
	size_t echo = sizeof verdict;

	if (bytes < sizeof verdict)
		return err_say(e, EBADMSG, "the kernel's verdict is cut short");
	memcpy(&verdict, body, sizeof verdict);
	if (verdict.error == 0)
		return 0;
	if (verdict.error > 0 || verdict.error < -4095)
		return err_say(e, EBADMSG, "the kernel's verdict is no error number");
	/* Without this flag the whole request stands between, not only its header. */
	if (!(flags & NLM_F_CAPPED) && verdict.msg.nlmsg_len > sizeof verdict.msg)
		echo += NLMSG_ALIGN(verdict.msg.nlmsg_len) - sizeof verdict.msg;
	if ((flags & NLM_F_ACK_TLVS) && echo <= bytes)
		(void) nl_parse(body + echo, bytes - echo, words, NLMSGERR_ATTR_MSG + 1);

	const char *text = nl_string(&words[NLMSGERR_ATTR_MSG]);

	return err_sys(e, -verdict.error, "%s", *text ? text : "the kernel refuses");
}

/* @m is one message, complete, with @bytes behind the header. As nl_read(). */
static int read_one(const struct nlmsghdr *h, const uint8_t *body, size_t bytes, size_t fixed_bytes,
		    nl_each_fn each, void *arg, struct err *e)
{
	struct nl_message m = {.type = h->nlmsg_type, .fixed = body};
	int32_t done = 0;

	if (h->nlmsg_type == NLMSG_ERROR)
		return read_verdict(h->nlmsg_flags, body, bytes, e);
	if (h->nlmsg_type == NLMSG_DONE) {
		if (bytes >= sizeof done)
			memcpy(&done, body, sizeof done);
		if (done < 0 && done >= -4095)
			return err_sys(e, -done, "the kernel refuses");
		return 0;
	}
	if (h->nlmsg_type < NLMSG_MIN_TYPE)
		return 1;
	if (bytes < NLMSG_ALIGN(fixed_bytes) || !each)
		return err_say(e, EBADMSG, "the kernel answers something else");
	m.attributes = body + NLMSG_ALIGN(fixed_bytes);
	m.attributes_bytes = bytes - NLMSG_ALIGN(fixed_bytes);

	int r = each(arg, &m, e);

	return r < 0 ? r : 1;
}

int nl_read(const void *data, size_t bytes, uint32_t seq, size_t fixed_bytes, nl_each_fn each,
	    void *arg, bool *interrupted, struct err *e)
{
	const uint8_t *p = data;
	int r = 1;

	while (r > 0 && bytes > 0) {
		struct nlmsghdr h;

		if (bytes < sizeof h)
			return err_say(e, EBADMSG, "the kernel's answer is cut short");
		memcpy(&h, p, sizeof h);
		if (h.nlmsg_len < sizeof h || h.nlmsg_len > bytes)
			return err_say(e, EBADMSG, "the kernel's answer is cut short");
		if (h.nlmsg_flags & NLM_F_DUMP_INTR)
			*interrupted = true;
		/* What belongs to an earlier request is of no interest any more. */
		if (h.nlmsg_seq == seq)
			r = read_one(&h, p + sizeof h, h.nlmsg_len - sizeof h, fixed_bytes, each,
				     arg, e);

		size_t whole = NLMSG_ALIGN((size_t) h.nlmsg_len);

		whole = whole > bytes ? bytes : whole;
		p += whole;
		bytes -= whole;
	}
	return r;
}

/* Sends @q under a new number, *@ret_seq. */
static int send_request(int fd, struct nl_request *q, uint32_t *ret_seq, struct err *e)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct timespec now;

	if (q->overflow)
		return err_say(e, EMSGSIZE, "the request does not fit into a message of netlink");
	/* Any number will do that the request before did not have. */
	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	q->header.nlmsg_seq = *ret_seq = (uint32_t) (now.tv_sec * 1000000000 + now.tv_nsec);
	if (sendto(fd, q->bytes, q->header.nlmsg_len, 0, (struct sockaddr *) &kernel,
		   sizeof kernel) < 0)
		return err_sys(e, errno, "ask the kernel");
	return 0;
}

/* Reads what is there for the request @seq until its end. As nl_read(). */
static int receive(int fd, uint32_t seq, size_t fixed_bytes, nl_each_fn each, void *arg,
		   bool *interrupted, struct err *e)
{
	auto_free uint8_t *answer = malloc(NL_ANSWER_BYTES);
	int r = 1;

	if (!answer)
		return err_sys(e, ENOMEM, "hear the kernel's answer");
	while (r > 0) {
		ssize_t n = recv(fd, answer, NL_ANSWER_BYTES, MSG_TRUNC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "hear the kernel's answer");
		if (n == 0 || n > NL_ANSWER_BYTES)
			return err_say(e, EBADMSG, "the kernel's answer is cut short");
		r = nl_read(answer, (size_t) n, seq, fixed_bytes, each, arg, interrupted, e);
	}
	return r;
}

int nl_ask(int fd, struct nl_request *q, struct err *e)
{
	bool interrupted = false;
	uint32_t seq = 0;

	q->header.nlmsg_flags |= NLM_F_ACK;

	int r = send_request(fd, q, &seq, e);

	return r < 0 ? r : receive(fd, seq, 0, NULL, NULL, &interrupted, e);
}

int nl_dump(int fd, struct nl_request *q, size_t fixed_bytes, nl_each_fn each,
	    void (*again)(void *arg), void *arg, struct err *e)
{
	q->header.nlmsg_flags |= NLM_F_DUMP;
	for (int i = 0; i < NL_DUMP_TRIES; i++) {
		bool interrupted = false;
		uint32_t seq = 0;
		int r = send_request(fd, q, &seq, e);

		if (r == 0)
			r = receive(fd, seq, fixed_bytes, each, arg, &interrupted, e);
		if (r < 0 || !interrupted)
			return r;
		again(arg);
	}
	return err_say(e, EAGAIN, "the list changes faster than it can be read");
}
