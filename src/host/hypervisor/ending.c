#include "host/hypervisor/ending.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/array.h"
#include "base/text.h"
#include "host/hypervisor/hypervisor.h"

#define LOOK_BACK_BYTES 8192 /* a panic with its stack trace fits */
#define SENTENCE_BYTES  200

static const char panic_words[] = "Kernel panic - not syncing: ";

/* Finds the reason of the guest kernel's last panic on the console. */
static bool find_panic(struct tail *console, char *out, size_t out_bytes)
{
	char raw[LOOK_BACK_BYTES];
	size_t n = tail_copy(console, raw, sizeof raw);
	const char *last = NULL;

	for (const char *p = raw;
	     (p = memmem(p, n - (size_t) (p - raw), panic_words, sizeof panic_words - 1));
	     p += sizeof panic_words - 1)
		last = p + sizeof panic_words - 1;
	if (!last)
		return false;
	(void) text_printable(last, strcspn(last, "\r\n"), out, out_bytes);
	return true;
}

/* QemuShutdownCause: run-state.json, "ShutdownCause" */
static const struct {
	const char *reason;
	const char *words;
} causes[] = {
	{"guest-shutdown", "the guest powered off"},
	{"guest-reset", "the guest rebooted"},
	{"subsystem-reset", "the guest was reset"},
	{"guest-panic", HV_PANICKED},
	{"host-signal", "QEMU was asked to end by a signal"},
	{"host-qmp-quit", "QEMU was told to quit"},
	{"host-error", "QEMU had to give up"},
};

static const char *cause_words(const char *reason)
{
	for (size_t i = 0; i < ARRAY_LEN(causes); i++)
		if (strcmp(causes[i].reason, reason) == 0)
			return causes[i].words;
	return NULL;
}

/* The last line that QEMU wrote to stderr, without the program's name in front. */
static void last_message(struct tail *messages, char *out, size_t out_bytes)
{
	char raw[2048], *colon;
	size_t n = tail_copy(messages, raw, sizeof raw);

	text_last_lines(raw, n, 1, out, out_bytes);
	colon = strstr(out, ": ");
	if (colon && strncmp(out, "qemu-system-", 12) == 0)
		memmove(out, colon + 2, strlen(colon + 2) + 1);
}

void ending_explain(int status, const char *shutdown, struct tail *console, struct tail *messages,
		    struct err *ret)
{
	char words[SENTENCE_BYTES] = "";
	const char *cause = cause_words(shutdown);

	if (find_panic(console, words, sizeof words)) {
		(void) err_say(ret, ECONNRESET, HV_PANICKED ": %s", words);
	} else if (cause) {
		(void) err_say(ret, ECONNRESET, "%s", cause);
	} else if (WIFSIGNALED(status)) {
		int sig = WTERMSIG(status);
		const char *hint = "";

		if (sig == SIGKILL)
			hint = "; perhaps the host was out of memory";
		else if (sig == SIGSYS)
			hint = "; it made a system call that its seccomp filter forbids";
		(void) err_say(ret, ECONNRESET, "QEMU was killed by signal %d (%s)%s", sig,
			       strsignal(sig), hint);
	} else {
		last_message(messages, words, sizeof words);
		(void) err_say(ret, ECONNRESET, "QEMU ended with code %d%s%s", WEXITSTATUS(status),
			       words[0] ? ": " : "", words);
	}
}
