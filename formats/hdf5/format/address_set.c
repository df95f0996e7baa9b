/* The set of addresses: open addressing, doubled when half full. */
#include "formats/hdf5/format/address_set.h"

#include "runtime/base/mem.h"

/* The slot that holds `value`, or the free one where it goes. */
static size_t find_slot(const uint64_t *slots, size_t capacity, uint64_t value)
{
    size_t at = (size_t)(value * 0x9E3779B97F4A7C15u >> 20) & (capacity - 1);
    while (slots[at] && slots[at] != value)
        at = (at + 1) & (capacity - 1);
    return at;
}

static swg_status grow(swg_h5_addresses *set)
{
    const size_t capacity = set->capacity ? 2 * set->capacity : 64;
    uint64_t *slots;
    SWG_TRY(SWG_NEW(slots, capacity));
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slots[i])
            slots[find_slot(slots, capacity, set->slots[i])] = set->slots[i];
    swg_free(set->slots);
    set->slots = slots;
    set->capacity = capacity;
    return SWG_OK;
}

bool swg_h5_addresses_has(const swg_h5_addresses *set, uint64_t address)
{
    return set->count > 0 && set->slots[find_slot(set->slots, set->capacity, address + 1)] != 0;
}

swg_status swg_h5_addresses_add(swg_h5_addresses *set, uint64_t address, bool *is_new)
{
    if (2 * set->count >= set->capacity)
        SWG_TRY(grow(set));
    const size_t at = find_slot(set->slots, set->capacity, address + 1);
    *is_new = !set->slots[at];
    set->count += *is_new;
    set->slots[at] = address + 1;
    return SWG_OK;
}
