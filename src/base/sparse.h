#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Files with holes, which are mostly nothing: the memory of a machine. Neither file's offset is of
 * interest afterwards.
 */

/**
 * sparse_copy() - copy what a file has, and leave out its holes
 * @from:	open for reading, at least @bytes large
 * @to:		open for writing; empty, or nothing but holes
 * @ret_data:	how many bytes were copied
 *
 * Returns 0 or -errno (-ENOSPC: the disk is full).
 */
int sparse_copy(int from, int to, uint64_t bytes, uint64_t *ret_data, struct err *e);

/* The same, and pages of zeros become holes as well, which takes a look at each. @from can be
 * mapped. */
int sparse_copy_dense(int from, int to, uint64_t bytes, uint64_t *ret_data, struct err *e);

/* Writes @bytes of @data to @at in @to, but no pages of zeros, which are holes there. */
int sparse_write(int to, const void *data, size_t bytes, uint64_t at, struct err *e);
