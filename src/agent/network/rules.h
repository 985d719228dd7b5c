#pragma once

/* Routing rules. Private to agent/network. */

struct rules;

/* Accepts NULL. */
void rules_free(struct rules *rules);
