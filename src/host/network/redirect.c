#include "host/network/redirect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <sys/socket.h>

#include "base/nft.h"
#include "host/network/tap.h"

#define TABLE "kata_loopback"
#define CHAIN "dialled"

static int port_of(int listener, uint16_t *ret, struct err *e)
{
	struct sockaddr_in6 at = {0}; /* that of IPv4 has its port at the same place */
	socklen_t bytes = sizeof at;

	if (getsockname(listener, (struct sockaddr *) &at, &bytes) < 0)
		return err_sys(e, errno, "ask for the port that listens");
	*ret = ntohs(at.sin6_port);
	return 0;
}

/* The first packet of each connection passes it, once it has been routed. */
static void write_chain(struct nft_batch *b)
{
	struct nl_request q;

	nft_begin(&q, NFPROTO_INET, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
	nl_put_string(&q, NFTA_CHAIN_TABLE, TABLE);
	nl_put_string(&q, NFTA_CHAIN_NAME, CHAIN);

	size_t hook = nl_nest(&q, NFTA_CHAIN_HOOK);

	nft_put_be32(&q, NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
	nft_put_be32(&q, NFTA_HOOK_PRIORITY, (uint32_t) NF_IP_PRI_NAT_DST);
	nl_nest_end(&q, hook);
	nl_put_string(&q, NFTA_CHAIN_TYPE, "nat");
	nft_add(b, &q);
}

static void write_rule(struct nft_batch *b, uint16_t port)
{
	const uint8_t tcp = IPPROTO_TCP;
	const uint32_t loopback = LOOPBACK;
	struct nft_rule rule;

	nft_rule_begin(&rule, NFPROTO_INET, TABLE, CHAIN);
	nft_meta(&rule, NFT_META_L4PROTO, 0);
	nft_compare(&rule, 0, NFT_CMP_EQ, &tcp, sizeof tcp);
	nft_meta(&rule, NFT_META_OIF, 0);
	nft_compare(&rule, 0, NFT_CMP_EQ, &loopback, sizeof loopback);
	nft_redirect(&rule, port);
	nft_rule_end(&rule, b);
}

int redirect_begin(struct network *n, int listener, struct err *e)
{
	auto_close int sock = network_socket(n->ns_fd, NETLINK_NETFILTER, e);
	struct nft_batch b;
	uint16_t port = 0;
	int r = sock < 0 ? sock : port_of(listener, &port, e);

	if (r < 0)
		return r;
	nft_batch_begin(&b);
	nft_table(&b, NFPROTO_INET, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, TABLE);
	write_chain(&b);
	write_rule(&b, port);
	return nft_commit(sock, &b, e);
}

void redirect_end(struct network *n)
{
	auto_close int sock = network_socket(n->ns_fd, NETLINK_NETFILTER, NULL);
	struct nft_batch b;

	if (sock < 0)
		return;
	nft_batch_begin(&b);
	nft_table(&b, NFPROTO_INET, NFT_MSG_DELTABLE, 0, TABLE);
	(void) nft_commit(sock, &b, NULL);
}
