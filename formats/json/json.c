/* JSON documents: json_check.c decides what is JSON, cJSON builds the tree, and one walk over the
 * tree finds duplicate keys and leaves sorted lists of members in large objects (sorted, not
 * hashed: keys can be made to collide). The only user of cJSON.
 *
 * cJSON's nodes and strings come from a bump arena of the document, so that a header of 100,000
 * tensors costs a few hundred allocations and none of cJSON's recursive freeing. Its hooks are
 * global and carry no context, hence the thread-local `parsing`. A container's count is kept in its
 * node's unused valuedouble, its list in the unused valuestring. */
#include "formats/json/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "formats/json/json_check.h"
#include "runtime/base/mem.h"
#include "runtime/base/namesort.h"
#include "runtime/base/tensor.h"
#include "runtime/base/utf8.h"

enum { CHUNK_BYTES = 1 << 16, CHUNK_HEADER = 64, LINEAR_MEMBERS = 8 };

typedef struct chunk {
    struct chunk *next;
    size_t used, bytes; /* of what follows CHUNK_HEADER */
} chunk;

struct swg_json_doc {
    chunk *chunks; /* newest first */
    cJSON *root;
    const char *what; /* while parsing only */
};

static _Thread_local swg_json_doc *parsing;

static void *bump(swg_json_doc *doc, size_t bytes)
{
    const size_t padded = swg_round_up(bytes ? bytes : 1, 16);
    chunk *c = doc->chunks;
    if (!c || c->bytes - c->used < padded) {
        const size_t room = padded > CHUNK_BYTES ? padded : (size_t)CHUNK_BYTES;
        c = swg_malloc(CHUNK_HEADER + room, 1);
        if (!c)
            return NULL;
        *c = (chunk){.next = doc->chunks, .bytes = room};
        doc->chunks = c;
    }
    void *block = (char *)c + CHUNK_HEADER + c->used;
    c->used += padded;
    return block;
}

/* Hooks. Outside our own parsing they are plain malloc and free, for a host program that uses cJSON
 * too. */
static void *hook_malloc(size_t bytes)
{
    return parsing ? bump(parsing, bytes) : malloc(bytes);
}

static void hook_free(void *block)
{
    if (!parsing)
        free(block);
}

static void install_hooks(void)
{
    cJSON_Hooks hooks = {.malloc_fn = hook_malloc, .free_fn = hook_free};
    cJSON_InitHooks(&hooks);
}

static bool is_container(const cJSON *node)
{
    return cJSON_IsObject(node) || cJSON_IsArray(node);
}

static size_t count_of(const cJSON *node)
{
    return (size_t)node->valuedouble;
}

static int compare_keys(const void *a, const void *b)
{
    const cJSON *left = *(const cJSON *const *)a, *right = *(const cJSON *const *)b;
    return strcmp(left->string, right->string);
}

static swg_status duplicate(const swg_json_doc *doc, const char *key)
{
    const bool is_shown = swg_name_is_printable(key, strlen(key));
    return swg_error(SWG_CORRUPT, "%s: bad JSON: duplicate key \"%.200s\"", doc->what,
                     is_shown ? key : "(not printable)");
}

static swg_status index_object(swg_json_doc *doc, cJSON *object)
{
    const size_t count = count_of(object);
    if (count <= LINEAR_MEMBERS) {
        for (const cJSON *a = object->child; a; a = a->next)
            for (const cJSON *b = a->next; b; b = b->next)
                if (strcmp(a->string, b->string) == 0)
                    return duplicate(doc, a->string);
        return SWG_OK;
    }
    const cJSON **members = bump(doc, count * sizeof *members);
    if (!members)
        return SWG_NO_MEMORY;
    swg_name_item *items;
    SWG_TRY(SWG_NEW_UNINIT(items, count));
    size_t n = 0;
    for (const cJSON *member = object->child; member; member = member->next)
        items[n++] = (swg_name_item){.name = member->string, .of = member};
    swg_sort_names(items, count);
    for (size_t i = 0; i < count; i++)
        members[i] = items[i].of;
    swg_free(items);
    for (size_t i = 1; i < count; i++)
        if (strcmp(members[i - 1]->string, members[i]->string) == 0)
            return duplicate(doc, members[i]->string);
    object->valuestring = (char *)members;
    return SWG_OK;
}

/* Count, index and check a value and all below it (at most SWG_JSON_MAX_DEPTH levels). */
static swg_status finish_value(swg_json_doc *doc, cJSON *node)
{
    if (cJSON_IsNumber(node) && !isfinite(node->valuedouble))
        return swg_error(SWG_CORRUPT, "%s: bad JSON: a number is beyond a double's range",
                         doc->what);
    if (!is_container(node))
        return SWG_OK;
    size_t count = 0;
    for (cJSON *child = node->child; child; child = child->next) {
        SWG_TRY(finish_value(doc, child));
        count++;
    }
    node->valuedouble = (double)count;
    return cJSON_IsObject(node) ? index_object(doc, node) : SWG_OK;
}

swg_status swg_json_parse(const char *text, size_t length, const char *what, swg_json_doc **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    SWG_TRY(swg_json_check(text, length, what));
    pthread_once(&once, install_hooks);
    swg_status status = SWG_OK;
    swg_json_doc *doc = NULL;
    SWG_GO(SWG_NEW(doc, 1));
    doc->what = what;
    parsing = doc;
    doc->root = cJSON_ParseWithLengthOpts(text, length, NULL, false);
    parsing = NULL;
    /* The text is good JSON, so only memory can have been missing. */
    if (!doc->root)
        SWG_GO(swg_error(SWG_NO_MEMORY, "out of memory while reading %s", what));
    SWG_GO(finish_value(doc, doc->root));
    doc->what = NULL;
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

/* swg_json is cJSON under an opaque name. */
static const cJSON *node_of(const swg_json *value)
{
    return (const cJSON *)value;
}

static const swg_json *value_of(const cJSON *node)
{
    return (const swg_json *)node;
}

const swg_json *swg_json_root(const swg_json_doc *doc)
{
    return value_of(doc->root);
}

swg_json_kind swg_json_kind_of(const swg_json *value)
{
    const cJSON *node = node_of(value);
    if (cJSON_IsObject(node))
        return SWG_JSON_OBJECT;
    if (cJSON_IsArray(node))
        return SWG_JSON_ARRAY;
    if (cJSON_IsString(node))
        return SWG_JSON_STRING;
    if (cJSON_IsNumber(node))
        return SWG_JSON_NUMBER;
    return cJSON_IsBool(node) ? SWG_JSON_BOOL : SWG_JSON_NULL;
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

size_t swg_json_count(const swg_json *value)
{
    const cJSON *node = node_of(value);
    return node && is_container(node) ? count_of(node) : 0;
}

const swg_json *swg_json_first(const swg_json *value)
{
    const cJSON *node = node_of(value);
    return node && is_container(node) ? value_of(node->child) : NULL;
}

const swg_json *swg_json_next(const swg_json *value)
{
    return value_of(node_of(value)->next);
}

const char *swg_json_key(const swg_json *value)
{
    return node_of(value)->string;
}

const swg_json *swg_json_get(const swg_json *value, const char *key)
{
    const cJSON *object = node_of(value);
    if (!object || !cJSON_IsObject(object))
        return NULL;
    if (object->valuestring) {
        const cJSON wanted = {.string = (char *)(uintptr_t)key}, *wanted_at = &wanted;
        const cJSON *const *found =
            bsearch(&wanted_at, object->valuestring, count_of(object), sizeof found, compare_keys);
        return found ? value_of(*found) : NULL;
    }
    for (const cJSON *member = object->child; member; member = member->next)
        if (strcmp(member->string, key) == 0)
            return value_of(member);
    return NULL;
}

const swg_json *swg_json_at(const swg_json *value, size_t index)
{
    const cJSON *array = node_of(value);
    if (!array || !cJSON_IsArray(array))
        return NULL;
    const cJSON *element = array->child;
    while (element && index-- > 0)
        element = element->next;
    return value_of(element);
}

bool swg_json_as_string(const swg_json *value, const char **out)
{
    if (!value || !cJSON_IsString(node_of(value)))
        return false;
    *out = node_of(value)->valuestring;
    return true;
}

bool swg_json_as_double(const swg_json *value, double *out)
{
    if (!value || !cJSON_IsNumber(node_of(value)))
        return false;
    *out = node_of(value)->valuedouble;
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
    if (!value || !cJSON_IsBool(node_of(value)))
        return false;
    *out = cJSON_IsTrue(node_of(value));
    return true;
}
