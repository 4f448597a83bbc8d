// What the C side of the library and its Go side say to each other.

#ifndef FIELDCRYPT_ANALYSIS_H
#define FIELDCRYPT_ANALYSIS_H

#include <stdint.h>

// The outcome of an analysis. bson and explanation are memory of malloc's; one of them is set.
typedef struct {
    uint8_t *bson;
    uint32_t len;
    int32_t code; // 0: out of memory
    char *explanation;
} fieldcrypt_outcome;

#endif
