/* What is named in the place of an interpreter of ours: has a server of command_server.py fork what it is to run.

   Compiled with PYTHON, that interpreter; SERVER, the environment variable that names the server's socket; PROGRAMS,
   what is forked; REFUSED and GONE, exit codes as there. Whatever is not forked starts as it does for anybody. Python
   would take 12 ms to start for this. */

#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FILES 3

extern char **environ;
static const char *const programs[] = {PROGRAMS, NULL};

/* The words behind those for Python itself, `-I -m` or `-I`; NULL where a program that is forked is not the first. */
static char **find_words(char **arguments) {
    if (!arguments[0] || !arguments[1] || strcmp(arguments[1], "-I") != 0)
        return NULL;
    char **words = arguments + 2;
    if (words[0] && strcmp(words[0], "-m") == 0)
        words++;
    for (const char *const *program = programs; words[0] && *program; program++)
        if (strcmp(words[0], *program) == 0)
            return words;
    return NULL;
}

static int connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int link = socket(AF_UNIX, SOCK_STREAM, 0);
    return connect(link, (struct sockaddr *)&address, sizeof address) == 0 ? link : -1;
}

/* Texts that each end with NUL: our parent, the folder, how many words there are, they, and the environment. */
static char *write_request(const char *folder, char **words, size_t *size) {
    char *request;
    FILE *stream = open_memstream(&request, size);
    int count = 0;
    while (words[count])
        count++;
    fprintf(stream, "%d%c%s%c%d%c", (int)getppid(), 0, folder, 0, count, 0);
    for (; *words; words++)
        fprintf(stream, "%s%c", *words, 0);
    for (char **variable = environ; *variable; variable++)
        fprintf(stream, "%s%c", *variable, 0);
    fclose(stream);
    return request;
}

/* The size of the request first, and our standard files with it. */
static void send_request(int link, const char *request, size_t size) {
    uint64_t header = size;
    struct iovec piece = {&header, sizeof header};
    union { struct cmsghdr aligned; char bytes[CMSG_SPACE(FILES * sizeof(int))]; } control = {0};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes
    };
    struct cmsghdr *files = CMSG_FIRSTHDR(&message);
    files->cmsg_level = SOL_SOCKET;
    files->cmsg_type = SCM_RIGHTS;
    files->cmsg_len = CMSG_LEN(FILES * sizeof(int));
    memcpy(CMSG_DATA(files), (int[FILES]){0, 1, 2}, FILES * sizeof(int));
    sendmsg(link, &message, 0);
    for (ssize_t sent; size && (sent = write(link, request, size)) > 0; size -= sent)
        request += sent;
}

/* How a program ended that a server has forked: its exit code, or a signal below 0; REFUSED where there is no server. */
static int64_t ask_server(char **words) {
    const char *path = getenv(SERVER);
    char folder[PATH_MAX];
    int link = path && getcwd(folder, sizeof folder) ? connect_to(path) : -1;
    if (link < 0)
        return REFUSED;
    size_t size;
    char *request = write_request(folder, words, &size);
    send_request(link, request, size);
    int64_t code;
    return recv(link, &code, sizeof code, MSG_WAITALL) == sizeof code ? code : GONE;
}

int main(int count, char **arguments) {
    (void)count;
    char **words = find_words(arguments);
    int64_t code = words ? ask_server(words) : REFUSED;
    if (code == REFUSED) {
        arguments[0] = PYTHON;
        execv(PYTHON, arguments);
        perror(PYTHON);
        return GONE;
    }
    if (code < 0)
        raise((int)-code);
    _exit((int)code);
}
