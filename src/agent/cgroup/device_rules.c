#include "agent/cgroup/device_rules.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define ANY (-1)

enum access {
	ACCESS_MKNOD = BPF_DEVCG_ACC_MKNOD,
	ACCESS_READ = BPF_DEVCG_ACC_READ,
	ACCESS_WRITE = BPF_DEVCG_ACC_WRITE,
	ACCESS_ALL = ACCESS_MKNOD | ACCESS_READ | ACCESS_WRITE,
};

struct rule {
	bool allow;
	int type; /* BPF_DEVCG_DEV_*, or ANY */
	int64_t major, minor;
	int access;
};

#define ALLOW_CHAR(major_, minor_)                                   \
	{                                                            \
		true, BPF_DEVCG_DEV_CHAR, major_, minor_, ACCESS_ALL \
	}

/* What runc allows every container: to make any device file, and to use these. */
static const struct rule common_rules[] = {
	{true, BPF_DEVCG_DEV_CHAR, ANY, ANY, ACCESS_MKNOD},
	{true, BPF_DEVCG_DEV_BLOCK, ANY, ANY, ACCESS_MKNOD},
	ALLOW_CHAR(1, 3),     /* null */
	ALLOW_CHAR(1, 5),     /* zero */
	ALLOW_CHAR(1, 7),     /* full */
	ALLOW_CHAR(1, 8),     /* random */
	ALLOW_CHAR(1, 9),     /* urandom */
	ALLOW_CHAR(5, 0),     /* tty */
	ALLOW_CHAR(5, 2),     /* ptmx */
	ALLOW_CHAR(136, ANY), /* pts */
	ALLOW_CHAR(10, 200),  /* net/tun */
};

static int read_access(const char *text, int *ret)
{
	int access = 0;

	for (; *text; text++)
		switch (*text) {
		case 'r':
			access |= ACCESS_READ;
			break;
		case 'w':
			access |= ACCESS_WRITE;
			break;
		case 'm':
			access |= ACCESS_MKNOD;
			break;
		default:
			return -EINVAL;
		}
	*ret = access ? access : ACCESS_ALL;
	return 0;
}

/* Absent numbers and those below zero mean any. */
static int read_number(bool has, int64_t value, int64_t *ret)
{
	*ret = has && value >= 0 ? value : ANY;
	return *ret > UINT32_MAX ? -ERANGE : 0;
}

static int read_rule(const Grpc__LinuxDeviceCgroup *d, size_t i, struct rule *ret, struct err *e)
{
	const char *type = d->type && d->type[0] ? d->type : "a";

	*ret = (struct rule){.allow = d->allow, .type = ANY, .major = ANY, .minor = ANY};
	if (strcmp(type, "c") == 0 || strcmp(type, "u") == 0)
		ret->type = BPF_DEVCG_DEV_CHAR;
	else if (strcmp(type, "b") == 0)
		ret->type = BPF_DEVCG_DEV_BLOCK;
	else if (strcmp(type, "a") != 0)
		return err_say(e, EINVAL,
			       "linux.resources.devices[%zu].type: '%.32s' is not a, b or c", i,
			       type);
	if (read_access(d->access ? d->access : "", &ret->access) < 0)
		return err_say(
			e, EINVAL,
			"linux.resources.devices[%zu].access: '%.32s' is not made of r, w and m", i,
			d->access);
	/* Type "a" means all devices, whatever the other fields say, as in cgroup v1. */
	if (ret->type == ANY) {
		ret->access = ACCESS_ALL;
		return 0;
	}
	if (read_number(d->has_major, d->major, &ret->major) < 0 ||
	    read_number(d->has_minor, d->minor, &ret->minor) < 0)
		return err_say(e, EINVAL,
			       "linux.resources.devices[%zu]: %lld:%lld is no device number", i,
			       (long long) d->major, (long long) d->minor);
	return 0;
}

/* Whether every access that @rule allows is allowed by a common rule, which is tested before it. */
static bool is_common(const struct rule *rule)
{
	for (size_t i = 0; i < ARRAY_LEN(common_rules); i++) {
		const struct rule *common = &common_rules[i];

		if (rule->allow && rule->type == common->type &&
		    (common->major == ANY || common->major == rule->major) &&
		    (common->minor == ANY || common->minor == rule->minor) &&
		    !(rule->access & ~common->access))
			return true;
	}
	return false;
}

#define INSN(code_, dst, src, off_, imm_)           \
	((struct bpf_insn){.code = (code_),         \
			   .dst_reg = (dst),        \
			   .src_reg = (src),        \
			   .off = (int16_t) (off_), \
			   .imm = (int32_t) (imm_)})

static void emit(struct device_program *p, struct bpf_insn insn)
{
	p->insns[p->n++] = insn;
}

/* r2 type, r3 access, r4 major, r5 minor; the kernel's struct bpf_cgroup_dev_ctx. */
static void emit_begin(struct device_program *p)
{
	emit(p, INSN(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, 0, 0));
	emit(p, INSN(BPF_ALU | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0));
	emit(p, INSN(BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff));
	emit(p, INSN(BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16));
	emit(p, INSN(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, BPF_REG_1, 4, 0));
	emit(p, INSN(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_1, 8, 0));
}

static void emit_end(struct device_program *p, bool allow)
{
	emit(p, INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, allow));
	emit(p, INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

/*
 * An allowing rule matches when it contains all of the access asked for; a denying rule when it
 * contains any of it, because "deny w" must refuse "rw", too.
 */
static void emit_rule(struct device_program *p, const struct rule *rule)
{
	/* A jump over the rest of the rule counts from the next instruction. */
	int rest = 2;

	rest += rule->minor != ANY;
	rest += rule->major != ANY;
	rest += rule->access == ACCESS_ALL ? 0 : 3;
	if (rule->type != ANY) {
		emit(p, INSN(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_2, 0, rest, rule->type));
	}
	if (rule->access != ACCESS_ALL) {
		rest -= 3;
		emit(p, INSN(BPF_ALU | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_3, 0, 0));
		emit(p, INSN(BPF_ALU | BPF_AND | BPF_K, BPF_REG_1, 0, 0, rule->access));
		if (rule->allow)
			emit(p, INSN(BPF_JMP | BPF_JNE | BPF_X, BPF_REG_1, BPF_REG_3, rest, 0));
		else
			emit(p, INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_1, 0, rest, 0));
	}
	if (rule->major != ANY)
		emit(p, INSN(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_4, 0, --rest, rule->major));
	if (rule->minor != ANY)
		emit(p, INSN(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_5, 0, --rest, rule->minor));
	emit_end(p, rule->allow);
}

static bool decides_all(const struct rule *rule)
{
	return rule->type == ANY;
}

int device_program_make(Grpc__LinuxDeviceCgroup *const *rules, size_t n_rules,
			struct device_program *ret, struct err *e)
{
	struct device_program p = {0};
	size_t n = n_rules + ARRAY_LEN(common_rules);

	if (n_rules > DEVICE_RULES_MAX)
		return err_say(e, E2BIG, "linux.resources.devices: more than %d rules",
			       DEVICE_RULES_MAX);
	p.insns = calloc(n * DEVICE_RULE_INSNS_MAX + DEVICE_FIXED_INSNS, sizeof *p.insns);
	if (!p.insns)
		return err_sys(e, ENOMEM, "linux.resources.devices");

	bool denies = true, decided = false;

	emit_begin(&p);
	for (size_t i = ARRAY_LEN(common_rules); i-- > 0;)
		emit_rule(&p, &common_rules[i]);
	p.allows_all = true;
	for (size_t i = n_rules; i-- > 0 && !decided;) {
		struct rule rule;
		int r = read_rule(rules[i], i, &rule, e);

		if (r < 0) {
			free(p.insns);
			return r;
		}
		decided = decides_all(&rule);
		denies = !rule.allow;
		p.allows_all &= rule.allow;
		if (decided)
			emit_end(&p, rule.allow);
		else if (!is_common(&rule))
			emit_rule(&p, &rule);
	}
	if (!decided)
		emit_end(&p, false);
	p.allows_all &= decided && !denies;
	*ret = p;
	return 0;
}
