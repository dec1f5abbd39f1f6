/* What the scanner reads, and the words it knows.
 *
 * Memory is safe by three rules. Every byte is read through `at()`, or between an index and a bound that were both
 * checked against the text's length. The text is a str of one-byte characters, immutable and held by the caller.
 * Words are copied into tables of fixed size when a Scanner is made, and never change.
 */
#ifndef MEDIASCRAPE_WORDS_H
#define MEDIASCRAPE_WORDS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t byte;

enum { WORD_MAX = 31, TABLE_SIZE = 512 };

/* Classes of characters. */
enum { AFTER_NAME = 1, AFTER_EXTENSION = 2, SPACE = 4, LETTER = 8, ALPHANUMERIC = 16, BETWEEN = 32 };
static byte classes[256];
static byte lower[256];

static void
fill_classes(void)
{
    for (int c = 0; c < 256; c++) {
        lower[c] = (byte)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        if (lower[c] >= 'a' && lower[c] <= 'z') classes[c] = LETTER | ALPHANUMERIC;
        if (c >= '0' && c <= '9') classes[c] = ALPHANUMERIC;
    }
    for (const char *p = " \t\n\f\r"; *p; p++) classes[(byte)*p] |= AFTER_NAME | AFTER_EXTENSION | SPACE | BETWEEN;
    for (const char *p = "/>"; *p; p++) classes[(byte)*p] |= AFTER_NAME;
    classes['/'] |= BETWEEN;
    for (const char *p = "\"'?#&;:!,)>"; *p; p++) classes[(byte)*p] |= AFTER_EXTENSION;
}

static inline int
is(byte c, int class)
{
    return classes[c] & class;
}

/* ---- Words, looked up by their lower-cased bytes ---- */

typedef struct {
    PyObject *name; /* owned; NULL where the slot is free */
    byte length;
    byte stops;
    char text[WORD_MAX];
} Word;

typedef struct {
    Word slots[TABLE_SIZE]; /* open addressing, at most half full */
    int count;
    int longest;
    byte beginnings[1024]; /* whether a word may begin with two characters: turns most others down at once */
} Words;

static inline byte *
beginning(Words *words, byte one, byte two)
{
    return &words->beginnings[(one * 37u ^ two * 5u) % sizeof words->beginnings];
}

static inline uint32_t
hashed(uint32_t hash, byte c)
{
    return (hash ^ c) * 16777619u;
}

static Word *
slot_of(Words *words, const char *text, int length, uint32_t hash)
{
    for (uint32_t i = hash ^ hash >> 15;; i++) {
        Word *word = &words->slots[i % TABLE_SIZE];
        if (word->name == NULL || (word->length == length && !memcmp(word->text, text, (size_t)length)))
            return word;
    }
}

/* Adds each str of an iterable; -1 with an exception set when one does not fit. */
static int
add_words(Words *words, PyObject *names, int stops)
{
    PyObject *iterator = PyObject_GetIter(names), *name;
    if (iterator == NULL) return -1;
    while ((name = PyIter_Next(iterator)) != NULL) {
        Py_ssize_t length;
        const char *text = PyUnicode_AsUTF8AndSize(name, &length);
        if (text == NULL) break;
        if (length < 1 || length > WORD_MAX || words->count >= TABLE_SIZE / 2) {
            PyErr_SetString(PyExc_ValueError, "too long a word, or too many");
            break;
        }
        uint32_t hash = 0;
        for (int i = 0; i < length; i++) hash = hashed(hash, (byte)text[i]);
        Word *word = slot_of(words, text, (int)length, hash);
        if (word->name == NULL) {
            memcpy(word->text, text, (size_t)length);
            word->length = (byte)length;
            PyUnicode_InternInPlace(&name);
            word->name = name;
            words->count++;
            if (length > words->longest) words->longest = (int)length;
            if (length > 1) *beginning(words, (byte)text[0], (byte)text[1]) = 1;
            else memset(words->beginnings, 1, sizeof words->beginnings);
            Py_INCREF(name);
        }
        word->stops |= (byte)stops;
        Py_DECREF(name);
    }
    Py_XDECREF(name);
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

static void
clear_words(Words *words)
{
    for (int i = 0; i < TABLE_SIZE; i++) Py_CLEAR(words->slots[i].name);
}

/* ---- The text ---- */

typedef struct {
    const byte *bytes;
    Py_ssize_t length;
} Text;

/* The character at an index, which is not negative; behind the end a blank. */
static inline byte
at(const Text *text, Py_ssize_t index)
{
    return index < text->length ? text->bytes[index] : ' ';
}

/* The next place of a character in [from, to), or -1. */
static inline Py_ssize_t
next_of(const Text *text, byte c, Py_ssize_t from, Py_ssize_t to)
{
    if (to > text->length) to = text->length;
    if (from >= to) return -1;
    const byte *found = memchr(text->bytes + from, c, (size_t)(to - from));
    return found == NULL ? -1 : found - text->bytes;
}

/* The last place of a character in [from, to), which lies in the text, or -1. */
static inline Py_ssize_t
last_of(const Text *text, byte c, Py_ssize_t from, Py_ssize_t to)
{
    if (from >= to) return -1;
#ifdef HAVE_MEMRCHR
    const byte *found = memrchr(text->bytes + from, c, (size_t)(to - from));
    return found == NULL ? -1 : found - text->bytes;
#else
    while (to-- > from)
        if (text->bytes[to] == c) return to;
    return -1;
#endif
}

/* Whether a word of lower-case letters stands at an index, in any case. */
static int
begins(const Text *text, Py_ssize_t index, const char *word)
{
    for (; *word; word++, index++)
        if (index < 0 || index >= text->length || lower[text->bytes[index]] != (byte)*word) return 0;
    return 1;
}

/* 0 with an exception set if an argument is no str of one-byte characters. */
static int
text_of(PyObject *argument, Text *text)
{
    if (!PyUnicode_Check(argument) || PyUnicode_KIND(argument) != PyUnicode_1BYTE_KIND) {
        PyErr_SetString(PyExc_TypeError, "a str of one-byte characters is needed");
        return 0;
    }
    text->bytes = PyUnicode_1BYTE_DATA(argument);
    text->length = PyUnicode_GET_LENGTH(argument);
    return 1;
}

/* Arguments of a method: a document and a place in it. Returns 0 with an exception set if they are not. */
static int
text_and_place(PyObject *const *args, Py_ssize_t count, Py_ssize_t wanted, Text *text, Py_ssize_t *place)
{
    if (count != wanted) {
        PyErr_Format(PyExc_TypeError, "%zd arguments are needed", wanted);
        return 0;
    }
    if (!text_of(args[0], text)) return 0;
    *place = PyLong_AsSsize_t(args[1]);
    if (*place == -1 && PyErr_Occurred()) return 0;
    if (*place < 0) *place = 0;
    if (*place > text->length) *place = text->length;
    return 1;
}

static PyObject *
slice(const Text *text, Py_ssize_t from, Py_ssize_t to)
{
    return PyUnicode_FromKindAndData(PyUnicode_1BYTE_KIND, text->bytes + from, to - from);
}

#endif
