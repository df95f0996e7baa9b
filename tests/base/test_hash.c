/* Hashes against published vectors. */
#include "tests/harness.h"

#include <string.h>

#include "runtime/base/hash.h"
#include "runtime/base/mem.h"

enum { BUFFER_BYTES = 2367 };

/* The buffer of xxHash's own sanity check: the upper bytes of a sequence of products. */
static void fill(uint8_t buffer[BUFFER_BYTES])
{
    uint64_t generator = UINT64_C(2654435761);
    for (size_t i = 0; i < BUFFER_BYTES; i++) {
        buffer[i] = (uint8_t)(generator >> 56);
        generator *= UINT64_C(11400714785074694797);
    }
}

/* xxHash's sanity check, XXH3_64bits, seed 0: one length on each of its code paths. */
START_TEST(xxh3_64_is_the_published_one)
{
    static const struct {
        size_t bytes;
        uint64_t hash;
    } rows[] = {
        {0, UINT64_C(0x2d06800538d394c2)},    {1, UINT64_C(0xc44bdff4074eecdb)},
        {6, UINT64_C(0x27b56a84cd2d7325)},    {12, UINT64_C(0xa713daf0dfbb77e7)},
        {24, UINT64_C(0xa3fe70bf9d3510eb)},   {48, UINT64_C(0x397da259ecba1f11)},
        {80, UINT64_C(0xbcdefbbb2c47c90a)},   {195, UINT64_C(0xcd94217ee362ec3a)},
        {403, UINT64_C(0xcdeb804d65c6dea4)},  {512, UINT64_C(0x617e49599013cb6b)},
        {2048, UINT64_C(0xdd59e2c3a5f038e0)}, {2240, UINT64_C(0x6e73a90539cf2948)},
        {2367, UINT64_C(0xcb37aeb9e5d361ed)},
    };
    uint8_t buffer[BUFFER_BYTES];
    fill(buffer);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_uint_eq(swg_hash64(buffer, rows[i].bytes), rows[i].hash);
    ck_assert_uint_eq(swg_hash64(NULL, 0), rows[0].hash);
}
END_TEST

START_TEST(xxh3_128_is_the_published_one)
{
    char text[SWG_HASH128_TEXT];
    swg_hash128_text("", 0, text);
    ck_assert_str_eq(text, "99aa06d3014798d86001c324468d497f");
    uint8_t buffer[BUFFER_BYTES];
    fill(buffer);
    swg_hash128_text(buffer, 1, text);
    ck_assert_str_eq(text, "a6cd5e9392000f6ac44bdff4074eecdb");
}
END_TEST

static void sha256_is(const void *data, size_t bytes, const char *wanted)
{
    char text[SWG_SHA256_TEXT];
    swg_sha256_text(data, bytes, text);
    ck_assert_str_eq(text, wanted);
}

START_TEST(sha256_is_the_published_one)
{
    /* FIPS 180-4's examples and NIST's long one. */
    sha256_is(NULL, 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_is("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_is("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    sha256_is("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
              "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
              112, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    char *million = swg_malloc(1000000, 1);
    ck_assert_ptr_nonnull(million);
    memset(million, 'a', 1000000);
    sha256_is(million, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    /* Around the ends of a block and of its room for the length. */
    static const struct {
        size_t bytes;
        const char *hash;
    } rows[] = {
        {1, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"},
        {55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
        {56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
        {63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"},
        {64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
        {65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"},
        {119, "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb"},
        {120, "2f3d335432c70b580af0e8e1b3674a7c020d683aa5f73aaaedfdc55af904c21c"},
        {128, "6836cf13bac400e9105071cd6af47084dfacad4e5e302c94bfed24e013afb73e"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        sha256_is(million, rows[i].bytes, rows[i].hash);
    swg_free(million);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("hash");
    TCase *cases = tcase_create("hash");
    tcase_add_test(cases, xxh3_64_is_the_published_one);
    tcase_add_test(cases, xxh3_128_is_the_published_one);
    tcase_add_test(cases, sha256_is_the_published_one);
    suite_add_tcase(suite, cases);
    return suite;
}
