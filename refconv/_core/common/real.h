/* FOR_TYPE_OF(pointer, name): name_float or name_double, whichever computes with elements of the pointer's type.
 *
 * A macro that expands to FOR_TYPE_OF is declared to Cython once, as a function of void pointers; Cython passes the typed
 * pointers to the macro unchanged. So kernels of either type call one name, and the compiler still checks the arguments of the
 * function that it selects. */
#ifndef REFCONV_REAL_H
#define REFCONV_REAL_H

#define FOR_TYPE_OF(pointer, name)                                                                                     \
    _Generic((pointer),                                                                                                \
        float *: name##_float,                                                                                         \
        const float *: name##_float,                                                                                   \
        double *: name##_double,                                                                                       \
        const double *: name##_double)

#endif
