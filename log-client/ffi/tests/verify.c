/* A caller in C: the options are the members of a question, the output is the answer (embedding.rs runs it over all cases).
 *   verify --policy F --trust F [--bundle F]... [--proof F]... --sha256 HEX --size N --name TEXT [--now N] [--floor F]
 *          [--watched F] [--unwitnessed]
 *   verify --wrong        what a caller can do wrong, each refused and none a yes
 * Prints the JSON in one line and then the floor to store, when there is one. Ends with the exit code of the verdict. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vitrine.h"

#define MOST 64

static void fail(const char *what, const char *which) {
    fprintf(stderr, "verify: %s %s\n", what, which);
    exit(70);
}

static vitrine_bytes read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail("cannot open", path);
    }
    size_t room = 4096, length = 0;
    uint8_t *data = malloc(room);
    for (;;) {
        if (data == NULL) {
            fail("no memory for", path);
        }
        size_t got = fread(data + length, 1, room - length, file);
        length += got;
        if (got == 0) {
            break;
        }
        if (length == room) {
            room *= 2;
            uint8_t *more = realloc(data, room);
            if (more == NULL) {
                free(data);
            }
            data = more;
        }
    }
    if (ferror(file) != 0) {
        fail("cannot read", path);
    }
    fclose(file);
    return (vitrine_bytes){.data = data, .length = length};
}

static void free_bytes(vitrine_bytes bytes) {
    free((void *)bytes.data);
}

static void read_digest(const char *hex, uint8_t digest[32]) {
    if (strlen(hex) != 64) {
        fail("no digest:", hex);
    }
    for (size_t at = 0; at < 32; at++) {
        char pair[3] = {hex[2 * at], hex[2 * at + 1], '\0'}, *end = NULL;
        digest[at] = (uint8_t)strtoul(pair, &end, 16);
        if (*end != '\0') {
            fail("no digest:", hex);
        }
    }
}

/* Every one of these has to end with exit code 2 and a JSON that says why, or without an answer at all. */
static int wrong(void) {
    vitrine_answer answer = {.exit_code = 0, .json = NULL, .floor = NULL};
    int faults = 0;
#define REFUSED(question, word)                                                                                         \
    do {                                                                                                                \
        int code = vitrine_verify(question, &answer);                                                                   \
        if (code != 2 || answer.exit_code != 2 || answer.json == NULL || strstr(answer.json, word) == NULL) {           \
            fprintf(stderr, "%s: %d %s\n", word, code, answer.json == NULL ? "no JSON" : answer.json);                  \
            faults++;                                                                                                   \
        }                                                                                                               \
        vitrine_free(&answer);                                                                                          \
        if (answer.json != NULL || answer.floor != NULL) {                                                              \
            faults++;                                                                                                   \
        }                                                                                                               \
        vitrine_free(&answer);                                                                                          \
    } while (0)

    vitrine_question question;
    memset(&question, 0, sizeof question);
    REFUSED(NULL, "the question is null");
    REFUSED(&question, "interface 0");
    question.abi = VITRINE_ABI + 1;
    REFUSED(&question, "interface");
    question.abi = VITRINE_ABI;
    question.flags = 4;
    REFUSED(&question, "flags 0x4");
    question.flags = 0;
    REFUSED(&question, "policy.malformed");
    question.policy.length = 9;
    REFUSED(&question, "policy: null with length 9");
    question.policy.data = (const uint8_t *)"quorum no";
    REFUSED(&question, "policy.malformed");
    question.policy.length = SIZE_MAX;
    REFUSED(&question, "policy: length");
    question.policy = (vitrine_bytes){.data = (const uint8_t *)"quorum none", .length = 11};
    REFUSED(&question, "trust.malformed");
    question.proof_count = 3;
    REFUSED(&question, "proofs: null with count 3");
    vitrine_bytes proofs[3] = {{.data = NULL, .length = 0}, {.data = NULL, .length = 0}, {.data = NULL, .length = 1}};
    question.proofs = proofs;
    REFUSED(&question, "proofs: null with length 1");
    question.proof_count = SIZE_MAX;
    REFUSED(&question, "are above 1024");
    question.proof_count = 0;
    question.bundle_count = 1;
    REFUSED(&question, "bundles: null with count 1");
    question.bundle_count = 0;
    question.floor.length = 1;
    REFUSED(&question, "floor: null with length 1");
    if (vitrine_verify(&question, NULL) != 2 || vitrine_verify(NULL, NULL) != 2) {
        faults++;
    }
    vitrine_free(NULL);
    return faults;
}

int main(int count, char **words) {
    if (count == 2 && strcmp(words[1], "--wrong") == 0) {
        return wrong();
    }
    vitrine_bytes bundles[MOST], proofs[MOST];
    vitrine_question question;
    memset(&question, 0, sizeof question);
    question.abi = VITRINE_ABI;
    question.flags = VITRINE_NO_TIME;
    question.bundles = bundles;
    question.proofs = proofs;
    for (int at = 1; at < count; at++) {
        const char *word = words[at];
        if (strcmp(word, "--unwitnessed") == 0) {
            question.flags |= VITRINE_UNWITNESSED;
            continue;
        }
        if (at + 1 == count) {
            fail("nothing behind", word);
        }
        const char *value = words[++at];
        if (strcmp(word, "--policy") == 0) {
            question.policy = read_file(value);
        } else if (strcmp(word, "--trust") == 0) {
            question.trust = read_file(value);
        } else if (strcmp(word, "--bundle") == 0 && question.bundle_count < MOST) {
            bundles[question.bundle_count++] = read_file(value);
        } else if (strcmp(word, "--proof") == 0 && question.proof_count < MOST) {
            proofs[question.proof_count++] = read_file(value);
        } else if (strcmp(word, "--sha256") == 0) {
            read_digest(value, question.sha256);
        } else if (strcmp(word, "--size") == 0) {
            question.size = strtoull(value, NULL, 10);
        } else if (strcmp(word, "--name") == 0) {
            question.name = (vitrine_bytes){.data = (const uint8_t *)value, .length = strlen(value)};
        } else if (strcmp(word, "--now") == 0) {
            question.now = strtoull(value, NULL, 10);
            question.flags &= ~(uint32_t)VITRINE_NO_TIME;
        } else if (strcmp(word, "--floor") == 0) {
            question.floor = read_file(value);
        } else if (strcmp(word, "--watched") == 0) {
            question.watched = read_file(value);
        } else {
            fail("not known:", word);
        }
    }

    vitrine_answer answer;
    int code = vitrine_verify(&question, &answer);
    printf("%s\n", answer.json);
    if (answer.floor != NULL) {
        printf("%s", answer.floor);
    }
    vitrine_free(&answer);

    free_bytes(question.policy);
    free_bytes(question.trust);
    free_bytes(question.floor);
    free_bytes(question.watched);
    for (size_t at = 0; at < question.bundle_count; at++) {
        free_bytes(bundles[at]);
    }
    for (size_t at = 0; at < question.proof_count; at++) {
        free_bytes(proofs[at]);
    }
    return code;
}
