#pragma once

union bpf_attr;

/* bpf(2), for which the C library has no function. @command: an enum bpf_cmd. Returns what that
 * returns, a descriptor or 0, or -errno. */
int bpf_call(int command, union bpf_attr *attr);
