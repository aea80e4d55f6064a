/* A storm of registration requests, and the home agents that receive it.
 *
 *   storm send ADDRESS FIRST COUNT RATE   COUNT mobiles, from number FIRST on, RATE requests a second
 *   storm receive PROCESS...              one home agent in the network namespace of each process
 *
 * The receiver prints "ready". For each line that it reads it waits until no request has come for a moment, and prints
 * a report of the requests since the last one, as one line of JSON: "distinct" counts new mobiles, "repeated" requests at
 * the home agent of the mobile's first one, "astray" those at another one; "from" has count and delays by client. It ends with its
 * standard input.
 */
#define _GNU_SOURCE
#include "registration.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOCKET_BUFFER = 1 << 25, MAX_HOME_AGENTS = 16, MAX_CLIENTS = 4, QUIET_MILLISECONDS = 300 };

static int udp_socket(void) {
    int size = SOCKET_BUFFER, on = 1;
    int port = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(REGISTRATION_PORT)};
    if (port < 0 || setsockopt(port, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)) fail("socket");
    setsockopt(port, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(port, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    if (bind(port, (struct sockaddr *)&here, sizeof here)) fail("bind");
    return port;
}

/* Requests leave when they are due. One that could not, because the machine was busy, leaves as soon as it can. */
static int send_storm(const char *address, unsigned first, unsigned count, double rate) {
    int port = udp_socket();
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(REGISTRATION_PORT)};
    if (inet_pton(AF_INET, address, &there.sin_addr) != 1) fail(address);
    prctl(PR_SET_TIMERSLACK, 1);
    uint64_t begin = nanoseconds(), longest_lag = 0;
    for (unsigned sent = 0; sent < count;) {
        uint64_t due = begin + (uint64_t)(sent * 1e9 / rate);
        uint64_t now = nanoseconds();
        if (now < due) {
            struct timespec pause = {0, (long)(due - now < 1000000 ? due - now : 1000000)};
            nanosleep(&pause, NULL);
            continue;
        }
        if (now - due > longest_lag) longest_lag = now - due;
        uint8_t message[MAX_REQUEST_LENGTH];
        size_t length = write_request(message, first + sent);
        if (sendto(port, message, length, 0, (struct sockaddr *)&there, sizeof there) < 0) fail("sendto");
        sent++;
    }
    printf("{\"sent\": %u, \"seconds\": %.6f, \"longest_lag\": %.3f}\n", count, (nanoseconds() - begin) / 1e9,
           longest_lag / 1e6);
    return 0;
}

static uint8_t home[MOBILES]; /* at which home agent a mobile was seen first, from 1 on */
static struct {
    unsigned long received, distinct, repeated, astray, malformed, at[MAX_HOME_AGENTS];
    struct delays delays;
    struct {
        in_addr_t address;
        struct delays delays;
    } from[MAX_CLIENTS];
} counted;

static void note_client(in_addr_t address, uint64_t sent, uint64_t now) {
    int place = 0;
    while (place < MAX_CLIENTS - 1 && counted.from[place].address && counted.from[place].address != address) place++;
    counted.from[place].address = address;
    note_delay(&counted.from[place].delays, sent, now);
}

static void receive(int port, int home_agent) {
    uint8_t message[2048];
    ssize_t length;
    struct sockaddr_in client;
    socklen_t size = sizeof client;
    while ((length = recvfrom(port, message, sizeof message, MSG_DONTWAIT, (struct sockaddr *)&client, &size)) > 0) {
        uint64_t sent, now = nanoseconds();
        long mobile = read_request(message, (size_t)length, &sent);
        counted.received++;
        if (mobile < 0) {
            counted.malformed++;
            continue;
        }
        counted.at[home_agent]++;
        note_delay(&counted.delays, sent, now);
        note_client(client.sin_addr.s_addr, sent, now);
        if (!home[mobile]) {
            counted.distinct++;
            home[mobile] = (uint8_t)(home_agent + 1);
        } else if (home[mobile] == home_agent + 1)
            counted.repeated++;
        else
            counted.astray++;
    }
}

static void report(int home_agents) {
    printf("{\"received\": %lu, \"distinct\": %lu, \"repeated\": %lu, \"astray\": %lu, \"malformed\": %lu, \"at\": [",
           counted.received, counted.distinct, counted.repeated, counted.astray, counted.malformed);
    for (int number = 0; number < home_agents; number++) printf(number ? ", %lu" : "%lu", counted.at[number]);
    printf("], ");
    print_delays(&counted.delays);
    printf(", \"from\": {");
    for (int place = 0; place < MAX_CLIENTS && counted.from[place].address; place++) {
        struct in_addr address = {counted.from[place].address};
        printf("%s\"%s\": {\"received\": %lu, ", place ? ", " : "", inet_ntoa(address), counted.from[place].delays.total);
        print_delays(&counted.from[place].delays);
        putchar('}');
    }
    puts("}}");
    fflush(stdout);
    memset(&counted, 0, sizeof counted);
}

static int receive_storm(int home_agents, char **processes) {
    struct pollfd ports[MAX_HOME_AGENTS + 1];
    for (int number = 0; number < home_agents; number++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%s/ns/net", processes[number]);
        int namespace = open(path, O_RDONLY | O_CLOEXEC);
        if (namespace < 0 || setns(namespace, CLONE_NEWNET)) fail(path);
        close(namespace);
        ports[number] = (struct pollfd){.fd = udp_socket(), .events = POLLIN};
    }
    struct pollfd *commands = &ports[home_agents];
    *commands = (struct pollfd){.fd = 0, .events = POLLIN};
    puts("ready");
    fflush(stdout);
    for (;;) {
        int asked = !commands->events;
        int ready = poll(ports, (nfds_t)home_agents + 1, asked ? QUIET_MILLISECONDS : -1);
        if (ready < 0) fail("poll");
        for (int number = 0; number < home_agents; number++) receive(ports[number].fd, number);
        if (asked && ready == 0) {
            report(home_agents);
            commands->events = POLLIN;
        } else if (commands->events && commands->revents) {
            char line[64];
            if (read(0, line, sizeof line) <= 0) return 0;
            commands->events = 0;
        }
    }
}

int main(int count, char **words) {
    setpriority(PRIO_PROCESS, 0, -20); /* the two ends must not delay what is measured */
    if (count == 6 && !strcmp(words[1], "send"))
        return send_storm(words[2], (unsigned)atol(words[3]), (unsigned)atol(words[4]), atof(words[5]));
    if (count > 2 && count <= 2 + MAX_HOME_AGENTS && !strcmp(words[1], "receive"))
        return receive_storm(count - 2, words + 2);
    fputs("usage: storm send ADDRESS FIRST COUNT RATE | storm receive PROCESS...\n", stderr);
    return 2;
}
