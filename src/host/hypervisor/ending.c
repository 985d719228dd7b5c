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
/* In the reason of a panic by a fault: "Fatal exception in interrupt", "Oops: Fatal exception". */
static const char fault_words[] = "Fatal exception";

/* What is behind the last @words in @text of @n bytes, or NULL. */
static const char *behind_last(const char *text, size_t n, const char *words)
{
	const char *last = NULL;

	for (const char *p = text; (p = memmem(p, n - (size_t) (p - text), words, strlen(words)));)
		last = p += strlen(words);
	return last;
}

/* Where the guest kernel was when it faulted: the function, in the report of a fault that ended in
 * the panic whose reason is at @panic in @text. NULL if the panic has another cause, because a
 * report before it is of a mere warning then. */
static const char *find_fault(const char *text, const char *panic)
{
	size_t n = (size_t) (panic - text);
	const char *x86;

	if (!memmem(panic, strcspn(panic, "\r\n"), fault_words, sizeof fault_words - 1))
		return NULL;
	x86 = behind_last(text, n, "RIP: 0010:");
	return x86 ? x86 : behind_last(text, n, "pc : ");
}

/* Finds the reason of the guest kernel's last panic on the console, and where the
 * kernel was if it faulted. */
static bool find_panic(struct tail *console, char *out, size_t out_bytes)
{
	char raw[LOOK_BACK_BYTES];
	size_t n = tail_copy(console, raw, sizeof raw);
	const char *panic = behind_last(raw, n, panic_words), *fault;

	if (!panic)
		return false;
	fault = find_fault(raw, panic);

	/* Half of the room, so that a long reason leaves some for the function. */
	size_t used = text_printable(panic, strcspn(panic, "\r\n"), out,
				     fault ? out_bytes / 2 : out_bytes);

	if (fault) {
		used += (size_t) snprintf(out + used, out_bytes - used, ", in ");
		(void) text_printable(fault, strcspn(fault, " \r\n"), out + used, out_bytes - used);
	}
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
