/* Which of the things in a namespace a machine gets, and why not the others. */
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>

#include "host/network/tap.h"

static bool has_address(const struct network_facts *f, int link)
{
	for (size_t i = 0; i < f->n_addresses; i++)
		if (f->addresses[i].link == link)
			return true;
	return false;
}

bool network_wants(const struct network_facts *f, const struct network_link *link,
		   const char **ret_why)
{
	bool used = (link->flags & IFF_UP) || has_address(f, link->index);

	*ret_why = NULL;
	/* Some kernel modules put interfaces that nobody uses into every namespace (gretap0). */
	if (!used || link->type == ARPHRD_LOOPBACK || tap_is_ours(link))
		return false;
	if (link->type != ARPHRD_ETHER || !link->has_mac)
		*ret_why = "it carries no Ethernet frames";
	else if (link->master)
		*ret_why = "it belongs to another interface";
	return !*ret_why;
}

bool network_wants_route(const struct network_route *r, const char **ret_why)
{
	*ret_why = NULL;
	/* The guest's kernel makes these by itself, from addresses and routers' advertisements. */
	if (r->protocol == RTPROT_KERNEL || r->protocol == RTPROT_RA ||
	    r->protocol == RTPROT_REDIRECT || r->table == RT_TABLE_LOCAL)
		return false;
	if (r->table != RT_TABLE_MAIN)
		*ret_why = "it is not in the main table";
	else if (r->type != RTN_UNICAST)
		*ret_why = "it leads nowhere";
	else if (!r->link)
		*ret_why = "it has several next hops, or one of another family";
	return !*ret_why;
}

/* The guest makes the others by itself, from routers' advertisements. */
bool network_wants_address(const struct network_address *a)
{
	return a->ip.family == AF_INET || (a->flags & IFA_F_PERMANENT);
}

bool network_wants_neighbour(const struct network_neighbour *n)
{
	return (n->state & NUD_PERMANENT) && n->has_mac;
}
