/* .swg: the bytes are a u32, that many bytes of frames, and a directory as it is before coding;
 * superblock and hashes, which would reject any change, are put around them. An input that
 * begins like a container is taken as a whole file. */
#include <stdlib.h>
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/swg/swg_layout.h"
#include "runtime/base/hash.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/promises.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t block[SWG_SUPERBLOCK_BYTES] = {0};
    if (size < 4 || memcmp(data, SWG_CONTAINER_MAGIC, 8 < size ? 8 : size) == 0)
        return fuzz_promises(&(fuzz_part){data, size}, 1);
    size_t frames = (size_t)swg_get_le(data, 4);
    frames = frames < size - 4 ? frames : size - 4;
    const uint8_t *const directory = data + 4 + frames;
    const size_t length = size - 4 - frames;
    memcpy(block + SWG_SUPERBLOCK_MAGIC, SWG_CONTAINER_MAGIC, 8);
    swg_put_le(block + SWG_SUPERBLOCK_VERSION, 4, SWG_CONTAINER_VERSION);
    swg_put_le(block + SWG_SUPERBLOCK_FILE_BYTES, 8, sizeof block + frames + length);
    swg_put_le(block + SWG_SUPERBLOCK_DIR_OFFSET, 8, sizeof block + frames);
    swg_put_le(block + SWG_SUPERBLOCK_DIR_STORED, 4, length);
    swg_put_le(block + SWG_SUPERBLOCK_DIR_RAW, 4, length);
    swg_put_le(block + SWG_SUPERBLOCK_DIR_HASH, 8, swg_hash64(directory, length));
    swg_put_le(block + SWG_SUPERBLOCK_HASH, 8, swg_hash64(block, SWG_SUPERBLOCK_HASH));
    const fuzz_part parts[] = {{block, sizeof block}, {data + 4, frames}, {directory, length}};
    return fuzz_promises(parts, 3);
}
