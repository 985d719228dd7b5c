#pragma once

/* The version of this build, "0.1.0", and the commit it was made from. */
const char *version_number(void);
const char *version_commit(void);
