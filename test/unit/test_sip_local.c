/* test_sip_local.c - calls of the daemon itself: commands, audio played and recorded, the echo service. */
#include "test_sip.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "sip/codec.h"
#include "sip/wav.h"

struct world {
    struct sip_net *net;
    struct sip_node *a, *b;
    char folder[64], play[96], record[96], record2[96];
};

/* a second of a 440 Hz tone, told apart from silence */
static void write_tone(const char *path)
{
    struct wav_writer w;
    const char *why = "";
    int16_t samples[WAV_RATE];
    for (int i = 0; i < WAV_RATE; i++)
        samples[i] = (int16_t)(12000 * sin(i * 2 * 3.14159265 * 440 / WAV_RATE));
    assert_int_equal(wav_create(&w, path, &why), 0);
    assert_int_equal(wav_put(&w, 0, samples, WAV_RATE), 0);
    wav_close(&w);
}

static struct world world_new(const char *second, bool echo)
{
    struct world w = {.net = net_new(), .folder = "/tmp/test_sip_XXXXXX"};
    assert_non_null(mkdtemp(w.folder));
    snprintf(w.play, sizeof(w.play), "%s/in.wav", w.folder);
    snprintf(w.record, sizeof(w.record), "%s/out.wav", w.folder);
    snprintf(w.record2, sizeof(w.record2), "%s/out2.wav", w.folder);
    write_tone(w.play);
    w.a = net_add(w.net, "alice@example.org", false);
    w.b = net_add(w.net, second, echo);
    return w;
}

static void world_free(struct world *w)
{
    net_free(w->net);
    unlink(w->play);
    unlink(w->record);
    unlink(w->record2);
    rmdir(w->folder);
}

static void command(struct world *w, struct sip_node *node, const char *name, const char *args)
{
    char line[2048];
    snprintf(line, sizeof(line), "{\"id\":1,\"cmd\":\"%s\",\"args\":{%s}}", name, args);
    net_command(w->net, node, line);
}

static long number_after(const char *text, const char *key)
{
    const char *p = strstr(text, key);
    return p != NULL ? strtol(p + strlen(key), NULL, 10) : -1;
}

/* how much of the recording is the tone: samples that are loud */
static size_t loud(const char *path, size_t *count)
{
    struct wav_audio audio;
    const char *why = "";
    size_t n = 0;
    assert_int_equal(wav_load(rf_mem_system(), path, &audio, &why), 0);
    for (size_t i = 0; i < audio.count; i++)
        n += abs(audio.samples[i]) > 3000;
    *count = audio.count;
    rf_free(rf_mem_system(), audio.samples);
    return n;
}

static void echo_service(void **state)
{
    struct world w = world_new("echo@example.org", false); /* its name is enough */
    char args[512];
    size_t from = 0, count;
    (void)state;
    snprintf(args, sizeof(args), "\"name\":\"echo\",\"play\":\"%s\",\"record\":\"%s\"", w.play, w.record);
    command(&w, w.a, "call", args);
    assert_true(net_wait_line(w.net, w.a, &from, "\"state\":\"calling\"", 2000));
    assert_true(net_wait_line(w.net, w.a, &from, "\"state\":\"answered\"", 2000));
    assert_true(net_wait_line(w.net, w.a, &from, "\"result\":", 6000)); /* ends by itself after the file */
    const char *result = w.a->lines + from;
    assert_non_null(strstr(result, "\"reason\":\"the file was played\""));
    long sent = number_after(result, "\"sent\":"), received = number_after(result, "\"received\":");
    assert_true(sent >= 90 && sent <= 115); /* 2 s in packets of 20 ms */
    assert_true(received >= sent - 10 && received <= sent);
    assert_int_equal(number_after(result, "\"lost\":"), 0);
    assert_true(number_after(result, "\"rtt_us\":") > 0);
    assert_true(loud(w.record, &count) > WAV_RATE / 2);
    assert_true(count > (size_t)WAV_RATE * 3 / 2);
    assert_int_equal(net_counter(w.b, "calls_in"), 1);
    /* what was offered first was taken */
    size_t formats;
    bool opus = strcmp(codec_formats(&formats)->name, "opus") == 0;
    const char *wire = net_sniffed(w.net), *answer = strstr(wire, "SIP/2.0 200");
    assert_non_null(strstr(wire, opus ? "RTP/AVP 96 0 8" : "RTP/AVP 0 8"));
    assert_non_null(answer);
    assert_non_null(strstr(answer, opus ? "RTP/AVP 96" : "RTP/AVP 0"));
    assert_true(!opus || strstr(answer, "a=rtpmap:96 opus/48000/2") != NULL);
    world_free(&w);
}

static void daemon_to_daemon(void **state)
{
    struct world w = world_new("bob@example.org", false);
    char args[512];
    size_t a = 0, b = 0, count;
    (void)state;
    command(&w, w.b, "listen", "");
    assert_true(net_wait_line(w.net, w.b, &b, "result", 1000));
    snprintf(args, sizeof(args), "\"name\":\"bob\",\"play\":\"%s\",\"for\":2", w.play);
    command(&w, w.a, "call", args);
    assert_true(net_wait_line(
        w.net, w.b, &b, "\"direction\":\"incoming\",\"peer\":\"alice@example.org\",\"state\":\"ringing\"",
        2000));
    assert_true(net_wait_line(w.net, w.a, &a, "\"state\":\"ringing\"", 2000));
    command(&w, w.b, "calls", "");
    assert_true(net_wait_line(w.net, w.b, &b, "\"item\":{\"call\":\"", 2000));
    char id[16];
    snprintf(id, sizeof(id), "%.*s", (int)strcspn(w.b->lines + b, "\""), w.b->lines + b);
    assert_true(net_wait_line(w.net, w.b, &b, "\"result\"", 2000));
    snprintf(args, sizeof(args), "\"call\":\"%s\",\"record\":\"%s\"", id, w.record);
    command(&w, w.b, "answer", args);
    assert_true(net_wait_line(w.net, w.a, &a, "\"state\":\"answered\"", 2000));
    assert_true(net_wait_line(w.net, w.a, &a, "\"reason\":\"time is up\"", 4000));
    assert_true(net_wait_line(w.net, w.b, &b, "\"reason\":\"hung up by the other side\",\"media\"", 2000));
    assert_true(loud(w.record, &count) > WAV_RATE / 2);
    world_free(&w);
}

static void command_to_phone_and_back(void **state)
{
    struct world w = world_new("bob@example.org", false);
    struct phone *bob = phone_new(w.net, w.b, "bob", false);
    struct phone_call in, out;
    size_t a = 0;
    (void)state;
    assert_int_equal(phone_register(bob, "secret", 600), 200);
    command(&w, w.a, "call", "\"name\":\"bob@example.org\"");
    assert_true(phone_take(bob, &in, 2000));
    assert_non_null(strstr(in.invite, "m=audio "));
    phone_reply(bob, in.invite, 486, "Busy Here", in.to_tag, "");
    assert_true(net_wait_line(w.net, w.a, &a, "\"error\":{\"code\":\"RF_EREMOTE\",\"text\":\"busy\"}", 2000));
    command(&w, w.a, "call", "\"name\":\"bob\"");
    assert_true(phone_take(bob, &in, 2000));
    phone_reply(bob, in.invite, 200, "OK", in.to_tag, SDP_B);
    assert_non_null(phone_wait(bob, "ACK", 2000));
    assert_true(net_wait_line(w.net, w.a, &a, "\"state\":\"answered\"", 2000));
    phone_bye(bob, &in);
    assert_true(net_wait_line(w.net, w.a, &a, "\"reason\":\"hung up by the other side\"", 2000));
    /* no codec in common */
    command(&w, w.a, "call", "\"name\":\"bob\"");
    assert_true(phone_take(bob, &in, 2000));
    phone_reply(bob, in.invite, 200, "OK", in.to_tag,
                "v=0\r\no=- 2 2 IN IP4 127.0.0.1\r\ns=b\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40002 "
                "RTP/AVP 9\r\n");
    assert_non_null(phone_wait(bob, "BYE", 2000));
    assert_true(net_wait_line(w.net, w.a, &a, "no common media", 2000));
    /* and a phone calls a daemon that listens; it is rejected */
    command(&w, w.a, "listen", "");
    phone_invite(bob, &out, "alice", SDP_A);
    assert_true(net_wait_line(w.net, w.a, &a, "\"direction\":\"incoming\"", 2000));
    assert_non_null(phone_wait(bob, "SIP/2.0 180", 2000));
    const char *start = strstr(w.a->lines + a - 60, "\"call\":\"");
    char args[64];
    assert_non_null(start);
    snprintf(args, sizeof(args), "\"call\":\"%.*s\"", (int)strcspn(start + 8, "\""), start + 8);
    command(&w, w.a, "hangup", args);
    assert_non_null(phone_wait(bob, "SIP/2.0 603", 2000));
    phone_ack(bob, &out, out.branch);
    assert_true(net_wait_line(w.net, w.a, &a, "\"reason\":\"rejected\"", 2000));
    phone_free(bob);
    world_free(&w);
}

/* whoever gave the command is gone: so is the call */
static void session_goes_away(void **state)
{
    struct world w = world_new("bob@example.org", false);
    struct phone *bob = phone_new(w.net, w.b, "bob", false);
    struct phone_call in;
    (void)state;
    assert_int_equal(phone_register(bob, "secret", 600), 200);
    command(&w, w.a, "call", "\"name\":\"bob\"");
    assert_true(phone_take(bob, &in, 2000));
    phone_reply(bob, in.invite, 200, "OK", in.to_tag, SDP_B);
    assert_non_null(phone_wait(bob, "ACK", 2000));
    rf_control_close(w.a->control, w.a->session);
    w.a->session = NULL;
    assert_non_null(phone_wait(bob, "BYE", 2000));
    phone_free(bob);
    world_free(&w);
}

static void bad_files_and_names(void **state)
{
    static const struct {
        const char *cmd, *args, *answer;
    } rows[] = {
        {"call", "\"name\":\"bob\",\"play\":\"/nonexistent.wav\"", "/nonexistent.wav: there is no such file"},
        {"call", "\"name\":\"bob\",\"play\":\"/etc/passwd\"", "/etc/passwd: it is not a WAV file"},
        {"call", "\"name\":\"bob\",\"record\":\"/nonexistent/x.wav\"", "its folder does not exist"},
        {"call", "\"name\":\"bob\",\"for\":0", "1 to 86400"},
        {"call", "\"name\":\"b@b@b\"", "no user name"},
        {"call", "\"name\":\"nobody\"", "no such user"},
        {"call", "\"name\":\"bob\"", "not available"}, /* nobody listens there */
        {"answer", "\"call\":\"c99\"", "no such call is ringing here"},
        {"hangup", "\"call\":\"c99\"", "no such call"},
        {"calls", "", "\"result\":{}"},
    };
    struct world w = world_new("bob@example.org", false);
    size_t from = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        command(&w, w.a, rows[i].cmd, rows[i].args);
        if (!net_wait_line(w.net, w.a, &from, rows[i].answer, 2000))
            fail_msg("%s %s: %s", rows[i].cmd, rows[i].args, w.a->lines + from);
    }
    assert_int_equal(net_counter(w.b, "calls_in"), 1); /* bad files are told before anything rings */
    world_free(&w);
}

/* the daemon ends in the middle of a call: the command gets its answer, the recording can be read */
static void ends_while_recording(void **state)
{
    struct world w = world_new("echo@example.org", false);
    char args[512];
    size_t from = 0, count;
    (void)state;
    snprintf(args, sizeof(args), "\"name\":\"echo\",\"play\":\"%s\",\"record\":\"%s\",\"for\":30", w.play,
             w.record);
    command(&w, w.a, "call", args);
    assert_true(net_wait_line(w.net, w.a, &from, "\"state\":\"answered\"", 2000));
    for (int i = 0; i < 40; i++)
        net_turn(w.net, -1, 20);
    net_remove(w.net, w.a);
    assert_true(loud(w.record, &count) > 0);
    world_free(&w);
}

int test_sip_local(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo_service),
        cmocka_unit_test(daemon_to_daemon),
        cmocka_unit_test(command_to_phone_and_back),
        cmocka_unit_test(session_goes_away),
        cmocka_unit_test(bad_files_and_names),
        cmocka_unit_test(ends_while_recording),
    };
    return cmocka_run_group_tests_name("sip local", tests, NULL, NULL);
}
