// What a process gives up for good, itself and all that it starts, before it touches anything that is not trusted.
#ifndef METAL_ISOLATION_H
#define METAL_ISOLATION_H

#include "runtime.h"

// A file or folder, and all that is in it, that may still be reached.
enum Access { ACCESS_READ, ACCESS_EXECUTE, ACCESS_DEVICE, ACCESS_SCRATCH };
struct Grant { const char *path; enum Access access; };

enum Role { ROLE_COMPILER, ROLE_DEVICE };

// No file but those granted can be opened, nor any TCP port; no process outside be signalled. Paths that do not exist
// are passed over. Only the calling thread and those it starts later: call it first. 0, also where the kernel has no
// landlock, or -1.
int restrict_files(const struct Grant *grants, u32 count);

// No system call but those of the role, whose threads may be started and whose processes may not. As above; 0, also
// where the kernel has no seccomp, or -1.
int restrict_calls(enum Role role);

#endif
