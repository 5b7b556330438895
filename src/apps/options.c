/* options.c - the words behind a program's name. */
#include "apps/options.h"
#include <string.h>

/* "--name", "-n", each perhaps with "=value"; "-5 degrees" and "-" are words */
static bool looks_like_option(const char *word)
{
    if (word[0] != '-')
        return false;
    const char *name = word + (word[1] == '-' ? 2 : 1);
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz-");
    return len > 0 && (name[len] == '\0' || name[len] == '=');
}

/* the row that `word` names; *value behind its "=", or NULL */
static int find(const char *word, const struct app_option *options, size_t count, const char **value)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(options[i].name);
        if (options[i].name[0] != '-' || strncmp(word, options[i].name, len) != 0)
            continue;
        *value = word[len] == '=' ? word + len + 1 : NULL;
        if (word[len] == '\0' || word[len] == '=')
            return (int)i;
    }
    return APP_WRONG;
}

/* reads argv[at], which names row `row`, and its value; how many words that took, or 0: wrong */
static int take(const struct app_option *option, int left, char **argv, const char **value,
                char wrong[APP_WRONG_SIZE])
{
    if (option->value == NULL && *value == NULL)
        return 1;
    if (option->value == NULL) {
        snprintf(wrong, APP_WRONG_SIZE, "%s takes no value", option->name);
        return 0;
    }
    if (*value != NULL)
        return 1;
    if (left < 2) {
        snprintf(wrong, APP_WRONG_SIZE, "%s lacks its value: %s %s", option->name, option->name,
                 option->value);
        return 0;
    }
    *value = argv[1];
    return 2;
}

int app_next(struct app_words *words, const struct app_option *options, size_t count)
{
    if (!words->words_only && words->at < words->argc && strcmp(words->argv[words->at], "--") == 0) {
        words->words_only = true;
        words->at++;
    }
    if (words->at >= words->argc)
        return APP_END;
    const char *word = words->argv[words->at];
    if (words->words_only || !looks_like_option(word)) {
        words->value = word;
        words->at++;
        return APP_WORD;
    }
    int row = find(word, options, count, &words->value);
    if (row < 0) {
        snprintf(words->wrong, sizeof(words->wrong), "there is no option %.*s", (int)strcspn(word, "="),
                 word);
        return APP_WRONG;
    }
    int took =
        take(&options[row], words->argc - words->at, words->argv + words->at, &words->value, words->wrong);
    words->at += took;
    return took > 0 ? row : APP_WRONG;
}

int app_globals(int argc, char **argv, const struct app_option *options, size_t count, const char **values,
                char wrong[APP_WRONG_SIZE])
{
    int kept = 1;
    for (int i = 1; i < argc;) {
        const char *value = NULL;
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc)
                argv[kept++] = argv[i++];
            break;
        }
        int row = find(argv[i], options, count, &value);
        if (row < 0) {
            argv[kept++] = argv[i++];
            continue;
        }
        int took = take(&options[row], argc - i, argv + i, &value, wrong);
        if (took == 0)
            return -1;
        values[row] = value != NULL ? value : "";
        i += took;
    }
    argv[kept] = NULL;
    return kept;
}

bool app_wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

void app_print_options(FILE *out, const struct app_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int len = fprintf(out, "  %s%s%s", options[i].name, options[i].value != NULL ? " " : "",
                          options[i].value != NULL ? options[i].value : "");
        fprintf(out, "%*s  %s\n", len < 28 ? 28 - len : 0, "", options[i].help);
    }
}
