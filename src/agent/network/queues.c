/* Queues of the guest's interfaces: as many of what a card has as there are processors. */

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/network/links.h"
#include "agent/network/network.h"
#include "base/log.h"
#include "base/netlink.h"

/* See "ethtool -l" and "-L" of ethtool(8). Those without queues of their own do not know it. */
static int channels(int fd, const char *name, uint32_t command, struct ethtool_channels *c)
{
	struct ifreq request = {.ifr_data = (char *) c};

	c->cmd = command;
	(void) snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	return ioctl(fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
}

static void use(int fd, const char *name, uint32_t processors)
{
	struct ethtool_channels c = {0};

	if (channels(fd, name, ETHTOOL_GCHANNELS, &c) < 0)
		return;

	uint32_t want = c.max_combined < processors ? c.max_combined : processors;

	if (want <= c.combined_count)
		return;
	c.combined_count = want;
	if (channels(fd, name, ETHTOOL_SCHANNELS, &c) < 0)
		log_warn("ignoring that '%s' keeps the queues that it has: %m", name);
}

void network_use_queues(struct network *n)
{
	auto_close int netlink = nl_open(NETLINK_ROUTE, NULL);
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	struct links links = {0};

	(void) n;
	if (netlink < 0 || fd < 0 || processors < 1 || links_read(netlink, &links, NULL) < 0)
		log_warn("ignoring that interfaces keep the queues that they have");
	for (size_t i = 0; i < links.n; i++)
		use(fd, links.list[i].name, (uint32_t) processors);
	links_fini(&links);
}
