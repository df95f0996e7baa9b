/* The index of a sharded checkpoint: the input is the index; the two shards beside it are as they
 * should be. */
#include <string.h>

#include "formats/bytes.h"
#include "tests/fuzz/fuzz.h"

static void put_shard(const char *name, const char *header, size_t data_bytes)
{
    uint8_t file[512] = {0};
    const size_t length = strlen(header);
    swg_put_le(file, 8, length);
    memcpy(file + 8, header, length);
    fuzz_put(name, file, 8 + length + data_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool has_shards;
    if (!has_shards) {
        put_shard("a.safetensors",
                  "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                  "\"y\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[8,11]}}",
                  11);
        put_shard("b.safetensors",
                  "{\"__metadata__\":{\"format\":\"pt\"},"
                  "\"z\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[0,4]}}",
                  4);
        has_shards = true;
    }
    fuzz_read_checkpoint(fuzz_put("model.safetensors.index.json", data, size));
    return 0;
}
