#include "agent/cgroup/convert.h"

#include <errno.h>

#define SHARES_MIN 2
#define SHARES_MAX 262144

uint64_t cpu_weight_from_shares(uint64_t shares)
{
	if (shares == 0)
		return 0;
	if (shares < SHARES_MIN)
		shares = SHARES_MIN;
	if (shares > SHARES_MAX)
		shares = SHARES_MAX;
	return 1 + (shares - 2) * 9999 / 262142;
}

uint64_t io_weight_from_blkio(uint32_t weight)
{
	if (weight == 0)
		return 0;
	return 1 + ((uint64_t) weight - 10) * 9999 / 990;
}

int memory_swap_from_v1(int64_t swap, int64_t limit, int64_t *ret, struct err *e)
{
	/* No limit on memory means no limit on memory and swap together either. */
	if (limit == -1 && swap == 0)
		swap = -1;
	if (swap == -1 || swap == 0) {
		*ret = swap;
		return 0;
	}
	if (limit == 0 || limit == -1)
		return err_say(e, EINVAL, "linux.resources.memory.swap: needs a limit");
	if (swap < limit)
		return err_say(e, EINVAL, "linux.resources.memory.swap: is less than the limit");
	*ret = swap - limit;
	return 0;
}
