#include "tests/test.h"

#include <errno.h>

#include "base/buf.h"

TEST(a_buffer_is_a_queue)
{
	struct buf b;

	buf_init(&b, 100);
	CHECK_EQ(buf_append(&b, "hello", 5), 0);
	buf_consume(&b, 3);
	CHECK_EQ(buf_append(&b, "world", 5), 0);
	CHECK_EQ(buf_len(&b), 7);
	CHECK(memcmp(buf_data(&b), "loworld", 7) == 0);
	buf_fini(&b);
}

TEST(nobody_makes_it_larger_than_allowed)
{
	struct buf b;

	buf_init(&b, 8);
	CHECK_EQ(buf_append(&b, "12345678", 8), 0);
	CHECK_EQ(buf_append(&b, "9", 1), -EMSGSIZE);
	CHECK_EQ(buf_append(&b, "9", (size_t) -1), -EMSGSIZE);
	buf_consume(&b, 1);
	CHECK_EQ(buf_append(&b, "9", 1), 0);
	buf_fini(&b);
}

TEST(a_cursor_cannot_leave_its_bytes)
{
	struct cursor c = cursor_over("\x01\x02\x03\x04\x05", 5);

	CHECK_EQ(cursor_be32(&c), 0x01020304);
	CHECK(cursor_ok(&c));
	CHECK_EQ(cursor_be16(&c), 0);
	CHECK(!cursor_ok(&c));
	CHECK_EQ(cursor_u8(&c), 0); /* poisoned for good, although one byte is left */
}

TEST(little_endian_reads_the_other_way)
{
	struct cursor c = cursor_over("\x01\x02\x03\x04\x05\x06\x07\x08", 8);

	CHECK(cursor_le64(&c) == 0x0807060504030201);
}
