/* Hardware addresses of neighbours, which the guest then does not ask for. */

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "agent/network/links.h"
#include "agent/network/network.h"
#include "base/netlink.h"

struct neighbour {
	struct ip address;
	uint8_t mac[ETH_ALEN];
	bool has_mac;
	int device;
	uint16_t state;
	uint8_t flags;
};

/* A state and flags that the kernel's list has but does not take are left to the kernel. */
#define STATES                                                                             \
	(NUD_INCOMPLETE | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_FAILED | \
	 NUD_NOARP | NUD_PERMANENT)
#define FLAGS (NTF_USE | NTF_PROXY | NTF_EXT_LEARNED | NTF_ROUTER)

static int read_one(const Types__ARPNeighbor *from, const struct links *links,
		    struct neighbour *ret, struct err *e)
{
	const struct link *l = links_by_name(links, from->device);

	*ret = (struct neighbour){.state = NUD_PERMANENT};
	if (!from->toipaddress)
		return err_say(e, EINVAL, "the address is missing");

	int r = ip_parse(from->toipaddress->address, &ret->address, e);

	if (r == 0 && !l)
		return err_say(e, ENODEV, "there is no interface '%.32s'", from->device);
	if (r == 0 && (from->state & ~STATES))
		return err_say(e, EINVAL, "the state %d is none", from->state);
	ret->has_mac = *from->lladdr;
	if (r == 0 && ret->has_mac)
		r = mac_parse(from->lladdr, ret->mac, e);
	if (r < 0)
		return r;
	if (from->state != 0)
		ret->state = (uint16_t) from->state;
	ret->flags = (uint8_t) (from->flags & FLAGS);
	ret->device = l->index;
	return 0;
}

static int set_one(int fd, const struct neighbour *n, struct err *e)
{
	struct ndmsg info = {
		.ndm_family = n->address.family,
		.ndm_ifindex = n->device,
		.ndm_state = n->state,
		.ndm_flags = n->flags,
	};
	struct nl_request q;

	nl_begin(&q, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof info);
	nl_put(&q, NDA_DST, n->address.bytes, ip_bytes(n->address.family));
	if (n->has_mac)
		nl_put(&q, NDA_LLADDR, n->mac, ETH_ALEN);
	return nl_ask(fd, &q, e);
}

static const char *shown(const Types__ARPNeighbor *n)
{
	return n->toipaddress ? n->toipaddress->address : "";
}

static int add_all(int fd, Types__ARPNeighbor *const *list, size_t count, struct err *e)
{
	auto_free struct neighbour *plan = calloc(count + 1, sizeof *plan);
	struct links links = {0};
	int r = plan ? links_read(fd, &links, e) : err_sys(e, ENOMEM, "read neighbours");

	for (size_t i = 0; r == 0 && i < count; i++)
		r = err_wrap(e, read_one(list[i], &links, &plan[i], e), "neighbour '%.64s'",
			     shown(list[i]));
	for (size_t i = 0; r == 0 && i < count; i++)
		r = err_wrap(e, set_one(fd, &plan[i], e),
			     "set the neighbour '%.64s' on '%.32s', after %zu of %zu",
			     shown(list[i]), list[i]->device, i, count);
	links_fini(&links);
	return r;
}

int network_add_neighbours(struct network *n, Types__ARPNeighbor *const *list, size_t count,
			   struct err *e)
{
	(void) n;
	if (count > NETWORK_NEIGHBOURS_MAX)
		return err_say(e, EINVAL, "%zu neighbours are more than %d", count,
			       NETWORK_NEIGHBOURS_MAX);

	auto_close int fd = nl_open(NETLINK_ROUTE, e);

	return fd < 0 ? fd : add_all(fd, list, count, e);
}
