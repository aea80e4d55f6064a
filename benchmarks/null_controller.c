/* A controller without decisions: it returns every registration request to the switch, to one home agent after the
 * other. Its rate is the upper bound for any controller with this switch on this machine.
 *
 *   null_controller ADDRESS PORT VIRTUAL-ADDRESS MAC...
 *
 * The home agents with these Ethernet addresses are at the switch's ports 2, 3 and so on.
 */
#include "openflow.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { MAX_HOME_AGENTS = 16, FIRST_PORT = 2 };

static struct output output;
static struct input input;
static uint8_t virtual_address[4];
static uint8_t home_agents[MAX_HOME_AGENTS][6];
static unsigned known, turn;

static void put_flow_mod(unsigned priority, uint32_t port, int requests_only) {
    size_t start = begin_message(&output, FLOW_MOD, 0);
    put(&output, 0, 8 + 8 + 2 + 4); /* cookie and mask, table and command, time-outs */
    put(&output, priority, 2);
    put(&output, 0xffffffff, 4);
    put(&output, 0xffffffffffffffff, 8);
    put(&output, 0, 4);
    size_t match = output.length;
    put(&output, 1, 2);
    put(&output, 4 + (requests_only ? 6 + 5 + 8 : 0), 2);
    if (requests_only) {
        put(&output, 0x80000a020800, 6);
        put(&output, 0x8000140111, 5);
        put(&output, 0x80001804, 4);
        put_bytes(&output, virtual_address, 4);
    }
    while ((output.length - match) % 8) put(&output, 0, 1);
    put(&output, 4, 2);
    put(&output, 24, 2);
    put(&output, 0, 4);
    put_output_action(&output, port);
    end_message(&output, start);
}

static void return_packet(const uint8_t *message, size_t length) {
    size_t frame = 26 + ((get(message + 26, 2) + 7) & ~7u);
    if (frame >= length) return;
    size_t start = begin_message(&output, PACKET_OUT, 0);
    put(&output, 0xffffffff, 4);
    put(&output, 0xfffffffd, 4);
    put(&output, PACKED_ACTIONS, 2);
    put(&output, 0, 6);
    put_dispatch_actions(&output, home_agents[turn], FIRST_PORT + turn);
    put_bytes(&output, message + frame, length - frame);
    end_message(&output, start);
    turn = (turn + 1) % known;
}

static void handle(int type, uint32_t xid, const uint8_t *message, size_t length) {
    if (type == PACKET_IN)
        return_packet(message, length);
    else if (type == ECHO_REQUEST)
        put_message(&output, ECHO_REPLY, xid);
    if (output.length > OPENFLOW_BUFFER - MAX_MESSAGE_LENGTH) fprintf(stderr, "the switch reads nothing\n"), exit(1);
}

int main(int count, char **words) {
    struct sockaddr_in here = {.sin_family = AF_INET};
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    int right = count > 4 && count <= 4 + MAX_HOME_AGENTS && inet_pton(AF_INET, words[1], &here.sin_addr) == 1 &&
                inet_pton(AF_INET, words[3], virtual_address) == 1;
    for (; right && (int)known < count - 4; known++) {
        uint8_t *mac = home_agents[known];
        right = sscanf(words[4 + known], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4,
                       mac + 5) == 6;
    }
    if (!right) {
        fputs("usage: null_controller ADDRESS PORT VIRTUAL-ADDRESS MAC...\n", stderr);
        return 2;
    }
    here.sin_port = htons((uint16_t)atoi(words[2]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 1)) {
        perror(words[2]);
        return 1;
    }
    for (;;) {
        int peer = accept(listener, NULL, NULL);
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        input.length = output.length = 0;
        put_message(&output, HELLO, 1);
        put_flow_mod(0, 0xfffffffa, 0);   /* NORMAL */
        put_flow_mod(1, 0xfffffffd, 1);   /* CONTROLLER */
        while (!flush(peer, &output) && !read_messages(peer, &input, handle)) continue;
        close(peer);
    }
}
