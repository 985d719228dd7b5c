#include "tests/test.h"

#include <errno.h>
#include <signal.h>

#include "host/hypervisor/ending.h"

#define EXITED(code)   ((code) << 8)
#define KILLED(signal) (signal)

/* @sentence is what becomes of it. */
static void tells(int status, const char *shutdown, const char *console_text,
		  const char *messages_text, const char *sentence)
{
	struct tail console = {0}, messages = {0};
	struct err why = {0};

	CHECK_EQ(tail_init(&console, 4096, NULL), 0);
	CHECK_EQ(tail_init(&messages, 512, NULL), 0);
	tail_put(&console, console_text, strlen(console_text));
	tail_put(&messages, messages_text, strlen(messages_text));
	ending_explain(status, shutdown, &console, &messages, &why);
	CHECK_STR(why.text, sentence);
	CHECK_EQ(why.code, ECONNRESET);
	tail_fini(&console);
	tail_fini(&messages);
}

TEST(a_panic_outweighs_everything)
{
	tells(EXITED(0), "guest-reset",
	      "[    1.5] Kernel panic - not syncing: first\r\n"
	      "[    1.6] Kernel panic - not syncing: No \033[1minit found\r\n[    1.7] more\r\n",
	      "", "the guest kernel panicked: No init found");
}

TEST(what_the_guest_did)
{
	tells(EXITED(0), "guest-shutdown", "", "", "the guest powered off");
	tells(EXITED(0), "guest-reset", "hello\n", "", "the guest rebooted");
	tells(EXITED(0), "guest-panic", "", "", "the guest kernel panicked");
	tells(EXITED(0), "host-signal", "", "", "QEMU was asked to end by a signal");
}

TEST(a_cause_of_tomorrow_is_no_cause)
{
	tells(EXITED(0), "moon-phase", "", "", "QEMU ended with code 0");
}

TEST(qemus_own_last_words)
{
	tells(EXITED(1), "", "",
	      "warning: x\nqemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate "
	      "memory\n",
	      "QEMU ended with code 1: cannot set up guest memory 'pc.ram': Cannot allocate "
	      "memory");
	tells(EXITED(1), "", "", "no colon here\n", "QEMU ended with code 1: no colon here");
	tells(EXITED(2), "", "", "", "QEMU ended with code 2");
}

TEST(signals_have_names_and_hints)
{
	tells(KILLED(SIGKILL), "", "", "",
	      "QEMU was killed by signal 9 (Killed); perhaps the host was out of memory");
	tells(KILLED(SIGSYS), "", "", "",
	      "QEMU was killed by signal 31 (Bad system call); it made a system call that its "
	      "seccomp filter forbids");
	tells(KILLED(SIGSEGV), "", "", "", "QEMU was killed by signal 11 (Segmentation fault)");
}

TEST(a_guest_cannot_make_the_sentence_endless)
{
	char lots[3000] = "Kernel panic - not syncing: ";
	struct tail console = {0}, messages = {0};
	struct err why = {0};

	memset(lots + strlen(lots), 'x', sizeof lots - strlen(lots));
	CHECK_EQ(tail_init(&console, 4096, NULL), 0);
	CHECK_EQ(tail_init(&messages, 512, NULL), 0);
	tail_put(&console, lots, sizeof lots);
	ending_explain(0, "", &console, &messages, &why);
	CHECK(strlen(why.text) < 256);
	tail_fini(&console);
	tail_fini(&messages);
}
