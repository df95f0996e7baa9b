/* Packed codes of every width: against the definition, bit by bit, for counts around eight. */
#include "runtime/base/codes.h"

#include <string.h>

#include "runtime/base/rng.h"
#include "tests/harness.h"

enum { MOST = 67, CANARY = 0xa5 };

START_TEST(rows_follow_the_definition)
{
    const unsigned bits = (unsigned)_i;
    swg_rng rng = swg_rng_seeded(swg_test_seed() + bits);
    for (size_t count = 0; count <= MOST; count++) {
        uint8_t codes[MOST + 1], row[MOST + 1], back[MOST + 1];
        const size_t bytes = swg_codes_bytes(bits, count);
        ck_assert_uint_eq(bytes, (count * bits + 7) / 8);
        for (size_t i = 0; i < count; i++)
            codes[i] = (uint8_t)(swg_rng_next(&rng) & ((1u << bits) - 1));
        memset(row, CANARY, sizeof row);
        memset(back, CANARY, sizeof back);
        swg_codes_pack_row(bits, codes, count, row);
        ck_assert_uint_eq(row[bytes], CANARY);
        for (size_t bit = 0; bit < 8 * bytes; bit++) {
            const unsigned wanted = bit < count * bits ? codes[bit / bits] >> bit % bits & 1 : 0;
            ck_assert_uint_eq(row[bit / 8] >> bit % 8 & 1, wanted);
        }
        swg_codes_unpack_row(bits, row, count, back);
        ck_assert_mem_eq(back, codes, count);
        ck_assert_uint_eq(back[count], CANARY);
        for (size_t i = 0; i < count; i++)
            ck_assert_uint_eq(swg_codes_at(bits, row, i), codes[i]);
    }
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("codes");
    TCase *cases = tcase_create("codes");
    tcase_add_loop_test(cases, rows_follow_the_definition, 1, SWG_CODE_MAX_BITS + 1);
    suite_add_tcase(suite, cases);
    return suite;
}
