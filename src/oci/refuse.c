#include "oci/refuse.h"

#include <stdarg.h>
#include <stdio.h>

int refuse(struct err *e, int code, const char *fmt, ...)
{
	char words[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void) vsnprintf(words, sizeof words, fmt, ap);
	va_end(ap);
	for (char *p = words; *p; p++)
		if ((unsigned char) *p < 0x20 || *p == 0x7f)
			*p = '?';
	return err_say(e, code, "%s", words);
}
