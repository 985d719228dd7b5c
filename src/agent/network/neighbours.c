/* Hardware addresses of neighbours, which the guest then does not ask for. */

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "agent/network/links.h"
#include "agent/network/state.h"
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

static void begin(struct nl_request *q, uint16_t type, uint16_t flags, const struct neighbour *n)
{
	const struct ndmsg info = {
		.ndm_family = n->address.family,
		.ndm_ifindex = n->device,
		.ndm_state = n->state,
		.ndm_flags = n->flags,
	};

	nl_begin(q, type, flags, &info, sizeof info);
	nl_put(q, NDA_DST, n->address.bytes, ip_bytes(n->address.family));
}

static int set_one(int fd, const struct neighbour *n, struct err *e)
{
	struct nl_request q;

	begin(&q, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, n);
	if (n->has_mac)
		nl_put(&q, NDA_LLADDR, n->mac, ETH_ALEN);
	return nl_ask(fd, &q, e);
}

static int remove_one(int fd, const struct neighbour *n, struct err *e)
{
	struct nl_request q;
	struct err cause = {0};
	char text[IP_TEXT_MAX];

	begin(&q, RTM_DELNEIGH, 0, n);

	int r = nl_ask(fd, &q, &cause);

	/* It went with its interface or was taken away in the guest. */
	if (r == 0 || r == -ENOENT || r == -ENODEV || r == -ENXIO)
		return 0;
	if (e)
		*e = cause;
	return err_wrap(e, r, "remove the neighbour '%s'", ip_print(&n->address, text));
}

/* By what the kernel tells them apart. */
static int neighbour_compare(const void *a, const void *b)
{
	const struct neighbour *x = a, *y = b;
	int r = memcmp(x->address.bytes, y->address.bytes, sizeof x->address.bytes);

	if (r == 0)
		r = x->address.family - y->address.family;
	if (r == 0)
		r = (x->flags & NTF_PROXY) - (y->flags & NTF_PROXY);
	if (r == 0)
		r = (x->device > y->device) - (x->device < y->device);
	return r;
}

/* Removes those of the last complete request that are not in @plan, and remembers @plan before it
 * is set, because what then cannot be set is not there to be removed later, which is no failure. */
static int replace(int fd, struct network *n, const struct neighbour *plan, size_t count,
		   struct err *e)
{
	auto_free struct neighbour *now = calloc(count + 1, sizeof *now);

	if (!now)
		return err_sys(e, ENOMEM, "remember neighbours");
	memcpy(now, plan, count * sizeof *now);
	qsort(now, count, sizeof *now, neighbour_compare);
	for (size_t i = 0; i < n->n_neighbours; i++) {
		const struct neighbour *old = &n->neighbours[i];
		int r = bsearch(old, now, count, sizeof *now, neighbour_compare)
				? 0
				: remove_one(fd, old, e);

		if (r < 0)
			return r;
	}
	free(n->neighbours);
	n->neighbours = take_ptr(now);
	n->n_neighbours = count;
	return 0;
}

static const char *shown(const Types__ARPNeighbor *n)
{
	return n->toipaddress ? n->toipaddress->address : "";
}

static int plan_all(int fd, Types__ARPNeighbor *const *list, size_t count, struct neighbour *plan,
		    struct err *e)
{
	struct links links = {0};
	int r = links_read(fd, &links, e);

	for (size_t i = 0; r == 0 && i < count; i++)
		r = err_wrap(e, read_one(list[i], &links, &plan[i], e), "neighbour '%.64s'",
			     shown(list[i]));
	links_fini(&links);
	return r;
}

int network_set_neighbours(struct network *n, Types__ARPNeighbor *const *list, size_t count,
			   bool complete, struct err *e)
{
	if (count > NETWORK_NEIGHBOURS_MAX)
		return err_say(e, EINVAL, "%zu neighbours are more than %d", count,
			       NETWORK_NEIGHBOURS_MAX);

	auto_close int fd = nl_open(NETLINK_ROUTE, e);
	auto_free struct neighbour *plan = calloc(count + 1, sizeof *plan);

	if (fd < 0)
		return fd;

	int r = plan ? plan_all(fd, list, count, plan, e) : err_sys(e, ENOMEM, "read neighbours");

	if (r == 0 && complete)
		r = replace(fd, n, plan, count, e);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = err_wrap(e, set_one(fd, &plan[i], e),
			     "set the neighbour '%.64s' on '%.32s', after %zu of %zu",
			     shown(list[i]), list[i]->device, i, count);
	return r;
}
