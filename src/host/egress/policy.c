#include "host/egress/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"

#define LINE_MAX_BYTES 512
#define WORDS_MAX      3
#define BLANKS         " \t"
#define NO_PLACE       "none"

static const struct {
	const char *name;
	uint8_t number;
	bool has_ports;
} protocols[] = {
	{"tcp", IPPROTO_TCP, true},
	{"udp", IPPROTO_UDP, true},
	{"sctp", IPPROTO_SCTP, true},
	{"icmp", IPPROTO_ICMP, false},
};

bool egress_rule_has_ports(const struct egress_rule *rule)
{
	return rule->first_port != 0 || rule->last_port != UINT16_MAX;
}

bool egress_rule_is_for(const struct egress_rule *rule, const char *name)
{
	size_t all = strlen(name), tail = rule->name ? strlen(rule->name) : 0;

	if (!rule->name)
		return false;
	if (rule->name[0] != '*')
		return strcmp(rule->name, name) == 0;
	/* "*.example.com": ".example.com" with something before it. */
	return all > tail - 1 && strcmp(name + all - (tail - 1), rule->name + 1) == 0;
}

bool egress_policy_has_names(const struct egress_policy *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->rules[i].name)
			return true;
	return false;
}

int egress_policy_resolver(struct egress_policy *p, const char *address, struct err *e)
{
	struct egress_resolver *to = &p->resolvers[p->n_resolvers];

	if (p->n_resolvers == EGRESS_RESOLVERS_MAX)
		return err_say(e, E2BIG, "more than %d name servers", EGRESS_RESOLVERS_MAX);
	if (inet_pton(AF_INET, address, to->bytes) == 1)
		to->family = AF_INET;
	else if (inet_pton(AF_INET6, address, to->bytes) == 1)
		to->family = AF_INET6;
	else
		return err_say(e, EINVAL, "'%.64s' is no address", address);
	p->n_resolvers++;
	return 0;
}

void egress_policy_free(struct egress_policy *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		free(p->rules[i].name);
	free(p->rules);
	free(p);
}

/* Bits behind the prefix would make a rule that nothing matches. */
static void clear_host_bits(struct egress_rule *rule)
{
	for (unsigned bit = rule->bits; bit < 8 * sizeof rule->prefix; bit++)
		rule->prefix[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

static bool is_label(const char *label, size_t n)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";

	return n > 0 && n < 64 && strspn(label, letters) >= n;
}

/* The last label of a name is no number (RFC 1123, 2.1), so that no wrong address is a name. */
static bool is_name(const char *text)
{
	const char *last = strrchr(text, '.');

	last = last ? last + 1 : text;
	if (strlen(text) >= EGRESS_NAME_BYTES || strspn(last, "0123456789") == strlen(last))
		return false;
	text += strncmp(text, "*.", 2) == 0 ? 2 : 0;
	for (;;) {
		size_t n = strcspn(text, ".");

		if (!is_label(text, n))
			return false;
		if (!text[n])
			return true;
		text += n + 1;
	}
}

static int read_host_name(char *word, struct egress_rule *rule, struct err *e)
{
	for (char *p = word; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char) (*p - 'A' + 'a');
	if (strcmp(word, NO_PLACE) == 0)
		return err_say(e, EINVAL, "it must be the only line");
	if (!is_name(word))
		return err_say(e, EINVAL, "'%s' is neither an address nor a name", word);
	rule->name = strdup(word);
	return rule->name ? 0 : err_sys(e, ENOMEM, "read the egress policy");
}

static int read_place(char *word, struct egress_rule *rule, struct err *e)
{
	char *slash = strchr(word, '/');
	uint64_t bits = 0;

	if (slash)
		*slash++ = '\0';
	if (inet_pton(AF_INET, word, rule->prefix) == 1)
		rule->family = AF_INET;
	else if (inet_pton(AF_INET6, word, rule->prefix) == 1)
		rule->family = AF_INET6;
	else if (!slash)
		return read_host_name(word, rule, e);
	else
		return err_say(e, EINVAL, "'%s' is no address", word);

	uint64_t all = rule->family == AF_INET ? 32 : 128;

	if (!slash)
		bits = all;
	else if (num_parse_u64(slash, &bits) < 0 || bits > all)
		return err_say(e, EINVAL, "'/%s' is no length of a prefix", slash);
	rule->bits = (uint8_t) bits;
	clear_host_bits(rule);
	return 0;
}

static int read_protocol(const char *word, struct egress_rule *rule, bool *ret_has_ports,
			 struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		if (strcmp(protocols[i].name, word) == 0) {
			rule->protocol = protocols[i].number;
			*ret_has_ports = protocols[i].has_ports;
			return 0;
		}
	return err_say(e, EINVAL, "'%s' is none of tcp, udp, sctp, icmp", word);
}

static int read_port(const char *word, uint16_t *ret)
{
	uint64_t n = 0;

	if (num_parse_u64(word, &n) < 0 || n > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t) n;
	return 0;
}

static int read_ports(char *word, struct egress_rule *rule, struct err *e)
{
	char *dash = strchr(word, '-');
	int r = 0;

	if (dash)
		*dash++ = '\0';
	r = read_port(word, &rule->first_port);
	if (r == 0)
		r = read_port(dash ? dash : word, &rule->last_port);
	if (r < 0 || rule->first_port == 0 || rule->first_port > rule->last_port)
		return err_say(e, EINVAL, "'%s%s%s' is neither a port nor a range of ports", word,
			       dash ? "-" : "", dash ? dash : "");
	return 0;
}

static int read_words(char *const *words, size_t n, struct egress_rule *rule, struct err *e)
{
	bool has_ports = false;
	int r = n == 0 ? err_say(e, EINVAL, "it is empty") : read_place(words[0], rule, e);

	rule->last_port = UINT16_MAX;
	if (r == 0 && n > 1)
		r = read_protocol(words[1], rule, &has_ports, e);
	if (r == 0 && n > 2 && !has_ports)
		r = err_say(e, EINVAL, "'%s' has no ports", words[1]);
	if (r == 0 && n > 2)
		r = read_ports(words[2], rule, e);
	return r;
}

static int read_line(const char *line, struct egress_rule *rule, struct err *e)
{
	char copy[LINE_MAX_BYTES], *words[WORDS_MAX + 1], *state = NULL;
	size_t n = 0;

	if (strlen(line) >= sizeof copy)
		return err_say(e, EINVAL, "it is longer than %d bytes", LINE_MAX_BYTES - 1);
	memcpy(copy, line, strlen(line) + 1);
	for (char *w = strtok_r(copy, BLANKS, &state); w && n <= WORDS_MAX;
	     w = strtok_r(NULL, BLANKS, &state))
		words[n++] = w;
	if (n > WORDS_MAX)
		return err_say(e, EINVAL, "it has more than a place, a protocol and ports");
	return read_words(words, n, rule, e);
}

int egress_policy_read(const char *const *lines, size_t n, struct egress_policy **ret,
		       struct err *e)
{
	auto_ptr(egress_policy_free) struct egress_policy *p = NULL;

	if (n > EGRESS_RULES_MAX)
		return err_say(e, E2BIG, "more than %d lines", EGRESS_RULES_MAX);
	if (n > 0 && (!(p = calloc(1, sizeof *p)) || !(p->rules = calloc(n, sizeof *p->rules))))
		return err_sys(e, ENOMEM, "read the egress policy");
	if (n == 1 && strcmp(lines[0], NO_PLACE) == 0)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		int r = read_line(lines[i], &p->rules[p->n++], e);

		if (r < 0)
			return err_wrap(e, r, "'%.*s'", LINE_MAX_BYTES, lines[i]);
	}
	*ret = take_ptr(p);
	return 0;
}
