/* test_enrol_name.c - user names, reserved names, invite codes. */
#include "test_enrol.h"

static const struct {
    const char *text;
    int error;
    const char *name;
} names[] = {
    {"alice", RF_OK, "alice@example.org"},
    {"Alice", RF_OK, "alice@example.org"},
    {"alice@example.org", RF_OK, "alice@example.org"},
    {"ALICE@EXAMPLE.Org", RF_OK, "alice@example.org"},
    {"a", RF_OK, "a@example.org"},
    {"0", RF_OK, "0@example.org"},
    {"a.b_c+d-9", RF_OK, "a.b_c+d-9@example.org"},
    {"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl", RF_OK,
     "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl@example.org"},
    {"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklm", RF_ELIMIT, NULL},
    {"", RF_EFORMAT, NULL},
    {"@example.org", RF_EFORMAT, NULL},
    {".alice", RF_EFORMAT, NULL},
    {"-alice", RF_EFORMAT, NULL},
    {"al ice", RF_EFORMAT, NULL},
    {"alice\r\n", RF_EFORMAT, NULL},
    {"alice.", RF_EFORMAT, NULL},
    {"al..ice", RF_EFORMAT, NULL},
    {"al.i.ce", RF_OK, "al.i.ce@example.org"},
    {"alice.@example.org", RF_EFORMAT, NULL},
    {"\xc3\xa4lice", RF_EFORMAT, NULL},
    {"\xd0\xb0lice", RF_EFORMAT, NULL},     /* a Cyrillic letter that looks like an a */
    {"\xef\xbd\x81lice", RF_EFORMAT, NULL}, /* a wide one */
    {"ali\xe2\x80\x8b"
     "ce",
     RF_EFORMAT, NULL}, /* a space without width */
    {"alice';DROP TABLE enrol_user;--", RF_EFORMAT, NULL},
    {"%61lice", RF_EFORMAT, NULL},
    {"alice;gr=1", RF_EFORMAT, NULL},
    {"sip:alice", RF_EFORMAT, NULL},
    {"alice@", RF_EMISMATCH, NULL},
    {"alice@example.com", RF_EMISMATCH, NULL},
    {"alice@example.org.", RF_EMISMATCH, NULL},
    {"alice@example.org@example.org", RF_EMISMATCH, NULL},
};

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < RF_COUNT(names); i++) {
        char out[RF_ENROL_NAME_SIZE];
        int e = rf_enrol_name(rf_view_str(names[i].text), OVERLAY, out);
        if (e != names[i].error || (e == RF_OK && strcmp(out, names[i].name) != 0))
            fail_msg("\"%s\": %d", names[i].text, e);
    }
    char out[RF_ENROL_NAME_SIZE];
    assert_int_equal(rf_enrol_name(rf_view_of("al\0ice", 6), OVERLAY, out), RF_EFORMAT);
}

static void test_reserved(void **state)
{
    (void)state;
    assert_true(rf_enrol_name_reserved("echo@example.org"));
    assert_true(rf_enrol_name_reserved("config@example.org"));
    assert_false(rf_enrol_name_reserved("echo1@example.org"));
    assert_false(rf_enrol_name_reserved("ech@example.org"));
    assert_false(rf_enrol_name_reserved("alice@echo.example"));
}

static void test_codes(void **state)
{
    struct world w;
    char code[RF_ENROL_INVITE_CODE_LEN + 1], other[RF_ENROL_INVITE_CODE_LEN + 1], spaced[64];
    uint8_t hash[RF_ENROL_HASH_LEN], hash2[RF_ENROL_HASH_LEN];
    size_t len = 0;
    (void)state;
    world_init(&w);
    rf_enrol_invite_code(&w.rng.rng, code);
    rf_enrol_invite_code(&w.rng.rng, other);
    assert_int_equal(strlen(code), RF_ENROL_INVITE_CODE_LEN);
    assert_string_not_equal(code, other);
    assert_int_equal(rf_enrol_invite_hash(w.crypto, rf_view_str(code), hash), RF_OK);
    for (size_t i = 0; code[i]; i++) { /* as a person would write it down */
        if (i > 0 && i % 5 == 0)
            spaced[len++] = i % 2 ? '-' : ' ';
        spaced[len++] = code[i] == '0'   ? 'O'
                        : code[i] == '1' ? 'l'
                        : code[i] >= 'a' ? (char)(code[i] - 32)
                                         : code[i];
    }
    assert_int_equal(rf_enrol_invite_hash(w.crypto, rf_view_of(spaced, len), hash2), RF_OK);
    assert_memory_equal(hash, hash2, sizeof(hash));
    assert_int_equal(rf_enrol_invite_hash(w.crypto, rf_view_of(code, 25), hash2), RF_EFORMAT);
    code[3] = 'u'; /* not of the alphabet */
    assert_int_equal(rf_enrol_invite_hash(w.crypto, rf_view_str(code), hash2), RF_EFORMAT);
    code[3] = code[3] == 'x' ? 'y' : 'x';
    assert_int_equal(rf_enrol_invite_hash(w.crypto, rf_view_str(code), hash2), RF_OK);
    assert_memory_not_equal(hash, hash2, sizeof(hash));
    world_deinit(&w);
}

int test_enrol_name(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_reserved),
        cmocka_unit_test(test_codes),
    };
    return cmocka_run_group_tests_name("enrol names", tests, NULL, NULL);
}
