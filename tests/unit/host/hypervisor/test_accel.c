#include "tests/test.h"

#include <errno.h>

#include "host/hypervisor/hypervisor.h"

static const struct hv_accel_facts good = {.cpu_virt = true, .api_version = 12};

static int choose(enum hv_accel wanted, struct hv_accel_facts facts, enum hv_accel *ret, char *why,
		  struct err *e)
{
	return hv_accel_choose(wanted, &facts, ret, why, 160, e);
}

static void falls_back(struct hv_accel_facts facts, const char *sentence)
{
	enum hv_accel a = HV_ACCEL_AUTO;
	char why[160] = "";

	CHECK_EQ(choose(HV_ACCEL_AUTO, facts, &a, why, NULL), 0);
	CHECK_EQ(a, HV_ACCEL_TCG);
	CHECK_STR(why, sentence);
	CHECK_EQ(choose(HV_ACCEL_KVM, facts, &a, why, NULL), -ENODEV);
}

TEST(auto_takes_kvm_where_everything_works)
{
	enum hv_accel a = HV_ACCEL_AUTO;
	char why[160];

	CHECK_EQ(choose(HV_ACCEL_AUTO, good, &a, why, NULL), 0);
	CHECK_EQ(a, HV_ACCEL_KVM);
	CHECK_STR(why, "KVM: /dev/kvm works");
}

TEST(each_thing_that_is_missing_has_its_sentence)
{
	struct hv_accel_facts f = good;

	f.open_error = ENOENT;
	falls_back(f, "TCG: there is no /dev/kvm");
	f.open_error = EACCES;
	falls_back(f, "TCG: /dev/kvm cannot be opened: Permission denied");
	f = good;
	f.cpu_virt = false;
	falls_back(f, "TCG: the processor shows neither vmx nor svm, so /dev/kvm cannot run an "
		      "ordinary kernel");
	f = good;
	f.api_version = 11;
	falls_back(f, "TCG: /dev/kvm speaks version 11, not 12");
	f = good;
	f.create_vm_error = EBUSY;
	falls_back(f, "TCG: KVM makes no machine: Device or resource busy");
}

TEST(kvm_demanded_in_vain_is_an_error_with_the_reason)
{
	struct hv_accel_facts f = {.open_error = ENOENT};
	enum hv_accel a = HV_ACCEL_AUTO;
	struct err e = {0};
	char why[160];

	CHECK_EQ(choose(HV_ACCEL_KVM, f, &a, why, &e), -ENODEV);
	CHECK_STR(
		e.text,
		"accelerator = \"kvm\" cannot be had: there is no /dev/kvm: load the module "
		"kvm_intel or kvm_amd, or set the key 'accelerator' to \"auto\" (without KVM it is slow)");
	CHECK_EQ(a, HV_ACCEL_AUTO);
}

TEST(tcg_demanded_asks_for_nothing_else)
{
	enum hv_accel a = HV_ACCEL_AUTO;
	char why[160];

	CHECK_EQ(choose(HV_ACCEL_TCG, good, &a, why, NULL), 0);
	CHECK_EQ(a, HV_ACCEL_TCG);
}

#if defined(__x86_64__)
TEST(cpu_flags_are_whole_words_of_the_flags_line)
{
	CHECK(hv_cpuinfo_has_virt("processor\t: 0\nflags\t\t: fpu vmx sse\nbugs\t: x\n"));
	CHECK(hv_cpuinfo_has_virt("flags\t\t: fpu svm"));
	CHECK(!hv_cpuinfo_has_virt("flags\t\t: fpu vmxon xsvm\n"));
	CHECK(!hv_cpuinfo_has_virt("flags\t\t: fpu\nvmx flags\t: vmx vnmi\n"));
	CHECK(!hv_cpuinfo_has_virt(""));
}
#endif

TEST(names_are_read_and_written)
{
	enum hv_accel a;
	struct err e = {0};

	CHECK_EQ(hv_accel_parse("tcg", &a, NULL), 0);
	CHECK_STR(hv_accel_name(a), "tcg");
	CHECK_EQ(hv_accel_parse("xen", &a, &e), -EINVAL);
	CHECK_STR(e.text, "unknown accelerator 'xen' (known: auto, kvm, tcg)");
}

TEST(this_host_can_be_asked)
{
	struct hv_accel_facts facts;
	enum hv_accel a = HV_ACCEL_AUTO;
	char why[160] = "";

	hv_accel_probe(&facts);
	CHECK_EQ(choose(HV_ACCEL_AUTO, facts, &a, why, NULL), 0);
	CHECK(a == HV_ACCEL_KVM || a == HV_ACCEL_TCG);
	printf("# %s\n", why);
}
