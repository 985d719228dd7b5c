/* VRFs, see the kernel's Documentation/networking/vrf.rst. Formats: linux/if_link.h. */

#include "agent/network/vrf.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "agent/network/state.h"
#include "base/netlink.h"

/* Of the rule with which the kernel's first VRF comes: FIB_RULE_PREF of drivers/net/vrf.c. */
#define VRF_RULE_PRIORITY 1000

static const struct link *link_of(const struct links *links, const struct vrf_wish *want)
{
	const struct link *l = links_by_mac(links, want->mac);

	return l && l->vrf_table == want->table ? l : NULL;
}

static bool is_ours(const struct network *n, int index)
{
	for (size_t i = 0; i < n->n_vrfs; i++)
		if (n->vrfs[i] == index)
			return true;
	return false;
}

/* It is taken away, because the host tells all rules that the guest is to have: this one among them
 * unless somebody has removed it there. */
static void remove_rule(int fd, uint8_t family)
{
	const struct fib_rule_hdr head = {.family = family, .action = FR_ACT_TO_TBL};
	const uint8_t yes = 1;
	struct nl_request q;

	nl_begin(&q, RTM_DELRULE, 0, &head, sizeof head);
	nl_put_u32(&q, FRA_PRIORITY, VRF_RULE_PRIORITY);
	nl_put(&q, FRA_L3MDEV, &yes, sizeof yes);
	(void) nl_ask(fd, &q, NULL);
}

/* With the first one, also if all have gone since, because the kernel does not make it again. */
static void take_rules_away(int fd, struct network *n)
{
	if (n->had_vrfs)
		return;
	n->had_vrfs = true;
	remove_rule(fd, AF_INET);
	remove_rule(fd, AF_INET6);
}

static int make(int fd, const struct vrf_wish *want, struct err *e)
{
	const struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
	struct nl_request q;

	nl_begin(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof info);
	/* The kernel puts a number that is free, because an interface that is not set up yet may
	 * have the name that it is to get. */
	nl_put_string(&q, IFLA_IFNAME, "vrf%d");
	nl_put(&q, IFLA_ADDRESS, want->mac, sizeof want->mac);

	size_t about = nl_nest(&q, IFLA_LINKINFO);

	nl_put_string(&q, IFLA_INFO_KIND, "vrf");

	size_t data = nl_nest(&q, IFLA_INFO_DATA);

	nl_put_u32(&q, IFLA_VRF_TABLE, want->table);
	nl_nest_end(&q, data);
	nl_nest_end(&q, about);

	int r = nl_ask(fd, &q, e);

	return err_wrap(e, r, "make a VRF of table %u", want->table);
}

int vrf_make(int fd, struct network *n, const struct links *links, const struct vrf_wish *want,
	     struct err *e)
{
	const struct link *made;
	struct links now = {0};

	if (link_of(links, want))
		return 0;
	if (n->n_vrfs == NETWORK_VRFS_MAX)
		return err_say(e, EINVAL, "there are more than %d VRFs", NETWORK_VRFS_MAX);

	int r = make(fd, want, e);

	if (r == 0)
		r = links_read(fd, &now, e);
	made = r == 0 ? link_of(&now, want) : NULL;
	if (made) {
		take_rules_away(fd, n);
		n->vrfs[n->n_vrfs++] = made->index;
	}
	links_fini(&now);
	return r;
}

static bool is_kept(const struct link *l, char *const *keep, size_t n_keep)
{
	for (size_t i = 0; i < n_keep; i++)
		if (strcmp(keep[i], l->name) == 0)
			return true;
	return false;
}

static int remove_vrf(int fd, const struct link *l, struct err *e)
{
	const struct ifinfomsg info = {.ifi_index = l->index};
	struct nl_request q;

	nl_begin(&q, RTM_DELLINK, 0, &info, sizeof info);

	int r = nl_ask(fd, &q, e);

	return err_wrap(e, r, "remove VRF '%s'", l->name);
}

int vrf_keep_only(int fd, struct network *n, char *const *keep, size_t n_keep, struct err *e)
{
	struct links links = {0};
	int r = n->n_vrfs == 0 ? 0 : links_read(fd, &links, e);

	for (size_t i = 0; r == 0 && i < n->n_vrfs;) {
		const struct link *l = links_by_index(&links, n->vrfs[i]);

		if (l && is_kept(l, keep, n_keep)) {
			i++;
			continue;
		}
		/* A container may have removed it. */
		if (l)
			r = remove_vrf(fd, l, e);
		if (r == 0)
			n->vrfs[i] = n->vrfs[--n->n_vrfs];
	}
	links_fini(&links);
	return r;
}

int vrf_join(int fd, const struct network *n, const struct link *l, const struct link *vrf,
	     struct err *e)
{
	const struct ifinfomsg info = {.ifi_family = AF_UNSPEC, .ifi_index = l->index};
	int master = vrf ? vrf->index : 0;
	struct nl_request q;

	if (l->master == master || (!vrf && !is_ours(n, l->master)))
		return 0;
	nl_begin(&q, RTM_NEWLINK, 0, &info, sizeof info);
	nl_put_u32(&q, IFLA_MASTER, (uint32_t) master);

	int r = nl_ask(fd, &q, e);

	return err_wrap(e, r, vrf ? "make it a member of VRF '%s'" : "take it out of its VRF",
			vrf ? vrf->name : "");
}
