#!/bin/bash
# natlab.sh - a laboratory of NATs made of network namespaces.
#
#   natlab.sh up   SITE=TYPE[,OPTION...] ...   build the public net and the sites
#   natlab.sh exec NAME COMMAND...             run COMMAND as host (or gateway) NAME
#   natlab.sh status                           namespaces, addresses, live flows
#   natlab.sh flows SITE                       how many flows the site's gateway has open
#   natlab.sh blocked SITE                     the guests that a hotel has cut off
#   natlab.sh reset SITE                       the gateway forgets all flows: it was switched off and on
#   natlab.sh renumber SITE ADDRESS            the gateway gets another public address, and forgets all flows
#   natlab.sh move HOST SITE ADDRESS           the host goes to another site's network, with that address
#   natlab.sh guard SECONDS                    removes everything when stdin ends, or after so long
#   natlab.sh down [--kill]                    remove everything this script built
#
# Every link is a veth pair, or, with delay=, a program between two TAP devices; nothing is added to the root namespace:
#
#   [a] 10.1.0.10 --- [a-gw] 198.51.100.11 ---+
#   [b] 10.2.0.10 --- [b-gw] 198.51.100.12 ---+--- [pub] 198.51.100.1 and .2
#   [c] 198.51.100.13 (type open) ------------+
#   [d] 10.4.0.10 --- [d-gw] 10.1.0.204 ------ a-gw's inside     (d=port,behind=a: a NAT behind a NAT)
#
# A site "a" is one host "a" behind one gateway "a-gw"; with hosts=3 its hosts are "a", "a.2" and "a.3". "pub" has two addresses, so that
# RFC 5780 discovery works against a server there.
#
# TYPE         mapping (RFC 4787)      filtering (RFC 4787)
#   open       none: the host itself has the public address
#   cone       endpoint independent    endpoint independent        ("full cone")
#   restricted endpoint independent    address dependent
#   port       endpoint independent    address and port dependent  (home router)
#   symmetric  address and port dep.   address and port dependent
#   hotel      as symmetric, with limit=200,block=900,timeout=30
#   tcponly    as symmetric, but every UDP packet is dropped
#   tlsonly    as tcponly, and STUN inside TCP does not pass either (known by its magic cookie)
#
# OPTION
#   hosts=N     N hosts behind the one NAT                                          (default 1)
#   behind=SITE the gateway is a guest of that site, named before this one          (default: in the public net)
#   limit=N     a guest may have N flows; the next one is dropped ...               (default: no limit)
#   block=S     ... and the guest is cut off, every packet, for S seconds           (default 0: only that flow is dropped)
#   timeout=S   forget idle UDP flows after S seconds                               (default 120)
#   tcp=S       forget idle TCP connections after S seconds                         (default 7440, RFC 5382's least)
#   ports=A+B   only these TCP ports outside                                        (default all)
#   loss=P      drop P percent of the packets, each way                             (default 0)
#   delay=MS    that long each way; needs NATLAB_WIRE, the program natlab_wire      (default 0)
#   v6          IPv6 as well, 2001:db8:SITE::/64: no NAT, a firewall that lets nothing in unasked
#
# NATLAB_PREFIX (default "nl-") is put before every namespace name, so that laboratories can stand side by side. Needs root, iproute2,
# nftables and conntrack. TCP is translated alike by all types: nothing comes in unasked.
set -euo pipefail

prefix=${NATLAB_PREFIX:-nl-}
wire=${NATLAB_WIRE:-natlab_wire}
net=198.51.100
net6=2001:db8

die() { echo "natlab: $*" >&2; exit 1; }
ns() { echo "$prefix$1"; }
in_ns() { local n=$prefix$1; shift; ip netns exec "$n" "$@"; }
all_ns() { ip netns list | awk -v p="$prefix" 'index($1, p) == 1 { print $1 }'; }

# new_ns NAME [SETTING...]: a namespace with its loopback up; IPv6 is off until the site asks for it
new_ns() {
    local n=$1
    shift
    ip netns add "$(ns "$n")"
    ip -n "$(ns "$n")" link set lo up
    in_ns "$n" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.accept_dad=0 "$@"
}

# cable NS IF PEER_NS PEER_IF DELAY_MS: a link between two namespaces
cable() {
    if [ "$5" = 0 ]; then
        ip link add "$2" netns "$(ns "$1")" type veth peer name "$4" netns "$(ns "$3")"
    else
        "$wire" "$(ns "$1")" "$2" "$(ns "$3")" "$4" "$5" # stays in the background until one of the two is gone
    fi
    ip -n "$(ns "$1")" link set "$2" up
    ip -n "$(ns "$3")" link set "$4" up
}

# plug NS IF PEER_NS BRIDGE DELAY_MS: connects interface IF of NS to a bridge of PEER_NS
plug() {
    local port="p-$1"
    cable "$1" "$2" "$3" "${port:0:15}" "$5"
    ip -n "$(ns "$3")" link set "${port:0:15}" master "$4"
}

# bridge NS IF ADDRESS...
bridge() {
    local n br=$2 a
    n=$(ns "$1")
    shift 2
    ip -n "$n" link add "$br" address 02:00:00:00:00:01 type bridge # else it changes when somebody is plugged in
    ip -n "$n" link set "$br" up
    for a in "$@"; do ip -n "$n" addr add "$a" dev "$br"; done
}

# The rules of a gateway; "lan" is its inside, "wan" its outside. What comes in unasked must die in the input hook: if it reached the gateway's
# own stack it would leave an entry behind, which takes the port that an inside host is about to use and makes a symmetric NAT of a cone.
ruleset() {
    local masquerade="masquerade" learn="" dnat=""
    case $type in
    cone | restricted)
        # which inside socket owns which outside port, and whom it has sent something
        learn='oifname "wan" meta l4proto udp update @owner { udp sport : ct original ip saddr . ct original proto-src }
        oifname "wan" meta l4proto udp update @known { ip daddr . udp sport }'
        dnat='iifname "wan" meta l4proto udp dnat ip to udp dport map @owner'
        [ "$type" = cone ] || dnat='iifname "wan" ip saddr . udp dport @known dnat ip to udp dport map @owner'
        ;;
    port) ;;
    *) masquerade="masquerade fully-random" ;;
    esac
    local over="" ports_rule=""
    [ "$limit" = 0 ] || over="iifname \"lan\" ct state new add @guests { ip saddr ct count over $limit }"
    if [ "$limit" != 0 ] && [ "$block" != 0 ]; then over="$over add @blocked { ip saddr timeout ${block}s }"; fi
    [ "$limit" = 0 ] || over="$over counter drop"
    [ -z "$ports" ] || ports_rule="iifname \"lan\" tcp dport != { ${ports//+/, } } counter drop"
    cat <<END
    table ip natlab {
        map owner { type inet_service : ipv4_addr . inet_service; size 65535; flags dynamic,timeout; timeout ${timeout}s; }
        set known { type ipv4_addr . inet_service; size 65535; flags dynamic,timeout; timeout ${timeout}s; }
        set guests { type ipv4_addr; size 1024; flags dynamic; }
        set blocked { type ipv4_addr; size 1024; flags dynamic,timeout; }
        chain prerouting { type nat hook prerouting priority dstnat
            $dnat
        }
        chain postrouting { type nat hook postrouting priority srcnat
            oifname "wan" $masquerade
        }
        chain learn { type filter hook postrouting priority srcnat + 10
            $learn
        }
        chain input { type filter hook input priority filter
            iifname "wan" ct state new drop
        }
        chain forward { type filter hook forward priority filter; policy drop
            $([ "$loss" = 0 ] || echo "numgen random mod 1000 < $((loss * 10)) counter drop")
            $([ "$type" != tcponly ] && [ "$type" != tlsonly ] || echo "meta l4proto udp counter drop")
            $([ "$type" != tlsonly ] || echo "meta l4proto tcp @th,288,32 0x2112a442 counter drop")
            ip saddr @blocked counter drop
            ip daddr @blocked counter drop
            ct state established,related accept
            $over
            $ports_rule
            iifname "lan" accept
            ct status dnat accept
        }
    }
    table ip6 natlab {
        chain forward { type filter hook forward priority filter; policy drop
            ct state established,related accept
            iifname "lan" accept
        }
    }
END
}

# with_v6 NS INTERFACE ADDRESS [GATEWAY]
with_v6() {
    local n
    n=$(ns "$1")
    in_ns "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf."$2".disable_ipv6=0
    ip -n "$n" addr add "$3" dev "$2" nodad
    [ -z "${4-}" ] || ip -n "$n" route add default via "$4"
}

# host NAME GATEWAY INDEX NUMBER: one host of a site
host() {
    new_ns "$1"
    plug "$1" eth0 "$2" lan 0
    ip -n "$(ns "$1")" addr add "10.$3.0.$((9 + $4))/24" dev eth0
    ip -n "$(ns "$1")" route add default via "10.$3.0.1"
    [ "$v6" = 0 ] || with_v6 "$1" eth0 "$net6:$3::$((9 + $4))/64" "$net6:$3::1"
}

open_site() {
    new_ns "$site"
    plug "$site" eth0 pub br0 "$delay"
    ip -n "$(ns "$site")" addr add "$net.$((10 + i))/24" dev eth0
    ip -n "$(ns "$site")" route add default via "$net.1"
    [ "$v6" = 0 ] || with_v6 "$site" eth0 "$net6::$((10 + i))/64" "$net6::1"
}

nat_site() {
    local gw="$site-gw" h n
    n=$(ns "$gw")
    new_ns "$gw" net.ipv4.ip_forward=1
    if [ "$behind" = pub ]; then
        plug "$gw" wan pub br0 "$delay"
        ip -n "$n" addr add "$net.$((10 + i))/24" dev wan
        ip -n "$n" route add default via "$net.1"
    else
        local outer=${index_of[$behind]-}
        [ -n "$outer" ] || die "site '$site' is behind '$behind', which is no site with a NAT named before it"
        plug "$gw" wan "$behind-gw" lan "$delay"
        ip -n "$n" addr add "10.$outer.0.$((200 + i))/24" dev wan
        ip -n "$n" route add default via "10.$outer.0.1"
    fi
    bridge "$gw" lan "10.$i.0.1/24"
    ruleset | in_ns "$gw" nft -f -
    in_ns "$gw" sysctl -qw net.netfilter.nf_conntrack_udp_timeout="$timeout" \
        net.netfilter.nf_conntrack_udp_timeout_stream="$timeout" net.netfilter.nf_conntrack_tcp_timeout_established="$tcp"
    if [ "$v6" = 1 ]; then
        [ "$behind" = pub ] || die "site '$site': v6 behind another site is not supported"
        with_v6 "$gw" wan "$net6::$((10 + i))/64" "$net6::1"
        with_v6 "$gw" lan "$net6:$i::1/64"
        in_ns "$gw" sysctl -qw net.ipv6.conf.all.forwarding=1
        ip -n "$(ns pub)" route add "$net6:$i::/64" via "$net6::$((10 + i))"
    fi
    for ((h = 1; h <= hosts; h++)); do
        if [ "$h" = 1 ]; then host "$site" "$gw" "$i" 1; else host "$site.$h" "$gw" "$i" "$h"; fi
    done
}

# make_site OPTION...: site, type and i are set
make_site() {
    local hosts=1 behind=pub limit=0 block=0 timeout=120 tcp=7440 ports="" loss=0 delay=0 v6=0 o
    if [ "$type" = hotel ]; then limit=200 block=900 timeout=30; fi
    for o in "$@"; do
        case $o in
        hosts=* | behind=* | limit=* | block=* | timeout=* | tcp=* | ports=* | loss=* | delay=*) local "$o" ;;
        v6) v6=1 ;;
        *) die "unknown option '$o' of site '$site'" ;;
        esac
    done
    if [ "$type" = open ]; then open_site; else nat_site; index_of[$site]=$i; fi
}

cmd_up() {
    [ $# -gt 0 ] || die "up: name at least one site, e.g. a=port b=symmetric"
    [ -z "$(all_ns)" ] || die "already up (natlab.sh down first)"
    local spec site type i=0
    local -A index_of
    trap 'trap - EXIT; cmd_down --kill' EXIT # half a laboratory is worse than none
    new_ns pub
    bridge pub br0 "$net.1/24" "$net.2/24"
    with_v6 pub br0 "$net6::1/64"
    in_ns pub sysctl -qw net.ipv6.conf.all.forwarding=1
    # The rest of the Internet, to which private addresses go to vanish. Without it a send to one fails at once with ENETUNREACH, which makes some
    # servers (coturn) close the whole allocation.
    ip -n "$(ns pub)" link add void type veth peer name abyss
    ip -n "$(ns pub)" link set void up arp off
    ip -n "$(ns pub)" link set abyss up arp off
    ip -n "$(ns pub)" route add default dev void
    for spec in "$@"; do
        site=${spec%%=*}
        [[ $spec == *=* && $site =~ ^[a-z][a-z0-9]{0,7}$ && $site != pub ]] || die "bad site '$spec'"
        IFS=, read -r -a rest <<<"${spec#*=}"
        type=${rest[0]}
        case $type in
        open | cone | restricted | port | symmetric | hotel | tcponly | tlsonly) ;;
        *) die "unknown type '$type' of site '$site'" ;;
        esac
        i=$((i + 1))
        make_site "${rest[@]:1}"
    done
    trap - EXIT
}

cmd_down() {
    local n p
    for n in $(all_ns); do
        for p in $(ip netns pids "$n"); do
            [ "${1-}" = --kill ] || [ "$(cat "/proc/$p/comm" 2>/dev/null)" = natlab_wire ] ||
                die "process $p still runs in $n (down --kill ends it)"
            kill -9 "$p" 2>/dev/null || true
        done
    done
    for n in $(all_ns); do ip netns del "$n"; done
}

cmd_guard() {
    trap '' TERM INT
    read -r -t "$1" || true
    cmd_down --kill
}

cmd_exec() {
    [ $# -ge 2 ] || die "exec: NAME COMMAND..."
    local n
    n=$(ns "$1")
    shift
    exec ip netns exec "$n" "$@"
}

# Connections that are closed linger in the table; a gateway that counts does not count them.
cmd_flows() { in_ns "$1-gw" conntrack -L 2>/dev/null | grep -Evc 'TIME_WAIT|CLOSE' || true; }
cmd_blocked() { in_ns "$1-gw" nft -j list set ip natlab blocked | grep -Eo '10\.[0-9]+\.[0-9]+\.[0-9]+' || true; }
cmd_reset() { in_ns "$1-gw" conntrack -F 2>/dev/null; }

cmd_renumber() {
    local n
    n=$(ns "$1-gw")
    ip -4 -n "$n" addr flush dev wan
    ip -n "$n" addr add "$2/24" dev wan
    ip -n "$n" route replace default via "${2%.*}.1"
    cmd_reset "$1"
}

cmd_move() {
    local n
    n=$(ns "$1")
    ip -n "$n" link del eth0
    plug "$1" eth0 "$2-gw" lan 0
    ip -n "$n" addr add "$3/24" dev eth0
    ip -n "$n" route replace default via "${3%.*}.1"
}

cmd_status() {
    local n
    for n in $(all_ns); do
        printf '%-12s %s' "${n#"$prefix"}" "$(ip -n "$n" -o addr show scope global | awk '{ printf "%s ", $4 }')"
        case $n in *-gw) n=${n#"$prefix"} && printf 'flows=%s' "$(cmd_flows "${n%-gw}")" ;; esac
        echo
    done
}

main() {
    local c=${1-}
    [ $# -eq 0 ] || shift
    case $c in
    up | down | exec | flows | blocked | reset | renumber | move | guard | status) ;;
    *)
        sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"
        [ "$c" = help ]
        exit
        ;;
    esac
    [ "$(id -u)" = 0 ] || die "needs root"
    "cmd_$c" "$@"
}

main "$@"
