/*
 * xml.h - an XML document as a small tree. xml.c is the one file that sees libxml2.
 *
 * What is accepted is less than XML: UTF-8 only, no document type (so no entities but the five built in), bounded depth, elements and
 * attributes. Every element knows its exact bytes in the document, which signatures need. Those offsets do not come from libxml2: tags.c
 * finds the tags on its own, and both must have seen the same elements in the same order, or the document is refused.
 */
#ifndef RF_CONF_XML_H
#define RF_CONF_XML_H

#include "base/region.h"
#include "base/view.h"

#define XML_MAX_ELEMENTS   20000
#define XML_MAX_DEPTH      32
#define XML_MAX_ATTRIBUTES 32 /* of one element, namespace declarations included */

struct xml_attr {
    struct rf_view ns; /* empty: none */
    struct rf_view name;
    struct rf_view value;
    const struct xml_attr *next;
};

struct xml_node {
    struct rf_view ns; /* namespace name, empty: none */
    struct rf_view name;
    struct rf_view text; /* character data directly inside, pieces joined, not trimmed */
    struct rf_view raw;  /* from `<` of the start tag through `>` of the end tag; into the document */
    const struct xml_attr *attrs;
    const struct xml_node *children, *next;
};

/* Where one element stands: found by tags.c, in document order. */
struct xml_span {
    size_t begin, end;
    unsigned depth;      /* 0: the root */
    struct rf_view name; /* with its prefix */
};

/* Says why a document is refused: one sentence with NUL, cut to fit; text may be NULL. */
struct conf_error {
    char *text;
    size_t len;
};
/* conf_fail fills the text unless there is one already, and returns `error`. */
int conf_fail(struct conf_error *e, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* xml_spans finds the elements' bytes. Errors: RF_EFORMAT, RF_ELIMIT, RF_ENOMEM. */
int xml_spans(struct rf_view document, struct rf_region *region, struct xml_span **out, size_t *count,
              struct conf_error *e);
/* xml_parse reads a document; everything but `raw` lives in the region. Errors: RF_EFORMAT, RF_ELIMIT, RF_ENOMEM. */
int xml_parse(struct rf_view document, struct rf_region *region, const struct xml_node **root,
              struct conf_error *e);

#endif
