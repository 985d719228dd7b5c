/* Formats: networking/ip-sysctl.rst of the kernel's documentation, conf/interface of IPv6. */
#include "agent/network/ipv6.h"

#include <fcntl.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/log.h"

static void put(const char *name, const char *file, const char *value)
{
	auto_free char *path = str_printf("/proc/sys/net/ipv6/conf/%s/%s", name, file);
	struct err e = {0};

	if (path && file_write(AT_FDCWD, path, value, &e) < 0)
		log_err(LOG_INFO, &e, "ignoring a setting of IPv6");
}

static struct set_ipv6 *find(struct network *n, int device)
{
	for (size_t i = 0; i < n->n_ipv6; i++)
		if (n->ipv6[i].device == device)
			return &n->ipv6[i];
	return NULL;
}

static void forget_gone(struct network *n, const struct links *links)
{
	size_t left = 0;

	for (size_t i = 0; i < n->n_ipv6; i++)
		if (links_by_index(links, n->ipv6[i].device))
			n->ipv6[left++] = n->ipv6[i];
	n->n_ipv6 = left;
}

/* Returns what was off, and remembers @off in its place. Without memory for that it is switched off
 * each time, and never on again. */
static unsigned exchange(struct network *n, const struct links *links, int device, unsigned off)
{
	struct set_ipv6 *was = find(n, device), *more;
	unsigned before = was ? was->off : 0;

	if (was)
		was->off = off;
	if (was || !off)
		return before;
	forget_gone(n, links);
	more = realloc(n->ipv6, (n->n_ipv6 + 1) * sizeof *more);
	if (more) {
		n->ipv6 = more;
		more[n->n_ipv6++] = (struct set_ipv6){device, off};
	}
	return before;
}

void ipv6_switch(struct network *n, const struct links *links, int device, const char *name,
		 unsigned off)
{
	unsigned changed = exchange(n, links, device, off) ^ off;

	if (changed & IPV6_OFF_ROUTERS)
		put(name, "accept_ra", off & IPV6_OFF_ROUTERS ? "0" : "1");
	if (changed & IPV6_OFF_AUTOCONF)
		put(name, "autoconf", off & IPV6_OFF_AUTOCONF ? "0" : "1");
	if (changed & IPV6_OFF_WHOLLY)
		put(name, "disable_ipv6", off & IPV6_OFF_WHOLLY ? "1" : "0");
}
