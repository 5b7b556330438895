/* xml.c - libxml2's tree turned into ours. */
#include "conf/xml.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include "base/assert.h"
#include "base/error.h"
#include "base/text.h"

/* No network, no messages on stderr; entities stay unreplaced (there are none without a document type). */
#define PARSE_OPTIONS                                                                                        \
    (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA | XML_PARSE_IGNORE_ENC)

struct convert {
    struct rf_view doc;
    struct rf_region *region;
    struct conf_error *e;
    const struct xml_span *spans;
    size_t span_count, next; /* the element that comes next in document order */
};

static int no_memory(struct convert *c)
{
    return conf_fail(c->e, c->region->used_len >= c->region->max_len ? RF_ELIMIT : RF_ENOMEM,
                     "no memory for the document");
}

static int copy(struct convert *c, const xmlChar *text, struct rf_view *out)
{
    struct rf_view v = rf_view_of(text, text != NULL ? (size_t)xmlStrlen(text) : 0);

    *out = rf_region_copy(c->region, v);
    return v.len > 0 && out->p == NULL ? no_memory(c) : 0;
}

static bool is_text(const xmlNode *node)
{
    return node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE;
}

/* join puts the pieces of a list of text nodes together. */
static int join(struct convert *c, const xmlNode *first, struct rf_view *out)
{
    size_t len = 0, at = 0;
    uint8_t *p;

    for (const xmlNode *n = first; n != NULL; n = n->next)
        if (is_text(n) && n->content != NULL)
            len += (size_t)xmlStrlen(n->content);
    if ((p = rf_region_alloc(c->region, len)) == NULL)
        return no_memory(c);
    for (const xmlNode *n = first; n != NULL; n = n->next)
        if (is_text(n) && n->content != NULL) {
            size_t piece = (size_t)xmlStrlen(n->content);

            memcpy(p + at, n->content, piece);
            at += piece;
        }
    *out = rf_view_of(p, len);
    return 0;
}

static int convert_attrs(struct convert *c, const xmlNode *from, struct xml_node *to)
{
    const struct xml_attr **tail = &to->attrs;
    int r;

    for (const xmlAttr *a = from->properties; a != NULL; a = a->next) {
        struct xml_attr *attr = rf_region_alloc(c->region, sizeof(*attr));

        if (attr == NULL)
            return no_memory(c);
        if ((r = copy(c, a->name, &attr->name)) != 0 || (r = join(c, a->children, &attr->value)) != 0)
            return r;
        if (a->ns != NULL && (r = copy(c, a->ns->href, &attr->ns)) != 0)
            return r;
        *tail = attr;
        tail = &attr->next;
    }
    return 0;
}

/* same_element: the span tells of the element that libxml2 tells of. */
static bool same_element(const struct xml_span *span, const xmlNode *node, unsigned depth)
{
    struct rf_view name = span->name, local = rf_view_of(node->name, (size_t)xmlStrlen(node->name));

    if (node->ns != NULL && node->ns->prefix != NULL) {
        struct rf_view prefix = rf_view_of(node->ns->prefix, (size_t)xmlStrlen(node->ns->prefix));

        if (name.len < prefix.len + 1 || memcmp(name.p, prefix.p, prefix.len) != 0 ||
            name.p[prefix.len] != ':')
            return false;
        name = rf_view_of(name.p + prefix.len + 1, name.len - prefix.len - 1);
    }
    return span->depth == depth && rf_view_equal(name, local);
}

/* convert_element recurses at most XML_MAX_DEPTH deep: tags.c has looked. */
static int convert_element(struct convert *c, const xmlNode *from, unsigned depth,
                           const struct xml_node **out)
{
    struct xml_node *node = rf_region_alloc(c->region, sizeof(*node));
    const struct xml_node **tail;
    int r;

    if (node == NULL)
        return no_memory(c);
    if (c->next == c->span_count || !same_element(&c->spans[c->next], from, depth))
        return conf_fail(c->e, RF_EFORMAT, "the elements cannot be told apart");
    node->raw =
        rf_view_of(c->doc.p + c->spans[c->next].begin, c->spans[c->next].end - c->spans[c->next].begin);
    c->next++;
    if ((r = copy(c, from->name, &node->name)) != 0)
        return r;
    if (from->ns != NULL && (r = copy(c, from->ns->href, &node->ns)) != 0)
        return r;
    if ((r = convert_attrs(c, from, node)) != 0 || (r = join(c, from->children, &node->text)) != 0)
        return r;
    tail = &node->children;
    for (const xmlNode *child = from->children; child != NULL; child = child->next) {
        if (child->type == XML_ELEMENT_NODE) {
            if ((r = convert_element(c, child, depth + 1, tail)) != 0)
                return r;
            tail = (const struct xml_node **)(uintptr_t) & (*tail)->next;
        } else if (child->type == XML_ENTITY_REF_NODE) {
            return conf_fail(c->e, RF_EFORMAT, "an entity is used");
        }
    }
    *out = node;
    return 0;
}

static int parse_failed(xmlParserCtxt *ctxt, struct conf_error *e)
{
    const xmlError *error = xmlCtxtGetLastError(ctxt);
    int len;

    if (error == NULL || error->message == NULL)
        return conf_fail(e, RF_EFORMAT, "not well-formed XML");
    len = xmlStrlen((const xmlChar *)error->message);
    while (len > 0 && error->message[len - 1] == '\n')
        len--;
    return conf_fail(e, error->code == XML_ERR_NO_MEMORY ? RF_ENOMEM : RF_EFORMAT, "line %d: %.*s",
                     error->line, len < 200 ? len : 200, error->message);
}

int xml_parse(struct rf_view document, struct rf_region *region, const struct xml_node **root,
              struct conf_error *e)
{
    struct convert c = {.doc = document, .region = region, .e = e};
    struct xml_span *spans;
    xmlParserCtxt *ctxt;
    xmlDoc *doc = NULL;
    int r;

    if (document.len >= 3 && memcmp(document.p, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
        c.doc = rf_view_of(document.p + 3, document.len - 3);
    if (c.doc.len == 0 || c.doc.len > INT32_MAX || !rf_utf8_valid(c.doc))
        return conf_fail(e, RF_EFORMAT, "not UTF-8");
    if ((r = xml_spans(c.doc, region, &spans, &c.span_count, e)) != 0)
        return r;
    c.spans = spans;
    if ((ctxt = xmlNewParserCtxt()) == NULL)
        return no_memory(&c);
    doc = xmlCtxtReadMemory(ctxt, (const char *)c.doc.p, (int)c.doc.len, NULL, "UTF-8", PARSE_OPTIONS);
    if (doc == NULL || !ctxt->wellFormed || !ctxt->nsWellFormed)
        r = parse_failed(ctxt, e);
    else if (doc->intSubset != NULL || xmlDocGetRootElement(doc) == NULL)
        r = conf_fail(e, RF_EFORMAT, "a document type is declared");
    else
        r = convert_element(&c, xmlDocGetRootElement(doc), 0, root);
    if (r == 0 && c.next != c.span_count)
        r = conf_fail(e, RF_EFORMAT, "the elements cannot be told apart");
    xmlFreeDoc(doc);
    xmlFreeParserCtxt(ctxt);
    xmlResetLastError();
    return r;
}
