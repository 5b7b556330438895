/* re.h - libre's headers. They are not self-contained and want to be told what a C99 compiler has. */
#ifndef RF_SIP_RE_H
#define RF_SIP_RE_H

#ifndef HAVE_STDBOOL_H
#define HAVE_STDBOOL_H 1
#endif
#ifndef HAVE_INTTYPES_H
#define HAVE_INTTYPES_H 1
#endif
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
/* not re.h: its re_json.h and jansson use the same names */
#include <re/re_types.h>
#include <re/re_fmt.h>
#include <re/re_mbuf.h>
#include <re/re_list.h>
#include <re/re_mem.h>
#include <re/re_hash.h>
#include <re/re_sa.h>
#include <re/re_sys.h>
#include <re/re_net.h>
#include <re/re_main.h>
#include <re/re_mqueue.h>
#include <re/re_tmr.h>
#include <re/re_udp.h>
#include <re/re_tcp.h>
#include <re/re_uri.h>
#include <re/re_msg.h>
#include <re/re_md5.h>
#include <re/re_httpauth.h>
#include <re/re_sip.h>
#include <re/re_rtp.h>
#include <re/re_sdp.h>

#endif
