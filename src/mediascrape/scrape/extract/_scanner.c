/* What `scanner.py` does, in C: the same class with the same methods, compared with it by the tests. */
#include "_blocks.h"
#include "_markup.h"

/* ---- The class ---- */

typedef struct {
    PyObject_HEAD
    Words tags, extensions, attributes;
    PyObject *hides; /* owned: stands for the name of what hides markup */
} Scanner;

static int
scanner_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"tags", "stops", "extensions", "attributes", NULL};
    PyObject *tags, *stops, *extensions, *attributes;
    Scanner *self = (Scanner *)object;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO", keywords, &tags, &stops, &extensions, &attributes))
        return -1;
    if (self->tags.count) {
        PyErr_SetString(PyExc_TypeError, "a Scanner is made once");
        return -1;
    }
    if (add_words(&self->tags, tags, 0) < 0 || add_words(&self->tags, stops, 1) < 0
        || add_words(&self->extensions, extensions, 0) < 0 || add_words(&self->attributes, attributes, 0) < 0)
        return -1;
    self->hides = PyUnicode_InternFromString("!");
    return self->hides == NULL ? -1 : 0;
}

static void
scanner_dealloc(PyObject *object)
{
    Scanner *self = (Scanner *)object;
    PyTypeObject *type = Py_TYPE(object);
    clear_words(&self->tags);
    clear_words(&self->extensions);
    clear_words(&self->attributes);
    Py_CLEAR(self->hides);
    type->tp_free(object);
    Py_DECREF(type);
}

/* ---- Landmarks ---- */

/* The tag whose `<` is at an index, or NULL; `end` becomes the index behind its name. */
static const Word *
tag_named(Scanner *self, const Text *text, Py_ssize_t index, Py_ssize_t *end)
{
    char name[WORD_MAX];
    uint32_t hash = 0;
    int length = 0;
    Py_ssize_t i = index + 1;
    for (;; i++) {
        byte c = at(text, i);
        if (is(c, AFTER_NAME) && !(c == '/' && length == 0)) break;
        if (length == self->tags.longest) return NULL;
        c = lower[c];
        name[length++] = (char)c;
        hash = hashed(hash, c);
    }
    const Word *word = slot_of(&self->tags, name, length, hash);
    *end = i;
    return word->name == NULL ? NULL : word;
}

/* What one search gathers. */
typedef struct {
    const Text *text;
    Py_ssize_t from, to;
    PyObject *names, *places;
    Py_ssize_t after; /* what stands before belongs to a tag that was found */
} Search;

/* Notes what is at a place: the name of a tag, `hides` or None for a hint. */
static int
append(Search *search, PyObject *name, Py_ssize_t place)
{
    PyObject *number = PyLong_FromSsize_t(place);
    int failed = number == NULL || PyList_Append(search->names, name) < 0 || PyList_Append(search->places, number) < 0;
    Py_XDECREF(number);
    return failed ? -1 : 0;
}

static int
append_tag(Search *search, PyObject *name, Py_ssize_t start, Py_ssize_t end)
{
    search->after = end;
    return append(search, name, start);
}

/* At a `<`. What is searched ends behind a name that stops. */
static int
look_at_tag(Scanner *self, Search *search, Py_ssize_t i)
{
    const Text *text = search->text;
    byte c = lower[at(text, i + 1)], next = lower[at(text, i + 2)];
    int hides = c == '!' || c == '?' ? 2 : c == '/' && !is(next, LETTER) && next != '>' ? 3 : 0;
    if (i < search->after) return 0;
    if (hides) return append_tag(search, self->hides, i, i + hides);
    if (!*beginning(&self->tags, c, next)) return 0;
    Py_ssize_t end;
    const Word *word = tag_named(self, text, i, &end);
    if (word == NULL) return 0;
    if (word->stops) search->to = end;
    return append_tag(search, word->name, i, end);
}

/* At a dot: a hint before a media extension that ends there. */
static int
look_at_extension(Scanner *self, Search *search, Py_ssize_t i)
{
    const Text *text = search->text;
    char name[WORD_MAX];
    uint32_t hash = 0;
    int length = 0;
    byte c = lower[at(text, i + 1)];
    if (!*beginning(&self->extensions, c, lower[at(text, i + 2)])) return 0;
    while (is(c = lower[at(text, i + 1 + length)], ALPHANUMERIC) && length < self->extensions.longest) {
        name[length++] = (char)c;
        hash = hashed(hash, c);
    }
    if (!is(c, AFTER_EXTENSION) || slot_of(&self->extensions, name, length, hash)->name == NULL) return 0;
    return append(search, Py_None, i);
}

/* Behind the name of a function of CSS. The name is a hint, if it begins in what is searched. */
static int
look_at_bracket(Search *search, Py_ssize_t i)
{
    Py_ssize_t start = begins(search->text, i - 3, "url")         ? i - 3
                       : begins(search->text, i - 9, "image-set") ? i - 9
                                                                  : -1;
    return start < search->from || start >= search->to ? 0 : append(search, Py_None, start);
}

static int
look_at(Scanner *self, Search *search, Py_ssize_t i)
{
    const Text *text = search->text;
    switch (text->bytes[i]) {
    case '<': return look_at_tag(self, search, i);
    case '.': return look_at_extension(self, search, i);
    case '(': return look_at_bracket(search, i);
    case 'i':
    case 'I':
        if (begins(text, i, "itemscope") || begins(text, i, "itemprop")) return append(search, Py_None, i);
        return 0;
    default: {
        byte after = at(text, i + 10);
        if (begins(text, i, "background") && (after == '=' || is(after, SPACE))) return append(search, Py_None, i);
        return 0;
    }
    }
}

static int
search_all(Scanner *self, Search *search, int decoration)
{
    const Text *text = search->text;
    byte rest[STRIDE + AHEAD];
    for (Py_ssize_t block = search->from; block < search->to; block += STRIDE) {
        const byte *bytes = text->bytes + block;
        if (text->length - block < STRIDE + AHEAD) {
            memset(rest, 0, sizeof rest);
            memcpy(rest, bytes, (size_t)(text->length - block));
            bytes = rest;
        }
        for (uint64_t bits = conspicuous(bytes, decoration); bits; bits &= bits - 1) {
            Py_ssize_t i = block + __builtin_ctzll(bits);
            if (i >= search->to) return 0;
            if (look_at(self, search, i) < 0) return -1;
        }
    }
    return 0;
}

static PyObject *
scanner_landmarks(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    Scanner *self = (Scanner *)object;
    Text text;
    if (count != 4) {
        PyErr_SetString(PyExc_TypeError, "landmarks(data, start, end, decoration)");
        return NULL;
    }
    if (!text_of(args[0], &text)) return NULL;
    Py_ssize_t from = PyLong_AsSsize_t(args[1]), to = PyLong_AsSsize_t(args[2]);
    int decoration = PyObject_IsTrue(args[3]);
    if (PyErr_Occurred()) return NULL;
    if (from < 0) from = 0;
    if (from > text.length) from = text.length;
    if (to < from) to = from;
    if (to > text.length) to = text.length;
    Search search = {&text, from, to, PyList_New(0), PyList_New(0), 0};
    int failed = search.names == NULL || search.places == NULL || search_all(self, &search, decoration) < 0;
    /* A function's name may end, and its bracket stand, behind the last place at which one may begin. */
    for (Py_ssize_t i = search.to; !failed && decoration && i < search.to + 10; i++)
        failed = at(&text, i) == '(' && look_at_bracket(&search, i) < 0;
    PyObject *next = failed ? NULL : PyLong_FromSsize_t(search.to);
    PyObject *found = next == NULL ? NULL : PyTuple_Pack(3, search.names, search.places, next);
    Py_XDECREF(search.names);
    Py_XDECREF(search.places);
    Py_XDECREF(next);
    return found;
}

/* ---- Attributes ---- */

/* A name in lower case: the one of the table, if it is known. */
static PyObject *
attribute_named(Scanner *self, const Text *text, Py_ssize_t from, Py_ssize_t to)
{
    Py_ssize_t length = to - from;
    if (length <= WORD_MAX) {
        char name[WORD_MAX];
        uint32_t hash = 0;
        byte all = 0;
        for (Py_ssize_t i = 0; i < length; i++) {
            byte c = lower[text->bytes[from + i]];
            name[i] = (char)c;
            hash = hashed(hash, c);
            all |= c;
        }
        const Word *word = slot_of(&self->attributes, name, (int)length, hash);
        if (word->name != NULL) return Py_NewRef(word->name);
        if (all < 128) return PyUnicode_FromKindAndData(PyUnicode_1BYTE_KIND, name, length);
    }
    PyObject *name = slice(text, from, to), *lowered;
    if (name == NULL) return NULL;
    lowered = PyObject_CallMethod(name, "lower", NULL);
    Py_DECREF(name);
    return lowered;
}

/* Adds one attribute, unless its name was there before. */
static int
add_attribute(Scanner *self, PyObject *attributes, const Text *text, const Py_ssize_t place[4])
{
    PyObject *name = attribute_named(self, text, place[0], place[1]);
    PyObject *value = slice(text, place[2], place[3]);
    int failed = name == NULL || value == NULL || PyDict_SetDefault(attributes, name, value) == NULL;
    Py_XDECREF(name);
    Py_XDECREF(value);
    return failed ? -1 : 0;
}

/* The pair of both; takes the reference. */
static PyObject *
with_end(PyObject *attributes, Py_ssize_t end)
{
    PyObject *number = PyLong_FromSsize_t(end), *pair = NULL;
    if (number != NULL) pair = PyTuple_Pack(2, attributes, number);
    Py_XDECREF(number);
    Py_DECREF(attributes);
    return pair;
}

/* Reads the attributes of the tag whose name ends at `i` into a dict, or passes over them if it is NULL. Returns the
 * place behind the tag, 0 if it has no end, -1 with an exception set. */
static Py_ssize_t
read_attributes(Scanner *self, PyObject *attributes, const Text *text, Py_ssize_t i)
{
    while ((i = behind(text, i, BETWEEN)) < text->length) {
        if (text->bytes[i] == '>') return i + 1;
        Py_ssize_t place[4] = {i, behind_name(text, i), 0, 0};
        i = behind(text, place[1], SPACE);
        if (at(text, i) == '=') {
            place[2] = behind(text, i + 1, SPACE);
            place[3] = end_of_value(text, &place[2], &i);
            if (place[3] < 0) break;
        }
        if (attributes != NULL && add_attribute(self, attributes, text, place) < 0) return -1;
    }
    return 0;
}

static PyObject *
scanner_attributes(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Text text;
    Py_ssize_t start;
    if (!text_and_place(args, count, 2, &text, &start)) return NULL;
    PyObject *attributes = PyDict_New();
    if (attributes == NULL) return NULL;
    Py_ssize_t end = read_attributes((Scanner *)self, attributes, &text, start);
    if (end > 0) return with_end(attributes, end);
    Py_DECREF(attributes);
    if (end < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *
scanner_end_of_mere_script(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Text text;
    Py_ssize_t start;
    if (!text_and_place(args, count, 2, &text, &start)) return NULL;
    Py_ssize_t end = read_attributes((Scanner *)self, NULL, &text, start);
    for (Py_ssize_t i = start; (i = next_of(&text, '+', i, end)) >= 0; i++)
        if (i - 2 >= start && begins(&text, i - 2, "ld+json")) end = 0;
    return PyLong_FromSsize_t(end > 0 ? end_of_raw(&text, end, "script", 6) : -1);
}

/* ---- What holds no markup, or may hold a tag ---- */

static PyObject *
scanner_end_of_hidden(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Text text;
    Py_ssize_t start;
    if (!text_and_place(args, count, 2, &text, &start)) return NULL;
    return PyLong_FromSsize_t(end_of_hidden(&text, start));
}

static PyObject *
scanner_end_of_raw(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Text text;
    Py_ssize_t start, length;
    if (!text_and_place(args, count, 3, &text, &start)) return NULL;
    const char *name = PyUnicode_AsUTF8AndSize(args[2], &length);
    return name == NULL ? NULL : PyLong_FromSsize_t(end_of_raw(&text, start, name, length));
}

static PyObject *
scanner_may_be_inside(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    Text text;
    Py_ssize_t position;
    if (!text_and_place(args, count, 3, &text, &position)) return NULL;
    Py_ssize_t start = PyLong_AsSsize_t(args[2]);
    if (start == -1 && PyErr_Occurred()) return NULL;
    if (start > text.length) start = text.length;
    return PyBool_FromLong(may_be_inside(&text, position, start));
}

/* ---- The module ---- */

static PyMethodDef methods[] = {
    {"landmarks", (PyCFunction)(void (*)(void))scanner_landmarks, METH_FASTCALL, NULL},
    {"attributes", (PyCFunction)(void (*)(void))scanner_attributes, METH_FASTCALL, NULL},
    {"end_of_mere_script", (PyCFunction)(void (*)(void))scanner_end_of_mere_script, METH_FASTCALL, NULL},
    {"end_of_hidden", (PyCFunction)(void (*)(void))scanner_end_of_hidden, METH_FASTCALL, NULL},
    {"end_of_raw", (PyCFunction)(void (*)(void))scanner_end_of_raw, METH_FASTCALL, NULL},
    {"may_be_inside", (PyCFunction)(void (*)(void))scanner_may_be_inside, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_init, scanner_init},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, scanner_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "mediascrape.scrape.extract._scanner.Scanner",
    .basicsize = sizeof(Scanner),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

static int
execute(PyObject *module)
{
    fill_classes();
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    int failed = type == NULL || PyModule_AddObjectRef(module, "Scanner", type) < 0;
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, execute}, {0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "mediascrape.scrape.extract._scanner",
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__scanner(void)
{
    return PyModuleDef_Init(&module);
}
