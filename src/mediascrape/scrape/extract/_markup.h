/* What `tokens.py` knows of HTML's syntax, in C: where the parts of a tag, a comment or a text end, and whether a place
 * may lie within a tag. Safe by the rules of `_words.h`.
 */
#ifndef MEDIASCRAPE_MARKUP_H
#define MEDIASCRAPE_MARKUP_H

#include "_words.h"

/* ---- Within a tag ---- */

static Py_ssize_t
behind(const Text *text, Py_ssize_t i, int class)
{
    while (i < text->length && is(text->bytes[i], class)) i++;
    return i;
}

static Py_ssize_t
behind_name(const Text *text, Py_ssize_t i)
{
    i++; /* even `=` begins a name */
    while (i < text->length && !is(text->bytes[i], AFTER_NAME) && text->bytes[i] != '=') i++;
    return i;
}

/* The value that begins at `from`, which becomes its first place; returns the place behind it, -1 if it has no end.
 * `next` becomes where to go on. */
static Py_ssize_t
end_of_value(const Text *text, Py_ssize_t *from, Py_ssize_t *next)
{
    Py_ssize_t end;
    byte quote = at(text, *from);
    if (quote == '"' || quote == '\'') {
        *from += 1;
        end = next_of(text, quote, *from, text->length);
        *next = end + 1;
        return end;
    }
    for (end = *from; end < text->length && !is(text->bytes[end], SPACE) && text->bytes[end] != '>';) end++;
    *next = end;
    return end;
}

/* ---- What holds no markup, or may hold a tag ---- */

static Py_ssize_t
end_of_hidden(const Text *text, Py_ssize_t start)
{
    Py_ssize_t length = text->length, end = start + 4;
    if (!begins(text, start + 1, "!--")) {
        end = next_of(text, '>', start, length);
        return end < 0 ? length : end;
    }
    if (begins(text, end, ">") || begins(text, end, "->")) return next_of(text, '>', end, length) + 1;
    while ((end = next_of(text, '>', end, length)) >= 0) {
        Py_ssize_t dashes = at(text, end - 1) == '!' ? end - 3 : end - 2;
        if (dashes >= start + 4 && begins(text, dashes, "--")) return end + 1;
        end++;
    }
    return length;
}

/* Whether a name in lower case, and then the end of a tag's name, stand at an index. */
static inline int
is_name(const Text *text, Py_ssize_t index, const char *name, Py_ssize_t length)
{
    return begins(text, index, name) && index + length < text->length && is(text->bytes[index + length], AFTER_NAME);
}

/* The end tag of the script in which `<!--` opens before a place, where a `<script` hides the next; or, with `goes_on`
 * set, the place behind the `-->` that closes it. */
static Py_ssize_t
end_of_escaped(const Text *text, Py_ssize_t i, int *goes_on)
{
    int hidden = 0;
    for (*goes_on = 0; i < text->length; i++) {
        if (text->bytes[i] == '-' && begins(text, i, "-->")) {
            *goes_on = 1;
            return i + 3;
        }
        if (text->bytes[i] != '<') continue;
        int closes = at(text, i + 1) == '/';
        if (!is_name(text, i + 1 + closes, "script", 6)) continue;
        if (closes && !hidden) return i;
        hidden = !closes;
    }
    return text->length;
}

static Py_ssize_t
end_of_raw(const Text *text, Py_ssize_t position, const char *name, Py_ssize_t length)
{
    int escapes = !strcmp(name, "script");
    while ((position = next_of(text, '<', position, text->length)) >= 0) {
        if (position + 2 + length >= text->length) break;
        byte c = text->bytes[position + 1];
        if (c == '/' && is_name(text, position + 2, name, length)) return position;
        if (escapes && c == '!' && begins(text, position + 2, "--")) {
            int goes_on;
            position = end_of_escaped(text, position + 2, &goes_on);
            if (!goes_on) return position;
        } else {
            position++;
        }
    }
    return text->length;
}

/* Whether the quote at an index opened a value: it follows a `=`, blanks between them or not. */
static int
opens_value(const Text *text, Py_ssize_t position, Py_ssize_t quote)
{
    while (--quote >= position && is(text->bytes[quote], SPACE)) {}
    return quote >= position && text->bytes[quote] == '=';
}

static int
may_be_inside(const Text *text, Py_ssize_t position, Py_ssize_t start)
{
    Py_ssize_t bracket = last_of(text, '<', position, start);
    if (bracket < 0) return 0;
    Py_ssize_t closing = last_of(text, '>', position, start);
    if (closing < bracket) return 1;
    if (next_of(text, '=', position, start) < 0) return 0;
    for (const char *quote = "\"'"; *quote; quote++) {
        Py_ssize_t last = last_of(text, (byte)*quote, position, start);
        if (last < 0) continue;
        if (opens_value(text, position, last)) return 1;
        if (last < closing) continue;
        last = last_of(text, (byte)*quote, position, last);
        if (last >= 0 && opens_value(text, position, last)) return 1;
    }
    return 0;
}

#endif
