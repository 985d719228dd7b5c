#pragma once

#include "host/sandbox/model.h"

/* The machine is going: closes all consoles. Loop. Private to host/sandbox. */
void consoles_end(struct sandbox *sb);
