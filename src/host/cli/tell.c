/* What a verb says beside its output. */
#include <stdio.h>

#include "base/log.h"
#include "host/cli/verb.h"

void cli_tell(const struct cli *cli, const char *sentence)
{
	fprintf(stderr, "%s: %s\n", cli->program, sentence);
	if (cli->log)
		log_error("%s", sentence);
}
