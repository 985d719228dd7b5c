#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "agent/boot/steps.h"

int net_lo_up(struct err *e)
{
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq lo = {.ifr_name = "lo"};

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &lo) < 0)
		return err_sys(e, errno, "find network interface 'lo'");
	lo.ifr_flags = (short) (lo.ifr_flags | IFF_UP);
	if (ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		return err_sys(e, errno, "bring network interface 'lo' up");
	return 0;
}
