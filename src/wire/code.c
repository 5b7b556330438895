/* code.c - names of code points. */
#include "wire/code.h"

#define NAME_CASE(name, number, text)                                                                        \
    case number:                                                                                             \
        return text;

const char *rf_code_name(uint16_t code)
{
    switch (code) {
        RF_CODES(NAME_CASE)
    default:
        return "unknown";
    }
}

const char *rf_error_code_name(uint16_t code)
{
    switch (code) {
        RF_ERROR_CODES(NAME_CASE)
    default:
        return "unknown";
    }
}

const char *rf_overlay_link_name(uint8_t overlay_link)
{
    switch (overlay_link) {
    case RF_OVERLAY_LINK_DTLS_UDP_SR:
        return "DTLS-UDP-SR";
    case RF_OVERLAY_LINK_DTLS_UDP_SR_NO_ICE:
        return "DTLS-UDP-SR-NO-ICE";
    case RF_OVERLAY_LINK_TLS_TCP_FH_NO_ICE:
        return "TLS-TCP-FH-NO-ICE";
    case RF_OVERLAY_LINK_EXP:
        return "EXP-LINK";
    default:
        return "unknown";
    }
}

const char *rf_kind_name(uint32_t kind)
{
    switch (kind) {
    case RF_KIND_SIP_REGISTRATION:
        return "SIP-REGISTRATION";
    case RF_KIND_TURN_SERVICE:
        return "TURN-SERVICE";
    case RF_KIND_CERTIFICATE_BY_NODE:
        return "CERTIFICATE_BY_NODE";
    case RF_KIND_ACCESS_CONTROL_LIST:
        return "ACCESS-CONTROL-LIST";
    case RF_KIND_CERTIFICATE_BY_USER:
        return "CERTIFICATE_BY_USER";
    case RF_KIND_REDIR:
        return "REDIR";
    case RF_KIND_ROSTER:
        return "ROSTER";
    case RF_KIND_LOG:
        return "LOG";
    case RF_KIND_INBOX:
        return "INBOX";
    case RF_KIND_PRESENCE:
        return "PRESENCE";
    case RF_KIND_KEY_PACKAGE:
        return "KEY-PACKAGE";
    case RF_KIND_DOOR:
        return "CONVERSATION-DOOR";
    default:
        return kind >= 0xf0000001 && kind <= 0xfffffffe ? "private" : "unknown";
    }
}
