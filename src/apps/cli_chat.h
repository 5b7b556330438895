/* cli_chat.h - the inside of `ringfolk chat`, `contact` and `presence`: what they print, and pages. */
#ifndef RF_APPS_CLI_CHAT_H
#define RF_APPS_CLI_CHAT_H

#include "apps/cli.h"

/* ---- cli_chat_show.c: for people. Objects were cleaned (chat_clean) before. ---- */

/* chat_clean is cli_clean, but the text of a message keeps its lines. */
void chat_clean(json_t *object);
/* chat_who is how a person is called where there is only this overlay: without what comes behind the @; of a Node-ID the first digits. */
const char *chat_who(const char *principal, char out[80]);
/* chat_when is a time (RFC 3339) in this computer's zone, without the date if that is today. */
const char *chat_when(const char *time, char out[32]);
/* chat_short is the beginning of a conversation's id that people write: the daemon's, else eight digits. */
const char *chat_short(const json_t *object, char out[40]);
void chat_show_entry(const json_t *entry); /* a line or more of the history */
void chat_show_found(const json_t *entry); /* the same with its conversation in front */
void chat_show_chat(const json_t *chat);   /* a line of `chat list` */
void chat_show_member(const json_t *member);
void chat_show_contact(const json_t *contact);
void chat_show_presence(const json_t *presence);

/* ---- cli_chat_pages.c: commands that ask for one page after the other ---- */

int chat_run_history(const struct cli *cli, const struct cli_command *self, int argc, char **argv);
int chat_run_read(const struct cli *cli, const struct cli_command *self, int argc, char **argv);
int chat_run_search(const struct cli *cli, const struct cli_command *self, int argc, char **argv);
int chat_run_export(const struct cli *cli, const struct cli_command *self, int argc, char **argv);

#endif
