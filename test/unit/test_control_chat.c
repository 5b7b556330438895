/* test_control_chat.c - the commands of conversations as a program at the control socket sees them, on an engine whose answers the test gives. */
#include "test_control_chat.h"
#include "base/text.h"

static const json_t *result_of(const struct desk *d)
{
    return json_object_get(desk_last(d), "result");
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static size_t items(const struct desk *d)
{
    size_t count = 0, i;
    const json_t *line;
    json_array_foreach(d->got, i, line) count += json_object_get(line, "item") != NULL;
    return count;
}

static const json_t *item(const struct desk *d, size_t at)
{
    return json_object_get(json_array_get(d->got, at), "item");
}

/* ---- which conversation ---- */

static void test_ids(void **state)
{
    struct desk *d = *state;
    static const struct {
        const char *id, *code, *said;
    } rows[] = {
        {"ab12", "", "leave ab"},
        {"AB12", "", "leave ab"},
        {"c", "", "leave cd"},
        {"cd000000000000000000000000000000", "", "leave cd"},
        {"@bob", "", "leave cd"},
        {"bob@example.org", "", "leave cd"},
        {"ab", "RF_ECONFLICT", NULL},
        {"", "RF_EINVAL", NULL},
        {"9", "RF_ENOTFOUND", NULL},
        {"cd0000000000000000000000000000001", "RF_EINVAL", NULL},
        {"Team", "RF_EINVAL", NULL}, /* whoever chooses a title must not choose where others write */
        {"@carol", "RF_ENOTFOUND", NULL},
        {"@b c", "RF_EFORMAT", NULL},
    };
    desk_chat(d, "ab12", "Team", RF_CHAT_MEMBER);
    desk_chat(d, "ab34", "bob", RF_CHAT_MEMBER);
    struct rf_chat_info *two = desk_chat(d, "cd", "", RF_CHAT_MEMBER);
    two->direct = true;
    two->peer = rf_view_str("bob@example.org");
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        char args[100];
        snprintf(args, sizeof(args), "'id':'%s'", rows[i].id);
        d->engine.said[0] = '\0';
        desk_say(d, "chat leave", args);
        assert_string_equal(desk_code(d), rows[i].code);
        assert_string_equal(d->engine.said, rows[i].said != NULL ? rows[i].said : "");
        if (rows[i].said == NULL) {
            assert_true(desk_text(d, "text")[0] != '\0' && desk_text(d, "hint")[0] != '\0');
            continue;
        }
        desk_done(d, 0, "", 0);
        assert_non_null(result_of(d));
    }
}

static void test_short_ids(void **state)
{
    struct desk *d = *state;
    static const char *const rows[][2] = {
        {"ab12", "ab1200"}, {"cd3456789", "cd3456789"}, {"cd3456788", "cd3456788"}};
    for (size_t i = 0; i < RF_COUNT(rows); i++)
        desk_chat(d, rows[i][0], "", RF_CHAT_MEMBER);
    desk_say(d, "chat list", "");
    for (size_t i = 0; i < RF_COUNT(rows); i++)
        assert_string_equal(text_at(item(d, i), "short"), rows[i][1]);
}

/* ---- what reaches the engine ---- */

static void test_commands(void **state)
{
    struct desk *d = *state;
    static const char device[] = "01000000000000000000000000000000";
    static const struct {
        const char *cmd, *args, *said;
    } rows[] = {
        {"chat new", "'title':'Team','names':['bob','carol@example.org'],'note':'come'",
         "create 0 [Team] bob@example.org,carol@example.org [come]"},
        {"chat new", "'title':''", "create 0 []  []"},
        {"chat with", "'name':'bob'", "create 1 [] bob@example.org []"},
        {"chat invite", "'id':'ab','names':['bob'],'note':'x'", "invite ab bob@example.org [x]"},
        {"chat accept", "'id':'ab'", "accept ab"},
        {"chat join", "'id':'ab'", "accept ab"},
        {"chat refuse", "'id':'ab'", "refuse ab"},
        {"chat leave", "'id':'ab'", "leave ab"},
        {"chat kick", "'id':'ab','names':['bob']", "kick ab bob@example.org"},
        {"chat role", "'id':'ab','name':'bob','role':'admin'", "role ab bob@example.org 2"},
        {"chat role", "'id':'ab','name':'@bob','role':'member'", "role ab bob@example.org 1"},
        {"chat rename", "'id':'ab','title':'New'", "title ab New"},
        {"chat topic", "'id':'ab','topic':'T'", "topic ab T"},
        {"chat forget", "'id':'ee'", "forget ee"},
        {"chat send", "'id':'ab','text':'hi'", "send ab [hi] to 0 "},
        {"chat send", "'id':'ab','text':'hi','reply_to':'4','mentions':['bob']",
         "send ab [hi] to 5 bob@example.org"},
        {"chat edit", "'id':'ab','message':'#4','text':'ho'", "edit ab 5 [ho]"},
        {"chat delete", "'id':'ab','message':'4'", "delete ab 5"},
        {"chat react", "'id':'ab','message':'4','reaction':'+1'", "react ab 5 +1 1"},
        {"chat react", "'id':'ab','message':'4','reaction':'+1','remove':true", "react ab 5 +1 0"},
        {"contact add", "'name':'bob','note':'me'", "add bob@example.org [me]"},
        {"contact accept", "'name':'bob'", "accept bob@example.org"},
        {"contact refuse", "'name':'bob'", "refuse bob@example.org"},
        {"contact block", "'name':'bob'", "block bob@example.org"},
        {"contact remove", "'name':'bob'", "remove bob@example.org"},
    };
    desk_chat(d, "ab", "Team", RF_CHAT_MEMBER);
    desk_chat(d, "ee", "Old", RF_CHAT_ENDED);
    d->engine.users[d->engine.user_count++] = (struct rf_chat_user){
        .principal = rf_view_str("bob@example.org"), .name = rf_view_str("bob@example.org")};
    desk_entry(d, 4, RF_CHAT_KIND_TEXT, "bob@example.org", "here");
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        desk_say(d, rows[i].cmd, rows[i].args);
        assert_string_equal(d->engine.said, rows[i].said);
        assert_int_equal(json_array_size(d->got), items(d));
        desk_done(d, 0, "", 9);
        assert_non_null(result_of(d));
        /* the same, refused later: the engine's words */
        desk_say(d, rows[i].cmd, rows[i].args);
        desk_done(d, RF_EREMOTE, "the home refuses", 0);
        assert_string_equal(desk_code(d), "RF_EREMOTE");
        assert_string_equal(desk_text(d, "text"), "the home refuses");
        /* the same, refused at once: one answer */
        d->engine.next_error = RF_EBUSY;
        desk_say(d, rows[i].cmd, rows[i].args);
        assert_string_equal(desk_code(d), "RF_EBUSY");
        assert_int_equal(json_array_size(d->got), 1);
    }
    /* the other name of the same message */
    char args[100];
    snprintf(args, sizeof(args), "'id':'ab','message':'%s:77'", device);
    desk_say(d, "chat delete", args);
    assert_string_equal(d->engine.said, "delete ab 77");
    desk_done(d, 0, "", 9);
    snprintf(args, sizeof(args), "%s:9", device);
    assert_string_equal(text_at(result_of(d), "message"), args);
}

static void test_which_message(void **state)
{
    struct desk *d = *state;
    static const struct {
        const char *message, *code;
    } rows[] = {
        {"3", "RF_ENOTFOUND"}, /* somebody joined there */
        {"5", "RF_ENOTFOUND"},
        {"x", "RF_EINVAL"},
        {"", "RF_EINVAL"},
        {"4 ", "RF_EINVAL"},
        {"-4", "RF_EINVAL"},
        {"01:2", "RF_EINVAL"},
        {"99999999999999999999", "RF_EINVAL"},
        {"01000000000000000000000000000000:0", "RF_EINVAL"},
        {"01000000000000000000000000000000:", "RF_EINVAL"},
    };
    desk_chat(d, "ab", "Team", RF_CHAT_MEMBER);
    desk_entry(d, 3, RF_CHAT_KIND_JOINED, "bob@example.org", "carol@example.org");
    desk_entry(d, 4, RF_CHAT_KIND_TEXT, "bob@example.org", "here");
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        char args[100];
        snprintf(args, sizeof(args), "'id':'ab','message':'%s'", rows[i].message);
        desk_say(d, "chat delete", args);
        assert_string_equal(desk_code(d), rows[i].code);
    }
    assert_string_equal(d->engine.said, "");
    d->engine.answer_error = RF_EDATABASE;
    desk_say(d, "chat delete", "'id':'ab','message':'4'");
    assert_string_equal(desk_code(d), "RF_EDATABASE");
}

static void test_refused(void **state)
{
    struct desk *d = *state;
    static const struct {
        enum rf_chat_state state;
        int error;
        const char *code, *text, *hint; /* what must occur */
    } rows[] = {
        {RF_CHAT_INVITED, RF_ENOTYET, "RF_ENOTYET", "invited", "chat accept"},
        {RF_CHAT_JOINING, RF_ENOTYET, "RF_ENOTYET", "on its way", "by itself"},
        {RF_CHAT_ENDED, RF_ECLOSED, "RF_ECLOSED", "ended", "chat history"},
        {RF_CHAT_LEAVING, RF_ECLOSED, "RF_ECLOSED", "leaving", "chat history"},
        {RF_CHAT_MEMBER, RF_ELIMIT, "RF_ELIMIT", "too long", "65536"},
        {RF_CHAT_MEMBER, RF_EFORBIDDEN, "RF_EFORBIDDEN", "admin", "chat members"},
        {RF_CHAT_MEMBER, RF_ENOTFOUND, "RF_ENOTFOUND", "no such conversation", "chat list"},
        {RF_CHAT_MEMBER, RF_ENOMEM, "RF_ENOMEM", "memory", ""},
    };
    struct rf_chat_info *info = desk_chat(d, "ab", "Team", RF_CHAT_MEMBER);
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        info->state = rows[i].state;
        d->engine.next_error = rows[i].error;
        desk_say(d, "chat send", "'id':'ab','text':'hi'");
        assert_string_equal(desk_code(d), rows[i].code);
        assert_non_null(strstr(desk_text(d, "text"), rows[i].text));
        assert_non_null(strstr(desk_text(d, "hint"), rows[i].hint));
    }
    info->state = RF_CHAT_MEMBER;
    desk_say(d, "chat forget", "'id':'ab'");
    assert_non_null(strstr(desk_text(d, "hint"), "chat leave"));
    d->engine.next_error = RF_EFORBIDDEN;
    desk_say(d, "chat leave", "'id':'ab'");
    assert_non_null(strstr(desk_text(d, "hint"), "chat role"));
    desk_say(d, "chat role", "'id':'ab','name':'bob','role':'king'");
    assert_string_equal(desk_code(d), "RF_EINVAL");
    desk_say(d, "chat kick", "'id':'ab','names':['dave']");
    assert_string_equal(desk_code(d), "RF_ENOTFOUND");
    d->no_engine = true;
    desk_say(d, "chat list", "");
    assert_string_equal(desk_code(d), "RF_EUNSUPPORTED");
}

/* two members of a self-signed overlay who claim one name are told apart by their Node-IDs */
static void test_claimed_names(void **state)
{
    struct desk *d = *state;
    static const uint8_t keys[2][16] = {{7, 7}, {8, 8}};
    desk_chat(d, "ab", "Team", RF_CHAT_MEMBER);
    for (size_t i = 0; i < 2; i++)
        d->engine.users[d->engine.user_count++] = (struct rf_chat_user){
            .principal = rf_view_of(keys[i], 16), .name = rf_view_str("bob@example.org"), .device_count = 1};
    desk_say(d, "chat role", "'id':'ab','name':'bob','role':'admin'");
    assert_string_equal(desk_code(d), "RF_ECONFLICT");
    desk_say(d, "chat role", "'id':'ab','name':'08080000000000000000000000000000','role':'admin'");
    assert_memory_equal(d->engine.said, "role ab \x08\x08", 10);
    desk_done(d, 0, "", 0);
    desk_say(d, "chat members", "'id':'ab'");
    assert_string_equal(text_at(item(d, 1), "principal"), "08080000000000000000000000000000");
    assert_string_equal(text_at(item(d, 1), "name"), "bob@example.org");
}

/* ---- waiting ---- */

static void entry_event(struct desk *d, uint64_t sequence, uint64_t index, bool own)
{
    struct rf_keep_entry entry = {.index = index, .kind = RF_CHAT_KIND_TEXT, .text = rf_view_str("hi")};
    struct rf_chat_event event = {
        .type = RF_CHAT_EVENT_ENTRY, .of_conversation = true, .entry = &entry, .own = own};
    memcpy(entry.conversation, d->engine.chats[0].id, RF_CONVERSATION_LEN);
    memcpy(event.conversation, entry.conversation, RF_CONVERSATION_LEN);
    entry.name = (struct rf_keep_name){.device = {.len = 16, .b = {1}}, .sequence = sequence};
    rf_control_chat_event(d->chat, &event);
}

static void test_waiting(void **state)
{
    struct desk *d = *state;
    desk_chat(d, "ab", "Team", RF_CHAT_MEMBER);
    d->offline = true;
    desk_say(d, "chat send", "'id':'ab','text':'hi','wait':true");
    assert_int_equal(json_array_size(d->got), 0);
    desk_done(d, 0, "", 7);
    assert_int_equal(items(d), 1);
    assert_true(json_is_false(json_object_get(item(d, 0), "online")));
    entry_event(d, 8, 20, true); /* another one's */
    entry_event(d, 7, 20, false);
    assert_null(result_of(d));
    entry_event(d, 7, 21, true);
    assert_int_equal(json_integer_value(json_object_get(result_of(d), "index")), 21);
    entry_event(d, 7, 22, true); /* nobody waits any more */
    assert_int_equal(json_array_size(d->got), 2);
    /* a change says at once that it was taken on, and where */
    d->offline = false;
    desk_say(d, "chat new", "'title':'T'");
    assert_string_equal(text_at(item(d, 0), "id"), "ee000000000000000000000000000000");
    assert_string_equal(text_at(item(d, 0), "short"), "ee0000");
    assert_true(json_is_true(json_object_get(item(d, 0), "online")));
    desk_done(d, 0, "", 0);
    /* there is a chat of two already: that one */
    d->engine.next_error = RF_EEXIST;
    desk_say(d, "chat with", "'name':'bob'");
    assert_string_equal(text_at(result_of(d), "id"), "ee000000000000000000000000000000");
    /* the program goes while its message waits, and then the daemon */
    desk_say(d, "chat send", "'id':'ab','text':'hi','wait':true");
    desk_done(d, 0, "", 9);
    rf_control_close(d->control, d->session);
    d->session = rf_control_open(d->control, d);
    desk_say(d, "chat send", "'id':'ab','text':'hi','wait':true");
    desk_done(d, 0, "", 10);
    entry_event(d, 9, 23, true);
    assert_int_equal(json_array_size(d->got), 1);
}

/* ---- reading ---- */

static void test_pages(void **state)
{
    struct desk *d = *state;
    struct rf_chat_info *info = desk_chat(d, "ab", "Team", RF_CHAT_MEMBER);
    for (uint64_t i = 0; i < 50; i++)
        desk_entry(d, i, i % 10 == 0 ? RF_CHAT_KIND_JOINED : RF_CHAT_KIND_TEXT, "bob@example.org", "words");
    desk_entry(d, RF_KEEP_PENDING, RF_CHAT_KIND_TEXT, "alice@example.org", "not yet");
    for (int all = 0; all < 2; all++)
        for (int backwards = 0; backwards < 2; backwards++) {
            char args[200], cursor[64] = "";
            size_t count = 0, pages = 0;
            bool more = true;
            while (more) {
                snprintf(args, sizeof(args), "'id':'ab','limit':7,'all':%s,'backwards':%s%s%s%s",
                         all ? "true" : "false", backwards ? "true" : "false",
                         cursor[0] != '\0' ? ",'cursor':'" : "", cursor, cursor[0] != '\0' ? "'" : "");
                desk_say(d, "chat history", args);
                assert_non_null(result_of(d));
                if (count == 0)
                    assert_int_equal(json_is_null(json_object_get(item(d, 0), "index")), backwards);
                count += items(d);
                more = json_is_true(json_object_get(result_of(d), "more"));
                snprintf(cursor, sizeof(cursor), "%s", text_at(result_of(d), "cursor"));
                assert_true(++pages < 20);
            }
            assert_int_equal(count, all ? 51 : 46);
        }
    desk_say(d, "chat history", "'id':'ab','from':47");
    assert_int_equal(items(d), 4);
    assert_string_equal(text_at(item(d, 0), "time"), "1970-01-01T00:00:48.000Z");
    assert_string_equal(text_at(item(d, 0), "from"), "bob@example.org");
    assert_string_equal(text_at(item(d, 0), "message"), "01000000000000000000000000000000:48");
    /* what is new, and how far it was read then */
    info->read_index = 45;
    info->next_index = 50;
    desk_say(d, "chat list", "");
    assert_int_equal(json_integer_value(json_object_get(item(d, 0), "unread")), 6);
    desk_say(d, "chat read", "'id':'ab','limit':3");
    assert_int_equal(items(d), 3);
    assert_string_equal(d->engine.said, "mark ab 2 47");
    assert_int_equal(json_integer_value(json_object_get(result_of(d), "next")), 48);
    desk_say(d, "chat read", "'id':'ab','limit':10,'from':48");
    assert_int_equal(items(d), 3);
    assert_string_equal(d->engine.said, "mark ab 2 49");
    desk_say(d, "chat search", "'words':'not yet'");
    assert_int_equal(items(d), 1);
    desk_say(d, "chat search", "'words':'words','sender':'carol'");
    assert_int_equal(items(d), 0);
    desk_say(d, "chat export", "'id':'ab','limit':1");
    json_t *line = json_loads(text_at(item(d, 0), "lines"), 0, NULL);
    assert_string_equal(text_at(line, "from"), "bob@example.org");
    json_decref(line);
    desk_say(d, "chat export", "'id':'ab','limit':2,'text':true,'zone_min':60");
    assert_string_equal(text_at(item(d, 1), "lines"), "[1970-01-01 01:00:02] bob@example.org: words\n");
}

static void test_bad_pages(void **state)
{
    struct desk *d = *state;
    static const char *const rows[] = {"'limit':0",   "'limit':1001", "'limit':-1",       "'from':-1",
                                       "'cursor':''", "'cursor':'1'", "'cursor':'1:2:3'", "'cursor':'x:y'"};
    desk_chat(d, "ab", "Team", RF_CHAT_MEMBER);
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        char args[100];
        snprintf(args, sizeof(args), "'id':'ab',%s", rows[i]);
        desk_say(d, "chat history", args);
        assert_string_equal(desk_code(d), "RF_EINVAL");
    }
    desk_say(d, "chat search", "'words':'-x'");
    assert_string_equal(desk_code(d), "RF_EINVAL");
    d->engine.answer_error = RF_EDATABASE;
    desk_say(d, "chat history", "'id':'ab'");
    assert_string_equal(desk_code(d), "RF_EDATABASE");
    d->engine.chats[0].next_index = 4;
    desk_say(d, "chat list", "");
    assert_string_equal(desk_code(d), "RF_EDATABASE");
}

/* ---- people ---- */

static void test_people(void **state)
{
    struct desk *d = *state;
    struct rf_chat_contact *bob = &d->engine.contacts[d->engine.contact_count++];
    *bob = (struct rf_chat_contact){.user = rf_view_str("bob@example.org"),
                                    .state = RF_CHAT_CONTACT_ASKING,
                                    .note = rf_view_str("it is me")};
    desk_say(d, "contact list", "");
    assert_string_equal(text_at(item(d, 0), "note"), "it is me");
    desk_say(d, "presence", "'name':'bob'");
    assert_string_equal(desk_code(d), "RF_ENOTFOUND");
    bob->state = RF_CHAT_CONTACT_ACCEPTED;
    bob->presence = (struct rf_chat_presence){RF_CHAT_BUSY, rf_view_str("meeting"), 1000};
    desk_say(d, "presence", "'name':'bob'");
    assert_string_equal(text_at(result_of(d), "name"), "bob@example.org");
    assert_string_equal(text_at(result_of(d), "state"), "busy");
    desk_say(d, "presence", "'state':'away','text':'lunch'");
    assert_string_equal(d->engine.said, "presence 2 [lunch]");
    assert_string_equal(text_at(result_of(d), "state"), "away");
    static const char *const bad[] = {"'state':'gone'", "'text':'x'", "'name':'bob','state':'away'"};
    for (size_t i = 0; i < RF_COUNT(bad); i++) {
        desk_say(d, "presence", bad[i]);
        assert_string_equal(desk_code(d), "RF_EINVAL");
    }
    d->engine.next_error = RF_EEXIST;
    desk_say(d, "contact add", "'name':'bob'");
    assert_string_equal(desk_code(d), "RF_EEXIST");
    d->engine.next_error = RF_EFORBIDDEN;
    desk_say(d, "contact add", "'name':'bob'");
    assert_non_null(strstr(desk_text(d, "hint"), "contact remove"));
}

/* ---- events ---- */

static void test_events(void **state)
{
    struct desk *d = *state;
    struct rf_keep_entry target = {.name = {.device = {.len = 16, .b = {1}}, .sequence = 3}};
    struct rf_chat_presence away = {RF_CHAT_AWAY, rf_view_str("lunch"), 1000};
    struct rf_view bob = rf_view_str("bob@example.org"), words = rf_view_str("words");
    const struct {
        struct rf_chat_event event;
        const char *type, *key, *value;
    } rows[] = {
        {{.type = RF_CHAT_EVENT_CONVERSATION, .of_conversation = true}, "chat", "title", "Team"},
        {{.type = RF_CHAT_EVENT_INVITED, .of_conversation = true, .user = bob, .text = words},
         "chat_invited",
         "user",
         "bob@example.org"},
        {{.type = RF_CHAT_EVENT_CHANGED, .of_conversation = true, .entry = &target},
         "chat_changed",
         "message",
         "01000000000000000000000000000000:3"},
        {{.type = RF_CHAT_EVENT_MARK, .of_conversation = true, .user = bob, .mark = {RF_CHAT_MARK_READ, 4}},
         "chat_mark",
         "mark",
         "read"},
        {{.type = RF_CHAT_EVENT_MISSED, .of_conversation = true, .count = 5},
         "chat_missed",
         "short",
         "ab0000"},
        {{.type = RF_CHAT_EVENT_DOUBT, .of_conversation = true, .text = words},
         "chat_doubt",
         "text",
         "words"},
        {{.type = RF_CHAT_EVENT_REJOINED, .of_conversation = true}, "chat_rejoined", "state", "member"},
        {{.type = RF_CHAT_EVENT_CONTACT, .user = bob, .contact = RF_CHAT_CONTACT_ASKING, .text = words},
         "contact",
         "state",
         "asking"},
        {{.type = RF_CHAT_EVENT_PRESENCE, .user = bob, .presence = &away},
         "presence",
         "name",
         "bob@example.org"},
        {{.type = RF_CHAT_EVENT_DISK, .error = RF_EDATABASE}, "chat_disk", "error", "RF_EDATABASE"},
    };
    desk_chat(d, "ab", "Team", RF_CHAT_MEMBER);
    entry_event(d, 1, 1, false); /* nobody listens: nothing comes */
    assert_int_equal(json_array_size(d->got), 0);
    desk_say(d, "listen", "");
    for (size_t i = 0; i < RF_COUNT(rows); i++) {
        struct rf_chat_event event = rows[i].event;
        memcpy(event.conversation, d->engine.chats[0].id, RF_CONVERSATION_LEN);
        json_array_clear(d->got);
        rf_control_chat_event(d->chat, &event);
        const json_t *said = json_object_get(desk_last(d), "event");
        assert_string_equal(text_at(said, "type"), rows[i].type);
        assert_string_equal(text_at(said, rows[i].key), rows[i].value);
        assert_int_equal(json_object_get(said, "id") != NULL, event.of_conversation);
    }
    entry_event(d, 1, 1, false);
    assert_string_equal(text_at(json_object_get(desk_last(d), "event"), "text"), "hi");
    assert_string_equal(text_at(json_object_get(desk_last(d), "event"), "kind"), "text");
}

/* ---- little memory: at most one answer, and nothing is lost or left ---- */

static void test_starved(void **state)
{
    struct desk *d = *state;
    static const char *const rows[][2] = {
        {"chat new", "'title':'T','names':['bob']"},
        {"chat send", "'id':'ab','text':'hi','wait':true"},
        {"chat delete", "'id':'ab','message':'4'"},
        {"chat list", ""},
        {"chat history", "'id':'ab'"},
        {"chat export", "'id':'ab','text':true"},
        {"chat members", "'id':'ab'"},
        {"contact add", "'name':'bob'"},
    };
    desk_chat(d, "ab", "Team", RF_CHAT_MEMBER)->next_index = 5;
    desk_entry(d, 4, RF_CHAT_KIND_TEXT, "bob@example.org", "here");
    for (size_t i = 0; i < RF_COUNT(rows); i++)
        for (size_t left = 0; left < 24; left++) {
            d->left = left;
            desk_say(d, rows[i][0], rows[i][1]);
            if (d->engine.done != NULL)
                desk_done(d, 0, "", 5 + left);
            d->left = SIZE_MAX;
            entry_event(d, 5 + left, 5, true);
            size_t ends = 0, k;
            const json_t *line;
            json_array_foreach(d->got, k, line) ends +=
                json_object_get(line, "result") != NULL || json_object_get(line, "error") != NULL;
            assert_true(ends <= 1);
            desk_say(d, "chat members", "'id':'ab'");
            assert_non_null(result_of(d));
        }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, desk_open, desk_close)
    const struct CMUnitTest tests[] = {
        T(test_ids),     T(test_short_ids), T(test_commands), T(test_which_message),
        T(test_refused), T(test_waiting),   T(test_pages),    T(test_bad_pages),
        T(test_people),  T(test_events),    T(test_starved),  T(test_claimed_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
