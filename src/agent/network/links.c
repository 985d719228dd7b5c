#include "agent/network/links.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/grow.h"
#include "base/netlink.h"

static void drop(void *arg)
{
	struct links *links = arg;

	links->n = 0;
}

void links_fini(struct links *links)
{
	free(links->list);
	*links = (struct links){0};
}

/* @info: what is told of its kind. */
static uint32_t vrf_table_of(const struct nl_value *info)
{
	struct nl_value a[IFLA_INFO_DATA + 1], data[IFLA_VRF_TABLE + 1];

	if (nl_parse(info->data, info->bytes, a, IFLA_INFO_DATA + 1) < 0 ||
	    strcmp(nl_string(&a[IFLA_INFO_KIND]), "vrf") != 0 ||
	    nl_parse(a[IFLA_INFO_DATA].data, a[IFLA_INFO_DATA].bytes, data, IFLA_VRF_TABLE + 1) < 0)
		return 0;
	return nl_u32(&data[IFLA_VRF_TABLE]);
}

static int add(void *arg, const struct nl_message *m, struct err *e)
{
	const struct ifinfomsg *info = m->fixed;
	struct links *links = arg;
	struct nl_value a[IFLA_LINKINFO + 1];

	if (m->type != RTM_NEWLINK)
		return 0;
	if (nl_parse(m->attributes, m->attributes_bytes, a, IFLA_LINKINFO + 1) < 0)
		return err_say(e, EBADMSG, "the kernel's list of interfaces makes no sense");

	if (!array_grow(&links->list, links->n, sizeof *links->list))
		return err_sys(e, ENOMEM, "list interfaces");

	struct link *link = &links->list[links->n++];

	*link = (struct link){0};
	link->index = info->ifi_index;
	link->flags = info->ifi_flags;
	link->mtu = nl_u32(&a[IFLA_MTU]);
	link->master = (int) nl_u32(&a[IFLA_MASTER]);
	link->vrf_table = vrf_table_of(&a[IFLA_LINKINFO]);
	(void) snprintf(link->name, sizeof link->name, "%s", nl_string(&a[IFLA_IFNAME]));
	link->has_mac = a[IFLA_ADDRESS].bytes == ETH_ALEN;
	if (link->has_mac)
		memcpy(link->mac, a[IFLA_ADDRESS].data, ETH_ALEN);
	return 0;
}

int links_read(int fd, struct links *links, struct err *e)
{
	struct ifinfomsg all = {.ifi_family = AF_UNSPEC};
	struct nl_request q;

	links->n = 0;
	nl_begin(&q, RTM_GETLINK, 0, &all, sizeof all);

	int r = nl_dump(fd, &q, sizeof all, add, drop, links, e);

	return err_wrap(e, r, "list interfaces");
}

const struct link *links_by_name(const struct links *links, const char *name)
{
	for (size_t i = 0; i < links->n; i++)
		if (strcmp(links->list[i].name, name) == 0)
			return &links->list[i];
	return NULL;
}

const struct link *links_by_mac(const struct links *links, const uint8_t mac[ETH_ALEN])
{
	for (size_t i = 0; i < links->n; i++)
		if (links->list[i].has_mac && memcmp(links->list[i].mac, mac, ETH_ALEN) == 0)
			return &links->list[i];
	return NULL;
}

const struct link *links_by_index(const struct links *links, int index)
{
	for (size_t i = 0; i < links->n; i++)
		if (links->list[i].index == index)
			return &links->list[i];
	return NULL;
}

bool link_without_ipv6(const char *name)
{
	auto_free char *path = str_printf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	auto_free char *text = NULL;

	/* The kernel has no such file either when it has no IPv6, or none with so small an MTU. */
	return path && (file_read(AT_FDCWD, path, 16, &text, NULL, NULL) < 0 || text[0] != '0');
}
