/* Range coding of symbols: what is coded comes back, in close to its entropy, and no damage passes
 * as something longer or shorter than it is. */
#include "tests/harness.h"

#include <math.h>
#include <string.h>

#include "formats/bytes/rans.h"
#include "formats/swg/frame.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"

enum { MOST = 40000, HEAD = 2 + 2 * 256 + 16, ROOM = 2 * MOST + HEAD };

typedef struct buffers {
    uint8_t symbols[MOST], coded[ROOM], again[MOST];
} buffers;

static void round_trip(buffers *b, size_t count)
{
    const size_t length = swg_rans_encode(b->symbols, count, b->coded, ROOM);
    ck_assert_uint_gt(length, 0);
    memset(b->again, 0xee, count);
    ck_ok(swg_rans_decode(b->coded, length, b->again, count));
    ck_assert_mem_eq(b->again, b->symbols, count);
    /* Frequencies of 12 bits lose little beside the head, which has a byte or two per symbol. */
    ck_assert_double_le((double)length, 1.002 * swg_order0_bytes(b->symbols, count) + HEAD);
    /* Into exactly that much room, and not into less. */
    ck_assert_uint_eq(swg_rans_encode(b->symbols, count, b->coded, length), length);
    ck_assert_uint_eq(swg_rans_encode(b->symbols, count, b->coded, length - 1), 0);
}

START_TEST(symbols_come_back)
{
    static const size_t counts[] = {1, 2, 3, 4, 5, 7, 8, 15, 64, 1021, MOST};
    buffers *b;
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    ck_ok(SWG_NEW(b, 1));
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
        for (unsigned alphabet = 1; alphabet <= 256; alphabet *= 2)
            for (double power = 1; power < 20; power *= 4) {
                for (size_t i = 0; i < counts[c]; i++)
                    b->symbols[i] =
                        (uint8_t)(alphabet * pow((double)swg_rng_uniform(&rng) * 0.999, power));
                round_trip(b, counts[c]);
            }
    memset(b->symbols, 255, MOST); /* one symbol alone */
    b->symbols[MOST / 2] = 0;      /* and the rarest beside it */
    round_trip(b, MOST);
    swg_free(b);
}
END_TEST

START_TEST(the_entropy_is_that_of_the_definition)
{
    uint8_t symbols[1024];
    memset(symbols, 7, sizeof symbols);
    ck_assert_double_eq(swg_order0_bytes(symbols, 0), 0);
    ck_assert_double_eq(swg_order0_bytes(symbols, sizeof symbols), 0);
    memset(symbols, 9, sizeof symbols / 2); /* one bit each */
    ck_assert_double_eq_tol(swg_order0_bytes(symbols, sizeof symbols), 1024 / 8, 1e-9);
    for (size_t i = 0; i < sizeof symbols; i++)
        symbols[i] = (uint8_t)i;
    ck_assert_double_eq_tol(swg_order0_bytes(symbols, sizeof symbols), 1024, 1e-9);
}
END_TEST

START_TEST(damage_is_found_or_harmless)
{
    enum { N = 400 };
    uint8_t symbols[N], coded[2 * N + HEAD], again[N];
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    for (size_t i = 0; i < N; i++)
        symbols[i] = swg_rng_uniform(&rng) < 0.7f ? 8 : (uint8_t)(swg_rng_next(&rng) % 16);
    const size_t length = swg_rans_encode(symbols, N, coded, sizeof coded);
    ck_assert_uint_gt(length, 0);
    for (size_t cut = 0; cut < length; cut++)
        ck_status_is(SWG_CORRUPT, swg_rans_decode(coded, cut, again, N));
    ck_status_is(SWG_CORRUPT, swg_rans_decode(coded, length, again, N - 1));
    size_t n_accepted = 0;
    for (size_t at = 0; at < length; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            coded[at] ^= (uint8_t)(1u << bit);
            const swg_status status = swg_rans_decode(coded, length, again, N);
            ck_assert(status == SWG_OK || status == SWG_CORRUPT);
            n_accepted += status == SWG_OK;
            coded[at] ^= (uint8_t)(1u << bit);
        }
    ck_assert_uint_le(n_accepted, length); /* of 8 length: the states' ends give damage away */
}
END_TEST

/* Codes of which one has 70 %: Huffman's whole bits cost 7 % more than this codec. */
START_TEST(frames_of_pruned_codes_are_within_a_percent_of_their_entropy)
{
    enum { N = 1 << 16 };
    static const swg_frame_shape shape = {.bytes = N / 2, .elem_bytes = 1, .symbol_bits = 4};
    uint8_t *symbols, *raw, *stored, *again;
    swg_frame_encoder *encoder = NULL;
    swg_frame_decoder *decoder = NULL;
    uint32_t length = 0;
    swg_codec codec = SWG_CODEC_STORED;
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    ck_ok(SWG_NEW(symbols, N));
    ck_ok(SWG_NEW(raw, N / 2));
    ck_ok(SWG_NEW(stored, N / 2));
    ck_ok(SWG_NEW(again, N / 2));
    for (size_t i = 0; i < N; i++) {
        symbols[i] = swg_rng_uniform(&rng) < 0.7f ? 8 : (uint8_t)(swg_rng_next(&rng) % 16);
        raw[i / 2] |= (uint8_t)(symbols[i] << 4 * (i % 2));
    }
    ck_ok(swg_frame_encoder_new(&encoder));
    ck_ok(swg_frame_decoder_new(&decoder));
    ck_ok(swg_frame_encode(encoder, 1, shape, raw, stored, &length, &codec));
    ck_assert_int_eq(codec, SWG_CODEC_RANS);
    ck_assert_double_le((double)length, 1.01 * swg_order0_bytes(symbols, N));
    ck_ok(swg_frame_check(shape, codec, length));
    ck_ok(swg_frame_decode(decoder, shape, codec, stored, length, again));
    ck_assert_mem_eq(raw, again, N / 2);
    /* Not for files and numbers of several bytes, whose readers do not expect it. */
    swg_frame_shape other = shape;
    other.symbol_bits = 0;
    ck_status_is(SWG_CORRUPT, swg_frame_check(other, SWG_CODEC_RANS, length));
    ck_ok(swg_frame_encode(encoder, 1, other, raw, stored, &length, &codec));
    ck_assert_int_ne(codec, SWG_CODEC_RANS);
    other = (swg_frame_shape){.bytes = N / 2, .elem_bytes = 2, .symbol_bits = 8};
    ck_status_is(SWG_CORRUPT, swg_frame_check(other, SWG_CODEC_RANS, length));
    swg_frame_encoder_free(&encoder);
    swg_frame_decoder_free(&decoder);
    swg_free(symbols);
    swg_free(raw);
    swg_free(stored);
    swg_free(again);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("rans");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, symbols_come_back);
    tcase_add_test(cases, the_entropy_is_that_of_the_definition);
    tcase_add_test(cases, damage_is_found_or_harmless);
    tcase_add_test(cases, frames_of_pruned_codes_are_within_a_percent_of_their_entropy);
    suite_add_tcase(suite, cases);
    return suite;
}
