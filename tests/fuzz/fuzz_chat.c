/* A chat template of any bytes, on a conversation with everything that templates look at. */
#include <string.h>

#include "runtime/text/jinja/jinja.h"
#include "tests/fuzz/fuzz.h"

static const char conversation[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\" s "
    "\"},{\"role\":\"user\",\"content\":\"u\"},"
    "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"f\","
    "\"arguments\":{\"a\":[1,2.5,null,true]}}}]}],\"add_generation_prompt\":true,\"bos_token\":\"<"
    "s>\","
    "\"eos_token\":\"</s>\",\"tools\":[{\"type\":\"function\"}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    swg_jinja *template = NULL;
    swg_json_doc *doc = NULL;
    swg_strbuf out = {0};
    if (swg_json_parse(conversation, sizeof conversation - 1, "conversation", &doc) == SWG_OK &&
        swg_jinja_parse((const char *)data, size, &template) == SWG_OK)
        swg_jinja_render(template, swg_json_root(doc), swg_json_root(doc), 0, &out);
    swg_jinja_free(&template);
    swg_json_free(&doc);
    swg_strbuf_deinit(&out);
    return 0;
}
