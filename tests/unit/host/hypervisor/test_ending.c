#include "tests/test.h"

#include <errno.h>
#include <signal.h>

#include "host/hypervisor/ending.h"

#define EXITED(code)   ((code) << 8)
#define KILLED(signal) (signal)

/* @sentence is what becomes of it. */
static void tells(int status, const char *cause, const char *console_text,
		  const char *messages_text, const char *sentence)
{
	struct tail console = {0}, messages = {0};
	const struct vmm_ending end = {
		.vmm = "QEMU",
		.signature = "qemu-system-",
		.status = status,
		.cause = cause,
		.console = &console,
		.messages = &messages,
	};
	struct err why = {0};

	CHECK_EQ(tail_init(&console, 4096, NULL), 0);
	CHECK_EQ(tail_init(&messages, 512, NULL), 0);
	tail_put(&console, console_text, strlen(console_text));
	tail_put(&messages, messages_text, strlen(messages_text));
	vmm_ending_explain(&end, &why);
	CHECK_STR(why.text, sentence);
	CHECK_EQ(why.code, ECONNRESET);
	tail_fini(&console);
	tail_fini(&messages);
}

TEST(a_panic_outweighs_everything)
{
	tells(EXITED(0), "the guest rebooted",
	      "[    1.5] Kernel panic - not syncing: first\r\n"
	      "[    1.6] Kernel panic - not syncing: No \033[1minit found\r\n[    1.7] more\r\n",
	      "", "the guest kernel panicked: No init found");
}

TEST(a_panic_by_a_fault_says_where)
{
	tells(EXITED(0), NULL,
	      "[ 1.5] BUG: kernel NULL pointer dereference, address: 0000000000000008\r\n"
	      "[ 1.5] RIP: 0010:vsock_data_ready+0x12/0x40\r\n[ 1.5] Code: 0f\r\n"
	      "[ 1.6] RIP: 0033:0x7f0000001000\r\n"
	      "[ 1.6] Kernel panic - not syncing: Fatal exception\r\n"
	      "[ 1.7] RIP: 0010:of_something_later+0x1/0x2\r\n",
	      "", "the guest kernel panicked: Fatal exception, in vsock_data_ready+0x12/0x40");
	tells(EXITED(0), NULL,
	      "pc : el1_abort+0x24/0x50\nlr : el1_abort+0x20/0x50\n"
	      "Kernel panic - not syncing: Oops: Fatal exception\n",
	      "", "the guest kernel panicked: Oops: Fatal exception, in el1_abort+0x24/0x50");
}

TEST(a_warning_before_a_panic_is_not_its_place)
{
	tells(EXITED(0), NULL,
	      "WARNING: CPU: 0 PID: 1 at kernel/some.c:1 warns+0x1/0x2\n"
	      "RIP: 0010:warns+0x1/0x2\n"
	      "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\n",
	      "", "the guest kernel panicked: Attempted to kill init! exitcode=0x00000100");
}

TEST(a_reason_without_a_fault_has_all_the_room)
{
	char console[256], sentence[256], reason[151] = "";

	memset(reason, 'x', sizeof reason - 1);
	(void) snprintf(console, sizeof console, "Kernel panic - not syncing: %s\n", reason);
	(void) snprintf(sentence, sizeof sentence, "the guest kernel panicked: %s", reason);
	tells(EXITED(0), NULL, console, "", sentence);
}

TEST(what_the_vmm_told_outweighs_how_it_ended)
{
	tells(EXITED(0), "the guest rebooted", "hello\n", "", "the guest rebooted");
	tells(KILLED(SIGKILL), "the guest powered off", "", "words\n", "the guest powered off");
}

TEST(qemus_own_last_words)
{
	tells(EXITED(1), NULL, "",
	      "warning: x\nqemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate "
	      "memory\n",
	      "QEMU ended with code 1: cannot set up guest memory 'pc.ram': Cannot allocate "
	      "memory");
	tells(EXITED(1), NULL, "", "no colon here\n", "QEMU ended with code 1: no colon here");
	tells(EXITED(2), NULL, "", "", "QEMU ended with code 2");
}

TEST(signals_have_names_and_hints)
{
	tells(KILLED(SIGKILL), NULL, "", "",
	      "QEMU was killed by signal 9 (Killed); perhaps the host was out of memory");
	tells(KILLED(SIGSYS), NULL, "", "",
	      "QEMU was killed by signal 31 (Bad system call); it made a system call that its "
	      "seccomp filter forbids");
	tells(KILLED(SIGSEGV), NULL, "", "", "QEMU was killed by signal 11 (Segmentation fault)");
}

TEST(a_guest_cannot_make_the_sentence_endless)
{
	char lots[3000] = "RIP: 0010:somewhere-that-is-long-enough-to-be-cut-off-by-what-is-there-"
			  "for-it-so-that-nothing-is-written-behind-it-whatever-the-guest-says-"
			  "about-itself\nKernel panic - not syncing: Fatal exception ";
	struct tail console = {0}, messages = {0};
	const struct vmm_ending end = {.console = &console, .messages = &messages};
	struct err why = {0};

	memset(lots + strlen(lots), 'x', sizeof lots - strlen(lots));
	CHECK_EQ(tail_init(&console, 4096, NULL), 0);
	CHECK_EQ(tail_init(&messages, 512, NULL), 0);
	tail_put(&console, lots, sizeof lots);
	vmm_ending_explain(&end, &why);
	CHECK(strlen(why.text) < 256);
	tail_fini(&console);
	tail_fini(&messages);
}
