/*
 * The probe runs as the process of a container and prints facts about its surroundings, one
 * `name: value` a line, in words that do not depend on the machine: no inode, no address, no
 * kernel version, and the limits of a control group whether the kernel shows version 1 or 2.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A fact prints itself; `args` are the comma-separated words behind `name:`, ending in NULL. */
typedef void (*fact_fn)(char **args);

struct fact {
	const char *name;
	fact_fn print;
};

/* The name of an errno, "ok" for 0. */
const char *errno_name(int error);

/* Reads a whole small file without its last newline; NULL if that is not possible. Never freed. */
char *file_text(const char *path);

extern const struct fact process_facts[], file_facts[], limit_facts[], stream_facts[];
