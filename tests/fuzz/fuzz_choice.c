/* The reader of multiple-choice items, in every form: what it takes has endings that are not empty
 * and a right answer among them. */
#include <stdlib.h>

#include "eval/choice_item.h"
#include "tests/fuzz/fuzz.h"

static swg_choice_item item;

static swg_status read_item(void *context, const swg_json *root, const char *where)
{
    const swg_choice_format *format = context;
    SWG_TRY(swg_choice_item_read(*format, root, where, "", &item));
    if (item.gold >= item.n_choices)
        abort();
    for (size_t i = 0; i < item.n_choices; i++)
        if (item.endings[i].length == 0 || item.characters[i] == 0 ||
            item.characters[i] > item.bytes[i])
            abort();
    return SWG_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int i = 0; i < SWG_CHOICE_FORMAT_COUNT; i++) {
        swg_choice_format format = (swg_choice_format)i;
        swg_json_lines_each("items", (const char *)data, size, "reading", NULL, read_item, &format);
    }
    swg_choice_item_deinit(&item);
    return 0;
}
