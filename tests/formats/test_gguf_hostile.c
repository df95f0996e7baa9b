/* Hostile GGUF files: headers that lie about counts, types, sizes and places, metadata of the
 * wrong type at each of its consumers, and a small file cut and flipped everywhere. */
#include "formats/bytes/bytes.h"
#include "runtime/base/strbuf.h"
#include "tests/formats/damage.h"
#include "tests/formats/tiny_llama.h"
#include "tests/work_count.h"

/* --- A file put together by hand -------------------------------------------------------------- */

typedef struct raw {
    swg_strbuf values, tensors;
    uint64_t n_values, n_tensors;
    uint32_t version;
    uint64_t data_bytes;
} raw;

static void number(swg_strbuf *out, unsigned bytes, uint64_t value)
{
    uint8_t buffer[8];
    swg_put_le(buffer, bytes, value);
    swg_strbuf_append(out, buffer, bytes);
}

static void text(swg_strbuf *out, const char *value)
{
    number(out, 8, strlen(value));
    swg_strbuf_puts(out, value);
}

static void key(raw *r, const char *name, uint32_t type)
{
    text(&r->values, name);
    number(&r->values, 4, type);
    r->n_values++;
}

static void put_text(raw *r, const char *name, const char *value)
{
    key(r, name, 8);
    text(&r->values, value);
}

static void put_u32(raw *r, const char *name, uint32_t value)
{
    key(r, name, 4);
    number(&r->values, 4, value);
}

static void put_array(raw *r, const char *name, uint32_t type, uint64_t count)
{
    key(r, name, 9);
    number(&r->values, 4, type);
    number(&r->values, 8, count);
}

static void put_tensor(raw *r, const char *name, uint32_t rank, uint64_t d0, uint64_t d1,
                       uint32_t type, uint64_t offset)
{
    text(&r->tensors, name);
    number(&r->tensors, 4, rank);
    for (uint32_t i = 0; i < rank; i++)
        number(&r->tensors, 8, i == 0 ? d0 : i == 1 ? d1 : 1);
    number(&r->tensors, 4, type);
    number(&r->tensors, 8, offset);
    r->n_tensors++;
}

/* A file of one matrix and what Llama needs. */
static raw start(void)
{
    raw r = {.version = 3, .data_bytes = 64};
    put_text(&r, "general.architecture", "llama");
    put_u32(&r, "llama.attention.head_count", 2);
    return r;
}

/* The file; the caller frees. Frees the parts. */
static swg_strbuf whole(raw *r)
{
    swg_strbuf out = {0};
    static const char zeros[4096];
    swg_strbuf_puts(&out, "GGUF");
    number(&out, 4, r->version);
    number(&out, 8, r->n_tensors);
    number(&out, 8, r->n_values);
    swg_strbuf_append(&out, swg_strbuf_text(&r->values), r->values.length);
    swg_strbuf_append(&out, swg_strbuf_text(&r->tensors), r->tensors.length);
    if (r->n_tensors)
        swg_strbuf_append(&out, zeros, swg_round_up(out.length, 32) - out.length);
    for (uint64_t left = r->n_tensors ? r->data_bytes : 0; left > 0;) {
        const uint64_t piece = left < sizeof zeros ? left : sizeof zeros;
        swg_strbuf_append(&out, zeros, piece);
        left -= piece;
    }
    ck_ok(swg_strbuf_status(&out));
    swg_strbuf_deinit(&r->values);
    swg_strbuf_deinit(&r->tensors);
    return out;
}

/* Open and use the file. Frees the parts. */
static swg_status use(raw *r)
{
    swg_strbuf file = whole(r);
    swg_error_clear();
    const swg_status status = sample_use_bytes("raw.gguf", file.text, file.length);
    swg_strbuf_deinit(&file);
    return status;
}

static void refused(raw *r, swg_status wanted, const char *what)
{
    ck_status_is(wanted, use(r));
    ck_assert_msg(strstr(swg_error_message(), what), "%s is not in: %s", what, swg_error_message());
}

START_TEST(a_sound_file_is_read)
{
    raw r = start();
    put_tensor(&r, "token_embd.weight", 2, 4, 4, 0, 0);
    ck_ok(use(&r));
    r = start();
    r.version = 2;
    ck_ok(use(&r));
}
END_TEST

START_TEST(lies_about_counts)
{
    raw r = start();
    r.n_values = UINT64_C(1) << 60;
    refused(&r, SWG_CORRUPT, "do not fit");
    r = start();
    put_tensor(&r, "t", 2, 4, 4, 0, 0);
    r.n_tensors = UINT64_MAX / 24;
    r.data_bytes = 0;
    refused(&r, SWG_CORRUPT, "do not fit");
    r = start();
    r.n_values = 3;
    refused(&r, SWG_CORRUPT, "ends inside");
    r = start();
    put_array(&r, "x", 8, UINT64_MAX);
    refused(&r, SWG_CORRUPT, "array");
    r = start();
    put_array(&r, "x", 10, UINT64_MAX / 4);
    refused(&r, SWG_CORRUPT, "array");
    r = start();
    put_array(&r, "x", 9, 1);
    refused(&r, SWG_UNSUPPORTED, "array of arrays");
    r = start();
    key(&r, "x", 13);
    number(&r.values, 8, 0);
    refused(&r, SWG_CORRUPT, "unknown type");
    r = start();
    key(&r, "x", 7);
    number(&r.values, 1, 2);
    refused(&r, SWG_CORRUPT, "truth value");
    r = start();
    put_u32(&r, "x", 1);
    put_u32(&r, "x", 2);
    refused(&r, SWG_CORRUPT, "twice");
    r = start();
    put_u32(&r, "bad\nkey", 1);
    refused(&r, SWG_CORRUPT, "printable");
    r = start();
    put_text(&r, "x", "\xff\xfe");
    refused(&r, SWG_CORRUPT, "UTF-8");
    r = start();
    key(&r, "x", 8);
    number(&r.values, 8, 1);
    number(&r.values, 1, 0);
    refused(&r, SWG_CORRUPT, "zero byte");
    r = start();
    r.version = 0x03000000;
    refused(&r, SWG_UNSUPPORTED, "big-endian");
    r = start();
    r.version = 1;
    refused(&r, SWG_UNSUPPORTED, "version 1");
}
END_TEST

START_TEST(lies_about_tensors)
{
    const struct {
        const char *name, *what;
        uint32_t rank;
        uint64_t d0, d1;
        uint32_t type;
        uint64_t offset;
        swg_status status;
    } all[] = {
        {"t", "larger than the file", 2, UINT64_C(1) << 62, 8, 0, 0, SWG_CORRUPT},
        {"t", "larger than the file", 2, 4, UINT64_C(1) << 40, 0, 0, SWG_CORRUPT},
        {"t", "larger than the file", 2, UINT64_C(1) << 32, UINT64_C(1) << 32, 0, 0, SWG_CORRUPT},
        {"t", "rank 5", 5, 1, 1, 0, 0, SWG_CORRUPT},
        {"t", "multiple", 2, 31, 2, 8, 0, SWG_CORRUPT},
        {"t", "multiple", 2, 128, 1, 12, 0, SWG_CORRUPT},
        {"t", "type 41", 2, 256, 1, 41, 0, SWG_UNSUPPORTED},
        {"t", "Q4_0_4_4", 2, 256, 1, 31, 0, SWG_UNSUPPORTED},
        {"t", "offset 31", 2, 4, 4, 0, 31, SWG_CORRUPT},
        {"t", "outside the file", 2, 4, 4, 0, UINT64_MAX - 31, SWG_CORRUPT},
        {"t", "begins at offset 32", 2, 4, 4, 0, 32, SWG_CORRUPT},
        {"t", "the file has 64", 2, 4, 1, 0, 0, SWG_CORRUPT},
        {"t", "need 80 bytes", 2, 4, 5, 0, 0, SWG_CORRUPT},
        {"bad\nname", "t", 2, 4, 4, 0, 0, SWG_CORRUPT},
        {"", "t", 2, 4, 4, 0, 0, SWG_CORRUPT},
        {"blk.0.attn_q.weight", "heads", 2, 4, 4, 0, 0, SWG_OK},
        {"blk.0.attn_q.weight", "heads", 2, 16, 1, 0, 0, SWG_CORRUPT},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        raw r = start();
        put_tensor(&r, all[i].name, all[i].rank, all[i].d0, all[i].d1, all[i].type, all[i].offset);
        if (all[i].status == SWG_OK)
            ck_ok(use(&r));
        else
            refused(&r, all[i].status, all[i].what);
    }
    raw r = start();
    put_tensor(&r, "a", 2, 4, 4, 0, 0);
    put_tensor(&r, "b", 2, 4, 4, 0, 32); /* overlaps */
    r.data_bytes = 96;
    refused(&r, SWG_CORRUPT, "ends at 64");
    r = start();
    put_tensor(&r, "token_embd.weight", 2, 4, 4, 0, 0);
    put_tensor(&r, "model.embed_tokens.weight", 2, 4, 4, 0, 64); /* the same for us */
    r.data_bytes = 128;
    refused(&r, SWG_CORRUPT, "duplicate");
    /* An empty tensor is a tensor too. */
    r = start();
    put_tensor(&r, "empty", 2, 0, 4, 0, 0);
    r.data_bytes = 0;
    ck_ok(use(&r));
    char long_name[600];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    r = start();
    put_tensor(&r, long_name, 2, 4, 4, 0, 0);
    refused(&r, SWG_CORRUPT, "longer than");
}
END_TEST

/* One of several files, with a matrix of its own; `no` and `count` are what it says. */
static void put_part(const char *path, const char *tensor, uint32_t no, uint32_t count)
{
    raw r = start();
    put_u32(&r, "split.no", no);
    put_u32(&r, "split.count", count);
    put_tensor(&r, tensor, 2, 4, 4, 0, 0);
    swg_strbuf file = whole(&r);
    sample_put_file(path, file.text, file.length);
    swg_strbuf_deinit(&file);
}

/* Any of the files leads to all of them; files that contradict each other are refused. */
START_TEST(split_files_are_read_together)
{
    char first[256], second[256];
    snprintf(first, sizeof first, "%s", swg_test_path("m-00001-of-00002.gguf"));
    snprintf(second, sizeof second, "%s", swg_test_path("m-00002-of-00002.gguf"));
    put_part(first, "a", 0, 2);
    put_part(second, "b", 1, 2);
    const char *const paths[] = {first, second};
    for (size_t i = 0; i < 2; i++) {
        swg_source *source = NULL;
        ck_ok(sample_use(paths[i], true));
        ck_ok(swg_source_open(paths[i], NULL, &source));
        ck_assert_uint_eq(swg_source_n_tensors(source), 2);
        ck_assert_uint_ne(swg_source_find(source, "a"), SIZE_MAX);
        ck_assert_uint_ne(swg_source_find(source, "b"), SIZE_MAX);
        ck_assert(swg_source_reads(source, first) && swg_source_reads(source, second));
        swg_source_close(&source);
    }
    put_part(second, "a", 1, 2);
    ck_status_is(SWG_CORRUPT, sample_use(first, false)); /* the same tensor twice */
    put_part(second, "b", 1, 3);
    ck_status_is(SWG_CORRUPT, sample_use(first, false));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "file 2 of 3"));
    put_part(second, "b", 0, 2);
    ck_status_is(SWG_CORRUPT, sample_use(first, false));
    ck_assert_int_eq(remove(second), 0);
    ck_status_is(SWG_IO, sample_use(first, false));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), second));
    put_part(swg_test_path("other.gguf"), "a", 0, 2);
    ck_status_is(SWG_UNSUPPORTED, sample_use(swg_test_path("other.gguf"), false));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "-00001-of-00002.gguf"));
    put_part(first, "a", 2, 2);
    ck_status_is(SWG_CORRUPT, sample_use(first, false));
    put_part(first, "a", 0, 5000000);
    ck_status_is(SWG_CORRUPT, sample_use(first, false));
}
END_TEST

static swg_status use_split(void *path)
{
    return sample_use(path, true);
}

START_TEST(failing_allocations_end_the_reading_of_split_files)
{
    char second[256];
    put_part(swg_test_path("f-00001-of-00002.gguf"), "a", 0, 2);
    snprintf(second, sizeof second, "%s", swg_test_path("f-00002-of-00002.gguf"));
    put_part(second, "b", 1, 2);
    swg_test_each_allocation_fails(use_split, second);
}
END_TEST

START_TEST(alignments)
{
    const uint32_t bad[] = {0, 1, 4, 24, 33, 128 << 10, UINT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        raw r = start();
        put_u32(&r, "general.alignment", bad[i]);
        refused(&r, SWG_CORRUPT, "power of two");
    }
    raw r = start();
    put_text(&r, "general.alignment", "32");
    refused(&r, SWG_CORRUPT, "power of two");
    r = start();
    key(&r, "general.alignment", 10);
    number(&r.values, 8, 32);
    refused(&r, SWG_CORRUPT, "power of two");
}
END_TEST

/* Values of the wrong type or size, each at the place that uses it. */
START_TEST(metadata_of_the_wrong_kind)
{
    raw r = {.version = 3};
    put_u32(&r, "general.architecture", 1);
    refused(&r, SWG_CORRUPT, "general.architecture");
    r = (raw){.version = 3};
    put_text(&r, "general.architecture", "llama");
    put_text(&r, "llama.attention.head_count", "2");
    refused(&r, SWG_CORRUPT, "head_count");
    r = (raw){.version = 3};
    put_text(&r, "general.architecture", "llama");
    put_array(&r, "llama.attention.head_count", 4, 1);
    number(&r.values, 4, 2);
    refused(&r, SWG_UNSUPPORTED, "one a layer");
    r = start();
    put_u32(&r, "llama.block_count", 0);
    refused(&r, SWG_CORRUPT, "block_count");
    r = start();
    put_u32(&r, "llama.rope.freq_base", 10000);
    refused(&r, SWG_CORRUPT, "freq_base");
    r = start();
    key(&r, "llama.rope.freq_base", 6);
    number(&r.values, 4, 0x7f800000);
    refused(&r, SWG_CORRUPT, "freq_base");
    r = start();
    put_text(&r, "llama.rope.scaling.type", "elastic");
    key(&r, "llama.rope.scaling.factor", 6);
    number(&r.values, 4, 0x40000000);
    refused(&r, SWG_UNSUPPORTED, "elastic");
    r = start();
    put_u32(&r, "llama.embedding_length", 8);
    put_u32(&r, "llama.rope.dimension_count", 2);
    refused(&r, SWG_UNSUPPORTED, "dimension_count");
    r = start();
    put_tensor(&r, "rope_freqs.weight", 1, 2, 0, 0, 0);
    r.data_bytes = 32;
    refused(&r, SWG_UNSUPPORTED, "rope_freqs");
    r = start();
    put_u32(&r, "llama.vocab_size", 5);
    put_tensor(&r, "token_embd.weight", 2, 4, 4, 0, 0);
    refused(&r, SWG_CORRUPT, "vocab_size is 5");
    r = start();
    put_u32(&r, "split.count", 3);
    refused(&r, SWG_UNSUPPORTED, "one of the 3 files");
    r = start();
    put_u32(&r, "swage.widened_f16", 5);
    refused(&r, SWG_CORRUPT, "widened");
}
END_TEST

static raw with_tokens(const char *model, uint64_t count)
{
    raw r = start();
    put_text(&r, "tokenizer.ggml.model", model);
    put_array(&r, "tokenizer.ggml.tokens", 8, count);
    for (uint64_t i = 0; i < count; i++) {
        char token[8];
        snprintf(token, sizeof token, "%c", (char)('a' + i));
        text(&r.values, token);
    }
    return r;
}

START_TEST(tokenizers_of_the_wrong_kind)
{
    raw r = start();
    put_text(&r, "tokenizer.ggml.model", "gpt2");
    refused(&r, SWG_CORRUPT, "tokens");
    r = with_tokens("rwkv", 2);
    refused(&r, SWG_UNSUPPORTED, "rwkv");
    r = with_tokens("gpt2", 2);
    refused(&r, SWG_CORRUPT, "merges");
    r = with_tokens("gpt2", 2);
    put_text(&r, "tokenizer.ggml.pre", "elvish");
    refused(&r, SWG_UNSUPPORTED, "elvish");
    r = with_tokens("llama", 2);
    refused(&r, SWG_CORRUPT, "scores");
    r = with_tokens("llama", 2);
    put_array(&r, "tokenizer.ggml.scores", 0, 8); /* bytes, as if they were floats */
    number(&r.values, 8, 0);
    refused(&r, SWG_CORRUPT, "scores");
    r = with_tokens("llama", 2);
    put_array(&r, "tokenizer.ggml.scores", 6, 1);
    number(&r.values, 4, 0);
    refused(&r, SWG_CORRUPT, "scores");
    r = with_tokens("llama", 2);
    put_array(&r, "tokenizer.ggml.scores", 6, 2);
    number(&r.values, 4, 0x7fc00000);
    number(&r.values, 4, 0);
    refused(&r, SWG_CORRUPT, "score of token 0");
    r = with_tokens("bert", 2);
    refused(&r, SWG_CORRUPT, "unknown_token_id");
    r = with_tokens("gpt2", 2);
    put_u32(&r, "tokenizer.ggml.bos_token_id", 2);
    refused(&r, SWG_CORRUPT, "bos_token_id");
    r = with_tokens("gpt2", 2);
    put_u32(&r, "tokenizer.huggingface.json", 2);
    refused(&r, SWG_CORRUPT, "huggingface");
    r = with_tokens("none", 2);
    ck_ok(use(&r));
}
END_TEST

/* Comparisons and allocations that opening a file of `count` tensors takes. */
static swg_test_work_count work_of_tensors(uint64_t count)
{
    raw r = start();
    char name[64];
    for (uint64_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "blk.%llu.ffn_down.weight", (unsigned long long)i);
        put_tensor(&r, name, 2, 4, 2, 0, 32 * i);
    }
    r.data_bytes = 32 * count;
    swg_strbuf file = whole(&r);
    swg_source *source = NULL;
    swg_test_count_work();
    ck_ok(swg_source_open_bytes("raw.gguf", file.text, file.length, NULL, &source));
    const swg_test_work_count work = swg_test_counted_work();
    ck_assert_uint_eq(swg_source_n_tensors(source), count);
    swg_source_close(&source);
    swg_strbuf_deinit(&file);
    return work;
}

START_TEST(work_for_many_tensors_is_not_quadratic)
{
    swg_test_compare_work(work_of_tensors(25000), work_of_tensors(100000), 4);
}
END_TEST

START_TEST(damaged_files_are_refused)
{
    tiny_llama t = {.dim = 4,
                    .hidden = 4,
                    .vocab = 6,
                    .heads = 2,
                    .kv_heads = 1,
                    .is_tied = true,
                    .scheme = swg_scheme_plain(SWG_F32)};
    sample s;
    tiny_llama_fill(&t, &s);
    tiny_llama_add_tokenizer(&s);
    const char *path = swg_test_path("whole.gguf");
    ck_ok(sample_write(&s, path, NULL));
    const damage_count count = damage_file_everywhere(path, 1);
    ck_assert_uint_eq(count.cuts_refused, count.cuts);
    ck_assert_uint_gt(count.flips_refused, 0);
    sample_deinit(&s);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("gguf_hostile");
    TCase *cases = tcase_create("gguf_hostile");
    tcase_add_test(cases, a_sound_file_is_read);
    tcase_add_test(cases, lies_about_counts);
    tcase_add_test(cases, lies_about_tensors);
    tcase_add_test(cases, split_files_are_read_together);
    tcase_add_test(cases, failing_allocations_end_the_reading_of_split_files);
    tcase_add_test(cases, alignments);
    tcase_add_test(cases, metadata_of_the_wrong_kind);
    tcase_add_test(cases, tokenizers_of_the_wrong_kind);
    tcase_add_test(cases, work_for_many_tensors_is_not_quadratic);
    tcase_add_test(cases, damaged_files_are_refused);
    suite_add_tcase(suite, cases);
    return suite;
}
