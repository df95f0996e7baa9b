/* JSON documents: json_check.c decides what is JSON, one pass of a scan builds the tree, which
 * finds duplicate keys and leaves sorted lists of members in large objects (sorted, not hashed:
 * keys can be made to collide). Values and strings come from a bump arena of the document, so that
 * a header of 100,000 tensors costs a few hundred allocations. */
#include "formats/json/json.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "formats/json/json_check.h"
#include "formats/json/json_scan.h"
#include "runtime/base/file_kind.h"
#include "runtime/base/mem.h"
#include "runtime/base/namesort.h"
#include "runtime/base/tensor.h"
#include "runtime/base/utf8.h"

enum { CHUNK_BYTES = 1 << 16, CHUNK_HEADER = 64, LINEAR_MEMBERS = 8 };

typedef struct chunk {
    struct chunk *next;
    size_t used, bytes; /* of what follows CHUNK_HEADER */
} chunk;

struct swg_json {
    const swg_json *next; /* of the same container */
    const char *key;      /* NULL unless it is a member of an object */
    union {
        const char *string;
        double number;
        bool boolean;
        struct {
            const swg_json *first;
            const swg_json **sorted; /* by key; NULL for arrays and small objects */
        } members;
    } as;
    uint32_t count; /* of a container's members */
    uint8_t kind;   /* swg_json_kind */
};

struct swg_json_doc {
    chunk *chunks; /* newest first */
    const swg_json *root;
};

/* What is needed while the tree is built. */
typedef struct builder {
    swg_json_doc *doc;
    swg_json_scan scan;
    const char *what; /* the text's name in messages */
} builder;

static void *bump(swg_json_doc *doc, size_t bytes, size_t alignment)
{
    chunk *c = doc->chunks;
    size_t at = c ? swg_round_up(c->used, alignment) : 0;
    if (!c || at > c->bytes || c->bytes - at < bytes) {
        const size_t room = bytes > CHUNK_BYTES ? bytes : (size_t)CHUNK_BYTES;
        c = swg_malloc(CHUNK_HEADER + room, 1);
        if (!c)
            return NULL;
        *c = (chunk){.next = doc->chunks, .bytes = room};
        doc->chunks = c;
        at = 0;
    }
    c->used = at + bytes;
    return (char *)c + CHUNK_HEADER + at;
}

/* --- Building --------------------------------------------------------------------------------- */

static swg_status copy_text(builder *b, const swg_json_text *text, const char **out)
{
    char *copy = bump(b->doc, text->length + 1, 1);
    if (!copy)
        return SWG_NO_MEMORY;
    swg_json_text_copy(text, copy);
    *out = copy;
    return SWG_OK;
}

/* The locale whose decimal point is a point, whatever a host program has chosen. */
static locale_t plain_locale;

static void make_plain_locale(void)
{
    plain_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static swg_status read_number(builder *b, double *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint64_t count;
    if (swg_json_scan_count(&b->scan, &count)) {
        *out = (double)count;
        return SWG_OK;
    }
    pthread_once(&once, make_plain_locale);
    if (!plain_locale)
        return SWG_NO_MEMORY;
    char digits[SWG_JSON_MAX_NUMBER + 1];
    const swg_json_text text = swg_json_scan_skip(&b->scan);
    memcpy(digits, text.at, text.length); /* checked: at most SWG_JSON_MAX_NUMBER */
    digits[text.length] = '\0';
    *out = strtod_l(digits, NULL, plain_locale);
    return isfinite(*out) ? SWG_OK
                          : swg_error(SWG_CORRUPT,
                                      "%s: bad JSON: a number is beyond a double's range", b->what);
}

static swg_status duplicate(const builder *b, const char *key)
{
    const bool is_shown = swg_name_is_printable(key, strlen(key));
    return swg_error(SWG_CORRUPT, "%s: bad JSON: duplicate key \"%.200s\"", b->what,
                     is_shown ? key : "(not printable)");
}

/* Refuse duplicate keys, and sort the members of a large object. */
static swg_status index_object(const builder *b, swg_json *object)
{
    const size_t count = object->count;
    if (count <= LINEAR_MEMBERS) {
        for (const swg_json *one = object->as.members.first; one; one = one->next)
            for (const swg_json *other = one->next; other; other = other->next)
                if (strcmp(one->key, other->key) == 0)
                    return duplicate(b, one->key);
        return SWG_OK;
    }
    const swg_json **members = bump(b->doc, count * sizeof *members, sizeof *members);
    if (!members)
        return SWG_NO_MEMORY;
    swg_name_item *items;
    SWG_TRY(SWG_NEW_UNINIT(items, count));
    size_t n = 0;
    for (const swg_json *member = object->as.members.first; member; member = member->next)
        items[n++] = (swg_name_item){.name = member->key, .of = member};
    swg_sort_names(items, count);
    for (size_t i = 0; i < count; i++)
        members[i] = items[i].of;
    swg_free(items);
    for (size_t i = 1; i < count; i++)
        if (strcmp(members[i - 1]->key, members[i]->key) == 0)
            return duplicate(b, members[i]->key);
    object->as.members.sorted = members;
    return SWG_OK;
}

static swg_status build_value(builder *b, swg_json *value);

static swg_status build_members(builder *b, swg_json *container)
{
    const swg_json **end = &container->as.members.first;
    for (swg_json_scan_enter(&b->scan); swg_json_scan_more(&b->scan); container->count++) {
        swg_json *member = bump(b->doc, sizeof *member, sizeof(void *));
        if (!member)
            return SWG_NO_MEMORY;
        *member = (swg_json){0};
        if (container->kind == SWG_JSON_OBJECT) {
            const swg_json_text key = swg_json_scan_key(&b->scan);
            SWG_TRY(copy_text(b, &key, &member->key));
        }
        SWG_TRY(build_value(b, member));
        *end = member;
        end = &member->next;
    }
    return container->kind == SWG_JSON_OBJECT ? index_object(b, container) : SWG_OK;
}

/* The value that is next, into `value`, whose key is set. At most SWG_JSON_MAX_DEPTH levels. */
static swg_status build_value(builder *b, swg_json *value)
{
    swg_json_text text;
    switch (*b->scan.at) {
    case '{':
    case '[':
        value->kind = *b->scan.at == '{' ? SWG_JSON_OBJECT : SWG_JSON_ARRAY;
        return build_members(b, value);
    case '"':
        value->kind = SWG_JSON_STRING;
        (void)swg_json_scan_string(&b->scan, &text);
        return copy_text(b, &text, &value->as.string);
    case 't':
    case 'f':
        value->kind = SWG_JSON_BOOL;
        value->as.boolean = *b->scan.at == 't';
        (void)swg_json_scan_skip(&b->scan);
        return SWG_OK;
    case 'n':
        value->kind = SWG_JSON_NULL;
        (void)swg_json_scan_skip(&b->scan);
        return SWG_OK;
    default:
        value->kind = SWG_JSON_NUMBER;
        return read_number(b, &value->as.number);
    }
}

/* Of a text that is not JSON: say what it is instead, where that is known. */
static swg_status explain_failure(swg_status status, const char *text, size_t length,
                                  const char *what)
{
    const swg_file_kind kind = length ? swg_file_kind_of(text, length) : SWG_FILE_UNKNOWN;
    if (kind != SWG_FILE_UNKNOWN)
        return swg_error(status, "%s %s", what, swg_file_kind_sentence(kind));
    if (swg_has_byte_order_mark(text, length))
        return swg_error(
            status, "%s: bad JSON: it begins with a byte-order mark; save it as UTF-8 without one",
            what);
    return status;
}

swg_status swg_json_parse(const char *text, size_t length, const char *what, swg_json_doc **out)
{
    const swg_status checked = swg_json_check(text, length, what);
    if (checked != SWG_OK)
        return explain_failure(checked, text, length, what);
    swg_status status = SWG_OK;
    swg_json_doc *doc = NULL;
    SWG_GO(SWG_NEW(doc, 1));
    builder b = {.doc = doc, .scan = swg_json_scan_begin(text, length), .what = what};
    swg_json *root = bump(doc, sizeof *root, sizeof(void *));
    SWG_GO(root ? SWG_OK : SWG_NO_MEMORY);
    *root = (swg_json){0};
    SWG_GO(build_value(&b, root));
    doc->root = root;
    *out = doc;
    doc = NULL;
done:
    swg_json_free(&doc);
    return status;
}

void swg_json_free(swg_json_doc **doc)
{
    if (!*doc)
        return;
    while ((*doc)->chunks) {
        chunk *next = (*doc)->chunks->next;
        swg_free((*doc)->chunks);
        (*doc)->chunks = next;
    }
    SWG_FREE(*doc);
}

/* --- Look-up ---------------------------------------------------------------------------------- */

const swg_json *swg_json_root(const swg_json_doc *doc)
{
    return doc->root;
}

swg_json_kind swg_json_kind_of(const swg_json *value)
{
    return (swg_json_kind)value->kind;
}

bool swg_json_is_null(const swg_json *value)
{
    return !value || value->kind == SWG_JSON_NULL;
}

const char *swg_json_kind_name(swg_json_kind kind)
{
    static const char *const names[] = {"null", "boolean", "number", "string", "array", "object"};
    return names[kind];
}

swg_status swg_json_require(const char *text, size_t length, const char *what, swg_json_kind kind)
{
    swg_json_doc *doc = NULL;
    SWG_TRY(swg_json_parse(text, length, what, &doc));
    const swg_json_kind found = swg_json_kind_of(swg_json_root(doc));
    swg_json_free(&doc);
    return found == kind ? SWG_OK
                         : swg_error(SWG_CORRUPT, "%s: expected a JSON %s, found %s", what,
                                     swg_json_kind_name(kind), swg_json_kind_name(found));
}

static bool is_container(const swg_json *value)
{
    return value && (value->kind == SWG_JSON_ARRAY || value->kind == SWG_JSON_OBJECT);
}

size_t swg_json_count(const swg_json *value)
{
    return is_container(value) ? value->count : 0;
}

const swg_json *swg_json_first(const swg_json *value)
{
    return is_container(value) ? value->as.members.first : NULL;
}

const swg_json *swg_json_next(const swg_json *value)
{
    return value->next;
}

const char *swg_json_key(const swg_json *value)
{
    return value->key;
}

static int compare_with_key(const void *key, const void *member)
{
    return strcmp(key, (*(const swg_json *const *)member)->key);
}

const swg_json *swg_json_get(const swg_json *value, const char *key)
{
    if (!value || value->kind != SWG_JSON_OBJECT)
        return NULL;
    if (value->as.members.sorted) {
        const swg_json *const *found =
            bsearch(key, value->as.members.sorted, value->count, sizeof *found, compare_with_key);
        return found ? *found : NULL;
    }
    const swg_json *member = value->as.members.first;
    while (member && strcmp(member->key, key) != 0)
        member = member->next;
    return member;
}

const swg_json *swg_json_at(const swg_json *value, size_t index)
{
    if (!value || value->kind != SWG_JSON_ARRAY)
        return NULL;
    const swg_json *element = value->as.members.first;
    while (element && index-- > 0)
        element = element->next;
    return element;
}

bool swg_json_as_string(const swg_json *value, const char **out)
{
    if (!value || value->kind != SWG_JSON_STRING)
        return false;
    *out = value->as.string;
    return true;
}

bool swg_json_as_double(const swg_json *value, double *out)
{
    if (!value || value->kind != SWG_JSON_NUMBER)
        return false;
    *out = value->as.number;
    return true;
}

bool swg_json_as_int(const swg_json *value, int64_t *out)
{
    static const double largest_exact = 9007199254740992.0; /* 2^53 */
    double number;
    if (!swg_json_as_double(value, &number) || number != floor(number) ||
        fabs(number) > largest_exact)
        return false;
    *out = (int64_t)number;
    return true;
}

bool swg_json_as_bool(const swg_json *value, bool *out)
{
    if (!value || value->kind != SWG_JSON_BOOL)
        return false;
    *out = value->as.boolean;
    return true;
}
