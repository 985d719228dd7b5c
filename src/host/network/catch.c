#include "host/network/catch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/bpf.h"
#include "host/network/program.h"

enum {
	CONTEXT = BPF_REG_6, /* struct __sk_buff */
	FRAME = BPF_REG_7,   /* its first byte; later the listening socket */
	LIMIT = BPF_REG_8,   /* behind its last byte */
	FLAGS = BPF_REG_9,   /* of TCP */
};

enum label {
	IPV4 = 1,
	LOOK,
	NOBODY,
	PASS,
};

#define OUTER_BYTES   ETH_HLEN /* the loopback device's frames have Ethernet's head, too */
#define V4_TCP_AT     ((int) (OUTER_BYTES + sizeof(struct iphdr)))
#define V6_TCP_AT     ((int) (OUTER_BYTES + sizeof(struct ipv6hdr)))
#define V4(field)     ((int) (OUTER_BYTES + offsetof(struct iphdr, field)))
#define V6(field)     ((int) (OUTER_BYTES + offsetof(struct ipv6hdr, field)))
#define TUPLE(family) ((int) sizeof(((struct bpf_sock_tuple *) NULL)->family))

#define V4_NO_OPTIONS 0x45 /* version 4, five words of head */
#define TCP_FLAGS_AT  13   /* RFC 9293, 3.1 */
#define TCP_SYN       0x02
#define TCP_ACK       0x10

/* The key of the map's only place, on the stack. */
#define KEY_AT (-4)

#define PROGRAM_MAX 96

/* Addresses and ports follow each other in a packet as in struct bpf_sock_tuple, so the helper is
 * given them where they are. */
static size_t write_program(struct bpf_insn *ret, int map_fd)
{
	const struct bpf_insn program[] = {
		COPY(CONTEXT, ARG1),
		LOAD(WORD, FRAME, CONTEXT, CTX(data)),
		LOAD(WORD, LIMIT, CONTEXT, CTX(data_end)),
		LOAD(WORD, ARG1, CONTEXT, CTX(protocol)),
		JUMP_IF(BPF_JEQ, ARG1, htons(ETH_P_IP), IPV4),
		JUMP_IF(BPF_JNE, ARG1, htons(ETH_P_IPV6), PASS),

		COPY(ARG2, FRAME),
		ADD(ARG2, V6_TCP_AT + (int) sizeof(struct tcphdr)),
		JUMP_IF_BEYOND(ARG2, LIMIT, PASS),
		LOAD(BYTE, ARG1, FRAME, V6(nexthdr)),
		JUMP_IF(BPF_JNE, ARG1, IPPROTO_TCP, PASS),
		LOAD(WORD, ARG1, FRAME, V6(daddr)),
		JUMP_IF(BPF_JNE, ARG1, 0, PASS),
		LOAD(WORD, ARG1, FRAME, V6(daddr) + 4),
		JUMP_IF(BPF_JNE, ARG1, 0, PASS),
		LOAD(WORD, ARG1, FRAME, V6(daddr) + 8),
		JUMP_IF(BPF_JNE, ARG1, 0, PASS),
		LOAD(WORD, ARG1, FRAME, V6(daddr) + 12),
		JUMP_IF(BPF_JNE, ARG1, htonl(1), PASS), /* ::1 */
		LOAD(BYTE, FLAGS, FRAME, V6_TCP_AT + TCP_FLAGS_AT),
		COPY(ARG2, FRAME),
		ADD(ARG2, V6(saddr)),
		SET(ARG3, TUPLE(ipv6)),
		JUMP(LOOK),

		LABEL(IPV4),
		COPY(ARG2, FRAME),
		ADD(ARG2, V4_TCP_AT + (int) sizeof(struct tcphdr)),
		JUMP_IF_BEYOND(ARG2, LIMIT, PASS),
		LOAD(BYTE, ARG1, FRAME, OUTER_BYTES),
		JUMP_IF(BPF_JNE, ARG1, V4_NO_OPTIONS, PASS),
		LOAD(BYTE, ARG1, FRAME, V4(protocol)),
		JUMP_IF(BPF_JNE, ARG1, IPPROTO_TCP, PASS),
		LOAD(BYTE, ARG1, FRAME, V4(daddr)),
		JUMP_IF(BPF_JNE, ARG1, IN_LOOPBACKNET, PASS), /* 127.0.0.0/8 */
		LOAD(BYTE, FLAGS, FRAME, V4_TCP_AT + TCP_FLAGS_AT),
		COPY(ARG2, FRAME),
		ADD(ARG2, V4(saddr)),
		SET(ARG3, TUPLE(ipv4)),

		LABEL(LOOK),
		COPY(ARG1, CONTEXT),
		SET(ARG4, (int) BPF_F_CURRENT_NETNS),
		SET(ARG5, 0),
		CALL(BPF_FUNC_skc_lookup_tcp),
		JUMP_IF(BPF_JEQ, RESULT, 0, NOBODY),
		LOAD(WORD, FRAME, RESULT, (int) offsetof(struct bpf_sock, state)),
		COPY(ARG1, RESULT),
		CALL(BPF_FUNC_sk_release),
		/* What only remembers a connection that is over does not hold back a new one. */
		JUMP_IF(BPF_JNE, FRAME, BPF_TCP_TIME_WAIT, PASS),
		AND(FLAGS, TCP_SYN | TCP_ACK),
		JUMP_IF(BPF_JNE, FLAGS, TCP_SYN, PASS),

		LABEL(NOBODY),
		STORE_WORD(STACK, KEY_AT, 0),
		LOAD_MAP(ARG1, map_fd),
		COPY(ARG2, STACK),
		ADD(ARG2, KEY_AT),
		CALL(BPF_FUNC_map_lookup_elem),
		JUMP_IF(BPF_JEQ, RESULT, 0, PASS),
		COPY(FRAME, RESULT),
		COPY(ARG1, CONTEXT),
		COPY(ARG2, FRAME),
		SET(ARG3, 0),
		CALL(BPF_FUNC_sk_assign),
		COPY(ARG1, FRAME),
		CALL(BPF_FUNC_sk_release),

		LABEL(PASS),
		SET(RESULT, TC_ACT_UNSPEC), /* whatever else is asked about the frame decides */
		END,
	};

	_Static_assert(ARRAY_LEN(program) <= PROGRAM_MAX, "does not fit into its caller's array");
	return program_resolve(program, ARRAY_LEN(program), ret);
}

/* ---- The kernel is given it ---- */

/* A map of one socket, which forgets it when that is closed. */
static int make_map(int listener, struct err *e)
{
	union bpf_attr make = {
		.map_type = BPF_MAP_TYPE_SOCKMAP,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(uint32_t),
		.max_entries = 1,
	};
	const uint32_t key = 0, value = (uint32_t) listener;
	union bpf_attr set = {.key = (uintptr_t) &key, .value = (uintptr_t) &value};
	auto_close int fd = bpf_call(BPF_MAP_CREATE, &make);

	if (fd < 0)
		return err_sys(e, -fd, "make a map of sockets");
	set.map_fd = (uint32_t) fd;

	int r = bpf_call(BPF_MAP_UPDATE_ELEM, &set);

	return r < 0 ? err_sys(e, -r, "put a socket into a map") : take_fd(&fd);
}

int catch_load(int listener, struct err *e)
{
	auto_close int map = make_map(listener, e);
	struct bpf_insn program[PROGRAM_MAX];

	if (map < 0)
		return map;
	return program_load(program, write_program(program, map), "kata_loopback", e);
}
