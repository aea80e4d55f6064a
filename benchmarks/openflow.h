/* The part of OpenFlow 1.3 that the programs of the benchmarks need: framing, and messages built byte by byte. */
#ifndef OPENFLOW_H
#define OPENFLOW_H

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum {
    HELLO = 0,
    ERROR = 1,
    ECHO_REQUEST = 2,
    ECHO_REPLY = 3,
    EXPERIMENTER = 4,
    FEATURES_REQUEST = 5,
    FEATURES_REPLY = 6,
    SET_CONFIG = 9,
    PACKET_IN = 10,
    PACKET_OUT = 13,
    FLOW_MOD = 14,
    MULTIPART_REQUEST = 18,
    MULTIPART_REPLY = 19,
    BARRIER_REQUEST = 20,
    BARRIER_REPLY = 21
};

enum { OPENFLOW_HEADER = 8, OPENFLOW_BUFFER = 1 << 22, MAX_MESSAGE_LENGTH = 1 << 16, STALLED_MILLISECONDS = 30000 };

/* Bytes to write; messages are put together here. */
struct output {
    size_t length;
    uint8_t bytes[OPENFLOW_BUFFER];
};

static inline void put(struct output *output, uint64_t value, int bytes) {
    while (bytes--) output->bytes[output->length++] = bytes < 8 ? (uint8_t)(value >> 8 * bytes) : 0;
}

static inline void put_bytes(struct output *output, const void *bytes, size_t count) {
    memcpy(output->bytes + output->length, bytes, count);
    output->length += count;
}

static inline uint64_t get(const uint8_t *bytes, int count) {
    uint64_t value = 0;
    while (count--) value = value << 8 | *bytes++;
    return value;
}

/* Begin a message; its length is put in when it ends. */
static inline size_t begin_message(struct output *output, int type, uint32_t xid) {
    size_t start = output->length;
    put(output, 4, 1);
    put(output, (uint64_t)type, 1);
    put(output, 0, 2);
    put(output, xid, 4);
    return start;
}

static inline void end_message(struct output *output, size_t start) {
    size_t end = output->length;
    output->length = start + 2;
    put(output, end - start, 2);
    output->length = end;
}

static inline void put_message(struct output *output, int type, uint32_t xid) {
    end_message(output, begin_message(output, type, xid));
}

static inline void put_set_mac(struct output *output, uint32_t field, const uint8_t *mac) {
    put(output, 25, 2);
    put(output, 16, 2);
    put(output, field, 4);
    put_bytes(output, mac, 6);
    put(output, 0, 2);
}

static inline void put_output_action(struct output *output, uint32_t port) {
    put(output, 0, 2);
    put(output, 16, 2);
    put(output, port, 4);
    put(output, 0xffff, 2);
    put(output, 0, 6);
}

/* The actions with which the balancer dispatches to a home agent (wire/wire.py); PACKED_ACTIONS bytes. */
enum { PACKED_ACTIONS = 48, OXM_ETH_DST = (int)0x80000606, OXM_ETH_SRC = (int)0x80000806 };
static const uint8_t chassis_mac[6] = {2, 0x51, 0xb7, 0, 0, 1};

static inline void put_dispatch_actions(struct output *output, const uint8_t *home_agent_mac, uint32_t port) {
    put_set_mac(output, (uint32_t)OXM_ETH_SRC, chassis_mac);
    put_set_mac(output, (uint32_t)OXM_ETH_DST, home_agent_mac);
    put_output_action(output, port);
}

/* Write the whole output; -1 when the connection is closed, or the other end has stopped reading. */
static inline int flush(int peer, struct output *output) {
    for (size_t done = 0; done < output->length;) {
        ssize_t wrote = write(peer, output->bytes + done, output->length - done);
        if (wrote < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = peer, .events = POLLOUT};
            if (!poll(&ready, 1, STALLED_MILLISECONDS)) return -1;
        } else if (wrote <= 0)
            return -1;
        else
            done += (size_t)wrote;
    }
    output->length = 0;
    return 0;
}

struct input {
    size_t length;
    uint8_t bytes[OPENFLOW_BUFFER];
};

typedef void handle_message(int type, uint32_t xid, const uint8_t *message, size_t length);

/* Read once and handle every complete message; -1 when the connection is closed. */
static inline int read_messages(int peer, struct input *input, handle_message *handle) {
    ssize_t got = read(peer, input->bytes + input->length, sizeof input->bytes - input->length);
    if (got <= 0) return got < 0 && errno == EAGAIN ? 0 : -1;
    input->length += (size_t)got;
    size_t start = 0;
    while (input->length - start >= OPENFLOW_HEADER) {
        const uint8_t *message = input->bytes + start;
        size_t length = get(message + 2, 2);
        if (length < OPENFLOW_HEADER || length > input->length - start) break;
        handle(message[1], (uint32_t)get(message + 4, 4), message, length);
        start += length;
    }
    memmove(input->bytes, input->bytes + start, input->length -= start);
    return 0;
}

#endif
