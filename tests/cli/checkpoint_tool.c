/* What scripts do to checkpoints without going through the program under test:
 *     checkpoint_tool make FILE NAME=ROWSxCOLS...   write F32 tensors of random numbers (COLS 0: a
 * vector) checkpoint_tool same WANTED FILE...           compare names, shapes, types and every byte
 *     checkpoint_tool zeros FILE PART              count the zeros and the elements of the matrices
 * with that in their names
 *     checkpoint_tool groups FILE PART ROWS COLS   of all groups of so many rows and columns of
 * these matrices: how many there are, the fewest and the most zeros in one, and how many groups are
 * neither all zero nor without zeros */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/formats/sample.h"

static swg_status make(const char *path, char **tensors, int n)
{
    static sample s;
    sample_init(&s);
    s.meta.n_files = 0;
    s.meta.n_metadata = 0;
    swg_status status = SWG_OK;
    for (int i = 0; i < n; i++) {
        char *shape = strchr(tensors[i], '=');
        unsigned rows = 0, cols = 0;
        if (!shape || sscanf(shape, "=%ux%u", &rows, &cols) != 2)
            SWG_GO(swg_error(SWG_USAGE, "\"%s\" is not NAME=ROWSxCOLS", tensors[i]));
        *shape = '\0';
        sample_add(&s, tensors[i], swg_scheme_plain(SWG_F32), cols ? 2 : 1, rows, cols);
    }
    SWG_GO(sample_write(&s, path,
                        &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true}));
done:
    sample_deinit(&s);
    return status;
}

static swg_status read_plane(swg_source *source, size_t tensor, size_t index,
                             const swg_plane *plane, uint8_t **out)
{
    SWG_TRY(SWG_NEW_UNINIT(*out, (size_t)plane->bytes));
    return swg_source_read(source, tensor, index, 0, plane->rows, *out);
}

static swg_status compare_tensor(swg_source *a, swg_source *b, size_t tensor)
{
    const swg_tensor_desc *left = swg_source_tensor(a, tensor);
    const size_t at = swg_source_find(b, left->name);
    const swg_tensor_desc *right = at == SIZE_MAX ? NULL : swg_source_tensor(b, at);
    if (!right || left->rank != right->rank || !swg_scheme_equal(left->scheme, right->scheme) ||
        memcmp(left->shape, right->shape, left->rank * sizeof left->shape[0]) != 0)
        return swg_error(SWG_FAILED, "%s: %s is absent, or of another shape or type",
                         swg_source_path(b), left->name);
    size_t n_planes;
    const swg_plane *planes = swg_source_planes(a, tensor, &n_planes);
    for (size_t p = 0; p < n_planes; p++) {
        uint8_t *x = NULL, *y = NULL;
        swg_status status = read_plane(a, tensor, p, &planes[p], &x);
        if (status == SWG_OK)
            status = read_plane(b, at, p, &planes[p], &y);
        if (status == SWG_OK && memcmp(x, y, planes[p].bytes) != 0)
            status = swg_error(SWG_FAILED, "%s: %s differs", swg_source_path(b), left->name);
        swg_free(x);
        swg_free(y);
        SWG_TRY(status);
    }
    return SWG_OK;
}

static swg_status compare(const char *wanted, const char *path)
{
    swg_source *a = NULL, *b = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_source_open(wanted, NULL, &a));
    SWG_GO(swg_source_open(path, NULL, &b));
    if (swg_source_n_tensors(a) != swg_source_n_tensors(b))
        SWG_GO(swg_error(SWG_FAILED, "%s has %zu tensors, not %zu", path, swg_source_n_tensors(b),
                         swg_source_n_tensors(a)));
    for (size_t i = 0; i < swg_source_n_tensors(a); i++)
        SWG_GO(compare_tensor(a, b, i));
done:
    swg_source_close(&a);
    swg_source_close(&b);
    return status;
}

/* Prints a line for every file that differs. */
static swg_status compare_all(const char *wanted, char **paths, int n)
{
    swg_status all = SWG_OK;
    for (int i = 0; i < n; i++) {
        const swg_status status = compare(wanted, paths[i]);
        if (status != SWG_OK)
            printf("%s\n", swg_error_message());
        all = all == SWG_OK ? status : all;
    }
    return all;
}

/* Prints both counts. */
static swg_status count_zeros(const char *path, const char *part)
{
    swg_source *source = NULL;
    swg_status status = SWG_OK;
    uint64_t zeros = 0, elems = 0;
    float *row = NULL;
    SWG_GO(swg_source_open(path, NULL, &source));
    for (size_t i = 0; i < swg_source_n_tensors(source); i++) {
        const swg_tensor_desc *desc = swg_source_tensor(source, i);
        if (desc->rank != 2 || !strstr(desc->name, part))
            continue;
        SWG_GO(SWG_NEW_UNINIT(row, (size_t)desc->shape[1]));
        for (uint64_t r = 0; r < desc->shape[0]; r++) {
            SWG_GO(swg_source_read_f32(source, i, r, 1, row));
            for (uint64_t c = 0; c < desc->shape[1]; c++)
                zeros += row[c] == 0;
        }
        elems += desc->shape[0] * desc->shape[1];
        SWG_FREE(row);
    }
    printf("%llu %llu\n", (unsigned long long)zeros, (unsigned long long)elems);
done:
    swg_free(row);
    swg_source_close(&source);
    return status;
}

typedef struct group_counts {
    unsigned long long n, least, most, n_mixed;
} group_counts;

/* The groups of `height` rows w [height][cols]. */
static void add_groups(const float *w, uint64_t height, uint64_t cols, uint64_t width,
                       group_counts *counts)
{
    for (uint64_t begin = 0; begin + width <= cols; begin += width) {
        unsigned long long zeros = 0;
        for (uint64_t r = 0; r < height; r++)
            for (uint64_t c = begin; c < begin + width; c++)
                zeros += w[r * cols + c] == 0;
        counts->least = counts->n == 0 || zeros < counts->least ? zeros : counts->least;
        counts->most = zeros > counts->most ? zeros : counts->most;
        counts->n_mixed += zeros > 0 && zeros < height * width;
        counts->n++;
    }
}

/* Prints the four numbers. */
static swg_status count_groups(const char *path, const char *part, uint64_t height, uint64_t width)
{
    swg_source *source = NULL;
    swg_status status = SWG_OK;
    group_counts counts = {0};
    float *rows = NULL;
    SWG_GO(swg_source_open(path, NULL, &source));
    for (size_t i = 0; i < swg_source_n_tensors(source); i++) {
        const swg_tensor_desc *desc = swg_source_tensor(source, i);
        if (desc->rank != 2 || !strstr(desc->name, part))
            continue;
        SWG_GO(SWG_NEW_UNINIT(rows, (size_t)(height * desc->shape[1])));
        for (uint64_t r = 0; r + height <= desc->shape[0]; r += height) {
            SWG_GO(swg_source_read_f32(source, i, r, height, rows));
            add_groups(rows, height, desc->shape[1], width, &counts);
        }
        SWG_FREE(rows);
    }
    printf("%llu %llu %llu %llu\n", counts.n, counts.least, counts.most, counts.n_mixed);
done:
    swg_free(rows);
    swg_source_close(&source);
    return status;
}

int main(int argc, char **argv)
{
    swg_status status = SWG_USAGE;
    if (argc > 3 && strcmp(argv[1], "make") == 0)
        status = make(argv[2], argv + 3, argc - 3);
    if (argc > 3 && strcmp(argv[1], "same") == 0)
        status = compare_all(argv[2], argv + 3, argc - 3);
    if (argc == 4 && strcmp(argv[1], "zeros") == 0)
        status = count_zeros(argv[2], argv[3]);
    if (argc == 6 && strcmp(argv[1], "groups") == 0)
        status = count_groups(argv[2], argv[3], strtoull(argv[4], NULL, 10),
                              strtoull(argv[5], NULL, 10));
    if (status != SWG_OK)
        fprintf(stderr, "checkpoint_tool: %s\n", swg_error_message());
    return status == SWG_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
