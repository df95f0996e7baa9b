/* Fletcher's checksum, as the filter of HDF5 that is called fletcher32 computes it. */
#include "formats/hdf5/format/fletcher32.h"

uint32_t swg_fletcher32(const uint8_t *bytes, size_t length)
{
    enum { WORDS_A_ROUND = 360 }; /* sums stay below 2^32 */
    uint32_t sum1 = 0, sum2 = 0;
    for (size_t words = length / 2; words > 0;) {
        const size_t round = words < WORDS_A_ROUND ? words : WORDS_A_ROUND;
        words -= round;
        for (size_t i = 0; i < round; i++, bytes += 2) {
            sum1 += (uint32_t)bytes[0] << 8 | bytes[1];
            sum2 += sum1;
        }
        sum1 = (sum1 & 0xffff) + (sum1 >> 16);
        sum2 = (sum2 & 0xffff) + (sum2 >> 16);
    }
    if (length % 2) {
        sum1 += (uint32_t)bytes[0] << 8;
        sum2 += sum1;
        sum1 = (sum1 & 0xffff) + (sum1 >> 16);
        sum2 = (sum2 & 0xffff) + (sum2 >> 16);
    }
    sum1 = (sum1 & 0xffff) + (sum1 >> 16);
    sum2 = (sum2 & 0xffff) + (sum2 >> 16);
    return sum2 << 16 | sum1;
}
