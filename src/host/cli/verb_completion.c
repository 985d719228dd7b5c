/* completion: a script for the shell, made from the tables of verbs and options. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/cli/verb.h"

static void print_options(const struct option *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		printf(" --%s", table[i].name);
}

/* The pattern of the global options whose value is the next word. */
static void print_options_with_value(const struct cli *cli)
{
	const char *bar = "";

	for (size_t i = 0; i < cli->n_options; i++) {
		if (cli->options[i].kind == OPTION_FLAG)
			continue;
		printf("%s--%s", bar, cli->options[i].name);
		bar = "|";
	}
}

static int completion_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	(void) values;
	if (argc > 0 && strcmp(argv[0], "bash") != 0)
		return err_say(e, EINVAL, "there is no completion for '%s', only for bash",
			       argv[0]);

	printf("# bash completion for kata-runtime; made by `kata-runtime completion bash`\n"
	       "_kata_runtime()\n{\n"
	       "\tlocal word=${COMP_WORDS[COMP_CWORD]} verb= i words\n"
	       "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	       "\t\tcase ${COMP_WORDS[i]} in\n\t\t");
	print_options_with_value(cli);
	printf(") ((i++)) ;;\n"
	       "\t\t-*) ;;\n"
	       "\t\t*) verb=${COMP_WORDS[i]}; break ;;\n"
	       "\t\tesac\n\tdone\n"
	       "\tcase $verb in\n\t'') words='");
	for (const struct verb *const *v = cli->verbs; *v; v++)
		printf("%s ", (*v)->name);
	print_options(cli->options, cli->n_options);
	printf("' ;;\n");
	for (const struct verb *const *v = cli->verbs; *v; v++) {
		printf("\t%s) words='", (*v)->name);
		print_options((*v)->options, (*v)->n_options);
		printf("'");
		if (strstr((*v)->arguments, "ID"))
			printf("\" $(kata-runtime list -q 2>/dev/null)\"");
		printf(" ;;\n");
	}
	printf("\tesac\n"
	       "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n}\n"
	       "complete -o default -F _kata_runtime kata-runtime\n");
	return 0;
}

const struct verb verb_completion = {
	.name = "completion",
	.arguments = "[bash]",
	.help = "print a completion script for the shell",
	.max_args = 1,
	.run = completion_run,
};
