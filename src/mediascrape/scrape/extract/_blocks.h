/* Which of 64 characters are worth a look: the landmarks' search passes over all others at once. */
#ifndef MEDIASCRAPE_BLOCKS_H
#define MEDIASCRAPE_BLOCKS_H

#include "_words.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Sixteen characters at once, by the vectors of GCC and Clang, which any processor has or is given. */
typedef byte Block __attribute__((vector_size(16)));

enum { STRIDE = 64, AHEAD = 3 };

static inline Block
block_at(const byte *bytes)
{
    Block block;
    memcpy(&block, bytes, sizeof block);
    return block;
}

/* One bit for each of sixteen bytes that are 0 or 255, the first the lowest. */
static inline uint64_t
bits_of(Block block)
{
#ifdef __SSE2__
    return (uint64_t)_mm_movemask_epi8((__m128i)block);
#else
    uint64_t halves[2], bits = 0;
    memcpy(halves, &block, sizeof halves);
    for (int i = 0; i < 2; i++) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        halves[i] = __builtin_bswap64(halves[i]);
#endif
        bits |= ((halves[i] & 0x0101010101010101u) * 0x0102040810204080u) >> 56 << 8 * i;
    }
    return bits;
#endif
}

/* A bit for each of 64 characters that may be a landmark or begin a hint. Three more are read. */
static inline uint64_t
conspicuous(const byte *bytes, int decoration)
{
    uint64_t bits = 0;
    for (int i = 0; i < STRIDE; i += 16) {
        Block here = block_at(bytes + i), low = here | 32, third = block_at(bytes + i + AHEAD) | 32;
        Block marks = (Block)((here == '<') | (here == '.') | ((low == 'i') & (third == 'm')));
        if (decoration) marks |= (Block)((here == '(') | ((low == 'b') & (third == 'k')));
        bits |= bits_of(marks) << i;
    }
    return bits;
}

#endif
