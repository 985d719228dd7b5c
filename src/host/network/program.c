#include "host/network/program.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/bpf.h"
#include "host/network/tap.h"

static bool is_label(const struct bpf_insn *i)
{
	return i->code == 0 && i->off != 0;
}

static bool jumps(const struct bpf_insn *i)
{
	return BPF_CLASS(i->code) == BPF_JMP && BPF_OP(i->code) != BPF_CALL &&
	       BPF_OP(i->code) != BPF_EXIT;
}

size_t program_resolve(const struct bpf_insn *program, size_t n, struct bpf_insn *ret)
{
	size_t at[PROGRAM_LABELS] = {0}, count = 0;

	for (size_t i = 0; i < n; i++) {
		if (is_label(&program[i]))
			at[program[i].off] = count;
		else
			ret[count++] = program[i];
	}
	for (size_t i = 0; i < count; i++)
		if (jumps(&ret[i]))
			ret[i].off = (int16_t) (at[ret[i].off] - i - 1);
	return count;
}

int program_load(const struct bpf_insn *program, size_t n, const char *name, struct err *e)
{
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_SCHED_CLS,
		.insns = (uintptr_t) program,
		.insn_cnt = (uint32_t) n,
		.license = (uintptr_t) "Apache-2.0",
	};

	(void) snprintf(load.prog_name, sizeof load.prog_name, "%s", name);

	int r = bpf_call(BPF_PROG_LOAD, &load);

	return r < 0 ? err_sys(e, -r, "load the program '%s' for a device", name) : r;
}

static struct tcmsg place(int link, uint32_t priority)
{
	return (struct tcmsg){
		.tcm_ifindex = link,
		.tcm_parent = INGRESS_HANDLE,
		.tcm_info = TC_H_MAKE(priority << 16, htons(ETH_P_ALL)),
	};
}

/* See tc-bpf(8), "direct-action". */
int program_attach(struct network *n, int link, uint32_t priority, int program, const char *name,
		   struct err *e)
{
	const struct tcmsg tc = place(link, priority);
	struct nl_request q;
	int r = ingress_make(n, link, e);

	if (r < 0)
		return r;
	nl_begin(&q, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &tc, sizeof tc);
	nl_put_string(&q, TCA_KIND, "bpf");

	size_t options = nl_nest(&q, TCA_OPTIONS);

	nl_put_u32(&q, TCA_BPF_FD, (uint32_t) program);
	nl_put_string(&q, TCA_BPF_NAME, name);
	nl_put_u32(&q, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	nl_nest_end(&q, options);
	r = nl_ask(n->sock, &q, e);
	if (r < 0)
		ingress_remove(n, link);
	return r;
}

bool program_detach(struct network *n, int link, uint32_t priority)
{
	const struct tcmsg tc = place(link, priority);
	struct nl_request q;

	nl_begin(&q, RTM_DELTFILTER, 0, &tc, sizeof tc);
	if (nl_ask(n->sock, &q, NULL) < 0)
		return false;
	ingress_remove(n, link);
	return true;
}
