/* report_style.h - the style sheet of the page. */
#ifndef RF_SIM_REPORT_STYLE_H
#define RF_SIM_REPORT_STYLE_H

extern const char sim_report_style[];

#endif
