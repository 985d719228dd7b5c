/*
 * The program is written in the kernel's instructions here, because a compiler for them, or a
 * library that loads what it makes, would be a lot for some seventy of them. Instructions, helpers
 * and struct __sk_buff: linux/bpf.h and the kernel's Documentation/bpf/standardization; what a
 * program at a device may do: bpf-helpers(7), tc-bpf(8).
 *
 * Registers, by the calling convention: r0 is a helper's result, r1 to r5 its arguments and lost
 * after it, r6 to r9 are kept, r10 is the stack.
 */
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

/* ---- Words ---- */

enum {
	RESULT = BPF_REG_0,
	ARG1 = BPF_REG_1,
	ARG2 = BPF_REG_2,
	ARG3 = BPF_REG_3,
	ARG4 = BPF_REG_4,
	ARG5 = BPF_REG_5,
	CONTEXT = BPF_REG_6, /* struct __sk_buff */
	FRAME = BPF_REG_7,   /* its first byte; later the listening socket */
	LIMIT = BPF_REG_8,   /* behind its last byte */
	FLAGS = BPF_REG_9,   /* of TCP */
	STACK = BPF_REG_10,
};

/* Sizes of loads. */
#define BYTE BPF_B
#define WORD BPF_W

#define COPY(to, from)                                                                  \
	{                                                                               \
		.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (to), .src_reg = (from) \
	}
#define SET(to, value)                                                               \
	{                                                                            \
		.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (to), .imm = (value) \
	}
#define ADD(to, value)                                                               \
	{                                                                            \
		.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = (to), .imm = (value) \
	}
#define AND(to, value)                                                               \
	{                                                                            \
		.code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = (to), .imm = (value) \
	}
#define LOAD(size, to, at, n)                                                                    \
	{                                                                                        \
		.code = BPF_LDX | BPF_MEM | (size), .dst_reg = (to), .src_reg = (at), .off = (n) \
	}
#define STORE_WORD(at, n, value)                                                              \
	{                                                                                     \
		.code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = (at), .off = (n), .imm = (value) \
	}
#define CALL(helper)                                        \
	{                                                   \
		.code = BPF_JMP | BPF_CALL, .imm = (helper) \
	}
#define END                                \
	{                                  \
		.code = BPF_JMP | BPF_EXIT \
	}
/* A map, by its descriptor: one instruction of two. */
#define LOAD_MAP(to, fd)                    \
	{.code = BPF_LD | BPF_DW | BPF_IMM, \
	 .dst_reg = (to),                   \
	 .src_reg = BPF_PSEUDO_MAP_FD,      \
	 .imm = (fd)},                      \
	{                                   \
		0                           \
	}
/* Jumps go to a label, which is resolved below. */
#define JUMP_IF(op, reg, value, label)                                                           \
	{                                                                                        \
		.code = BPF_JMP | (op) | BPF_K, .dst_reg = (reg), .off = (label), .imm = (value) \
	}
#define JUMP_IF_BEYOND(reg, limit, label)                                                \
	{                                                                                \
		.code = BPF_JMP | BPF_JGT | BPF_X, .dst_reg = (reg), .src_reg = (limit), \
		.off = (label)                                                           \
	}
#define JUMP(label)                                      \
	{                                                \
		.code = BPF_JMP | BPF_JA, .off = (label) \
	}
#define LABEL(label)                      \
	{                                 \
		.code = 0, .off = (label) \
	}

/* ---- The program ---- */

enum label {
	NO_LABEL,
	IPV4,
	LOOK,
	NOBODY,
	PASS,
};

#define OUTER_BYTES   ETH_HLEN /* the loopback device's frames have Ethernet's head, too */
#define V4_TCP_AT     ((int) (OUTER_BYTES + sizeof(struct iphdr)))
#define V6_TCP_AT     ((int) (OUTER_BYTES + sizeof(struct ipv6hdr)))
#define V4(field)     ((int) (OUTER_BYTES + offsetof(struct iphdr, field)))
#define V6(field)     ((int) (OUTER_BYTES + offsetof(struct ipv6hdr, field)))
#define CTX(field)    ((int) offsetof(struct __sk_buff, field))
#define TUPLE(family) ((int) sizeof(((struct bpf_sock_tuple *) NULL)->family))

#define V4_NO_OPTIONS 0x45 /* version 4, five words of head */
#define TCP_FLAGS_AT  13   /* RFC 9293, 3.1 */
#define TCP_SYN       0x02
#define TCP_ACK       0x10

/* The key of the map's only place, on the stack. */
#define KEY_AT (-4)

#define PROGRAM_MAX 96

static bool is_label(const struct bpf_insn *i)
{
	return i->code == 0 && i->off != NO_LABEL;
}

static bool jumps(const struct bpf_insn *i)
{
	return BPF_CLASS(i->code) == BPF_JMP && BPF_OP(i->code) != BPF_CALL &&
	       BPF_OP(i->code) != BPF_EXIT;
}

/* Leaves the labels out, and makes of those in jumps how many instructions are passed over. Returns
 * how many are in @ret. */
static size_t resolve(const struct bpf_insn *program, size_t n, struct bpf_insn *ret)
{
	size_t at[PASS + 1] = {0}, count = 0;

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
	return resolve(program, ARRAY_LEN(program), ret);
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
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_SCHED_CLS,
		.insns = (uintptr_t) program,
		.license = (uintptr_t) "Apache-2.0",
		.prog_name = "kata_loopback",
	};

	if (map < 0)
		return map;
	load.insn_cnt = (uint32_t) write_program(program, map);

	int r = bpf_call(BPF_PROG_LOAD, &load);

	return r < 0 ? err_sys(e, -r, "load a program for the loopback device") : r;
}
