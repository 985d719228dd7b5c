/* The lines of an egress policy, which an annotation of a pod may bring. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "host/egress/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(const struct egress_rule *r)
{
	if (r->first_port > r->last_port || r->bits > (r->family == AF_INET ? 32 : 128))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char *text = strndup((const char *) data, bytes), *state = NULL;
	const char *lines[EGRESS_RULES_MAX + 1];
	struct egress_policy *p = NULL;
	size_t n = 0;

	for (char *l = text ? strtok_r(text, "\n", &state) : NULL; l && n < ARRAY_LEN(lines);
	     l = strtok_r(NULL, "\n", &state))
		lines[n++] = l;
	if (egress_policy_read(lines, n, &p, NULL) == 0)
		for (size_t i = 0; p && i < p->n; i++)
			check(&p->rules[i]);
	egress_policy_free(p);
	free(text);
	return 0;
}
