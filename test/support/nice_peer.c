/*
 * nice_peer.c - an agent of libnice that speaks the lines of ice_shell.c: the witness at the other end.
 *
 *     nice_peer [-c] [-b IP] [-s STUN-IP:PORT] [-t TURN-IP:PORT -u USER -p PASSWORD] [-r] [-a] [-k SECONDS]        -a: aggressive nomination
 */
#include <nice/agent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static NiceAgent *agent;
static GMainLoop *loop;
static guint stream;
static gint64 started, heard;
static unsigned heard_count;
static int stay;

static int kind_of(NiceCandidateType type)
{
    return type == NICE_CANDIDATE_TYPE_HOST ? 1 : type == NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE ? 2 : 4;
}

static void gathered(NiceAgent *a, guint s, gpointer data)
{
    gchar *ufrag, *pass, ip[NICE_ADDRESS_STRING_LEN];
    int count = 0;
    (void)data;
    nice_agent_get_local_credentials(a, s, &ufrag, &pass);
    printf("local %s %s ", ufrag, pass);
    GSList *list = nice_agent_get_local_candidates(a, s, 1);
    for (GSList *i = list; i != NULL; i = i->next) {
        NiceCandidate *c = i->data;
        if (c->transport != NICE_CANDIDATE_TRANSPORT_UDP)
            continue;
        nice_address_to_string(&c->addr, ip);
        printf("%s%s,%u,%s:%u,%d", count++ > 0 ? ";" : "", c->foundation, c->priority, ip,
               nice_address_get_port(&c->addr), kind_of(c->type));
    }
    printf("\n");
    fflush(stdout);
    g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
    g_free(ufrag);
    g_free(pass);
}

static gboolean say(gpointer data)
{
    const char text[] = "hello from nice_peer";
    (void)data;
    nice_agent_send(agent, stream, 1, sizeof(text) - 1, text);
    if (heard == 0 || g_get_monotonic_time() < started + stay * G_USEC_PER_SEC + 600000)
        return TRUE;
    if (g_get_monotonic_time() - heard < G_USEC_PER_SEC)
        printf("alive\n");
    g_main_loop_quit(loop);
    return FALSE;
}

static void changed(NiceAgent *a, guint s, guint component, guint state, gpointer data)
{
    static gboolean connected;
    NiceCandidate *local, *remote;
    (void)data;
    if (state == NICE_COMPONENT_STATE_FAILED) {
        printf("failed libnice\n");
        fflush(stdout);
        g_main_loop_quit(loop);
    }
    if (connected || (state != NICE_COMPONENT_STATE_CONNECTED && state != NICE_COMPONENT_STATE_READY) ||
        !nice_agent_get_selected_pair(a, s, component, &local, &remote))
        return;
    connected = TRUE;
    gboolean relayed =
        local->type == NICE_CANDIDATE_TYPE_RELAYED || remote->type == NICE_CANDIDATE_TYPE_RELAYED;
    printf("selected %.1f %s\n", (double)(g_get_monotonic_time() - started) / 1000,
           relayed ? "relayed" : "direct");
    fflush(stdout);
    g_timeout_add(100, say, NULL);
}

static void received(NiceAgent *a, guint s, guint component, guint len, gchar *bytes, gpointer data)
{
    (void)a;
    (void)s;
    (void)component;
    (void)data;
    heard = g_get_monotonic_time();
    if (heard_count++ == 0)
        printf("data %.*s\n", (int)len, bytes);
    fflush(stdout);
}

static NiceCandidate *candidate(char *text)
{
    NiceCandidate *c = nice_candidate_new(NICE_CANDIDATE_TYPE_HOST);
    char foundation[NICE_CANDIDATE_MAX_FOUNDATION], ip[64];
    unsigned priority, port, kind;
    if (sscanf(text, "%31[^,],%u,%63[^:]:%u,%u", foundation, &priority, ip, &port, &kind) != 5)
        exit(2);
    memcpy(c->foundation, foundation, sizeof(foundation));
    c->type = kind == 1   ? NICE_CANDIDATE_TYPE_HOST
              : kind == 2 ? NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE
                          : NICE_CANDIDATE_TYPE_RELAYED;
    c->transport = NICE_CANDIDATE_TRANSPORT_UDP;
    c->priority = priority;
    c->stream_id = stream;
    c->component_id = 1;
    nice_address_set_from_string(&c->addr, ip);
    nice_address_set_port(&c->addr, port);
    return c;
}

static gboolean told(GIOChannel *source, GIOCondition condition, gpointer data)
{
    static char line[8192], ufrag[300], pass[300], list[8192];
    GSList *candidates = NULL;
    char *rest = NULL;
    (void)source;
    (void)condition;
    (void)data;
    if (fgets(line, sizeof(line), stdin) == NULL) {
        g_main_loop_quit(loop);
        return FALSE;
    }
    if (sscanf(line, "remote %299s %299s %8191s", ufrag, pass, list) != 3)
        exit(2);
    started = g_get_monotonic_time();
    nice_agent_set_remote_credentials(agent, stream, ufrag, pass);
    for (char *one = strtok_r(list, ";", &rest); one != NULL; one = strtok_r(NULL, ";", &rest))
        candidates = g_slist_append(candidates, candidate(one));
    if (nice_agent_set_remote_candidates(agent, stream, 1, candidates) < 1)
        exit(2);
    g_slist_free_full(candidates, (GDestroyNotify)nice_candidate_free);
    return FALSE;
}

static char *port_of(char *address)
{
    char *colon = strrchr(address, ':');
    *colon = '\0';
    return colon + 1;
}

int main(int argc, char **argv)
{
    gboolean controlling = FALSE, aggressive = FALSE, relay_only = FALSE;
    const char *bind_ip = "127.0.0.1";
    char *stun = NULL, *turn = NULL, *user = NULL, *pass = NULL;
    for (int o; (o = getopt(argc, argv, "cb:s:t:u:p:rak:")) != -1;) {
        controlling = controlling || o == 'c';
        aggressive = aggressive || o == 'a';
        relay_only = relay_only || o == 'r';
        bind_ip = o == 'b' ? optarg : bind_ip;
        stun = o == 's' ? optarg : stun;
        turn = o == 't' ? optarg : turn;
        user = o == 'u' ? optarg : user;
        pass = o == 'p' ? optarg : pass;
        stay = o == 'k' ? atoi(optarg) : stay;
    }
    loop = g_main_loop_new(NULL, FALSE);
    agent =
        nice_agent_new_full(g_main_loop_get_context(loop), NICE_COMPATIBILITY_RFC5245,
                            NICE_AGENT_OPTION_CONSENT_FRESHNESS |
                                (aggressive ? NICE_AGENT_OPTION_NONE : NICE_AGENT_OPTION_REGULAR_NOMINATION));
    g_object_set(agent, "controlling-mode", controlling, "upnp", FALSE, "ice-tcp", FALSE, "force-relay",
                 relay_only, NULL);
    if (stun != NULL) {
        unsigned port = (unsigned)atoi(port_of(stun));
        g_object_set(agent, "stun-server", stun, "stun-server-port", port, NULL);
    }
    NiceAddress local;
    nice_address_init(&local);
    nice_address_set_from_string(&local, bind_ip);
    nice_agent_add_local_address(agent, &local);
    stream = nice_agent_add_stream(agent, 1);
    if (turn != NULL) {
        unsigned port = (unsigned)atoi(port_of(turn));
        nice_agent_set_relay_info(agent, stream, 1, turn, port, user, pass, NICE_RELAY_TYPE_TURN_UDP);
    }
    g_signal_connect(agent, "candidate-gathering-done", G_CALLBACK(gathered), NULL);
    g_signal_connect(agent, "component-state-changed", G_CALLBACK(changed), NULL);
    nice_agent_attach_recv(agent, stream, 1, g_main_loop_get_context(loop), received, NULL);
    g_io_add_watch(g_io_channel_unix_new(0), G_IO_IN | G_IO_HUP, told, NULL);
    if (!nice_agent_gather_candidates(agent, stream))
        return 2;
    g_main_loop_run(loop);
    return heard != 0 ? 0 : 1;
}
