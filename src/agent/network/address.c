#include "agent/network/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

int ip_set(struct ip *ip, uint8_t family, const void *data, size_t bytes)
{
	if ((family != AF_INET && family != AF_INET6) || bytes != ip_bytes(family))
		return -EBADMSG;
	*ip = (struct ip){.family = family, .prefix = ip_bits(family)};
	memcpy(ip->bytes, data, bytes);
	return 0;
}

int ip_parse(const char *text, struct ip *ret, struct err *e)
{
	struct ip ip = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	if (inet_pton(ip.family, text, ip.bytes) != 1)
		return err_say(e, EINVAL, "'%.64s' is no IP address", text);
	ip.prefix = ip_bits(ip.family);
	*ret = ip;
	return 0;
}

int ip_parse_mask(const char *text, struct ip *ip, struct err *e)
{
	uint64_t bits;

	if (num_parse_u64(text, &bits) < 0 || bits > ip_bits(ip->family))
		return err_say(e, EINVAL, "'%.64s' is no number of bits from 0 to %u", text,
			       ip_bits(ip->family));
	ip->prefix = (uint8_t) bits;
	return 0;
}

int ip_parse_network(const char *text, struct ip *ret, struct err *e)
{
	const char *slash = strchr(text, '/');
	char address[IP_TEXT_MAX];
	struct ip ip;

	if (!slash)
		return ip_parse(text, ret, e);
	if ((size_t) (slash - text) >= sizeof address)
		return err_say(e, EINVAL, "'%.64s' is no IP address", text);
	memcpy(address, text, (size_t) (slash - text));
	address[slash - text] = '\0';

	int r = ip_parse(address, &ip, e);

	if (r == 0)
		r = ip_parse_mask(slash + 1, &ip, e);
	if (r == 0)
		*ret = ip;
	return r;
}

const char *ip_print(const struct ip *ip, char to[IP_TEXT_MAX])
{
	if (!inet_ntop(ip->family, ip->bytes, to, IP_TEXT_MAX))
		to[0] = '\0';
	return to;
}

const char *ip_print_network(const struct ip *ip, char to[IP_TEXT_MAX])
{
	size_t n = strlen(ip_print(ip, to));

	(void) snprintf(to + n, IP_TEXT_MAX - n, "/%u", ip->prefix);
	return to;
}

bool ip_is_link_local(const struct ip *ip)
{
	/* RFC 4291, 2.5.6 */
	return ip->family == AF_INET6 && ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

uint32_t ip_broadcast(const struct ip *ip)
{
	uint32_t address;

	memcpy(&address, ip->bytes, sizeof address);
	return ip->prefix < 32 ? address | htonl(UINT32_MAX >> ip->prefix) : address;
}

int mac_parse(const char *text, uint8_t ret[ETH_ALEN], struct err *e)
{
	uint8_t mac[ETH_ALEN];
	unsigned any = 0;

	for (size_t i = 0; i < ETH_ALEN; i++) {
		const char *digits = text + 3 * i;
		char end = i + 1 < ETH_ALEN ? ':' : '\0';

		/* From the left, so nothing behind the text's end is read. */
		if (!isxdigit((unsigned char) digits[0]) || !isxdigit((unsigned char) digits[1]) ||
		    digits[2] != end)
			return err_say(e, EINVAL, "'%.64s' is no hardware address", text);
		mac[i] = (uint8_t) strtoul((char[]){digits[0], digits[1], '\0'}, NULL, 16);
		any |= mac[i];
	}
	if (!any || (mac[0] & 1))
		return err_say(e, EINVAL, "'%s' is not the hardware address of one interface",
			       text);
	memcpy(ret, mac, sizeof mac);
	return 0;
}

const char *mac_print(const uint8_t mac[ETH_ALEN], char to[MAC_TEXT_MAX])
{
	(void) snprintf(to, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
			mac[3], mac[4], mac[5]);
	return to;
}

int interface_name_check(const char *name, struct err *e)
{
	size_t n = strlen(name);

	if (n == 0)
		return err_say(e, EINVAL, "the name of an interface is missing");
	if (n >= IFNAMSIZ)
		return err_say(e, EINVAL,
			       "'%.64s' is no name of an interface: it is longer than %d bytes",
			       name, IFNAMSIZ - 1);
	for (const char *p = name; *p; p++)
		if (*p == '/' || *p == ':' || *p == '%' || isspace((unsigned char) *p) ||
		    iscntrl((unsigned char) *p))
			return err_say(e, EINVAL, "'%s' is no name of an interface", name);
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_say(e, EINVAL, "'%s' is no name of an interface", name);
	return 0;
}
