/* What `urls.py` recognises by regular expression, in C: the same two functions, compared with those by the tests.
 *
 * Memory is safe because every character is read through `at()`, or is one of a run that ended before `end`. The
 * texts are str, immutable and held by the caller.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t byte;

/* Classes of characters: see the patterns of `urls.py`. */
enum { SEGMENT = 1, QUERY = 2, NAME = 4, LETTER = 8, DIGIT = 16 };
static byte classes[256];

static void
add_class(const char *characters, int class)
{
    for (; *characters; characters++) classes[(byte)*characters] |= (byte)class;
}

static void
fill_classes(void)
{
    for (int c = 'a'; c <= 'z'; c++) {
        classes[c] = SEGMENT | QUERY | NAME | LETTER;
        classes[c - 'a' + 'A'] = SEGMENT | QUERY;
    }
    add_class("0123456789", SEGMENT | QUERY | NAME | DIGIT);
    add_class("-_", SEGMENT | QUERY | NAME);
    add_class("!$%&()*+,.:;=@~", SEGMENT | QUERY);
    add_class("'", SEGMENT);
    add_class("/?[]|{}`^\\", QUERY);
}

/* The character at a place, or one of no class. */
static inline byte
at(const byte *place, const byte *end)
{
    return place < end ? *place : 0;
}

static inline const byte *
behind(const byte *place, const byte *end, int class)
{
    while (place < end && classes[*place] & class) place++;
    return place;
}

static inline const byte *
behind_text(const byte *place, const byte *end, const char *text)
{
    size_t length = strlen(text);
    return place != NULL && (size_t)(end - place) >= length && !memcmp(place, text, length) ? place + length : NULL;
}

/* An address of four numbers without leading zeros. */
static int
is_address(const byte *place, const byte *end)
{
    for (int numbers = 1;; numbers++) {
        const byte *start = place;
        int value = 0;
        for (; place < end && classes[*place] & DIGIT && place - start < 3; place++) value = value * 10 + *place - '0';
        if (place == start || value > 255 || (*start == '0' && place - start > 1)) return 0;
        if (numbers == 4) return place == end;
        if (at(place++, end) != '.') return 0;
    }
}

/* Each of these returns the place behind what it reads, or NULL where that is not in its final form. */

static const byte *
behind_host(const byte *place, const byte *end)
{
    const byte *host = place, *label;
    for (int labels = 1;; labels++) {
        label = place;
        place = behind(place, end, NAME);
        if (place == label || behind_text(label, place, "xn--") != NULL) return NULL;
        if (at(place, end) != '.') {
            int is_name = labels > 1 && classes[*label] & LETTER
                          && memchr(label, '_', (size_t)(place - label)) == NULL;
            return is_name || is_address(host, place) ? place : NULL;
        }
        place++;
    }
}

static const byte *
behind_port(const byte *place, const byte *end)
{
    const byte *digits = place;
    long port = 0;
    for (; place < end && classes[*place] & DIGIT && place - digits < 5; place++) port = port * 10 + *place - '0';
    return place == digits || *digits == '0' || port >= 65000 || port == 80 || port == 443 ? NULL : place;
}

static const byte *
behind_authority(const byte *place, const byte *end)
{
    place = behind_text(place, end, "//");
    if (place != NULL) place = behind_host(place, end);
    if (place != NULL && at(place, end) == ':') place = behind_port(place + 1, end);
    return place != NULL && at(place, end) == '/' ? place : NULL;
}

static const byte *
behind_scheme(const byte *place, const byte *end)
{
    const byte *secure = behind_text(place, end, "https:");
    return secure != NULL ? secure : behind_text(place, end, "http:");
}

static const byte *
behind_origin(const byte *place, const byte *end)
{
    place = behind_scheme(place, end);
    return place == NULL ? NULL : behind_authority(place, end);
}

static int
is_tail(const byte *place, const byte *end)
{
    if (at(place, end) != '/') return 0;
    while (at(place, end) == '/') {
        place++;
        if (at(place, end) == '.' || behind_text(place, end, "%2e") != NULL || behind_text(place, end, "%2E") != NULL)
            return 0;
        place = behind(place, end, SEGMENT);
    }
    if (at(place, end) == '?') place = behind(place + 1, end, QUERY);
    return place == end;
}

static int
is_final(const byte *place, const byte *end)
{
    place = behind_origin(place, end);
    return place != NULL && is_tail(place, end);
}

/* ---- The functions ---- */

/* The characters of a str; NULL if it is none of one-byte characters, with an exception set if it is no str. */
static const byte *
characters_of(PyObject *text, const byte **end)
{
    if (!PyUnicode_Check(text)) {
        PyErr_SetString(PyExc_TypeError, "a str is needed");
        return NULL;
    }
    if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND) return NULL;
    *end = PyUnicode_1BYTE_DATA(text) + PyUnicode_GET_LENGTH(text);
    return PyUnicode_1BYTE_DATA(text);
}

/* Two runs of ASCII as one str. */
static PyObject *
concatenated(const byte *one, const byte *one_end, const byte *two, const byte *two_end)
{
    PyObject *text = PyUnicode_New((one_end - one) + (two_end - two), 127);
    if (text == NULL) return NULL;
    memcpy(PyUnicode_1BYTE_DATA(text), one, (size_t)(one_end - one));
    memcpy(PyUnicode_1BYTE_DATA(text) + (one_end - one), two, (size_t)(two_end - two));
    return text;
}

static PyObject *
urls_is_normal(PyObject *module, PyObject *text)
{
    const byte *end, *place = characters_of(text, &end);
    if (place == NULL && PyErr_Occurred()) return NULL;
    return PyBool_FromLong(place != NULL && is_final(place, end));
}

static PyObject *
urls_joined(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "joined(base, ref)");
        return NULL;
    }
    const byte *base_end, *base = characters_of(args[0], &base_end), *end, *ref = NULL;
    if (!PyErr_Occurred()) ref = characters_of(args[1], &end);
    if (PyErr_Occurred()) return NULL;
    if (base == NULL || ref == NULL) Py_RETURN_NONE;
    if (is_final(ref, end)) return Py_NewRef(args[1]);
    if (behind_text(ref, end, "//") != NULL) {
        const byte *scheme_end = behind_scheme(base, base_end), *tail = behind_authority(ref, end);
        if (scheme_end == NULL || tail == NULL || !is_tail(tail, end)) Py_RETURN_NONE;
        return concatenated(base, scheme_end, ref, end);
    }
    const byte *origin_end = is_tail(ref, end) ? behind_origin(base, base_end) : NULL;
    if (origin_end != NULL) return concatenated(base, origin_end, ref, end);
    Py_RETURN_NONE;
}

/* ---- The module ---- */

static PyMethodDef methods[] = {
    {"is_normal", urls_is_normal, METH_O, NULL},
    {"joined", (PyCFunction)(void (*)(void))urls_joined, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static int
execute(PyObject *module)
{
    fill_classes();
    return 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, execute}, {0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "mediascrape.scrape._urls",
    .m_methods = methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__urls(void)
{
    return PyModuleDef_Init(&module);
}
