/* Shapes as text, and the random models made of them. */
#include <string.h>

#include "eval/shape.h"
#include "runtime/model.h"
#include "tests/harness.h"

static const char *const bad_shapes[] = {
    "",
    "d_model=64",
    "d_model=64,n_layers=1,d_ff=64,n_heads=2,vocab=100,foo=3",
    "d_model=64,n_layers=1,d_ff=64,n_heads=2,vocab=100,d_ff=3",
    "d_model=64,n_layers=1,d_ff=64,n_heads=2,vocab=",
    "d_model=64,n_layers=1,d_ff=64,n_heads=2,vocab=1x",
    "d_model=64,n_layers=1,d_ff=64,n_heads=2,vocab= 1",
    "d_model=64,n_layers=1,d_ff=64,n_heads=2,vocab=+1",
    "d_model=64,n_layers=1,d_ff=64,n_heads=2,vocab=-1",
    "d_model=64,n_layers=0,d_ff=64,n_heads=2,vocab=1",
    "d_model=64,n_layers=1,d_ff=64,n_heads=2,vocab=99999999999999999999",
};

START_TEST(bad_shapes_are_refused)
{
    swg_strbuf config = {0};
    ck_status_is(SWG_USAGE, swg_shape_config(bad_shapes[_i], &config));
    swg_strbuf_deinit(&config);
}
END_TEST

static swg_status make_random(const char *shape, swg_model **out)
{
    swg_strbuf config = {0};
    ck_ok(swg_shape_config(shape, &config));
    const swg_status status =
        swg_model_random(config.text, config.length, swg_scheme_plain(SWG_BF16), 1, NULL, out);
    swg_strbuf_deinit(&config);
    return status;
}

/* The process was killed for memory: Linux overcommits. */
START_TEST(shapes_beyond_the_machine_are_refused)
{
    swg_model *model = NULL;
    ck_status_is(SWG_LIMIT, make_random("d_model=1048576,n_layers=4096,d_ff=4194304,n_heads=64,"
                                        "vocab=16777216",
                                        &model));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "GB"));
    ck_ok(make_random("d_model=20,n_layers=2,d_ff=7,n_heads=2,head_dim=6,vocab=31", &model));
    ck_assert_uint_eq(model->n_parameters,
                      2 * 31 * 20 + 20 + 2 * (2 * 20 + 4 * 20 * 12 + 3 * 7 * 20));
    swg_model_free(&model);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("shape");
    TCase *cases = tcase_create("shape");
    tcase_add_loop_test(cases, bad_shapes_are_refused, 0, sizeof bad_shapes / sizeof *bad_shapes);
    tcase_add_test(cases, shapes_beyond_the_machine_are_refused);
    suite_add_tcase(suite, cases);
    return suite;
}
