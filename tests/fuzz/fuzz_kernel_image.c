/* A guest's kernel: an ELF file of the administrator's. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/auto.h"
#include "host/hypervisor/kernel_image.h"

#define MEMORY_BYTES (UINT64_C(64) << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	auto_close int file = memfd_create("kernel", MFD_CLOEXEC);
	auto_close int memory = memfd_create("memory", MFD_CLOEXEC);
	struct kernel_image image;

	if (file < 0 || memory < 0 || write(file, data, bytes) != (ssize_t) bytes ||
	    ftruncate(memory, (off_t) MEMORY_BYTES) < 0)
		return 0;
	if (kernel_image_read(file, &image, NULL) < 0)
		return 0;
	if (image.n == 0 || image.n > KERNEL_SEGMENTS_MAX)
		abort();

	auto_close int stub = kernel_image_stub(file, &image, NULL);

	if (kernel_image_write(file, &image, memory, MEMORY_BYTES, NULL) == 0 && stub < 0)
		abort();
	return 0;
}
