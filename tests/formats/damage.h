/* Damaging a file in every place: what all readers of foreign formats are put through. A reader may
 * refuse or read what is left; it may not crash, hang, or say nothing. */
#ifndef SWG_TESTS_FORMATS_DAMAGE_H
#define SWG_TESTS_FORMATS_DAMAGE_H

#include <stdlib.h>
#include <string.h>

#include "tests/formats/sample.h"

/* Cut the file at every length that is a multiple of `step`; then flip bits of every byte that is,
 * one at a time. Returns how many damages were refused. */
static inline size_t damage_everywhere(const char *from, const char *to, size_t step)
{
    size_t length = 0, n_refused = 0;
    uint8_t *bytes = swg_test_read_file(from, &length);
    for (size_t i = 0; i < length; i += step) {
        sample_put_file(to, bytes, i);
        swg_error_clear();
        const swg_status status = sample_use(to, true);
        ck_assert(status == SWG_OK || swg_error_message()[0] != '\0');
        n_refused += status != SWG_OK;
    }
    static const uint8_t masks[] = {0x01, 0x80, 0xff};
    for (size_t i = 0; i < length; i += step)
        for (size_t m = 0; m < sizeof masks; m++) {
            bytes[i] ^= masks[m];
            sample_put_file(to, bytes, length);
            swg_error_clear();
            const swg_status status = sample_use(to, true);
            ck_assert(status == SWG_OK || swg_error_message()[0] != '\0');
            n_refused += status != SWG_OK;
            bytes[i] ^= masks[m];
        }
    swg_free(bytes);
    return n_refused;
}

#endif
