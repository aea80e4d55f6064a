/* The registration requests of a storm: mobile after mobile, each with the time at which it was sent. */
#ifndef REGISTRATION_H
#define REGISTRATION_H

#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    REGISTRATION_PORT = 434,
    MOBILES = 1 << 22,
    MAX_REQUEST_LENGTH = 128,
    IDENTIFICATION_AT = 16,
    NAI_AT = 26,
    NAI_LENGTH = 28,
    REQUEST_LENGTH = NAI_AT + NAI_LENGTH + 22
};

static inline uint64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void fail(const char *what) {
    perror(what);
    exit(1);
}

/* Registration request (RFC 5944, 3.3), NAI extension (RFC 2794), MN-HA authentication with a zero authenticator. The
 * identification is as large as a time stamp of 2026 (RFC 5944, 5.7.1), and its low bits are the sender's monotonic clock:
 * a receiver on the same machine can compute the delay from it. */
static const uint64_t TIMESTAMP = 0xee00000000000000u, TIME_MASK = 0x00ffffffffffffffu;

static inline size_t write_request(uint8_t *message, unsigned mobile) {
    static const uint8_t head[IDENTIFICATION_AT] = {1, 0, 2, 88, 0, 0, 0, 0, 0, 0, 0, 0, 10, 1, 1, 101};
    uint64_t identification = htobe64(TIMESTAMP | nanoseconds());
    char nai[NAI_LENGTH + 1];
    snprintf(nai, sizeof nai, "mobile%07u@storm.example.", mobile % MOBILES);
    memset(message, 0, REQUEST_LENGTH);
    memcpy(message, head, sizeof head);
    memcpy(message + IDENTIFICATION_AT, &identification, 8);
    message[NAI_AT - 2] = 131;
    message[NAI_AT - 1] = NAI_LENGTH;
    memcpy(message + NAI_AT, nai, NAI_LENGTH);
    message[NAI_AT + NAI_LENGTH] = 32;
    message[NAI_AT + NAI_LENGTH + 1] = 20;
    return REQUEST_LENGTH;
}

/* The number of the mobile that sent a request, and the time; -1 for a packet that is no request of a storm. */
static inline long read_request(const uint8_t *message, size_t length, uint64_t *sent) {
    unsigned mobile = 0;
    if (length < REQUEST_LENGTH || memcmp(message + NAI_AT, "mobile", 6)) return -1;
    for (int digit = 6; digit < 13; digit++) mobile = mobile * 10 + (message[NAI_AT + digit] - '0');
    memcpy(sent, message + IDENTIFICATION_AT, 8);
    *sent = be64toh(*sent) & TIME_MASK;
    return mobile < MOBILES ? (long)mobile : -1;
}

/* Counts of requests by delay in microseconds; longer delays than MAX_DELAY, about a second, count as MAX_DELAY. */
enum { MAX_DELAY = 1 << 20 };
struct delays {
    unsigned long total;
    uint32_t of[MAX_DELAY];
};

static inline void note_delay(struct delays *delays, uint64_t sent, uint64_t now) {
    uint64_t delay = now > sent ? (now - sent) / 1000 : 0;
    delays->of[delay < MAX_DELAY ? delay : MAX_DELAY - 1]++;
    delays->total++;
}

/* In milliseconds. */
static inline double percentile(const struct delays *delays, double share) {
    unsigned long below = 0;
    for (unsigned delay = 0; delay < MAX_DELAY; delay++)
        if ((below += delays->of[delay]) >= delays->total * share) return delay / 1e3;
    return MAX_DELAY / 1e3;
}

static inline void print_delays(const struct delays *delays) {
    printf("\"p50\": %.3f, \"p99\": %.3f, \"p999\": %.3f, \"longest\": %.3f", percentile(delays, .5),
           percentile(delays, .99), percentile(delays, .999), percentile(delays, 1));
}

#endif
