/* parse.h - what the files that read the configuration document share. */
#ifndef RF_CONF_PARSE_H
#define RF_CONF_PARSE_H

#include "conf/conf.h"
#include "conf/xml.h"

#define NS_BASE   "urn:ietf:params:xml:ns:p2p:config-base"
#define NS_CHORD  "urn:ietf:params:xml:ns:p2p:config-chord"
#define NS_TUNING "urn:ietf:params:xml:ns:p2p:self-tuning"
#define NS_SIP    "urn:ietf:params:xml:ns:p2p:config-base:sip"
#define NS_SHARE  "urn:ietf:params:xml:ns:p2p:config-base:share"
#define NS_REDIR  "urn:ietf:params:xml:ns:p2p:redir"

struct parse {
    struct rf_crypto *crypto;
    struct rf_conf *conf;
    struct rf_region scratch; /* the tree; freed in the end */
    bool examine;             /* what we lack is noted in conf->unmet and does not end it */
    struct conf_error e;
};

bool xml_is(const struct xml_node *node, const char *ns, const char *name);
/* xml_attr_find finds an attribute without namespace, NULL: absent. */
const struct xml_attr *xml_attr_find(const struct xml_node *node, const char *name);
/* parse_attrs_known: every attribute without namespace is one of `names` (up to NULL). */
int parse_attrs_known(struct parse *p, const struct xml_node *node, const char *const *names);
/* parse_no_text: nothing but white space stands between the children. */
int parse_no_text(struct parse *p, const struct xml_node *node);
size_t xml_count_children(const struct xml_node *node, const char *ns, const char *name);
/* parse_bad_value says that an element's value is not what it should be. */
int parse_bad_value(struct parse *p, const struct xml_node *node);
int parse_no_memory(struct parse *p);
/* parse_unmet: the document asks for something that we lack. RF_EUNSUPPORTED, or 0 if it is only examined. */
int parse_unmet(struct parse *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* parse_uint reads an element's text as a number. */
int parse_uint(struct parse *p, const struct xml_node *node, uint64_t min, uint64_t max, uint64_t *out);

/* parse_fields reads the children of <configuration> (fields.c). */
int parse_fields(struct parse *p, const struct xml_node *configuration);
/* parse_kind_block reads a <kind-block> (kind.c). */
int parse_kind_block(struct parse *p, const struct xml_node *block, struct rf_kind_def *out);
/* conf_kind_signer checks a kind-signature and tells who made it. Errors: RF_EFORBIDDEN that is no kind-signer of the document (or
 * it has none), RF_ESIGNATURE, those of rf_verify (conf.c). */
int conf_kind_signer(const struct rf_conf *conf, const struct rf_kind_def *kind, struct rf_trust *trust,
                     uint64_t wall_ms, struct rf_id *out);

#endif
