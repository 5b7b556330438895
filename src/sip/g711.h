/* g711.h - ITU-T G.711: one 16-bit linear sample to one byte of PCMU (RTP payload type 0) or PCMA (8), and back. */
#ifndef RF_SIP_G711_H
#define RF_SIP_G711_H

#include <stdint.h>

uint8_t g711_to_ulaw(int16_t sample);
int16_t g711_from_ulaw(uint8_t code);
uint8_t g711_to_alaw(int16_t sample);
int16_t g711_from_alaw(uint8_t code);

#endif
