/* Prints docs/configuration.md; `make docs` runs it. */
#include <stdio.h>
#include <stdlib.h>

#include "host/config/config.h"

int main(void)
{
	char *text = config_manual();

	if (!text || fputs(text, stdout) < 0)
		return 1;
	free(text);
	return fflush(stdout) != 0;
}
