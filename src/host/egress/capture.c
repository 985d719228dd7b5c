#include "host/egress/capture.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <sys/socket.h>

#include "base/netlink.h"

static void begin(struct nl_request *q, uint16_t group)
{
	const struct nfgenmsg head = {.version = NFNETLINK_V0, .res_id = htons(group)};

	nl_begin(q, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, 0, &head, sizeof head);
}

int capture_begin(int sock, uint16_t group, struct err *e)
{
	const struct nfulnl_msg_config_cmd bind = {.command = NFULNL_CFG_CMD_BIND};
	const struct nfulnl_msg_config_mode mode = {
		.copy_range = htonl(CAPTURE_BYTES),
		.copy_mode = NFULNL_COPY_PACKET,
	};
	struct nl_request q;

	begin(&q, group);
	nl_put(&q, NFULA_CFG_CMD, &bind, sizeof bind);

	int r = nl_ask(sock, &q, e);

	if (r < 0)
		return r;
	begin(&q, group);
	nl_put(&q, NFULA_CFG_MODE, &mode, sizeof mode);
	/* Each at once, not several together. */
	nl_put_u32(&q, NFULA_CFG_QTHRESH, htonl(1));
	return nl_ask(sock, &q, e);
}

struct reading {
	capture_fn each;
	void *arg;
};

static int read_one(void *arg, const struct nl_message *m, struct err *e)
{
	const struct reading *reading = arg;
	struct nl_value table[NFULA_HWLEN + 1];

	(void) e;
	if (m->type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
	    nl_parse(m->attributes, m->attributes_bytes, table, NFULA_HWLEN + 1) < 0)
		return 0;

	const struct capture c = {
		.prefix = nl_string(&table[NFULA_PREFIX]),
		.link = (int) ntohl(nl_u32(&table[NFULA_IFINDEX_INDEV])),
		.frame_head = table[NFULA_HWHEADER].data,
		.frame_head_bytes = table[NFULA_HWHEADER].bytes,
		.packet = table[NFULA_PAYLOAD].data,
		.bytes = table[NFULA_PAYLOAD].bytes,
	};

	if (c.packet)
		reading->each(reading->arg, &c);
	return 0;
}

void capture_read(const void *data, size_t bytes, capture_fn each, void *arg)
{
	struct reading reading = {.each = each, .arg = arg};
	bool interrupted = false;

	/* They answer no request, and so have the number 0. */
	(void) nl_read(data, bytes, 0, sizeof(struct nfgenmsg), read_one, &reading, &interrupted,
		       NULL);
}
