#include "host/hypervisor/kernel_image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/sparse.h"

#define PAGE_BYTES 4096

/* Below it are firmware and what it hands over. */
#define LOWEST_ADDRESS (UINT64_C(1) << 20)
/* Up to here a PC's memory is in one piece, from address 0 on, with every machine type. */
#define HIGHEST_ADDRESS (UINT64_C(2) << 30)

/* Linux has four segments and one of notes. */
#define HEADERS_MAX 16
/* Linux has half a kilobyte of them. */
#define NOTES_MAX_BYTES PAGE_BYTES

/* How much is copied at a time. */
#define BLOCK_BYTES (64 << 10)

_Static_assert(sizeof(Elf64_Ehdr) == sizeof((struct kernel_image){0}.header), "of ELF-64");

static int not_ours(const char *why, struct err *e)
{
	return err_say(e, ENOEXEC, "the kernel %s", why);
}

static int read_at(int fd, void *buf, size_t bytes, uint64_t at, struct err *e)
{
	ssize_t n = pread(fd, buf, bytes, (off_t) at);

	if (n < 0)
		return err_sys(e, errno, "read the kernel");
	return (size_t) n == bytes ? 0 : not_ours("ends too early", e);
}

/* ---- what of the file goes where ---- */

static bool is_inside(uint64_t at, uint64_t bytes, uint64_t end)
{
	return at <= end && bytes <= end - at;
}

static bool overlap(const struct kernel_segment *a, const struct kernel_segment *b)
{
	return a->address < b->address + b->bytes && b->address < a->address + a->bytes;
}

static int add_segment(struct kernel_image *image, const Elf64_Phdr *h, uint64_t file_bytes,
		       struct err *e)
{
	const struct kernel_segment s = {h->p_offset, h->p_paddr, h->p_filesz};

	if (h->p_memsz == 0)
		return 0;
	if (!is_inside(s.at, s.bytes, file_bytes) || h->p_memsz < s.bytes)
		return not_ours("has a segment that is not in its file", e);
	if (s.address < LOWEST_ADDRESS || !is_inside(s.address, h->p_memsz, HIGHEST_ADDRESS))
		return not_ours("has a segment where no kernel is", e);
	if (image->n == KERNEL_SEGMENTS_MAX)
		return not_ours("has too many segments", e);
	for (size_t i = 0; i < image->n; i++)
		if (overlap(&s, &image->segments[i]))
			return not_ours("has segments that overlap", e);
	image->segments[image->n++] = s;
	return 0;
}

static int add_notes(struct kernel_image *image, const Elf64_Phdr *h, uint64_t file_bytes,
		     struct err *e)
{
	if (image->notes.bytes || h->p_filesz > NOTES_MAX_BYTES ||
	    !is_inside(h->p_offset, h->p_filesz, file_bytes))
		return not_ours("has notes that are not Linux's", e);
	image->notes = (struct kernel_segment){.at = h->p_offset, .bytes = h->p_filesz};
	return 0;
}

static int check_header(const Elf64_Ehdr *h, struct err *e)
{
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 || h->e_ident[EI_CLASS] != ELFCLASS64 ||
	    h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_machine != EM_X86_64)
		return not_ours("is no ELF file of x86-64", e);
	if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum > HEADERS_MAX)
		return not_ours("has program headers that are not Linux's", e);
	return 0;
}

static int take_headers(struct kernel_image *image, const Elf64_Phdr *headers, size_t n,
			uint64_t file_bytes, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (headers[i].p_type == PT_LOAD)
			r = add_segment(image, &headers[i], file_bytes, e);
		else if (headers[i].p_type == PT_NOTE)
			r = add_notes(image, &headers[i], file_bytes, e);
	}
	if (r == 0 && (image->n == 0 || image->segments[0].bytes < PAGE_BYTES))
		r = not_ours("has no first page", e);
	return r;
}

int kernel_image_read(int fd, struct kernel_image *ret, struct err *e)
{
	Elf64_Phdr headers[HEADERS_MAX];
	Elf64_Ehdr h;
	struct stat st;

	*ret = (struct kernel_image){0};
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "inspect the kernel");

	int r = read_at(fd, &h, sizeof h, 0, e);

	if (r == 0)
		r = check_header(&h, e);
	if (r == 0)
		r = read_at(fd, headers, h.e_phnum * sizeof headers[0], h.e_phoff, e);
	if (r == 0)
		r = take_headers(ret, headers, h.e_phnum, (uint64_t) st.st_size, e);
	memcpy(ret->header, &h, sizeof h);
	return r;
}

/* ---- what the VMM gets ---- */

/*
 * The first page is behind the first 8 KiB, because QEMU looks there for the magic of another
 * protocol (multiboot).
 */
struct stub {
	Elf64_Ehdr header;
	Elf64_Phdr load, note;
	uint8_t notes[NOTES_MAX_BYTES];
	uint8_t none[2 * PAGE_BYTES - sizeof(Elf64_Ehdr) - 2 * sizeof(Elf64_Phdr) -
		     NOTES_MAX_BYTES];
	uint8_t first[PAGE_BYTES];
};
_Static_assert(offsetof(struct stub, first) == 2 * PAGE_BYTES, "without padding");

static void describe_stub(struct stub *s, const struct kernel_image *image)
{
	memcpy(&s->header, image->header, sizeof s->header);
	s->header.e_phoff = offsetof(struct stub, load);
	s->header.e_phnum = 2;
	s->header.e_shoff = s->header.e_shnum = s->header.e_shstrndx = 0;
	s->load = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_offset = offsetof(struct stub, first),
		.p_vaddr = image->segments[0].address,
		.p_paddr = image->segments[0].address,
		.p_filesz = PAGE_BYTES,
		.p_memsz = PAGE_BYTES,
		.p_align = PAGE_BYTES,
	};
	s->note = (Elf64_Phdr){
		.p_type = PT_NOTE,
		.p_offset = offsetof(struct stub, notes),
		.p_filesz = image->notes.bytes,
		.p_memsz = image->notes.bytes,
		.p_align = 4,
	};
}

int kernel_image_stub(int fd, const struct kernel_image *image, struct err *e)
{
	auto_close int file = memfd_create("guest-kernel", MFD_CLOEXEC);
	struct stub s = {0};

	if (file < 0)
		return err_sys(e, errno, "make a file of the kernel's first page");
	describe_stub(&s, image);

	int r = read_at(fd, s.notes, image->notes.bytes, image->notes.at, e);

	if (r == 0)
		r = read_at(fd, s.first, PAGE_BYTES, image->segments[0].at, e);
	if (r == 0 && write(file, &s, sizeof s) != sizeof s)
		r = err_sys(e, errno, "write the kernel's first page");
	return r < 0 ? r : take_fd(&file);
}

/* ---- what the guest gets ---- */

/* Read and not mapped, because a file that somebody cuts off while it is mapped kills who reads. */
static int write_segment(int fd, const struct kernel_segment *s, int memory_fd, struct err *e)
{
	uint8_t block[BLOCK_BYTES];
	int r = 0;

	for (uint64_t done = 0; r == 0 && done < s->bytes; done += BLOCK_BYTES) {
		uint64_t left = s->bytes - done;
		size_t bytes = left < BLOCK_BYTES ? (size_t) left : BLOCK_BYTES;

		r = read_at(fd, block, bytes, s->at + done, e);
		if (r == 0)
			r = sparse_write(memory_fd, block, bytes, s->address + done, e);
	}
	return r;
}

int kernel_image_write(int fd, const struct kernel_image *image, int memory_fd,
		       uint64_t memory_bytes, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < image->n; i++) {
		const struct kernel_segment *s = &image->segments[i];

		if (!is_inside(s->address, s->bytes, memory_bytes))
			return err_say(e, ENOSPC,
				       "the guest kernel does not fit into %llu MiB of memory",
				       (unsigned long long) memory_bytes >> 20);
		r = write_segment(fd, s, memory_fd, e);
	}
	return r;
}
