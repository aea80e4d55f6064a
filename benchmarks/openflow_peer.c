/* The OpenFlow 1.3 connection of a switch, without a switch: it sends packet-ins and checks the packet-outs and flow-mods
 * that come back. It measures the controller alone.
 *
 *   openflow_peer ADDRESS PORT VIRTUAL-ADDRESS REQUEST-COOKIE ARP-COOKIE ROWS
 *
 * It connects, replies to ARP for the home agents from 10.1.1.51 on, and repeats one request until that is dispatched. In
 * its flow statistics it reports ROWS session rules of an earlier run, as soon as it has replied for two home agents. When
 * the controller has read them, it prints "served". For each line `FIRST COUNT WINDOW RATE` it sends the requests of COUNT
 * mobiles, at most WINDOW of them unanswered, RATE a second (0: as fast as the window lets it), waits for the last
 * packet-out and the last rule, and prints one line of JSON.
 */
#include "openflow.h"
#include "registration.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum { QUIET_MILLISECONDS = 400, CONNECT_SECONDS = 30, SERVE_SECONDS = 30, BUNDLE_ADD = 2301, SESSION_TABLE = 1 };
enum { FIRST_HOME_AGENT = 51, HOME_AGENTS = 2, PACKET_IN_HEAD = 42, ROW_MARK = 0x51b7, ROWS_ECHO = 0x0e0e0e0e };

static struct output output;
static struct input input;
static uint8_t virtual_address[4];
static uint64_t request_cookie, arp_cookie;
static unsigned rows, found; /* rules to be reported, home agents that were found */
static uint32_t rows_request;
static int peer, are_rows_read;

static uint8_t answers[MOBILES]; /* packet-outs for each mobile in this run */
static struct {
    unsigned long answered, strange, rules;
    uint64_t last_answer, last_rule;
    struct delays delays;
} counted;

static void gone(void) {
    fputs("the controller has gone\n", stderr);
    exit(1);
}

static size_t begin_packet_in(uint64_t cookie, uint32_t port) {
    size_t start = begin_message(&output, PACKET_IN, 0);
    put(&output, 0xffffffff, 4);
    put(&output, 0, 4); /* total length, reason, table */
    put(&output, cookie, 8);
    put(&output, 0x0001000c80000004, 8);
    put(&output, port, 4);
    put(&output, 0, 6);
    return start;
}

static void end_packet_in(size_t start) {
    size_t end = output.length;
    output.length = start + 12;
    put(&output, end - start - PACKET_IN_HEAD, 2);
    output.length = end;
    end_message(&output, start);
}

/* The checksum of the 20 bytes of an IP header whose checksum field is 0 (RFC 791). */
static unsigned ip_checksum(const uint8_t *header) {
    unsigned sum = 0;
    for (int at = 0; at < 20; at += 2) sum += (unsigned)get(header + at, 2);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
}

static void put_request(unsigned mobile) {
    size_t start = begin_packet_in(request_cookie, 1);
    put(&output, 0x0251b7000001, 6);
    put(&output, 0x000000000001, 6);
    put(&output, 0x0800, 2);
    size_t header = output.length;
    put(&output, 0x4500, 2);
    put(&output, 28 + REQUEST_LENGTH, 2);
    put(&output, 0x0000000040110000, 8);
    put(&output, 0x0a010165, 4);
    put_bytes(&output, virtual_address, 4);
    unsigned checksum = ip_checksum(output.bytes + header);
    output.bytes[header + 10] = (uint8_t)(checksum >> 8);
    output.bytes[header + 11] = (uint8_t)checksum;
    put(&output, REGISTRATION_PORT, 2);
    put(&output, REGISTRATION_PORT, 2);
    put(&output, 8 + REQUEST_LENGTH, 2);
    put(&output, 0, 2);
    output.length += write_request(output.bytes + output.length, mobile);
    end_packet_in(start);
}

/* Home agent 10.1.1.N has the address 00:00:00:00:00:N at port N - 49. */
static void home_agent_mac(uint8_t *mac, uint8_t number) {
    memset(mac, 0, 6);
    mac[5] = number;
}

static void answer_arp(const uint8_t *frame) {
    uint8_t mac[6], number = frame[41];
    if (frame[21] != 1 || memcmp(frame + 38, "\x0a\1\1", 3) || number < FIRST_HOME_AGENT) return;
    home_agent_mac(mac, number);
    size_t start = begin_packet_in(arp_cookie, number - 49u);
    put_bytes(&output, frame + 6, 6);
    put_bytes(&output, mac, 6);
    put(&output, 0x0806000108000604, 8);
    put(&output, 2, 2);
    put_bytes(&output, mac, 6);
    put_bytes(&output, frame + 38, 4);
    put_bytes(&output, frame + 22, 10);
    end_packet_in(start);
    found++;
}

static void take_packet_out(const uint8_t *message, size_t length) {
    size_t at = 24 + get(message + 16, 2);
    const uint8_t *frame = message + at;
    if (at + 42 > length) {
        counted.strange++;
        return;
    }
    if (get(frame + 12, 2) == 0x0806) {
        answer_arp(frame);
        return;
    }
    uint64_t sent;
    long mobile = read_request(frame + 42, length - at - 42, &sent);
    if (mobile < 0) {
        counted.strange++;
        return;
    }
    if (!answers[mobile]) {
        counted.answered++;
        counted.last_answer = nanoseconds();
        note_delay(&counted.delays, sent, counted.last_answer);
    }
    if (answers[mobile] < 255) answers[mobile]++;
}

static void take_flow_mod(const uint8_t *message) {
    if (message[24] != SESSION_TABLE || message[25] != 0 || get(message + 30, 2) == 0) return;
    counted.rules++;
    counted.last_rule = nanoseconds();
}

/* One rule of a session, as flow statistics show it: tag number N, dispatched to the first home agent. */
static void put_row(unsigned number) {
    uint8_t mac[6];
    uint64_t cookie = (0x020000000000 + (uint64_t)number) << 16 | ROW_MARK;
    home_agent_mac(mac, FIRST_HOME_AGENT);
    put(&output, 48 + 40 + 8 + PACKED_ACTIONS, 2);
    put(&output, SESSION_TABLE, 1);
    put(&output, 0, 9);
    put(&output, 50000, 2);
    put(&output, 0, 10);
    put(&output, cookie, 8);
    put(&output, 0, 16);
    put(&output, 0x00010027, 4);
    put(&output, (uint64_t)0x80000806, 4);
    put(&output, cookie >> 16, 6);
    put(&output, 0x80000a020800, 6);
    put(&output, 0x8000140111, 5);
    put(&output, 0x80001804, 4);
    put_bytes(&output, virtual_address, 4);
    put(&output, 0x80002002, 4);
    put(&output, REGISTRATION_PORT, 2);
    put(&output, 0, 1);
    put(&output, 4, 2);
    put(&output, 8 + PACKED_ACTIONS, 2);
    put(&output, 0, 4);
    put_dispatch_actions(&output, mac, FIRST_HOME_AGENT - 49);
}

/* A switch that rejects the statistics is not audited. An empty reply would mean that its rules and meters are gone, and
 * the controller would install all of them again while it is measured. */
static void reject_multipart(uint32_t xid, const uint8_t *message) {
    enum { BAD_REQUEST = 1, BAD_MULTIPART = 2, MULTIPART_HEAD = 16 };
    size_t start = begin_message(&output, ERROR, xid);
    put(&output, BAD_REQUEST, 2);
    put(&output, BAD_MULTIPART, 2);
    put_bytes(&output, message, MULTIPART_HEAD);
    end_message(&output, start);
}

/* Its ports, of which there are none. The request for session rules waits until the home agents are known: the controller
 * recovers each session as it reads its rule then. How many rules there are is not said, so all are asked for at once. */
static void answer_multipart(uint32_t xid, const uint8_t *message) {
    enum { FLOWS = 1, PORT_DESCRIPTIONS = 13 };
    unsigned kind = (unsigned)get(message + 8, 2);
    if (rows && !rows_request && kind == FLOWS && message[16] == SESSION_TABLE && get(message + 32, 8) == ROW_MARK)
        rows_request = xid;
    else if (kind == PORT_DESCRIPTIONS) {
        size_t start = begin_message(&output, MULTIPART_REPLY, xid);
        put(&output, kind, 2);
        put(&output, 0, 6);
        end_message(&output, start);
    } else
        reject_multipart(xid, message);
}

static void handle(int type, uint32_t xid, const uint8_t *message, size_t length) {
    if (type == PACKET_OUT && length > 24)
        take_packet_out(message, length);
    else if (type == FLOW_MOD && length >= 56)
        take_flow_mod(message);
    else if (type == EXPERIMENTER && length >= 80 && get(message + 12, 4) == BUNDLE_ADD && message[25] == FLOW_MOD)
        take_flow_mod(message + 24);
    else if (type == BARRIER_REQUEST)
        put_message(&output, BARRIER_REPLY, xid);
    else if (type == ECHO_REQUEST)
        put_message(&output, ECHO_REPLY, xid);
    else if (type == ECHO_REPLY && xid == ROWS_ECHO)
        are_rows_read = 1;
    else if (type == MULTIPART_REQUEST && length >= 16)
        answer_multipart(xid, message);
    else if (type == FEATURES_REQUEST) {
        size_t start = begin_message(&output, FEATURES_REPLY, xid);
        put(&output, 1, 8); /* datapath */
        put(&output, 0, 4);
        put(&output, 254, 1);
        put(&output, 0, 11);
        end_message(&output, start);
    }
}

/* The rules of an earlier run. The reply to the echo request behind them says that the controller has read all. */
static void report_rows(void) {
    enum { FLOWS = 1, MAX_MESSAGE = 48000 };
    for (unsigned number = 0; number < rows;) {
        size_t start = begin_message(&output, MULTIPART_REPLY, rows_request), more = output.length + 2;
        put(&output, FLOWS, 2);
        put(&output, 0, 6);
        while (number < rows && output.length - start < MAX_MESSAGE) put_row(number++);
        output.bytes[more + 1] = number < rows;
        end_message(&output, start);
        if (output.length > OPENFLOW_BUFFER / 2 && flush(peer, &output)) gone();
    }
    put_message(&output, ECHO_REQUEST, ROWS_ECHO);
    rows_request = rows = 0;
}

/* Write what there is to be written, and read what comes within a time; 0 when nothing did. */
static int exchange(int milliseconds) {
    struct pollfd ready = {.fd = peer, .events = POLLIN};
    if (flush(peer, &output)) gone();
    if (poll(&ready, 1, milliseconds) <= 0) return 0;
    if (read_messages(peer, &input, handle)) gone();
    return 1;
}

static void connect_to(const char *address, const char *port) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    uint64_t deadline = nanoseconds() + CONNECT_SECONDS * 1000000000ull;
    int on = 1;
    if (inet_pton(AF_INET, address, &there.sin_addr) != 1) fail(address);
    while (peer = socket(AF_INET, SOCK_STREAM, 0), connect(peer, (struct sockaddr *)&there, sizeof there)) {
        close(peer);
        if (nanoseconds() > deadline) fail("connect");
        usleep(1000);
    }
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(peer, F_SETFL, O_NONBLOCK);
}

static void forget(void) {
    memset(&counted, 0, sizeof counted);
    memset(answers, 0, sizeof answers);
}

/* The last mobile asks until it is dispatched: from then on the controller serves. */
static void wait_until_served(void) {
    uint64_t deadline = nanoseconds() + SERVE_SECONDS * 1000000000ull;
    put_message(&output, HELLO, 1);
    while (!counted.answered || !are_rows_read) {
        if (nanoseconds() > deadline) {
            errno = ETIMEDOUT;
            fail("not served");
        }
        if (rows_request && found >= HOME_AGENTS) report_rows();
        exchange(2);
        if (!counted.answered) put_request(MOBILES - 1);
    }
    while (exchange(100)) continue;
    puts("served");
    fflush(stdout);
}

/* Whether for some time no request was sent, answered or given a rule. The controller always has something else to say. */
static int is_quiet_since(uint64_t last_sent) {
    uint64_t last = last_sent;
    if (counted.last_answer > last) last = counted.last_answer;
    if (counted.last_rule > last) last = counted.last_rule;
    return nanoseconds() - last > QUIET_MILLISECONDS * 1000000ull;
}

static void run(unsigned first, unsigned count, unsigned window, double rate) {
    unsigned sent = 0;
    uint64_t begin = nanoseconds();
    forget();
    uint64_t last_sent = begin;
    for (;;) {
        int pause = QUIET_MILLISECONDS;
        while (sent < count && sent - counted.answered < window && output.length < OPENFLOW_BUFFER / 2) {
            uint64_t now = nanoseconds(), due = begin + (rate > 0 ? (uint64_t)(sent * 1e9 / rate) : 0);
            if (now < due) {
                pause = (int)((due - now) / 1000000);
                break;
            }
            put_request((first + sent++) % MOBILES);
            last_sent = now;
        }
        exchange(pause);
        if (pause == QUIET_MILLISECONDS && is_quiet_since(last_sent)) break;
    }
    unsigned long once = 0, more = 0;
    for (unsigned number = first; number < first + count; number++) {
        once += answers[number % MOBILES] == 1;
        more += answers[number % MOBILES] > 1;
    }
    double seconds = counted.answered ? (counted.last_answer - begin) / 1e9 : 0;
    double behind = counted.last_rule > counted.last_answer ? (counted.last_rule - counted.last_answer) / 1e9 : 0;
    printf("{\"sent\": %u, \"once\": %lu, \"more_than_once\": %lu, \"strange\": %lu, \"seconds\": %.6f, "
           "\"rules\": %lu, \"rules_behind\": %.6f, ",
           sent, once, more, counted.strange, seconds, counted.rules, behind);
    print_delays(&counted.delays);
    puts("}");
    fflush(stdout);
}

int main(int count, char **words) {
    if (count != 7 || inet_pton(AF_INET, words[3], virtual_address) != 1) {
        fputs("usage: openflow_peer ADDRESS PORT VIRTUAL-ADDRESS REQUEST-COOKIE ARP-COOKIE ROWS\n", stderr);
        return 2;
    }
    request_cookie = strtoull(words[4], NULL, 0);
    arp_cookie = strtoull(words[5], NULL, 0);
    rows = (unsigned)atoi(words[6]);
    are_rows_read = !rows;
    prctl(PR_SET_TIMERSLACK, 1);
    connect_to(words[1], words[2]);
    wait_until_served();
    unsigned first, mobiles, window;
    double rate;
    char line[128];
    struct pollfd inputs[2] = {{.fd = 0, .events = POLLIN}, {.fd = peer, .events = POLLIN}};
    for (;;) {
        if (flush(peer, &output)) gone();
        poll(inputs, 2, -1);
        if (inputs[1].revents) exchange(0);
        if (!inputs[0].revents) continue;
        ssize_t length = read(0, line, sizeof line - 1);
        if (length <= 0) return 0;
        line[length] = 0;
        if (sscanf(line, "%u %u %u %lf", &first, &mobiles, &window, &rate) == 4) run(first, mobiles, window, rate);
    }
}
