#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct network;

/*
 * Programs of the kernel's that see frames, written in its instructions, because a compiler for
 * them, or a library that loads what it makes, would be a lot for some seventy of them. Private to
 * host/network.
 *
 * Instructions, helpers and struct __sk_buff: linux/bpf.h and the kernel's
 * Documentation/bpf/standardization; what a program at a device may do: bpf-helpers(7), tc-bpf(8).
 *
 * Registers, by the calling convention: r0 is a helper's result, r1 to r5 its arguments and lost
 * after it, r6 to r9 are kept, r10 is the stack.
 */

enum {
	RESULT = BPF_REG_0,
	ARG1 = BPF_REG_1,
	ARG2 = BPF_REG_2,
	ARG3 = BPF_REG_3,
	ARG4 = BPF_REG_4,
	ARG5 = BPF_REG_5,
	STACK = BPF_REG_10,
};

/* Sizes of loads and stores. */
#define BYTE BPF_B
#define HALF BPF_H
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
#define STORE(size, at, n, from)                                                                   \
	{                                                                                          \
		.code = BPF_STX | BPF_MEM | (size), .dst_reg = (at), .src_reg = (from), .off = (n) \
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
/* Jumps go to a label, a number from 1 on, which program_resolve() makes a distance of. */
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

/* Where a field of struct __sk_buff is. */
#define CTX(field) ((int) offsetof(struct __sk_buff, field))

#define PROGRAM_LABELS 8 /* and numbers below it */

/* Leaves the labels of @program out, and makes of those in jumps how many instructions are passed
 * over. @ret has room for @n. Returns how many instructions are in it. */
size_t program_resolve(const struct bpf_insn *program, size_t n, struct bpf_insn *ret);

/* Loads a program of @n instructions for a device. Returns a descriptor, or -errno: -EPERM (not
 * root of the host, or the administrator has switched programs off), -EINVAL or -ENOSYS (a kernel
 * that does not know what it asks for, or has none). */
int program_load(const struct bpf_insn *program, size_t n, const char *name, struct err *e);

/* Gives interface @link an ingress queue, and asks the program about everything that arrives there:
 * what it returns, TC_ACT_*, is the verdict. @priority tells the filter from those of others.
 * Returns 0, -EEXIST (@link has such a queue already), or -errno. */
int program_attach(struct network *n, int link, uint32_t priority, int program, const char *name,
		   struct err *e);

/* Removes both, if they and the interface are still there. Returns whether they were. */
bool program_detach(struct network *n, int link, uint32_t priority);
