#include <elf.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "host/hypervisor/kernel_image.h"
#include "tests/test.h"

#define MIB          (UINT64_C(1) << 20)
#define PAGE         4096
#define MEMORY_BYTES (64 * MIB)

/* A kernel of three pages at 16 MiB, of which the middle one is zero, and one page at 32 MiB. */
struct kernel {
	Elf64_Ehdr header;
	Elf64_Phdr headers[3];
	char notes[64];
	uint8_t none[2 * PAGE - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr) - 64];
	uint8_t pages[4 * PAGE];
};

static struct kernel sound(void)
{
	struct kernel k = {
		.header = {.e_ident = ELFMAG,
			   .e_machine = EM_X86_64,
			   .e_entry = 16 * MIB,
			   .e_phoff = offsetof(struct kernel, headers),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 3,
			   .e_shoff = 1,
			   .e_shnum = 1},
		.headers = {{.p_type = PT_LOAD,
			     .p_offset = offsetof(struct kernel, pages),
			     .p_paddr = 16 * MIB,
			     .p_filesz = 3 * PAGE,
			     .p_memsz = 5 * PAGE},
			    {.p_type = PT_LOAD,
			     .p_offset = offsetof(struct kernel, pages) + 3 * PAGE,
			     .p_paddr = 32 * MIB,
			     .p_filesz = PAGE,
			     .p_memsz = PAGE},
			    {.p_type = PT_NOTE,
			     .p_offset = offsetof(struct kernel, notes),
			     .p_filesz = 64,
			     .p_memsz = 64}},
		.notes = "the entry",
	};

	k.header.e_ident[EI_CLASS] = ELFCLASS64;
	k.header.e_ident[EI_DATA] = ELFDATA2LSB;
	memset(k.pages, 'a', PAGE);
	memset(k.pages + 2 * PAGE, 'c', PAGE);
	memset(k.pages + 3 * PAGE, 'd', PAGE);
	return k;
}

static int file_of(const void *data, size_t bytes)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, data, bytes), (ssize_t) bytes);
	return fd;
}

static int memory(void)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);

	CHECK_EQ(ftruncate(fd, MEMORY_BYTES), 0);
	return fd;
}

static char byte_at(int fd, uint64_t at)
{
	char c = 0;

	CHECK_EQ(pread(fd, &c, 1, (off_t) at), 1);
	return c;
}

TEST(its_pages_go_where_they_belong_and_those_of_zeros_take_nothing)
{
	const struct kernel k = sound();
	auto_close int fd = file_of(&k, sizeof k), guest = memory();
	struct kernel_image image;
	struct stat st;

	CHECK_EQ(kernel_image_read(fd, &image, NULL), 0);
	CHECK_EQ(image.n, 2);
	CHECK_EQ(kernel_image_write(fd, &image, guest, MEMORY_BYTES, NULL), 0);
	CHECK_EQ(byte_at(guest, 16 * MIB), 'a');
	CHECK_EQ(byte_at(guest, 16 * MIB + PAGE), 0);
	CHECK_EQ(byte_at(guest, 16 * MIB + 3 * PAGE - 1), 'c');
	CHECK_EQ(byte_at(guest, 16 * MIB + 3 * PAGE), 0);
	CHECK_EQ(byte_at(guest, 32 * MIB), 'd');
	CHECK_EQ(fstat(guest, &st), 0);
	CHECK_EQ(st.st_blocks * 512, 3 * PAGE);
}

TEST(a_vmm_gets_the_first_page_and_the_notes)
{
	const struct kernel k = sound();
	auto_close int fd = file_of(&k, sizeof k);
	struct kernel_image image;
	Elf64_Ehdr h;
	Elf64_Phdr p[2];
	char notes[64];

	CHECK_EQ(kernel_image_read(fd, &image, NULL), 0);

	auto_close int stub = kernel_image_stub(fd, &image, NULL);

	CHECK(stub >= 0);
	CHECK_EQ(pread(stub, &h, sizeof h, 0), (ssize_t) sizeof h);
	CHECK_EQ(h.e_entry, 16 * MIB);
	CHECK_EQ(h.e_phnum, 2);
	CHECK_EQ(h.e_shnum, 0);
	CHECK_EQ(pread(stub, p, sizeof p, (off_t) h.e_phoff), (ssize_t) sizeof p);
	CHECK_EQ(p[0].p_type, PT_LOAD);
	CHECK_EQ(p[0].p_paddr, 16 * MIB);
	CHECK_EQ(p[0].p_filesz, PAGE);
	CHECK(p[0].p_offset >= 8192); /* QEMU looks for multiboot's magic below */
	CHECK_EQ(byte_at(stub, p[0].p_offset), 'a');
	CHECK_EQ(byte_at(stub, p[0].p_offset + PAGE - 1), 'a');
	CHECK_EQ(p[1].p_type, PT_NOTE);
	CHECK_EQ(pread(stub, notes, sizeof notes, (off_t) p[1].p_offset), (ssize_t) sizeof notes);
	CHECK(memcmp(notes, k.notes, sizeof notes) == 0);
}

static void refused(const struct kernel *k, size_t bytes, const char *why)
{
	auto_close int fd = file_of(k, bytes);
	struct kernel_image image;
	struct err e = {0};

	CHECK_EQ(kernel_image_read(fd, &image, &e), -ENOEXEC);
	CHECK(strstr(e.text, why));
}

TEST(what_is_not_such_a_kernel_is_left_to_the_vmm)
{
	struct kernel k = sound();

	refused(&k, 10, "ends too early");
	refused(&k, sizeof k.header, "ends too early");
	refused(&k, sizeof k - 1, "not in its file");
	k.header.e_ident[0] = 0;
	refused(&k, sizeof k, "no ELF file of x86-64");

	k = sound();
	k.header.e_machine = EM_AARCH64;
	refused(&k, sizeof k, "no ELF file of x86-64");

	k = sound();
	k.header.e_phnum = UINT16_MAX;
	refused(&k, sizeof k, "program headers");

	k = sound();
	k.headers[0].p_paddr = 0x7c00;
	refused(&k, sizeof k, "where no kernel is");
	k.headers[0].p_paddr = UINT64_MAX - PAGE;
	refused(&k, sizeof k, "where no kernel is");

	k = sound();
	k.headers[0].p_offset = UINT64_MAX;
	refused(&k, sizeof k, "not in its file");

	k = sound();
	k.headers[1].p_paddr = 16 * MIB + 2 * PAGE;
	refused(&k, sizeof k, "overlap");

	k = sound();
	k.headers[2].p_filesz = PAGE + 1;
	refused(&k, sizeof k, "notes");

	k = sound();
	k.headers[0].p_type = k.headers[1].p_type = PT_NULL;
	refused(&k, sizeof k, "no first page");
}

TEST(a_kernel_that_is_larger_than_the_memory_is_told)
{
	const struct kernel k = sound();
	auto_close int fd = file_of(&k, sizeof k), guest = memory();
	struct kernel_image image;
	struct err e = {0};

	CHECK_EQ(kernel_image_read(fd, &image, NULL), 0);
	CHECK_EQ(kernel_image_write(fd, &image, guest, 32 * MIB, &e), -ENOSPC);
	CHECK(strstr(e.text, "does not fit into 32 MiB"));
}

TEST(a_file_that_was_cut_off_meanwhile_is_an_error_and_no_crash)
{
	const struct kernel k = sound();
	auto_close int fd = file_of(&k, sizeof k), guest = memory();
	struct kernel_image image;

	CHECK_EQ(kernel_image_read(fd, &image, NULL), 0);
	CHECK_EQ(ftruncate(fd, 3 * PAGE), 0);
	CHECK_EQ(kernel_image_write(fd, &image, guest, MEMORY_BYTES, NULL), -ENOEXEC);
}
