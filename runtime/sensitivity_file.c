/* Files of sensitivities; see sensitivity_file.h. */
#include "runtime/sensitivity_file.h"

#include <math.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/hash.h"

/* The digit is the version of this layout. */
static const char magic[9] = "swgsens1";

enum { HAS_PRODUCT = 1, HAS_LOOK_UP = 2, TENSOR_NUMBERS = 4 };

/* --- Writing ---------------------------------------------------------------------------------- */

/* The file in memory: it holds two numbers per row of the model's matrices. */
typedef struct image {
    uint8_t *data;
    size_t size, capacity;
} image;

static swg_status put(image *i, const void *data, size_t bytes)
{
    SWG_TRY(swg_reserve((void **)&i->data, &i->capacity, i->size + bytes, 1));
    memcpy(i->data + i->size, data, bytes);
    i->size += bytes;
    return SWG_OK;
}

static swg_status put_u64(image *i, uint64_t number)
{
    return put(i, &number, sizeof number);
}

static swg_status put_tensor(image *i, const swg_sensitivity_tensor *t)
{
    const uint64_t numbers[TENSOR_NUMBERS] = {strlen(t->rows.tensor), t->rows.rows, t->rows.cols,
                                              (t->product ? HAS_PRODUCT : 0) |
                                                  (t->look_up ? HAS_LOOK_UP : 0)};
    const size_t bytes = (size_t)t->rows.rows * sizeof *t->product;
    SWG_TRY(put(i, numbers, sizeof numbers));
    SWG_TRY(put(i, t->rows.tensor, (size_t)numbers[0]));
    if (t->product)
        SWG_TRY(put(i, t->product, bytes));
    return t->look_up ? put(i, t->look_up, bytes) : SWG_OK;
}

swg_status swg_sensitivity_write(const swg_sensitivity *s, const char *key, const char *path)
{
    swg_file_writer *file = NULL;
    image i = {0};
    swg_status status = SWG_OK;
    SWG_GO(put(&i, magic, sizeof magic - 1));
    SWG_GO(put_u64(&i, strlen(key)));
    SWG_GO(put(&i, key, strlen(key)));
    SWG_GO(put_u64(&i, s->n_tensors));
    for (size_t t = 0; t < s->n_tensors; t++)
        SWG_GO(put_tensor(&i, &s->tensors[t]));
    SWG_GO(put_u64(&i, swg_hash64(i.data, i.size)));
    SWG_GO(swg_file_create(path, true, i.size, &file));
    SWG_GO(swg_file_append(file, i.data, i.size));
    SWG_GO(swg_file_commit(&file));
done:
    swg_file_abort(&file);
    swg_free(i.data);
    return status;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Bytes that were not read yet. */
typedef struct cursor {
    const uint8_t *at;
    size_t left;
    const char *path;
} cursor;

static swg_status take(cursor *c, void *out, uint64_t bytes)
{
    if (bytes > c->left)
        return swg_error(SWG_CORRUPT, "%s ends within a part of %llu bytes, after %zu of them",
                         c->path, (unsigned long long)bytes, c->left);
    memcpy(out, c->at, (size_t)bytes);
    c->at += bytes;
    c->left -= (size_t)bytes;
    return SWG_OK;
}

static swg_status take_array(cursor *c, swg_sensitivity *s, uint64_t rows, double **out)
{
    double *array = NULL;
    if (rows > c->left / sizeof *array)
        return swg_error(SWG_CORRUPT, "%s lists %llu rows in the %zu bytes that are left", c->path,
                         (unsigned long long)rows, c->left);
    array = swg_arena_calloc(&s->arena, (size_t)rows, sizeof *array);
    if (!array)
        return SWG_NO_MEMORY;
    SWG_TRY(take(c, array, rows * sizeof *array));
    for (uint64_t i = 0; i < rows; i++)
        if (!isfinite(array[i]) || array[i] < 0)
            return swg_error(SWG_CORRUPT, "%s: row %llu of a tensor has a sensitivity of %g",
                             c->path, (unsigned long long)i, array[i]);
    *out = array;
    return SWG_OK;
}

static swg_status take_tensor(cursor *c, swg_sensitivity *s)
{
    swg_sensitivity_tensor *t = &s->tensors[s->n_tensors];
    uint64_t numbers[TENSOR_NUMBERS];
    SWG_TRY(take(c, numbers, sizeof numbers));
    if (numbers[0] > c->left)
        return swg_error(SWG_CORRUPT, "%s: a name of %llu bytes, of which %zu are there", c->path,
                         (unsigned long long)numbers[0], c->left);
    t->rows.tensor = swg_arena_strndup(&s->arena, (const char *)c->at, (size_t)numbers[0]);
    if (!t->rows.tensor)
        return SWG_NO_MEMORY;
    c->at += numbers[0];
    c->left -= (size_t)numbers[0];
    t->rows.rows = numbers[1];
    t->rows.cols = numbers[2];
    if (numbers[3] & HAS_PRODUCT)
        SWG_TRY(take_array(c, s, numbers[1], &t->product));
    if (numbers[3] & HAS_LOOK_UP)
        SWG_TRY(take_array(c, s, numbers[1], &t->look_up));
    t->rows.product = t->product;
    t->rows.look_up = t->look_up;
    s->n_tensors++;
    return SWG_OK;
}

/* The hash at the end, the magic and the key; the cursor is at the tensors then. */
static swg_status check_head(cursor *c, const char *key)
{
    const size_t head = sizeof magic - 1 + sizeof(uint64_t), n = strlen(key);
    uint64_t hash = 0, length = 0;
    if (c->left < head + sizeof hash || memcmp(c->at, magic, sizeof magic - 1) != 0)
        return swg_error(SWG_CORRUPT, "%s is not a file of sensitivities of this version", c->path);
    c->left -= sizeof hash;
    memcpy(&hash, c->at + c->left, sizeof hash);
    if (hash != swg_hash64(c->at, c->left))
        return swg_error(SWG_CORRUPT, "%s does not match its hash", c->path);
    memcpy(&length, c->at + sizeof magic - 1, sizeof length);
    if (length != n || c->left - head < n || memcmp(c->at + head, key, n) != 0)
        return swg_error(SWG_CORRUPT, "%s was measured of another model or text", c->path);
    c->at += head + n;
    c->left -= head + n;
    return SWG_OK;
}

static swg_status take_tensors(cursor *c, swg_sensitivity *s)
{
    uint64_t n = 0;
    SWG_TRY(take(c, &n, sizeof n));
    if (n > c->left / (TENSOR_NUMBERS * sizeof n))
        return swg_error(SWG_CORRUPT, "%s lists %llu tensors in %zu bytes", c->path,
                         (unsigned long long)n, c->left);
    s->tensors = swg_arena_calloc(&s->arena, (size_t)n, sizeof *s->tensors);
    if (!s->tensors)
        return SWG_NO_MEMORY;
    for (uint64_t i = 0; i < n; i++)
        SWG_TRY(take_tensor(c, s));
    return c->left == 0
               ? SWG_OK
               : swg_error(SWG_CORRUPT, "%s has %zu bytes after the last tensor", c->path, c->left);
}

void swg_sensitivity_free(swg_sensitivity **sensitivity)
{
    swg_sensitivity *s = *sensitivity;
    if (!s)
        return;
    swg_arena_deinit(&s->arena);
    swg_free(s);
    *sensitivity = NULL;
}

swg_status swg_sensitivity_read(const char *path, const char *key, swg_sensitivity **out)
{
    swg_sensitivity *s = NULL;
    swg_map map = {0};
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(s, 1));
    SWG_GO(swg_map_open(path, &map));
    cursor c = {.at = map.data, .left = map.size, .path = path};
    SWG_GO(check_head(&c, key));
    SWG_GO(take_tensors(&c, s));
    s->was_cached = true;
    *out = s;
    s = NULL;
done:
    swg_map_close(&map);
    swg_sensitivity_free(&s);
    return status;
}
