// Shared memory of the host, mapped where no access beyond it can do harm.
#ifndef METAL_MEMORY_H
#define METAL_MEMORY_H

#include "runtime.h"

// Bytes on either side of a mapping where every access faults; fixed when first asked for.
u64 memory_guard(void);

#endif
