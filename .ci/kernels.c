/* Compare the tile and the pooling loops with plain loops. The program needs no Python, so .ci/compilers can compile and run
 * it for processors for which no Python is installed. All numbers are small integers, so every sum is exact and must agree to
 * the last bit. */
#include <stdio.h>
#include <stdlib.h>

#include "pool/pool.h"
#include "tile/tile.h"

enum { DEPTH = 1300, WIDTH = 2 * 16, TAPS = 3, PIXELS = 40, CHANNELS = 21 };

static int failures;

static void check(const char *name, int is_right)
{
    if (!is_right) {
        printf("%s differs from the plain loops\n", name);
        failures++;
    }
}

static int next_integer(void)
{
    static unsigned state = 1;
    state = state * 1664525u + 1013904223u;
    return (int)(state >> 28) - 8;
}

/* Test each tile shape with all rows and with one row, a short and a long sum, with and without start values. */
#define DEFINE_TEST_OF_TILE(real)                                                                                      \
    static void test_tile_##real(Shape shape, ptrdiff_t rows, ptrdiff_t length, int with_start)                        \
    {                                                                                                                  \
        static real a[MOST_ROWS][TAPS * DEPTH], b[TAPS * DEPTH * WIDTH], start[WIDTH], out[MOST_ROWS][WIDTH];          \
        const real *from[MOST_ROWS];                                                                                   \
        real *to[MOST_ROWS];                                                                                           \
        ptrdiff_t begin[TAPS];                                                                                         \
        int is_right = 1;                                                                                              \
        for (ptrdiff_t p = 0; p < MOST_ROWS; p++) {                                                                    \
            from[p] = a[p];                                                                                            \
            to[p] = out[p];                                                                                            \
            for (ptrdiff_t k = 0; k < TAPS * DEPTH; k++)                                                               \
                a[p][k] = (real)next_integer();                                                                        \
        }                                                                                                              \
        for (ptrdiff_t k = 0; k < TAPS * DEPTH * WIDTH; k++)                                                           \
            b[k] = (real)next_integer();                                                                               \
        for (ptrdiff_t v = 0; v < WIDTH; v++)                                                                          \
            start[v] = (real)next_integer();                                                                           \
        for (ptrdiff_t r = 0; r < TAPS; r++)                                                                           \
            begin[r] = (TAPS - 1 - r) * DEPTH;                                                                         \
        Runs runs = {.count = TAPS, .length = length, .step = 1, .start = begin};                                      \
        tile(shape, rows, &runs, from, b, with_start ? start : (real *)NULL, to);                                      \
        for (ptrdiff_t p = 0; p < rows; p++)                                                                           \
            for (ptrdiff_t v = 0; v < shape.width; v++) {                                                              \
                real sum = with_start ? start[v] : 0;                                                                  \
                for (ptrdiff_t r = 0; r < TAPS; r++)                                                                   \
                    for (ptrdiff_t k = 0; k < length; k++)                                                             \
                        sum += a[p][begin[r] + k] * b[(r * length + k) * shape.width + v];                             \
                is_right &= out[p][v] == sum;                                                                          \
            }                                                                                                          \
        check("a tile of " #real, is_right);                                                                           \
    }                                                                                                                  \
    static void test_tiles_##real(void)                                                                                \
    {                                                                                                                  \
        const Shape shapes[] = {{WIDE, WIDE_ROWS, 2 * LANES_##real},                                                   \
                                {NARROW, NARROW_ROWS, LANES_##real},                                                   \
                                {HALF, NARROW_ROWS, HALF_LANES_##real}};                                               \
        for (int k = 0; k < 3; k++)                                                                                    \
            for (int part = 0; part < 8; part++)                                                                       \
                test_tile_##real(shapes[k], part & 1 ? 1 : shapes[k].rows, part & 2 ? DEPTH : 5, part & 4);            \
    }

/* Test windows of several sizes on a row of pixels whose last channels do not fill a vector. */
#define DEFINE_TEST_OF_POOLING(real)                                                                                   \
    static void test_pooling_##real(ptrdiff_t down, ptrdiff_t across)                                                  \
    {                                                                                                                  \
        static real x[PIXELS * CHANNELS], largest[CHANNELS], mean[CHANNELS];                                           \
        static ptrdiff_t argmax[CHANNELS];                                                                             \
        int is_right = 1;                                                                                              \
        for (ptrdiff_t k = 0; k < PIXELS * CHANNELS; k++)                                                              \
            x[k] = (real)next_integer();                                                                               \
        Entries entries = {down, across, .row = 8, .column = 2, .channels = CHANNELS, .pixel = CHANNELS};              \
        ptrdiff_t last = (down - 1) * entries.row + (across - 1) * entries.column;                                     \
        ptrdiff_t readable = (PIXELS - last) * CHANNELS;                                                               \
        Run run = {.count = 1, .stride = 1, .pixel = CHANNELS, .readable = readable, .writable = CHANNELS};            \
        max_windows((const real *)x, entries, run, 0, largest, argmax);                                                \
        avg_windows((const real *)x, entries, run, 1, mean);                                                           \
        for (ptrdiff_t c = 0; c < CHANNELS; c++) {                                                                     \
            ptrdiff_t winner = 0;                                                                                      \
            real sum = 0;                                                                                              \
            for (ptrdiff_t m = 0; m < down; m++)                                                                       \
                for (ptrdiff_t n = 0; n < across; n++) {                                                               \
                    ptrdiff_t pixel = m * entries.row + n * entries.column;                                            \
                    sum += x[pixel * CHANNELS + c];                                                                    \
                    if (x[pixel * CHANNELS + c] > x[winner * CHANNELS + c])                                            \
                        winner = pixel;                                                                                \
                }                                                                                                      \
            is_right &= argmax[c] == winner && largest[c] == x[winner * CHANNELS + c] && mean[c] == sum;               \
        }                                                                                                              \
        check("pooling of " #real, is_right);                                                                          \
    }

DEFINE_TEST_OF_TILE(float)
DEFINE_TEST_OF_TILE(double)
DEFINE_TEST_OF_POOLING(float)
DEFINE_TEST_OF_POOLING(double)

int main(void)
{
    test_tiles_float();
    test_tiles_double();
    for (ptrdiff_t down = 1; down <= 4; down++)
        for (ptrdiff_t across = 1; across <= 4; across++) {
            test_pooling_float(down, across);
            test_pooling_double(down, across);
        }
    printf("%s\n", failures ? "FAILED" : "equal");
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
