/* Drawing solved examples: see few_shot.h. One pass keeps a sample of every prefix of the file
 * (Vitter 1985, algorithm R). */
#include "eval/few_shot.h"

#include <stdlib.h>

#include "formats/json/json_lines.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"

typedef struct example {
    size_t index; /* in the file */
    swg_strbuf text;
} example;

typedef struct drawing {
    swg_choice_format format;
    swg_choice_item item;
    swg_rng rng;
    example *examples; /* [n] */
    size_t n, n_seen;
} drawing;

static swg_status take_line(void *context, const swg_json *root, const char *where)
{
    drawing *d = context;
    SWG_TRY(swg_choice_item_read(d->format, root, where, "", &d->item));
    const size_t index = d->n_seen++;
    const size_t at = index < d->n ? index : (size_t)(swg_rng_uniform(&d->rng) * (double)d->n_seen);
    if (at >= d->n)
        return SWG_OK;
    example *e = &d->examples[at];
    e->index = index;
    e->text.length = 0;
    swg_strbuf_puts(&e->text, swg_strbuf_text(&d->item.contexts[d->item.gold]));
    swg_strbuf_puts(&e->text, swg_strbuf_text(&d->item.endings[d->item.gold]));
    swg_strbuf_puts(&e->text, "\n\n");
    return swg_strbuf_status(&e->text);
}

static int compare_examples(const void *a, const void *b)
{
    const example *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

swg_status swg_few_shot_draw(swg_choice_format format, const char *path, const char *data,
                             size_t length, size_t n, uint64_t seed, swg_strbuf *out)
{
    swg_status status = SWG_OK;
    drawing d = {.format = format, .rng = swg_rng_seeded(seed), .n = n};
    SWG_GO(SWG_NEW(d.examples, n));
    SWG_GO(swg_json_lines_each(path, data, length, "reading examples", NULL, take_line, &d));
    if (d.n_seen < n)
        SWG_GO(swg_error(SWG_FAILED, "%s has %zu items, but %zu examples are asked for", path,
                         d.n_seen, n));
    qsort(d.examples, n, sizeof *d.examples, compare_examples);
    for (size_t i = 0; i < n; i++)
        swg_strbuf_puts(out, swg_strbuf_text(&d.examples[i].text));
    status = swg_strbuf_status(out);
done:
    for (size_t i = 0; d.examples && i < n; i++)
        swg_strbuf_deinit(&d.examples[i].text);
    swg_free(d.examples);
    swg_choice_item_deinit(&d.item);
    return status;
}
