#include "host/hypervisor/ending.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/text.h"

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

/* The last line that the VMM wrote to stderr, without its program's name in front. */
static void last_message(const struct vmm_ending *end, char *out, size_t out_bytes)
{
	char raw[2048], *colon;
	size_t n = tail_copy(end->messages, raw, sizeof raw);

	text_last_lines(raw, n, 1, out, out_bytes);
	colon = strstr(out, ": ");
	if (colon && strncmp(out, end->signature, strlen(end->signature)) == 0)
		memmove(out, colon + 2, strlen(colon + 2) + 1);
}

void vmm_ending_explain(const struct vmm_ending *end, struct err *ret)
{
	char words[SENTENCE_BYTES] = "";

	if (find_panic(end->console, words, sizeof words)) {
		(void) err_say(ret, ECONNRESET, VMM_PANICKED ": %s", words);
	} else if (end->cause) {
		(void) err_say(ret, ECONNRESET, "%s", end->cause);
	} else if (WIFSIGNALED(end->status)) {
		int sig = WTERMSIG(end->status);
		const char *hint = "";

		if (sig == SIGKILL)
			hint = "; perhaps the host was out of memory";
		else if (sig == SIGSYS)
			hint = "; it made a system call that its seccomp filter forbids";
		(void) err_say(ret, ECONNRESET, "%s was killed by signal %d (%s)%s", end->vmm, sig,
			       strsignal(sig), hint);
	} else {
		last_message(end, words, sizeof words);
		(void) err_say(ret, ECONNRESET, "%s ended with code %d%s%s", end->vmm,
			       WEXITSTATUS(end->status), words[0] ? ": " : "", words);
	}
}
