#include "host/shim/process_list.h"

#include <errno.h>
#include <jansson.h>

#include "base/text.h"

static int print_numbers(json_t *list, char **ret, struct err *e)
{
	size_t i;
	json_t *number;

	if (!json_is_array(list))
		return err_say(e, EPROTO, "the guest's list of processes is no list");
	json_array_foreach(list, i, number)
	{
		if (!json_is_integer(number))
			return err_say(e, EPROTO, "the guest's list of processes has no number");
	}
	*ret = json_dumps(list, JSON_COMPACT);
	return *ret ? 0 : err_sys(e, ENOMEM, "list processes");
}

int process_list_print(const void *list, size_t bytes, char **ret, struct err *e)
{
	const char *text = list;

	if (bytes == 0 || (text[0] != '[' && text[0] != '{')) {
		*ret = text_table(text, bytes);
		return *ret ? 0 : err_sys(e, ENOMEM, "list processes");
	}

	json_t *json = json_loadb(text, bytes, 0, NULL);
	int r = json ? print_numbers(json, ret, e)
		     : err_say(e, EPROTO, "the guest's list of processes is no JSON");

	json_decref(json);
	return r;
}
