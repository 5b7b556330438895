/*
 * code.h - the code points of RELOAD: message codes, error codes and the small registries, with their names.
 * RFC 6940 section 14; reload.md 1.11-1.13.
 */
#ifndef RF_WIRE_CODE_H
#define RF_WIRE_CODE_H

#include <stdbool.h>
#include <stdint.h>

/* Message codes (reload.md 1.11): X(name, number, text). Requests are odd, the answer is request + 1. */
#define RF_CODES(X)                                                                                          \
    X(RF_CODE_PROBE_REQ, 0x01, "probe_req")                                                                  \
    X(RF_CODE_PROBE_ANS, 0x02, "probe_ans")                                                                  \
    X(RF_CODE_ATTACH_REQ, 0x03, "attach_req")                                                                \
    X(RF_CODE_ATTACH_ANS, 0x04, "attach_ans")                                                                \
    X(RF_CODE_STORE_REQ, 0x07, "store_req")                                                                  \
    X(RF_CODE_STORE_ANS, 0x08, "store_ans")                                                                  \
    X(RF_CODE_FETCH_REQ, 0x09, "fetch_req")                                                                  \
    X(RF_CODE_FETCH_ANS, 0x0a, "fetch_ans")                                                                  \
    X(RF_CODE_FIND_REQ, 0x0d, "find_req")                                                                    \
    X(RF_CODE_FIND_ANS, 0x0e, "find_ans")                                                                    \
    X(RF_CODE_JOIN_REQ, 0x0f, "join_req")                                                                    \
    X(RF_CODE_JOIN_ANS, 0x10, "join_ans")                                                                    \
    X(RF_CODE_LEAVE_REQ, 0x11, "leave_req")                                                                  \
    X(RF_CODE_LEAVE_ANS, 0x12, "leave_ans")                                                                  \
    X(RF_CODE_UPDATE_REQ, 0x13, "update_req")                                                                \
    X(RF_CODE_UPDATE_ANS, 0x14, "update_ans")                                                                \
    X(RF_CODE_ROUTE_QUERY_REQ, 0x15, "route_query_req")                                                      \
    X(RF_CODE_ROUTE_QUERY_ANS, 0x16, "route_query_ans")                                                      \
    X(RF_CODE_PING_REQ, 0x17, "ping_req")                                                                    \
    X(RF_CODE_PING_ANS, 0x18, "ping_ans")                                                                    \
    X(RF_CODE_STAT_REQ, 0x19, "stat_req")                                                                    \
    X(RF_CODE_STAT_ANS, 0x1a, "stat_ans")                                                                    \
    X(RF_CODE_APP_ATTACH_REQ, 0x1d, "app_attach_req")                                                        \
    X(RF_CODE_APP_ATTACH_ANS, 0x1e, "app_attach_ans")                                                        \
    X(RF_CODE_CONFIG_UPDATE_REQ, 0x21, "config_update_req")                                                  \
    X(RF_CODE_CONFIG_UPDATE_ANS, 0x22, "config_update_ans")                                                  \
    X(RF_CODE_EXP_A_REQ, 0x23, "exp_a_req")                                                                  \
    X(RF_CODE_EXP_A_ANS, 0x24, "exp_a_ans")                                                                  \
    X(RF_CODE_EXP_B_REQ, 0x25, "exp_b_req")                                                                  \
    X(RF_CODE_EXP_B_ANS, 0x26, "exp_b_ans")                                                                  \
    X(RF_CODE_PATH_TRACK_REQ, 0x27, "path_track_req")                                                        \
    X(RF_CODE_PATH_TRACK_ANS, 0x28, "path_track_ans")                                                        \
    X(RF_CODE_ERROR, 0xffff, "error")

/* Error codes (reload.md 1.12). */
#define RF_ERROR_CODES(X)                                                                                    \
    X(RF_ERROR_FORBIDDEN, 0x02, "Error_Forbidden")                                                           \
    X(RF_ERROR_NOT_FOUND, 0x03, "Error_Not_Found")                                                           \
    X(RF_ERROR_REQUEST_TIMEOUT, 0x04, "Error_Request_Timeout")                                               \
    X(RF_ERROR_GENERATION_COUNTER_TOO_LOW, 0x05, "Error_Generation_Counter_Too_Low")                         \
    X(RF_ERROR_INCOMPATIBLE_WITH_OVERLAY, 0x06, "Error_Incompatible_with_Overlay")                           \
    X(RF_ERROR_UNSUPPORTED_FORWARDING_OPTION, 0x07, "Error_Unsupported_Forwarding_Option")                   \
    X(RF_ERROR_DATA_TOO_LARGE, 0x08, "Error_Data_Too_Large")                                                 \
    X(RF_ERROR_DATA_TOO_OLD, 0x09, "Error_Data_Too_Old")                                                     \
    X(RF_ERROR_TTL_EXCEEDED, 0x0a, "Error_TTL_Exceeded")                                                     \
    X(RF_ERROR_MESSAGE_TOO_LARGE, 0x0b, "Error_Message_Too_Large")                                           \
    X(RF_ERROR_UNKNOWN_KIND, 0x0c, "Error_Unknown_Kind")                                                     \
    X(RF_ERROR_UNKNOWN_EXTENSION, 0x0d, "Error_Unknown_Extension")                                           \
    X(RF_ERROR_RESPONSE_TOO_LARGE, 0x0e, "Error_Response_Too_Large")                                         \
    X(RF_ERROR_CONFIG_TOO_OLD, 0x0f, "Error_Config_Too_Old")                                                 \
    X(RF_ERROR_CONFIG_TOO_NEW, 0x10, "Error_Config_Too_New")                                                 \
    X(RF_ERROR_IN_PROGRESS, 0x11, "Error_In_Progress")                                                       \
    X(RF_ERROR_EXP_A, 0x12, "Error_Exp_A")                                                                   \
    X(RF_ERROR_EXP_B, 0x13, "Error_Exp_B")                                                                   \
    X(RF_ERROR_INVALID_MESSAGE, 0x14, "Error_Invalid_Message")                                               \
    X(RF_ERROR_UNDERLAY_DESTINATION_UNREACHABLE, 0x15, "Error_Underlay_Destination_Unreachable")             \
    X(RF_ERROR_UNDERLAY_TIME_EXCEEDED, 0x16, "Error_Underlay_Time_Exceeded")                                 \
    X(RF_ERROR_MESSAGE_EXPIRED, 0x17, "Error_Message_Expired")                                               \
    X(RF_ERROR_UPSTREAM_MISROUTING, 0x18, "Error_Upstream_Misrouting")                                       \
    X(RF_ERROR_LOOP_DETECTED, 0x19, "Error_Loop_Detected")                                                   \
    X(RF_ERROR_TTL_HOPS_EXCEEDED, 0x1a, "Error_TTL_Hops_Exceeded")

#define RF_CODE_ENUM_(name, number, text) name = number,
enum rf_code { RF_CODES(RF_CODE_ENUM_) };
enum rf_error_code { RF_ERROR_CODES(RF_CODE_ENUM_) };

/* The names return fixed text (borrowed, never NULL; "unknown" for an unassigned number). */
const char *rf_code_name(uint16_t code);
const char *rf_error_code_name(uint16_t code);

static inline bool rf_code_is_error(uint16_t code)
{
    return code == RF_CODE_ERROR;
}
/* rf_code_is_request: odd and not the error code; known or not. Everything else but 0 is a response. */
static inline bool rf_code_is_request(uint16_t code)
{
    return (code & 1) != 0 && code != RF_CODE_ERROR;
}
static inline bool rf_code_is_response(uint16_t code)
{
    return code != 0 && !rf_code_is_request(code);
}

/* Forwarding options (1.13). */
enum rf_option_type { RF_OPTION_EXP_FORWARD = 1, RF_OPTION_EXTENSIVE_ROUTING_MODE = 2 };
enum rf_option_flag {
    RF_OPTION_FORWARD_CRITICAL = 0x01,
    RF_OPTION_DESTINATION_CRITICAL = 0x02,
    RF_OPTION_RESPONSE_COPY = 0x04,
    RF_OPTION_IGNORE_STATE_KEEPING = 0x08, /* RFC 7263 */
};

enum rf_extension_type {
    RF_EXTENSION_EXP = 1,
    RF_EXTENSION_DIAGNOSTIC_PING = 2,  /* RFC 7851 */
    RF_EXTENSION_SELF_TUNING_DATA = 3, /* RFC 7363 */
};

enum rf_overlay_link {
    RF_OVERLAY_LINK_DTLS_UDP_SR = 1,
    RF_OVERLAY_LINK_DTLS_UDP_SR_NO_ICE = 3,
    RF_OVERLAY_LINK_TLS_TCP_FH_NO_ICE = 4,
    RF_OVERLAY_LINK_EXP = 5,
};
/* rf_overlay_link_name returns "DTLS-UDP-SR" and so on, "unknown". */
const char *rf_overlay_link_name(uint8_t overlay_link);

enum rf_application { RF_APPLICATION_SIP = 5060, RF_APPLICATION_SIPS = 5061 };

enum rf_probe_type {
    RF_PROBE_RESPONSIBLE_SET = 1, /* u32, share of the ring, parts per billion */
    RF_PROBE_NUM_RESOURCES = 2,   /* u32 */
    RF_PROBE_UPTIME = 3,          /* u32 seconds */
    RF_PROBE_EXP = 4,
};

/* Registered Kinds (4.8). Macros, since Kind-IDs take all of 32 bits. */
#define RF_KIND_SIP_REGISTRATION    UINT32_C(0x1)
#define RF_KIND_TURN_SERVICE        UINT32_C(0x2)
#define RF_KIND_CERTIFICATE_BY_NODE UINT32_C(0x3)
#define RF_KIND_ACCESS_CONTROL_LIST UINT32_C(0x4)
#define RF_KIND_CERTIFICATE_BY_USER UINT32_C(0x10)
#define RF_KIND_REDIR               UINT32_C(0x104)
/* Ours, docs/protocol/conversations.md. A roster is passed on before what it guards. */
#define RF_KIND_ROSTER      UINT32_C(0xf0000011)
#define RF_KIND_LOG         UINT32_C(0xf0000012)
#define RF_KIND_INBOX       UINT32_C(0xf0000013)
#define RF_KIND_PRESENCE    UINT32_C(0xf0000014)
#define RF_KIND_KEY_PACKAGE UINT32_C(0xf0000015)
#define RF_KIND_DOOR        UINT32_C(0xf0000016)
/* rf_kind_name returns the registered name, that of one of ours, "private", or "unknown". */
const char *rf_kind_name(uint32_t kind);

#endif
