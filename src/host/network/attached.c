/*
 * Interfaces that a plugin has described in a file, upstream's "directly attachable network". The
 * words are those of DanConfig in src/runtime-rs/crates/resource/src/network/dan.rs of Kata
 * Containers 4; words that are not known are left alone, as there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/grow.h"
#include "host/network/network.h"

AUTO_PTR(json_t, json_decref)

#define MTU_DEFAULT   1500
#define QUEUE_ENTRIES 256

/* ---- words of an object; those that are missing leave *@ret alone ---- */

static int get_text(const json_t *o, const char *key, const char **ret, struct err *e)
{
	const json_t *v = json_object_get(o, key);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v))
		return err_say(e, EINVAL, "%s: it is no text", key);
	*ret = json_string_value(v);
	return 0;
}

static int get_number(const json_t *o, const char *key, uint32_t max, uint32_t *ret, struct err *e)
{
	const json_t *v = json_object_get(o, key);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > max)
		return err_say(e, EINVAL, "%s: it is no number from 0 to %u", key, max);
	*ret = (uint32_t) json_integer_value(v);
	return 0;
}

static int get_list(const json_t *o, const char *key, size_t max, const json_t **ret, struct err *e)
{
	const json_t *v = json_object_get(o, key);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_array(v))
		return err_say(e, EINVAL, "%s: it is no list", key);
	if (json_array_size(v) > max)
		return err_say(e, E2BIG, "%s: there are more than %zu", key, max);
	*ret = v;
	return 0;
}

static int get_name(const json_t *o, const char *key, char ret[NETWORK_NAME_BYTES], struct err *e)
{
	const char *text = "";
	int r = get_text(o, key, &text, e);

	if (r < 0)
		return r;
	if (!*text || strlen(text) >= NETWORK_NAME_BYTES || strchr(text, '/') || strchr(text, '%'))
		return err_say(e, EINVAL, "%s: '%.64s' is no name of an interface", key, text);
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

/* "ADDRESS[/BITS]"; the whole address without them. */
static int read_ip(const char *text, struct network_ip *ret, struct err *e)
{
	auto_free char *address = strdup(text);
	char *slash = address ? strchr(address, '/') : NULL;
	struct network_ip ip = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};
	uint64_t most = ip.family == AF_INET6 ? 128 : 32, bits = most;

	if (!address)
		return err_sys(e, ENOMEM, "read an address");
	if (slash)
		*slash++ = '\0';
	if (inet_pton(ip.family, address, ip.bytes) != 1 ||
	    (slash && (num_parse_u64(slash, &bits) < 0 || bits > most)))
		return err_say(e, EINVAL, "'%.64s' is no address", text);
	ip.bits = (uint8_t) bits;
	*ret = ip;
	return 0;
}

/* Family 0 for "" and for none. */
static int get_ip(const json_t *o, const char *key, struct network_ip *ret, struct err *e)
{
	const char *text = "";
	int r = get_text(o, key, &text, e);

	if (r < 0 || !*text)
		return r;
	return err_wrap(e, read_ip(text, ret, e), "%s", key);
}

static int read_mac(const char *text, uint8_t ret[NETWORK_MAC_BYTES], struct err *e)
{
	unsigned m[NETWORK_MAC_BYTES];
	int end = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5],
		   &end) != NETWORK_MAC_BYTES ||
	    text[end] || (m[0] & 1))
		return err_say(e, EINVAL, "'%.64s' is no hardware address of an interface", text);
	for (size_t i = 0; i < NETWORK_MAC_BYTES; i++)
		ret[i] = (uint8_t) m[i];
	return 0;
}

/* ---- a device ---- */

/* One of the guest's own choice, in the range for that (IEEE 802, 8.4). */
static int make_mac(uint8_t ret[NETWORK_MAC_BYTES], struct err *e)
{
	if (getrandom(ret, NETWORK_MAC_BYTES, 0) != NETWORK_MAC_BYTES)
		return err_sys(e, errno, "choose a hardware address");
	ret[0] = (ret[0] & 0xfcU) | 2U;
	return 0;
}

static int read_tap(const json_t *from, struct network_attached_tap *ret, struct err *e)
{
	const json_t *device = json_object_get(from, "device");
	uint32_t entries = 0;
	const char *type = "";
	int r = get_text(device, "type", &type, e);

	if (r == 0 && strcmp(type, "host-tap") != 0)
		r = err_say(e, ENOTSUP, "type: '%.64s' is not supported, only 'host-tap'", type);
	if (r == 0)
		r = get_name(device, "tap_name", ret->name, e);
	if (r == 0)
		r = get_number(device, "queue_num", NETWORK_QUEUES_MAX, &ret->n_queues, e);
	if (r == 0)
		r = get_number(device, "queue_size", UINT32_MAX, &entries, e);
	if (r == 0 && entries != 0 && entries != QUEUE_ENTRIES)
		r = err_say(e, ENOTSUP, "queue_size: %u is not supported, only %d", entries,
			    QUEUE_ENTRIES);
	return err_wrap(e, r, "device");
}

static int read_address(const json_t *text, int link, struct network_facts *f, struct err *e)
{
	struct network_address a = {.link = link, .flags = IFA_F_PERMANENT};

	if (!json_is_string(text))
		return err_say(e, EINVAL, "it is no text");

	int r = read_ip(json_string_value(text), &a.ip, e);

	if (r < 0)
		return r;
	if (!array_grow(&f->addresses, f->n_addresses, sizeof a))
		return err_sys(e, ENOMEM, "read addresses");
	f->addresses[f->n_addresses++] = a;
	return 0;
}

static int read_route(const json_t *from, int link, struct network_facts *f, struct err *e)
{
	struct network_route route = {
		.link = link,
		.type = RTN_UNICAST,
		.protocol = RTPROT_BOOT,
		.table = RT_TABLE_MAIN,
	};
	uint32_t scope = RT_SCOPE_UNIVERSE;
	int r = get_ip(from, "dest", &route.to, e);

	if (r == 0)
		r = get_ip(from, "gateway", &route.via, e);
	if (r == 0)
		r = get_ip(from, "source", &route.source, e);
	if (r == 0)
		r = get_number(from, "scope", UINT8_MAX, &scope, e);
	if (r == 0)
		r = get_number(from, "flags", UINT32_MAX, &route.flags, e);
	if (r == 0)
		r = get_number(from, "mtu", UINT32_MAX, &route.metrics[RTAX_MTU], e);
	if (r < 0)
		return r;
	route.scope = (uint8_t) scope;
	if (!route.to.family)
		route.to.family = route.via.family ? route.via.family : route.source.family;
	if (!route.to.family)
		return err_say(e, EINVAL, "it has neither dest nor gateway nor source");
	if (!array_grow(&f->routes, f->n_routes, sizeof route))
		return err_sys(e, ENOMEM, "read routes");
	f->routes[f->n_routes++] = route;
	return 0;
}

static int read_neighbour(const json_t *from, int link, struct network_facts *f, struct err *e)
{
	struct network_neighbour n = {.link = link, .state = NUD_PERMANENT, .has_mac = true};
	uint32_t state = 0, flags = 0;
	const char *mac = "";
	int r = get_ip(from, "ip_address", &n.ip, e);

	if (r == 0)
		r = get_text(from, "hardware_addr", &mac, e);
	if (r == 0)
		r = err_wrap(e, read_mac(mac, n.mac, e), "hardware_addr");
	if (r == 0)
		r = get_number(from, "state", UINT16_MAX, &state, e);
	if (r == 0)
		r = get_number(from, "flags", UINT8_MAX, &flags, e);
	if (r < 0)
		return r;
	if (!n.ip.family)
		return err_say(e, EINVAL, "ip_address: it is missing");
	if (state != 0 && !(state & NUD_PERMANENT))
		return err_say(e, ENOTSUP, "state: %u is not permanent", state);
	n.flags = (uint8_t) flags;
	if (!array_grow(&f->neighbours, f->n_neighbours, sizeof n))
		return err_sys(e, ENOMEM, "read neighbours");
	f->neighbours[f->n_neighbours++] = n;
	return 0;
}

/* All of list @key in @from; @f has @n of them already, and may have @max. */
static int read_all(const json_t *from, const char *key, size_t n, size_t max,
		    int (*one)(const json_t *, int, struct network_facts *, struct err *), int link,
		    struct network_facts *f, struct err *e)
{
	const json_t *list = NULL;
	int r = get_list(from, key, max - n, &list, e);

	for (size_t i = 0; r == 0 && i < json_array_size(list); i++)
		r = err_wrap(e, one(json_array_get(list, i), link, f, e), "%s[%zu]", key, i);
	return r;
}

static int read_link(const json_t *from, const json_t *interface, struct network_link *ret,
		     struct err *e)
{
	const char *mac = "";
	uint32_t flags = 0;
	int r = get_name(from, "name", ret->name, e);

	ret->mtu = MTU_DEFAULT;
	if (r == 0)
		r = get_text(from, "guest_mac", &mac, e);
	if (r == 0)
		r = *mac ? err_wrap(e, read_mac(mac, ret->mac, e), "guest_mac")
			 : make_mac(ret->mac, e);
	if (r == 0)
		r = get_number(interface, "mtu", UINT16_MAX, &ret->mtu, e);
	if (r == 0)
		r = get_number(interface, "flags", UINT32_MAX, &flags, e);
	ret->type = ARPHRD_ETHER;
	ret->has_mac = true;
	ret->flags = IFF_UP | (flags & IFF_NOARP);
	return r;
}

static int read_device(const json_t *from, struct network_attached *a, struct err *e)
{
	const json_t *info = json_object_get(from, "network_info");
	const json_t *interface = json_object_get(info, "interface");
	struct network_facts *f = &a->facts;
	struct network_link link = {.index = (int) f->n_links + 1};
	struct network_attached_tap tap = {.n_queues = 0};
	int r = read_tap(from, &tap, e);

	if (r == 0)
		r = read_link(from, interface, &link, e);
	if (r < 0)
		return r;
	if (!array_grow(&a->taps, f->n_links, sizeof tap) ||
	    !array_grow(&f->links, f->n_links, sizeof link))
		return err_sys(e, ENOMEM, "read devices");
	a->taps[f->n_links] = tap;
	f->links[f->n_links++] = link;
	r = read_all(interface, "ip_addresses", f->n_addresses, NETWORK_ADDRESSES_MAX, read_address,
		     link.index, f, e);
	if (r == 0)
		r = read_all(info, "routes", f->n_routes, NETWORK_ROUTES_MAX, read_route,
			     link.index, f, e);
	if (r == 0)
		r = read_all(info, "neighbors", f->n_neighbours, NETWORK_NEIGHBOURS_MAX,
			     read_neighbour, link.index, f, e);
	return err_wrap(e, r, "network_info");
}

static int read_whole(const json_t *from, struct network_attached *a, struct err *e)
{
	const json_t *devices = NULL;
	const char *netns = "";
	int r = get_text(from, "netns", &netns, e);

	if (r == 0)
		r = get_list(from, "devices", NETWORK_LINKS_MAX, &devices, e);
	if (r == 0 && *netns && !(a->netns = strdup(netns)))
		r = err_sys(e, ENOMEM, "read its namespace");
	for (size_t i = 0; r == 0 && i < json_array_size(devices); i++)
		r = err_wrap(e, read_device(json_array_get(devices, i), a, e), "devices[%zu]", i);
	return r;
}

int network_attached_read(const char *text, size_t bytes, struct network_attached *ret,
			  struct err *e)
{
	/* Also for no device, because who has taps looks for no interfaces anywhere else. */
	struct network_attached a = {.taps = calloc(1, sizeof *a.taps)};
	json_error_t why;
	auto_ptr(json_decref) json_t *from = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &why);
	int r = from ? read_whole(from, &a, e)
		     : err_say(e, EINVAL, "line %d: %s", why.line, why.text);

	if (r == 0 && !a.taps)
		r = err_sys(e, ENOMEM, "read devices");
	if (r < 0)
		network_attached_fini(&a);
	else
		*ret = a;
	return r;
}

void network_attached_fini(struct network_attached *a)
{
	network_facts_fini(&a->facts);
	free(a->taps);
	free(a->netns);
	*a = (struct network_attached){0};
}
