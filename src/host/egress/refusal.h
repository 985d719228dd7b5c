#pragma once

#include <stddef.h>
#include <stdint.h>

#include "host/egress/packet.h"

/* The packet that tells a guest at once that another one was refused: a reset of TCP, or ICMP's
 * "administratively prohibited". Private to host/egress. The kernel has an expression for that, but
 * Debian 12's kernel has it not for this hook (CONFIG_NFT_REJECT_NETDEV). */
#define REFUSAL_BYTES 256

/* @p is what packet_read() has read of @packet. Returns how many bytes are in @out, which has
 * REFUSAL_BYTES; 0: nobody is to be told, as with a reset, an error, or what goes to a group. */
size_t refusal_write(const uint8_t *packet, size_t bytes, const struct packet *p, uint8_t *out);
