#include "host/shim/shim.h"

int main(int argc, char **argv)
{
	return shim_main(argc, argv);
}
