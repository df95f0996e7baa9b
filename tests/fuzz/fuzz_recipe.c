/* Recipes: what is taken is written and reads back as the same text. */
#include <string.h>

#include "quantize/recipe.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/promises.h"

static void write(const swg_recipe *recipe, swg_json_writer *json)
{
    swg_recipe_write(recipe, json, NULL);
    fuzz_expect(swg_strbuf_status(&json->out) == SWG_OK, "memory");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    swg_recipe *recipe = NULL, *again = NULL;
    swg_json_writer once = {0}, twice = {0};
    swg_error_clear();
    if (swg_recipe_parse((const char *)data, size, "input", &recipe) == SWG_OK) {
        write(recipe, &once);
        fuzz_expect(swg_recipe_parse(once.out.text, once.out.length, "written", &again) == SWG_OK,
                    "what was written is a recipe");
        write(again, &twice);
        fuzz_expect(strcmp(once.out.text, twice.out.text) == 0, "both are alike");
    } else {
        fuzz_expect(swg_error_message()[0], "a failure has a sentence");
    }
    swg_json_deinit(&twice);
    swg_json_deinit(&once);
    swg_recipe_free(&again);
    swg_recipe_free(&recipe);
    return 0;
}
