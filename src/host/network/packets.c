/*
 * Interfaces without Ethernet (tun, WireGuard, tunnels of IP) carry packets as they are, while the
 * guest's card carries frames. One program puts a head before what arrives at the interface, the
 * other takes off that of what the guest sends. Interfaces with blank heads (netkit, as Cilium
 * makes it for pods) have one before each packet, with zeros for addresses: there the programs put
 * the addresses in and take them out.
 *
 * The heads are all alike, because neither side looks for a neighbour: the interface has no
 * addresses of Ethernet, so the guest's has IFF_NOARP, and asks for none. A kernel takes a frame
 * for somebody else's whose address is not that of the interface where it arrives.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/array.h"
#include "base/auto.h"
#include "host/network/program.h"
#include "host/network/tap.h"

enum {
	CONTEXT = BPF_REG_6,  /* struct __sk_buff */
	PROTOCOL = BPF_REG_7, /* ETH_P_*, in network order */
	HAS_HEAD = BPF_REG_8, /* not 0: the interface has heads, which are blank */
};

enum label {
	IP = 1,
	WRITE,
	SEND,
	DROP,
};

/* struct ethhdr on the stack: to, from, protocol. The addresses are three words. */
#define HEAD_AT     (-16)
#define PROTOCOL_AT (HEAD_AT + 2 * ETH_ALEN)

#define PROGRAM_MAX 48

/* Other protocols have no business there: none of these interfaces has a field that names them. A
 * tag of a VLAN would become a part of the packet. */
#define ONLY_IP                                                                                \
	COPY(CONTEXT, ARG1), LOAD(WORD, ARG1, CONTEXT, CTX(vlan_present)),                     \
		JUMP_IF(BPF_JNE, ARG1, 0, DROP), LOAD(WORD, PROTOCOL, CONTEXT, CTX(protocol)), \
		JUMP_IF(BPF_JEQ, PROTOCOL, htons(ETH_P_IP), IP),                               \
		JUMP_IF(BPF_JNE, PROTOCOL, htons(ETH_P_IPV6), DROP), LABEL(IP)

#define REDIRECT(link)                                                              \
	SET(ARG1, (link)), SET(ARG2, 0), CALL(BPF_FUNC_redirect), END, LABEL(DROP), \
		SET(RESULT, TC_ACT_SHOT), END

/* Writes the head that is on the stack over the one that the frame has. */
#define WRITE_HEAD                                                                 \
	COPY(ARG1, CONTEXT), SET(ARG2, 0), COPY(ARG3, STACK), ADD(ARG3, HEAD_AT),  \
		SET(ARG4, ETH_HLEN), SET(ARG5, 0), CALL(BPF_FUNC_skb_store_bytes), \
		JUMP_IF(BPF_JNE, RESULT, 0, DROP)

/* What arrives at @link goes to @tap, as from the guest's card to itself. */
static size_t write_wrapping(struct bpf_insn ret[PROGRAM_MAX], const struct network_link *link,
			     int tap)
{
	int32_t addresses[3];

	memcpy(addresses, link->mac, ETH_ALEN);
	memcpy((uint8_t *) addresses + ETH_ALEN, link->mac, ETH_ALEN);

	const struct bpf_insn program[] = {
		ONLY_IP,
		STORE_WORD(STACK, HEAD_AT, addresses[0]),
		STORE_WORD(STACK, HEAD_AT + 4, addresses[1]),
		STORE_WORD(STACK, HEAD_AT + 8, addresses[2]),
		STORE(HALF, STACK, PROTOCOL_AT, PROTOCOL),
		SET(HAS_HEAD, link->has_blank_heads),
		JUMP_IF(BPF_JNE, HAS_HEAD, 0, WRITE),
		COPY(ARG1, CONTEXT),
		SET(ARG2, ETH_HLEN),
		SET(ARG3, 0),
		CALL(BPF_FUNC_skb_change_head),
		JUMP_IF(BPF_JNE, RESULT, 0, DROP),
		LABEL(WRITE),
		WRITE_HEAD,
		REDIRECT(tap),
	};

	_Static_assert(ARRAY_LEN(program) <= PROGRAM_MAX, "does not fit into its caller's array");
	return program_resolve(program, ARRAY_LEN(program), ret);
}

/* What the guest sends leaves @link. One without heads takes the packet only. */
static size_t write_unwrapping(struct bpf_insn ret[PROGRAM_MAX], const struct network_link *link)
{
	const struct bpf_insn program[] = {
		ONLY_IP,
		STORE_WORD(STACK, HEAD_AT, 0),
		STORE_WORD(STACK, HEAD_AT + 4, 0),
		STORE_WORD(STACK, HEAD_AT + 8, 0),
		STORE(HALF, STACK, PROTOCOL_AT, PROTOCOL),
		SET(HAS_HEAD, link->has_blank_heads),
		JUMP_IF(BPF_JEQ, HAS_HEAD, 0, SEND),
		WRITE_HEAD,
		LABEL(SEND),
		REDIRECT(link->index),
	};

	_Static_assert(ARRAY_LEN(program) <= PROGRAM_MAX, "does not fit into its caller's array");
	return program_resolve(program, ARRAY_LEN(program), ret);
}

static int ask(struct network *n, int from, const struct bpf_insn *program, size_t instructions,
	       struct err *e)
{
	auto_close int fd = program_load(program, instructions, "kata_packets", e);

	return fd < 0 ? fd : program_attach(n, from, MIRROR_PRIORITY, fd, "kata_packets", e);
}

/* Before it, what a tunnel of IP receives begins with the head of the frame that carried it. */
static int check_kernel(struct err *e)
{
	static const unsigned least[] = {5, 14};
	unsigned major = 0, minor = 0;
	struct utsname u;

	if (uname(&u) == 0 && sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	    (major > least[0] || (major == least[0] && minor >= least[1])))
		return 0;
	return err_say(e, EOPNOTSUPP, "an interface without Ethernet needs Linux %u.%u", least[0],
		       least[1]);
}

int packets_connect(struct network *n, const struct network_link *link, int tap, struct err *e)
{
	struct bpf_insn program[PROGRAM_MAX];
	int r = check_kernel(e);

	if (r == 0)
		r = ask(n, tap, program, write_unwrapping(program, link), e);
	return r < 0 ? r : ask(n, link->index, program, write_wrapping(program, link, tap), e);
}
