/* A closed-loop HTTP client: keeps CONNECTIONS connections, sends the next request when the answer is there.
 *
 *   data_plane_load ADDRESS PORT tls|plain CONNECTIONS SECONDS new|kept PATH
 *
 * With "new" every request has a connection of its own. The last cookie that an answer set is sent. Prints one
 * line of JSON: requests, failures, seconds, quantiles of the latency in microseconds, CPU seconds of this process.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BUFFER 32768
#define LONGEST_US 2000000

struct connection {
    int descriptor;
    SSL *tls;
    int used;
    int wanted;
    double began;
    char cookie[256];
    char buffer[BUFFER];
};

static struct sockaddr_in target;
static SSL_CTX *context;
static int poller, fresh;
static const char *path;
static long requests, failures;
static unsigned counts[LONGEST_US + 1];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* Connects and shakes hands; blocks, which "kept" does only at the start. 0 when refused. */
static int open_connection(struct connection *each) {
    int yes = 1;
    each->used = each->wanted = 0;
    each->tls = NULL;
    each->descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (each->descriptor < 0) die("socket");
    setsockopt(each->descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(each->descriptor, (struct sockaddr *)&target, sizeof target) < 0) {
        close(each->descriptor);
        return 0;
    }
    if (context) {
        each->tls = SSL_new(context);
        SSL_set_fd(each->tls, each->descriptor);
        if (SSL_connect(each->tls) != 1) {
            SSL_free(each->tls);
            close(each->descriptor);
            return 0;
        }
    }
    fcntl(each->descriptor, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = each};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, each->descriptor, &event) < 0) die("epoll_ctl");
    return 1;
}

static void close_connection(struct connection *each) {
    if (each->tls) SSL_free(each->tls);
    close(each->descriptor);
}

static void send_request(struct connection *each) {
    char text[1024];
    int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: bench.example\r\n"
                          "User-Agent: bench/1.0\r\nAccept: */*\r\n%s%s\r\n", path, each->cookie, fresh ? "Connection: close\r\n" : "");
    int sent = each->tls ? SSL_write(each->tls, text, length) : (int)write(each->descriptor, text, length);
    if (sent != length) die("send");
}

static void begin(struct connection *each) {
    each->began = now();
    while (!open_connection(each)) {
        failures++;
        usleep(1000);
    }
    send_request(each);
}

/* The head of a whole answer ends with a zero, so nothing is looked for in its body. */
static void remember_cookie(struct connection *each) {
    char *line = strcasestr(each->buffer, "\r\nset-cookie: ");
    if (!line) return;
    line += strlen("\r\nset-cookie: ");
    int length = (int)strcspn(line, ";\r");
    if (length < 200) snprintf(each->cookie, sizeof each->cookie, "Cookie: %.*s\r\n", length, line);
}

/* Whether the whole answer is there. */
static int is_complete(struct connection *each) {
    if (!each->wanted) {
        char *end = strstr(each->buffer, "\r\n\r\n");
        if (!end) return 0;
        *end = 0;
        char *length = strcasestr(each->buffer, "\r\ncontent-length: ");
        if (!length) return 0;
        each->wanted = (int)(end + 4 - each->buffer) + atoi(length + strlen("\r\ncontent-length: "));
    }
    return each->used >= each->wanted;
}

static void finish(struct connection *each, int good) {
    double spent = now() - each->began;
    long us = (long)(spent * 1e6);
    requests += good;
    failures += !good;
    if (good) counts[us > LONGEST_US ? LONGEST_US : us]++;
    if (good) remember_cookie(each);
    each->used = each->wanted = 0;
    if (!good || fresh) {
        close_connection(each);
        begin(each);
        return;
    }
    each->began = now();
    send_request(each);
}

static void receive(struct connection *each) {
    for (;;) {
        int room = BUFFER - 1 - each->used, got;
        if (each->tls) got = SSL_read(each->tls, each->buffer + each->used, room);
        else got = (int)read(each->descriptor, each->buffer + each->used, room);
        if (got <= 0) {
            int again = each->tls ? SSL_get_error(each->tls, got) == SSL_ERROR_WANT_READ : got < 0 && errno == EAGAIN;
            if (!again) finish(each, 0);
            return;
        }
        each->used += got;
        each->buffer[each->used] = 0;
        if (is_complete(each)) {
            finish(each, strncmp(each->buffer + 8, " 200", 4) == 0);
            return;
        }
    }
}

static long quantile(double share) {
    long seen = 0;
    for (long us = 0; us <= LONGEST_US; us++) {
        seen += counts[us];
        if (seen > 0 && seen >= share * requests) return us;
    }
    return -1;
}

int main(int count, char **words) {
    if (count != 8) return 2;
    path = words[7];
    target.sin_family = AF_INET;
    target.sin_port = htons((unsigned short)atoi(words[2]));
    inet_pton(AF_INET, words[1], &target.sin_addr);
    if (strcmp(words[3], "tls") == 0) {
        context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    }
    int wanted = atoi(words[4]);
    fresh = strcmp(words[6], "new") == 0;
    poller = epoll_create1(0);
    struct connection *all = calloc((size_t)wanted, sizeof *all);
    for (int number = 0; number < wanted; number++) begin(&all[number]);
    double start = now(), end = start + atof(words[5]);
    while (now() < end) {
        struct epoll_event events[256];
        int ready = epoll_wait(poller, events, 256, 100);
        for (int number = 0; number < ready; number++) receive(events[number].data.ptr);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"requests\": %ld, \"failures\": %ld, \"seconds\": %.6f, \"p50_us\": %ld, \"p99_us\": %ld, \"cpu_s\": %.6f}\n",
           requests, failures, now() - start, quantile(0.5), quantile(0.99),
           usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    return 0;
}
