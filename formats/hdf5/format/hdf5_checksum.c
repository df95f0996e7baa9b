/* The checksum of HDF5's own structures: Bob Jenkins's lookup3 (the variant for bytes, seed 0), as
 * the HDF5 file format specification 3.0 prescribes. A file of its own: the fuzz target links
 * another in its place, so that changed bytes get through. */
#include "formats/hdf5/format/hdf5_walk.h"

static uint32_t rotate(uint32_t x, unsigned bits)
{
    return x << bits | x >> (32 - bits);
}

/* One round over (a, b, c): x -= y; x ^= rotate(y, bits); y += z, in turn. */
static void mix(uint32_t s[3])
{
    static const unsigned bits[6] = {4, 6, 8, 16, 19, 4};
    for (unsigned i = 0; i < 6; i++) {
        uint32_t *const x = &s[i % 3], *const y = &s[(i + 2) % 3], *const z = &s[(i + 1) % 3];
        *x -= *y;
        *x ^= rotate(*y, bits[i]);
        *y += *z;
    }
}

static void finish(uint32_t s[3])
{
    static const unsigned bits[7] = {14, 11, 25, 16, 4, 14, 24};
    for (unsigned i = 0; i < 7; i++) {
        uint32_t *const x = &s[(i + 2) % 3], *const y = &s[(i + 1) % 3];
        *x ^= *y;
        *x -= rotate(*y, bits[i]);
    }
}

uint32_t swg_h5_checksum(const uint8_t *bytes, size_t length)
{
    enum { BLOCK = 12 };
    const uint32_t start = 0xdeadbeef + (uint32_t)length;
    uint32_t s[3] = {start, start, start};
    for (; length > BLOCK; bytes += BLOCK, length -= BLOCK) {
        for (unsigned i = 0; i < 3; i++)
            s[i] += (uint32_t)swg_get_le(bytes + 4 * i, 4);
        mix(s);
    }
    if (length == 0)
        return s[2];
    for (unsigned i = 0; i < length; i++)
        s[i / 4] += (uint32_t)bytes[i] << (8 * (i % 4));
    finish(s);
    return s[2];
}

bool swg_h5_is_sealed(const uint8_t *bytes, size_t length)
{
    return length >= 4 && swg_get_le(bytes + length - 4, 4) == swg_h5_checksum(bytes, length - 4);
}
