#include "tests/agent/case.h"

#include <unistd.h>

#include "base/file.h"

struct case_entry *case_first, **case_last = &case_first;
jmp_buf case_failed;

/* In a function of its own, because what setjmp() comes back to must not have changed. */
static bool passes(struct case_entry *c, struct vm *vm)
{
	if (setjmp(case_failed) != 0)
		return false;
	c->run(vm);
	return true;
}

static bool is_asked_for(const char *name, char *const *words)
{
	if (!*words)
		return true;
	for (; *words; words++)
		if (strstr(name, *words))
			return true;
	return false;
}

/* Usage: agent [WORD...]: all tests, or those whose name contains one of the words. */
int main(int argc, char **argv)
{
	int n = 0, failed = 0;
	struct err e = {0};
	struct vm vm;
	char shown[640];

	(void) argc;
	auto_free char *initrd = str_printf("%s/initrd.img", vm_image());

	if (access(initrd, R_OK) < 0) {
		printf("0 passed, 0 failed, 1 skipped\n");
		return 0;
	}
	if (vm_open(&vm, 256, &e) < 0) {
		fprintf(stderr, "# boot: %s\n", err_show(&e, shown, sizeof shown));
		vm_close(&vm, true);
		printf("0 passed, 1 failed, 0 skipped\n");
		return 1;
	}
	for (struct case_entry *c = case_first; c; c = c->next) {
		if (!is_asked_for(c->name, argv + 1))
			continue;

		uint64_t began = clock_now();

		n++;
		bool passed = passes(c, &vm);

		failed += !passed;
		printf("%sok %d - %s (%d ms)\n", passed ? "" : "not ", n, c->name,
		       (int) (clock_now() - began));
		fflush(stdout);
	}
	vm_close(&vm, failed > 0);
	printf("%d passed, %d failed, 0 skipped\n", n - failed, failed);
	return failed > 0 || n == 0;
}
