#include "oci/names.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "base/file.h"
#include "oci/word.h"

/* The C library keeps the first two of the kernel's real-time signals for itself, on every
 * architecture. The numbers are fixed here because SIGRTMIN is a function call. */
#define RT_MIN 34
#define RT_MAX 64

/* Without "SIG". Of several names for one number the usual one stands first. */
static const struct word signals[] = {
	{"HUP", SIGHUP},       {"INT", SIGINT},       {"QUIT", SIGQUIT}, {"ILL", SIGILL},
	{"TRAP", SIGTRAP},     {"ABRT", SIGABRT},     {"BUS", SIGBUS},   {"FPE", SIGFPE},
	{"KILL", SIGKILL},     {"USR1", SIGUSR1},     {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},
	{"PIPE", SIGPIPE},     {"ALRM", SIGALRM},     {"TERM", SIGTERM},
#ifdef SIGSTKFLT
	{"STKFLT", SIGSTKFLT},
#endif
	{"CHLD", SIGCHLD},     {"CONT", SIGCONT},     {"STOP", SIGSTOP}, {"TSTP", SIGTSTP},
	{"TTIN", SIGTTIN},     {"TTOU", SIGTTOU},     {"URG", SIGURG},   {"XCPU", SIGXCPU},
	{"XFSZ", SIGXFSZ},     {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},
	{"IO", SIGIO},         {"PWR", SIGPWR},       {"SYS", SIGSYS},   {"IOT", SIGABRT},
	{"CLD", SIGCHLD},      {"POLL", SIGIO},       {"RTMIN", RT_MIN}, {"RTMAX", RT_MAX},
};

/* "RTMIN+3", "RTMAX-1" */
static int realtime(const char *name)
{
	uint64_t distance;
	int number;

	if (strncmp(name, "RTMIN+", 6) != 0 && strncmp(name, "RTMAX-", 6) != 0)
		return -1;
	if (num_parse_u64(name + 6, &distance) < 0 || distance > RT_MAX - RT_MIN)
		return -1;
	number = (int) distance;
	return name[2] == 'M' && name[3] == 'I' ? RT_MIN + number : RT_MAX - number;
}

int oci_signal_number(const char *text)
{
	char name[OCI_SIGNAL_NAME_BYTES] = "";
	uint64_t number;
	size_t n = 0;

	if (num_parse_u64(text, &number) == 0)
		return number <= RT_MAX ? (int) number : -1;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (; text[n]; n++) {
		if (n == sizeof name - 1)
			return -1;
		name[n] = text[n] >= 'a' && text[n] <= 'z' ? (char) (text[n] - 'a' + 'A') : text[n];
	}

	const struct word *w = word_find(signals, ARRAY_LEN(signals), name);

	return w ? (int) w->value : realtime(name);
}

const char *oci_signal_name(int number, char buf[OCI_SIGNAL_NAME_BYTES])
{
	const char *name = word_name(signals, ARRAY_LEN(signals), (uint32_t) number);

	if (name)
		(void) snprintf(buf, OCI_SIGNAL_NAME_BYTES, "SIG%s", name);
	else if (number > RT_MIN && number < RT_MAX)
		(void) snprintf(buf, OCI_SIGNAL_NAME_BYTES, "SIGRTMIN+%d", number - RT_MIN);
	else
		(void) snprintf(buf, OCI_SIGNAL_NAME_BYTES, "%d", number);
	return buf;
}
