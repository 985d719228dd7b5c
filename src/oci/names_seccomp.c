#include "oci/names.h"

#include <elf.h>
#include <linux/audit.h>
#include <linux/seccomp.h>

#include "base/array.h"
#include "oci/word.h"

/* Not in every kernel header. */
#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif

static const struct word actions[] = {
	{"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
	{"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
	{"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
	{"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
	{"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO},
	{"SCMP_ACT_TRACE", SECCOMP_RET_TRACE},
	{"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
	{"SCMP_ACT_LOG", SECCOMP_RET_LOG},
	{"SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF},
};

/* Numbers of libseccomp's enum scmp_compare, whose header only the agent includes. */
static const struct word operators[] = {
	{"SCMP_CMP_NE", 1}, {"SCMP_CMP_LT", 2}, {"SCMP_CMP_LE", 3},        {"SCMP_CMP_EQ", 4},
	{"SCMP_CMP_GE", 5}, {"SCMP_CMP_GT", 6}, {"SCMP_CMP_MASKED_EQ", 7},
};

static const struct word archs[] = {
	{"SCMP_ARCH_X86", AUDIT_ARCH_I386},
	{"SCMP_ARCH_X86_64", AUDIT_ARCH_X86_64},
	{"SCMP_ARCH_X32", EM_X86_64 | __AUDIT_ARCH_LE},
	{"SCMP_ARCH_ARM", AUDIT_ARCH_ARM},
	{"SCMP_ARCH_AARCH64", AUDIT_ARCH_AARCH64},
	{"SCMP_ARCH_MIPS", AUDIT_ARCH_MIPS},
	{"SCMP_ARCH_MIPS64", AUDIT_ARCH_MIPS64},
	{"SCMP_ARCH_MIPS64N32", AUDIT_ARCH_MIPS64N32},
	{"SCMP_ARCH_MIPSEL", AUDIT_ARCH_MIPSEL},
	{"SCMP_ARCH_MIPSEL64", AUDIT_ARCH_MIPSEL64},
	{"SCMP_ARCH_MIPSEL64N32", AUDIT_ARCH_MIPSEL64N32},
	{"SCMP_ARCH_PPC", AUDIT_ARCH_PPC},
	{"SCMP_ARCH_PPC64", AUDIT_ARCH_PPC64},
	{"SCMP_ARCH_PPC64LE", AUDIT_ARCH_PPC64LE},
	{"SCMP_ARCH_S390", AUDIT_ARCH_S390},
	{"SCMP_ARCH_S390X", AUDIT_ARCH_S390X},
	{"SCMP_ARCH_PARISC", AUDIT_ARCH_PARISC},
	{"SCMP_ARCH_PARISC64", AUDIT_ARCH_PARISC64},
	{"SCMP_ARCH_RISCV64", AUDIT_ARCH_RISCV64},
	{"SCMP_ARCH_LOONGARCH64", EM_LOONGARCH | __AUDIT_ARCH_64BIT | __AUDIT_ARCH_LE},
	{"SCMP_ARCH_M68K", AUDIT_ARCH_M68K},
	{"SCMP_ARCH_SH", AUDIT_ARCH_SHEL},
	{"SCMP_ARCH_SHEB", AUDIT_ARCH_SH},
};

static const struct word flags[] = {
	{"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
	{"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
	{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
};

static bool find(const struct word *table, size_t n, const char *name, uint32_t *ret)
{
	const struct word *w = word_find(table, n, name);

	if (w)
		*ret = w->value;
	return w;
}

bool oci_seccomp_action(const char *name, uint32_t *ret)
{
	return find(actions, ARRAY_LEN(actions), name, ret);
}

bool oci_seccomp_operator(const char *name, uint32_t *ret)
{
	return find(operators, ARRAY_LEN(operators), name, ret);
}

bool oci_seccomp_arch(const char *name, uint32_t *ret)
{
	return find(archs, ARRAY_LEN(archs), name, ret);
}

bool oci_seccomp_flag(const char *name, uint32_t *ret)
{
	return find(flags, ARRAY_LEN(flags), name, ret);
}
