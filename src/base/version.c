#include "base/version.h"

const char *version_number(void)
{
	return VERSION;
}

const char *version_commit(void)
{
	return COMMIT;
}
