/* Sharded safetensors: what is written in shards reads as one checkpoint, false indexes are
 * refused, and a failed write leaves the old files. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/json/json.h"
#include "runtime/base/file.h"
#include "tests/formats/sample.h"

static const char index_name[] = "model.safetensors.index.json";

/* Five tensors of 400, 400, 4000, 0 and 100 bytes. */
static void five_tensors(sample *s)
{
    sample_init(s);
    sample_add(s, "a", swg_scheme_plain(SWG_F32), 2, 10, 10);
    sample_add(s, "b", swg_scheme_plain(SWG_BF16), 2, 20, 10);
    sample_add(s, "c.large", swg_scheme_plain(SWG_F32), 2, 100, 10);
    sample_add(s, "d.empty", swg_scheme_plain(SWG_F16), 2, 0, 4);
    sample_add(s, "e", swg_scheme_plain(SWG_I8), 2, 10, 10);
}

static const char *in(const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return swg_test_path(path);
}

static uint64_t size_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (uint64_t)info.st_size : UINT64_MAX;
}

static void expect_equal(const sample *s, const char *path)
{
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_assert_str_eq(swg_source_format(source), "safetensors");
    ck_ok(sample_compare(s, source));
    ck_assert_str_eq(swg_source_config(source, NULL), s->meta.config);
    ck_assert_uint_eq(swg_source_n_metadata(source), 2);
    swg_source_close(&source);
}

START_TEST(shards_read_as_one_checkpoint)
{
    sample s;
    five_tensors(&s);
    const char *folder = swg_test_path("sharded");
    const swg_sink_options options = {.size = sizeof options, .max_shard_bytes = 800};
    uint64_t planned = 0;
    bool is_exact = false;
    ck_ok(swg_sink_plan_bytes(folder, &options, &s.meta, s.tensors, s.n_tensors, &planned,
                              &is_exact));
    ck_assert(is_exact);
    ck_ok(sample_write(&s, folder, &options));
    expect_equal(&s, folder);
    expect_equal(&s, in("sharded", index_name));
    /* a and b fill one shard exactly, c is beyond the limit and alone but for the empty d. */
    static const char *const names[] = {"model-00001-of-00003.safetensors",
                                        "model-00002-of-00003.safetensors",
                                        "model-00003-of-00003.safetensors"};
    static const size_t counts[] = {2, 2, 1};
    uint64_t total = 0;
    for (size_t i = 0; i < 3; i++) {
        swg_source *source = NULL;
        ck_ok(swg_source_open(in("sharded", names[i]), NULL, &source));
        ck_assert_uint_eq(swg_source_n_tensors(source), counts[i]);
        ck_assert_uint_eq(swg_source_n_metadata(source), 2);
        swg_source_close(&source);
        total += size_of(in("sharded", names[i]));
    }
    ck_assert(!swg_path_exists(in("sharded", "model.safetensors")));
    total += size_of(in("sharded", index_name)) + size_of(in("sharded", "config.json"));
    for (size_t i = 0; i < s.meta.n_files; i++)
        total += s.files[i].length;
    ck_assert_uint_eq(total, planned);
    sample_deinit(&s);
}
END_TEST

START_TEST(the_index_is_exact)
{
    sample s;
    five_tensors(&s);
    ck_ok(sample_write(
        &s, swg_test_path("index"),
        &(swg_sink_options){.size = sizeof(swg_sink_options), .max_shard_bytes = 800}));
    size_t length = 0;
    uint8_t *text = swg_test_read_file(in("index", index_name), &length);
    swg_json_doc *doc = NULL;
    ck_ok(swg_json_parse((const char *)text, length, "index", &doc));
    const swg_json *root = swg_json_root(doc), *map = swg_json_get(root, "weight_map");
    int64_t total = 0;
    ck_assert(swg_json_as_int(swg_json_get(swg_json_get(root, "metadata"), "total_size"), &total));
    ck_assert_int_eq(total, 400 + 400 + 4000 + 100);
    ck_assert_uint_eq(swg_json_count(map), 5);
    const char *file = NULL;
    ck_assert(swg_json_as_string(swg_json_get(map, "d.empty"), &file));
    ck_assert_str_eq(file, "model-00002-of-00003.safetensors");
    swg_json_free(&doc);
    swg_free(text);
    sample_deinit(&s);
}
END_TEST

START_TEST(one_shard_is_a_plain_file)
{
    sample s;
    five_tensors(&s);
    ck_ok(sample_write(&s, swg_test_path("plain"), NULL));
    ck_ok(sample_write(
        &s, swg_test_path("single"),
        &(swg_sink_options){.size = sizeof(swg_sink_options), .max_shard_bytes = 4900}));
    size_t lengths[2] = {0};
    uint8_t *plain = swg_test_read_file(in("plain", "model.safetensors"), &lengths[0]);
    uint8_t *single = swg_test_read_file(in("single", "model.safetensors"), &lengths[1]);
    ck_assert_uint_eq(lengths[0], lengths[1]);
    ck_assert_mem_eq(plain, single, lengths[0]);
    ck_assert(!swg_path_exists(in("single", index_name)));
    swg_free(plain);
    swg_free(single);
    ck_ok(sample_write(
        &s, swg_test_path("two"),
        &(swg_sink_options){.size = sizeof(swg_sink_options), .max_shard_bytes = 4899}));
    ck_assert(swg_path_exists(in("two", "model-00002-of-00002.safetensors")));
    sample_deinit(&s);
}
END_TEST

START_TEST(same_bytes_for_any_thread_count)
{
    sample s;
    sample_init(&s);
    for (size_t i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "t%zu", i);
        sample_add(&s, name, swg_scheme_plain(SWG_F32), 2, 2000, 1000);
    }
    static const char file[] = "model-00002-of-00003.safetensors";
    uint8_t *bytes[2];
    size_t lengths[2] = {0};
    for (size_t i = 0; i < 2; i++) {
        const char *folder = i ? "threads3" : "threads1";
        swg_pool *pool = NULL;
        ck_ok(swg_pool_new(i ? 3 : 1, &pool));
        ck_ok(sample_write(&s, swg_test_path(folder),
                           &(swg_sink_options){.size = sizeof(swg_sink_options),
                                               .pool = pool,
                                               .max_shard_bytes = 1}));
        swg_pool_free(&pool);
        expect_equal(&s, swg_test_path(folder));
        bytes[i] = swg_test_read_file(in(folder, file), &lengths[i]);
    }
    ck_assert_uint_eq(lengths[0], lengths[1]);
    ck_assert_mem_eq(bytes[0], bytes[1], lengths[0]);
    swg_free(bytes[0]);
    swg_free(bytes[1]);
    sample_deinit(&s);
}
END_TEST

START_TEST(what_cannot_be_sharded_is_refused)
{
    sample s;
    five_tensors(&s);
    const swg_sink_options options = {.size = sizeof options, .max_shard_bytes = 800};
    ck_status_is(SWG_USAGE, sample_write(&s, swg_test_path("x.safetensors"), &options));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "name a folder for shards"));
    ck_status_is(SWG_USAGE, sample_write(&s, swg_test_path("x.swg"), &options));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "name a folder for shards"));
    swg_tensor_desc many[3000];
    char names[3000][8];
    for (size_t i = 0; i < 3000; i++) {
        snprintf(names[i], sizeof names[i], "%zu", i);
        many[i] = (swg_tensor_desc){
            .name = names[i], .scheme = swg_scheme_plain(SWG_I8), .rank = 1, .shape = {2}};
    }
    swg_sink *sink = NULL;
    ck_status_is(SWG_LIMIT, swg_sink_open(swg_test_path("many"),
                                          &(swg_sink_options){.size = sizeof(swg_sink_options),
                                                              .max_shard_bytes = 1},
                                          &s.meta, many, 3000, &sink));
    ck_assert(!swg_path_exists(swg_test_path("many")));
    sample_deinit(&s);
}
END_TEST

/* Weights of the other kind would be read in place of the new ones. */
START_TEST(old_weights_do_not_stay_beside_new_ones)
{
    sample s, other;
    five_tensors(&s);
    sample_init(&other);
    sample_add(&other, "z", swg_scheme_plain(SWG_F32), 2, 3, 3);
    const char *folder = swg_test_path("both");
    const swg_sink_options sharded = {.size = sizeof sharded, .max_shard_bytes = 800};
    ck_ok(sample_write(&other, folder, NULL));
    remove(in("both", "config.json"));
    ck_status_is(SWG_USAGE, sample_write(&s, folder, &sharded));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "is not empty (it holds merges.txt)"));
    ck_ok(sample_write(&s, folder,
                       &(swg_sink_options){.size = sizeof(swg_sink_options),
                                           .max_shard_bytes = 800,
                                           .force = true}));
    expect_equal(&s, folder);
    ck_status_is(SWG_USAGE, sample_write(&other, folder, NULL));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "is not empty"));
    ck_ok(sample_write(&other, folder,
                       &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true}));
    expect_equal(&other, folder);
    ck_assert(!swg_path_exists(in("both", index_name)));
    ck_assert(!swg_path_exists(in("both", "model-00001-of-00003.safetensors")));
    sample_deinit(&other);
    sample_deinit(&s);
}
END_TEST

/* --- Failures from outside -------------------------------------------------------------------- */

static swg_status write_and_read(void *context)
{
    const char *folder = swg_test_path("failing");
    SWG_TRY(sample_write(context, folder,
                         &(swg_sink_options){.size = sizeof(swg_sink_options),
                                             .max_shard_bytes = 800,
                                             .force = true}));
    return sample_use(folder, true);
}

START_TEST(each_allocation_may_fail)
{
    sample s;
    five_tensors(&s);
    swg_test_each_allocation_fails(write_and_read, &s);
    sample_deinit(&s);
}
END_TEST

typedef struct replacing {
    sample before, after;
} replacing;

/* Put back the weights and the configuration of a folder as they are in another, without the calls
 * that are made to fail. */
static void restore(const char *from, const char *to)
{
    static const char *const names[] = {"model.safetensors",
                                        "model-00001-of-00003.safetensors",
                                        "model-00002-of-00003.safetensors",
                                        "model-00003-of-00003.safetensors",
                                        "config.json",
                                        index_name};
    (void)mkdir(swg_test_path(to), 0777);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)remove(in(to, names[i]));
        if (!swg_path_exists(in(from, names[i])))
            continue;
        size_t length = 0;
        uint8_t *bytes = swg_test_read_file(in(from, names[i]), &length);
        sample_put_file(in(to, names[i]), bytes, length);
        swg_free(bytes);
    }
}

static swg_status replace(void *context)
{
    const replacing *r = context;
    restore("old-master", "old");
    return sample_write(&r->after, swg_test_path("old"),
                        &(swg_sink_options){.size = sizeof(swg_sink_options),
                                            .max_shard_bytes = 800,
                                            .force = true});
}

/* The old file is what readers take until everything new is in place. */
static void old_weights_are_there(void *context)
{
    const replacing *r = context;
    expect_equal(&r->before, swg_test_path("old"));
}

START_TEST(each_write_may_fail_over_old_weights)
{
    replacing r;
    five_tensors(&r.after);
    sample_init(&r.before);
    sample_add(&r.before, "z", swg_scheme_plain(SWG_F32), 2, 3, 3);
    ck_ok(sample_write(&r.before, swg_test_path("old-master"), NULL));
    swg_test_each_write_fails(replace, old_weights_are_there, &r);
    expect_equal(&r.after, swg_test_path("old"));
    sample_deinit(&r.before);
    sample_deinit(&r.after);
}
END_TEST

static swg_status write_new(void *context)
{
    return sample_write(
        context, swg_test_path("new"),
        &(swg_sink_options){.size = sizeof(swg_sink_options), .max_shard_bytes = 800});
}

static void nothing_is_there(void *context)
{
    (void)context;
    ck_assert(!swg_path_exists(swg_test_path("new")));
}

START_TEST(each_write_may_fail_and_leaves_no_folder)
{
    sample s;
    five_tensors(&s);
    swg_test_each_write_fails(write_new, nothing_is_there, &s);
    expect_equal(&s, swg_test_path("new"));
    sample_deinit(&s);
}
END_TEST

/* The same over old shards of the same names: never old and new ones under one index. */
static swg_status replace_shards(void *context)
{
    const replacing *r = context;
    restore("mixed-master", "mixed");
    return sample_write(&r->after, swg_test_path("mixed"),
                        &(swg_sink_options){.size = sizeof(swg_sink_options),
                                            .max_shard_bytes = 800,
                                            .force = true});
}

static void shards_are_not_mixed(void *context)
{
    const replacing *r = context;
    swg_source *source = NULL;
    if (swg_path_exists(in("mixed", index_name))) {
        ck_ok(swg_source_open(swg_test_path("mixed"), NULL, &source));
        ck_ok(sample_compare(&r->before, source));
    } else {
        ck_status_is(SWG_UNSUPPORTED, swg_source_open(swg_test_path("mixed"), NULL, &source));
    }
    swg_source_close(&source);
}

START_TEST(shards_of_two_writings_are_never_mixed)
{
    replacing r;
    five_tensors(&r.before);
    five_tensors(&r.after);
    for (size_t i = 0; i < 400; i++)
        r.after.planes[0][0][i] ^= 1;
    ck_ok(sample_write(
        &r.before, swg_test_path("mixed-master"),
        &(swg_sink_options){.size = sizeof(swg_sink_options), .max_shard_bytes = 800}));
    swg_test_each_write_fails(replace_shards, shards_are_not_mixed, &r);
    expect_equal(&r.after, swg_test_path("mixed"));
    sample_deinit(&r.before);
    sample_deinit(&r.after);
}
END_TEST

/* --- Indexes that lie ------------------------------------------------------------------------- */

START_TEST(indexes_that_lie)
{
    static const struct {
        const char *from, *to; /* replaced in the index, all places */
        const char *sentence;
    } lies[] = {
        {"model-00003-of", "../sharded/model-00003-of", "not the name of a file beside the index"},
        {"model-00003-of", "/etc/model-00003-of", "not the name of a file beside the index"},
        {"\"model-00003-of-00003.safetensors\"", "\"..\"", "not the name of a file beside"},
        {"\"model-00003-of-00003.safetensors\"", "\"\"", "not the name of a file beside"},
        {"\"model-00003-of-00003.safetensors\"", "3", "is not a string"},
        {"model-00003-of", "model-00004-of", "cannot open"},
        {"\"e\": \"model-00003-of", "\"e\": \"model-00001-of", "shard"},
        {"\"e\": ", "\"f\": ", "which the index does not place there"},
        {"\"e\": ", "\"a\": ", "duplicate"},
        {"weight_map", "weights", "has no weight_map"},
    };
    sample s;
    five_tensors(&s);
    const char *folder = swg_test_path("lies");
    ck_ok(sample_write(
        &s, folder, &(swg_sink_options){.size = sizeof(swg_sink_options), .max_shard_bytes = 800}));
    size_t length = 0;
    uint8_t *text = swg_test_read_file(in("lies", index_name), &length);
    text[length - 1] = '\0'; /* the line's end */
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        char changed[4096] = "";
        const char *at = (const char *)text;
        for (const char *hit; (hit = strstr(at, lies[i].from)) != NULL;
             at = hit + strlen(lies[i].from)) {
            strncat(changed, at, (size_t)(hit - at));
            strcat(changed, lies[i].to);
        }
        ck_assert_ptr_ne(at, text);
        strcat(changed, at);
        sample_put_file(in("lies", index_name), changed, strlen(changed));
        ck_assert_int_ne(sample_use(folder, true), SWG_OK);
        ck_assert_msg(strstr(swg_error_message(), lies[i].sentence) != NULL, "lie %zu: %s", i,
                      swg_error_message());
    }
    swg_free(text);
    sample_deinit(&s);
}
END_TEST

/* Hugging Face's cache holds links to the files; a folder or a device is not a shard. */
START_TEST(shards_may_be_links_to_files_only)
{
    sample s;
    five_tensors(&s);
    const char *folder = swg_test_path("links");
    ck_ok(sample_write(
        &s, folder, &(swg_sink_options){.size = sizeof(swg_sink_options), .max_shard_bytes = 800}));
    const char *shard = in("links", "model-00001-of-00003.safetensors");
    const char *blob = swg_test_path("blob");
    ck_assert_int_eq(rename(shard, blob), 0);
    ck_assert_int_eq(symlink(blob, shard), 0);
    expect_equal(&s, folder);
    ck_assert_int_eq(remove(shard), 0);
    ck_assert_int_eq(symlink("/dev/zero", shard), 0);
    ck_status_is(SWG_UNSUPPORTED, sample_use(folder, true));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "is not a regular file"));
    sample_deinit(&s);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("shards");
    TCase *cases = tcase_create("shards");
    tcase_add_test(cases, shards_read_as_one_checkpoint);
    tcase_add_test(cases, the_index_is_exact);
    tcase_add_test(cases, one_shard_is_a_plain_file);
    tcase_add_test(cases, same_bytes_for_any_thread_count);
    tcase_add_test(cases, what_cannot_be_sharded_is_refused);
    tcase_add_test(cases, old_weights_do_not_stay_beside_new_ones);
    tcase_add_test(cases, each_allocation_may_fail);
    tcase_add_test(cases, each_write_may_fail_over_old_weights);
    tcase_add_test(cases, each_write_may_fail_and_leaves_no_folder);
    tcase_add_test(cases, shards_of_two_writings_are_never_mixed);
    tcase_add_test(cases, indexes_that_lie);
    tcase_add_test(cases, shards_may_be_links_to_files_only);
    suite_add_tcase(suite, cases);
    return suite;
}
