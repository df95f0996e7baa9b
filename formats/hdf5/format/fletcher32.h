/* Fletcher's checksum of 32 bits. */
#ifndef SWG_FORMATS_HDF5_FORMAT_FLETCHER32_H
#define SWG_FORMATS_HDF5_FORMAT_FLETCHER32_H

#include <stddef.h>
#include <stdint.h>

/* Over big-endian words of 16 bits, a last odd byte as the high half. */
uint32_t swg_fletcher32(const uint8_t *bytes, size_t length);

#endif
