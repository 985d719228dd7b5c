#include "agent/storage/append_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/array.h"
#include "base/bpf.h"
#include "base/fd.h"
#include "base/file.h"

#define FACTS_BYTES 4096

#define FUSE_MAGIC \
	0x65735546   /* of every FUSE, virtio-fs included (linux/magic.h of newer kernels) */
#define MODE_WRITE 2 /* FMODE_WRITE: in no header of user space */

/* The kernel lets only programs under the GPL read its structures, so these two may be used under
 * the BSD's terms or the GPL's. */
static const char c_license[] = "Dual BSD/GPL";

/* Facts about the guest's kernel; offsets in bytes. */
struct facts {
	int32_t mmap_hook, fcntl_hook; /* BTF ids */
	int32_t file_flags, file_mode, file_inode, inode_sb, sb_magic;
};

static const struct {
	const char *name;
	size_t field;
} c_facts[] = {
	{"bpf_lsm_mmap_file", offsetof(struct facts, mmap_hook)},
	{"bpf_lsm_file_fcntl", offsetof(struct facts, fcntl_hook)},
	{"file.f_flags", offsetof(struct facts, file_flags)},
	{"file.f_mode", offsetof(struct facts, file_mode)},
	{"file.f_inode", offsetof(struct facts, file_inode)},
	{"inode.i_sb", offsetof(struct facts, inode_sb)},
	{"super_block.s_magic", offsetof(struct facts, sb_magic)},
};

static int fact_read(const char *text, const char *name, int32_t *ret)
{
	size_t n = strlen(name);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, name, n) != 0 || line[n] != ' ')
			continue;

		char *end;
		long value = strtol(line + n + 1, &end, 10);

		if (end == line + n + 1 || *end != '\n' || value < 0 || value > INT32_MAX)
			return -EINVAL;
		*ret = (int32_t) value;
		return 0;
	}
	return -ENOENT;
}

static int facts_read(const char *file, struct facts *ret, struct err *e)
{
	auto_free char *text = NULL;
	int r = file_read(AT_FDCWD, file, FACTS_BYTES, &text, NULL, e);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(c_facts); i++) {
		r = fact_read(text, c_facts[i].name, (void *) ((char *) ret + c_facts[i].field));
		if (r < 0)
			(void) err_say(e, -r, "'%s' does not tell of '%s'", file, c_facts[i].name);
	}
	return r;
}

/* Registers: R0 has the result, R1 first the arguments and then the object looked at, R2 a value.
 * To allow, a program jumps over the rest, to its last two instructions. */
enum { R0, R1, R2 };

#define LOAD(bytes, to, from, at)                                                        \
	{                                                                                \
		.code = BPF_LDX | BPF_MEM | (bytes), .dst_reg = (to), .src_reg = (from), \
		.off = (short) (at)                                                      \
	}
#define JUMP(kind, how, reg, value, over)                                                       \
	{                                                                                       \
		.code = (kind) | (how) | BPF_K, .dst_reg = (reg), .off = (over), .imm = (value) \
	}
#define SET(reg, value)                                                               \
	{                                                                             \
		.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (reg), .imm = (value) \
	}
#define END                                \
	{                                  \
		.code = BPF_JMP | BPF_EXIT \
	}

#define ARGUMENT(n) (8 * (n))

/* 14 instructions: refuse with @error if the file in R1 appends, may be written and is on FUSE. */
#define REFUSE_IF_APPENDING(f, error)                                                           \
	LOAD(BPF_W, R2, R1, (f)->file_flags), JUMP(BPF_JMP, BPF_JSET, R2, O_APPEND, 1),         \
		JUMP(BPF_JMP, BPF_JA, R0, 0, 9), LOAD(BPF_W, R2, R1, (f)->file_mode),           \
		JUMP(BPF_JMP, BPF_JSET, R2, MODE_WRITE, 1), JUMP(BPF_JMP, BPF_JA, R0, 0, 6),    \
		LOAD(BPF_DW, R1, R1, (f)->file_inode), LOAD(BPF_DW, R1, R1, (f)->inode_sb),     \
		LOAD(BPF_DW, R1, R1, (f)->sb_magic), JUMP(BPF_JMP, BPF_JNE, R1, FUSE_MAGIC, 2), \
		SET(R0, -(error)), END, SET(R0, 0), END

/* Returns a descriptor that keeps the program in force, or -errno. */
static int put_in_force(const struct bpf_insn *code, size_t n, int32_t hook, struct err *e)
{
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_LSM,
		.insns = (uintptr_t) code,
		.insn_cnt = (uint32_t) n,
		.license = (uintptr_t) c_license,
		.expected_attach_type = BPF_LSM_MAC,
		.attach_btf_id = (uint32_t) hook,
	};
	auto_close int program = bpf_call(BPF_PROG_LOAD, &load);

	if (program < 0)
		return err_sys(e, -program, "give the kernel a program");

	union bpf_attr attach = {.raw_tracepoint.prog_fd = (uint32_t) program};
	int fd = bpf_call(BPF_RAW_TRACEPOINT_OPEN, &attach);

	return fd < 0 ? err_sys(e, -fd, "put a program in force") : fd;
}

static int guard_mmap(const struct facts *f, struct err *e)
{
	const struct bpf_insn code[] = {
		/* mmap_file(file, asked protection, protection, flags): shared ones of files. */
		LOAD(BPF_DW, R2, R1, ARGUMENT(3)), JUMP(BPF_JMP, BPF_JSET, R2, MAP_SHARED, 1),
		JUMP(BPF_JMP, BPF_JA, R0, 0, 14),  LOAD(BPF_DW, R1, R1, ARGUMENT(0)),
		JUMP(BPF_JMP, BPF_JEQ, R1, 0, 12), REFUSE_IF_APPENDING(f, ENODEV),
	};

	return put_in_force(code, ARRAY_LEN(code), f->mmap_hook, e);
}

static int guard_fcntl(const struct facts *f, struct err *e)
{
	const struct bpf_insn code[] = {
		/* file_fcntl(file, command, argument): only F_SETFL without O_APPEND. */
		LOAD(BPF_DW, R2, R1, ARGUMENT(1)), JUMP(BPF_JMP32, BPF_JNE, R2, F_SETFL, 15),
		LOAD(BPF_DW, R2, R1, ARGUMENT(2)), JUMP(BPF_JMP, BPF_JSET, R2, O_APPEND, 13),
		LOAD(BPF_DW, R1, R1, ARGUMENT(0)), REFUSE_IF_APPENDING(f, EPERM),
	};

	return put_in_force(code, ARRAY_LEN(code), f->fcntl_hook, e);
}

int append_guard_init(struct append_guard *g, const char *facts_file, struct err *e)
{
	struct facts f = {0};
	int r = facts_read(facts_file, &f, e);

	for (size_t i = 0; i < APPEND_GUARDS; i++)
		g->fds[i] = -1;
	if (r == 0)
		r = g->fds[0] = guard_mmap(&f, e);
	if (r >= 0)
		r = g->fds[1] = guard_fcntl(&f, e);
	if (r < 0) {
		append_guard_fini(g);
		return err_wrap(e, r, "guard files that are opened to append");
	}
	return 0;
}

void append_guard_fini(struct append_guard *g)
{
	for (size_t i = 0; i < APPEND_GUARDS; i++)
		g->fds[i] = fd_close(g->fds[i]);
}
